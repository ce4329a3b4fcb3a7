// SPDX-License-Identifier: GPL-2.0-or-later
//
// The test bed by hand.
//
//     lockstep_bed up          two hosts with running ftds, until Ctrl-C
//     lockstep_bed sweep       cleans up after beds whose owner is dead
//     lockstep_bed janitor L   started by every bed; bed_ledger.h
#include <signal.h>

#include <cstdio>
#include <cstring>
#include <string>

#include "tests/system/testbed.h"

namespace ft::bed {
namespace {

int Sweep() {
  int troubles = 0;
  for (const std::string& ledger : BedLedger::Orphans()) {
    printf("%s\n", ledger.c_str());
    for (const std::string& trouble : BedLedger::CleanUp(ledger)) {
      fprintf(stderr, "lockstep_bed: %s\n", trouble.c_str());
      ++troubles;
    }
  }
  return troubles ? 1 : 0;
}

int Up() {
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGINT);
  sigaddset(&ends, SIGTERM);
  sigprocmask(SIG_BLOCK, &ends, nullptr);
  TestBed bed;
  bed.StartHosts();
  printf("files:     %s\nVM file:   %s\n", bed.dir().c_str(),
         bed.WriteVmFile({}).c_str());
  for (Host* host : {&bed.a(), &bed.b()}) {
    printf("%s:     %s --socket %s status\n", host->name().c_str(),
           FtctlPath().c_str(), host->socket_path().c_str());
  }
  printf("client:    ip netns exec %s redis-cli -h %s\nCtrl-C ends it.\n",
         bed.network().ClientNamespace().c_str(), kGuestAddress);
  fflush(stdout);
  int signal_number = 0;
  sigwait(&ends, &signal_number);
  return 0;
}

int Main(int argc, char** argv) {
  const std::string verb = argc > 1 ? argv[1] : "";
  if (verb == "up") return Up();
  if (verb == "sweep") return Sweep();
  if (verb == "janitor" && argc == 3) {
    BedLedger::JanitorMain(argv[2], /*owner_pipe=*/0);
    return 0;
  }
  fprintf(stderr, "usage: lockstep_bed up | sweep\n");
  return 2;
}

}  // namespace
}  // namespace ft::bed

int main(int argc, char** argv) {
  try {
    return ft::bed::Main(argc, argv);
  } catch (const std::exception& error) {
    fprintf(stderr, "lockstep_bed: %s\n", error.what());
    return 1;
  }
}
