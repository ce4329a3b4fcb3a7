#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Called by a workload that is about to begin. With ft.gate=1 it then waits
# until somebody opens a connection to port 7 and closes it, and says when:
# who measures the workload has time for a clone in between.
echo "FT-GUEST-READY"
[ "$GATE" = 1 ] || exit 0
nc -l -p 7 </dev/null >/dev/null
echo "FT-GUEST-START"
