//! The log over HTTP: RFC 6962 section 4.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use der::{Decode, Encode};
use serde::Deserialize;
use serde_json::{Value, json};
use x509_cert::Certificate;

use super::wire::{self, Signed};
use super::{CtLog, POISON};
use crate::sigstore::keys::sha256;
use crate::sigstore::log::Record;
use crate::sigstore::public_key::PublicKey;

/// So many entries are given at once, at most.
const ENTRIES: u64 = 256;
/// The longest chain that is taken.
const CHAIN_LIMIT: usize = 10;

type Parameters = Query<HashMap<String, String>>;

pub(super) fn router(log: Arc<CtLog>) -> Router {
    Router::new()
        .route("/ct/v1/add-chain", post(add_chain))
        .route("/ct/v1/add-pre-chain", post(add_pre_chain))
        .route("/ct/v1/get-sth", get(get_sth))
        .route("/ct/v1/get-sth-consistency", get(get_sth_consistency))
        .route("/ct/v1/get-proof-by-hash", get(get_proof_by_hash))
        .route("/ct/v1/get-entries", get(get_entries))
        .route("/ct/v1/get-roots", get(get_roots))
        .route("/ct/v1/get-entry-and-proof", get(get_entry_and_proof))
        .with_state(log)
}

/// A refusal: 400 and a line of text.
struct Refusal(StatusCode, String);

impl Refusal {
    fn bad(message: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, message.into())
    }

    fn broken(message: impl std::fmt::Display) -> Self {
        Self(StatusCode::INTERNAL_SERVER_ERROR, message.to_string())
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, format!("{}\n", self.1)).into_response()
    }
}

#[derive(Deserialize)]
struct Chain {
    chain: Vec<String>,
}

async fn add_chain(State(log): State<Arc<CtLog>>, body: Bytes) -> Result<Json<Value>, Refusal> {
    let chain = parse_chain(&body)?;
    let (first, rest) = chain.split_first().ok_or_else(|| Refusal::bad("the chain is empty"))?;
    if is_poisoned(&first.certificate) {
        return Err(Refusal::bad("the first certificate is a precertificate: use add-pre-chain"));
    }
    let signed = Signed::Certificate(first.der.clone());
    let rest: Vec<_> = rest.iter().map(|link| link.der.clone()).collect();
    answer(&log, &signed, None, &rest).await
}

async fn add_pre_chain(State(log): State<Arc<CtLog>>, body: Bytes) -> Result<Json<Value>, Refusal> {
    let chain = parse_chain(&body)?;
    let [first, issuer, ..] = chain.as_slice() else {
        return Err(Refusal::bad("a precertificate must be followed by its issuer"));
    };
    if !is_poisoned(&first.certificate) {
        return Err(Refusal::bad("the first certificate is no precertificate: use add-chain"));
    }
    let mut tbs = first.certificate.tbs_certificate.clone();
    if let Some(extensions) = &mut tbs.extensions {
        extensions.retain(|extension| extension.extn_id != POISON);
    }
    let tbs = tbs.to_der().map_err(Refusal::broken)?;
    let issuer_key = issuer.certificate.tbs_certificate.subject_public_key_info.to_der();
    let issuer_key_hash = sha256(&issuer_key.map_err(Refusal::broken)?);
    let signed = Signed::Precertificate { issuer_key_hash, tbs };
    let rest: Vec<_> = chain.iter().skip(1).map(|link| link.der.clone()).collect();
    answer(&log, &signed, Some(&first.der), &rest).await
}

async fn answer(
    log: &CtLog,
    signed: &Signed,
    submitted: Option<&[u8]>,
    chain: &[Vec<u8>],
) -> Result<Json<Value>, Refusal> {
    let timestamp = log.add(signed, submitted, chain).await.map_err(Refusal::broken)?;
    let signature = wire::digitally_signed(&timestamp.signature).map_err(Refusal::broken)?;
    Ok(Json(json!({
        "sct_version": 0,
        "id": STANDARD.encode(log.key.id()),
        "timestamp": timestamp.milliseconds,
        "extensions": "",
        "signature": STANDARD.encode(signature),
    })))
}

struct Link {
    der: Vec<u8>,
    certificate: Certificate,
}

/// The chain, each certificate signed by the next. It may end in any root: this log keeps out nobody, as it
/// serves Fulcios of others too; but it logs nothing that its issuer did not sign.
fn parse_chain(body: &[u8]) -> Result<Vec<Link>, Refusal> {
    let chain: Chain = serde_json::from_slice(body)
        .map_err(|error| Refusal::bad(format!("the body is not {{\"chain\": [BASE64, …]}}: {error}")))?;
    if chain.chain.len() > CHAIN_LIMIT {
        return Err(Refusal::bad(format!("the chain has more than {CHAIN_LIMIT} certificates")));
    }
    let mut links: Vec<Link> = Vec::new();
    for (index, text) in chain.chain.iter().enumerate() {
        let der = STANDARD.decode(text);
        let der = der.map_err(|error| Refusal::bad(format!("certificate {index} is not base64: {error}")))?;
        let certificate = Certificate::from_der(&der);
        let certificate =
            certificate.map_err(|error| Refusal::bad(format!("certificate {index} is not DER: {error}")))?;
        if let Some(previous) = links.last() {
            check_issuer(&previous.certificate, &der, &certificate)
                .map_err(|why| Refusal::bad(format!("certificate {} {why}", index - 1)))?;
        }
        links.push(Link { der, certificate });
    }
    Ok(links)
}

