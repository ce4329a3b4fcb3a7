// SPDX-License-Identifier: GPL-2.0-or-later
//
// Verb: one thing that ftctl does. Each verb is one *_command.cc that defines
// a class and registers it:
//
//     class StartCommand : public Verb { ... };
//     const VerbRegistration kStart(std::make_unique<StartCommand>());
//
// Registration happens before main; the verbs are linked into the program
// itself, not through a library, so none is dropped.
#pragma once

#include <CLI/App.hpp>
#include <memory>
#include <string>
#include <vector>

#include "cli/client.h"
#include "logchannel/status.h"

namespace ft::cli {

class Verb {
 public:
  virtual ~Verb() = default;
  // One word, or a group and a word: "log dump".
  virtual std::string name() const = 0;
  virtual std::string help() const = 0;     // one line, no full stop
  virtual std::string example() const = 0;  // a command line
  // Options and positionals of this verb; targets are members.
  virtual void AddOptions(CLI::App& app) = 0;
  // Prints the result to stdout. A Status that is not ok becomes ftctl's one
  // error line and its exit code.
  virtual Status Run(Client& client) = 0;
};

// All registered verbs, in alphabetical order.
std::vector<Verb*> AllVerbs();

struct VerbRegistration {
  explicit VerbRegistration(std::unique_ptr<Verb> verb);
};

// Sends {"verb": verb, "vm": vm} and prints `done` ("{}" is the VM's name).
Status CallForVm(Client& client, const std::string& verb, const std::string& vm,
                 const std::string& done);

}  // namespace ft::cli
