#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-or-later
#
# The guest's init: brings up what the kernel command line asks for, then
# runs the workload it names.
#
#   ft.ip=ADDRESS/PREFIX  address of eth0; without it the network stays down
#   ft.run=WORKLOAD       a file of /workloads (default redis), or shell
#   ft.n=COUNT            rounds, for the workloads that have rounds
#   ft.what=NAME          which kind, for the workloads that have kinds
#   ft.gate=1             a workload begins when it is told to (ready.sh)
#   ft.end=idle|poweroff  what follows when the workload has ended (idle)
#
# Lines of the console that tests look for begin with FT-GUEST-.
export PATH=/bin HOME=/ TERM=dumb

mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /tmp

run=redis ip='' n='' what='' gate='' end=idle
read -r command_line </proc/cmdline
for word in $command_line; do
  case $word in
    ft.ip=*) ip=${word#ft.ip=} ;;
    ft.run=*) run=${word#ft.run=} ;;
    ft.n=*) n=${word#ft.n=} ;;
    ft.what=*) what=${word#ft.what=} ;;
    ft.gate=*) gate=${word#ft.gate=} ;;
    ft.end=*) end=${word#ft.end=} ;;
  esac
done
export N=$n WHAT=$what GATE=$gate

while read -r module; do
  insmod "/modules/$module"
done </modules/order

ifconfig lo 127.0.0.1 up
if [ -n "$ip" ]; then
  if [ -d /sys/class/net/eth0 ]; then
    ip addr add "$ip" dev eth0
    ip link set eth0 up
  else
    echo "FT-GUEST-FAILED there is no eth0 for $ip"
  fi
fi

if [ "$run" = shell ]; then
  echo "FT-GUEST-READY"
  setsid sh -c 'exec sh </dev/ttyS0 >/dev/ttyS0 2>&1'
elif [ -f "/workloads/$run" ]; then
  sh "/workloads/$run" || echo "FT-GUEST-FAILED $run ended with $?"
else
  echo "FT-GUEST-FAILED no workload $run; there are: $(ls /workloads)"
fi

[ "$end" = poweroff ] && poweroff -f
while :; do sleep 3600; done
