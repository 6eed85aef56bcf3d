#!/usr/bin/env bash
# The sandbox beside what others would take in its place: pushes and pulls per second and memory beside
# docker-registry and `crane registry serve`, log entries per second beside rekor-tiles. One line of JSON each.
#
#   scripts/bench/sandbox.sh [IMAGES] [ENTRIES]      (default: 400 images, 4000 entries, 8 clients)
#
# Everything runs on loopback, on one disk; builds are released ones. crane keeps blobs on disk (`--disk`).
# The programs of others come from the live checks' folder (scripts/live/run 'sandbox-*' puts them there); what is not
# there is left out, visibly. rekor-server's metrics listen on all addresses, so it runs in a network namespace (root).
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
images=${1:-400} entries=${2:-4000} workers=8
PATH=${LOADLINE_LIVE_PREFIX:-${XDG_CACHE_HOME:-$HOME/.cache}/loadline-live}/parts/bin:$PATH:/usr/sbin:/sbin
cd "$root"
# LOADLINE_BENCH_AS_IS=1 measures what was built before.
if [ -z "${LOADLINE_BENCH_AS_IS:-}" ]; then
  cargo build --quiet --release --package loadline
  cargo build --quiet --release --package loadline-sandbox --example load
fi
target=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
load=$target/release/examples/load
# On the disk of the build, not in memory.
work=$(mktemp -d "$target/bench.XXXXXX")
pids=()
trap 'kill "${pids[@]}" 2> /dev/null; wait; ip netns del "loadline-bench-$$" 2> /dev/null; rm -rf "$work"' EXIT

up() { for _ in $(seq 200); do (exec 3<> "/dev/tcp/127.0.0.1/$1") 2> /dev/null && return 0; sleep 0.05; done; echo "nothing listens on $1" >&2; return 1; }
# The most memory that a process had, in MiB.
peak() { awk '/^VmHWM/ { printf "%.1f", $2 / 1024 }' "/proc/$1/status"; }
report() { printf '{"what": "%s", "peak_mib": %s, "result": %s}\n' "$1" "$(peak "$2")" "$3"; }
# measure NAME PORT PID
measure() {
  up "$2"
  report "$1: $images images, $workers clients" "$3" "$("$load" registry "http://127.0.0.1:$2" "$images" "$workers")"
  report "$1: one blob of 512 MiB" "$3" "$("$load" blob "http://127.0.0.1:$2" 512)"
}

"$target/release/loadline" sandbox serve --quiet --data "$work/sandbox" --listen 127.0.0.1:5601 > "$work/sandbox.log" &
pids+=($!); measure sandbox 5601 $!
if command -v docker-registry > /dev/null; then
  printf 'version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp: {addr: "127.0.0.1:5602"}\n' "$work/registry" > "$work/registry.yml"
  OTEL_TRACES_EXPORTER=none docker-registry serve "$work/registry.yml" > "$work/registry.log" 2>&1 &
  pids+=($!); measure docker-registry 5602 $!
else echo '{"what": "docker-registry", "left out": "it is not there"}'; fi
if command -v crane > /dev/null; then
  mkdir "$work/crane"
  crane registry serve --address 127.0.0.1:5603 --disk "$work/crane" > "$work/crane.log" 2>&1 &
  pids+=($!); measure "crane registry serve --disk" 5603 $!
else echo '{"what": "crane registry serve", "left out": "it is not there"}'; fi

# log NAME PORT PID [COMMAND...]: few clients with a tenth of the entries, since each waits for its answer.
log() {
  local name=$1 port=$2 pid=$3
  shift 3
  report "$name: $((entries / 10)) log entries, $workers clients" "$pid" "$("$@" "$load" log "http://127.0.0.1:$port" $((entries / 10)) "$workers")"
  report "$name: $entries log entries, 256 clients" "$pid" "$("$@" "$load" log "http://127.0.0.1:$port" "$entries" 256)"
}
log sandbox 5601 "${pids[0]}"
if command -v rekor-server openssl > /dev/null && [ "$(id -u)" = 0 ] && ip netns add "loadline-bench-$$"; then
  ip -n "loadline-bench-$$" link set lo up
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$work/rekor.key" 2> /dev/null
  ip netns exec "loadline-bench-$$" rekor-server serve --http-address 127.0.0.1 --http-port 5604 --grpc-port 5605 \
    --http-metrics-port 5606 --hostname 127.0.0.1 --storage-dir "$work/rekor" --signer-filepath "$work/rekor.key" \
    --checkpoint-interval 1s --batch-max-age 50ms --log-level error > "$work/rekor.log" 2>&1 &
  pids+=($!); rekor=$!
  sleep 2
  log rekor-tiles 5604 "$rekor" ip netns exec "loadline-bench-$$"
else echo '{"what": "rekor-tiles", "left out": "it needs rekor-server, openssl and root"}'; fi
