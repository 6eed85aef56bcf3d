# Images that other tools build: ko, buildah, podman and the devcontainer CLI, each by its preset, pushed by digest to
# the plain registry, read there by crane, run by docker where they have something to run.

provide_containers() {
  debian
  [ "$(id -u)" = 0 ] || unavailable "buildah and podman need root here"
  part containers 'buildah --version && podman --version' make_containers
}
make_containers() {
  local program libs=$parts/containers/usr/lib/x86_64-linux-gnu
  unpack "$parts/containers" bookworm buildah podman conmon golang-github-containers-common libgpgme11 libassuan0 libdevmapper1.02.1 \
    libsubid4 libseccomp2 netavark libglib2.0-0 libsqlite3-0 libfuse3-3 fuse-overlayfs libyajl2
  for program in buildah podman; do
    printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s "$@"\n' "$libs" "$parts/containers/usr/bin/$program" > "$parts/bin/$program"
    chmod 755 "$parts/bin/$program"
  done
  printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s "$@"\n' "$libs" "$parts/containers/usr/bin/conmon" > "$parts/bin/conmon"
  chmod 755 "$parts/bin/conmon"
}

KO=v0.18.0
provide_ko() { part ko 'ko version' make_ko; }
make_ko() {
  command -v go > /dev/null || unavailable "needs go"
  mkdir -p "$parts/ko"
  GOBIN=$parts/ko GOFLAGS=-mod=mod CGO_ENABLED=0 go install "github.com/google/ko@$KO"
  echo "ko $KO"
  offer "$parts/ko/ko"
}

DEVCONTAINER=0.80.1
provide_devcontainer() { part devcontainer 'devcontainer --version' make_devcontainer; }
make_devcontainer() {
  command -v npm > /dev/null || unavailable "needs npm"
  npm install --silent --no-fund --no-audit --no-update-notifier --prefix "$parts/devcontainer" "@devcontainers/cli@$DEVCONTAINER"
  echo "devcontainer $DEVCONTAINER"
  offer "$parts/devcontainer/node_modules/.bin/devcontainer"
}

# project NAME PLATFORMS LAYOUT [DOCKERFILE]: a checkout with one image of the builder `layout`.
project() {
  local folder=$work/layout-$1
  cat > "$folder/loadline.toml" <<TOML
[release]
source = "github.com/loadline/loadline"
repository = "$(cat "$work/plain-registry")/layout/$1"
platforms = [$2]
[image.app]
builder = "layout"
layout = $3
${4:-}
[verify]
signer-workflow = ".github/workflows/release.yml"
TOML
  git -C "$folder" init --quiet --initial-branch main
  git -C "$folder" add --all
  git -C "$folder" -c user.name=live -c user.email=live@localhost commit --quiet --message 'Build'
}
# built NAME [VARIABLE=VALUE...]: builds it; what came of it is in $work/layout-NAME.json.
built() {
  local name=$1
  shift
  (cd "$work/layout-$name" && env "$@" "$work/loadline" build --version 1.0.0 --format json > "$work/layout-$name.json") ||
    die "$(jq -c '{findings, failures}' "$work/layout-$name.json")"
  for reference in $(jq -er '.legs[].reference' "$work/layout-$name.json"); do crane validate --remote "$reference"; done
}
leg_of() { jq -er ".legs[] | select(.platform == \"$2\") | .reference" "$work/layout-$1.json"; }

by_ko() {
  local arch
  mkdir -p "$work/layout-ko/cmd/hello"
  printf 'module example.com/hello\n\ngo 1.22\n' > "$work/layout-ko/go.mod"
  printf 'package main\n\nimport (\n\t"fmt"\n\t"runtime"\n)\n\nfunc main() { fmt.Println("hello from ko on", runtime.GOARCH) }\n' > "$work/layout-ko/cmd/hello/main.go"
  printf 'defaultBaseImage: %s\n' "$(base_image)" > "$work/layout-ko/.ko.yaml"
  project ko '"linux/amd64", "linux/arm64"' '{ preset = "ko", package = "./cmd/hello" }'
  built ko
  # One run, an index of both; the note says what ko is not kept from.
  equal notes "$(jq -er '[.findings[].code] | join(" ")' "$work/layout-ko.json")" layout-unlimited
  for arch in amd64 arm64; do
    timeout 60 docker pull --quiet --platform "linux/$arch" "$(leg_of ko "linux/$arch")"
    equal greeting "$(timeout 60 docker run --rm --pull never --network none --platform "linux/$arch" "$(leg_of ko "linux/$arch")")" "hello from ko on $arch"
  done
}
LIMIT=400 check layout-by-ko "base engine arm64 loadline crane ko" by_ko

