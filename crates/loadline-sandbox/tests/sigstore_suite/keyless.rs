//! A statement, signed and verified by the sigstore crates, with the files that the sandbox writes.

use std::fs;

use loadline_core::Secret;
use loadline_sandbox::Sandbox;
use serde_json::{Value, json};
use sigstore_sign::{SigningContext, SigningServices};
use sigstore_trust_root::{SigningConfig, TrustedRoot};
use sigstore_types::Bundle;
use sigstore_verify::{VerificationPolicy, VerificationResult, Verifier};

use crate::{decode, encode, run, sandbox};

const ARTIFACT: &[u8] = b"the artifact";

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

async fn sign(sandbox: &Sandbox, token: &Secret) -> Value {
    let config = SigningConfig::from_file(&sandbox.ready().signing_config).unwrap();
    let services = SigningServices::from_signing_config(&config).unwrap();
    let token = sigstore_sign::oidc::IdentityToken::from_jwt(token.expose()).unwrap();
    let signer = SigningContext::new(services).signer(token);
    let bundle = signer.sign_raw_statement(&statement()).await.unwrap();
    serde_json::from_str(&bundle.to_json().unwrap()).unwrap()
}

fn root(sandbox: &Sandbox) -> Value {
    serde_json::from_slice(&fs::read(&sandbox.ready().trusted_root).unwrap()).unwrap()
}

fn verify(sandbox: &Sandbox, root: &Value, bundle: &Value) -> Result<VerificationResult, String> {
    let root = TrustedRoot::from_json(&root.to_string()).map_err(|error| error.to_string())?;
    let bundle = Bundle::from_json(&bundle.to_string()).map_err(|error| error.to_string())?;
    let policy = VerificationPolicy::new(run().identity(), sandbox.ready().issuer.clone());
    let verifier = Verifier::new(&root).map_err(|error| error.to_string())?;
    verifier.verify(ARTIFACT, &bundle, &policy).map_err(|error| error.to_string())
}

#[tokio::test]
async fn a_statement_verifies_with_the_trust_root_that_was_written() {
    let (_folder, sandbox) = sandbox().await;
    let bundle = sign(&sandbox, &sandbox.github_token(&run()).unwrap()).await;
    let result = verify(&sandbox, &root(&sandbox), &bundle).unwrap();
    assert!(result.certificate_verified() && result.sct_verified() && result.tlog_verified());
    assert_eq!(result.verified_timestamps().len(), 1);
    let claims = format!("{:?}", result.certificate().unwrap().ci_claims);
    for value in [
        "https://github.com/acme/widget/actions/runs/1/attempts/1",
        "https://github.com/acme/widget/.github/workflows/build.yml@refs/heads/main",
        "repo:acme/widget:ref:refs/heads/main",
        "github-hosted",
        crate::SHA,
    ] {
        assert!(claims.contains(value), "{value} is not in {claims}");
    }
    // For other verifiers, by hand: the bundle is good for as long as its files are, the sandbox is not needed.
    if let Ok(keep) = std::env::var("LOADLINE_TEST_KEEP") {
        let keep = std::path::Path::new(&keep);
        fs::copy(&sandbox.ready().trusted_root, keep.join("trusted_root.json")).unwrap();
        fs::write(keep.join("bundle.json"), bundle.to_string()).unwrap();
        fs::write(keep.join("artifact"), ARTIFACT).unwrap();
        fs::write(keep.join("issuer"), &sandbox.ready().issuer).unwrap();
    }
    sandbox.stop().await;
}

#[tokio::test]
async fn a_bundle_that_was_tampered_with_does_not_verify() {
    let (_folder, sandbox) = sandbox().await;
    let token = sandbox.github_token(&run()).unwrap();
    let bundle = sign(&sandbox, &token).await;
    let other = sign(&sandbox, &token).await;
    let root = root(&sandbox);
    verify(&sandbox, &root, &bundle).unwrap();
    verify(&sandbox, &root, &other).unwrap();

    const ENTRY: &str = "/verificationMaterial/tlogEntries/0";
    const PROOF: &str = "/verificationMaterial/tlogEntries/0/inclusionProof";
    for path in [
        "/verificationMaterial/certificate/rawBytes",
        "/verificationMaterial/timestampVerificationData/rfc3161Timestamps/0/signedTimestamp",
        &format!("{ENTRY}/canonicalizedBody"),
        &format!("{PROOF}/hashes/0"),
        "/dsseEnvelope/payload",
        "/dsseEnvelope/signatures/0/sig",
    ] {
        // One bit is flipped, and what another bundle has there is put in.
        let mut changed = bundle.clone();
        let place = changed.pointer_mut(path).unwrap_or_else(|| panic!("{path}"));
        let mut bytes = decode(place);
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        *place = encode(bytes).into();
        assert!(verify(&sandbox, &root, &changed).is_err(), "{path} flipped");

        let mut changed = bundle.clone();
        let foreign = other.pointer(path).unwrap().clone();
        let place = changed.pointer_mut(path).unwrap();
        if *place != foreign {
            *place = foreign;
            assert!(verify(&sandbox, &root, &changed).is_err(), "{path} exchanged");
        }
    }

    let mut changed = bundle.clone();
    changed.pointer_mut(&format!("{ENTRY}/logIndex")).map(|index| *index = "0".into()).unwrap();
    assert!(verify(&sandbox, &root, &changed).is_err(), "logIndex");

    let envelope = format!("{PROOF}/checkpoint/envelope");
    let note = bundle.pointer(&envelope).unwrap().as_str().unwrap();
    let size = note.lines().nth(1).unwrap();
    for changed_note in [note.replacen(size, "9", 1), note.replacen("127.0.0.1\n", "127.0.0.2\n", 1)] {
        let mut changed = bundle.clone();
        *changed.pointer_mut(&envelope).unwrap() = changed_note.into();
        assert!(verify(&sandbox, &root, &changed).is_err(), "checkpoint");
    }
}

#[tokio::test]
async fn each_part_of_the_trust_root_is_needed() {
    let (_folder, sandbox) = sandbox().await;
    let (_folder, stranger) = crate::sandbox().await;
    let bundle = sign(&sandbox, &sandbox.github_token(&run()).unwrap()).await;
    let (ours, theirs) = (root(&sandbox), root(&stranger));
    verify(&sandbox, &ours, &bundle).unwrap();
    for part in ["tlogs", "certificateAuthorities", "ctlogs", "timestampAuthorities"] {
        let mut mixed = ours.clone();
        mixed[part] = theirs[part].clone();
        assert!(verify(&sandbox, &mixed, &bundle).is_err(), "foreign {part}");
        mixed[part] = json!([]);
        assert!(verify(&sandbox, &mixed, &bundle).is_err(), "no {part}");
    }
}

#[tokio::test]
async fn another_identity_or_issuer_is_another() {
    let (_folder, sandbox) = sandbox().await;
    let mut foreign = run();
    foreign.job_workflow_ref = "evil/widget/.github/workflows/build.yml@refs/heads/main".to_owned();
    let bundle = sign(&sandbox, &sandbox.github_token(&foreign).unwrap()).await;
    let error = verify(&sandbox, &root(&sandbox), &bundle).unwrap_err();
    assert!(error.contains("evil/widget"), "{error}");
}
