#!/usr/bin/env bash
# loadline as containerd's image verifier, as a whole process against the sandbox on loopback: an image of two
# platforms with two demanded predicates, from nothing and from the cache of verdicts. One line of JSON each.
#
#   scripts/bench/image-verifier.sh [RUNS]      (default: 50)
#
# LOADLINE_BENCH_AS_IS=1 measures what was built before.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
runs=${1:-50}
cd "$root"
[ -n "${LOADLINE_BENCH_AS_IS:-}" ] || cargo build --quiet --release --package loadline
target=$(cargo metadata --format-version 1 --no-deps | sed 's/.*"target_directory":"\([^"]*\)".*/\1/')
work=$(mktemp -d "${TMPDIR:-/tmp}/loadline-bench.XXXXXX")
pid=''
trap '[ -z "$pid" ] || kill "$pid" 2> /dev/null; wait; rm -rf "$work"' EXIT
mkdir "$work/bin"
cp "$target/release/loadline" "$work/bin/loadline-image-verifier"
cp "$target/release/loadline" "$work/loadline"

git clone --quiet --no-hardlinks "$root" "$work/checkout"
git -C "$work/checkout" checkout --quiet -B main
"$work/loadline" release --sandbox --config "$work/checkout/fixtures/two-images/loadline.toml" --version 1.0.0 --format json > "$work/release.json" 2> "$work/release.log"
folder=$work/checkout/target/loadline-sandbox
: > "$work/ready"
"$work/loadline" sandbox serve --data "$folder/data" --listen "127.0.0.1:$(cat "$folder/port")" > "$work/ready" 2> "$work/requests" &
pid=$!
for _ in $(seq 200); do grep -q '^{' "$work/ready" && break; sleep 0.05; done

WORK=$work RUNS=$runs python3 - <<'PYTHON'
import json, os, resource, statistics, subprocess, time

work, runs = os.environ["WORK"], int(os.environ["RUNS"])
ready = json.loads(open(f"{work}/ready").readline())
digest = json.load(open(f"{work}/release.json"))["images"][0]["digest"]
repository = f"{ready['registry']}/loadline/two-images"
open(f"{work}/policy.toml", "w").write(f"""schema = "loadline/policy/v1"
[[identity]]
signer-workflow = ".github/workflows/release.yml"
issuer = "{ready['issuer']}"
[source]
repository = "github.com/loadline/loadline"
[evidence]
predicates = ["slsa-provenance", "cyclonedx"]
[trust]
roots = ["{ready['trusted_root']}"]
""")

def demand(cached):
    open(f"{work}/loadline-image-verifier.toml", "w").write(f"""schema = "loadline/image-verifier/v1"
others = "refuse"
[cache]
enabled = {str(cached).lower()}
folder = "{work}/verdicts"
[[image]]
images = ["{repository}"]
policy = "policy.toml"
""")

def ask():
    arguments = ["-name", f"{repository}:1.0.0", "-digest", digest, "-stdin-media-type", "application/vnd.oci.descriptor.v1+json"]
    payload = json.dumps({"mediaType": "application/vnd.oci.image.index.v1+json", "digest": digest, "size": 1}).encode()
    began = time.monotonic()
    run = subprocess.run([f"{work}/bin/loadline-image-verifier", *arguments], input=payload, capture_output=True, env={"PATH": "/usr/bin:/bin"})
    assert run.returncode == 0, run.stdout
    return (time.monotonic() - began) * 1000, run.stdout

for name, cached in [("cold", False), ("warm", True)]:
    demand(cached)
    _, said = ask()  # fills the cache, where there is one
    before = sum(1 for line in open(f"{work}/requests") if " /v2/" in line)
    times = sorted(ask()[0] for _ in range(runs))
    requests = sum(1 for line in open(f"{work}/requests") if " /v2/" in line) - before
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(json.dumps({"what": name, "runs": runs, "median_ms": round(statistics.median(times), 1), "p95_ms": round(times[int(runs * 0.95) - 1], 1),
                      "requests_each": requests / runs, "peak_mib_so_far": round(peak, 1)}))
PYTHON
