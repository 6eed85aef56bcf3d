//! Cosign's old evidence: `.att` tags, whose bundles carry the log's promise alone.

use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use loadline_core::media_type::{OCI_EMPTY, OCI_MANIFEST};
use loadline_core::{Digest, Verdict};
use loadline_registry::{BlobSource, Descriptor};
use loadline_sigstore::{
    RekorVersion, Signer, SigningServices, TokenSource, TrustRoot, TrustRoots, Verifier,
};
use serde_json::{Value, json};

use crate::stage::{PROVENANCE, SBOM, Setting, Stage, sbom};

const DSSE: &str = "application/vnd.dsse.envelope.v1+json";
/// What stands before a P-256 point in a SubjectPublicKeyInfo.
const SPKI: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// A log of the first kind: it signs promises, and every entry is alone in a tree of its own.
struct OldLog {
    address: String,
    keys: Arc<Keys>,
    server: tokio::task::JoinHandle<()>,
}

struct Keys {
    pair: EcdsaKeyPair,
    time: i64,
}

impl Keys {
    fn spki(&self) -> Vec<u8> {
        [&SPKI, self.pair.public_key().as_ref()].concat()
    }

    fn id(&self) -> Digest {
        Digest::of(self.spki())
    }

    fn sign(&self, text: &str) -> Vec<u8> {
        self.pair.sign(&SystemRandom::new(), text.as_bytes()).unwrap().as_ref().to_vec()
    }
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

impl OldLog {
    #[allow(clippy::disallowed_methods, reason = "the sandbox signs by the machine's clock")]
    async fn start() -> Self {
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let keys = Arc::new(Keys { pair, time: jiff::Timestamp::now().as_second() });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/api/v1/log/entries", post(create)).with_state(Arc::clone(&keys));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, keys, server }
    }

