// SPDX-License-Identifier: GPL-2.0-or-later
#include "fencing/etcd_client.h"

#include <curl/curl.h>
#include <openssl/evp.h>

#include <algorithm>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_to.hpp>
#include <charconv>
#include <chrono>
#include <utility>

#include "logchannel/check.h"

namespace ft::fencing {
namespace json = boost::json;
namespace {

using std::chrono::milliseconds;
using std::chrono::steady_clock;

constexpr size_t kIdleConnections = 4;
// Answers to our questions are a few hundred bytes.
constexpr size_t kLongestAnswer = 1 << 20;

std::string ToBase64(const std::string& bytes) {
  std::string text(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  const int size =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                      reinterpret_cast<const unsigned char*>(bytes.data()),
                      static_cast<int>(bytes.size()));
  text.resize(static_cast<size_t>(size));
  return text;
}

std::optional<std::string> FromBase64(const std::string& text) {
  std::string bytes(text.size(), '\0');
  const int size =
      EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                      reinterpret_cast<const unsigned char*>(text.data()),
                      static_cast<int>(text.size()));
  if (size < 0) return std::nullopt;
  // OpenSSL counts the padding as zeroes.
  const size_t padding = text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
  bytes.resize(static_cast<size_t>(size) - padding);
  return bytes;
}

// The gateway writes 64-bit numbers as strings.
std::optional<uint64_t> NumberOf(const json::value* value) {
  if (value == nullptr || !value->is_string()) return std::nullopt;
  const json::string& digits = value->get_string();
  uint64_t number = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, number);
  if (error != std::errc() || stop != end) return std::nullopt;
  return number;
}

// The first key after all that begin with `prefix`.
std::string EndOf(std::string prefix) {
  FT_CHECK(!prefix.empty() && prefix.back() != '\xff') << prefix;
  ++prefix.back();
  return prefix;
}

}  // namespace

