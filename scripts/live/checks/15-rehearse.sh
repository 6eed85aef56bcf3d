# A rehearsal with docker's own buildx: the same legs as the release made, and nobody's secrets.

rehearse() { loadline release --rehearse --quiet --version 1.0.0 --format json --config "$work/run-lines/fixtures/run-lines/$1"; }

# The builder's BuildKit has the legs in its cache; the stand-in gets them by way of a layout, digest for digest.
rehearsed() {
  local out=$work/rehearsal.json
  env SIGSTORE_ID_TOKEN=hunter2 GITHUB_TOKEN=hunter2 DOCKER_AUTH_CONFIG='{"auths":{}}' \
    "$work/loadline" release --rehearse --version 1.0.0 --format json --config "$work/run-lines/fixtures/run-lines/loadline.toml" > "$out" ||
    die "exit $?: $(jq -c '{verdict, findings, failures}' "$out")"
  equal verdict "$(jq -er .verdict "$out")" pass
  equal "the last step" "$(jq -er '.steps[-1].name' "$out")" promote
  equal digests "$(jq -er '[.images[].platforms[].digest] | sort | join(" ")' "$out")" \
    "$(of_buildx '[.images[].platforms[].digest] | sort | join(" ")')"
  equal "where it went" "$(jq -er '[.images[].reference | split("/")[0]] | unique | length' "$out")" 1
  [ "$(jq -er '.images[0].reference | split("/")[0]' "$out")" != "$(cat "$work/plain-registry")" ] || die "it went to the real registry"
  fact "$(jq -er '[.steps[].ms] | add' "$out") ms for four legs of two images, by way of a layout"
}
LIMIT=600 check rehearse-with-buildx buildx_release rehearsed

# The instruction that mounts a secret sees a made-up text, also where the secret is there.
rehearsed_secret() {
  local fixture=$work/run-lines/fixtures/run-lines out=$work/rehearsed-secret.json
  sed 's#^RUN sh /out/api.*#&\nRUN --mount=type=secret,id=token,required read -r it < /run/secrets/token \&\& [ "$it" = loadline-rehearsal ]#' \
    "$fixture/Dockerfile.api" > "$fixture/Dockerfile.secret"
  sed 's#^dockerfile       = "Dockerfile.api"#dockerfile = "Dockerfile.secret"\nsecrets = [{ id = "token", env = "RUN_LINES_TOKEN" }]#' \
    "$fixture/loadline.toml" > "$fixture/secret.toml"
  # What the stage leaves is the same, and so are the images, of which the scan reports speak.
  RUN_LINES_TOKEN=hunter2 rehearse secret.toml > "$out" || die "exit $?: $(jq -c '{verdict, findings, failures}' "$out")"
  equal "secrets that were replaced" "$(jq -er '[.findings[] | select(.code == "secret-stood-in")] | length' "$out")" 1
  equal "the last step" "$(jq -er '.steps[-1].name' "$out")" promote
}
LIMIT=600 check rehearse-stands-in-for-secrets buildx_release rehearsed_secret
