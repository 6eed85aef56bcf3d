# The sandbox's Sigstore, with the clients that people have: each signs, all of them verify. They get their trust
# by TUF where they can.

SIGNER=someone@example.com
own_root() { echo "$work/serving.data/tuf_root.json"; }
own_issuer() { echo "$(own issuer)/$1"; }
# token SHAPE QUERY: an identity token, in a file.
token() {
  curl --silent --fail-with-body "$(own_issuer "$1")/token?$2" > "$work/token.$1"
  echo "$work/token.$1"
}
email_token() { token email "claim.email=$SIGNER"; }

# cosign with a home of its own, whose trust is the sandbox's, fetched once.
own_cosign() { HOME=$work/cosign-home command cosign "$@"; }
provide_cosign_trust() {
  need serving
  need cosign
  mkdir -p "$work/cosign-home"
  own_cosign initialize --mirror "$(own tuf)" --root "$(own_root)"
  cmp "$(own trusted_root)" "$(find "$work/cosign-home" -name trusted_root.json)"
}
cosign_fetches() { need cosign_trust; }
check sandbox-cosign-fetches-trust-by-tuf "cosign_trust" cosign_fetches

by() { printf '%s\n' --certificate-identity "$1" --certificate-oidc-issuer "$2"; }

# Four clients on one bundle: they accept it, and not another's identity or another artifact.
verify_cosign() { own_cosign verify-blob --bundle "$1" --certificate-identity "$3" --certificate-oidc-issuer "$4" "$2"; }
verify_python() {
  HOME=$work/python-home XDG_CACHE_HOME=$work/python-home XDG_DATA_HOME=$work/python-home COLUMNS=500 sigstore --instance "$(own tuf)" \
    verify identity --bundle "$1" --cert-identity "$3" --cert-oidc-issuer "$4" "$2"
}
own_js() { NODE_PATH=$parts/sigstore-js/node_modules node "$here/lib/sigstore.js" "$1" "$work/serving.json" "${@:2}"; }
verify_js() { ISSUER=$4 own_js verify "$(own_root)" "$work/js-cache" "$3" "$2" "$1"; }
verify_go() { HOME=$work/go-home sigstore-go-verification -tufRootURL "$(own tuf)" -tufTrustedRoot "$(own_root)" -expectedIssuer "$4" -expectedSAN "$3" -artifact "$2" "$1"; }

provide_python_trust() {
  need serving
  need sigstore_python
  HOME=$work/python-home XDG_CACHE_HOME=$work/python-home XDG_DATA_HOME=$work/python-home sigstore --instance "$(own tuf)" trust-instance "$(own_root)"
}

# Each signs the artifact into $work/signed/CLIENT.json.
provide_signed() {
  need serving
  mkdir "$work/signed"
  echo "an artifact" > "$work/artifact"
  echo "another" > "$work/another"
}
sign_cosign() { own_cosign sign-blob --yes --identity-token "$(email_token)" --bundle "$work/signed/cosign.json" "$work/artifact"; }
sign_python() {
  HOME=$work/python-home XDG_CACHE_HOME=$work/python-home XDG_DATA_HOME=$work/python-home sigstore --instance "$(own tuf)" \
    sign --identity-token "$(cat "$(email_token)")" --bundle "$work/signed/python.json" "$work/artifact"
}
sign_js() { own_js sign "$(email_token)" "$work/artifact" "$work/signed/js.json"; }
check sandbox-cosign-signs-a-blob "signed cosign_trust" sign_cosign
check sandbox-sigstore-python-signs "signed python_trust" sign_python
check sandbox-sigstore-js-signs "signed sigstore_js" sign_js

# each_signed CLIENT: it verifies what every client that is here signed.
each_signed() {
  local client=$1 bundle count=0 refusal
  for bundle in "$work"/signed/*.json; do
    [ -e "$bundle" ] || die "nobody signed"
    "verify_$client" "$bundle" "$work/artifact" "$SIGNER" "$(own_issuer email)"
    for refusal in "$work/another $SIGNER $(own_issuer email)" "$work/artifact x$SIGNER $(own_issuer email)" "$work/artifact $SIGNER $(own_issuer github)"; do
      # shellcheck disable=SC2086
      refused 1 . "verify_$client" "$bundle" $refusal
    done
    count=$((count + 1))
  done
  fact "$count bundles of $(basename -s .json -a "$work"/signed/*.json | paste -sd' ')"
}
check sandbox-cosign-verifies-them-all "signed cosign_trust" each_signed cosign
check sandbox-sigstore-python-verifies-them-all "signed python_trust" each_signed python
check sandbox-sigstore-js-verifies-them-all "signed sigstore_js" each_signed js
check sandbox-sigstore-go-verifies-them-all "signed sigstore_go" each_signed go

# Images: signed and attested by digest, found by the referrers API.
cosign_image() {
  local image digest trust
  mapfile -t trust < <(by "$SIGNER" "$(own_issuer email)")
  tar -C "$work" -cf "$work/signed.tar" artifact
  image=$(own registry)/signed/image
  crane append --oci-empty-base --new_layer "$work/signed.tar" --new_tag "$image:1"
  digest=$(crane digest "$image:1")
  refused 10 'no signatures found' own_cosign verify "${trust[@]}" "$image@$digest"
  own_cosign sign --yes --identity-token "$(email_token)" "$image@$digest"
  own_cosign verify "${trust[@]}" "$image@$digest" | jq -e --arg digest "$digest" 'length == 1'
  echo '{"built": "here"}' > "$work/predicate.json"
  own_cosign attest --yes --identity-token "$(email_token)" --type https://live.example/v1 --predicate "$work/predicate.json" "$image@$digest"
  own_cosign verify-attestation "${trust[@]}" --type https://live.example/v1 "$image@$digest" > "$work/attested.json"
  jq -er .payload "$work/attested.json" | base64 -d | jq -e '.predicate.built == "here"'
  refused 1 'expected SAN value' own_cosign verify --certificate-identity "x$SIGNER" --certificate-oidc-issuer "$(own_issuer email)" "$image@$digest"
}
check sandbox-cosign-signs-attests-an-image "serving cosign_trust crane" cosign_image

# Claims of GitLab and of GitHub, as cosign knows them.
cosign_shapes() {
  local bundle=$work/shape.json sha=0123456789abcdef0123456789abcdef01234567
  own_cosign sign-blob --yes --identity-token "$(token gitlab "claim.project_path=acme/tools&claim.sha=$sha")" --bundle "$bundle" "$work/artifact"
  own_cosign verify-blob --bundle "$bundle" --certificate-identity https://gitlab.com/acme/tools//.gitlab-ci.yml@refs/heads/main \
    --certificate-oidc-issuer "$(own_issuer gitlab)" "$work/artifact"
  own_cosign sign-blob --yes --identity-token "$(token github "claim.repository=acme/widget&claim.sha=$sha")" --bundle "$bundle" "$work/artifact"
  github() {
    own_cosign verify-blob --bundle "$bundle" --certificate-identity https://github.com/acme/widget/.github/workflows/build.yml@refs/heads/main \
      --certificate-oidc-issuer "$(own_issuer github)" --certificate-github-workflow-repository "$1" --certificate-github-workflow-sha "$sha" "$work/artifact"
  }
  github acme/widget
  refused 1 'expected GithubWorkflowRepository' github acme/gadget
}
check sandbox-cosign-signs-as-gitlab-and-github "signed cosign_trust" cosign_shapes
