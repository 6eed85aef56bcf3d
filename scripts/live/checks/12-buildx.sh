# Images with RUN lines, built by docker's buildx for two platforms and released on a registry without the referrers
# API; and what assemble and buildx make of one Dockerfile without RUN.

# The legs are built once for their digests, which a scanner would be given; then one `loadline release` does all. It
# comes to the same digests, since what BuildKit made is in its cache, and the time in the images is the commit's.
provide_buildx_release() {
  local folder=$work/run-lines fixture=$work/run-lines/fixtures/run-lines began
  need sandbox
  need base
  need live_builder
  run_lines "$folder"
  loadline build --config "$fixture/loadline.toml" --version 1.0.0 --format json > "$work/buildx-build.json" ||
    die "exit $?: $(jq -c '{findings, failures}' "$work/buildx-build.json")"
  mkdir -p "$fixture/reports"
  jq -r '.legs[] | "\(.image)-\(.platform | gsub("/"; "-")) \(.reference)"' "$work/buildx-build.json" |
    while read -r name reference; do report "$reference" > "$fixture/reports/$name.json"; done
  began=$(milliseconds)
  as_actions "$folder" --version 1.0.0 > "$work/buildx.json" ||
    die "exit $?: $(jq -c '{verdict, findings, failures}' "$work/buildx.json")"
  echo $(($(milliseconds) - began)) > "$work/buildx.ms"
}
of_buildx() { jq -er "$1" "$work/buildx.json"; }

buildx_released() {
  local digest
  equal verdict "$(of_buildx .verdict)" pass
  equal "images and platforms" "$(of_buildx '[.images[] | .name as $n | .platforms[] | "\($n) \(.platform)"] | sort | join(",")')" \
    "api linux/amd64,api linux/arm64,worker linux/amd64,worker linux/arm64"
  equal "tags moved" "$(of_buildx .effects.tags_moved)" 5
  equal "digests of both builds" "$(of_buildx '[.images[].platforms[].digest] | sort | join(" ")')" \
    "$(jq -er '[.legs[].digest] | sort | join(" ")' "$work/buildx-build.json")"
  for digest in $(of_buildx '.images[] | .digest, .platforms[].digest'); do
    equal "referrers of $digest" "$(referrers --distribution-spec v1.1-referrers-tag "$(run_lines_repository)@$digest")" "$(three)"
  done
  loadline verify --config "$work/run-lines/fixtures/run-lines/loadline.toml" --trusted-root "$(ready trusted_root)" \
    "$(run_lines_repository):latest" "$(run_lines_repository):1.0.0-worker"
  fact "$(cat "$work/buildx.ms") ms for four legs of two images from BuildKit's cache to the tags"
}
LIMIT=600 check buildx-release-passes "buildx_release oras" buildx_released

# runs PLATFORM MACHINE: pulled by tag, as a user would.
buildx_runs() {
  local platform=$1 machine=$2 tag
  for tag in latest 1.0.0-worker; do
    timeout 60 docker pull --quiet --platform "$platform" "$(run_lines_repository):$tag"
  done
  equal api "$(timeout 60 docker run --rm --pull never --network none --platform "$platform" "$(run_lines_repository):latest")" "api 1.0.0 on $machine"
  equal worker "$(timeout 60 docker run --rm --pull never --network none --platform "$platform" "$(run_lines_repository):1.0.0-worker")" "worker 1.0.0 on $machine"
}
check buildx-runs-linux-amd64 buildx_release buildx_runs linux/amd64 x86_64
check buildx-runs-linux-arm64 buildx_release buildx_runs linux/arm64 aarch64

# What others read of it: provenance for each platform, the description and the base on index and children.
buildx_inspected() {
  local reference base name
  base=$(docker buildx imagetools inspect "$(base_image)" --format '{{json .Manifest}}' | jq -er .digest)
  for reference in $(of_buildx '.images[].reference'); do
    docker buildx imagetools inspect "$reference" --format '{{json .Provenance}}' > "$work/provenance.json"
    equal "platforms with provenance" "$(jq -er '[to_entries[] | select(.value.SLSA != null) | .key] | sort | join(" ")' "$work/provenance.json")" \
      "linux/amd64 linux/arm64"
    docker buildx imagetools inspect --raw "$reference" > "$work/index.json"
    for name in "$work/index.json" "$(child_of "$reference")"; do
      equal "base name in $name" "$(jq -er '.annotations["org.opencontainers.image.base.name"]' "$name")" "$(base_image)"
      equal "base digest in $name" "$(jq -er '.annotations["org.opencontainers.image.base.digest"]' "$name")" "$base"
      equal "version in $name" "$(jq -er '.annotations["org.opencontainers.image.version"]' "$name")" 1.0.0
      equal "created in $name" "$(jq -er '.annotations["org.opencontainers.image.created"]' "$name")" 2023-11-14T22:13:20Z
    done
  done
}
child_of() {
  docker buildx imagetools inspect --raw "${1%@*}@$(jq -er '.manifests[0].digest' "$work/index.json")" > "$work/child.json"
  echo "$work/child.json"
}
check buildx-imagetools-reads-provenance buildx_release buildx_inspected

# An image for running here, by the engine's own driver, which cannot push by digest.
buildx_loaded() {
  local toml=$work/run-lines/fixtures/run-lines/loadline.toml
  sed 's/"live"/"default"/' "$toml" > "${toml%.toml}.here.toml"
  refused 3 buildx-no-push-by-digest loadline build api --config "${toml%.toml}.here.toml" --version 1.0.0 --format json
  loadline build api --load here/api:try --config "${toml%.toml}.here.toml" --version 1.0.0
  rm "${toml%.toml}.here.toml"
  equal api "$(timeout 60 docker run --rm --pull never --network none here/api:try)" "api 1.0.0 on x86_64"
}
check buildx-loads-an-image-to-run-here buildx_release buildx_loaded

