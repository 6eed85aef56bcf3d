#!/usr/bin/env bash
# How verification compares with cosign's: two images (index and two platforms each) with two predicates, at 0 ms and
# 50 ms round trip; one attestation as a whole process, with its memory and requests; one bundle within a process beside
# the library. One line of JSON each.
#
#   scripts/bench/verify.sh [RUNS]      (default: 9; the median is told)
#
# Everything runs on loopback; the distance is made by a proxy that delays what goes through it, each new connection
# by a round trip more. Builds are released ones. cosign comes from the live checks' folder
# (scripts/live/run cosign-verifies-attestations puts it there); without it, its lines are left out, visibly.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
runs=${1:-9}
PATH=${LOADLINE_LIVE_PREFIX:-${XDG_CACHE_HOME:-$HOME/.cache}/loadline-live}/parts/bin:$PATH
cd "$root"
# LOADLINE_BENCH_AS_IS=1 measures what was built before.
if [ -z "${LOADLINE_BENCH_AS_IS:-}" ]; then
  cargo build --quiet --release --package loadline
  cargo build --quiet --release --package loadline-sandbox --example delay
  cargo build --quiet --release --package loadline-sigstore --example verify_once
fi
target=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')/release
loadline=$target/loadline
work=$(mktemp -d "$target/../bench.XXXXXX")
pids=()
trap 'kill "${pids[@]}" 2> /dev/null; wait; rm -rf "$work"' EXIT
export HOME=$work/home
mkdir -p "$HOME"

# The release: this repository's two images, in a checkout of their own.
git clone --quiet --no-hardlinks "$root" "$work/checkout"
git -C "$work/checkout" checkout --quiet -B main
config=$work/checkout/fixtures/two-images/loadline.toml
"$loadline" release --sandbox --config "$config" --version 1.0.0 --format json > "$work/release.json" 2> "$work/release.log"
folder=$work/checkout/target/loadline-sandbox
"$loadline" sandbox serve --data "$folder/data" --listen "127.0.0.1:$(cat "$folder/port")" --quiet > "$work/serve.json" &
pids+=($!)
for _ in $(seq 100); do [ -s "$work/serve.json" ] && break; sleep 0.1; done
ready() { sed 's/.*"'"$1"'":"\([^"]*\)".*/\1/' "$work/serve.json"; }
registry=$(ready registry) issuer=$(ready issuer) trust=$(ready trusted_root)
mapfile -t digests < <(jq -r '.images[] | .digest, .platforms[].digest' "$work/release.json")
mapfile -t indexes < <(jq -r '.images[].digest' "$work/release.json")

# distance NAME MS: a proxy before the registry; its counts are asked for through a pipe.
distance() {
  mkfifo "$work/$1.in"
  "$target/examples/delay" "127.0.0.1:$3" "$registry" "$2" < "$work/$1.in" > "$work/$1.out" &
  pids+=($!)
  exec {pipe}> "$work/$1.in"
  declare -g "$1=$pipe"
  for _ in $(seq 100); do grep -q ready "$work/$1.out" 2> /dev/null && break; sleep 0.05; done
}
# counts NAME: since the last time.
counts() { local before pipe=${!1}; before=$(wc -l < "$work/$1.out"); echo >&"$pipe"; while [ "$(wc -l < "$work/$1.out")" = "$before" ]; do sleep 0.02; done; tail -n 1 "$work/$1.out"; }
distance near 0 5611
distance far 50 5612

# median COMMAND...: seconds.
median() {
  local begun
  for _ in $(seq "$runs"); do
    begun=$(date +%s%N)
    "$@" > "$work/out" 2>&1 || { cat "$work/out" >&2; return 1; }
    echo $(( $(date +%s%N) - begun ))
  done | sort -n | awk '{ all[NR] = $1 } END { printf "%.3f", all[int((NR + 1) / 2)] / 1e9 }'
}
# peak COMMAND...: the most memory, in MiB.
peak() {
  python3 - "$@" <<'PYTHON'
import os, resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
print("%.1f" % (resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024))
PYTHON
}
line() { printf '{"what": "%s", "seconds": %s%s}\n' "$1" "$2" "${3:-}"; }

