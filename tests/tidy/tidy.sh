#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What every file of the tree keeps to.
#
#   tidy.sh CHECK SOURCE-DIRECTORY BUILD-DIRECTORY
#
#   words        no marks of unfinished work
#   sizes        no file over 600 lines: a noun is hiding inside it
#   columns      80 columns, in what is written in our own style
#   licence      an SPDX line at the head of every source
#   tests_built  every *_test.cc is compiled
#   series       the patches on disk and those in the series are the same
#
# Prints each offence as FILE: WHAT and fails if there is one. Files that git
# does not know yet are checked too, ignored ones are not.
set -euo pipefail

readonly check=${1:?which check}
readonly source_directory=${2:?source directory}
readonly build_directory=${3:?build directory}
cd "$source_directory"

offences=0
offend() {
  printf '%s\n' "$*"
  offences=$((offences + 1))
}

repository() { git -c safe.directory='*' "$@"; }

# files PATTERN...: names that are on disk.
files() {
  repository ls-files --cached --others --exclude-standard -- "$@" | sort -u |
    while IFS= read -r file; do
      if [ -f "$file" ]; then echo "$file"; fi
    done
}

check_words() {
  # In pieces, so that this file is no offence.
  local words='TO''DO|FIX''ME|X''XX|st''ub' line
  while IFS= read -r line; do
    offend "$line"
  done < <(repository grep -nIE --untracked "$words" || true)
}

check_sizes() {
  local file lines
  while IFS= read -r file; do
    lines=$(wc -l <"$file")
    [ "$lines" -le 600 ] || offend "$file: $lines lines, more than 600"
  done < <(files ':!*.patch' ':!LICENSE')
}

check_columns() {
  local file line
  while IFS= read -r file; do
    while IFS= read -r line; do
      offend "$file:${line%%:*}: more than 80 columns"
    done < <(LC_ALL=C.UTF-8 grep -nE '^.{81,}' "$file" || true)
  done < <(files '*.cc' '*.h' '*.cmake' '*.sh' '*CMakeLists.txt' lockstep \
    ':!replay/qemu/files')
}

check_licence() {
  local file
  while IFS= read -r file; do
    head -n 30 "$file" | grep -q 'SPDX-License-Identifier: ' ||
      offend "$file: no SPDX line at its head"
  done < <(files '*.cc' '*.h' '*.c' '*.proto' '*.cmake' '*.sh' '*.py' \
    '*CMakeLists.txt' lockstep .ci/run)
}

check_tests_built() {
  local file commands=$build_directory/compile_commands.json
  while IFS= read -r file; do
    grep -qF "/$file\"" "$commands" ||
      offend "$file: is in no target, so it never runs"
  done < <(files '*_test.cc')
}

check_series() {
  local directory=replay/qemu file name
  [ -f "$directory/series" ] || { offend "$directory/series: missing"; return; }
  local -A named=()
  while IFS= read -r name; do
    named[$name]=1
    [ -f "$directory/$name" ] ||
      offend "$directory/series: names $name, which does not exist"
  done < <(sed -e 's/#.*//' -e 's/[[:space:]]//g' -e '/^$/d' \
    "$directory/series")
  while IFS= read -r file; do
    [ -n "${named[${file##*/}]-}" ] || offend "$file: is not in the series"
  done < <(files "$directory/*.patch")
}

"check_$check"
[ "$offences" -eq 0 ] || { echo "$offences offences"; exit 1; }
