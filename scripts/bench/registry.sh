#!/usr/bin/env bash
# The client beside what others would take in its place: legs joined beside `docker buildx imagetools create`, an
# image looked at beside `imagetools inspect` and `crane manifest`, and a large layer pushed and copied, with the most
# memory that each process had. One line of JSON each.
#
#   scripts/bench/registry.sh [RUNS] [MIB]      (default: 20 runs, a layer of 2048 MiB)
#
# Everything runs on loopback, against the sandbox's registry, which counts the requests; builds are released ones. What
# is not there (docker with buildx and an engine, crane) is left out, visibly. The large layer takes three times its size
# on the disk of the build, and is removed afterwards.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
runs=${1:-20} mib=${2:-2048}
PATH=$PATH:${LOADLINE_LIVE_PREFIX:-${XDG_CACHE_HOME:-$HOME/.cache}/loadline-live}/parts/bin:/usr/sbin:/sbin
cd "$root"
# LOADLINE_BENCH_AS_IS=1 measures what was built before.
if [ -z "${LOADLINE_BENCH_AS_IS:-}" ]; then
  cargo build --quiet --release --package loadline
  cargo build --quiet --release --package loadline-registry --example merge
fi
target=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
profile=${LOADLINE_BENCH_PROFILE:-release}
loadline=$target/$profile/loadline merge=$target/$profile/examples/merge
# On the disk of the build, not in memory: the registry syncs each write. LOADLINE_BENCH_FOLDER=/dev/shm leaves the disk
# out, to see what the clients themselves take (with a small layer).
work=$(mktemp -d "${LOADLINE_BENCH_FOLDER:-$target}/bench.XXXXXX")
pids=()
trap 'kill "${pids[@]}" 2> /dev/null; wait; rm -rf "$work"' EXIT

# serve NAME PORT: a sandbox whose requests are in $work/NAME.requests.
serve() {
  "$loadline" sandbox serve --data "$work/$1" --listen "127.0.0.1:$2" > "$work/$1.ready" 2> "$work/$1.requests" &
  pids+=($!)
  for _ in $(seq 200); do grep -qs '^{' "$work/$1.ready" && return 0; sleep 0.05; done
  echo "the sandbox does not come up on $2" >&2; return 1
}

# measure RUNS REQUESTS-FILE NAME COMMAND...: the median of the time, the most memory, the requests of one run.
measure() {
  python3 - "$@" <<'PYTHON'
import json, os, statistics, subprocess, sys, time
runs, requests, name, *command = sys.argv[1:]
count = lambda: sum(1 for line in open(requests) if "/v2/" in line or "/token" in line)
times, peaks, asked = [], [], []
for _ in range(int(runs)):
    before = count()
    started = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = child.stderr.read()
    _, status, usage = os.wait4(child.pid, 0)
    times.append((time.perf_counter() - started) * 1000)
    if status != 0:
        sys.exit(f"{name} failed: {said.decode(errors='replace')[-400:]}")
    peaks.append(usage.ru_maxrss / 1024)
    time.sleep(0.02)
    asked.append(count() - before)
print(json.dumps({"what": name, "runs": len(times), "median_ms": round(statistics.median(times), 1),
                  "least_ms": round(min(times), 1), "peak_mib": round(max(peaks), 1), "requests": max(asked)}), flush=True)
PYTHON
}

serve one 5611
serve two 5612
repository=127.0.0.1:5611/acme/widget

# Legs as CI makes them: each platform by itself, with BuildKit's attestations. docker's own instance cannot push by
# digest, so they have tags.
legs=()
if docker buildx version > /dev/null 2>&1 && docker version > /dev/null 2>&1; then
  printf 'FROM scratch\nARG TARGETARCH\nARG MODE\nCOPY hello.${TARGETARCH} /hello\nENTRYPOINT ["/hello"]\n' > "$work/Dockerfile"
  for platform in amd64 arm64; do
    echo "hello from $platform" > "$work/hello.$platform"
    docker buildx build --quiet --platform "linux/$platform" --provenance mode=max --metadata-file "$work/$platform.json" \
      --push --tag "$repository:leg-$platform" --file "$work/Dockerfile" --build-arg MODE=bench "$work" > "$work/$platform.log" 2>&1 || { tail -n 3 "$work/$platform.log" >&2; break; }
    legs+=("$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["containerimage.digest"])' "$work/$platform.json")")
  done