# Ours: both images whole, in one call.
ours() {
  local repository=$1
  shift
  "$loadline" verify --config "$config" --trusted-root "$trust" --issuer "$issuer" --predicate slsa-provenance \
    --predicate cyclonedx "${@/#/$repository@}"
}
for name in near far; do
  port=5611 distance=0
  if [ "$name" = far ]; then port=5612 distance=50; fi
  counts "$name" > /dev/null
  ours "127.0.0.1:$port/loadline/two-images" "${indexes[@]}" > /dev/null 2>&1
  after=$(counts "$name")
  line "loadline: 2 images, 3 digests, 2 predicates, $distance ms" \
    "$(median ours "127.0.0.1:$port/loadline/two-images" "${indexes[@]}")" ", \"one_run\": $after"
done

# One attestation of one platform: a whole process.
one() {
  "$loadline" verify --config "$config" --trusted-root "$trust" --issuer "$issuer" --predicate slsa-provenance \
    "127.0.0.1:5611/loadline/two-images@${digests[1]}"
}
counts near > /dev/null
one > /dev/null 2>&1
after=$(counts near)
line "loadline: one attestation, a whole process" "$(median one)" \
  ", \"peak_mib\": $(peak "$loadline" verify --config "$config" --trusted-root "$trust" --issuer "$issuer" --predicate slsa-provenance "127.0.0.1:5611/loadline/two-images@${digests[1]}"), \"one_run\": $after"

if command -v cosign > /dev/null; then
  who=$(jq -r '.images[0].name' "$work/release.json" > /dev/null && echo https://github.com/loadline/loadline/.github/workflows/release.yml@refs/heads/main)
  # its NAME TYPE
  its() {
    cosign verify-attestation --allow-http-registry --trusted-root "$trust" --certificate-identity "$who" \
      --certificate-oidc-issuer "$issuer" --type "$2" "$1"
  }
  all_in_turn() { local digest type; for digest in "${digests[@]}"; do for type in slsaprovenance1 cyclonedx; do its "$1@$digest" "$type"; done; done; }
  all_at_once() {
    local digest type jobs=()
    for digest in "${digests[@]}"; do for type in slsaprovenance1 cyclonedx; do its "$1@$digest" "$type" & jobs+=($!); done; done
    for job in "${jobs[@]}"; do wait "$job"; done
  }
  kept=$runs runs=3
  for port in 5611 5612; do
    distance=0
    if [ "$port" = 5612 ]; then distance=50; fi
    line "cosign: the same twelve in turn, $distance ms" "$(median all_in_turn "127.0.0.1:$port/loadline/two-images")"
    line "cosign: the same twelve at once, $distance ms" "$(median all_at_once "127.0.0.1:$port/loadline/two-images")"
  done
  runs=$kept
  counts near > /dev/null
  its "127.0.0.1:5611/loadline/two-images@${digests[1]}" slsaprovenance1 > /dev/null 2>&1
  after=$(counts near)
  line "cosign: one attestation, a whole process" "$(median its "127.0.0.1:5611/loadline/two-images@${digests[1]}" slsaprovenance1)" \
    ", \"peak_mib\": $(peak cosign verify-attestation --allow-http-registry --trusted-root "$trust" --certificate-identity "$who" --certificate-oidc-issuer "$issuer" --type slsaprovenance1 "127.0.0.1:5611/loadline/two-images@${digests[1]}"), \"one_run\": $after"
else echo '{"what": "cosign", "left out": "it is not there"}'; fi

# One bundle within a process: what the release signed about the first platform.
bundle=$(grep -rlE '^\{"mediaType":"application/vnd.dev.sigstore.bundle' --include='*' "$folder" 2> /dev/null | grep -v /data/ | sort | head -n 1 || true)
if [ -n "$bundle" ]; then
  digest=$(jq -r '.dsseEnvelope.payload' "$bundle" | base64 -d | jq -r '.subject[0].digest.sha256')
  "$target/examples/verify_once" "$bundle" "$trust" "sha256:$digest" 1000
else echo '{"what": "one bundle in a process", "left out": "the release kept none"}'; fi
