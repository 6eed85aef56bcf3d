# loadline's client beside the programs of others: copies that others read, legs joined as imagetools joins them, an
# image shown as imagetools shows it. Against docker's own registry of version 2, which ends an upload with its
# connection and has no referrers API, and against the sandbox's.

mirror() { echo "$(cat "$work/plain-registry")/mirror/two-images"; }

# Every released image, tag by tag, from the sandbox to docker's registry.
provide_mirrored() {
  local tag
  need sandbox
  need plain_registry
  need jq
  for tag in $(released '.images[].tags[]'); do
    loadline copy "$(repository):$tag" "$(mirror)" --format json > "$work/mirrored.json" || die "$tag: $(cat "$work/mirrored.json")"
    equal "missing of $tag" "$(jq '.missing | length' "$work/mirrored.json")" 0
  done
}

copied_is_verified() {
  local digest
  for digest in $(indexes); do
    loadline verify --quiet --trusted-root "$(ready trusted_root)" --issuer "$(ready issuer)" \
      --config "$work/checkout/fixtures/two-images/loadline.toml" "$(mirror)@$digest"
  done
}
check loadline-copy-is-verified-at-docker-registry mirrored copied_is_verified

copied_is_valid() {
  local digest
  for digest in $(digests); do crane validate --remote "$(mirror)@$digest"; done
}
check crane-validates-a-copy "mirrored crane" copied_is_valid

# by_fallback_tag REFERENCE: what oras finds there.
by_fallback_tag() {
  oras discover --plain-http --depth 1 --format json --distribution-spec v1.1-referrers-tag "$1" |
    jq -er '.referrers[] | "\(.artifactType) \(.annotations["dev.sigstore.bundle.predicateType"])"' | sort
}
copied_evidence_by_oras() {
  local digest
  for digest in $(digests); do
    equal "referrers of $digest" "$(by_fallback_tag "$(mirror)@$digest")" \
      "$(printf '%s\n' "$BUNDLE $CYCLONEDX" "$BUNDLE $SLSA" "$BUNDLE $VSA" | sort)"
  done
}
check oras-finds-a-copys-evidence "mirrored oras" copied_evidence_by_oras

copied_again() {
  local tag
  tag=$(released '.images[0].tags[0]')
  loadline copy "$(repository):$tag" "$(mirror)" --format json > "$work/again.json"
  equal "sent the second time" "$(jq '([.manifests[] | select(.sent)] | length) + .blobs.sent + .blobs.mounted' "$work/again.json")" 0
}
check loadline-copy-sends-nothing-twice mirrored copied_again

# To a site without a network: what others read from the layout is what was released.
copied_to_a_layout() {
  local tag digest
  tag=$(released '.images[0].tags[0]') digest=$(released '.images[0].digest')
  loadline copy --quiet "$(repository):$tag" "oci:$work/stick"
  equal "digest in the layout" "$(oras manifest fetch --oci-layout --descriptor "$work/stick:$tag" | jq -r .digest)" "$digest"
  oras manifest fetch --oci-layout "$work/stick:$tag" > "$work/stick.json"
  equal "digest of the bytes" "sha256:$(sha256sum < "$work/stick.json" | cut -d' ' -f1)" "$digest"
  loadline copy --quiet "oci:$work/stick" "$(cat "$work/plain-registry")/inside/app:9"
  loadline verify --quiet --trusted-root "$(ready trusted_root)" --issuer "$(ready issuer)" \
    --config "$work/checkout/fixtures/two-images/loadline.toml" "$(cat "$work/plain-registry")/inside/app:9"
}
check loadline-copies-through-a-layout "sandbox plain_registry oras jq" copied_to_a_layout

