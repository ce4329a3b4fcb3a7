// SPDX-License-Identifier: GPL-2.0-or-later
//
// ftctl: what an operator types. The verbs are the *_command.cc files.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <map>
#include <string>

#include "cli/client.h"
#include "cli/verb.h"

namespace {

// One line, and what scripts test: 2 means that nothing was changed.
int Report(const ft::Status& status) {
  if (status.ok()) return 0;
  fmt::print(stderr, "ftctl: {}\n", status.ToString());
  return status.code() == ft::Code::kFailed ? 1 : 2;
}

// "log dump" is the verb "dump" of the group "log".
const char* GroupHelp(const std::string& group) {
  return group == "fencing" ? "Test, show and prepare the test-and-set store"
                            : "Look into archived logs";
}

CLI::App* AddVerb(CLI::App& app, const ft::cli::Verb& verb) {
  const std::string name = verb.name();
  const size_t space = name.find(' ');
  if (space == std::string::npos) {
    return app.add_subcommand(name, verb.help());
  }
  const std::string group_name = name.substr(0, space);
  auto groups = app.get_subcommands(
      [&](CLI::App* sub) { return sub->get_name() == group_name; });
  if (groups.empty()) {
    groups = {app.add_subcommand(group_name, GroupHelp(group_name))};
    groups.front()->require_subcommand(1)->fallthrough();
  }
  return groups.front()->add_subcommand(name.substr(space + 1), verb.help());
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("ftctl: fault tolerance for virtual machines", "ftctl");
  std::string socket_path = "/run/lockstep/ftd.sock";
  app.add_option("--socket", socket_path, "control socket of ftd")
      ->envname("LOCKSTEP_SOCKET")
      ->capture_default_str();
  app.set_version_flag("--version", std::string("ftctl ") + FT_VERSION);
  app.require_subcommand(1);
  app.fallthrough();
  std::map<CLI::App*, ft::cli::Verb*> verbs;
  for (ft::cli::Verb* verb : ft::cli::AllVerbs()) {
    CLI::App* sub = AddVerb(app, *verb);
    sub->footer("Example:\n  " + verb->example());
    verb->AddOptions(*sub);
    verbs[sub] = verb;
  }
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    return Report(ft::Status::Invalid(error.what(), "see ftctl --help"));
  }
  CLI::App* chosen = app.get_subcommands().front();
  while (!verbs.contains(chosen)) chosen = chosen->get_subcommands().front();
  ft::cli::Client client(socket_path);
  return Report(verbs.at(chosen)->Run(client));
}
