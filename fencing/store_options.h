// SPDX-License-Identifier: GPL-2.0-or-later
//
// Which store holds the records, and where it is: what ftd's config says in
// [fencing], and what a URL says to `ftctl fencing`:
//
//     /srv/lockstep, file:///srv/lockstep      a shared directory
//     nbd://HOST:PORT, nbd+unix:///PATH        a disk service
//     iscsi://HOST[:PORT]/TARGET/LUN           a LUN
//     http://HOST:PORT[,http://HOST:PORT...]   an etcd cluster (https too)
//
// Data only; store_factory.h makes a TestAndSet of it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "logchannel/status.h"

namespace ft::fencing {

struct IscsiTarget {
  // iscsi://HOST[:PORT]/TARGET/LUN, without a user or password.
  std::string url = "";
  // The name that this host logs in by; targets know their hosts by it.
  std::string initiator = "iqn.2026-11.local.lockstep:host";
  // CHAP; no user, no authentication.
  std::string user = "";
  std::string password = "";
};

struct EtcdCluster {
  // "http://10.0.0.1:2379" or "https://...", of one cluster, one at least.
  std::vector<std::string> endpoints = {};
  // Every key of ours begins with it.
  std::string prefix = "/lockstep/";
  // PEM files: who signed the endpoints' certificates (the system's own
  // authorities if empty), and our certificate, if the cluster asks for one.
  std::string ca = "";
  std::string cert = "";
  std::string key = "";
};

struct StoreOptions {
  enum class Backend { kFile, kNbd, kIscsi, kEtcd };
  Backend backend = Backend::kFile;
  // kFile: a directory on storage that both hosts mount.
  std::string shared_dir = "";
  // kNbd: "HOST:PORT" or the absolute path of a Unix socket.
  std::string address = "";
  // kIscsi. The password is the first line of the file, read when the store
  // is opened.
  IscsiTarget iscsi = {};
  std::string iscsi_password_file = "";
  // kEtcd.
  EtcdCluster etcd = {};
};

// "file", "nbd", "iscsi", "etcd".
Result<StoreOptions::Backend> ParseBackend(std::string_view name);

// kInvalid names the URL and says what one looks like.
Result<StoreOptions> ParseStoreUrl(const std::string& url);

// "shared directory /srv/lockstep", "iSCSI LUN iscsi://...": as the stores
// call themselves in their messages. Never a password.
std::string Describe(const StoreOptions& options);

// Whether `url` may stand in a config or a command: kInvalid if it is of
// another form, or has a password in it, which would end up in logs.
Status CheckIscsiUrl(const std::string& url);
Status CheckEtcdEndpoint(const std::string& endpoint);

}  // namespace ft::fencing