    /// The stage's trust root, with this log besides its own.
    fn root(&self, stage: &Stage) -> TrustRoot {
        let mut root: Value =
            serde_json::from_slice(&std::fs::read(&stage.sandbox.ready().trusted_root).unwrap()).unwrap();
        root["tlogs"].as_array_mut().unwrap().push(json!({
            "baseUrl": self.address, "hashAlgorithm": "SHA2_256",
            "publicKey": {"rawBytes": STANDARD.encode(self.keys.spki()), "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                          "validFor": {"start": "2020-01-01T00:00:00Z"}},
            "logId": {"keyId": STANDARD.encode(hex(self.keys.id().hex()))}}));
        TrustRoot::from_json("with an old log", &serde_json::to_vec(&root).unwrap()).unwrap()
    }

    async fn sign(&self, stage: &Stage, statement: &[u8]) -> Value {
        let token = TokenSource::Given(stage.sandbox.github_token(&Stage::run()).unwrap());
        let services = SigningServices::new()
            .with_fulcio(&stage.sandbox.ready().fulcio)
            .with_rekor(&self.address, RekorVersion::V1);
        let signer = Signer::keyless(services, token, reqwest::Client::new()).unwrap();
        serde_json::from_slice(&signer.sign_statement(statement).await.unwrap()).unwrap()
    }
}

impl Drop for OldLog {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn create(State(keys): State<Arc<Keys>>, Json(request): Json<Value>) -> (StatusCode, Json<Value>) {
    let content = &request["spec"]["proposedContent"];
    let text = content["envelope"].as_str().unwrap();
    let envelope: Value = serde_json::from_str(text).unwrap();
    let payload = STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap();
    let hash = |bytes: &[u8]| json!({"algorithm": "sha256", "value": Digest::of(bytes).hex()});
    let body = json!({"apiVersion": "0.0.1", "kind": "dsse", "spec": {
        "envelopeHash": hash(text.as_bytes()), "payloadHash": hash(&payload),
        "signatures": [{"signature": envelope["signatures"][0]["sig"], "verifier": content["verifiers"][0]}]}});
    let body = serde_json::to_vec(&body).unwrap();
    let root = Digest::of([&[0][..], &body].concat());
    let encoded = STANDARD.encode(&body);
    // The members in the order of RFC 8785.
    let promise = format!(
        r#"{{"body":"{encoded}","integratedTime":{},"logID":"{}","logIndex":7}}"#,
        keys.time,
        keys.id().hex()
    );
    let note = format!("rekor.test - 1\n1\n{}\n", STANDARD.encode(hex(root.hex())));
    let signature = [&hex(keys.id().hex())[..4], &keys.sign(&note)].concat();
    let checkpoint = format!("{note}\n\u{2014} rekor.test {}\n", STANDARD.encode(signature));
    let answer = json!({
        "body": encoded, "integratedTime": keys.time, "logID": keys.id().hex(), "logIndex": 7,
        "verification": {
            "signedEntryTimestamp": STANDARD.encode(keys.sign(&promise)),
            "inclusionProof": {
                "checkpoint": checkpoint, "hashes": [], "logIndex": 0, "rootHash": root.hex(), "treeSize": 1}}});
    (StatusCode::CREATED, Json(json!({ root.hex(): answer })))
}

/// A bundle as the layer and annotations that cosign of old would have written.
fn taken_apart(bundle: &Value) -> (Vec<u8>, Value) {
    let material = &bundle["verificationMaterial"];
    let entry = &material["tlogEntries"][0];
    let der = material["certificate"]["rawBytes"].as_str().unwrap();
    let number = |value: &Value| value.as_str().unwrap().parse::<i64>().unwrap();
    let id = STANDARD.decode(entry["logId"]["keyId"].as_str().unwrap()).unwrap();
    let id: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    let rekor = json!({
        "SignedEntryTimestamp": entry["inclusionPromise"]["signedEntryTimestamp"],
        "Payload": {"body": entry["canonicalizedBody"], "integratedTime": number(&entry["integratedTime"]),
                    "logIndex": number(&entry["logIndex"]), "logID": id}});
    let annotations = json!({
        "dev.sigstore.cosign/certificate":
            format!("-----BEGIN CERTIFICATE-----\n{der}\n-----END CERTIFICATE-----\n"),
        "dev.sigstore.cosign/chain": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        "dev.sigstore.cosign/bundle": rekor.to_string(),
        "dev.cosignproject.cosign/signature": "",
        "predicateType": "https://example.com/whatever"});
    (serde_json::to_vec(&bundle["dsseEnvelope"]).unwrap(), annotations)
}

/// Writes the tag that cosign of old writes.
async fn tag(stage: &Stage, subject: &Digest, layers: &[(Vec<u8>, Value)]) {
    stage.repository.push_blob(BlobSource::Bytes(Bytes::from_static(b"{}"))).await.unwrap();
    let mut descriptors = Vec::new();
    for (layer, annotations) in layers {
        stage.repository.push_blob(BlobSource::Bytes(layer.clone().into())).await.unwrap();
        let mut descriptor = serde_json::to_value(Descriptor::of(DSSE, layer)).unwrap();
        descriptor["annotations"] = annotations.clone();
        descriptors.push(descriptor);
    }
    let manifest = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST,
        "config": Descriptor::of(OCI_EMPTY, b"{}"), "layers": descriptors});
    let name = format!("sha256-{}.att", subject.hex());
    stage.repository.tag(&name, OCI_MANIFEST, serde_json::to_vec(&manifest).unwrap()).await.unwrap();
}

#[tokio::test]
async fn old_evidence_counts_and_the_verdict_says_that_it_is_a_promise() {
    let stage = Stage::bare(Setting::default()).await;
    let log = OldLog::start().await;
    for child in &stage.children {
        let bundle = log.sign(&stage, &sbom(&[&child.digest])).await;
        tag(&stage, &child.digest, &[taken_apart(&bundle)]).await;
    }
    let verifier = Verifier::new(TrustRoots::only(log.root(&stage)));
    let seen = stage.verify_with(&verifier, &[SBOM]).await;
    seen.passes();
    assert_eq!(seen.notes(), ["set-only"]);
    let proven = &seen.verification.tree.rows[0].proven[0];
    assert!(proven.set_only() && proven.source.contains(".att"), "{}", proven.source);
    assert_eq!(proven.log_index(), Some(7));
    // A root that does not know the log believes none of it.
    stage.verify_for(&[SBOM]).await.fails_with(&["evidence-missing", "log-proof-invalid"]);
}

#[tokio::test]
async fn old_evidence_beside_new_hides_neither() {
    let stage = Stage::bare(Setting::default()).await;
    stage.attest_provenance().await;
    let log = OldLog::start().await;
    for child in &stage.children {
        let bundle = log.sign(&stage, &sbom(&[&child.digest])).await;
        tag(&stage, &child.digest, &[taken_apart(&bundle)]).await;
    }
    let verifier = Verifier::new(TrustRoots::only(log.root(&stage)));
    stage.verify_with(&verifier, &[PROVENANCE, SBOM]).await.passes();
    // Where nothing is open, the tags are not asked for.
    let only_new = stage.verify_with(&verifier, &[PROVENANCE]).await;
    only_new.passes();
    assert_eq!(only_new.requests, 1 + 3 + 3 + 1);
}

#[tokio::test]
async fn old_evidence_that_was_tampered_with() {
    let stage = Stage::bare(Setting::default()).await;
    let log = OldLog::start().await;
    let verifier = Verifier::new(TrustRoots::only(log.root(&stage)));
    let all: Vec<&Digest> = stage.children.iter().map(|child| &child.digest).collect();
    let bundle = log.sign(&stage, &sbom(&all)).await;
    let (layer, annotations) = taken_apart(&bundle);
    let rekor = |change: &dyn Fn(&mut Value)| {
        let mut annotations = annotations.clone();
        let name = "dev.sigstore.cosign/bundle";
        let mut rekor: Value = serde_json::from_str(annotations[name].as_str().unwrap()).unwrap();
        change(&mut rekor);
        annotations[name] = json!(rekor.to_string());
        (layer.clone(), annotations)
    };
    let without = |name: &str| {
        let mut annotations = annotations.clone();
        annotations.as_object_mut().unwrap().remove(name);
        (layer.clone(), annotations)
    };
    let cases = [
        (rekor(&|rekor| rekor["Payload"]["logIndex"] = json!(8)), "log-proof-invalid"),
        (rekor(&|rekor| rekor["Payload"]["integratedTime"] = json!(1_700_000_000)), "log-proof-invalid"),
        (rekor(&|rekor| rekor["Payload"]["logID"] = json!("zz")), "bundle-malformed"),
        (without("dev.sigstore.cosign/bundle"), "log-entry-missing"),
        (without("dev.sigstore.cosign/certificate"), "key-required"),
        ((b"hello".to_vec(), annotations.clone()), "bundle-malformed"),
    ];
    for ((layer, annotations), expected) in cases {
        for child in &stage.children {
            tag(&stage, &child.digest, &[(layer.clone(), annotations.clone())]).await;
        }
        let seen = stage.verify_with(&verifier, &[SBOM]).await;
        assert_eq!(seen.verdict(), Verdict::Fail, "{expected}");
        assert!(seen.errors().contains(&expected), "{expected}: {:?}", seen.errors());
    }
    // One good layer among bad ones is enough.
    for child in &stage.children {
        let bad = (b"hello".to_vec(), annotations.clone());
        tag(&stage, &child.digest, &[bad, (layer.clone(), annotations.clone())]).await;
    }
    stage.verify_with(&verifier, &[SBOM]).await.passes();
}

#[tokio::test]
async fn a_tag_that_cannot_be_asked_for_leaves_the_question_open() {
    let faults = &["GET .att:503"];
    let stage = Stage::bare(Setting { faults, ..Setting::default() }).await;
    stage.attest_provenance().await;
    stage.verify_for(&[PROVENANCE]).await.passes();
    stage.verify_for(&[SBOM]).await.is_unknown_for(&["evidence-source-failed"]);
}
