# The check as a hook: refused where shared regions drift, taken once mended. By pre-commit, built there from a
# clone of this repository and from a wheel; by plain git, husky and lefthook, as docs/src/how-to/hooks.md says.

HUSKY=9.1.7
LEFTHOOK=2.2.2

provide_git() { command -v git > /dev/null || unavailable "needs git"; }
provide_npm() { command -v npm > /dev/null || unavailable "needs npm"; }

# pre-commit itself, and maturin, which makes wheels of programs.
provide_pre_commit() { part pre-commit 'pre-commit --version' make_pre_commit; }
make_pre_commit() { venv pre-commit pre-commit "pre-commit>=4.3,<5"; }
provide_maturin() { part maturin 'maturin --version' make_maturin; }
make_maturin() { venv maturin maturin "maturin>=1.9,<2"; }

# A repository as a user has it: two Dockerfiles that share lines, a configuration, one commit.
hooked() {
  local folder=$work/hooked-$1
  mkdir -p "$folder"
  cd "$folder"
  export HOME=$work/home GIT_CONFIG_GLOBAL=$work/home/.gitconfig GIT_CONFIG_NOSYSTEM=1
  # Clones of this checkout by file:// belong to whoever runs this.
  git config --global user.name 'live check'
  git config --global user.email live@example.com
  git config --global init.defaultBranch main
  git config --global --replace-all safe.directory '*'
  git init --quiet
  local name
  for name in one two; do
    printf '# --- begin ---\nFROM scratch\nENV A=1\n# --- end ---\nENV NAME=%s\n' "$name" > "Dockerfile.$name"
  done
  cat > loadline.toml <<'TOML'
[release]
source     = "github.com/acme/widget"
repository = "registry.example.com/acme/widget"
platforms  = ["linux/amd64"]

[[shared-region]]
name  = "base"
begin = "# --- begin ---"
end   = "# --- end ---"
files = ["Dockerfile.one", "Dockerfile.two"]

[image.one]
dockerfile = "Dockerfile.one"

[image.two]
dockerfile = "Dockerfile.two"

[verify]
signer-workflow = ".github/workflows/release.yml"

[check]
workflows = "nothing"
TOML
  git add .
  git commit --quiet --no-verify -m 'Begin'
}

# a_hook_guards PROGRAM...: drift is refused, by its name; once mended by PROGRAM, it is taken.
a_hook_guards() {
  sed -i 's/ENV A=1/ENV A=2/' Dockerfile.one
  git add Dockerfile.one
  refused 1 shared-region-drift git commit -m 'Drift'
  equal "commits after the refusal" "$(git rev-list --count HEAD)" "$commits"
  # What is staged counts, not what lies beside it.
  "$@" --fix
  refused 1 shared-region-drift git commit -m 'Mended, not staged'
  git add Dockerfile.two
  git commit --quiet -m 'Mended'
  equal "commits after the fix" "$(git rev-list --count HEAD)" "$((commits + 1))"
  git diff --exit-code HEAD
}

loadline_on_path() {
  PATH=$work:$PATH
  export PATH
}

hook_of_plain_git() {
  hooked git
  loadline_on_path
  mkdir .githooks
  printf '#!/bin/sh\nexec loadline check --staged\n' > .githooks/pre-commit
  chmod +x .githooks/pre-commit
  git config core.hooksPath .githooks
  commits=1
  a_hook_guards loadline check
}
check hook-plain-git "git loadline" hook_of_plain_git

npm_install() {
  npm install --silent --no-audit --no-fund --save-dev --cache "$prefix/npm-cache" "$@"
}

hook_of_husky() {
  hooked husky
  loadline_on_path
  printf '{"private": true}\n' > package.json
  printf 'node_modules\n' > .gitignore
  npm_install "husky@$HUSKY"
  npx --no-install husky init
  printf 'loadline check --staged\n' > .husky/pre-commit
  git add .
  git commit --quiet -m 'Use husky'
  commits=2
  a_hook_guards loadline check
}
check hook-husky "git npm loadline" hook_of_husky

hook_of_lefthook() {
  hooked lefthook
  loadline_on_path
  printf '{"private": true}\n' > package.json
  printf 'node_modules\n' > .gitignore
  printf 'pre-commit:\n  commands:\n    loadline:\n      run: loadline check --staged\n' > lefthook.yml
  npm_install "lefthook@$LEFTHOOK"
  npx --no-install lefthook install
  git add .
  git commit --quiet -m 'Use lefthook'
  commits=2
  a_hook_guards loadline check
}
check hook-lefthook "git npm loadline" hook_of_lefthook

