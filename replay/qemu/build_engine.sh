#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# Builds the engine: Debian's QEMU source package, our patch series, our new
# files. Prints the installation's path on stdout, progress on stderr.
#
#   build_engine.sh [--refresh] [--variant NAME --skip PATCH...]
#   build_engine.sh --check-only [--variant NAME --skip PATCH...]
#
#   --check-only    build nothing: do the patches apply to the source package
#                   that was downloaded last? Some seconds, no network, no
#                   output; fine if there is none
#   --refresh       look for a newer source package even if a build for these
#                   patches exists
#   --variant NAME  a build for an experiment: linked as variant-NAME instead
#   --skip PATCH    of current, without PATCH (a file name in the series)
#
# What comes out, under ${LOCKSTEP_CACHE:-~/.cache/lockstep}:
#
#   engine/<hash>/bin/qemu-system-x86_64
#   engine/<hash>/share/      firmware, for -L (links into Debian packages)
#   engine/<hash>/build-id    what `x-ft-query` answers as engine-build
#   engine/current            link to the <hash> of the last build
#   engine/by-recipe/<hash>   link: recipe (all inputs but the source version)
#                             to build, so that a second run needs no network
#   engine/logs/              one log per build
#   ccache/, source/          what makes the next build short
#
# <hash> covers the source package's version, the series, every patch and file
# of ours, the ring's layout and the configure flags. A build appears under
# its name complete or not at all: it is made in engine/work and renamed last.
# The newest source package the machine's mirrors offer is taken (a mirror
# drops older ones); only the upstream version is fixed.
set -euo pipefail

readonly here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly root=$(cd "$here/../.." && pwd)
readonly cache=${LOCKSTEP_CACHE:-${HOME:-/root}/.cache/lockstep}
readonly engines=$cache/engine
readonly source_dir=$cache/source
readonly upstream_version=7.2
readonly configure_flags=(
  --target-list=x86_64-softmmu
  --without-default-features
  --enable-tcg
  --enable-pie
  --enable-slirp
  --enable-seccomp
  --enable-libiscsi
  --meson=/usr/bin/meson
  --with-git-submodules=ignore
  --disable-docs
)

say() { printf '%sengine: %s\n' "${LOCKSTEP_PREFIX-}" "$*" >&2; }
die() { say "$*"; exit 1; }

# --- what is to be built ---------------------------------------------------

refresh=
check_only=
variant=
skipped=()
while [ $# -gt 0 ]; do
  case $1 in
    --refresh) refresh=1 ;;
    --check-only) check_only=1 ;;
    --variant) variant=${2:?--variant needs a name}; shift ;;
    --skip) skipped+=("${2:?--skip needs the name of a patch}"); shift ;;
    *) die "unknown option $1; see the head of $0" ;;
  esac
  shift
