// SPDX-License-Identifier: GPL-2.0-or-later
//
// ftd's config: written by a person, in TOML.
//
// Promised: a mistake is one line that begins with file and line; names that
// are accepted serve as names in the test-and-set store; paths are absolute,
// ports are ports, no string has a control character but tabs, and a single
// lost heartbeat is no failover.
#include "host/config.h"

#include <algorithm>

#include "fencing/test_and_set.h"
#include "logchannel/check.h"
#include "logchannel/one_line.h"
#include "tests/fuzz/fuzz_target.h"

namespace ft::host {
namespace {

void ExpectText(const std::string& text) {
  FT_CHECK(!HasControlCharacter(text)) << text;
}

void ExpectName(const std::string& name) {
  FT_CHECK(fencing::ValidateName("host name", name).ok()) << name;
}

void ExpectPath(const std::string& path) {
  FT_CHECK(path.starts_with('/')) << path;
  ExpectText(path);
}

void CheckStore(const fencing::StoreOptions& store) {
  if (store.backend == fencing::StoreOptions::Backend::kFile) {
    ExpectPath(store.shared_dir);
  }
  for (const std::string& text :
       {store.address, store.iscsi.url, store.iscsi.initiator, store.iscsi.user,
        store.iscsi_password_file, store.etcd.prefix, store.etcd.ca,
        store.etcd.cert, store.etcd.key}) {
    ExpectText(text);
  }
  for (const std::string& endpoint : store.etcd.endpoints) ExpectText(endpoint);
}

void CheckPlaces(const Config& config) {
  for (const std::string& path :
       {config.state_dir, config.run_dir, config.ring_dir, config.engine,
        config.engine_share}) {
    ExpectPath(path);
  }
  CheckStore(config.store);
  ExpectText(config.listen);
  ExpectText(config.uplink);
  for (uint16_t port : {config.log_port, config.heartbeat_port,
                        config.clone_port_first, config.clone_port_last}) {
    FT_CHECK(port > 0);
  }
  FT_CHECK(config.clone_port_first <= config.clone_port_last);
}

}  // namespace

FT_FUZZ_TARGET(config, input) {
  const auto config = ParseConfig(std::string(fuzz::AsText(input)), "f.toml");
  if (!config.ok()) {
    fuzz::ExpectRefusal(config.status());
    FT_CHECK(config.status().message().starts_with("f.toml:"))
        << config.status().message();
    return;
  }
  ExpectName(config->host);
  CheckPlaces(*config);
  for (const auto& [name, peer] : config->hosts) {
    ExpectName(name);
    ExpectText(peer.address);
    FT_CHECK(name != config->host && peer.log_port > 0) << name;
  }
  const Timeouts& t = config->timeouts;
  FT_CHECK(std::min(t.silence_ms, t.primary_silence_ms) >= 3 * t.heartbeat_ms)
      << t.heartbeat_ms;
}

}  // namespace ft::host
