// SPDX-License-Identifier: GPL-2.0-or-later
#include "fencing/store_options.h"

#include <algorithm>

namespace ft::fencing {
namespace {

using Backend = StoreOptions::Backend;

constexpr char kFormsOfUrls[] =
    "write a directory, nbd://HOST:PORT, nbd+unix:///PATH, "
    "iscsi://HOST/TARGET/LUN or http://HOST:PORT of an etcd";

// `url` behind `scheme`, if it begins with it.
bool Cut(std::string_view url, std::string_view scheme, std::string* rest) {
  if (!url.starts_with(scheme)) return false;
  *rest = url.substr(scheme.size());
  return true;
}

Result<StoreOptions> EtcdOf(std::string_view urls) {
  StoreOptions options;
  options.backend = Backend::kEtcd;
  while (!urls.empty()) {
    const size_t comma = std::min(urls.find(','), urls.size());
    const std::string endpoint(urls.substr(0, comma));
    if (Status s = CheckEtcdEndpoint(endpoint); !s.ok()) return s;
    options.etcd.endpoints.push_back(endpoint);
    urls.remove_prefix(std::min(comma + 1, urls.size()));
  }
  return options;
}

}  // namespace

Result<Backend> ParseBackend(std::string_view name) {
  if (name == "file") return Backend::kFile;
  if (name == "nbd") return Backend::kNbd;
  if (name == "iscsi") return Backend::kIscsi;
  if (name == "etcd") return Backend::kEtcd;
  return Status::Invalid("there is no backend \"" + std::string(name) + "\"",
                         R"(write "file", "nbd", "iscsi" or "etcd")");
}

Result<StoreOptions> ParseStoreUrl(const std::string& url) {
  StoreOptions options;
  if (url.starts_with("http://") || url.starts_with("https://")) {
    return EtcdOf(url);
  }
  if (url.starts_with("iscsi:")) {
    if (Status s = CheckIscsiUrl(url); !s.ok()) return s;
    options.backend = Backend::kIscsi;
    options.iscsi.url = url;
    return options;
  }
  if (Cut(url, "nbd://", &options.address) ||
      Cut(url, "nbd+unix://", &options.address)) {
    options.backend = Backend::kNbd;
    if (!options.address.empty()) return options;
  } else if (url.starts_with('/')) {
    options.shared_dir = url;
    return options;
  } else if (Cut(url, "file://", &options.shared_dir) &&
             options.shared_dir.starts_with('/')) {
    return options;
  }
  return Status::Invalid("'" + url + "' names no test-and-set store",
                         kFormsOfUrls);
}

std::string Describe(const StoreOptions& options) {
  switch (options.backend) {
    case Backend::kFile:
      return "shared directory " + options.shared_dir;
    case Backend::kNbd:
      return "disk service " + options.address;
    case Backend::kIscsi:
      return "iSCSI LUN " + options.iscsi.url;
    case Backend::kEtcd:
      return "etcd at " + options.etcd.endpoints.at(0);
  }
  return "?";
}

Status CheckIscsiUrl(const std::string& url) {
  std::string rest;
  const bool form = Cut(url, "iscsi://", &rest) &&
                    std::count(rest.begin(), rest.end(), '/') == 2 &&
                    rest.back() != '/' && rest.front() != '/';
  if (!form) {
    return Status::Invalid("'" + url + "' is not the URL of a LUN",
                           "write iscsi://HOST[:PORT]/TARGET/LUN");
  }
  if (rest.find('@') == std::string::npos) return Status::Ok();
  return Status::Invalid(
      "a URL with a user or password in it ends up in logs",
      "write them as chap_user and chap_password_file in ftd's config");
}

Status CheckEtcdEndpoint(const std::string& endpoint) {
  std::string rest;
  const bool form =
      (Cut(endpoint, "http://", &rest) || Cut(endpoint, "https://", &rest)) &&
      !rest.empty() && rest.find('@') == std::string::npos;
  if (form) return Status::Ok();
  return Status::Invalid("'" + endpoint + "' is not an endpoint of etcd",
                         "write http://HOST:PORT or https://HOST:PORT");
}

}  // namespace ft::fencing