done
[ ${#skipped[@]} -eq 0 ] || [ -n "$variant" ] ||
  die "--skip needs --variant: a build without a patch is never the current one"

# The patches to apply, in order, one name a line.
series() {
  local name
  [ -f "$here/series" ] || return 0
  sed -e 's/#.*//' -e 's/[[:space:]]//g' -e '/^$/d' "$here/series" |
    while read -r name; do
      [[ " ${skipped[*]-} " == *" $name "* ]] || echo "$name"
    done
}

check_inputs() {
  local name
  for name in "${skipped[@]}"; do
    grep -qxF "$name" <(sed 's/[[:space:]]*$//' "$here/series" 2>/dev/null) ||
      die "--skip $name: the series has no such patch"
  done
  for name in $(series); do
    [ -f "$here/$name" ] || die "the series names $name, which does not exist"
  done
}

# One hash over everything of ours that goes into the build.
recipe_hash() {
  local name
  {
    printf '%s\n' "$upstream_version" "${configure_flags[@]}"
    series
    for name in $(series); do sha256sum <"$here/$name"; done
    if [ -d "$here/files" ]; then
      (cd "$here/files" && find . -type f | LC_ALL=C sort | xargs -r sha256sum)
    fi
    sha256sum <"$root/logchannel/ring_layout.h"
  } | sha256sum | cut -c1-64
}

# --- steps -----------------------------------------------------------------

# step TITLE COMMAND...: runs it into the log; on failure one line, the tail.
step() {
  local title=$1
  shift
  printf '\n=== %s: %s\n' "$title" "$*" >>"$log"
  "$@" >>"$log" 2>&1 && return 0
  tail -n 12 "$log" >&2
  die "failed: $title; the whole log is $log"
}

private_apt() {
  apt-get -q -y -o Dir::Etc::sourcelist="$source_dir/sources.list" \
    -o Dir::Etc::sourceparts=- -o Dir::State::Lists="$source_dir/lists" \
    -o Dir::Cache="$source_dir/apt-cache" -o APT::Sandbox::User=root \
    -o APT::Get::List-Cleanup=0 "$@"
}

# A source list of our own from the mirrors this machine is configured with,
# so that the system's lists stay as they are. Backports would bring another
# upstream version, other vendors' repositories have nothing for us.
write_source_list() {
  local codename uri release component option=
  local keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  [ ! -f "$keyring" ] || option="[signed-by=$keyring] "
  codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
  apt-get indextargets --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' \
    'Created-By: Packages' | sort -u |
    while read -r uri release component; do
      [[ $release =~ ^$codename(-updates|-security)?$ ]] || continue
      [ "$component" = main ] || continue
      echo "deb-src $option$uri $release $component"
    done >"$source_dir/sources.list"
  [ -s "$source_dir/sources.list" ] ||
    die "apt has no repository with $codename main; see /etc/apt/sources.list*"
}

# The newest one that is here; fails if none is.
downloaded_source() {
  dsc=$(printf '%s\n' "$source_dir"/qemu_*.dsc | sort -V | tail -n 1)
  [ -f "$dsc" ] || return 1
  source_version=${dsc##*/qemu_}
  source_version=${source_version%.dsc}
}

fetch_source() {
  mkdir -p "$source_dir"/{lists,apt-cache}/partial
  write_source_list
  say "looking for the newest QEMU $upstream_version source package"
  if ! private_apt update >>"$log" 2>&1; then
    downloaded_source ||
      die "no mirror answers and no source is here; see $log"
    say "no mirror answers; taking $source_version, downloaded before"
    return 0
  fi
  source_version=$(private_apt indextargets --format '$(FILENAME)' \
    'Created-By: Sources' | xargs -r /usr/lib/apt/apt-helper cat-file |
    awk -v want="1:$upstream_version" '
      /^Package: / { package = $2 }
      /^Version: / && package == "qemu" && index($2, want "+") == 1 { print $2 }
      ' | while read -r version; do echo "${version#*:}"; done |
    sort -V | tail -n 1)
  [ -n "$source_version" ] ||
    die "no QEMU $upstream_version source package on this machine's mirrors"
  dsc=$source_dir/qemu_$source_version.dsc
  [ -f "$dsc" ] && return 0
  say "downloading qemu $source_version (about 25 MB)"
  (cd "$source_dir" && step "download of the source package" private_apt \
    source --download-only "qemu=1:$source_version") || exit 1
}

unpack() {
  local name
  say "unpacking qemu $source_version and applying $(series | wc -l) patches"
  rm -rf "$work"
  mkdir -p "$work"
  step "unpacking the source package" \
    dpkg-source --no-check -x "$dsc" "$work/src"
  for name in $(series); do
    printf '\n=== patch %s\n' "$name" >>"$log"
    patch -d "$work/src" -p1 --forward --no-backup-if-mismatch \
      <"$here/$name" >>"$log" 2>&1 ||
      die "patch $name does not apply to qemu $source_version; see $log"
  done
}

add_our_files() {
  if [ -d "$here/files" ]; then
    step "copying our files" cp -R "$here/files/." "$work/src/"
  fi
  mkdir -p "$work/src/include/ft"
  cp "$root/logchannel/ring_layout.h" "$work/src/include/ft/"
  printf '%s\n' '/* Written by build_engine.sh. */' \
    "#define FT_ENGINE_BUILD \"$build_id\"" \
    >"$work/src/include/ft/engine_build.h"
}

# Turns ninja's output into a line every ten percent.
show_progress() {
  local line percent next=10 started=$SECONDS
  while IFS= read -r line; do
    printf '%s\n' "$line"
    [[ $line =~ ^\[\ *([0-9]+)%\] ]] || continue
    percent=${BASH_REMATCH[1]}
    if [ "$percent" -ge "$next" ]; then
      say "compiling $percent % ($((SECONDS - started)) s)"
      next=$((percent - percent % 10 + 10))
    fi
  done
}

compile() {
  local launcher=()
  if command -v ccache >/dev/null; then
    export CCACHE_DIR=$cache/ccache CCACHE_MAXSIZE=2G
    launcher=(--cc="ccache gcc" --host-cc="ccache gcc" --cxx="ccache g++")
  fi
  mkdir -p "$work/build"
  say "configuring"
  (cd "$work/build" && step "configure" ../src/configure \
    "${configure_flags[@]}" "${launcher[@]}" \
    --with-pkgversion="Lockstep $build_id") || exit 1
  printf '\n=== ninja\n' >>"$log"
  if ! (cd "$work/build" && NINJA_STATUS='[%p] ' \
        ninja -j "${LOCKSTEP_JOBS:-$(nproc)}" qemu-system-x86_64 2>&1 |
        show_progress >>"$log"); then
    grep -E 'error:|FAILED:' "$log" | head -n 8 >&2 || true
    die "failed: compilation; the whole log is $log"
  fi
}

# Firmware comes from Debian's packages; one directory of links serves -L.
link_firmware() {
  local directory file
  mkdir -p "$1"
  for directory in /usr/share/seabios /usr/share/qemu /usr/lib/ipxe/qemu; do
    [ -d "$directory" ] ||
      die "$directory is missing; install seabios, qemu-system-data, ipxe-qemu"
    for file in "$directory"/*; do
      if [ -e "$file" ]; then ln -sfn "$file" "$1/${file##*/}"; fi
    done
  done
  for file in bios-256k.bin kvmvapic.bin linuxboot_dma.bin \
    vgabios-stdvga.bin; do
    [ -e "$1/$file" ] || die "firmware $file is in none of Debian's packages"
  done
}

install_build() {
  local staged=$engines/.staged.$$
  rm -rf "$staged"
  mkdir -p "$staged/bin"
  cp "$work/build/qemu-system-x86_64" "$staged/bin/"
  link_firmware "$staged/share"
  echo "$build_id" >"$staged/build-id"
  "$staged/bin/qemu-system-x86_64" --version >>"$log" 2>&1 ||
    die "the engine was built but does not start; see $log"
  rm -rf "${engines:?}/$hash"
  mv -T "$staged" "$engines/$hash"
  rm -rf "$work"
}

# Keeps the eight newest builds and whatever a link of ours still names.
prune() {
  local directory
  find "$engines" -maxdepth 1 -type d -name '????????????????*' \
    -printf '%T@ %p\n' | sort -rn | tail -n +9 | cut -d' ' -f2- |
    while read -r directory; do
      find "$engines" -maxdepth 1 -type l -printf '%l\n' |
        grep -qx "${directory##*/}" || rm -rf "$directory"
    done
}

relink() { ln -sfn "$2" "$1.$$" && mv -T "$1.$$" "$1"; }

# Names the finished build: by recipe, and as current or as the variant.
publish() {
  relink "$engines/by-recipe/$recipe" "../$hash"
  relink "$engines/${variant:+variant-}${variant:-current}" "$hash"
  echo "$engines/$hash"
}

use_cached() {
  hash=$(readlink "$engines/by-recipe/$recipe" 2>/dev/null) || return 1
  hash=${hash##*/}
  [ -x "$engines/$hash/bin/qemu-system-x86_64" ] || return 1
  publish
}

check_series() {
  if ! downloaded_source; then
    say "no source package is here: whether the patches apply is not known"
    return 0
  fi
  work=$(mktemp -d)
  log=$engines/logs/check.$$.log
  trap 'rm -rf "$work"' EXIT
  mkdir -p "$engines/logs"
  unpack
  rm -f "$log"
}

check_inputs
if [ -n "$check_only" ]; then
  check_series
  exit 0
fi
recipe=$(recipe_hash)
mkdir -p "$engines/by-recipe" "$engines/logs"
if [ -z "$refresh" ] && use_cached; then exit 0; fi

exec 9>"$engines/lock"
if ! flock -n 9; then
  say "another build is running; waiting for it"
  flock 9
fi
if [ -z "$refresh" ] && use_cached; then exit 0; fi

readonly work=$engines/work
readonly log=$engines/logs/$(date +%Y%m%d-%H%M%S).log
begun=$SECONDS
fetch_source
hash=$(printf '%s %s\n' "$source_version" "$recipe" | sha256sum | cut -c1-64)
build_id=$source_version+ft-${hash:0:16}
if [ ! -x "$engines/$hash/bin/qemu-system-x86_64" ]; then
  say "building $build_id; log: $log"
  unpack
  add_our_files
  compile
  install_build
  prune
fi
publish
say "$build_id is ready ($((SECONDS - begun)) s)"
