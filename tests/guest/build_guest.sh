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
  awk cat cmp date dd df echo expr false free head hostname ifconfig insmod ip
  kill ls lsmod md5sum mkdir mount mv nc netstat ping poweroff ps reboot rm sed
  seq setsid sh sha256sum sleep sort stat sync tail test top touch true umount
  uname uptime usleep wc
)

say() { printf '%sguest: %s\n' "${LOCKSTEP_PREFIX-}" "$*" >&2; }
die() { say "$*"; exit 1; }

# run TITLE COMMAND...: into the log; on failure the log's tail and one line.
run() {
  local title=$1
  shift
  "$@" >>"$log" 2>&1 && return 0
  tail -n 8 "$log" >&2
  die "failed: $title; the whole log is $log"
}

recipe_hash() {
  cat "$here/build_guest.sh" "$here/init.sh" "$here"/workloads/* |
    sha256sum | cut -c1-64
}

# The package that the meta package for cloud kernels depends on.
kernel_package() {
  apt-cache show --no-all-versions linux-image-cloud-amd64 |
    sed -n 's/^Depends: \(linux-image-[^ ,]*\).*/\1/p' | head -n 1
}

# redis-tools carries the server's binary. Asked to install it on a system
# with nothing installed, apt downloads it with every library it needs.
download() {
  local kernel
  mkdir -p "$work/debs/partial"
  # Only root can; others take what the lists name.
  [ "$(id -u)" != 0 ] || run "apt-get update" apt-get -q update
  kernel=$(kernel_package)
  [ -n "$kernel" ] ||
    die "apt knows no linux-image-cloud-amd64; run apt-get update as root"
  say "downloading $kernel, busybox-static and redis (about 60 MB)"
  run "download of redis and its libraries" apt-get -q -y \
    -o Dir::State::status=/dev/null -o Dir::Cache::archives="$work/debs" \
    -o Debug::NoLocking=1 -o APT::Sandbox::User=root \
    install --no-install-recommends --download-only redis-tools
  (cd "$work/debs" && run "download of the kernel and busybox" apt-get -q \
    -o APT::Sandbox::User=root download "$kernel" busybox-static) || exit 1
}

unpack() {
  local deb
  say "unpacking"
  mkdir -p "$work/packages"
  for deb in "$work"/debs/*.deb; do
    dpkg-deb --showformat='${Package} ${Version}\n' -W "$deb" \
      >>"$work/versions"
    # The rest of what apt brought along is never looked at.
    case ${deb##*/} in
      linux-image-* | busybox-* | redis-* | lib*)
        run "unpacking ${deb##*/}" dpkg-deb -x "$deb" "$work/packages" ;;
    esac
  done
}

# Copies a program and the libraries it needs, found by its own loader.
install_program() {
  local packages=$work/packages tree=$work/tree library
  cp -L "$packages/$1" "$tree/bin/$2"
  "$packages/lib64/ld-linux-x86-64.so.2" --inhibit-cache --library-path \
    "$packages/lib/x86_64-linux-gnu:$packages/usr/lib/x86_64-linux-gnu" \
    --list "$packages/$1" | sed -n 's/.* => \(\/[^ ]*\) .*/\1/p' |
    while read -r library; do
      cp -Lu "$library" "$tree/lib/"
    done
}

# The modules with what they depend on, in an order that loads.
install_modules() {
  local directory name path dependencies
  directory=$(echo "$work"/packages/lib/modules/*)
  run "depmod" depmod -b "$work/packages" "${directory##*/}"
  mkdir -p "$work/tree/modules"
  for name in "${modules[@]}"; do
    path=$(sed -n "s|^\([^:]*/$name\.ko\):.*|\1|p" "$directory/modules.dep")
    [ -n "$path" ] || die "the kernel package has no module $name"
    # modules.dep lists what is needed first last.
    dependencies=$(sed -n "s|^$path:||p" "$directory/modules.dep")
    for path in $(printf '%s\n' $dependencies | tac) "$path"; do
      [ -e "$work/tree/modules/${path##*/}" ] && continue
      cp "$directory/$path" "$work/tree/modules/"
      echo "${path##*/}" >>"$work/tree/modules/order"
    done
  done
}

make_tree() {
  local applet
  say "making the initramfs"
  mkdir -p "$work"/tree/{bin,lib,lib64,proc,sys,dev,tmp,workloads}
  cp "$work/packages/bin/busybox" "$work/tree/bin/"
  for applet in "${applets[@]}"; do
    ln -s busybox "$work/tree/bin/$applet"
  done
  install_program usr/bin/redis-check-rdb redis-server
  install_program usr/bin/redis-cli redis-cli
  cp -L "$work/packages/lib64/ld-linux-x86-64.so.2" "$work/tree/lib64/"
  install_modules
  cp "$here"/workloads/* "$work/tree/workloads/"
  install -m 755 "$here/init.sh" "$work/tree/init"
}

pack() {
  find "$work/tree" -exec touch -h -d @0 {} +
  (cd "$work/tree" && find . | LC_ALL=C sort |
    "$work/packages/bin/busybox" cpio -o -H newc -R 0:0 2>>"$log" |
    gzip -n -1 >"$work/out/initrd.gz") || die "failed: cpio; see $log"
  cp "$work"/packages/boot/vmlinuz-* "$work/out/vmlinuz"
  printf '%s\n' "$command_line" >"$work/out/cmdline"
  LC_ALL=C sort "$work/versions" >"$work/out/versions"
}

relink() { ln -sfn "$2" "$1.$$" && mv -T "$1.$$" "$1"; }

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
unpack
make_tree
pack
hash=$(cat "$work"/out/* | sha256sum | cut -c1-16)
rm -rf "${guests:?}/$hash"
mv -T "$work/out" "$guests/$hash"
rm -rf "$work"
publish
size=$(($(stat -c %s "$guests/$hash/initrd.gz") / 1024))
say "$hash is ready, initrd $size KiB ($((SECONDS - begun)) s)"