# A layer of several pieces, to a registry that takes pieces and checks where each begins.
large_layer() {
  local layout=$work/large digest size config manifest
  mkdir -p "$layout/blobs/sha256"
  put() { # FILE: into the layout; sets digest and size.
    digest=$(sha256sum < "$1" | cut -d' ' -f1) size=$(stat -c %s "$1")
    mv "$1" "$layout/blobs/sha256/$digest"
  }
  head -c 150000000 /dev/urandom > "$work/blob"
  put "$work/blob"
  local layer=$digest layer_size=$size
  printf '{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":["sha256:%s"]}}' "$layer" > "$work/blob"
  put "$work/blob"; config="\"digest\":\"sha256:$digest\",\"size\":$size"
  printf '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"application/vnd.oci.image.config.v1+json",%s},"layers":[{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"sha256:%s","size":%s}]}' \
    "$config" "$layer" "$layer_size" > "$work/blob"
  put "$work/blob"; manifest="\"digest\":\"sha256:$digest\",\"size\":$size"
  printf '{"schemaVersion":2,"manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json",%s}]}' "$manifest" > "$layout/index.json"
  printf '{"imageLayoutVersion":"1.0.0"}' > "$layout/oci-layout"
  loadline copy --quiet "oci:$layout" "$(cat "$work/plain-registry")/large:1"
  equal "layer that crane reads" "$(crane blob "$(cat "$work/plain-registry")/large@sha256:$layer" | sha256sum | cut -d' ' -f1)" "$layer"
  # Taken over within one registry: mounted, nothing sent.
  loadline copy --format json "$(cat "$work/plain-registry")/large:1" "$(cat "$work/plain-registry")/beside:1" > "$work/beside.json"
  equal "sent next door" "$(jq '"\(.blobs.sent) \(.blobs.mounted)"' "$work/beside.json")" '"0 2"'
  rm -rf "$layout"
}
check docker-registry-takes-pieces "loadline plain_registry crane jq" large_layer

# Two legs, each with what BuildKit attests. docker's own instance cannot push by digest, so they have tags.
provide_legs() {
  local platform folder=$work/legs name
  need sandbox
  need engine
  need jq
  name=$(ready registry)/live/merged
  mkdir -p "$folder"
  printf 'FROM scratch\nARG TARGETARCH\nARG MODE\nCOPY hello.${TARGETARCH} /hello\nENTRYPOINT ["/hello"]\n' > "$folder/Dockerfile"
  for platform in amd64 arm64; do
    echo "hello from $platform" > "$folder/hello.$platform"
    docker buildx build --quiet --platform "linux/$platform" --provenance mode=max --build-arg "MODE=live-$platform" \
      --metadata-file "$folder/$platform.json" --push --tag "$name:leg-$platform" "$folder"
    jq -er '."containerimage.digest"' "$folder/$platform.json" > "$folder/$platform.digest"
  done
  docker buildx imagetools create --tag "$name:theirs" "$name@$(cat "$folder/amd64.digest")" "$name@$(cat "$folder/arm64.digest")"
}
merged() { echo "$(ready registry)/live/merged"; }

# Compiled outside of the check, whose time limit is for what it checks.
provide_merge_example() {
  command -v cargo > /dev/null || unavailable "needs cargo"
  cd "$root"
  cargo build --quiet --package loadline-registry --example merge
  cp "$(cargo metadata --format-version 1 --no-deps | jq -r .target_directory)/debug/examples/merge" "$work/merge-example"
}

merge_is_imagetools_create() {
  local theirs
  theirs=$(docker buildx imagetools inspect --format '{{json .Manifest}}' "$(merged):theirs" | jq -er .digest)
  "$work/merge-example" "$(merged)" ours \
    "$(cat "$work/legs/arm64.digest")" "$(cat "$work/legs/amd64.digest")" > "$work/merge.json"
  equal "digest of the index" "$(jq -r .digest "$work/merge.json")" "$theirs"
  equal "requests: two legs, one index, one tag" "$(jq .requests "$work/merge.json")" 4
}
check merge-is-what-imagetools-creates "legs merge_example" merge_is_imagetools_create

inspect_is_imagetools_inspect() {
  local platform
  loadline inspect --format json "$(merged):theirs" > "$work/inspected.json"
  docker buildx imagetools inspect --format '{{json .}}' "$(merged):theirs" > "$work/imagetools.json"
  docker buildx imagetools inspect --format '{{json .Provenance}}' "$(merged):theirs" > "$work/provenance.json"
  equal digest "$(jq -r .digest "$work/inspected.json")" "$(jq -r .manifest.digest "$work/imagetools.json")"
  for platform in linux/amd64 linux/arm64; do
    equal "build argument of $platform" \
      "$(jq -r --arg p "$platform" '.images[] | select(.platform == $p) | .buildkit[0].build.build_args.MODE' "$work/inspected.json")" \
      "$(jq -r --arg p "$platform" '.[$p].SLSA | (.invocation.parameters.args // .buildDefinition.externalParameters.request.args)["build-arg:MODE"]' "$work/provenance.json")"
    equal "made, $platform" \
      "$(jq -r --arg p "$platform" '.images[] | select(.platform == $p) | .config.created' "$work/inspected.json")" \
      "$(jq -r --arg p "$platform" '.image[$p].created' "$work/imagetools.json")"
  done
}
check inspect-says-what-imagetools-says legs inspect_is_imagetools_inspect
