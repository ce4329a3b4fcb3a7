#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# fuzz.sh [--seconds N] [--seed N] [--keep] [TARGET...]
# fuzz.sh --build
#
# Builds the preset fuzz and runs each target (all) for N seconds (60), from
# what is kept in corpus/ and regressions/ and what earlier runs found. Finds
# go to build/fuzz/found/TARGET; --keep adds those that reach new code to
# corpus/. An input that breaks a target goes to build/fuzz/crashes/TARGET.
# Called by ./lockstep fuzz, and by the ring `fuzz` of ctest.
set -euo pipefail

here=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")" && pwd)
root=$(cd "$here/../.." && pwd)
readonly here root
readonly build=$root/build/fuzz
readonly jobs=${LOCKSTEP_JOBS:-2}

# An input takes longer than this, or more memory: a find.
readonly slow_seconds=5
readonly memory_mib=512
# Longer inputs say nothing new about these formats.
readonly longest=4096

say() { printf 'fuzz: %s\n' "$*"; }
die() { printf 'fuzz: %s\n' "$*" >&2; exit 1; }

build_targets() {
  local log=$build/lockstep-build.log
  command -v clang++ >/dev/null ||
    die "there is no clang++; ./lockstep fuzz installs packages.txt"
  mkdir -p "$build"
  (cd "$root" && { [ -f "$build/build.ninja" ] || cmake --preset fuzz; } &&
    cmake --build "$build" --target fuzz_targets -- -j "$jobs") \
    >"$log" 2>&1 && return
  grep -E -m8 'error:|FAILED|Error' "$log" >&2 || tail -n 8 "$log" >&2
  die "the fuzz targets do not compile; the whole log is $log"
}

all_targets() {
  local file
  for file in "$here"/*_fuzz.cc; do basename "${file%_fuzz.cc}"; done
}

# Passes on one line of libFuzzer's in ten seconds, in short.
progress() {
  local line next=$((SECONDS + 10))
  while IFS= read -r line; do
    [[ $line =~ ^\#([0-9]+).*cov:\ ([0-9]+).*corp:\ ([0-9]+)/ ]] || continue
    [ "$SECONDS" -ge "$next" ] || continue
    say "$1: ${BASH_REMATCH[1]} runs, ${BASH_REMATCH[2]} edges," \
      "${BASH_REMATCH[3]} inputs"
    next=$((SECONDS + 10))
  done
}

# The last word of a run that ended well.
report() {
  local runs speed edges
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$2")
  speed=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$2")
  edges=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$2" | tail -n 1)
  say "$1: nothing broke in $runs runs, $speed a second, $edges edges"
}

# What broke it, where, and how to see it again.
complain() {
  local target=$1 log=$2 input
  say "$target: BROKEN"
  grep -E -m4 'FT_CHECK|runtime error|ERROR: |SUMMARY: ' "$log" >&2 ||
    tail -n 4 "$log" >&2
  input=$(sed -n 's/.*Test unit written to //p' "$log" | tail -n 1)
  cat >&2 <<TEXT
fuzz: input  ${input:-(none was written)}
fuzz: again  $build/tests/fuzz/${target}_fuzz $input
fuzz: log    $log
fuzz: once it is mended, keep the input as tests/fuzz/regressions/$target/NAME
TEXT
}

run_target() {
  local target=$1 program=$build/tests/fuzz/$1_fuzz log=$build/logs/$1.log
  local found=$build/found/$target crashes=$build/crashes/$target
  local kept=("$here/corpus/$target") options
  [ ! -d "$here/regressions/$target" ] ||
    kept+=("$here/regressions/$target")
  mkdir -p "$found" "$crashes" "${log%/*}"
  options=(-max_total_time="$seconds" -timeout=$slow_seconds
    -rss_limit_mb=$memory_mib -max_len=$longest -print_final_stats=1
    -artifact_prefix="$crashes/")
  [ -z "$seed" ] || options+=(-seed="$seed")
  if "$program" "${options[@]}" "$found" "${kept[@]}" 2>&1 | tee "$log" |
      progress "$target"; then
    report "$target" "$log"
  else
    complain "$target" "$log"
    return 1
  fi
}

keep() {
  local before after corpus=$here/corpus/$1
  before=$(find "$corpus" -type f | wc -l)
  "$build/tests/fuzz/$1_fuzz" -merge=1 -max_len=$longest "$corpus" \
    "$build/found/$1" >"$build/logs/$1.merge.log" 2>&1 ||
    die "$1: merging failed; see $build/logs/$1.merge.log"
  after=$(find "$corpus" -type f | wc -l)
  say "$1: $((after - before)) inputs added to tests/fuzz/corpus/$1"
}

seconds=60 seed='' keeping='' targets=()
while [ $# -gt 0 ]; do
  case $1 in
    --build) build_targets; exit ;;
    --seconds | --seed)
      [[ ${2-} =~ ^[1-9][0-9]*$ ]] || die "$1 wants a number"
      declare "${1#--}=$2"
      shift ;;
    --keep) keeping=yes ;;
    -*) die "unknown option $1; see ./lockstep help" ;;
    *)
      [ -f "$here/$1_fuzz.cc" ] ||
        die "there is no target $1; there are" $(all_targets)
      targets+=("$1") ;;
  esac
  shift
done
[ ${#targets[@]} -gt 0 ] || mapfile -t targets < <(all_targets)

# Without the line numbers of llvm-symbolizer, those of binutils.
export ASAN_OPTIONS=allow_addr2line=1 UBSAN_OPTIONS=print_stacktrace=1
build_targets
broken=0
for target in "${targets[@]}"; do
  run_target "$target" || broken=$((broken + 1))
  [ -z "$keeping" ] || keep "$target"
done
[ "$broken" -eq 0 ] || die "$broken of ${#targets[@]} targets broke"
