#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# bench failover [N] [FAULT...]
#
# Runs the demo N times (5) for each fault (qemu ftd host link planned), in
# turn so that a slow minute of the machine touches all alike, and prints
# median and min to max over the runs. Called by ./lockstep bench, which has
# built everything. The reports stay in build/bench/ for a closer look.
set -euo pipefail

readonly demo=${LOCKSTEP_DEMO:?run ./lockstep bench}
readonly reports=${LOCKSTEP_REPORTS:?run ./lockstep bench}

die() { printf 'bench: %s\n' "$*" >&2; exit 1; }

what=${1:-failover}
runs=${2:-5}
[ "$what" = failover ] || die "no bench $what; there is: failover"
[[ $runs =~ ^[1-9][0-9]*$ ]] || die "$runs is no number of runs"
shift $(($# < 2 ? $# : 2))
faults=("$@")
[ ${#faults[@]} -gt 0 ] || faults=(qemu ftd host link planned)

rm -rf "$reports"
mkdir -p "$reports"
failed=0
for ((run = 1; run <= runs; run++)); do
  for fault in "${faults[@]}"; do
    report=$reports/$fault.$run.json
    if "$demo" --kill "$fault" --json "$report" >"$report.log" 2>&1; then
      jq -r --arg run "$run/$runs" '"bench: \($run) \(.fault): blackout " +
        "\(.blackout_ms) ms, \(.acknowledged_writes) writes, " +
        "\(.lost_writes) lost"' "$report"
    else
      failed=$((failed + 1))
      printf 'bench: %s %s: failed; see %s\n' "$run/$runs" "$fault" \
        "$report.log"
    fi
  done
done

# row TITLE KEY: one line of the table, a cell for each fault.
row() {
  printf '%-22s' "$1"
  local fault
  for fault in "${faults[@]}"; do
    printf '%24s' "$(find "$reports" -name "$fault.*.json" -exec cat {} + |
      jq -rs --arg key "$2" '
        [.[] | .[$key] | numbers] | sort |
        if length == 0 then "-" else
          def tidy: if . >= 100 then round else . * 100 | round / 100 end;
          "\(.[length / 2 | floor] | tidy) (\(.[0] | tidy)" +
          " to \(.[-1] | tidy))"
        end')"
  done
  echo
}

echo
printf '%-22s' "median (min to max)"
printf '%24s' "${faults[@]}"
echo
row "blackout, ms" blackout_ms
row "  detected after, ms" detect_ms
row "  test-and-set, ms" test_and_set_ms
row "  drained in, ms" drain_ms
row "clone pause, ms" clone_pause_ms
row "clone total, ms" clone_total_ms
row "log, Mbit/s" log_mbit_per_s
row "output delay p50, us" output_delay_us_p50
row "output delay p99, us" output_delay_us_p99
row "execution lag p99, ms" execution_lag_ms_p99
row "writes per second" writes_per_s
row "lost writes" lost_writes
[ "$failed" -eq 0 ] || die "$failed runs failed; see $reports"