fi
if [ ${#legs[@]} = 2 ]; then
  docker buildx imagetools create --tag "$repository:theirs" "$repository@${legs[0]}" "$repository@${legs[1]}" > /dev/null 2>&1
  "$merge" "$repository" ours "${legs[@]}" > "$work/merged"
  digest() { python3 - "$1" <<'PYTHON'
import sys, urllib.request
accept = "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json"
answer = urllib.request.urlopen(urllib.request.Request(sys.argv[1], headers={"Accept": accept}))
print(answer.headers["Docker-Content-Digest"])
PYTHON
  }
  theirs=$(digest "http://127.0.0.1:5611/v2/acme/widget/manifests/theirs") ours=$(digest "http://127.0.0.1:5611/v2/acme/widget/manifests/ours")
  printf '{"what": "the index of two legs", "theirs": "%s", "ours": "%s", "same": %s}\n' "$theirs" "$ours" "$([ "$theirs" = "$ours" ] && echo true || echo false)"
  measure "$runs" "$work/one.requests" "docker buildx imagetools create, two legs, one tag" docker buildx imagetools create --tag "$repository:theirs" "$repository@${legs[0]}" "$repository@${legs[1]}"
  measure "$runs" "$work/one.requests" "loadline's merge, two legs, one tag" "$merge" "$repository" ours "${legs[@]}"
  measure "$runs" "$work/one.requests" "docker buildx imagetools inspect" docker buildx imagetools inspect "$repository:ours"
  measure "$runs" "$work/one.requests" "docker buildx imagetools inspect, provenance and configuration" docker buildx imagetools inspect --format '{{json .}}' "$repository:ours"
  measure "$runs" "$work/one.requests" "loadline inspect" "$loadline" inspect "$repository:ours"
  measure "$runs" "$work/one.requests" "loadline inspect --tags 0" "$loadline" inspect --tags 0 "$repository:ours"
  if command -v crane > /dev/null; then
    measure "$runs" "$work/one.requests" "crane manifest" crane manifest "$repository:ours"
  else echo '{"what": "crane", "left out": "it is not there"}'; fi
else echo '{"what": "imagetools", "left out": "no docker with buildx and an engine"}'; fi

# A layout with one layer of that size, of bytes that do not compress.
python3 - "$work/layout" "$mib" <<'PYTHON'
import hashlib, json, os, random, sys
folder, mib = sys.argv[1], int(sys.argv[2])
blobs = os.path.join(folder, "blobs", "sha256")
os.makedirs(blobs)
whole = hashlib.sha256()
block = random.Random(1).randbytes(1 << 20)
with open(os.path.join(blobs, "layer"), "wb") as file:
    for number in range(mib):
        piece = number.to_bytes(8, "big") + block[8:]
        whole.update(piece)
        file.write(piece)
os.rename(os.path.join(blobs, "layer"), os.path.join(blobs, whole.hexdigest()))
def put(value):
    data = json.dumps(value).encode()
    digest = hashlib.sha256(data).hexdigest()
    open(os.path.join(blobs, digest), "wb").write(data)
    return {"digest": "sha256:" + digest, "size": len(data)}
oci = "application/vnd.oci.image."
layer = {"mediaType": oci + "layer.v1.tar", "digest": "sha256:" + whole.hexdigest(), "size": mib << 20}
config = put({"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]}})
manifest = put({"schemaVersion": 2, "mediaType": oci + "manifest.v1+json", "config": {"mediaType": oci + "config.v1+json", **config}, "layers": [layer]})
json.dump({"schemaVersion": 2, "manifests": [{"mediaType": oci + "manifest.v1+json", **manifest}]}, open(os.path.join(folder, "index.json"), "w"))
json.dump({"imageLayoutVersion": "1.0.0"}, open(os.path.join(folder, "oci-layout"), "w"))
PYTHON
measure 1 "$work/one.requests" "loadline copy, a layer of $mib MiB, from a layout to a registry" "$loadline" copy "oci:$work/layout" 127.0.0.1:5611/acme/large:1
measure 1 "$work/two.requests" "loadline copy, a layer of $mib MiB, from registry to registry" "$loadline" copy 127.0.0.1:5611/acme/large:1 127.0.0.1:5612/acme/large:1
measure 1 "$work/two.requests" "loadline copy, the same again" "$loadline" copy 127.0.0.1:5611/acme/large:1 127.0.0.1:5612/acme/large:1
measure 1 "$work/one.requests" "loadline copy, the same next door" "$loadline" copy 127.0.0.1:5611/acme/large:1 127.0.0.1:5611/acme/next:1
