//! Cosign's old evidence: the tag `sha256-HEX.att`, whose layers are DSSE envelopes, with what proves them in
//! annotations (<https://github.com/sigstore/cosign/blob/main/specs/ATTESTATION_SPEC.md>, and
//! `SIGNATURE_SPEC.md` for the annotations).
//!
//! Each is made into a bundle of version 0.1, and verified as one. What it carries of the log is the log's
//! signed promise alone, which the verdict says.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use loadline_core::Digest;
use serde::Deserialize;
use serde_json::{Value, json};
use thiserror::Error;

/// What such a layer's media type is.
pub(crate) const DSSE: &str = "application/vnd.dsse.envelope.v1+json";

const CERTIFICATE: &str = "dev.sigstore.cosign/certificate";
const BUNDLE: &str = "dev.sigstore.cosign/bundle";
const TIMESTAMP: &str = "dev.sigstore.cosign/rfc3161timestamp";

/// Why old evidence cannot be made into a bundle.
#[derive(Debug, Error)]
pub(crate) enum AttError {
    #[error("the layer is no DSSE envelope: {0}")]
    Envelope(serde_json::Error),
    #[error("its annotation `{annotation}` cannot be read: {reason}")]
    Annotation { annotation: &'static str, reason: String },
}

/// The tag under which cosign keeps the attestations of a digest.
pub(crate) fn tag(subject: &Digest) -> String {
    format!("{}-{}.att", subject.algorithm().name(), subject.hex())
}

#[derive(Deserialize)]
struct RekorBundle {
    #[serde(rename = "SignedEntryTimestamp")]
    promise: String,
    #[serde(rename = "Payload")]
    payload: RekorPayload,
}

#[derive(Deserialize)]
struct RekorPayload {
    body: String,
    #[serde(rename = "integratedTime")]
    integrated_time: i64,
    #[serde(rename = "logIndex")]
    log_index: u64,
    #[serde(rename = "logID")]
    log_id: String,
}

#[derive(Deserialize)]
struct Timestamp {
    #[serde(rename = "SignedRFC3161Timestamp")]
    signed: String,
}

#[derive(Deserialize)]
struct Kind {
    kind: String,
    #[serde(rename = "apiVersion")]
    version: String,
}

/// A layer and its annotations as a bundle of version 0.1.
///
/// Of the certificates only the leaf is taken: what it leads to is the trust root's to say, and a root in a
/// bundle is refused.
pub(crate) fn bundle(envelope: &[u8], annotations: &BTreeMap<String, String>) -> Result<Vec<u8>, AttError> {
    let envelope: Value = serde_json::from_slice(envelope).map_err(AttError::Envelope)?;
    let mut material = match annotations.get(CERTIFICATE).filter(|pem| !pem.is_empty()) {
        Some(pem) => json!({"x509CertificateChain": {"certificates": [{"rawBytes": leaf(pem)?}]}}),
        None => json!({"publicKey": {"hint": ""}}),
    };
    material["tlogEntries"] = match annotations.get(BUNDLE) {
        Some(text) => json!([entry(text)?]),
        None => json!([]),
    };
    if let Some(text) = annotations.get(TIMESTAMP) {
        let stamp: Timestamp = parse(TIMESTAMP, text.as_bytes())?;
        material["timestampVerificationData"] =
            json!({"rfc3161Timestamps": [{"signedTimestamp": stamp.signed}]});
    }
    let bundle = json!({
        "mediaType": "application/vnd.dev.sigstore.bundle+json;version=0.1",
        "verificationMaterial": material,
        "dsseEnvelope": envelope,
    });
    Ok(bundle.to_string().into_bytes())
}

fn parse<'a, T: Deserialize<'a>>(annotation: &'static str, text: &'a [u8]) -> Result<T, AttError> {
    serde_json::from_slice(text)
        .map_err(|error| AttError::Annotation { annotation, reason: error.to_string() })
}

/// The first certificate of a PEM text, as base64 of its DER.
fn leaf(pem: &str) -> Result<String, AttError> {
    let body = pem
        .split_once("-----BEGIN CERTIFICATE-----")
        .and_then(|(_, rest)| rest.split_once("-----END CERTIFICATE-----"))
        .map(|(body, _)| body.split_whitespace().collect::<String>());
    body.ok_or_else(|| AttError::Annotation {
        annotation: CERTIFICATE,
        reason: "it is no certificate in PEM".to_owned(),
    })
}

fn entry(text: &str) -> Result<Value, AttError> {
    let refuse = |reason: String| AttError::Annotation { annotation: BUNDLE, reason };
    let RekorBundle { promise, payload } = parse(BUNDLE, text.as_bytes())?;
    let body = STANDARD.decode(&payload.body).map_err(|error| refuse(error.to_string()))?;
    let kind: Kind = parse(BUNDLE, &body)?;
    let id = payload
        .log_id
        .as_bytes()
        .chunks(2)
        .map(|pair| std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok()));
    let id: Vec<u8> =
        id.collect::<Option<_>>().ok_or_else(|| refuse("its log ID is not in hexadecimal".to_owned()))?;
    Ok(json!({
        "logIndex": payload.log_index.to_string(),
        "logId": {"keyId": STANDARD.encode(id)},
        "kindVersion": {"kind": kind.kind, "version": kind.version},
        "integratedTime": payload.integrated_time.to_string(),
        "inclusionPromise": {"signedEntryTimestamp": promise},
        "canonicalizedBody": payload.body,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cosign_writes_becomes_a_bundle() {
        let body = STANDARD.encode(r#"{"apiVersion":"0.0.1","kind":"dsse","spec":{}}"#);
        let rekor = json!({"SignedEntryTimestamp": "AAAA", "Payload": {
            "body": body, "integratedTime": 1_700_000_000, "logIndex": 42, "logID": "00ff"}});
        let annotations = BTreeMap::from([
            (
                CERTIFICATE.to_owned(),
                "-----BEGIN CERTIFICATE-----\nAA\nBB\n-----END CERTIFICATE-----\n".to_owned(),
            ),
            (BUNDLE.to_owned(), rekor.to_string()),
            (TIMESTAMP.to_owned(), r#"{"SignedRFC3161Timestamp":"CCCC"}"#.to_owned()),
        ]);
        let envelope =
            json!({"payload": "e30=", "payloadType": "t", "signatures": [{"keyid": "", "sig": "s"}]});
        let bytes = bundle(envelope.to_string().as_bytes(), &annotations).unwrap();
        let value: Value = serde_json::from_slice(&bytes).unwrap();
        let material = &value["verificationMaterial"];
        assert_eq!(material["x509CertificateChain"]["certificates"][0]["rawBytes"], "AABB");
        assert_eq!(
            material["tlogEntries"][0],
            json!({
            "logIndex": "42", "logId": {"keyId": "AP8="}, "kindVersion": {"kind": "dsse", "version": "0.0.1"},
            "integratedTime": "1700000000", "inclusionPromise": {"signedEntryTimestamp": "AAAA"},
            "canonicalizedBody": body})
        );
        assert_eq!(material["timestampVerificationData"]["rfc3161Timestamps"][0]["signedTimestamp"], "CCCC");
        assert_eq!(value["dsseEnvelope"], envelope);
        let by_key = bundle(envelope.to_string().as_bytes(), &BTreeMap::new()).unwrap();
        let value: Value = serde_json::from_slice(&by_key).unwrap();
        assert_eq!(value["verificationMaterial"], json!({"publicKey": {"hint": ""}, "tlogEntries": []}));
    }

    #[test]
    fn what_is_no_such_thing_says_why() {
        let with = |name: &str, text: &str| {
            let annotations = BTreeMap::from([(name.to_owned(), text.to_owned())]);
            bundle(b"{}", &annotations).unwrap_err().to_string()
        };
        assert!(bundle(b"hello", &BTreeMap::new()).unwrap_err().to_string().contains("no DSSE envelope"));
        assert!(with(CERTIFICATE, "hello").contains("certificate"));
        assert!(with(BUNDLE, "hello").contains("cosign/bundle"));
        let odd = r#"{"SignedEntryTimestamp":"A","Payload":{"body":"e30=","integratedTime":1,"logIndex":1,"logID":"zz"}}"#;
        assert!(with(BUNDLE, odd).contains("kind"));
        assert!(with(TIMESTAMP, "{}").contains("rfc3161"));
    }
}
