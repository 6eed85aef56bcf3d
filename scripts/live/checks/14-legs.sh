# Legs that are built on machines of their own: two network namespaces that have nothing but loopback and one address,
# the registry's. Each machine has a checkout of its own; what goes from one to the other are files.

MACHINES='live-amd64 live-arm64'

provide_machines() {
  local name registry socket=$work/registry.sock
  [ "$(id -u)" = 0 ] || unavailable "network namespaces need root"
  command -v ip > /dev/null || unavailable "needs ip"
  need plain_registry
  registry=$(cat "$work/plain-registry")
  background registry-relay "$logs/registry-relay.log" python3 "$here/lib/relay.py" "unix:$socket" "tcp:$registry"
  eventually 10 test -S "$socket" || die "the relay does not come up"
  for name in $MACHINES; do
    ip netns add "$name" || unavailable "network namespaces cannot be made"
    undo "ip netns delete $name"
    ip -n "$name" link set lo up
    background "registry-$name" "$logs/registry-$name.log" ip netns exec "$name" python3 "$here/lib/relay.py" "tcp:$registry" "unix:$socket"
    eventually 10 ip netns exec "$name" curl --silent --fail "http://$registry/v2/" || die "$name does not reach the registry"
  done
}

# on MACHINE COMMAND...: in its namespace, in its checkout.
on() {
  local machine=$1
  shift
  (cd "$work/$machine/fixtures/run-lines" && ip netns exec "$machine" "$@")
}

provide_built_legs() {
  local machine platform image slug
  need sandbox
  need base
  need live_builder
  need machines
  mkdir -p "$work/legs"
  for machine in $MACHINES; do
    platform=linux/${machine#live-}
    run_lines "$work/$machine"
    # Nothing but the registry is in reach.
    refused 7 onnect on "$machine" curl --silent --show-error "http://127.0.0.1:$(ready registry | cut -d: -f2)/v2/"
    for image in api worker; do
      slug=$image-${platform/\//-}
      mkdir -p "$work/out-$machine"
      on "$machine" "$work/loadline" build --leg "$image:$platform" --record "$work/out-$machine/$slug.json" --version 2.0.0
      # Scanned on its own machine, by the digest in its record.
      report "$(run_lines_repository)@$(jq -er .manifest.digest "$work/out-$machine/$slug.json")" > "$work/out-$machine/scan-$slug.json"
      on "$machine" "$work/loadline" build --leg "$image:$platform" --record "$work/out-$machine/$slug.json" \
        --report "$work/out-$machine/scan-$slug.json" --version 2.0.0
    done
    # A folder for each, as a workflow's artifacts come.
    cp -r "$work/out-$machine" "$work/legs/$machine"
  done
  # The machine that joins them has a third checkout.
  run_lines "$work/joining"
}

legs_merged() {
  (cd "$work/joining/fixtures/run-lines" && "$work/loadline" merge --legs "$work/legs" --version 2.0.0 --format json > "$work/legs-merge.json") ||
    die "$(jq -c '{findings, failures}' "$work/legs-merge.json")"
  equal verdict "$(jq -er .verdict "$work/legs-merge.json")" pass
  # One request for each leg, one for each index.
  equal requests "$(jq -er .requests "$work/legs-merge.json")" 6
}
LIMIT=400 check legs-of-two-machines-are-merged built_legs legs_merged

# A record that was changed on its way: neither verb takes it, nothing has a tag.
legs_tampered() {
  local record=$work/tampered/live-arm64/api-linux-arm64.json other change
  for change in '.config = $other' '.diff_ids[0] = $other' '.manifest.digest = $other' '.attestations[0].digest = $other' 'del(.index) | .attestations[0].annotations = {}' 'del(.index) | .attestations = .attestations + [.manifest]' '.attestations = []' '.platform = "linux/amd64"' '.commit = "0000000000000000000000000000000000000000"'; do
    rm -rf "$work/tampered"
    cp -r "$work/legs" "$work/tampered"
    other=$(jq -er .manifest.digest "$work/tampered/live-amd64/api-linux-amd64.json")
    jq --arg other "$other" "$change" "$work/legs/live-arm64/api-linux-arm64.json" > "$record"
    as_actions "$work/joining" --version 2.0.0 --legs "$work/tampered" > "$work/refused.json" && die "released with $change"
    equal "verdict with $change" "$(jq -er .verdict "$work/refused.json")" fail
    equal "effects with $change" "$(jq -cS .effects "$work/refused.json")" '{"blobs_pushed":0,"manifests_pushed":0,"tags_moved":0}'
    jq -r '.findings[] | select(.severity == "error") | "\(.code): \(.message)"' "$work/refused.json"
  done
  refused 1 leg-foreign loadline merge --legs "$work/tampered" --config "$work/joining/fixtures/run-lines/loadline.toml" --version 2.0.0 --format json
  crane ls --insecure "$(run_lines_repository)" | grep '^2\.0\.0' && die "something has a tag"
  return 0
}
LIMIT=400 check legs-that-were-changed-are-refused "built_legs crane" legs_tampered

legs_released() {
  local tag
  as_actions "$work/joining" --version 2.0.0 --legs "$work/legs" > "$work/legs.json" ||
    die "exit $?: $(jq -c '{verdict, findings, failures}' "$work/legs.json")"
  equal verdict "$(jq -er .verdict "$work/legs.json")" pass
  equal "indexes of merge and release" "$(jq -er '[.images[].digest] | sort | join(" ")' "$work/legs.json")" \
    "$(jq -er '[.images[].digest] | sort | join(" ")' "$work/legs-merge.json")"
  for tag in 2.0.0 2.0.0-worker; do
    loadline verify --config "$work/joining/fixtures/run-lines/loadline.toml" --trusted-root "$(ready trusted_root)" "$(run_lines_repository):$tag"
  done
}
LIMIT=400 check legs-of-two-machines-are-released built_legs legs_released