# merge beside imagetools create: the same children in the same order, each entry as it was; what differs is the
# description that is annotated here and not there.
merged_beside_imagetools() {
  local reference theirs entries='[.manifests[] | {digest, size, mediaType, platform, annotations}] | sort_by(.digest)' began
  mkdir -p "$work/merge"
  reference=$(of_buildx '.images[] | select(.name == "api") | .reference')
  docker buildx imagetools inspect --raw "$reference" > "$work/ours.json"
  mapfile -t legs < <(jq -er '.manifests[] | select(.platform.os != "unknown") | .digest' "$work/ours.json")
  for leg in linux-amd64 linux-arm64; do
    loadline build --leg "api:${leg/-//}" --record "$work/merge/$leg.json" --version 1.0.0 --quiet \
      --config "$work/run-lines/fixtures/run-lines/loadline.toml" > /dev/null
  done
  began=$(milliseconds)
  loadline merge --image api --legs "$work/merge" --version 1.0.0 --format json \
    --config "$work/run-lines/fixtures/run-lines/loadline.toml" > "$work/merge.json"
  began=$(($(milliseconds) - began))
  # shellcheck disable=SC2046
  docker buildx imagetools create --dry-run $(jq -r --arg r "$(run_lines_repository)" '"\($r)@\(.index)"' "$work"/merge/*.json) > "$work/theirs.json"
  docker buildx imagetools inspect --raw "$(jq -er '.images[0].references[0]' "$work/merge.json")" > "$work/merged.json"
  equal "entries" "$(jq -cS "$entries" "$work/merged.json")" "$(jq -cS "$entries" "$work/theirs.json")"
  equal requests "$(jq -er .requests "$work/merge.json")" 3
  fact "merge of two legs: $began ms and 3 requests"
}

check merge-beside-imagetools-create buildx_release merged_beside_imagetools

# One Dockerfile, two builders.
same_image() {
  local folder=$work/both registry builder
  registry=$(cat "$work/plain-registry")
  mkdir -p "$folder/docs/more"
  git -C "$folder" init --quiet --initial-branch main
  printf '#!/bin/sh\necho tool\n' > "$folder/tool"
  echo one > "$folder/docs/more/one"
  cat > "$folder/Dockerfile" <<DOCKERFILE
FROM $(base_image) AS files
COPY --chmod=0750 tool /opt/tool
FROM $(base_image)
ARG WHO
ENV WHO=\${WHO} PATH=/opt:/bin
WORKDIR /srv/app
COPY --from=files /opt /opt
COPY --chown=10:20 docs/ ./docs/
LABEL a=b
EXPOSE 80
USER 10:20
VOLUME /data
STOPSIGNAL SIGINT
HEALTHCHECK --interval=3s CMD ["tool"]
ENTRYPOINT ["tool"]
CMD ["serve"]
DOCKERFILE
  for builder in buildx assemble; do
    cat > "$folder/$builder.toml" <<TOML
[release]
source = "github.com/loadline/loadline"
repository = "$registry/both/$builder"
platforms = ["linux/amd64", "linux/arm64"]
[image.app]
dockerfile = "Dockerfile"
builder = "$builder"
$([ "$builder" = assemble ] || echo 'builder-instance = "live"')
build-args = { WHO = "loadline" }
[verify]
signer-workflow = ".github/workflows/release.yml"
TOML
  done
  git -C "$folder" add --all
  git -C "$folder" -c user.name=live -c user.email=live@localhost commit --quiet --message 'Build twice'
  for builder in buildx assemble; do
    (cd "$folder" && SOURCE_DATE_EPOCH=1700000000 loadline build --config $builder.toml --version 1.0.0 --format json > "$work/both-$builder.json")
  done
  for platform in linux/amd64 linux/arm64; do
    for builder in buildx assemble; do
      reference=$(jq -er ".legs[] | select(.platform == \"$platform\") | .reference" "$work/both-$builder.json")
      crane config "$reference" > "$work/config.$builder.json"
      crane export "$reference" "$work/rootfs.$builder.tar"
      listing "$work/rootfs.$builder.tar" > "$work/rootfs.$builder"
    done
    diff "$work/rootfs.buildx" "$work/rootfs.assemble" || die "the root file systems of $platform differ"
    # Only buildx is told of the base by labels; the history's words differ here and there (decisions/assemble.md).
    local same='{architecture, os, variant, created, config: (.config | .Labels |= with_entries(select(.key | startswith("org.opencontainers.image.base.") | not)))}'
    diff <(jq -S "$same" "$work/config.buildx.json") <(jq -S "$same" "$work/config.assemble.json") || die "the configurations of $platform differ"
    equal "layers of $platform" "$(jq '.rootfs.diff_ids | length' "$work/config.buildx.json")" "$(jq '.rootfs.diff_ids | length' "$work/config.assemble.json")"
  done
}
# listing TAR: names, kinds, modes, owners, links and contents, without times.
listing() {
  python3 - "$1" <<'PYTHON'
import hashlib, sys, tarfile
with tarfile.open(sys.argv[1]) as archive:
    for entry in sorted(archive, key=lambda entry: entry.name.strip("/")):
        content = hashlib.sha256(archive.extractfile(entry).read()).hexdigest() if entry.isreg() else entry.linkname
        print(entry.name.strip("/"), entry.type, oct(entry.mode & 0o7777), f"{entry.uid}:{entry.gid}", content)
PYTHON
}
check buildx-and-assemble-make-the-same "base live_builder loadline crane" same_image
