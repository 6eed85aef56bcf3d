# What `loadline attest` signs: with the sandbox's services and with Sigstore's own servers, without keys and with one.
# cosign, sigstore-go's verifier (which gh is built on), sigstore-python and sigstore-js verify it, and refuse it for
# another digest, identity or key.

ATTESTER=someone@example.com

# two_platforms REGISTRY PATH: an index of two platforms, pushed by crane; prints its digest. PREFIX goes before crane.
two_platforms() {
  local image=$1/$2 platform
  echo "an image" > "$work/layer"
  tar -C "$work" -cf "$work/layer.tar" layer
  for platform in amd64 arm64; do
    "${@:3}" crane append --oci-empty-base --new_layer "$work/layer.tar" --new_tag "$image:$platform" > /dev/null
    "${@:3}" crane mutate --set-platform "linux/$platform" --tag "$image:$platform" "$image:$platform" > /dev/null
  done
  "${@:3}" crane index append --tag "$image:1" --manifest "$image:amd64" --manifest "$image:arm64" > /dev/null
  "${@:3}" crane digest "$image:1"
}

# attest ARGUMENT...: loadline, its document in $work/attested.json.
attest() { loadline attest --format json "$@" > "$work/attested.json" || die "exit $?: $(jq -c . "$work/attested.json")"; }

# The sandbox's services, an image in its registry, and bundles of ours: without keys and with one.
provide_attested() {
  local trust
  need serving
  need crane
  need cosign
  trust=(--trusted-root "$(own trusted_root)" --signing-config "$(own signing_config)")
  two_platforms "$(own registry)" attested/image > "$work/attested.digest"
  echo '{"bomFormat": "CycloneDX", "specVersion": "1.6", "components": []}' > "$work/bom.json"
  curl --silent --fail "$(own issuer)/email/token?claim.email=$ATTESTER" > "$work/attester.token"
  (cd "$work" && HOME=$work/home COSIGN_PASSWORD=live cosign generate-key-pair)
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$work/plain.key"
  openssl pkey -in "$work/plain.key" -pubout -out "$work/plain.pub"
  cd "$work"
  attest "${trust[@]}" --identity-token "$work/attester.token" --predicate bom.json --type cyclonedx --bundle keyless.json "$(own registry)/attested/image:1"
  COSIGN_PASSWORD=live attest "${trust[@]}" --key cosign.key --predicate bom.json --type cyclonedx --bundle cosign-key.json "$(own registry)/attested/image:1"
  attest "${trust[@]}" --key plain.key --predicate bom.json --type cyclonedx --bundle plain-key.json "$(own registry)/attested/image:1"
}
hex() { cut -d: -f2 "$work/attested.digest"; }
another() { echo another | sha256sum | cut -c 1-64; }

# by_certificate CLIENT, by_key CLIENT KEY BUNDLE: accepted as it is, refused for something else.
keyless_cosign() {
  HOME=$work/home cosign verify-blob-attestation --trusted-root "$(own trusted_root)" --certificate-identity "$2" \
    --certificate-oidc-issuer "$3" --type cyclonedx --bundle "$1" --digest "$4" --digestAlg sha256
}
keyless_go() {
  sigstore-go-verification -trustedrootJSONpath "$(own trusted_root)" -expectedSAN "$2" -expectedIssuer "$3" -artifact-digest "$4" "$1"
}
keyless_python() {
  HOME=$work/home XDG_CACHE_HOME=$work/home XDG_DATA_HOME=$work/home COLUMNS=500 sigstore --trust-config "$(own trust_config)" \
    verify identity --offline --bundle "$1" --cert-identity "$2" --cert-oidc-issuer "$3" "sha256:$4"
}
keyless_js() {
  NODE_PATH=$parts/sigstore-js-verify/node_modules node "$here/lib/attestation.js" "$(own trusted_root)" "$1" identity "$2" "$3" > "$work/js.subjects" || return 1
  # The library proves the statement; whom it speaks of is the caller's to look at.
  jq -e --arg hex "$4" 'any(.[]; .digest.sha256 == $hex)' "$work/js.subjects" || { echo "no such subject"; return 1; }
}
keyless_ours() {
  loadline verify-bundle --trusted-root "$(own trusted_root)" --certificate-identity "$2" --certificate-oidc-issuer "$3" --bundle "$1" "sha256:$4"
}
by_certificate() {
  local issuer
  issuer=$(own issuer)/email
  "keyless_$1" "$work/keyless.json" "$ATTESTER" "$issuer" "$(hex)"
  refused 1 . "keyless_$1" "$work/keyless.json" "$ATTESTER" "$issuer" "$(another)"
  refused 1 . "keyless_$1" "$work/keyless.json" "x$ATTESTER" "$issuer" "$(hex)"
  refused 1 . "keyless_$1" "$work/keyless.json" "$ATTESTER" "${issuer}x" "$(hex)"
}
check attest-cosign-accepts "attested" by_certificate cosign
check attest-sigstore-go-accepts "attested sigstore_go" by_certificate go
check attest-sigstore-python-accepts "attested sigstore_python" by_certificate python
check attest-sigstore-js-accepts "attested sigstore_js_verify" by_certificate js
check attest-we-accept "attested" by_certificate ours

