# Parts of the sandbox in place of real ones, and real ones in place of the sandbox's.

# signs_and_verifies NAME: cosign with that trust, and not with the sandbox's own.
signs_and_verifies() {
  local name=$1 trust
  echo "of $name" > "$work/$name"
  HOME=$work/home inside cosign sign-blob --yes --identity-token "$(inner_token)" --signing-config "$work/$name.config.json" \
    --trusted-root "$work/$name.root.json" --bundle "$work/$name.bundle" "$work/$name"
  mapfile -t trust < <(by someone@example.com "$(inner issuer)/email")
  HOME=$work/home inside cosign verify-blob --bundle "$work/$name.bundle" --trusted-root "$work/$name.root.json" "${trust[@]}" "$work/$name"
  refused 1 . env "HOME=$work/home" ip netns exec "loadline-live-$$" cosign verify-blob --bundle "$work/$name.bundle" \
    --trusted-root "$(inner trusted_root)" "${trust[@]}" "$work/$name"
}
tree_size() { inside curl --silent --fail "$(inner ctlog)/ct/v1/get-sth" | jq -er .tree_size; }

real_fulcio() {
  local before
  before=$(tree_size)
  mixed real-fulcio '.certificateAuthorities = $ca' '.caUrls[0].url = "http://127.0.0.1:5551"'
  signs_and_verifies real-fulcio
  equal "certificates in the sandbox's CT log" "$(tree_size)" "$((before + 1))"
  # Without the log's key there is no SCT to be believed.
  jq '.ctlogs = []' "$work/real-fulcio.root.json" > "$work/no-ct.json"
  refused 1 . env "HOME=$work/home" ip netns exec "loadline-live-$$" cosign verify-blob --bundle "$work/real-fulcio.bundle" \
    --trusted-root "$work/no-ct.json" --certificate-identity someone@example.com --certificate-oidc-issuer "$(inner issuer)/email" "$work/real-fulcio"
}
check sandbox-real-fulcio-uses-its-ct-log "servers cosign" real_fulcio

real_log_and_clock() {
  mixed real-log '.tlogs = $tlog | .timestampAuthorities = $tsa' \
    '.rekorTlogUrls[0].url = "http://127.0.0.1:5554" | .tsaUrls[0].url = "http://127.0.0.1:5557/api/v1/timestamp"'
  signs_and_verifies real-log
}
check sandbox-its-fulcio-with-real-rekor-and-tsa "servers cosign" real_log_and_clock

all_real() {
  mixed all-real '.certificateAuthorities = $ca | .tlogs = $tlog | .timestampAuthorities = $tsa' \
    '.caUrls[0].url = "http://127.0.0.1:5551" | .rekorTlogUrls[0].url = "http://127.0.0.1:5554" | .tsaUrls[0].url = "http://127.0.0.1:5557/api/v1/timestamp"'
  signs_and_verifies all-real
}
check sandbox-its-ct-log-and-issuer-with-real-servers "servers cosign" all_real

