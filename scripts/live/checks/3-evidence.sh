# What others find of the evidence, and whether they believe it.

oras_discovers() {
  local digest
  for digest in $(digests); do
    equal "referrers of $digest" "$(referrers "$(repository)@$digest")" "$(three)"
    equal "referrers of that type" "$(referrers --artifact-type "$BUNDLE" "$(repository)@$digest")" "$(three)"
    equal "referrers by the API" "$(referrers --distribution-spec v1.1-referrers-api "$(repository)@$digest")" "$(three)"
  done
}
check oras-discovers-referrers "sandbox oras" oras_discovers

cosign() { HOME=$work/home command cosign "$@"; }

# believe ROOT IDENTITY ISSUER: the arguments for it.
believe() { printf '%s\n' --trusted-root "$1" --certificate-identity "$2" --certificate-oidc-issuer "$3"; }
ours() { believe "$(ready trusted_root)" "$IDENTITY" "$(ready issuer)"; }

# cosign_verifies REPOSITORY: every digest, every predicate, and what it verified speaks of that digest.
cosign_verifies() {
  local digest type trust
  mapfile -t trust < <(ours)
  for digest in $(digests); do
    for type in slsaprovenance1 cyclonedx "$VSA"; do
      cosign verify-attestation --allow-http-registry "${trust[@]}" --type "$type" "$1@$digest" > "$work/cosign.json"
      jq -er .payload "$work/cosign.json" | base64 -d |
        jq -e --arg hex "${digest#sha256:}" '[.subject[].digest.sha256] | index($hex) != null' ||
        die "$type of $digest speaks of something else"
    done
  done
}
cosign_images() { cosign_verifies "$(repository)"; }
check cosign-verifies-attestations "sandbox cosign" cosign_images

# cosign_refuses REASON ROOT IDENTITY ISSUER [TYPE]
cosign_refuses() {
  local digest trust
  mapfile -t trust < <(believe "${@:2:3}")
  for digest in $(digests); do
    refused 1 "$1" cosign verify-attestation --allow-http-registry "${trust[@]}" --type "${5:-slsaprovenance1}" "$(repository)@$digest"
  done
}
cosign_identity() { cosign_refuses 'expected SAN value' "$(ready trusted_root)" "${IDENTITY}x" "$(ready issuer)"; }
cosign_issuer() { cosign_refuses 'expected issuer value' "$(ready trusted_root)" "$IDENTITY" https://issuer.invalid; }
cosign_root() { cosign_refuses 'not enough verified log entries' "$(elsewhere_root)" "$IDENTITY" "$(ready issuer)"; }
cosign_type() { cosign_refuses 'none of the attestations matched the predicate type' "$(ready trusted_root)" "$IDENTITY" "$(ready issuer)" spdxjson; }
check cosign-refuses-another-identity "sandbox cosign" cosign_identity
check cosign-refuses-another-issuer "sandbox cosign" cosign_issuer
check cosign-refuses-another-root "sandbox cosign elsewhere" cosign_root
check cosign-refuses-another-predicate "sandbox cosign" cosign_type

# each_bundle COMMAND...: with BUNDLE DIGEST TYPE, for every subject of every bundle beside the ledger.
each_bundle() {
  local bundle digest count=0
  for bundle in $(bundles); do
    for digest in $(statement "$bundle" | jq -er '.subject[].digest.sha256'); do
      "$@" "$bundle" "$digest" "$(statement "$bundle" | jq -er .predicateType)" || die "$1: $bundle, $digest"
      count=$((count + 1))
    done
  done
  # Of each image: a provenance and a verdict, each of three subjects, and three SBOMs.
  equal "subjects in bundles" "$count" 18
}

cosign_bundle() {
  local trust
  mapfile -t trust < <(ours)
  cosign verify-blob-attestation "${trust[@]}" --type "$3" --bundle "$1" --digest "$2" --digestAlg sha256
}
check cosign-verifies-bundles "sandbox cosign" each_bundle cosign_bundle

# tampered: a bundle whose provenance was changed in one word, and what it speaks of.
tampered() {
  local bundle
  for bundle in $(bundles); do
    if [ "$(statement "$bundle" | jq -r .predicateType)" = "$SLSA" ]; then break; fi
  done
  statement "$bundle" | jq -er '.subject[0].digest.sha256' > "$work/tampered.digest"
  statement "$bundle" | sed 's#loadline/two-images#loadline/two-imagez#' > "$work/tampered.statement"
  if cmp -s "$work/tampered.statement" <(statement "$bundle"); then die "nothing was changed"; fi
  jq --arg payload "$(base64 -w0 < "$work/tampered.statement")" '.dsseEnvelope.payload = $payload' "$bundle" > "$work/tampered.json"
}
cosign_tampered() {
  tampered
  refused 1 'failed to verify' cosign_bundle "$work/tampered.json" "$(cat "$work/tampered.digest")" "$SLSA"
}
check cosign-refuses-a-tampered-bundle "sandbox cosign" cosign_tampered

# python IDENTITY BUNDLE HEX: sigstore-python, with everything from the sandbox's own trust configuration.
python() {
  HOME=$work/home XDG_CACHE_HOME=$work/home XDG_DATA_HOME=$work/home COLUMNS=500 sigstore --trust-config "$(ready trust_config)" \
    verify identity --offline --bundle "$2" --cert-identity "$1" --cert-oidc-issuer "$(ready issuer)" "sha256:$3"
}
# It takes two seconds each time: one bundle of each predicate type.
python_bundles() {
  local bundle type seen=' '
  for bundle in $(bundles); do
    type=$(statement "$bundle" | jq -er .predicateType)
    case "$seen" in *" $type "*) continue ;; esac
    seen="$seen$type "
    python "$IDENTITY" "$bundle" "$(statement "$bundle" | jq -er '.subject[0].digest.sha256')"
  done
  equal "predicate types" "$(echo "$seen" | wc -w)" 3
}
check sigstore-python-verifies-bundles "sandbox sigstore_python" python_bundles

