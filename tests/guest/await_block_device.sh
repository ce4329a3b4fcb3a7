#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Waits until a disk is there: SCSI disks are found a moment after their
# controller. Fails after ten seconds.
waited=0
while [ ! -b "$1" ]; do
  if [ $waited = 500 ]; then
    echo "FT-GUEST-FAILED there is no disk $1"
    exit 1
  fi
  usleep 20000
  waited=$((waited + 1))
done
