# Linters over this repository's own workflows and scripts.

# actionlint hands the scripts inside of workflows to shellcheck.
workflows_by_actionlint() { cd "$root"; actionlint -shellcheck "$(command -v shellcheck)" .github/workflows/*.yml; }
check actionlint-finds-nothing "actionlint shellcheck" workflows_by_actionlint

workflows_by_zizmor() { cd "$root"; zizmor --offline --no-progress .github/workflows; }
check zizmor-finds-nothing zizmor workflows_by_zizmor

scripts_by_shellcheck() {
  cd "$root"
  # What one file of lib/ and checks/ defines another uses (SC2034, SC2154) and `check` calls (SC2317);
  # `set -e` is on where they run (SC2164); the $ in single quotes is jq's (SC2016);
  # `bundle` and `BUNDLE` are two things (SC2153).
  shellcheck --shell=bash --exclude=SC1091,SC2016,SC2034,SC2153,SC2154,SC2164,SC2317 .ci/run scripts/live/run scripts/live/*/*.sh
}
check shellcheck-finds-nothing shellcheck scripts_by_shellcheck
