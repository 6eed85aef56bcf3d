# The sandbox's registry, with the clients that people have: what each pushes, another pulls.

# An image of one file, so that nothing is pulled from anywhere.
context() {
  mkdir -p "$1"
  echo "$2" > "$1/file"
  printf 'FROM scratch\nCOPY file /file\nLABEL live=%s\nCMD ["/file"]\n' "$2" > "$1/Dockerfile"
}
at() { echo "$(own registry)/$1"; }

docker_round() {
  local image
  image=$(at docker/one):1
  context "$work/docker-one" one
  docker build --quiet --tag "$image" "$work/docker-one"
  docker push "$image" | tee "$work/push"
  docker image rm --force "$image"
  docker pull --quiet "$image"
  equal label "$(docker image inspect --format '{{.Config.Labels.live}}' "$image")" one
  grep -q "digest: $(docker image inspect --format '{{index .RepoDigests 0}}' "$image" | cut -d@ -f2)" "$work/push" || die "another digest was pulled"
}
LIMIT=60 check sandbox-docker-pushes-and-pulls "serving engine" docker_round

buildx_provenance() {
  local image index statement
  image=$(at buildx/two):1
  context "$work/buildx-two" two
  docker buildx build --quiet --provenance=mode=max --push --tag "$image" "$work/buildx-two"
  index=$(docker buildx imagetools inspect --raw "$image")
  echo "$index"
  statement=$(echo "$index" | jq -er '.manifests[] | select(.annotations["vnd.docker.reference.type"] == "attestation-manifest").digest')
  equal "manifests" "$(echo "$index" | jq -er '.manifests | length')" 2
  docker buildx imagetools inspect --format '{{json .Provenance}}' "$image" | jq -e '.. | .buildType? // empty' || die "no provenance is found"
  echo "$statement"
}
LIMIT=60 check sandbox-buildx-pushes-provenance "serving engine" buildx_provenance

containerd_pulls() {
  local image socket=$work/engine/exec/containerd/containerd.sock
  image=$(at containerd/three):1
  context "$work/containerd-three" three
  docker buildx build --quiet --push --tag "$image" "$work/containerd-three"
  ctr --address "$socket" --namespace live images pull --plain-http "$image"
  ctr --address "$socket" --namespace live images ls | grep -F "$image"
}
LIMIT=60 check sandbox-containerd-pulls "serving engine" containerd_pulls

crane_round() {
  local image digest
  image=$(at crane/a):1
  echo four > "$work/four"
  tar -C "$work" -cf "$work/four.tar" four
  crane append --oci-empty-base --new_layer "$work/four.tar" --new_tag "$image"
  digest=$(crane digest "$image")
  crane validate --remote "$image"
  crane tag "$image" moved
  crane copy "$image" "$(at crane/b):2"
  equal "digest of the copy" "$(crane digest "$(at crane/b):2")" "$digest"
  equal tags "$(crane ls "$(at crane/a)" | sort | paste -sd' ')" "1 moved"
  crane export "$(at crane/b):2" - | tar -xO four | grep -qx four || die "the layer is another"
  crane delete "$(at crane/b)@$digest"
  refused 1 MANIFEST_UNKNOWN crane manifest "$(at crane/b):2"
  crane catalog "$(own registry)" | grep -qx crane/a || die "the catalog has it not"
}
LIMIT=60 check sandbox-crane-pushes-copies-deletes "serving crane" crane_round

oras_round() {
  local image copy
  image=$(at oras/a):1
  copy=$(at oras/b):1
  cd "$work"
  echo five > five; echo note > note; echo deep > deep
  oras push --no-tty --plain-http --artifact-type application/vnd.live.thing "$image" five:text/plain
  oras attach --no-tty --plain-http --artifact-type application/vnd.live.note "$image" note:text/plain
  oras attach --no-tty --plain-http --artifact-type application/vnd.live.deep \
    "$(at oras/a)@$(oras discover --plain-http --format json "$image" | jq -er '.referrers[0].digest')" deep:text/plain
  equal "referrers of that type" "$(oras discover --plain-http --format json --artifact-type application/vnd.live.note "$image" | jq -er '.referrers | length')" 1
  equal "referrers of another" "$(oras discover --plain-http --format json --artifact-type application/vnd.live.none "$image" | jq -r '.referrers | length')" 0
  oras cp --no-tty --recursive --from-plain-http --to-plain-http "$image" "$copy"
  for try in "$image" "$copy"; do
    equal "referrers, and theirs, of $try" \
      "$(oras discover --plain-http --distribution-spec v1.1-referrers-api --format json "$try" | jq -er '[.. | .artifactType? // empty] | sort | join(" ")')" \
      "application/vnd.live.deep application/vnd.live.note"
  done
  mkdir -p pulled
  oras pull --no-tty --plain-http --output pulled "$copy"
  cmp five pulled/five
}
LIMIT=60 check sandbox-oras-attaches-discovers-copies "serving oras jq" oras_round

skopeo_round() {
  local digest from to
  from=docker://$(at skopeo/a):1
  to=docker://$(at skopeo/b):1
  echo six > "$work/six"
  tar -C "$work" -cf "$work/six.tar" six
  crane append --oci-empty-base --new_layer "$work/six.tar" --new_tag "$(at skopeo/seed):1"
  skopeo copy --src-tls-verify=false --dest-tls-verify=false "docker://$(at skopeo/seed):1" "$from"
  skopeo copy --all --src-tls-verify=false --dest-tls-verify=false "$from" "$to"
  digest=$(skopeo inspect --tls-verify=false --format '{{.Digest}}' "$to")
  equal digest "$digest" "$(skopeo inspect --tls-verify=false --format '{{.Digest}}' "docker://$(at skopeo/seed):1")"
  skopeo copy --src-tls-verify=false "$to" "oci:$work/skopeo-layout:1"
  skopeo copy --dest-tls-verify=false "oci:$work/skopeo-layout:1" "docker://$(at skopeo/c):1"
  equal "digest after the layout" "$(skopeo inspect --tls-verify=false --format '{{.Digest}}' "docker://$(at skopeo/c):1")" "$digest"
  skopeo list-tags --tls-verify=false "docker://$(at skopeo/c)" | jq -e '.Tags == ["1"]'
  skopeo delete --tls-verify=false "docker://$(at skopeo/c):1"
  refused 1 'unknown' skopeo inspect --tls-verify=false "docker://$(at skopeo/c):1"
}
LIMIT=60 check sandbox-skopeo-copies-deletes "serving skopeo crane jq" skopeo_round