# The same bad request to the real Fulcio and to the sandbox's: the same status, the same code, the same words to begin with.
fulcio_says() {
  inside curl --silent --request POST --header 'content-type: application/json' --data @"$work/request.json" --write-out ' %{http_code}' "$1/api/v2/signingCert"
}
same_refusal() {
  local name=$1 real ours
  real=$(fulcio_says http://127.0.0.1:5551)
  ours=$(fulcio_says "$(inner fulcio)")
  echo "$name: $real | $ours"
  equal "$name: status" "${ours##* }" "${real##* }"
  equal "$name: code" "$(echo "${ours% *}" | jq -er .code)" "$(echo "${real% *}" | jq -er .code)"
  case $(echo "${ours% *}" | jq -er .message) in
    "$(echo "${real% *}" | jq -er .message)"*) ;;
    *) die "$name: the sandbox says something else: $ours, not $real" ;;
  esac
}
request() {
  jq --null-input --arg token "$1" --arg key "$(cat "$work/client.pub")" --arg proof "$2" \
    '{credentials: {oidcIdentityToken: $token}, publicKeyRequest: {publicKey: {algorithm: "ECDSA", content: $key}, proofOfPossession: $proof}}' > "$work/request.json"
}
refusals() {
  local at=http://127.0.0.1 good proof token
  at=$(inner issuer)/email/token
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$work/client.key"
  openssl pkey -in "$work/client.key" -pubout -out "$work/client.pub"
  proof=$(printf someone@example.com | openssl dgst -sha256 -sign "$work/client.key" | base64 -w0)
  good=$(inside curl --silent --fail "$at?claim.email=someone@example.com")
  request "$good" "$proof"
  for name in http://127.0.0.1:5551 "$(inner fulcio)"; do
    token=$(fulcio_says "$name")
    equal "a good request to $name" "${token##* }" 200
  done
  request "$(inside curl --silent "$at?claim.email=someone@example.com&aud=nobody")" "$proof"; same_refusal audience
  request "$(inside curl --silent "$at?claim.email=someone@example.com&ttl=-60")" "$proof"; same_refusal expired
  request "$(inside curl --silent "$at?claim.email=someone@example.com&claim.iss=https://issuer.invalid")" "$proof"; same_refusal issuer
  request "$(inside curl --silent "$at?claim.email=someone@example.com&claim.email_verified=false")" "$proof"; same_refusal unverified
  request "$(inside curl --silent "$at?claim.email=nobody")" "$proof"; same_refusal address
  request "$good" "$(printf another@example.com | openssl dgst -sha256 -sign "$work/client.key" | base64 -w0)"; same_refusal proof
  request "${good%????}AAAA" "$proof"; same_refusal signature
  request "" "$proof"; same_refusal "no token"
  echo nonsense > "$work/client.pub"; request "$good" "$proof"; same_refusal key
}
check sandbox-fulcio-refuses-as-the-real-one "servers" refusals

# certified URL NAME: the extensions of the certificate in $work/request.json's answer, without those that differ by nature:
# the keys' identifiers and the log's timestamp.
certified() {
  fulcio_says "$1" > "$work/$2.json"
  sed 's/ [0-9]*$//' "$work/$2.json" | jq -er '.signedCertificateEmbeddedSct.chain.certificates[0]' > "$work/$2.pem"
  openssl x509 -in "$work/$2.pem" -noout -text -certopt no_header,no_version,no_serial,no_signame,no_validity,no_issuer,no_pubkey,no_sigdump |
    awk '/^            [^ ]/ { name = $0; next } name !~ /Key Identifier|CT Precertificate/ { print name, $0 }' | sort > "$work/$2.text"
  [ "$(wc -l < "$work/$2.text")" -gt 5 ] || die "no extensions: $(cat "$work/$2.json")"
}
same_certificate() {
  local shape=$1 query=$2 token name
  token=$(inside curl --silent --fail "$(inner issuer)/$shape/token?$query")
  name=$3
  openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$work/client.key"
  openssl pkey -in "$work/client.key" -pubout -out "$work/client.pub"
  request "$token" "$(printf '%s' "$name" | openssl dgst -sha256 -sign "$work/client.key" | base64 -w0)"
  certified http://127.0.0.1:5551 real
  certified "$(inner fulcio)" ours
  compared=$((compared + $(wc -l < "$work/real.text")))
  cat "$work/real.text"
  diff "$work/real.text" "$work/ours.text" || die "the certificate for $shape is not as the real one"
}
same_certificates() {
  compared=0
  same_certificate email claim.email=someone@example.com someone@example.com
  same_certificate github 'claim.repository=acme/widget&claim.ref=refs/tags/v1&claim.environment=live' repo:acme/widget:ref:refs/tags/v1
  same_certificate gitlab 'claim.project_path=acme/deep/tools&claim.ref=v1&claim.ref_type=tag' project_path:acme/deep/tools:ref_type:tag:ref:v1
  fact "$compared extensions of three certificates are the same"
}
check sandbox-fulcio-certifies-as-the-real-one "servers" same_certificates
