// SPDX-License-Identifier: GPL-2.0-or-later
//
// EtcdClient: what of etcd's API v3 a test-and-set needs, as JSON over HTTP
// (its "gRPC gateway"), through libcurl. Endpoints are tried in turn, the
// one that answered last first; each has an equal share of the time that is
// left, so one that hangs does not keep us from the others.
//
//     POST /v3/kv/range   {"key": BASE64}
//     POST /v3/kv/txn     {"compare": [...], "success": [...]}
//
// A request may have been carried out although it failed, or twice: callers
// ask only what may be asked twice. Reads are linearizable: a member that
// was cut off from the others does not answer them.
//
// Safe to call from several threads; each has a connection of its own.
#pragma once

#include <atomic>
#include <boost/json/object.hpp>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "fencing/store_options.h"
#include "fencing/swap_test_and_set.h"
#include "logchannel/status.h"

namespace ft::fencing {

class EtcdClient {
 public:
  struct Value {
    std::string bytes;
    // Grows with every change of anything in the cluster; 0: no such key.
    uint64_t revision = 0;
  };

  explicit EtcdClient(EtcdCluster cluster);
  ~EtcdClient();
  EtcdClient(const EtcdClient&) = delete;
  EtcdClient& operator=(const EtcdClient&) = delete;

  // The value of `key`; revision 0 if there is none.
  Result<Value> Get(const std::string& key, Deadline deadline);
  // Sets `key` to `bytes` if it is still of `revision`; false if it is not.
  // True: a majority has it on disk.
  Result<bool> Replace(const std::string& key, uint64_t revision,
                       const std::string& bytes, Deadline deadline);
  Status Put(const std::string& key, const std::string& bytes,
             Deadline deadline);
  // All keys that begin with `prefix`, which is not empty.
  Status DeleteAll(const std::string& prefix, Deadline deadline);

  const EtcdCluster& cluster() const { return cluster_; }

 private:
  class Connection;

  Result<boost::json::object> Post(const std::string& path,
                                   const boost::json::object& body,
                                   Deadline deadline);
  std::unique_ptr<Connection> Take();
  void GiveBack(std::unique_ptr<Connection> connection);

  const EtcdCluster cluster_;
  // Index of the endpoint that answered last.
  std::atomic<size_t> preferred_{0};
  std::mutex mutex_;
  // Under mutex_: those that nobody uses now.
  std::vector<std::unique_ptr<Connection>> idle_;
};

}  // namespace ft::fencing
