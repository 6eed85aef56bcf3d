# A registry that has no referrers API: docker's own of version 2. Evidence goes by fallback tags.

plain() { echo "$(cat "$work/plain-registry")/$REPOSITORY"; }

# Images with all their evidence, copied by oras, tag by tag.
provide_copied() {
  local tag
  need sandbox
  need oras
  need plain_registry
  for tag in $(released '.images[].tags[]'); do
    oras cp --no-tty --recursive --from-plain-http --to-plain-http "$(repository):$tag" "$(plain):$tag"
  done
}

copied_evidence() {
  local code digest
  code=$(curl --silent --output "$work/answer" --write-out '%{http_code}' "http://$(cat "$work/plain-registry")/v2/$REPOSITORY/referrers/$(indexes | head -n 1)")
  equal "status of the referrers API" "$code" 404
  for digest in $(digests); do
    equal "referrers of $digest" "$(referrers --distribution-spec v1.1-referrers-tag "$(plain)@$digest")" "$(three)"
  done
}
check oras-copies-evidence "copied curl" copied_evidence

verifies_copy() { verified "$(plain)"; }
check loadline-verifies-by-fallback-tags copied verifies_copy

cosign_copy() { cosign_verifies "$(plain)"; }
check cosign-verifies-by-fallback-tags "copied cosign" cosign_copy

# The same images without their evidence: said to fail, not passed over.
bare() {
  local digest to
  to=$(cat "$work/plain-registry")/bare
  digest=$(indexes | head -n 1)
  oras cp --no-tty --from-plain-http --to-plain-http "$(repository)@$digest" "$to:bare"
  refused 1 '"verdict": "fail"' verify --trusted-root "$(ready trusted_root)" --issuer "$(ready issuer)" "$to:bare"
  grep -q '"code": "evidence-missing"' "$work/refusal" || die "the finding is another"
}
check loadline-refuses-a-bare-copy "sandbox oras plain_registry" bare

# A release as a job of GitHub Actions runs it: no sandbox mode, the identity from the runner's token
# service, images pushed to the plain registry. The sandbox is the Sigstore that signs.
provide_actions_release() {
  local folder=$work/actions toml=$work/actions/fixtures/two-images/loadline.toml commit workflow
  need sandbox
  need plain_registry
  checkout "$folder"
  sed -i "s#^repository *=.*#repository = \"$(actions)\"#; s#^\\[verify\\]#[verify]\nissuer = \"$(ready issuer)\"#" "$toml"
  git -C "$folder" -c user.name=live -c user.email=live@localhost commit --quiet --all --message 'Release to the plain registry'
  commit=$(git -C "$folder" rev-parse HEAD)
  workflow=loadline/loadline/.github/workflows/release.yml@refs/heads/main
  cat > "$work/actions.env" <<ENV
ACTIONS_ID_TOKEN_REQUEST_URL=$(ready token_url)?$(claims "$workflow" "$commit")
ACTIONS_ID_TOKEN_REQUEST_TOKEN=runner
GITHUB_ACTIONS=true
GITHUB_SERVER_URL=https://github.com
GITHUB_REPOSITORY=loadline/loadline
GITHUB_REF=refs/heads/main
GITHUB_SHA=$commit
GITHUB_WORKFLOW_REF=$workflow
GITHUB_WORKFLOW_SHA=$commit
GITHUB_RUN_ID=1
GITHUB_RUN_ATTEMPT=1
ENV
  actions_release "$work/actions.json"
  actions_release "$work/actions-again.json"
}
actions() { echo "$(cat "$work/plain-registry")/loadline/actions"; }
actions_release() {
  local variables
  mapfile -t variables < "$work/actions.env"
  env "${variables[@]}" "$work/loadline" release --config "$work/actions/fixtures/two-images/loadline.toml" --version "$VERSION" \
    --trusted-root "$(ready trusted_root)" --signing-config "$(ready signing_config)" --format json > "$1" ||
    die "exit $?: $(jq -c '{verdict, findings, failures}' "$1")"
}

actions_released() {
  local image digest
  equal verdict "$(jq -er .verdict "$work/actions.json")" pass
  equal "tags moved" "$(jq -er .effects.tags_moved "$work/actions.json")" 6
  equal "effects of the second run" "$(jq -cS .effects "$work/actions-again.json")" '{"blobs_pushed":0,"manifests_pushed":0,"tags_moved":0}'
  for digest in $(jq -er '.images[] | .digest, .platforms[].digest' "$work/actions.json"); do
    equal "referrers of $digest" "$(referrers "$(actions)@$digest")" "$(three)"
  done
  for image in $(jq -er '.images[].tags[]' "$work/actions.json"); do
    loadline verify --config "$work/actions/fixtures/two-images/loadline.toml" --trusted-root "$(ready trusted_root)" "$(actions):$image"
  done
}
check release-as-in-github-actions "actions_release oras" actions_released

actions_cosign() {
  local digest trust
  mapfile -t trust < <(ours)
  for digest in $(jq -er '.images[] | .digest, .platforms[].digest' "$work/actions.json"); do
    cosign verify-attestation --allow-http-registry "${trust[@]}" --type slsaprovenance1 \
      --certificate-github-workflow-repository loadline/loadline --certificate-github-workflow-trigger workflow_dispatch \
      --certificate-github-workflow-sha "$(git -C "$work/actions" rev-parse HEAD)" "$(actions)@$digest"
  done
}
check cosign-verifies-what-actions-released "actions_release cosign" actions_cosign
