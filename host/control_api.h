// SPDX-License-Identifier: GPL-2.0-or-later
//
// ControlApi: the verbs of ftctl, one handler each, over the registry. Knows
// requests and results, not sockets.
//
//     verb       members of the request          result
//     version                                    version, host
//     define     file (its name), text           vm
//     undefine   vm                              vm
//     start      vm                              vm
//     stop       vm                              vm
//     enable     vm, backup, timeout_ms          vm
//     disable    vm                              vm
//     failover   vm                              vm
//     status     [vm]                            host, vms
//     events     vm, limit                       vm, events
#pragma once

#include <boost/asio/awaitable.hpp>
#include <boost/json/object.hpp>
#include <memory>
#include <string>

#include "host/host_context.h"
#include "host/vm.h"
#include "logchannel/status.h"

namespace ft::host {

class VmRegistry;

class ControlApi {
 public:
  using Answer = boost::asio::awaitable<Result<boost::json::object>>;

  // References outlive the API.
  ControlApi(const HostContext& context, VmRegistry& registry)
      : context_(context), registry_(registry) {}

  // One request to its end. `progress` is called while a long verb runs.
  Answer Handle(boost::json::object request, Vm::Progress progress);

 private:
  Result<boost::json::object> Version() const;
  Result<boost::json::object> Define(const boost::json::object& request);
  Result<boost::json::object> Events(const boost::json::object& request) const;
  Answer StatusOf(std::string name);
  // The verbs that act on one known VM and answer with its status.
  boost::asio::awaitable<Status> Act(std::shared_ptr<Vm> vm, std::string verb,
                                     const boost::json::object& request,
                                     Vm::Progress progress);

  const HostContext& context_;
  VmRegistry& registry_;
};

}  // namespace ft::host
