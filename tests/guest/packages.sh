# SPDX-License-Identifier: GPL-2.0-or-later
#
# Sourced by build_guest.sh, build_extra.sh and build_debian.sh: Debian
# packages become files of a guest without being installed on this machine.
#
# Who sources it has set $log, a file that takes the noise, and $work, a
# directory of its own with debs/, packages/ and tree/.

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

update_lists() {
  # Only root can; others take what the lists name.
  [ "$(id -u)" != 0 ] || run "apt-get update" apt-get -q update
}

# download_with_needs PACKAGE...: asked to install them on a system with
# nothing installed, apt downloads them with every library they need.
download_with_needs() {
  mkdir -p "$work/debs/partial"
  run "download of $* and what they need" apt-get -q -y \
    -o Dir::State::status=/dev/null -o Dir::Cache::archives="$work/debs" \
    -o Debug::NoLocking=1 -o APT::Sandbox::User=root \
    install --no-install-recommends --download-only "$@"
}

# download_alone PACKAGE...: without what they need.
download_alone() {
  mkdir -p "$work/debs"
  (cd "$work/debs" && run "download of $*" apt-get -q \
    -o APT::Sandbox::User=root download "$@") || exit 1
}

# unpack GLOB...: the packages whose file names match one of them; apt brings
# along more, which is never looked at.
unpack() {
  local deb glob
  say "unpacking"
  mkdir -p "$work/packages"
  for deb in "$work"/debs/*.deb; do
    dpkg-deb --showformat='${Package} ${Version}\n' -W "$deb" \
      >>"$work/versions"
    for glob in "$@"; do
      # shellcheck disable=SC2254
      case ${deb##*/} in
        $glob)
          run "unpacking ${deb##*/}" dpkg-deb -x "$deb" "$work/packages"
          break ;;
      esac
    done
  done
}

# kernel_package META-PACKAGE: the package of the kernel that it depends on.
kernel_package() {
  local package
  package=$(apt-cache show --no-all-versions "$1" |
    sed -n 's/^Depends: \(linux-image-[^ ,]*\).*/\1/p' | head -n 1)
  [ -n "$package" ] || die "apt knows no $1; run apt-get update as root"
  echo "$package"
}

# install_modules FILE MODULE...: the modules with what they depend on, into
# /modules, where FILE names them in an order that loads. What another FILE
# names already is left out.
install_modules() {
  local order=$1 directory module path dependencies
  shift
  directory=$(echo "$work"/packages/lib/modules/*)
  [ -s "$directory/modules.dep" ] ||
    run "depmod" depmod -b "$work/packages" "${directory##*/}"
  mkdir -p "$work/tree/modules"
  for module in "$@"; do
    path=$(sed -n "s|^\([^:]*/$module\.ko\):.*|\1|p" "$directory/modules.dep")
    [ -n "$path" ] || die "the kernel package has no module $module"
    # modules.dep lists what is needed first last.
    dependencies=$(sed -n "s|^$path:||p" "$directory/modules.dep")
    for path in $(printf '%s\n' $dependencies | tac) "$path"; do
      [ -e "$work/tree/modules/${path##*/}" ] && continue
      cp "$directory/$path" "$work/tree/modules/"
      echo "${path##*/}" >>"$work/tree/modules/$order"
    done
  done
}

# install_program PATH-IN-PACKAGES PATH-IN-TREE: with the libraries it needs,
# found by its own loader. More of them may lie in the directories of
# $library_path.
install_program() {
  local packages=$work/packages tree=$work/tree library
  mkdir -p "$(dirname "$tree/$2")" "$tree/lib"
  cp -L "$packages/$1" "$tree/$2"
  "$packages/lib64/ld-linux-x86-64.so.2" --inhibit-cache --library-path \
    "$packages/lib/x86_64-linux-gnu:$packages/usr/lib/x86_64-linux-gnu$(
    )${library_path:+:$library_path}" \
    --list "$packages/$1" | sed -n 's/.* => \(\/[^ ]*\) .*/\1/p' |
    while read -r library; do
      cp -Lu "$library" "$tree/lib/"
    done
}

# pack_tree FILE: the tree as a compressed initramfs, the same bytes for the
# same tree.
pack_tree() {
  find "$work/tree" -exec touch -h -d @0 {} +
  (cd "$work/tree" && find . | LC_ALL=C sort |
    "$work/packages/bin/busybox" cpio -o -H newc -R 0:0 2>>"$log" |
    gzip -n -1 >"$1") || die "failed: cpio; see $log"
}

relink() { ln -sfn "$2" "$1.$$" && mv -T "$1.$$" "$1"; }
