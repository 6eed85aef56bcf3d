# Bundles of theirs, made there and then, verified by us: files of cosign, sigstore-python and sigstore-js; attestations of images by
# cosign, without keys and by key, as referrers and under its old tags.

verify_loadline() {
  loadline verify-bundle --trusted-root "$(own trusted_root)" --bundle "$1" --certificate-identity "$3" --certificate-oidc-issuer "$4" "$2"
}

# theirs CLIENT: signs if it has not yet; we accept it, and not for another artifact, identity or issuer.
theirs() {
  local bundle=$work/signed/$1.json
  [ -e "$bundle" ] || "sign_$1"
  verify_loadline "$bundle" "$work/artifact" "$SIGNER" "$(own_issuer email)"
  verify_loadline "$bundle" "sha256:$(sha256sum < "$work/artifact" | cut -d ' ' -f 1)" "$SIGNER" "$(own_issuer email)"
  refused 1 . verify_loadline "$bundle" "$work/another" "$SIGNER" "$(own_issuer email)"
  refused 1 'identity-mismatch' verify_loadline "$bundle" "$work/artifact" "x$SIGNER" "$(own_issuer email)"
  refused 1 'issuer-mismatch' verify_loadline "$bundle" "$work/artifact" "$SIGNER" "$(own_issuer github)"
  refused 1 'instance-unknown' loadline verify-bundle --bundle "$bundle" --certificate-identity "$SIGNER" --certificate-oidc-issuer "$(own_issuer email)" "$work/artifact"
}
check loadline-verifies-what-cosign-signs "signed cosign_trust" theirs cosign
check loadline-verifies-what-sigstore-python-signs "signed python_trust" theirs python
check loadline-verifies-what-sigstore-js-signs "signed sigstore_js" theirs js

# image NAME: a small image, by digest.
image() {
  local reference
  reference=$(own registry)/theirs/$1
  [ -e "$work/theirs.tar" ] || tar -C "$work" -cf "$work/theirs.tar" artifact
  crane append --oci-empty-base --new_layer "$work/theirs.tar" --new_tag "$reference:1" >&2
  echo "$reference@$(crane digest "$reference:1")"
}
# we IMAGE ARGUMENT...: as a consumer who demands that predicate.
we() {
  local code=0
  loadline verify --trusted-root "$(own trusted_root)" --predicate https://live.example/v1 --format json "${@:2}" "$1" > "$work/theirs.json" || code=$?
  cat "$work/theirs.json"
  return "$code"
}
source_of() { jq -er '.images[0].demands[0].proven[0].source' "$work/theirs.json"; }

cosign_keyless() {
  local image
  image=$(image keyless)
  echo '{"built": "here"}' > "$work/predicate.json"
  refused 1 evidence-missing we "$image" --certificate-identity "$SIGNER" --issuer "$(own_issuer email)"
  own_cosign attest --yes --identity-token "$(email_token)" --type https://live.example/v1 --predicate "$work/predicate.json" "$image"
  we "$image" --certificate-identity "$SIGNER" --issuer "$(own_issuer email)" --log-online
  equal "log entry" "$(jq -er '.images[0].demands[0].proven[0].set_only' "$work/theirs.json")" false
  fact "$(source_of)"
  we "${image%@*}:1" --certificate-identity-regexp '.*@example\.com' --issuer "$(own_issuer email)"
  refused 1 identity-mismatch we "$image" --certificate-identity-regexp 'someone' --issuer "$(own_issuer email)"
  refused 1 issuer-mismatch we "$image" --certificate-identity "$SIGNER" --issuer "$(own_issuer github)"
  refused 1 . loadline verify --trusted-root "$(own trusted_root)" --predicate cyclonedx --certificate-identity "$SIGNER" --issuer "$(own_issuer email)" "$image"
}
check loadline-verifies-what-cosign-attests "signed cosign_trust crane" cosign_keyless

own_keys() {
  [ -e "$work/cosign-keys/cosign.key" ] && return
  mkdir -p "$work/cosign-keys"
  (cd "$work/cosign-keys" && COSIGN_PASSWORD=live own_cosign generate-key-pair)
}
cosign_by_key() {
  local image
  own_keys
  image=$(image key)
  echo '{"built": "here"}' > "$work/predicate.json"
  COSIGN_PASSWORD=live own_cosign attest --yes --key "$work/cosign-keys/cosign.key" --type https://live.example/v1 --predicate "$work/predicate.json" "$image"
  we "$image" --key "$work/cosign-keys/cosign.pub"
  fact "$(source_of)"
  refused 1 key-required we "$image" --certificate-identity "$SIGNER" --issuer "$(own_issuer email)"
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$work/other.key"
  openssl pkey -in "$work/other.key" -pubout -out "$work/other.pub"
  refused 1 signature-invalid we "$image" --key "$work/other.pub"
}
check loadline-verifies-what-cosign-attests-by-key "signed cosign_trust crane" cosign_by_key

# As cosign wrote before its third version: a tag, envelopes, annotations.
cosign_of_old() {
  local image
  own_keys
  image=$(image old)
  echo '{"built": "here"}' > "$work/predicate.json"
  COSIGN_PASSWORD=live own_cosign attest --yes --key "$work/cosign-keys/cosign.key" --new-bundle-format=false --use-signing-config=false --tlog-upload=false \
    --type https://live.example/v1 --predicate "$work/predicate.json" "$image"
  crane manifest "${image%@*}:sha256-${image#*@sha256:}.att" | jq -e '.layers[0].mediaType == "application/vnd.dsse.envelope.v1+json"'
  refused 1 log-entry-missing we "$image" --key "$work/cosign-keys/cosign.pub"
  we "$image" --key "$work/cosign-keys/cosign.pub" --key-alone
  source_of | grep -F .att
}
check loadline-verifies-cosigns-old-tags "signed cosign_trust crane" cosign_of_old

trust_by_tuf() {
  loadline trust update --mirror "$(own tuf)" --root "$(own_root)" --out "$work/by-tuf.json"
  equal parts "$(jq -S '[.tlogs, .ctlogs, .timestampAuthorities] | map(length)' "$work/by-tuf.json")" \
    "$(jq -S '[.tlogs, .ctlogs, .timestampAuthorities] | map(length)' "$(own trusted_root)")"
  [ -e "$work/signed/cosign.json" ] || sign_cosign
  loadline verify-bundle --trusted-root "$work/by-tuf.json" --bundle "$work/signed/cosign.json" --certificate-identity "$SIGNER" \
    --certificate-oidc-issuer "$(own_issuer email)" "$work/artifact"
}
check loadline-gets-trust-by-tuf "signed cosign_trust" trust_by_tuf
