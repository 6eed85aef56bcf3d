# containerd asks loadline before it pulls, and does as it says. Its own message is asserted each time. Last of all
# checks, since it leaves tags behind that others do not expect.

# A containerd of its own, whose folder of verifiers holds loadline alone. Without CRI and without a snapshotter
# that needs more than a folder.
provide_containerd() {
  local node=$work/node
  [ "$(id -u)" = 0 ] || unavailable "containerd needs root"
  need engine_programs
  need sandbox
  mkdir -p "$node/verifier/bin" "$node/root" "$node/state"
  cp "$work/loadline" "$node/verifier/bin/loadline-image-verifier"
  cat > "$node/config.toml" <<TOML
version = 3
root = "$node/root"
state = "$node/state"
disabled_plugins = ["io.containerd.cri.v1.images", "io.containerd.cri.v1.runtime", "io.containerd.grpc.v1.cri"]
[grpc]
  address = "$node/containerd.sock"
[debug]
  level = "debug"
[plugins."io.containerd.image-verifier.v1.bindir"]
  bin_dir = "$node/verifier/bin"
TOML
  demand refuse
  # As under systemd: no HOME. What it logs is asserted, so no other run may sweep it away.
  background containerd "$work/node/containerd.log" env -u HOME containerd --config "$node/config.toml"
  eventually 30 ctr --address "$node/containerd.sock" version || die "containerd does not come up: $(tail -n 1 "$work/node/containerd.log")"
  containerd --version
}

# demand OTHERS: what the node demands, beside the folder of verifiers.
demand() {
  local node=$work/node
  cat > "$node/verifier/loadline-image-verifier.toml" <<TOML
schema = "loadline/image-verifier/v1"
others = "$1"
[cache]
folder = "$node/verdicts"
[[image]]
images = ["$(repository)"]
policy = "policy.toml"
TOML
  cat > "$node/verifier/policy.toml" <<TOML
schema = "loadline/policy/v1"
[[identity]]
signer-workflow = ".github/workflows/release.yml"
issuer = "$(ready issuer)"
[source]
repository = "github.com/loadline/loadline"
[evidence]
predicates = ["slsa-provenance", "cyclonedx"]
[trust]
roots = ["$(ready trusted_root)"]
TOML
}

# pull IMAGE: by the transfer service, which is what asks.
pull() { ctr --address "$work/node/containerd.sock" --namespace live images pull --plain-http "$1"; }
pulled() { ctr --address "$work/node/containerd.sock" --namespace live images ls -q | grep -qxF "$1"; }

# blocked IMAGE EXIT REASON...: is not pulled, containerd says who said no and why, and the image is not there.
blocked() {
  local image=$1 code=$2 reason
  shift 2
  refused 1 'image verifier bindir blocked pull of' pull "$image"
  for reason in "verifier loadline-image-verifier rejected image (exit code $code)" "$@"; do
    grep -qF -- "$reason" "$work/refusal" || die "containerd does not say '$reason'"
  done
  if pulled "$image"; then die "$image was pulled all the same"; fi
}

# unsigned TAG: an image in the repository that nobody signed.
unsigned() {
  echo "$1" > "$work/unsigned.$1"
  tar -C "$work" -cf "$work/unsigned.$1.tar" "unsigned.$1"
  crane append --oci-empty-base --new_layer "$work/unsigned.$1.tar" --new_tag "$(repository):$1" > /dev/null
}

containerd_pulls_proven() {
  local image
  image=$(repository):$VERSION
  pull "$image"
  pulled "$image" || die "$image is not there"
  grep -q 'pass: .*demands proven, signed by' "$work/node/containerd.log" || die "containerd does not log the reason"
  ctr --address "$work/node/containerd.sock" --namespace live images rm "$image" > /dev/null
  # The second look asks nobody: the verdict is in the node's cache, and says so.
  pull "$image"
  grep -q 'pass: .*, as of 20' "$work/node/containerd.log" || die "the verdict was not taken from the cache"
}
LIMIT=60 check containerd-pulls-what-is-proven containerd containerd_pulls_proven

containerd_blocks_unsigned() {
  unsigned bare
  blocked "$(repository):bare" 1 'refused: ' 'evidence-missing'
}
LIMIT=60 check containerd-blocks-without-evidence "containerd crane" containerd_blocks_unsigned

# The evidence of a released image, hung on one that nobody built: good signatures that speak of another digest.
containerd_blocks_others_evidence() {
  local image digest size referrer
  unsigned lie
  image=$(repository):lie
  digest=$(crane digest "$image")
  size=$(crane manifest "$image" | wc -c)
  for referrer in $(oras discover --plain-http --depth 1 --format json "$(repository)@$(children | awk 'NR == 1 { print $3 }')" |
    jq -er '.referrers[].digest'); do
    crane manifest "$(repository)@$referrer" |
      jq -c --arg digest "$digest" --argjson size "$size" '.subject |= (.digest = $digest | .size = $size)' > "$work/lie.json"
    oras manifest push --plain-http "$(repository)@sha256:$(sha256sum < "$work/lie.json" | cut -d' ' -f1)" "$work/lie.json"
  done
  equal "bundles on it" "$(oras discover --plain-http --depth 1 --format json "$image" | jq -er '.referrers | length')" 3
  blocked "$image" 1 'subject-mismatch' "$digest"
}
LIMIT=60 check containerd-blocks-evidence-of-another-digest "containerd crane oras jq" containerd_blocks_others_evidence

containerd_blocks_others() {
  crane copy "$(repository):$VERSION" "$(ready registry)/somebody/else:1"
  blocked "$(ready registry)/somebody/else:1" 1 'image-unlisted'
  demand allow
  pull "$(ready registry)/somebody/else:1"
  grep -q 'allowed unseen: ' "$work/node/containerd.log" || die "containerd does not log that it was allowed unseen"
  demand refuse
}
LIMIT=60 check containerd-blocks-what-no-table-names "containerd crane" containerd_blocks_others

# A root that did not sign: nothing is believed, and what was believed before under another root is not taken.
containerd_blocks_root() {
  sed -i "s#^roots = .*#roots = [\"$(elsewhere_root)\"]#" "$work/node/verifier/policy.toml"
  ctr --address "$work/node/containerd.sock" --namespace live images rm "$(repository):$VERSION" > /dev/null 2>&1 || true
  blocked "$(repository):$VERSION" 1 'evidence-missing'
  demand refuse
}
LIMIT=90 check containerd-blocks-another-root "containerd elsewhere" containerd_blocks_root
