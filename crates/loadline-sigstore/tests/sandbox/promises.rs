//! Rekor's first interface: promises, and the times in them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use loadline_core::Clock;
use loadline_core::proof::{Inclusion, TimeSource};
use loadline_sigstore::{Expected, RekorVersion, Signer, TokenSource, Verifier};
use serde_json::{Value, json};

use crate::instance::{Instance, digest, statement, verifier};
use crate::rekor_v1::{FIRST, RekorV1};

struct Bench {
    instance: Instance,
    rekor: RekorV1,
    verifier: Verifier,
    now: Timestamp,
}

impl Bench {
    async fn at(offset: SignedDuration) -> Self {
        let instance = Instance::start().await;
        let now = Clock::System.now();
        let rekor = RekorV1::start(now.checked_add(offset).unwrap()).await;
        let mut root = instance.root_json();
        root["tlogs"] = json!([rekor.trusted()]);
        let verifier = verifier(&root);
        Self { instance, rekor, verifier, now }
    }

    fn signer(&self) -> Signer {
        let services = self.instance.services().with_rekor(&self.rekor.address, RekorVersion::V1);
        let token = TokenSource::Given(self.instance.token());
        Signer::keyless(services, token, reqwest::Client::new()).unwrap()
    }

    async fn bundle(&self) -> Value {
        serde_json::from_slice(&self.signer().sign_statement(&statement()).await.unwrap()).unwrap()
    }

    fn code(&self, bundle: &Value) -> &'static str {
        let bundle = serde_json::to_vec(bundle).unwrap();
        match self.verifier.verify(&bundle, Expected::Digest(&digest())) {
            Ok(_) => "ok",
            Err(error) => error.code().name,
        }
    }
}

/// The same as a bundle of version 0.1 or 0.2.
fn older(mut bundle: Value, version: &str) -> Value {
    bundle["mediaType"] = json!(format!("application/vnd.dev.sigstore.bundle+json;version={version}"));
    let certificate = bundle["verificationMaterial"]["certificate"].take();
    bundle["verificationMaterial"].as_object_mut().unwrap().remove("certificate");
    bundle["verificationMaterial"]["x509CertificateChain"] = json!({"certificates": [certificate]});
    bundle
}

fn entry(bundle: &mut Value) -> &mut serde_json::Map<String, Value> {
    bundle["verificationMaterial"]["tlogEntries"][0].as_object_mut().unwrap()
}

fn without_timestamps(mut bundle: Value) -> Value {
    bundle["verificationMaterial"]["timestampVerificationData"] = json!({});
    bundle
}

#[tokio::test]
async fn statements_and_messages_are_logged() {
    let bench = Bench::at(SignedDuration::ZERO).await;
    let message = bench.signer().sign_message(&digest()).await.unwrap();
    let statement = serde_json::to_vec(&bench.bundle().await).unwrap();
    for (bundle, index) in [(message, FIRST), (statement, FIRST + 1)] {
        let proof = bench.verifier.verify(&bundle, Expected::Digest(&digest())).unwrap();
        let log = proof.log.as_ref().unwrap();
        assert_eq!((log.log_index, log.inclusion), (index, Inclusion::Proof));
        assert_eq!(log.integrated_time.map(|time| time.as_second()), Some(bench.now.as_second()));
        // The log's time and the authority's are told apart.
        let sources: Vec<_> = proof.times.iter().map(|time| matches!(time.by, TimeSource::Log)).collect();
        assert_eq!(sources, [false, true]);
    }
}

#[tokio::test]
async fn a_promise_alone_does_for_old_bundles_and_is_told() {
    let bench = Bench::at(SignedDuration::ZERO).await;
    let mut old = older(bench.bundle().await, "0.1");
    entry(&mut old).remove("inclusionProof");
    let bytes = serde_json::to_vec(&without_timestamps(old.clone())).unwrap();
    let proof = bench.verifier.verify(&bytes, Expected::Digest(&digest())).unwrap();
    assert_eq!(proof.log.unwrap().inclusion, Inclusion::SetOnly);
    assert_eq!(proof.times.len(), 1);
    let mut newer = old.clone();
    newer["mediaType"] = json!("application/vnd.dev.sigstore.bundle+json;version=0.2");
    assert_eq!(bench.code(&newer), "log-proof-missing");
    let mut nothing = old.clone();
    entry(&mut nothing).remove("inclusionPromise");
    assert_eq!(bench.code(&nothing), "log-proof-missing");
    // What the promise covers cannot be changed.
    for (member, value) in [
        ("logIndex", json!("5")),
        ("integratedTime", json!((bench.now.as_second() - 1).to_string())),
        ("inclusionPromise", json!({"signedEntryTimestamp": STANDARD.encode([7; 70])})),
        ("logId", json!({"keyId": STANDARD.encode([7; 32])})),
    ] {
        let mut forged = old.clone();
        entry(&mut forged).insert(member.to_owned(), value);
        assert_eq!(bench.code(&forged), "log-proof-invalid", "{member}");
    }
}

#[tokio::test]
async fn without_a_promise_the_time_is_nobodys() {
    let bench = Bench::at(SignedDuration::ZERO).await;
    let mut bundle = bench.bundle().await;
    entry(&mut bundle).remove("inclusionPromise");
    let bytes = serde_json::to_vec(&bundle).unwrap();
    let proof = bench.verifier.verify(&bytes, Expected::Digest(&digest())).unwrap();
    let log = proof.log.as_ref().unwrap();
    // The index is the proof's own: nothing signs the other. The time is not told at all.
    assert_eq!((log.log_index, log.integrated_time, proof.times.len()), (0, None, 1));
    assert_eq!(bench.code(&without_timestamps(bundle.clone())), "timestamp-missing");
    entry(&mut bundle).insert("integratedTime".to_owned(), json!("1"));
    assert_eq!(bench.code(&bundle), "ok");
}

#[tokio::test]
async fn the_root_of_the_trust_root_is_passed_over_in_old_bundles_alone() {
    let bench = Bench::at(SignedDuration::ZERO).await;
    let root = bench.instance.root_json();
    let authority = root["certificateAuthorities"][0]["certChain"]["certificates"].as_array().unwrap();
    let foreign = Instance::start().await.root_json();
    let foreign = foreign["certificateAuthorities"][0]["certChain"]["certificates"].as_array().unwrap();
    let bundle = bench.bundle().await;
    for (version, extra, expected) in [
        ("0.1", authority.last().unwrap(), "ok"),
        ("0.2", authority.last().unwrap(), "certificate-chain-root"),
        ("0.1", foreign.last().unwrap(), "certificate-chain-root"),
    ] {
        let mut old = older(bundle.clone(), version);
        let chain = &mut old["verificationMaterial"]["x509CertificateChain"]["certificates"];
        chain.as_array_mut().unwrap().push(extra.clone());
        assert_eq!(bench.code(&old), expected, "{version}");
    }
}

#[tokio::test]
async fn times_that_cannot_be() {
    for (hours, expected) in [(-1, "certificate-expired"), (1, "log-time-invalid")] {
        let bench = Bench::at(SignedDuration::from_hours(hours)).await;
        assert_eq!(bench.code(&bench.bundle().await), expected, "{hours}");
    }
}
