#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# bench failover [--json FILE] [N] [FAULT...]
#
# Runs the demo N times (5) for each fault (qemu ftd host link planned), in
# turn so that a slow minute of the machine touches all alike, and prints
# median and min to max over the runs, then the figures that have targets
# (--json: as rows). Called by ./lockstep bench, which has built everything.
# The reports stay in build/bench/ for a closer look.
set -euo pipefail

readonly demo=${LOCKSTEP_DEMO:?run ./lockstep bench}
readonly figures=${LOCKSTEP_FIGURES:?run ./lockstep bench}
readonly reports=${LOCKSTEP_REPORTS:?run ./lockstep bench}

die() { printf 'bench: %s\n' "$*" >&2; exit 1; }

what=${1:-failover}
[ "$what" = failover ] ||
  die "no bench $what; there are: failover, engine, disk"
shift $(($# < 1 ? $# : 1))
rows=()
if [ "${1-}" = --json ]; then
  [ $# -ge 2 ] || die "--json wants a file"
  rows=(--json "$2")
  shift 2
fi
runs=${1:-5}
[[ $runs =~ ^[1-9][0-9]*$ ]] || die "$runs is no number of runs"
shift $(($# < 1 ? $# : 1))
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
        "\(.blackout_probe_ms) ms (probe), \(.blackout_writer_ms) ms " +
        "(TCP writer), \(.acknowledged_writes) writes, " +
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
row "blackout, probe, ms" blackout_probe_ms
row "blackout, writer, ms" blackout_writer_ms
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
row "pings lost" probes_lost
row "pings doubled" probes_doubled
row "probe's pause, ms" probe_pause_ms

echo
mapfile -t written < <(find "$reports" -name '*.json' | sort -V)
[ ${#written[@]} -eq 0 ] || "$figures" "${rows[@]}" "${written[@]}"
[ "$failed" -eq 0 ] || die "$failed runs failed; see $reports"