key_cosign() {
  HOME=$work/home cosign verify-blob-attestation --trusted-root "$(own trusted_root)" --key "$2" --type cyclonedx --bundle "$1" \
    --digest "$3" --digestAlg sha256
}
key_go() { sigstore-go-verification -trustedrootJSONpath "$(own trusted_root)" -requireCTlog=false -publicKey "$2" -artifact-digest "$3" "$1"; }
key_js() {
  NODE_PATH=$parts/sigstore-js-verify/node_modules node "$here/lib/attestation.js" "$(own trusted_root)" "$1" key "$2" > "$work/js.subjects" || return 1
  jq -e --arg hex "$3" 'any(.[]; .digest.sha256 == $hex)' "$work/js.subjects" || { echo "no such subject"; return 1; }
}
key_ours() { loadline verify-bundle --trusted-root "$(own trusted_root)" --key "$2" --bundle "$1" "sha256:$3"; }
by_key() {
  "key_$1" "$work/cosign-key.json" "$work/cosign.pub" "$(hex)"
  "key_$1" "$work/plain-key.json" "$work/plain.pub" "$(hex)"
  refused 1 . "key_$1" "$work/cosign-key.json" "$work/plain.pub" "$(hex)"
  refused 1 . "key_$1" "$work/plain-key.json" "$work/plain.pub" "$(another)"
}
# sigstore-python's command line knows no keys.
check attest-cosign-accepts-by-key "attested" by_key cosign
check attest-sigstore-go-accepts-by-key "attested sigstore_go" by_key go
check attest-sigstore-js-accepts-by-key "attested sigstore_js_verify" by_key js
check attest-we-accept-by-key "attested" by_key ours

# Found at the registry, on the index and on each platform, without anybody being told where.
at_the_registry() {
  local digest count=0
  for digest in $(cat "$work/attested.digest") $(crane manifest "$(own registry)/attested/image:1" | jq -er '.manifests[].digest'); do
    HOME=$work/home cosign verify-attestation --allow-http-registry --trusted-root "$(own trusted_root)" --certificate-identity "$ATTESTER" \
      --certificate-oidc-issuer "$(own issuer)/email" --type cyclonedx "$(own registry)/attested/image@$digest" | jq -er .payload | base64 -d |
      jq -e --arg hex "${digest#sha256:}" 'any(.subject[]; .digest.sha256 == $hex)'
    count=$((count + 1))
  done
  equal digests "$count" 3
}
check attest-cosign-finds-it-at-the-registry "attested" at_the_registry

