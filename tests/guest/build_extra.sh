#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# A larger initramfs beside the guest's own, for those who ask for it: the
# guest of build_guest.sh and, behind it in the same file, more programs. The
# kernel unpacks one after the other. Prints its path on stdout, progress on
# stderr.
#
#   build_extra.sh compile    gcc, binutils and the C library's headers
#   build_extra.sh torture    stress-ng, and edges.c
#   build_extra.sh devices    modules for e1000, ext4, USB tablet, PS/2 mouse,
#                             display; disk.c, input.c, stamps.c. Debian's
#                             cloud kernel has none of them, so this comes with
#                             the one for all machines
#
# What comes out, under ${LOCKSTEP_CACHE:-~/.cache/lockstep}/guest:
#
#   extra/NAME.<recipe>.gz    the programs
#   extra/NAME.<recipe>.versions
#   <hash>/initrd-NAME.gz     both, what -initrd takes
#   <hash>/vmlinuz-devices    the kernel of `devices`
set -euo pipefail

readonly here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly cache=${LOCKSTEP_CACHE:-${HOME:-/root}/.cache/lockstep}
readonly extras=$cache/guest/extra
readonly gcc=12
readonly modules=(
  virtio_pci virtio_net virtio_blk virtio_scsi sd_mod e1000 crc32c_generic ext4
  evdev psmouse uhci-hcd usbhid hid-generic
)

. "$here/packages.sh"

recipe_hash() {
  cat "$here/build_extra.sh" "$here/packages.sh" "$here/compile.awk" \
    "$here"/{disk,edges,input,stamps}.c |
    sha256sum | cut -c1-16
}

# Everything else that gcc has (link-time optimisation, sanitizers, other
# languages) stays behind, and so do the kernel's headers.
make_compile() {
  local packages=$work/packages tree=$work/tree
  local own=usr/lib/gcc/x86_64-linux-gnu/$gcc library=usr/lib/x86_64-linux-gnu
  say "downloading gcc and what it needs (about 60 MB)"
  download_with_needs "gcc-$gcc" libc6-dev
  download_alone busybox-static
  unpack '*'
  say "making the compiler's initramfs"
  install_program "usr/bin/gcc-$gcc" usr/bin/gcc
  install_program usr/bin/as usr/bin/as
  install_program usr/bin/ld usr/bin/ld
  install_program "$own/cc1" "$own/cc1"
  install_program "$own/collect2" "$own/collect2"
  mkdir -p "$tree/$own/include"
  cp -a "$packages/$own"/{crtbegin*.o,crtend*.o,libgcc.a,libgcc_s.so*} \
    "$packages/$own/liblto_plugin.so" "$tree/$own/"
  cp "$packages/$own"/include/std*.h "$tree/$own/include/"
  mkdir -p "$tree/$library" "$tree/lib/x86_64-linux-gnu"
  cp "$packages/$library"/{crt1.o,Scrt1.o,crti.o,crtn.o,libc.so} \
    "$packages/$library/libc_nonshared.a" "$tree/$library/"
  cp "$packages"/lib/x86_64-linux-gnu/{libc.so.6,libgcc_s.so.1} \
    "$tree/lib/x86_64-linux-gnu/"
  (cd "$packages" && find usr/include -name '*.h' \
    ! -path 'usr/include/linux/*' -exec cp --parents {} "$tree" \;)
  cp "$here/compile.awk" "$tree/"
}

make_torture() {
  say "downloading stress-ng and what it needs"
  download_with_needs stress-ng
  download_alone busybox-static
  unpack '*'
  say "making the torture's initramfs"
  install_program usr/bin/stress-ng bin/stress-ng
  run "compiling edges" cc -O1 -static -s -o "$work/tree/bin/edges" \
    "$here/edges.c" -lm
}

# The programs are for the tiny guest; a Debian root has its own.
make_devices() {
  local kernel program
  kernel=$(kernel_package linux-image-amd64)
  say "downloading $kernel (about 70 MB)"
  download_alone "$kernel" busybox-static
  unpack '*'
  say "making the initramfs for devices"
  install_modules order "${modules[@]}"
  install_modules order.video bochs
  cp "$work"/packages/boot/vmlinuz-* "${extra%.gz}.vmlinuz"
  mkdir -p "$work/tree/bin"
  for program in disk input stamps; do
    run "compiling $program" cc -O1 -static -s -o "$work/tree/bin/$program" \
      "$here/$program.c"
  done
  cp "$here/compile.awk" "$work/tree/"
}

build() {
  local begun=$SECONDS
  : >"$log"
  rm -rf "$work"
  mkdir -p "$work/tree"
  update_lists
  "make_$name"
  pack_tree "$work/extra.gz"
  LC_ALL=C sort -u "$work/versions" >"${extra%.gz}.versions"
  mv "$work/extra.gz" "$extra"
  rm -rf "$work"
  say "$name is ready, $(($(stat -c %s "$extra") / 1024)) KiB $(
    )($((SECONDS - begun)) s)"
}

readonly name=${1-}
case $name in
  compile | torture | devices) ;;
  *) die "unknown name '$name'; see the head of $0" ;;
esac
readonly recipe=$(recipe_hash)
readonly extra=$extras/$name.$recipe.gz
readonly work=$extras/work.$name log=$extras/$name.log
guest=$("$here/build_guest.sh")

mkdir -p "$extras"
exec 9>"$extras/lock"
flock 9
[ -f "$extra" ] || build
file=initrd-$name.$recipe.gz
if [ ! -f "$guest/$file" ]; then
  cat "$guest/initrd.gz" "$extra" >"$guest/$file.$$"
  mv "$guest/$file.$$" "$guest/$file"
fi
relink "$guest/initrd-$name.gz" "$file"
if [ "$name" = devices ]; then
  kernel=vmlinuz-$name.$recipe
  [ -f "$guest/$kernel" ] || ln -f "${extra%.gz}.vmlinuz" "$guest/$kernel"
  relink "$guest/vmlinuz-$name" "$kernel"
fi
echo "$guest/initrd-$name.gz"
