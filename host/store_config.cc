// SPDX-License-Identifier: GPL-2.0-or-later
#include "host/store_config.h"

#include <fmt/format.h>

#include "replay/iscsi_disk.h"

namespace ft::host {
namespace {

using Backend = fencing::StoreOptions::Backend;

// A refusal by fencing, with the line of the file that it is about.
void FailAt(TableReader& table, const char* key, const Status& status) {
  if (status.ok()) return;
  table.Fail(
      Status::Invalid(fmt::format("{}: {}", table.Where(key), status.message()),
                      status.remedy()));
}

void RequireBoth(TableReader& table, const char* one, const std::string& a,
                 const char* other, const std::string& b) {
  if (a.empty() == b.empty()) return;
  const char* missing = a.empty() ? one : other;
  table.Fail(Status::Invalid(
      fmt::format("{}: {} is missing beside {}", table.Where(missing), missing,
                  a.empty() ? other : one),
      "give both, or none"));
}

void ReadPath(TableReader& table, const char* key, std::string* out) {
  table.Read(key, out);
  RequireAbsolute(table, key, *out);
}

void ReadNbd(TableReader& table, fencing::StoreOptions* out) {
  table.Require("address", &out->address);
}

void ReadIscsi(TableReader& table, fencing::StoreOptions* out) {
  fencing::IscsiTarget& target = out->iscsi;
  table.Require("url", &target.url);
  if (!target.url.empty()) {
    FailAt(table, "url", fencing::CheckIscsiUrl(target.url));
  }
  table.Read("initiator", &target.initiator);
  table.Read("chap_user", &target.user);
  ReadPath(table, "chap_password_file", &out->iscsi_password_file);
  RequireBoth(table, "chap_user", target.user, "chap_password_file",
              out->iscsi_password_file);
}

void ReadEtcd(TableReader& table, fencing::StoreOptions* out) {
  fencing::EtcdCluster& cluster = out->etcd;
  table.RequireList("endpoints", &cluster.endpoints);
  for (const std::string& endpoint : cluster.endpoints) {
    FailAt(table, "endpoints", fencing::CheckEtcdEndpoint(endpoint));
  }
  table.Read("prefix", &cluster.prefix);
  if (!cluster.prefix.ends_with('/')) {
    FailAt(table, "prefix",
           Status::Invalid("prefix does not end with '/'",
                           "write one such as \"/lockstep/\""));
  }
  ReadPath(table, "ca", &cluster.ca);
  ReadPath(table, "cert", &cluster.cert);
  ReadPath(table, "key", &cluster.key);
  RequireBoth(table, "cert", cluster.cert, "key", cluster.key);
}

void ReadBackend(TableReader& table, fencing::StoreOptions* out) {
  std::string name;
  table.Require("backend", &name);
  if (name.empty()) return;
  const auto backend = fencing::ParseBackend(name);
  if (!backend.ok()) return FailAt(table, "backend", backend.status());
  out->backend = backend.value();
  switch (out->backend) {
    case Backend::kFile:
      table.Require("shared_dir", &out->shared_dir);
      return RequireAbsolute(table, "shared_dir", out->shared_dir);
    case Backend::kNbd:
      return ReadNbd(table, out);
    case Backend::kIscsi:
      return ReadIscsi(table, out);
    case Backend::kEtcd:
      return ReadEtcd(table, out);
  }
}

}  // namespace

fencing::StoreOptions ReadStore(TableReader& top, const std::string& host) {
  fencing::StoreOptions options;
  options.iscsi.initiator = replay::InitiatorName(host);
  if (!top.Has("fencing")) {
    if (!top.Has("shared_dir")) {
      top.Fail(Status::Invalid(
          fmt::format("{}: shared_dir is missing", top.Where("shared_dir")),
          "add shared_dir = \"...\", or a table [fencing]"));
    }
    top.Require("shared_dir", &options.shared_dir);
    RequireAbsolute(top, "shared_dir", options.shared_dir);
    return options;
  }
  if (top.Has("shared_dir")) {
    FailAt(top, "shared_dir",
           Status::Invalid("shared_dir and [fencing] both choose a store",
                           "remove one of them"));
  }
  for (TableReader& table : top.Table("fencing")) {
    ReadBackend(table, &options);
    top.Fail(table.Finish());
  }
  return options;
}

void RequireAbsolute(TableReader& table, const char* key,
                     const std::string& value) {
  if (value.empty() || value.front() == '/') return;
  table.Fail(Status::Invalid(
      fmt::format("{}: {} is not an absolute path", table.Where(key), key),
      "begin it with '/'"));
}

}  // namespace ft::host
