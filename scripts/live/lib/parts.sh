# The programs that checks need, each unpacked into a folder of its own below the prefix. A part that is
# there and works is left as it is.

prefix=${LOADLINE_LIVE_PREFIX:-${XDG_CACHE_HOME:-$HOME/.cache}/loadline-live}
parts=$prefix/parts
PATH=$parts/bin:$PATH:/usr/sbin:/sbin
export PATH

# Releases that are pinned: what a linter finds must not change by itself.
ACTIONLINT=v1.7.12
ZIZMOR=1.32.0
SIGSTORE_PYTHON=4.5.1

# part NAME "PROBE" FUNCTION: runs FUNCTION unless it did and PROBE still holds. One run at a time.
part() {
  local name=$1 probe=$2 make=$3
  mkdir -p "$parts/bin" "$parts/made"
  exec 9> "$prefix/lock"
  flock 9
  if [ -e "$parts/made/$name" ] && eval "$probe" > /dev/null 2>&1; then
    cat "$parts/made/$name"
  else
    "$make" | tee "$work/made.$name"
    eval "$probe" > /dev/null 2>&1 || { eval "$probe" || true; die "$name is unpacked, but does not run: $probe"; }
    mv "$work/made.$name" "$parts/made/$name"
  fi
  exec 9>&-
}

# debian: what unpacking needs.
debian() {
  [ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || unavailable "needs Linux on x86_64"
  command -v apt-get dpkg-deb > /dev/null || unavailable "needs Debian's apt and dpkg"
}

# offer PROGRAM...: on the PATH, by links.
offer() {
  local program
  for program; do ln -sfn "$program" "$parts/bin/${program##*/}"; done
}

# from_newest NAME PACKAGE...: of unstable, or of an older suite where this C library is too old for that.
# Sets `got`, the folder.
from_newest() {
  local name=$1 suite programs
  shift
  got=$parts/$name
  for suite in sid trixie; do
    unpack "$got" "$suite" "$@"
    programs=$(find "$got/usr" -path '*bin/*' -type f -perm -100)
    # shellcheck disable=SC2086
    if resolves $programs; then return 0; fi
  done
  unavailable "$name: no suite's programs run on this C library"
}

provide_jq() {
  command -v jq > /dev/null && return 0
  debian
  part jq 'jq --version' make_jq
}
make_jq() {
  unpack "$parts/jq" bookworm jq libjq1 libonig5
  printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s "$@"\n' \
    "$parts/jq/usr/lib/x86_64-linux-gnu" "$parts/jq/usr/bin/jq" > "$parts/bin/jq"
  chmod 755 "$parts/bin/jq"
}

provide_curl() { command -v curl > /dev/null || unavailable "needs curl"; }

provide_engine_programs() {
  debian
  part engine 'dockerd --version && docker --version && containerd --version && runc --version && docker-buildx version' make_engine
}
make_engine() {
  local got
  from_newest engine docker.io docker-cli docker-buildx containerd tini-static
  offer "$got"/usr/bin/{docker,docker-init,containerd,containerd-shim-runc-v2,ctr} "$got"/usr/sbin/{dockerd,docker-proxy} \
    "$got"/usr/libexec/docker/cli-plugins/docker-buildx
  unpack "$parts/runc" bookworm runc
  offer "$parts"/runc/usr/sbin/runc
}

provide_qemu() {
  debian
  part qemu 'qemu-aarch64-static --version' make_qemu
}
make_qemu() {
  # The package holds some sixty interpreters; one is kept.
  unpack "$parts/qemu" bookworm qemu-user-static
  find "$parts/qemu/usr/bin" -type f ! -name qemu-aarch64-static -delete
  offer "$parts/qemu/usr/bin/qemu-aarch64-static"
}

provide_docker_registry() {
  debian
  part docker-registry 'docker-registry --version' make_docker_registry
}
make_docker_registry() {
  unpack "$parts/docker-registry" bookworm docker-registry
  offer "$parts/docker-registry/usr/bin/docker-registry"
}

provide_cosign() { debian; part cosign 'cosign version' make_cosign; }
make_cosign() { local got; from_newest cosign cosign; offer "$got/usr/bin/cosign"; }

provide_crane() { debian; part crane 'crane version' make_crane; }
make_crane() { local got; from_newest crane crane; offer "$got/usr/bin/crane"; }

provide_oras() { debian; part oras 'oras version' make_oras; }
make_oras() { local got; from_newest oras oras; offer "$got/usr/bin/oras"; }

provide_shellcheck() { debian; part shellcheck 'shellcheck --version' make_shellcheck; }
make_shellcheck() { unpack "$parts/shellcheck" bookworm shellcheck; offer "$parts/shellcheck/usr/bin/shellcheck"; }

# venv NAME PROGRAM REQUIREMENT...: with the pip that Debian packs, so that python3 alone is needed.
venv() {
  local name=$1 program=$2 folder=$parts/$1
  shift 2
  command -v python3 > /dev/null || unavailable "needs python3"
  debian
  [ -d "$parts/pip" ] || unpack "$parts/pip" bookworm python3-pip-whl
  rm -rf "$folder"
  python3 -m venv --without-pip "$folder"
  "$folder/bin/python" "$(echo "$parts"/pip/usr/share/python-wheels/pip-*.whl)/pip" install --quiet \
    --disable-pip-version-check --no-input "$@"
  echo "$*"
  offer "$folder/bin/$program"
}

provide_sigstore_python() { part sigstore-python 'sigstore --version' make_sigstore_python; }
make_sigstore_python() { venv sigstore-python sigstore "sigstore==$SIGSTORE_PYTHON"; }

provide_zizmor() { part zizmor 'zizmor --version' make_zizmor; }
make_zizmor() { venv zizmor zizmor "zizmor==$ZIZMOR"; }

provide_actionlint() { part actionlint 'actionlint -version' make_actionlint; }
make_actionlint() {
  command -v go > /dev/null || unavailable "needs go"
  mkdir -p "$parts/actionlint"
  GOBIN=$parts/actionlint GOFLAGS=-mod=mod CGO_ENABLED=0 go install "github.com/rhysd/actionlint/cmd/actionlint@$ACTIONLINT"
  echo "actionlint $ACTIONLINT"
  offer "$parts/actionlint/actionlint"
}
