//! A transparency log that speaks Rekor's first interface: what it answers is really signed. Every entry
//! is alone in a tree of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use loadline_core::Digest;
use serde_json::{Value, json};
use sigstore_crypto::{KeyPair, sha256};

/// The index of its first entry.
pub(crate) const FIRST: u64 = 1000;

pub(crate) struct RekorV1 {
    pub(crate) address: String,
    log: Arc<Log>,
    server: tokio::task::JoinHandle<()>,
}

struct Log {
    key: KeyPair,
    next: AtomicU64,
    time: i64,
}

impl RekorV1 {
    /// A log whose clock stands still.
    pub(crate) async fn start(time: jiff::Timestamp) -> Self {
        let key = KeyPair::generate_ecdsa_p256().unwrap();
        let log = Arc::new(Log { key, next: AtomicU64::new(FIRST), time: time.as_second() });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().route("/api/v1/log/entries", post(create)).with_state(Arc::clone(&log));
        let server = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, log, server }
    }

    /// Its entry in a trust root.
    pub(crate) fn trusted(&self) -> Value {
        let spki = self.log.key.public_key_der().unwrap();
        json!({
            "baseUrl": self.address, "hashAlgorithm": "SHA2_256",
            "publicKey": {
                "rawBytes": STANDARD.encode(spki.as_bytes()), "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                "validFor": {"start": "2020-01-01T00:00:00Z"}},
            "logId": {"keyId": STANDARD.encode(self.log.id())}})
    }
}

impl Drop for RekorV1 {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Log {
    fn id(&self) -> Vec<u8> {
        sha256(self.key.public_key_der().unwrap().as_bytes()).as_bytes().to_vec()
    }

    fn sign(&self, text: &str) -> Vec<u8> {
        self.key.sign(text.as_bytes()).unwrap().as_bytes().to_vec()
    }
}

async fn create(State(log): State<Arc<Log>>, Json(request): Json<Value>) -> (StatusCode, Json<Value>) {
    let hash = |bytes: &[u8]| json!({"algorithm": "sha256", "value": Digest::of(bytes).hex()});
    let body = match request["kind"].as_str() {
        Some("dsse") => {
            let content = &request["spec"]["proposedContent"];
            let text = content["envelope"].as_str().unwrap();
            let envelope: Value = serde_json::from_str(text).unwrap();
            let payload = STANDARD.decode(envelope["payload"].as_str().unwrap()).unwrap();
            json!({"apiVersion": "0.0.1", "kind": "dsse", "spec": {
                "envelopeHash": hash(text.as_bytes()), "payloadHash": hash(&payload),
                "signatures": [{"signature": envelope["signatures"][0]["sig"], "verifier": content["verifiers"][0]}]}})
        }
        Some("hashedrekord") => request.clone(),
        _ => return (StatusCode::BAD_REQUEST, Json(json!({"message": "unknown kind"}))),
    };
    let body = serde_json::to_vec(&body).unwrap();
    let mut leaf = vec![0];
    leaf.extend_from_slice(&body);
    let root = Digest::of(&leaf);
    let index = log.next.fetch_add(1, Ordering::SeqCst);
    let (id, encoded) = (log.id(), STANDARD.encode(&body));
    // The members in the order of RFC 8785.
    let promise = format!(
        r#"{{"body":"{encoded}","integratedTime":{},"logID":"{}","logIndex":{index}}}"#,
        log.time,
        hex::encode(&id)
    );
    let note = format!("rekor.test - 1\n1\n{}\n", STANDARD.encode(hex::decode(root.hex()).unwrap()));
    let mut signature = id[..4].to_vec();
    signature.extend(log.sign(&note));
    let checkpoint = format!("{note}\n\u{2014} rekor.test {}\n", STANDARD.encode(signature));
    let answer = json!({
        "body": encoded, "integratedTime": log.time, "logID": hex::encode(&id), "logIndex": index,
        "verification": {
            "signedEntryTimestamp": STANDARD.encode(log.sign(&promise)),
            "inclusionProof": {
                "checkpoint": checkpoint, "hashes": [], "logIndex": 0, "rootHash": root.hex(), "treeSize": 1}}});
    (StatusCode::CREATED, Json(json!({ root.hex(): answer })))
}