# pre_commit_uses REV ID
pre_commit_uses() {
  printf 'repos:\n  - repo: file://%s\n    rev: %s\n    hooks:\n      - id: %s\n' "$root" "$1" "$2" > .pre-commit-config.yaml
  git add .pre-commit-config.yaml
}

# Built once, with cargo, in pre-commit's own clone of what is committed here; what was compiled of other
# packages is kept, so that trying it by `try-repo` compiles no more than our own.
hook_of_pre_commit() {
  local rev
  rev=$(git -C "$root" rev-parse HEAD)
  hooked pre-commit
  export CARGO_HOME=${CARGO_HOME:-$real_home/.cargo} RUSTUP_HOME=${RUSTUP_HOME:-$real_home/.rustup}
  export CARGO_TARGET_DIR=$hook_target PRE_COMMIT_HOME=$work/pre-commit
  pre_commit_uses "$rev" loadline-check
  pre-commit install
  git commit --quiet -m 'Use pre-commit'
  commits=2
  local program
  program=$(find "$PRE_COMMIT_HOME" -path '*/rustenv-*/bin/loadline-check' -type f)
  [ -x "$program" ] || die "pre-commit built no loadline-check"
  a_hook_guards "$program"
  # The hook that mends: it stops the commit all the same, so that what changed is seen and staged.
  pre_commit_uses "$rev" loadline-check-fix
  git commit --quiet -m 'Mend by the hook'
  sed -i 's/ENV A=2/ENV A=3/' Dockerfile.one
  git add Dockerfile.one
  refused 1 'files were modified by this hook' git commit -m 'Drift'
  git add Dockerfile.two
  git commit --quiet -m 'Mended by the hook'
  # What pre-commit built is the wheel's program too: see hook-pre-commit-wheel.
  cp "$program" "$work/loadline-check"
  fact "the program is $(($(stat -c %s "$program") / 1048576)) MiB"
}

hook_tried_by_pre_commit() {
  hooked try-repo
  export CARGO_HOME=${CARGO_HOME:-$real_home/.cargo} RUSTUP_HOME=${RUSTUP_HOME:-$real_home/.rustup}
  export CARGO_TARGET_DIR=$hook_target PRE_COMMIT_HOME=$work/pre-commit
  local try=(pre-commit try-repo "file://$root" loadline-check --ref "$(git -C "$root" rev-parse HEAD)" --all-files)
  "${try[@]}"
  sed -i 's/ENV A=1/ENV A=2/' Dockerfile.one
  git add Dockerfile.one
  refused 1 shared-region-drift "${try[@]}"
}

real_home=$HOME
hook_target=${CARGO_TARGET_DIR:-$root/target}/live-hook
LIMIT=900
check hook-pre-commit "git pre_commit" hook_of_pre_commit
check hook-pre-commit-try-repo "git pre_commit" hook_tried_by_pre_commit

# The wheel, from a folder in place of an index: no cargo on the PATH, so nothing can be compiled.
hook_of_the_wheel() {
  local rev wheels=$work/wheels
  rev=$(git -C "$root" rev-parse HEAD)
  (
    export CARGO_TARGET_DIR=$hook_target
    clone=$(find "$work/pre-commit" -maxdepth 1 -name 'repo*' -type d 2> /dev/null | head -n 1)
    # Where pre-commit built it already, nothing is compiled anew.
    "${clone:-$root}/packaging/wheel/build" "$wheels"
  )
  hooked wheel
  mkdir -p "$work/no-cargo"
  local program
  for program in git python3 sh bash env sed cat mktemp uname dirname basename readlink pre-commit; do
    ln -sfn "$(command -v "$program")" "$work/no-cargo/$program"
  done
  export PRE_COMMIT_HOME=$work/pre-commit-wheel
  export PIP_FIND_LINKS="$wheels ${PIP_FIND_LINKS:-}"
  pre_commit_uses "$rev" loadline-check-wheel
  pre-commit install
  (
    export PATH=$work/no-cargo
    if command -v cargo rustc cc; then die "a compiler is on the PATH"; fi
    git commit --quiet -m 'Use the wheel'
  )
  commits=2
  program=$(find "$PRE_COMMIT_HOME" -path '*/py_env-*/bin/loadline-check' -type f)
  [ -x "$program" ] || die "pre-commit installed no loadline-check"
  a_hook_guards "$program"
  fact "$(basename "$(echo "$wheels"/*.whl)"), $(($(stat -c %s "$wheels"/*.whl) / 1024)) KiB"
}
check hook-pre-commit-wheel "git pre_commit maturin" hook_of_the_wheel
LIMIT=180
