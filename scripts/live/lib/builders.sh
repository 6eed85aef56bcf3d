# What real builds need beside the engine: a builder instance that pushes by digest, and a base image with a shell for
# both platforms, of which nothing is pulled.

provide_busybox() {
  debian
  part busybox 'true' make_busybox
}
make_busybox() {
  local arch
  for arch in amd64 arm64; do
    DEB_ARCH=$arch unpack "$parts/busybox-$arch" bookworm busybox-static
    mkdir -p "$parts/base-$arch/bin"
    cp "$(find "$parts/busybox-$arch" -name busybox -type f -perm -100 | head -n 1)" "$parts/base-$arch/bin/busybox"
    ln -sfn busybox "$parts/base-$arch/bin/sh"
    for program in cat chmod echo grep head id ls mkdir printf rm sleep tail test touch uname wc; do
      ln -sfn busybox "$parts/base-$arch/bin/$program"
    done
  done
}

base_image() { echo "$(cat "$work/plain-registry")/base/busybox:1"; }

# One index of two images of one layer, in the plain registry.
provide_base() {
  local arch name one=()
  need engine
  need plain_registry
  need busybox
  name=$(base_image)
  for arch in amd64 arm64; do
    tar -C "$parts/base-$arch" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf - . |
      docker import --platform "linux/$arch" --change 'CMD ["/bin/sh"]' --change 'ENV PATH=/usr/local/bin:/bin' - "${name%:*}:$arch"
    docker push --quiet "${name%:*}:$arch"
    one+=("${name%:*}:$arch")
  done
  docker buildx imagetools create --tag "$name" "${one[@]}"
}

# The engine's own BuildKit, through a driver that pushes by digest, which the engine's own driver does not.
provide_live_builder() {
  local socket=$work/buildkit.sock
  need engine
  need arm64
  command -v python3 > /dev/null || unavailable "needs python3"
  background buildkit-relay "$logs/buildkit-relay.log" python3 "$here/lib/relay.py" "unix:$socket" \
    exec: docker buildx --builder default dial-stdio
  eventually 10 test -S "$socket" || die "the relay does not come up: $(tail -n 1 "$logs/buildkit-relay.log")"
  # It writes the instance down at once, and then waits long for a relayed connection.
  timeout --signal INT 3 docker buildx create --name live --driver remote "unix://$socket" || true
  docker buildx inspect --bootstrap live > "$work/live-builder" || die "the instance does not work: $(tail -n 1 "$work/live-builder")"
  grep '^Platforms:' "$work/live-builder"
}

# run_lines FOLDER: a checkout of the fixture whose images have RUN lines, for the plain registry and the sandbox's
# Sigstore. The builder's network is the engine's, which has none.
run_lines() {
  local folder=$1 fixture=$1/fixtures/run-lines
  checkout "$folder"
  sed -i "s#127.0.0.1:5000#$(cat "$work/plain-registry")#" "$fixture"/{loadline.toml,Dockerfile.api,Dockerfile.worker}
  sed -i "s#^builder-instance.*#&\\nnetwork = \"none\"#; s#^\\[verify\\]#[verify]\\nissuer = \"$(ready issuer)\"#" "$fixture/loadline.toml"
  # The same commit in every checkout, whenever it is made.
  GIT_AUTHOR_DATE='1700000000 +0000' GIT_COMMITTER_DATE='1700000000 +0000' \
    git -C "$folder" -c user.name=live -c user.email=live@localhost commit --quiet --all --message 'Release to the plain registry'
}
run_lines_repository() { echo "$(cat "$work/plain-registry")/loadline/run-lines"; }

# as_actions FOLDER ARGUMENT...: loadline as a job of GitHub Actions has it, with the sandbox as its Sigstore.
as_actions() {
  local folder=$1 commit workflow=loadline/loadline/.github/workflows/release.yml@refs/heads/main
  shift
  commit=$(git -C "$folder" rev-parse HEAD)
  env "ACTIONS_ID_TOKEN_REQUEST_URL=$(ready token_url)?$(claims "$workflow" "$commit")" ACTIONS_ID_TOKEN_REQUEST_TOKEN=runner \
    GITHUB_ACTIONS=true GITHUB_SERVER_URL=https://github.com GITHUB_REPOSITORY=loadline/loadline GITHUB_REF=refs/heads/main \
    GITHUB_SHA="$commit" GITHUB_WORKFLOW_REF=$workflow GITHUB_WORKFLOW_SHA="$commit" GITHUB_RUN_ID=1 GITHUB_RUN_ATTEMPT=1 \
    "$work/loadline" release --config "$folder/fixtures/run-lines/loadline.toml" --trusted-root "$(ready trusted_root)" \
    --signing-config "$(ready signing_config)" --format json "$@"
}

# report REFERENCE: what a scanner that found nothing says of it.
report() {
  jq --null-input --arg reference "$1" '{SchemaVersion: 2, ArtifactName: $reference, ArtifactType: "container_image",
    Metadata: {RepoDigests: [$reference]}, Results: []}'
}
