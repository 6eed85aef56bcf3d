# A disk that is full: a clear error, nothing tagged, nothing lost.

provide_tmpfs() {
  [ "$(id -u)" = 0 ] || unavailable "mounting needs root"
  need loadline
  need jq
  mkdir "$work/tmpfs"
  mount -t tmpfs -o size=64k loadline-live "$work/tmpfs" || unavailable "no tmpfs can be mounted"
  umount "$work/tmpfs"
}

# full_at KIB: the folder of ledgers and sandbox is a disk of that size, enlarged afterwards. Fails when
# the release had room enough; what it stopped at is in $work/stopped-at.
full_at() {
  local size=$1 folder=$work/full-$1 sandbox=$work/full-$1/target/loadline-sandbox registry out=$work/full-$1.json code=0 step moved
  checkout "$folder"
  mkdir "$folder/target"
  mount -t tmpfs -o "size=${size}k" loadline-live "$folder/target"
  release "$folder" "$out" || code=$?
  if [ "$code" = 0 ]; then
    umount "$folder/target"
    return 1
  fi
  jq -c '{verdict, effects, failures}' "$out"
  equal "exit at $size KiB" "$code" 3
  equal verdict "$(jq -er .verdict "$out")" unknown
  # What a registry says of itself is cut at a length: its status says the same.
  jq -e '.failures | map(select(.message | test("[Nn]o space left on device|status 507"))) | length > 0' "$out" > "$work/said" ||
    die "at $size KiB it does not say that the disk is full: $(jq -c .failures "$out")"
  step=$(jq -r '.steps[-1].name // "start"' "$out")
  echo "$step" >> "$work/stopped-at"
  moved=$(jq -r '.effects.tags_moved // 0' "$out")
  [ "$step" = promote ] || equal "tags moved at $size KiB" "$moved" 0

  mount -o remount,size=64m "$folder/target"
  background "full-$size" "$logs/full-disk.sandbox.log" "$work/loadline" sandbox serve --data "$sandbox/data"
  eventually 20 grep -q '^{' "$logs/full-disk.sandbox.log" || die "the sandbox does not come up again after $size KiB"
  registry=$(grep -m 1 '^{' "$logs/full-disk.sandbox.log" | jq -er .registry)
  curl --silent --fail-with-body "http://$registry/v2/$REPOSITORY/tags/list" > "$work/tags.json" ||
    equal "answer at $size KiB" "$(jq -r '.errors[0].code' "$work/tags.json")" NAME_UNKNOWN
  # A registry that fills up between two tags has the first: then the document must say so.
  equal "tags in the registry at $size KiB, beside those said to be written" "$(jq -r '.tags // [] | length' "$work/tags.json")" "$moved"
  end "full-$size"

  code=0
  release "$folder" "$out" || code=$?
  [ "$code" = 0 ] || die "exit $code after $size KiB became 64 MiB: $(jq -c .failures "$out")"
  equal verdict "$(jq -er .verdict "$out")" pass
  equal "tags moved in both runs" "$(($(jq -r .effects.tags_moved "$out") + moved))" 6
  umount "$folder/target"
}

# Sizes rise until the release has room: the disk fills in every step that writes.
full_disk() {
  local size=16 refused=0
  : > "$work/stopped-at"
  while full_at "$size"; do
    refused=$((refused + 1))
    rm -rf "${work:?}/full-$size"
    size=$((size + 72))
    [ "$size" -lt 65536 ] || die "the release finds no room in $size KiB"
  done
  equal "steps that always meet a full disk" "$(grep -xE 'start|build|attest' "$work/stopped-at" | uniq | paste -sd' ')" "start build attest"
  fact "$refused sizes refused, stopped in $(uniq -c "$work/stopped-at" | awk '{ printf "%s%s %d", sep, $2, $1; sep = ", " }')"
}
check full-disk-tags-nothing-and-resumes "tmpfs curl" full_disk
