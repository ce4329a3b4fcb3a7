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
#   root=/dev/vda         an ext4 file system of this disk becomes the root, and
#                         the workload runs there (build_debian.sh); for the
#                         kernel and initramfs of build_extra.sh devices
#
# With a root on disk this file runs twice: from the initramfs, and then as
# /run/ft/init, beside what it brought along.
#
# Lines of the console that tests look for begin with FT-GUEST-.
export HOME=/ TERM=dumb
if [ "$0" = /run/ft/init ]; then
  export FT=/run/ft
  # Its own programs first: what comes along is what it does not have.
  export PATH=/usr/sbin:/usr/bin:/sbin:/bin:/run/ft/bin
else
  export FT=
  export PATH=/bin:/usr/bin
  mount -t proc proc /proc
  mount -t sysfs sysfs /sys
  mount -t devtmpfs devtmpfs /dev
  mount -t tmpfs tmpfs /tmp
fi

run=redis ip='' n='' what='' gate='' end=idle root=''
read -r command_line </proc/cmdline
for word in $command_line; do
  case $word in
    ft.ip=*) ip=${word#ft.ip=} ;;
    ft.run=*) run=${word#ft.run=} ;;
    ft.n=*) n=${word#ft.n=} ;;
    ft.what=*) what=${word#ft.what=} ;;
    ft.gate=*) gate=${word#ft.gate=} ;;
    ft.end=*) end=${word#ft.end=} ;;
    root=*) root=${word#root=} ;;
  esac
done
export N=$n WHAT=$what GATE=$gate

# Ends this script, unless there is no such root.
switch_to_disk() {
  await_block_device "$root" || return
  mkdir -p /disk
  mount -t ext4 "$root" /disk ||
    { echo "FT-GUEST-FAILED $root cannot be mounted"; return; }
  mount -t tmpfs tmpfs /disk/run
  mkdir /disk/run/ft
  cp -a /init /workloads /modules /compile.awk /disk/run/ft/
  cp -a /bin /disk/run/ft/
  rm -f /disk/run/ft/bin/redis-*
  for directory in proc sys dev; do
    mount --move "/$directory" "/disk/$directory"
  done
  exec switch_root /disk /run/ft/init
}

if [ -z "$FT" ]; then
  load_modules order
  if [ -n "$root" ]; then switch_to_disk; fi
fi

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
elif [ -f "$FT/workloads/$run" ]; then
  sh "$FT/workloads/$run" || echo "FT-GUEST-FAILED $run ended with $?"
else
  echo "FT-GUEST-FAILED no workload $run; there are: $(ls "$FT/workloads")"
fi

if [ "$end" = poweroff ]; then
  # Debian's own would ask an init that is not there.
  [ -z "$FT" ] || busybox mount -o remount,ro /
  busybox poweroff -f
fi
while :; do sleep 3600; done
