# A disk that fills up while the sandbox serves, and one that is full when it starts: said, and nothing lost.

# blob FILE: pushes it; prints the status.
blob() {
  curl --silent --output "$work/blob.answer" --write-out '%{http_code}' --request POST --data-binary "@$1" \
    --header 'content-type: application/octet-stream' \
    "http://$(full registry)/v2/full/blobs/uploads/?digest=sha256:$(sha256sum < "$1" | cut -d' ' -f1)"
}
full() { jq -er ".$1" "$work/full.json"; }
# entry NUMBER: a log entry of its own; submit: the last one again. Both print the status.
entry() {
  printf 'entry %s' "$1" > "$work/entry"
  jq --null-input --arg digest "$(openssl dgst -sha256 -binary "$work/entry" | base64)" --arg key "$(base64 -w0 "$work/full.spki")" \
    --arg signature "$(openssl dgst -sha256 -sign "$work/full.key" "$work/entry" | base64 -w0)" \
    '{hashedRekordRequestV002: {digest: $digest, signature: {content: $signature, verifier: {keyDetails: "PKIX_ECDSA_P256_SHA_256", publicKey: {rawBytes: $key}}}}}' > "$work/entry.json"
  submit
}
submit() {
  curl --silent --output "$work/entry.answer" --write-out '%{http_code}' --header 'content-type: application/json' --data "@$work/entry.json" "$(full rekor)/api/v2/log/entries"
}
serve_full() {
  background full "$logs/sandbox-full.log" "$work/loadline" sandbox serve --data "$work/full-disk/data"
  eventually 20 grep -q '^{' "$logs/sandbox-full.log" || die "the sandbox does not come up: $(tail -n 1 "$logs/sandbox-full.log")"
  grep -m 1 '^{' "$logs/sandbox-full.log" > "$work/full.json"
}
logged() { curl --silent --fail "$(full rekor)/api/v2/checkpoint" | sed -n 2p; }

full_sandbox() {
  local status digests=() number=0 size digest
  command -v openssl > /dev/null || die "needs openssl"
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$work/full.key"
  openssl pkey -in "$work/full.key" -pubout -outform DER -out "$work/full.spki"
  mkdir -p "$work/full-disk"

  # Too small to begin on.
  mount -t tmpfs -o size=16k loadline-live "$work/full-disk"
  refused 3 'No space left on device' loadline sandbox serve --data "$work/full-disk/data"
  grep -q 'sandbox-data' "$work/refusal" || die "the code is another"
  mount -o remount,size=1m "$work/full-disk"
  serve_full

  while :; do
    number=$((number + 1))
    head -c 30000 /dev/urandom > "$work/blob"
    status=$(blob "$work/blob")
    [ "$status" = 201 ] || break
    digests+=("$(sha256sum < "$work/blob" | cut -d' ' -f1)")
    [ "$number" -lt 100 ] || die "100 blobs of 30 kB fit into 1 MiB"
  done
  equal "status of the blob that did not fit" "$status" 507
  grep -q 'No space left' "$work/blob.answer" || die "it does not say why"
  [ "${#digests[@]}" -gt 5 ] || die "only ${#digests[@]} blobs fitted"
  head -c 1000000 /dev/zero > "$work/full-disk/rest" || true
  status=201 number=0
  while [ "$status" = 201 ]; do
    number=$((number + 1))
    [ "$number" -lt 200 ] || die "200 log entries fit onto a full disk"
    size=$(logged)
    status=$(entry "$number")
  done
  cat "$work/entry.answer"
  equal "status of the entry that did not fit" "$status" 500
  equal "size of the log" "$(logged)" "$size"

  # With room again: the same, without a new start and with one.
  rm "$work/full-disk/rest"
  mount -o remount,size=64m "$work/full-disk"
  equal "status with room again" "$(entry "$number")" 201
  equal "status of a blob with room again" "$(blob "$work/blob")" 201
  equal "size of the log" "$(logged)" "$((size + 1))"
  end full
  serve_full
  equal "size of the log after a start" "$(logged)" "$((size + 1))"
  for digest in "${digests[@]}"; do
    equal "blob after a start" "$(curl --silent --fail "http://$(full registry)/v2/full/blobs/sha256:$digest" | sha256sum | cut -d' ' -f1)" "$digest"
  done
  equal "the same entry again" "$(submit)" 409
  end full
  umount "$work/full-disk"
  fact "${#digests[@]} blobs and $size log entries kept"
}
LIMIT=60 check sandbox-full-disk-loses-nothing "loadline tmpfs curl jq" full_sandbox
