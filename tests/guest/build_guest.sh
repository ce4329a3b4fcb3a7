#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Builds the tests' guest from Debian packages: the cloud kernel, and an
# initramfs of busybox, Redis and the few kernel modules that it needs.
# Nothing is installed on this machine. Prints the guest's directory on
# stdout, progress on stderr.
#
#   build_guest.sh [--refresh]     --refresh: look for newer packages
#
# What comes out, under ${LOCKSTEP_CACHE:-~/.cache/lockstep}/guest:
#
#   <hash>/vmlinuz <hash>/initrd.gz   what -kernel and -initrd take
#   <hash>/cmdline                    what -append starts with
#   <hash>/versions                   the packages it is made from
#   current                           link to the last <hash>
#
# The command line. From start to FT-GUEST-READY on two shared cores: 3.8 s,
# with icount 5.3 s. mitigations=off guards a guest of ours against nobody and
# saves retpolines. nokaslr, tsc=reliable, no_timer_check change nothing that
# can be measured: the guest calibrates its TSC against the virtual clock,
# which icount keeps exact. An uncompressed or lz4 initrd saves 0.4 s and is
# not worth its size.
set -euo pipefail

readonly here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly cache=${LOCKSTEP_CACHE:-${HOME:-/root}/.cache/lockstep}
readonly guests=$cache/guest
readonly command_line="console=ttyS0 quiet mitigations=off"
readonly modules=(virtio_pci virtio_net virtio_blk virtio_scsi sd_mod)
readonly applets=(
  awk cat chvt cmp cp date dd df echo expr false free grep head hostname
  ifconfig insmod ip kill ls lsmod md5sum mkdir mount mv nc netstat ping
  poweroff ps reboot rm sed seq setsid sh sha256sum sleep sort stat
  switch_root sync tail test top touch true umount uname uptime usleep wc
)

. "$here/packages.sh"

recipe_hash() {
  cat "$here/build_guest.sh" "$here/packages.sh" "$here/init.sh" \
    "$here/ready.sh" "$here/await_block_device.sh" "$here/load_modules.sh" \
    "$here/load.c" "$here"/workloads/* |
    sha256sum | cut -c1-64
}

# redis-tools carries the server's binary.
download() {
  local kernel
  update_lists
  kernel=$(kernel_package linux-image-cloud-amd64)
  say "downloading $kernel, busybox-static and redis (about 60 MB)"
  download_with_needs redis-tools
  download_alone "$kernel" busybox-static
}

make_tree() {
  local applet script
  say "making the initramfs"
  mkdir -p "$work"/tree/{bin,lib,lib64,proc,sys,dev,tmp,workloads}
  cp "$work/packages/bin/busybox" "$work/tree/bin/"
  for applet in "${applets[@]}"; do
    ln -s busybox "$work/tree/bin/$applet"
  done
  install_program usr/bin/redis-check-rdb bin/redis-server
  install_program usr/bin/redis-cli bin/redis-cli
  cp -L "$work/packages/lib64/ld-linux-x86-64.so.2" "$work/tree/lib64/"
  install_modules order "${modules[@]}"
  cp "$here"/workloads/* "$work/tree/workloads/"
  install -m 755 "$here/init.sh" "$work/tree/init"
  for script in ready await_block_device load_modules; do
    install -m 755 "$here/$script.sh" "$work/tree/bin/$script"
  done
  run "compiling load" cc -O2 -static -nostdlib -fno-stack-protector \
    -fno-tree-loop-distribute-patterns -s -o "$work/tree/bin/load" \
    "$here/load.c"
}

pack() {
  pack_tree "$work/out/initrd.gz"
  cp "$work"/packages/boot/vmlinuz-* "$work/out/vmlinuz"
  printf '%s\n' "$command_line" >"$work/out/cmdline"
  LC_ALL=C sort "$work/versions" >"$work/out/versions"
}

publish() {
  relink "$guests/by-recipe/$recipe" "../$hash"
  relink "$guests/current" "$hash"
  echo "$guests/$hash"
}

use_cached() {
  hash=$(readlink "$guests/by-recipe/$recipe" 2>/dev/null) || return 1
  hash=${hash##*/}
  [ -f "$guests/$hash/initrd.gz" ] || return 1
  publish
}

refresh=
case ${1-} in
  '') ;;
  --refresh) refresh=1 ;;
  *) die "unknown option $1; see the head of $0" ;;
esac

recipe=$(recipe_hash)
mkdir -p "$guests/by-recipe"
if [ -z "$refresh" ] && use_cached; then exit 0; fi
exec 9>"$guests/lock"
flock 9
if [ -z "$refresh" ] && use_cached; then exit 0; fi

readonly work=$guests/work log=$guests/build.log
begun=$SECONDS
: >"$log"
rm -rf "$work"
mkdir -p "$work/out"
download
unpack 'linux-image-*' 'busybox-*' 'redis-*' 'lib*'
make_tree
pack
hash=$(cat "$work"/out/* | sha256sum | cut -c1-16)
rm -rf "${guests:?}/$hash"
mv -T "$work/out" "$guests/$hash"
rm -rf "$work"
publish
size=$(($(stat -c %s "$guests/$hash/initrd.gz") / 1024))
say "$hash is ready, initrd $size KiB ($((SECONDS - begun)) s)"
