# The release that checks look at: this repository's two images, released into the sandbox by the
# loadline that is tried, in a checkout of their own; and the sandbox, which serves them again.

export CARGO_TERM_COLOR=never
VERSION=1.0.0
REPOSITORY=loadline/two-images
IDENTITY=https://github.com/loadline/loadline/.github/workflows/release.yml@refs/heads/main
BUNDLE=application/vnd.dev.sigstore.bundle.v0.3+json
SLSA=https://slsa.dev/provenance/v1
CYCLONEDX=https://cyclonedx.org/bom
VSA=https://slsa.dev/verification_summary/v1

loadline() { "$work/loadline" "$@"; }

provide_loadline() {
  local target
  if [ -n "${LOADLINE_LIVE_BINARY:-}" ]; then
    target=$(realpath "$LOADLINE_LIVE_BINARY")
  else
    command -v cargo > /dev/null || unavailable "needs cargo"
    need jq
    (cd "$root" && cargo build --quiet --package loadline)
    target=$(cd "$root" && cargo metadata --format-version 1 --no-deps | jq -r .target_directory)/debug/loadline
  fi
  # A copy: what others build meanwhile is not what is tried here.
  cp "$target" "$work/loadline"
  loadline --version
}

# checkout FOLDER: of what is committed. The version is the ref's that signs: main.
checkout() {
  command -v git > /dev/null || unavailable "needs git"
  git clone --quiet --no-hardlinks "$root" "$1"
  git -C "$1" checkout --quiet -B main
}

# release FOLDER OUT [ARGUMENT...]: in that checkout.
release() {
  local folder=$1 out=$2
  shift 2
  loadline release --sandbox --config "$folder/fixtures/two-images/loadline.toml" --version "$VERSION" --format json "$@" > "$out"
}

provide_release() {
  need loadline
  need jq
  checkout "$work/checkout"
  must_release "$work/checkout" "$work/release.json"
  # The second run comes before anything else may hold the port and the data.
  must_release "$work/checkout" "$work/again.json"
}
must_release() { release "$@" || die "exit $?: $(jq -c '{verdict, findings, failures}' "$2")"; }

# The same in another folder, with a sandbox that knows nothing of the first.
provide_elsewhere() {
  need release
  checkout "$work/elsewhere"
  must_release "$work/elsewhere" "$work/elsewhere.json"
}

elsewhere_root() { echo "$work/elsewhere/target/loadline-sandbox/data/trusted_root.json"; }

# The sandbox on the port that the release had, so that references in statements stay good.
provide_sandbox() {
  local folder=$work/checkout/target/loadline-sandbox
  need release
  background sandbox "$logs/sandbox.log" "$work/loadline" sandbox serve --data "$folder/data" --listen "127.0.0.1:$(cat "$folder/port")"
  eventually 20 grep -q '^{' "$logs/sandbox.log" || die "the sandbox does not come up: $(tail -n 1 "$logs/sandbox.log")"
  grep -m 1 '^{' "$logs/sandbox.log" > "$work/sandbox.json"
}

ready() { jq -er ".$1" "$work/sandbox.json"; }
repository() { echo "$(ready registry)/$REPOSITORY"; }
released() { jq -er "$1" "$work/release.json"; }

# indexes: digests of the released images. children: NAME PLATFORM DIGEST of each of their platforms.
indexes() { released '.images[].digest'; }
children() { released '.images[] | .name as $name | .platforms[] | "\($name) \(.platform) \(.digest)"'; }
digests() { released '.images[] | .digest, .platforms[].digest'; }

bundles() { ls "$work/checkout/target/loadline-sandbox/releases/$VERSION"/bundles/*.json; }

# statement BUNDLE: what it signs.
statement() { jq -er .dsseEnvelope.payload "$1" | base64 -d; }

# referrers REF [ARGUMENT...]: what oras finds, as `ARTIFACT-TYPE PREDICATE-TYPE` lines. three: what a release hangs there.
referrers() {
  oras discover --plain-http --depth 1 --format json "$@" |
    jq -er '.referrers[] | "\(.artifactType) \(.annotations["dev.sigstore.bundle.predicateType"])"' | sort
}
three() { printf '%s\n' "$BUNDLE $CYCLONEDX" "$BUNDLE $SLSA" "$BUNDLE $VSA" | sort; }

# claims WORKFLOW COMMIT: what GitHub's identity tokens say of a job, as a query to the sandbox's token service.
claims() {
  jq --null-input --raw-output --arg workflow "$1" --arg commit "$2" '{
    actor: "loadline", event_name: "workflow_dispatch", job_workflow_ref: $workflow, job_workflow_sha: $commit,
    ref: "refs/heads/main", ref_type: "branch", repository: "loadline/loadline", repository_id: "1",
    repository_owner: "loadline", repository_owner_id: "2", repository_visibility: "public", run_attempt: "1",
    run_id: "1", runner_environment: "github-hosted", sha: $commit, workflow: "release", workflow_ref: $workflow,
    workflow_sha: $commit
  } | ["sub=" + ("repo:loadline/loadline:ref:refs/heads/main" | @uri)] + [to_entries[] | "claim.\(.key)=\(.value | @uri)"] | join("&")'
}
