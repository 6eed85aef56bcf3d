//! A statement signed and verified by clients that know nothing of this sandbox.

use std::fs;

use loadline_sandbox::{GitHubRun, Options, Sandbox};
use loadline_core::Secret;
use serde_json::json;
use sigstore_sign::{SigningContext, SigningServices};
use sigstore_trust_root::{SigningConfig, TrustedRoot};
use sigstore_types::Bundle;
use sigstore_verify::{VerificationPolicy, VerificationResult, Verifier};

const ARTIFACT: &[u8] = b"the artifact";

fn run() -> GitHubRun {
    let sha = "0123456789abcdef0123456789abcdef01234567";
    GitHubRun::new("acme/widget", "refs/heads/main", sha, ".github/workflows/build.yml")
}

fn statement() -> Vec<u8> {
    let digest = loadline_core::Digest::of(ARTIFACT);
    let statement = json!({
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "widget", "digest": {"sha256": digest.hex()}}],
        "predicateType": "https://example.test/predicate/v1",
        "predicate": {"answer": 42},
    });
    serde_json::to_vec(&statement).unwrap()
}

async fn sign(sandbox: &Sandbox, token: &Secret) -> Bundle {
    let config = SigningConfig::from_file(&sandbox.ready().signing_config).unwrap();
    let services = SigningServices::from_signing_config(&config).unwrap();
    let token = sigstore_sign::oidc::IdentityToken::from_jwt(token.expose()).unwrap();
    SigningContext::new(services).signer(token).sign_raw_statement(&statement()).await.unwrap()
}

fn root(sandbox: &Sandbox) -> TrustedRoot {
    TrustedRoot::from_json(&fs::read_to_string(&sandbox.ready().trusted_root).unwrap()).unwrap()
}

fn verify(sandbox: &Sandbox, bundle: &Bundle) -> Result<VerificationResult, String> {
    let policy = VerificationPolicy::new(run().identity(), sandbox.ready().issuer.clone());
    let verifier = Verifier::new(&root(sandbox)).map_err(|error| error.to_string())?;
    verifier.verify(ARTIFACT, bundle, &policy).map_err(|error| error.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_signed_here_verifies_with_the_trust_root_that_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::start(Options::new(folder.path())).await.unwrap();
    let bundle = sign(&sandbox, &sandbox.github_token(&run()).unwrap()).await;
    let result = verify(&sandbox, &bundle).unwrap();
    assert!(result.certificate_verified() && result.sct_verified() && result.tlog_verified());
    assert_eq!(result.verified_timestamps().len(), 1);
    let claims = &result.certificate().unwrap().ci_claims;
    println!("{claims:?}");
    let text = format!("{claims:?}");
    for value in ["https://github.com/acme/widget/actions/runs/1/attempts/1", "repo:acme/widget:ref:refs/heads/main"] {
        assert!(text.contains(value), "{text}");
    }
    sandbox.stop().await;
}
