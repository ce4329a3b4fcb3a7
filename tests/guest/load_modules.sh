#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Loads the kernel modules that a file of /modules names, in its order.
while read -r module; do
  insmod "$FT/modules/$module"
done <"$FT/modules/$1"
