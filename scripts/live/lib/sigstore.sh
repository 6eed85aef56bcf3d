# Sigstore's own servers and clients, skopeo, and a sandbox of their own for them to speak to.

# What is built or fetched, pinned; these build with Go 1.26.
FULCIO=v1.8.8
REKOR_TILES=v2.3.0
TIMESTAMP_AUTHORITY=v2.1.3
SIGSTORE_GO=v1.2.2
SIGSTORE_JS=4.1.1

# go_program PART PACKAGE VERSION NAME: built, and offered under that name.
go_program() {
  local part=$1 package=$2 version=$3 name=$4
  command -v go > /dev/null || unavailable "needs go"
  mkdir -p "$parts/$part"
  GOBIN=$parts/$part/built CGO_ENABLED=0 GOFLAGS=-mod=mod nice go install -trimpath "$package@$version"
  mv "$parts/$part/built/${package##*/}" "$parts/$part/$name"
  echo "${package%%/cmd/*} $version"
  offer "$parts/$part/$name"
}

# With the configuration of the public instance, which says what becomes of which claim.
provide_fulcio() { part fulcio 'fulcio version && test -s "$parts/fulcio/config.yaml"' make_fulcio; }
make_fulcio() {
  go_program fulcio github.com/sigstore/fulcio "$FULCIO" fulcio
  install -m 644 "$(go env GOMODCACHE)/github.com/sigstore/fulcio@$FULCIO/config/identity/config.yaml" "$parts/fulcio/config.yaml"
}

provide_rekor_server() { part rekor-server 'rekor-server version' make_rekor_server; }
make_rekor_server() { go_program rekor-server github.com/sigstore/rekor-tiles/v2/cmd/rekor-server/posix "$REKOR_TILES" rekor-server; }

provide_timestamp_server() { part timestamp-server 'timestamp-server version' make_timestamp_server; }
make_timestamp_server() {
  go_program timestamp-server github.com/sigstore/timestamp-authority/v2/cmd/timestamp-server "$TIMESTAMP_AUTHORITY" timestamp-server
}

# The verifier that sigstore-go ships, which `gh attestation verify` is built on.
provide_sigstore_go() { part sigstore-go 'test -x "$parts/bin/sigstore-go-verification"' make_sigstore_go; }
make_sigstore_go() {
  go_program sigstore-go github.com/sigstore/sigstore-go/examples/sigstore-go-verification "$SIGSTORE_GO" sigstore-go-verification
}

provide_sigstore_js() {
  command -v node npm > /dev/null || unavailable "needs node and npm"
  part sigstore-js 'test "$(node -p "require(\"$parts/sigstore-js/node_modules/sigstore/package.json\").version")" = '"$SIGSTORE_JS" make_sigstore_js
}
make_sigstore_js() {
  mkdir -p "$parts/sigstore-js"
  npm install --silent --no-fund --no-audit --no-update-notifier --prefix "$parts/sigstore-js" "sigstore@$SIGSTORE_JS"
  echo "sigstore-js $SIGSTORE_JS"
}

# The verifier by itself, newer: before 4.1 it compared a Rekor v2 entry of an attestation with the payload's digest, where
# the log holds that of the pre-authentication encoding (rekor-tiles, CLIENTS.md), and refused everybody's.
SIGSTORE_JS_VERIFY=5.0.1
provide_sigstore_js_verify() {
  command -v node npm > /dev/null || unavailable "needs node and npm"
  part sigstore-js-verify 'NODE_PATH=$parts/sigstore-js-verify/node_modules node -e "require(\"@sigstore/verify\")"' make_sigstore_js_verify
}
make_sigstore_js_verify() {
  mkdir -p "$parts/sigstore-js-verify"
  npm install --silent --no-fund --no-audit --no-update-notifier --prefix "$parts/sigstore-js-verify" "sigstore@$SIGSTORE_JS_VERIFY"
  echo "sigstore-js $SIGSTORE_JS_VERIFY"
}

provide_skopeo() { debian; part skopeo 'skopeo --version' make_skopeo; }
make_skopeo() {
  local libraries=$parts/skopeo/usr/lib/x86_64-linux-gnu
  unpack "$parts/skopeo" bookworm skopeo libgpgme11 libassuan0 libgpg-error0 libdevmapper1.02.1
  printf '#!/bin/sh\nLD_LIBRARY_PATH=%s exec %s --insecure-policy "$@"\n' "$libraries" "$parts/skopeo/usr/bin/skopeo" > "$parts/bin/skopeo"
  chmod 755 "$parts/bin/skopeo"
}

# serve NAME [COMMAND...]: a sandbox with fresh data, ready in $work/NAME.json; COMMAND goes before it.
serve() {
  local name=$1
  shift
  background "$name" "$logs/$name.log" "$@" "$work/loadline" sandbox serve --data "$work/$name.data"
  eventually 20 grep -q '^{' "$logs/$name.log" || die "the sandbox does not come up: $(tail -n 1 "$logs/$name.log")"
  grep -m 1 '^{' "$logs/$name.log" > "$work/$name.json"
}
provide_serving() {
  need loadline
  need jq
  need curl
  serve serving
}
own() { jq -er ".$1" "$work/serving.json"; }

# A network of its own, loopback only: Sigstore's servers offer their metrics on every address they find.
provide_namespace() {
  [ "$(id -u)" = 0 ] || unavailable "a network namespace needs root"
  command -v ip > /dev/null || unavailable "needs ip (iproute2)"
  ip netns add "loadline-live-$$" || unavailable "no network namespace can be made"
  undo "ip netns del loadline-live-$$"
  ip -n "loadline-live-$$" link set lo up
}
inside() { ip netns exec "loadline-live-$$" "$@"; }