# by_containers PROGRAM: a Dockerfile whose RUN line would fail with a network.
by_containers() {
  local program=$1 folder=$work/layout-$1
  mkdir -p "$folder" "$work/home/.config/containers"
  echo '{"default": [{"type": "insecureAcceptAnything"}]}' > "$work/home/.config/containers/policy.json"
  printf 'unqualified-search-registries = []\n[[registry]]\nlocation = "%s"\ninsecure = true\n' "$(cat "$work/plain-registry")" > "$work/registries.conf"
  cat > "$folder/Dockerfile" <<DOCKERFILE
FROM $(base_image)
ARG WHO
RUN test "\$(cat /proc/net/route | wc -l)" -le 1 && echo "built for \$WHO" > /greeting
CMD ["cat", "/greeting"]
DOCKERFILE
  project "$program" '"linux/amd64"' "{ preset = \"$program\", processes = \"256\" }" 'dockerfile = "Dockerfile"
build-args = { WHO = "loadline" }'
  built "$program" HOME="$work/home" STORAGE_DRIVER=vfs CONTAINERS_REGISTRIES_CONF="$work/registries.conf" \
    BUILDAH_RUNTIME="$parts/bin/runc" XDG_RUNTIME_DIR="$work" CONTAINERS_STORAGE_CONF="$(storage_of "$program")"
  equal notes "$(jq -er '[.findings[].code] | join(" ")' "$work/layout-$program.json")" ''
  timeout 60 docker pull --quiet "$(leg_of "$program" linux/amd64)"
  equal greeting "$(timeout 60 docker run --rm --pull never --network none "$(leg_of "$program" linux/amd64)")" "built for loadline"
  equal version "$(crane config "$(leg_of "$program" linux/amd64)" | jq -er '.config.Labels["org.opencontainers.image.version"]')" 1.0.0
}
storage_of() {
  printf '[storage]\ndriver = "vfs"\ngraphroot = "%s"\nrunroot = "%s"\n' "$work/storage-$1" "$work/storage-run-$1" > "$work/storage-$1.conf"
  echo "$work/storage-$1.conf"
}
LIMIT=300 check layout-by-buildah "base engine loadline crane containers" by_containers buildah
LIMIT=300 check layout-by-podman "base engine loadline crane containers" by_containers podman

by_devcontainer() {
  local folder=$work/layout-devcontainer
  mkdir -p "$folder/.devcontainer"
  printf '{"name": "app", "build": {"dockerfile": "Dockerfile"}}\n' > "$folder/.devcontainer/devcontainer.json"
  printf 'FROM %s\nCMD ["echo", "a devcontainer"]\n' "$(base_image)" > "$folder/.devcontainer/Dockerfile"
  project devcontainer '"linux/amd64"' '{ preset = "devcontainer" }'
  built devcontainer BUILDX_BUILDER=live

  timeout 60 docker pull --quiet "$(leg_of devcontainer linux/amd64)"
  equal greeting "$(timeout 60 docker run --rm --pull never --network none "$(leg_of devcontainer linux/amd64)")" "a devcontainer"
}
LIMIT=300 check layout-by-devcontainer "base live_builder loadline crane devcontainer" by_devcontainer

# What one CI pushed, taken by digest into another's set.
by_existing() {
  local folder=$work/layout-existing digest
  mkdir -p "$folder"
  project existing '"linux/amd64", "linux/arm64"' '{ path = "." }'
  sed -i 's/^builder = .*/builder = "existing"/; /^layout =/d' "$folder/loadline.toml"
  git -C "$folder" -c user.name=live -c user.email=live@localhost commit --quiet --all --message 'Take what is there'
  digest=$(crane digest --insecure "$(base_image)")
  (cd "$folder" && loadline build --version 1.0.0 --format json --existing "app=$(base_image | sed 's/:1$//')@$digest" > "$work/layout-existing.json")
  equal legs "$(jq -er '[.legs[].platform] | sort | join(" ")' "$work/layout-existing.json")" "linux/amd64 linux/arm64"
  for reference in $(jq -er '.legs[].reference' "$work/layout-existing.json"); do crane validate --remote "$reference"; done
  refused 2 existing-missing loadline build --config "$folder/loadline.toml" --version 1.0.0 --format json \
    --existing "app=$(base_image | sed 's/:1$//')@sha256:$(printf 'gone' | sha256sum | cut -d' ' -f1)"
}
check existing-by-digest "base loadline crane" by_existing
