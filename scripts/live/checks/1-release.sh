# The release itself, by the program as a user runs it.

passes() {
  equal verdict "$(released .verdict)" pass
  equal version "$(released .version)" "$VERSION"
  equal findings "$(released '[.findings[] | select(.severity != "note")] | length')" 0
  equal failures "$(released '.failures | length')" 0
  equal "images and platforms" "$(children | cut -d' ' -f1,2 | sort | paste -sd,)" \
    "daemon linux/amd64,daemon linux/arm64,orchestrator linux/amd64,orchestrator linux/arm64"
  equal tags "$(released '[.images[].tags[]] | sort | join(" ")')" \
    "1.0 $VERSION $VERSION-daemon $VERSION-orchestrator latest latest-daemon"
  equal "tags moved" "$(released .effects.tags_moved)" 6
}
check release-passes release passes

again() {
  local effects
  effects=$(jq -er '[.effects | .blobs_pushed, .manifests_pushed, .tags_moved] | join(" ")' "$work/again.json")
  equal effects "$effects" "0 0 0"
  equal images "$(jq -cS .images "$work/again.json")" "$(jq -cS .images "$work/release.json")"
}
check release-again-has-no-effect release again

# Another folder, another sandbox, another time: the same bytes.
elsewhere() {
  local digests='[.images[] | .digest, .platforms[].digest] | join(" ")'
  equal digests "$(jq -er "$digests" "$work/elsewhere.json")" "$(jq -er "$digests" "$work/release.json")"
}
check release-elsewhere-has-the-same-digests "release elsewhere" elsewhere

# The README's first command, where this is.
first_command() {
  cd "$root"
  cargo xtask release --sandbox > "$work/first-command"
  cat "$work/first-command"
  grep -q '@sha256:[0-9a-f]\{64\}' "$work/first-command" || die "it names no image by digest"
}
LIMIT=900 check readme-first-command loadline first_command
