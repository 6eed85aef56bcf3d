# What others read of the images that were pushed.

index_platforms='[.manifests[].platform | "\(.os)/\(.architecture)"] | sort | join(" ")'

crane_manifests() {
  local digest
  for digest in $(digests); do
    crane manifest "$(repository)@$digest" > "$work/manifest.json"
    equal "digest of the bytes" "sha256:$(sha256sum < "$work/manifest.json" | cut -d' ' -f1)" "$digest"
  done
  for digest in $(indexes); do
    equal platforms "$(crane manifest "$(repository)@$digest" | jq -er "$index_platforms")" "linux/amd64 linux/arm64"
  done
}
check crane-reads-manifests "sandbox crane" crane_manifests

crane_validates() {
  local digest
  for digest in $(digests); do crane validate --remote "$(repository)@$digest"; done
}
check crane-validates "sandbox crane" crane_validates

crane_tags() {
  local name tag digest
  while read -r name digest tag; do
    equal "digest of $tag" "$(crane digest "$(repository):$tag")" "$digest"
    echo "$name $tag $digest"
  done < <(released '.images[] | . as $i | .tags[] | "\($i.name) \($i.digest) \(.)"')
  equal "tags in the registry" "$(crane ls "$(repository)" | sort | paste -sd' ')" "$(released '[.images[].tags[]] | sort | join(" ")')"
}
check crane-resolves-tags "sandbox crane" crane_tags

# The program inside is the file that the Dockerfile copied, for its platform.
crane_pulls() {
  local name platform digest tar=$work/crane.tar
  while read -r name platform digest; do
    crane pull --format oci "$(repository)@$digest" "$work/crane-$name-${platform##*/}"
    crane export "$(repository)@$digest" "$tar"
    tar -xOf "$tar" usr/local/bin/hello | cmp - "$work/checkout/fixtures/two-images/bin/${platform##*/}/hello"
  done < <(children)
}
check crane-pulls "sandbox crane" crane_pulls

# run_in_docker PLATFORM: pulled by the index's digest, run, as a user would.
run_in_docker() {
  local platform=$1 digest
  for digest in $(indexes); do
    timeout 60 docker pull --quiet --platform "$platform" "$(repository)@$digest"
    equal greeting "$(timeout 60 docker run --rm --pull never --network none --platform "$platform" "$(repository)@$digest")" \
      "hello from loadline on $platform"
  done
}
check docker-runs-linux-amd64 "sandbox engine" run_in_docker linux/amd64
check docker-runs-linux-arm64 "sandbox engine arm64" run_in_docker linux/arm64

docker_tag() {
  local tag
  for tag in $(released '.images[].tags[]'); do
    timeout 60 docker pull --quiet "$(repository):$tag"
    equal "digest of $tag" "$(docker image inspect --format '{{index .RepoDigests 0}}' "$(repository):$tag")" \
      "$(repository)@$(released ".images[] | select(.tags | index(\"$tag\")) | .digest")"
  done
}
check docker-pulls-tags "sandbox engine" docker_tag

imagetools() {
  local digest
  for digest in $(indexes); do
    docker buildx imagetools inspect --raw "$(repository)@$digest" > "$work/raw.json"
    equal "digest of the bytes" "sha256:$(sha256sum < "$work/raw.json" | cut -d' ' -f1)" "$digest"
    equal platforms "$(docker buildx imagetools inspect --format '{{json .Manifest}}' "$(repository)@$digest" | jq -er "$index_platforms")" \
      "linux/amd64 linux/arm64"
    equal "labelled version" "$(docker buildx imagetools inspect --format '{{json .Image}}' "$(repository)@$digest" |
      jq -er '[.[].config.Labels["org.opencontainers.image.version"]] | unique | join(" ")')" "$VERSION"
  done
}
check buildx-imagetools-inspects "sandbox engine" imagetools