// A libcurl handle, and with it a connection per endpoint that lives on.
class EtcdClient::Connection {
 public:
  explicit Connection(const EtcdCluster& cluster) : handle_(curl_easy_init()) {
    FT_CHECK(handle_ != nullptr) << "curl";
    Set(CURLOPT_NOSIGNAL, 1L);
    Set(CURLOPT_PROXY, "");  // whatever the environment says
    Set(CURLOPT_ERRORBUFFER, error_);
    Set(CURLOPT_WRITEFUNCTION, &Connection::Append);
    Set(CURLOPT_WRITEDATA, this);
    headers_ = curl_slist_append(nullptr, "Content-Type: application/json");
    headers_ = curl_slist_append(headers_, "Expect:");
    Set(CURLOPT_HTTPHEADER, headers_);
    if (!cluster.ca.empty()) Set(CURLOPT_CAINFO, cluster.ca.c_str());
    if (!cluster.cert.empty()) Set(CURLOPT_SSLCERT, cluster.cert.c_str());
    if (!cluster.key.empty()) Set(CURLOPT_SSLKEY, cluster.key.c_str());
  }
  ~Connection() {
    curl_easy_cleanup(handle_);
    curl_slist_free_all(headers_);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // The answer's body, whatever its HTTP status; kUnavailable if none came.
  Result<std::string> Post(const std::string& url, const std::string& body,
                           milliseconds timeout) {
    answer_.clear();
    error_[0] = '\0';
    Set(CURLOPT_URL, url.c_str());
    Set(CURLOPT_POSTFIELDS, body.c_str());
    Set(CURLOPT_POSTFIELDSIZE, static_cast<long>(body.size()));
    Set(CURLOPT_TIMEOUT_MS, static_cast<long>(timeout.count()));
    const CURLcode code = curl_easy_perform(handle_);
    if (code == CURLE_OK) return answer_;
    return Status::Unavailable(error_[0] ? error_ : curl_easy_strerror(code));
  }

 private:
  template <typename Value>
  void Set(CURLoption option, Value value) {
    const CURLcode code = curl_easy_setopt(handle_, option, value);
    FT_CHECK(code == CURLE_OK) << option << curl_easy_strerror(code);
  }
  static size_t Append(char* bytes, size_t, size_t size, void* self) {
    std::string& answer = static_cast<Connection*>(self)->answer_;
    if (answer.size() + size > kLongestAnswer) return 0;
    answer.append(bytes, size);
    return size;
  }

  CURL* const handle_;
  curl_slist* headers_ = nullptr;
  char error_[CURL_ERROR_SIZE] = {};
  std::string answer_;
};

EtcdClient::EtcdClient(EtcdCluster cluster) : cluster_(std::move(cluster)) {
  static const CURLcode initialized = curl_global_init(CURL_GLOBAL_DEFAULT);
  FT_CHECK(initialized == CURLE_OK) << "curl_global_init";
  FT_CHECK(!cluster_.endpoints.empty()) << "endpoints";
}

EtcdClient::~EtcdClient() = default;

std::unique_ptr<EtcdClient::Connection> EtcdClient::Take() {
  {
    std::lock_guard lock(mutex_);
    if (!idle_.empty()) {
      auto connection = std::move(idle_.back());
      idle_.pop_back();
      return connection;
    }
  }
  return std::make_unique<Connection>(cluster_);
}

void EtcdClient::GiveBack(std::unique_ptr<Connection> connection) {
  std::lock_guard lock(mutex_);
  if (idle_.size() < kIdleConnections) idle_.push_back(std::move(connection));
}

Result<json::object> EtcdClient::Post(const std::string& path,
                                      const json::object& body,
                                      Deadline deadline) {
  const std::string text = json::serialize(body);
  auto connection = Take();
  const size_t count = cluster_.endpoints.size();
  const size_t first = preferred_.load();
  std::string why = "no answer in time";
  for (size_t i = 0; i < count; ++i) {
    const auto left = std::chrono::duration_cast<milliseconds>(
        (deadline - steady_clock::now()) / static_cast<long>(count - i));
    if (left.count() <= 0) break;
    const size_t index = (first + i) % count;
    const std::string& endpoint = cluster_.endpoints[index];
    Result<std::string> answer = connection->Post(endpoint + path, text, left);
    if (!answer.ok()) {
      why = endpoint + ": " + answer.status().message();
      continue;
    }
    boost::system::error_code error;
    json::value value = json::parse(*answer, error);
    if (error || !value.is_object()) {
      why = endpoint + " does not speak etcd's API v3";
    } else if (!value.get_object().contains("header")) {
      why = endpoint + ": " + json::serialize(value);
    } else {
      preferred_.store(index);
      GiveBack(std::move(connection));
      return std::move(value.get_object());
    }
  }
  GiveBack(std::move(connection));
  return Status::Unavailable("etcd does not answer (" + why + ")",
                             "check that a majority of its members runs, and "
                             "the network to them");
}

Result<EtcdClient::Value> EtcdClient::Get(const std::string& key,
                                          Deadline deadline) {
  const auto answer = Post("/v3/kv/range", {{"key", ToBase64(key)}}, deadline);
  if (!answer.ok()) return answer.status();
  const json::value* kvs = answer.value().if_contains("kvs");
  if (kvs == nullptr) return Value();
  const auto senseless = [&] {
    return Status::Unavailable(
        "etcd's answer for " + key + " makes no sense",
        "check that the endpoints are etcd 3.4 or newer");
  };
  if (!kvs->is_array() || kvs->get_array().size() != 1 ||
      !kvs->get_array()[0].is_object()) {
    return senseless();
  }
  const json::object& kv = kvs->get_array()[0].get_object();
  const auto revision = NumberOf(kv.if_contains("mod_revision"));
  if (!revision || *revision == 0) return senseless();
  const json::value* value = kv.if_contains("value");
  if (value == nullptr) return Value{"", *revision};
  if (!value->is_string()) return senseless();
  auto bytes = FromBase64(json::value_to<std::string>(*value));
  if (!bytes) return senseless();
  return Value{std::move(*bytes), *revision};
}

Result<bool> EtcdClient::Replace(const std::string& key, uint64_t revision,
                                 const std::string& bytes, Deadline deadline) {
  const std::string name = ToBase64(key);
  const auto answer = Post(
      "/v3/kv/txn",
      {{"compare", json::array{{{"key", name},
                                {"target", "MOD"},
                                {"result", "EQUAL"},
                                {"mod_revision", std::to_string(revision)}}}},
       {"success",
        json::array{
            {{"request_put", {{"key", name}, {"value", ToBase64(bytes)}}}}}}},
      deadline);
  if (!answer.ok()) return answer.status();
  const json::value* succeeded = answer.value().if_contains("succeeded");
  return succeeded != nullptr && succeeded->is_bool() && succeeded->get_bool();
}

Status EtcdClient::Put(const std::string& key, const std::string& bytes,
                       Deadline deadline) {
  return Post("/v3/kv/put",
              {{"key", ToBase64(key)}, {"value", ToBase64(bytes)}}, deadline)
      .status();
}

Status EtcdClient::DeleteAll(const std::string& prefix, Deadline deadline) {
  return Post("/v3/kv/deleterange",
              {{"key", ToBase64(prefix)},
               {"range_end", ToBase64(EndOf(prefix))}},
              deadline)
      .status();
}

}  // namespace ft::fencing
