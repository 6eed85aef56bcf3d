//! Long-lived keys.

use loadline_core::proof::Signer as Who;
use loadline_core::{Digest, Secret};
use loadline_sigstore::{
    Expected, KeyTrust, PublicKey, RekorVersion, SignError, Signer, SigningKey, SigningServices,
};

use crate::instance::{Instance, digest, statement, verifier};

/// A key made for these tests: `openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256`.
const KEY: &str = include_str!("key.pem");
const OTHER: &str = include_str!("other.pem");

fn key(pem: &str) -> SigningKey {
    SigningKey::from_pem(Secret::new(pem)).unwrap()
}

fn signer(services: SigningServices) -> Signer {
    Signer::with_key(services, key(KEY), reqwest::Client::new()).unwrap()
}

#[tokio::test]
async fn with_a_log_and_with_a_timestamp_alone() {
    let instance = Instance::start().await;
    let public = key(KEY).public().unwrap();
    let other = key(OTHER).public().unwrap();
    let logged = signer(instance.services()).sign_statement(&statement()).await.unwrap();
    let mut log_less = instance.root_json();
    log_less["tlogs"] = serde_json::json!([]);
    let stamped = signer(instance.services().without_rekor()).sign_statement(&statement()).await.unwrap();
    for (bundle, verifier, has_log) in
        [(&logged, instance.verifier(), true), (&stamped, verifier(&log_less), false)]
    {
        let expected = Expected::OneOf(&[Digest::of("x"), digest()]);
        let proof = verifier.verify_with_key(bundle, expected, &public, KeyTrust::Logged).unwrap();
        assert_eq!(proof.signer, Who::Key { spki_sha256: public.spki_sha256() });
        assert_eq!((proof.log.is_some(), proof.times.len()), (has_log, 1));
        let code = |result: Result<_, loadline_sigstore::VerifyError>| {
            result.map(|_: loadline_core::proof::Proof| ()).unwrap_err().code().name
        };
        let wrong = verifier.verify_with_key(bundle, expected, &other, KeyTrust::Logged);
        assert_eq!(code(wrong), "signature-invalid");
        assert_eq!(code(verifier.verify(bundle, expected)), "key-required");
    }
    let unlogged =
        instance.verifier().verify_with_key(&stamped, Expected::Digest(&digest()), &public, KeyTrust::Logged);
    assert_eq!(unlogged.unwrap_err().code().name, "log-entry-missing");
}

#[tokio::test]
async fn a_signature_alone_proves_no_time() {
    let instance = Instance::start().await;
    let public = key(KEY).public().unwrap();
    let verifier = instance.verifier();
    for bundle in [
        signer(instance.services()).sign_statement(&statement()).await.unwrap(),
        signer(instance.services()).sign_message(&digest()).await.unwrap(),
    ] {
        let mut bare: serde_json::Value = serde_json::from_slice(&bundle).unwrap();
        bare["verificationMaterial"]["tlogEntries"] = serde_json::json!([]);
        bare["verificationMaterial"]["timestampVerificationData"] = serde_json::json!({});
        let bare = serde_json::to_vec(&bare).unwrap();
        let alone = |digest: &Digest, key: &PublicKey| {
            verifier.verify_with_key(&bare, Expected::Digest(digest), key, KeyTrust::SignatureAlone)
        };
        let proof = alone(&digest(), &public).unwrap();
        assert!(proof.log.is_none() && proof.times.is_empty());
        assert!(alone(&Digest::of("another"), &public).is_err());
        let other = key(OTHER).public().unwrap();
        assert_eq!(alone(&digest(), &other).unwrap_err().code().name, "signature-invalid");
        let logged = verifier.verify_with_key(&bare, Expected::Digest(&digest()), &public, KeyTrust::Logged);
        assert_eq!(logged.unwrap_err().code().name, "log-entry-missing");
    }
}

#[tokio::test]
async fn a_certificate_is_not_verified_with_a_key() {
    let instance = Instance::start().await;
    let bundle = instance.signer().sign_statement(&statement()).await.unwrap();
    let public = key(KEY).public().unwrap();
    let error = instance
        .verifier()
        .verify_with_key(&bundle, Expected::Digest(&digest()), &public, KeyTrust::Logged)
        .unwrap_err();
    assert_eq!(error.code().name, "key-unexpected");
}

#[test]
fn what_is_no_key_is_refused() {
    let refuse = |pem: &str| SigningKey::from_pem(Secret::new(pem)).unwrap_err();
    for bad in [
        "",
        "-----BEGIN PRIVATE KEY-----\n!\n-----END PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
        "-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED SIGSTORE PRIVATE KEY-----",
        &KEY.replace("PRIVATE", "EC PRIVATE"),
    ] {
        assert!(matches!(refuse(bad), SignError::Key { .. }), "{bad}");
    }
    assert!(PublicKey::from_pem(KEY).is_err() && PublicKey::from_pem("").is_err());
    let v1 = SigningServices::new().with_rekor("http://127.0.0.1:9", RekorVersion::V1);
    let error = Signer::with_key(v1, key(KEY), reqwest::Client::new()).unwrap_err();
    assert!(matches!(error, SignError::Config { .. }));
    assert!(!format!("{:?}", key(KEY)).contains("MIG"));
}