# Sigstore's own Fulcio, Rekor v2 and timestamp authority. Each is reached by a second address, which can be closed.
provide_reached() {
  need servers
  need crane
  need cosign
  background front-fulcio "$logs/front-fulcio.log" ip netns exec "loadline-live-$$" python3 "$here/lib/forward.py" 127.0.0.1:6551 127.0.0.1:5551
  background front-rekor "$logs/front-rekor.log" ip netns exec "loadline-live-$$" python3 "$here/lib/forward.py" 127.0.0.1:6554 127.0.0.1:5554
  background front-tsa "$logs/front-tsa.log" ip netns exec "loadline-live-$$" python3 "$here/lib/forward.py" 127.0.0.1:6557 127.0.0.1:5557
  mixed reached '.certificateAuthorities = $ca | .tlogs = $tlog | .timestampAuthorities = $tsa' \
    '.caUrls[0].url = "http://127.0.0.1:6551" | .rekorTlogUrls[0].url = "http://127.0.0.1:6554" | .tsaUrls[0].url = "http://127.0.0.1:6557/api/v1/timestamp"'
  two_platforms "$(inner registry)" attested/image inside > "$work/reached.digest"
}
real_attest() {
  inside "$work/loadline" attest --format json --trusted-root "$work/reached.root.json" --signing-config "$work/reached.config.json" \
    --identity-token "$(inner_token)" --predicate "$work/reached.predicate.json" --type https://live.example/reached/v1 "$@" "$(inner registry)/attested/image:1"
}
real_log_size() { sed -n 2p "$work/servers/rekor/checkpoint"; }
through_real_servers() {
  local trust before
  before=$(real_log_size)
  mkdir -p "$work/reached-1" && cd "$work/reached-1"
  echo '{"through": "real servers"}' > "$work/reached.predicate.json"
  real_attest --bundle bundle.json > attested.json || die "exit $?: $(jq -c . attested.json)"
  trust=(--certificate-identity someone@example.com --certificate-oidc-issuer "$(inner issuer)/email")
  HOME=$work/home inside cosign verify-attestation --allow-http-registry --trusted-root "$work/reached.root.json" "${trust[@]}" \
    --type https://live.example/reached/v1 "$(inner registry)/attested/image@$(cat "$work/reached.digest")" | jq -er .payload | base64 -d |
    jq -e '.predicate.through == "real servers"'
  loadline verify-bundle --trusted-root "$work/reached.root.json" "${trust[@]}" --bundle bundle.json "$(cat "$work/reached.digest")"
  refused 1 . loadline verify-bundle --trusted-root "$(inner trusted_root)" "${trust[@]}" --bundle bundle.json "$(cat "$work/reached.digest")"
  eventually 5 test "$(real_log_size)" -gt "$before"
  # Again, with nothing kept: the bundle is found, nothing is signed.
  real_attest --ledger elsewhere > attested.json
  equal bundle "$(jq -er '.attestations[0].bundle' attested.json)" found
}
check attest-signs-through-real-servers "reached" through_real_servers

# outage NAME PORT BEHIND: exit 3 once patience has run out, nothing in the log; up again, one entry.
outage() {
  local name=$1 port=$2 behind=$3 before started
  mkdir -p "$work/outage-$name" && cd "$work/outage-$name"
  echo "{\"outage\": \"$name\"}" > "$work/reached.predicate.json"
  sleep 2 # the log's checkpoint comes once a second
  before=$(real_log_size)
  end "front-$name"
  started=$SECONDS
  refused 3 'refuses connections' real_attest --patience 3s
  if [ $((SECONDS - started)) -lt 3 ] || [ $((SECONDS - started)) -ge 20 ]; then die "it waited $((SECONDS - started)) s"; fi
  grep -q 'trying again' "$work/refusal" || die "it did not say that it waits"
  background "front-$name" "$logs/front-$name.log" ip netns exec "loadline-live-$$" python3 "$here/lib/forward.py" "127.0.0.1:$port" "127.0.0.1:$behind"
  eventually 10 inside bash -c "exec 3<> /dev/tcp/127.0.0.1/$port" || die "the forwarder does not come up"
  real_attest > attested.json || die "exit $?: $(jq -c . attested.json)"
  sleep 2
  equal "entries in the log" "$(real_log_size)" "$((before + 1))"
}
check attest-rides-out-fulcio-and-resumes "reached" outage fulcio 6551 5551
check attest-rides-out-rekor-and-resumes "reached" outage rekor 6554 5554
check attest-rides-out-the-timestamp-authority-and-resumes "reached" outage tsa 6557 5557

# It comes back before patience runs out: nobody has to do anything.
comes_back() {
  mkdir -p "$work/comes-back" && cd "$work/comes-back"
  echo '{"outage": "short"}' > "$work/reached.predicate.json"
  end front-rekor
  ( sleep 4; cd "$work"
    background front-rekor "$logs/front-rekor.log" ip netns exec "loadline-live-$$" python3 "$here/lib/forward.py" 127.0.0.1:6554 127.0.0.1:5554 ) &
  real_attest --patience 60s > attested.json 2> said || die "exit $?: $(cat said)"
  wait
  grep -q 'trying again' said || die "it did not say that it waits"
}
check attest-goes-on-when-the-log-comes-back "reached" comes_back
