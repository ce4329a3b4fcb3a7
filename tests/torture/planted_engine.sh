#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# An engine with a fault in it: virtio-net as QEMU 7.2 has it, which transmits
# at an instruction that no log tells. It is what the finder has to find
# (planted_test.cc). Prints the installation's path.
#
#   planted_engine.sh [--check-only]    as build_engine.sh has it
set -euo pipefail

qemu=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../replay/qemu" && pwd)
exec "$qemu/build_engine.sh" --variant no-virtio-net \
  --skip 0004-virtio-net-the-transmit-bottom-half-is-a-replay-ev.patch \
  --skip 0020-virtio-net-one-transmit-event-across-stop-and-cont.patch "$@"