fn check_issuer(subject: &Certificate, issuer_der: &[u8], issuer: &Certificate) -> Result<(), &'static str> {
    if subject.tbs_certificate.issuer != issuer.tbs_certificate.subject {
        return Err("names another issuer than the certificate that follows it");
    }
    let key =
        PublicKey::from_certificate(issuer_der).map_err(|_| "is followed by a key that is not accepted")?;
    let tbs = subject.tbs_certificate.to_der().map_err(|_| "cannot be encoded")?;
    match key.verifies(&tbs, subject.signature.raw_bytes()) {
        true => Ok(()),
        false => Err("is not signed by the certificate that follows it"),
    }
}

fn is_poisoned(certificate: &Certificate) -> bool {
    let mut extensions = certificate.tbs_certificate.extensions.iter().flatten();
    extensions.any(|extension| extension.extn_id == POISON && extension.critical)
}

async fn get_sth(State(log): State<Arc<CtLog>>) -> Result<Json<Value>, Refusal> {
    let (size, root) = log.head();
    let now = u64::try_from(log.clock.now().as_millisecond()).unwrap_or(0);
    let signature = log.key.sign(&wire::tree_head_input(now, size, &root)).map_err(Refusal::broken)?;
    let signature = wire::digitally_signed(&signature).map_err(Refusal::broken)?;
    Ok(Json(json!({
        "tree_size": size,
        "timestamp": now,
        "sha256_root_hash": STANDARD.encode(root),
        "tree_head_signature": STANDARD.encode(signature),
    })))
}

async fn get_sth_consistency(
    State(log): State<Arc<CtLog>>,
    Query(parameters): Parameters,
) -> Result<Json<Value>, Refusal> {
    let (first, second) = (number(&parameters, "first")?, number(&parameters, "second")?);
    let proof = log.log.consistency(first, second);
    let proof =
        proof.ok_or_else(|| Refusal::bad("first and second must be tree sizes, the smaller first"))?;
    Ok(Json(json!({"consistency": hashes(&proof)})))
}

async fn get_proof_by_hash(
    State(log): State<Arc<CtLog>>,
    Query(parameters): Parameters,
) -> Result<Json<Value>, Refusal> {
    let size = number(&parameters, "tree_size")?;
    let hash = parameters.get("hash").and_then(|hash| STANDARD.decode(hash).ok());
    let hash = hash.and_then(|hash| hash.try_into().ok());
    let hash = hash.ok_or_else(|| Refusal::bad("hash must be 32 bytes in base64"))?;
    let missing = || Refusal(StatusCode::NOT_FOUND, "no such leaf in a tree of this size".to_owned());
    let index = log.log.find(&hash).ok_or_else(missing)?;
    let path = log.log.inclusion(index, size).ok_or_else(missing)?;
    Ok(Json(json!({"leaf_index": index, "audit_path": hashes(&path)})))
}

async fn get_entries(
    State(log): State<Arc<CtLog>>,
    Query(parameters): Parameters,
) -> Result<Json<Value>, Refusal> {
    let (start, end) = (number(&parameters, "start")?, number(&parameters, "end")?);
    let (size, _) = log.head();
    if start > end || start >= size {
        return Err(Refusal::bad(format!("start and end must lie in 0..{size}, the smaller first")));
    }
    let count = (end.min(size - 1) - start + 1).min(ENTRIES);
    let entries = read(&log, start, count)?;
    let entries: Vec<_> = entries
        .iter()
        .map(|record| {
            json!({
                "leaf_input": STANDARD.encode(&record.leaf),
                "extra_data": STANDARD.encode(&record.extra),
            })
        })
        .collect();
    Ok(Json(json!({"entries": entries})))
}

async fn get_entry_and_proof(
    State(log): State<Arc<CtLog>>,
    Query(parameters): Parameters,
) -> Result<Json<Value>, Refusal> {
    let (index, size) = (number(&parameters, "leaf_index")?, number(&parameters, "tree_size")?);
    let path = log.log.inclusion(index, size);
    let path = path.ok_or_else(|| {
        Refusal::bad("leaf_index must be below tree_size, and that no larger than the tree")
    })?;
    let entries = read(&log, index, 1)?;
    let record = entries.first().ok_or_else(|| Refusal::broken("no entry"))?;
    Ok(Json(json!({
        "leaf_input": STANDARD.encode(&record.leaf),
        "extra_data": STANDARD.encode(&record.extra),
        "audit_path": hashes(&path),
    })))
}

async fn get_roots(State(log): State<Arc<CtLog>>) -> Json<Value> {
    Json(json!({"certificates": [STANDARD.encode(&log.root)]}))
}

fn read(log: &CtLog, start: u64, count: u64) -> Result<Vec<Record>, Refusal> {
    let entries = usize::try_from(count).ok().and_then(|count| log.log.entries(start, count));
    entries.ok_or_else(|| Refusal::bad("no such entries"))?.map_err(Refusal::broken)
}

fn number(parameters: &HashMap<String, String>, name: &str) -> Result<u64, Refusal> {
    let value = parameters.get(name).ok_or_else(|| Refusal::bad(format!("{name} is missing")))?;
    value.parse().map_err(|_| Refusal::bad(format!("{name}={value} is no number")))
}

fn hashes(hashes: &[[u8; 32]]) -> Vec<String> {
    hashes.iter().map(|hash| STANDARD.encode(hash)).collect()
}
