#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A Debian root as a disk image, for the tests with disks: a raw ext4 file
# system with stress-ng, fio, Redis, PostgreSQL (with an empty cluster), iperf3
# and gcc, without kernel, init or systemd. It is made for nobody in
# particular: `init.sh`, which comes by the initramfs `devices`
# (build_extra.sh), mounts it as root and brings the workloads along, so that a
# changed workload needs no new image. Prints the image's path on stdout,
# progress on stderr.
#
#   build_debian.sh [--refresh]     --refresh: look for newer packages
#
# What comes out, under ${LOCKSTEP_CACHE:-~/.cache/lockstep}/guest/debian:
#
#   <hash>/root.img     4 GiB, of which about 700 MB are there; to be copied
#                       (cp --sparse=always), never to be written
#   <hash>/versions     the packages it is made from
#   current             link to the last <hash>, which is that of the files;
#                       keys and PostgreSQL's cluster are new in each build
#
# Needs root, for owners and mmdebstrap's chroot. No loop device, no mounts.
set -euo pipefail

readonly here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly cache=${LOCKSTEP_CACHE:-${HOME:-/root}/.cache/lockstep}
readonly images=$cache/guest/debian
readonly codename=bookworm
readonly size=4G
readonly packages=(
  e2fsprogs fio gcc iperf3 iproute2 kmod libc6-dev postgresql-15 procps
  psmisc redis-server stress-ng util-linux
)
# What nobody reads in a guest without a console, and PostgreSQL's compiler
# of queries, which is larger than PostgreSQL.
readonly excluded=(
  '/usr/share/doc/*' '/usr/share/man/*' '/usr/share/info/*'
  '/usr/share/locale/*' '/usr/share/i18n/*' '/usr/lib/llvm-14/*'
  '/usr/lib/x86_64-linux-gnu/libLLVM-14.so*'
)
# One of the image's own: the same files are the same file system.
readonly uuid=6c6f636b-7374-6570-8000-64656269616e

. "$here/packages.sh"

recipe_hash() {
  sha256sum <"$here/build_debian.sh" | cut -c1-16
}

# The mirrors this machine is configured with; other vendors' have nothing
# for us.
source_list() {
  local uri release component option=
  local keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  [ ! -f "$keyring" ] || option="[signed-by=$keyring] "
  apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' \
    'Created-By: Packages' | sort -u |
    while read -r uri release component; do
      [[ $release =~ ^$codename(-updates|-security)?$ ]] || continue
      [ "$component" = main ] || continue
      echo "deb $option$uri $release $component"
    done >"$work/sources.list"
  [ -s "$work/sources.list" ] ||
    die "apt has no repository with $codename main"
}

make_root() {
  local path options=()
  say "making a Debian root of ${packages[*]} (about 250 MB to download)"
  for path in "${excluded[@]}"; do
    options+=("--dpkgopt=path-exclude=$path")
  done
  # The compiler of queries is left out, so nobody may ask for it.
  run "mmdebstrap" env TMPDIR="$work" SOURCE_DATE_EPOCH=0 mmdebstrap \
    --mode=root --variant=essential --format=directory \
    --include="$(IFS=,; echo "${packages[*]}")" "${options[@]}" \
    --aptopt='APT::Install-Recommends "false"' \
    --customize-hook='echo "jit = off" \
      >>"$1/etc/postgresql/15/main/postgresql.conf"' \
    --customize-hook='echo "LC_ALL=C.UTF-8" >"$1/etc/default/locale"' \
    --customize-hook='echo debian >"$1/etc/hostname"' \
    --customize-hook='printf "127.0.0.1 localhost debian\n" >"$1/etc/hosts"' \
    --customize-hook='rm -rf "$1"/var/cache/* "$1"/var/log/*.log' \
    "$codename" "$work/root" "$work/sources.list" </dev/null
  dpkg-query --admindir="$work/root/var/lib/dpkg" \
    --showformat='${Package} ${Version}\n' -W >"$work/out/versions"
}

# Names, owners, modes and content; times are all zero.
hash_of_root() {
  find "$work/root" -exec touch -h -d @0 {} +
  (cd "$work/root" && {
    find . -printf '%p %y %m %U %G %l\n' | LC_ALL=C sort
    find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
  }) | sha256sum | cut -c1-16
}

make_image() {
  say "making the file system"
  run "mke2fs" env E2FSPROGS_FAKE_TIME=1 mke2fs -q -F -t ext4 -L debian \
    -U "$uuid" -E "hash_seed=$uuid,lazy_itable_init=0,lazy_journal_init=0" \
    -m 0 -d "$work/root" "$work/out/root.img" "$size"
  run "fsck" e2fsck -fn "$work/out/root.img"
}

publish() {
  relink "$images/by-recipe/$recipe" "../$hash"
  relink "$images/current" "$hash"
  echo "$images/$hash/root.img"
}

use_cached() {
  hash=$(readlink "$images/by-recipe/$recipe" 2>/dev/null) || return 1
  hash=${hash##*/}
  [ -f "$images/$hash/root.img" ] || return 1
  publish
}

refresh=
case ${1-} in
  '') ;;
  --refresh) refresh=1 ;;
  *) die "unknown option $1; see the head of $0" ;;
esac

readonly recipe=$(recipe_hash)
mkdir -p "$images/by-recipe"
if [ -z "$refresh" ] && use_cached; then exit 0; fi
exec 9>"$images/lock"
flock 9
if [ -z "$refresh" ] && use_cached; then exit 0; fi
[ "$(id -u)" = 0 ] || die "only root can make a Debian root"

readonly work=$images/work log=$images/build.log
begun=$SECONDS
: >"$log"
rm -rf "$work"
mkdir -p "$work/out"
update_lists
source_list
make_root
hash=$(hash_of_root)
make_image
rm -rf "${images:?}/$hash"
mv -T "$work/out" "$images/$hash"
rm -rf "$work"
publish
kib=$(du -k "$images/$hash/root.img" | cut -f1)
say "debian $hash is ready, $((kib / 1024)) MiB ($((SECONDS - begun)) s)"