python_identity() {
  local bundle hex
  bundle=$(bundles | head -n 1)
  hex=$(statement "$bundle" | jq -er '.subject[0].digest.sha256')
  refused 1 'SANs do not match' python "${IDENTITY}x" "$bundle" "$hex"
}
check sigstore-python-refuses-another-identity "sandbox sigstore_python" python_identity

python_tampered() {
  tampered
  refused 1 'invalid signature' python "$IDENTITY" "$work/tampered.json" "$(cat "$work/tampered.digest")"
}
check sigstore-python-refuses-a-tampered-bundle "sandbox sigstore_python" python_tampered

# verify ARGUMENT...: loadline as a consumer, by the configuration that was released.
verify() { loadline verify --config "$work/checkout/fixtures/two-images/loadline.toml" --format json "$@"; }

# verified REPOSITORY: by tag and by digest of the index.
verified() {
  local reference
  for reference in $(released '.images[].tags[]' | sed "s#^#$1:#") $(indexes | sed "s#^#$1@#"); do
    verify --trusted-root "$(ready trusted_root)" --issuer "$(ready issuer)" "$reference" > "$work/verdict.json" ||
      die "exit $?: $reference: $(jq -c . "$work/verdict.json")"
    equal verdict "$(jq -er .verdict "$work/verdict.json")" pass
  done
}
verifies_images() { verified "$(repository)"; }
check loadline-verifies sandbox verifies_images

refuses_issuer() {
  refused 1 '"verdict": "fail"' verify --trusted-root "$(ready trusted_root)" --issuer https://issuer.invalid "$(repository):$VERSION"
  grep -q '"code": "issuer-mismatch"' "$work/refusal" || die "the finding is another"
}
check loadline-refuses-another-issuer sandbox refuses_issuer

refuses_root() {
  refused 1 '"verdict": "fail"' verify --trusted-root "$(elsewhere_root)" --issuer "$(ready issuer)" "$(repository):$VERSION"
}
check loadline-refuses-another-root "sandbox elsewhere" refuses_root