# servers: a Fulcio with the sandbox's CT log and its issuers, a Rekor and a time stamp authority, in that network
# with a sandbox; `inner NAME` is from its ready line.
inner() { jq -er ".$1" "$work/inner.json"; }
provide_servers() {
  local issuer
  need loadline
  need jq
  need curl
  need fulcio
  need rekor_server
  need timestamp_server
  command -v openssl > /dev/null || unavailable "needs openssl"
  need namespace
  serve inner ip netns exec "loadline-live-$$"
  mkdir "$work/servers"
  cd "$work/servers"

  issuer=$(inner issuer)
  { sed -n '/^define:/,/^oidc-issuers:/p' "$parts/fulcio/config.yaml"
    printf '  %s:\n    issuer-url: %s\n    client-id: sigstore\n    type: %s\n' "$issuer/email" "$issuer/email" email \
      "$issuer/github" "$issuer/github" 'ci-provider
    ci-provider: *github-type' "$issuer/gitlab" "$issuer/gitlab" 'ci-provider
    ci-provider: *gitlab-type'
    sed -n '/^ci-issuer-metadata:/,$p' "$parts/fulcio/config.yaml"; } > fulcio.yaml
  { echo '-----BEGIN PUBLIC KEY-----'; jq -er '.ctlogs[0].publicKey.rawBytes' "$(inner trusted_root)" | fold -w 64; echo '-----END PUBLIC KEY-----'; } > ctlog.pem
  background fulcio "$logs/fulcio.log" ip netns exec "loadline-live-$$" fulcio serve --host 127.0.0.1 --port 5551 --grpc-port 5552 \
    --metrics-port 5553 --config-path fulcio.yaml --ca ephemeralca --ct-log-url "$(inner ctlog)" --ct-log-public-key-path ctlog.pem
  openssl genpkey -quiet -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out rekor.key 2> /dev/null ||
    openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out rekor.key
  background rekor-server "$logs/rekor-server.log" ip netns exec "loadline-live-$$" rekor-server serve --http-address 127.0.0.1 \
    --http-port 5554 --grpc-port 5555 --http-metrics-port 5556 --hostname 127.0.0.1 --storage-dir "$work/servers/rekor" \
    --signer-filepath rekor.key --checkpoint-interval 1s --batch-max-age 50ms
  background timestamp-server "$logs/timestamp-server.log" ip netns exec "loadline-live-$$" timestamp-server serve --host 127.0.0.1 \
    --port 5557 --scheme http --timestamp-signer memory --disable-ntp-monitoring
  eventually 20 inside curl --silent --fail --output fulcio.json http://127.0.0.1:5551/api/v2/trustBundle || die "fulcio does not come up: $(tail -n 1 "$logs/fulcio.log")"
  eventually 20 inside curl --silent --fail --output tsa.pem http://127.0.0.1:5557/api/v1/timestamp/certchain || die "timestamp-server does not come up: $(tail -n 1 "$logs/timestamp-server.log")"
  eventually 20 inside bash -c 'exec 3<> /dev/tcp/127.0.0.1/5554' || die "rekor-server does not come up: $(tail -n 1 "$logs/rekor-server.log")"

  # Their part of trust roots: certificates as they come, the log's id is the digest of its key.
  jq '{"subject": {"organization": "live", "commonName": "fulcio"}, "uri": "http://127.0.0.1:5551", "validFor": {"start": "2020-01-01T00:00:00Z"},
    "certChain": {"certificates": [.chains[0].certificates[] | {rawBytes: (split("\n") | map(select(startswith("--") | not)) | join(""))}]}}' fulcio.json > ca.json
  jq --raw-input --slurp '{"subject": {"organization": "live", "commonName": "tsa"}, "uri": "http://127.0.0.1:5557/api/v1/timestamp",
    "validFor": {"start": "2020-01-01T00:00:00Z"}, "certChain": {"certificates": [split("-----END CERTIFICATE-----\n")[:-1][] |
    {rawBytes: (split("\n") | map(select(startswith("--") | not)) | join(""))}]}}' tsa.pem > tsa.json
  openssl pkey -in rekor.key -pubout -outform DER -out rekor.spki
  jq --null-input --arg key "$(base64 -w0 rekor.spki)" --arg id "$(openssl dgst -sha256 -binary rekor.spki | base64)" \
    '{"baseUrl": "http://127.0.0.1:5554", "hashAlgorithm": "SHA2_256", "logId": {"keyId": $id},
      "publicKey": {"rawBytes": $key, "keyDetails": "PKIX_ECDSA_P256_SHA_256", "validFor": {"start": "2020-01-01T00:00:00Z"}}}' > tlog.json
}

# mixed NAME FILTER CONFIG: a trust root and a signing config, the sandbox's own with these changes.
mixed() {
  jq --slurpfile ca "$work/servers/ca.json" --slurpfile tlog "$work/servers/tlog.json" --slurpfile tsa "$work/servers/tsa.json" \
    "$2" "$(inner trusted_root)" > "$work/$1.root.json"
  jq "$3" "$(inner signing_config)" > "$work/$1.config.json"
}
inner_token() { inside curl --silent --fail "$(inner issuer)/email/token?claim.email=someone@example.com" > "$work/inner.token"; echo "$work/inner.token"; }
