//! The transparency log, with the API of Rekor v2.

mod checkpoint;
mod entry;
mod tiles;

use std::path::Path;
use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::json;

use super::keys::{KeyError, SigningKey, sha256};
use super::log::{Kind, Log, LogError, leaf_hash};
use super::status::Status;

/// The largest entry: an entry bundle gives its length in two bytes.
const ENTRY_LIMIT: usize = 65_535;
const DUPLICATE_INDEX: HeaderName = HeaderName::from_static("x-log-index");

/// What the first entry of every log is about.
const GENESIS: &[u8] = b"the first entry of a loadline sandbox";

/// A transparency log that could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum RekorError {
    /// Its entries.
    #[error(transparent)]
    Log(#[from] LogError),
    /// Its first entry could not be signed.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Its first entry could not be made.
    #[error("the transparency log's first entry: {0}")]
    Genesis(String),
}

/// The log.
pub(crate) struct Rekor {
    pub(crate) key: Arc<SigningKey>,
    pub(crate) log: Log,
}

impl Rekor {
    /// Opens the log in `folder`. `origin` names it in checkpoints: the host of its address, as clients
    /// compare it with their trust root.
    pub(crate) fn open(folder: &Path, key: SigningKey, origin: String) -> Result<Self, RekorError> {
        let key = Arc::new(key);
        let signer = Arc::clone(&key);
        let kind = Kind {
            key: leaf_hash,
            seal: Box::new(move |size, root| checkpoint::sign(&origin, size, root, &signer)),
        };
        let log = Log::open(folder, kind)?;
        if log.head().0 == 0 {
            log.append_blocking(genesis(&key)?, Vec::new())?;
        }
        Ok(Self { key, log })
    }

    /// The addresses, `/api/v2/…`.
    pub(crate) fn router(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/api/v2/log/entries", post(create_entry))
            .route("/api/v2/checkpoint", get(tiles::checkpoint))
            .route("/api/v2/tile/{level}/{*rest}", get(tiles::tile))
            .with_state(Arc::clone(self))
    }
}

/// The first entry, signed with the log's own key.
///
/// Nobody else's entry may be number 0 of a tree of one: Protobuf's JSON leaves out zeros and empty lists,
/// and sigstore-python 4.5 refuses a bundle whose `logIndex` and `hashes` are left out.
fn genesis(key: &SigningKey) -> Result<Vec<u8>, RekorError> {
    let request = json!({"hashedRekordRequestV002": {
        "digest": STANDARD.encode(sha256(GENESIS)),
        "signature": {
            "content": STANDARD.encode(key.sign(GENESIS)?),
            "verifier": {
                "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                "publicKey": {"rawBytes": STANDARD.encode(key.spki())},
            },
        },
    }});
    let entry = entry::parse(request.to_string().as_bytes());
    Ok(entry.map_err(|error| RekorError::Genesis(error.to_string()))?.body)
}

async fn create_entry(State(rekor): State<Arc<Rekor>>, request: Bytes) -> Result<Response, Response> {
    let refuse = |status: Status| status.into_response();
    let checked = entry::parse(&request);
    let checked = checked.map_err(|error| refuse(Status::invalid_argument(error.to_string())))?;
    if checked.body.len() > ENTRY_LIMIT {
        let message = format!(
            "invalid {} request: an entry of {} bytes is over the limit of {ENTRY_LIMIT}",
            checked.kind,
            checked.body.len()
        );
        return Err(refuse(Status::invalid_argument(message)));
    }
    let logged = rekor.log.append(checked.body.clone(), Vec::new()).await.map_err(|error| match error {
        LogError::Duplicate { index } => {
            let mut response = refuse(Status::already_exists(error.to_string()));
            response.headers_mut().insert(DUPLICATE_INDEX, HeaderValue::from(index));
            response
        }
        error => refuse(Status::internal(format!("failed to integrate entry: {error}"))),
    })?;
    let hashes: Vec<_> = logged.proof.iter().map(|hash| STANDARD.encode(hash)).collect();
    let answer = json!({
        "logIndex": logged.index.to_string(),
        "logId": {"keyId": STANDARD.encode(rekor.key.id())},
        "kindVersion": {"kind": checked.kind, "version": entry::VERSION},
        "inclusionProof": {
            "logIndex": logged.index.to_string(),
            "rootHash": STANDARD.encode(logged.root),
            "treeSize": logged.size.to_string(),
            "hashes": hashes,
            "checkpoint": {"envelope": &*logged.seal},
        },
        "canonicalizedBody": STANDARD.encode(&checked.body),
    });
    Ok((StatusCode::CREATED, Json(answer)).into_response())
}
