// SPDX-License-Identifier: GPL-2.0-or-later
//
// Preloaded into istgt by tests (istgt_for_test.h). It sleeps a second in
// every login and after every logout, which no test learns anything from but
// the one that wants a slow target. All the rest is the real istgt.
#include <time.h>

unsigned sleep(unsigned seconds) {
  (void)seconds;
  const struct timespec moment = {0, 1000 * 1000};
  nanosleep(&moment, 0);
  return 0;
}
