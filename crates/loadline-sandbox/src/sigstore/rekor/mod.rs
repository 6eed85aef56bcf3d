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

use super::keys::SigningKey;
use super::log::{Kind, Log, LogError, leaf_hash};
use super::status::Status;

/// The largest entry: an entry bundle gives its length in two bytes.
const ENTRY_LIMIT: usize = 65_535;
const DUPLICATE_INDEX: HeaderName = HeaderName::from_static("x-log-index");

/// The log.
pub(crate) struct Rekor {
    pub(crate) key: Arc<SigningKey>,
    pub(crate) log: Log,
}

impl Rekor {
    /// Opens the log in `folder`. `origin` names it in checkpoints: the host of its address, as clients
    /// compare it with their trust root.
    pub(crate) fn open(folder: &Path, key: SigningKey, origin: String) -> Result<Self, LogError> {
        let key = Arc::new(key);
        let signer = Arc::clone(&key);
        let kind = Kind {
            key: leaf_hash,
            seal: Box::new(move |size, root| checkpoint::sign(&origin, size, root, &signer)),
        };
        Ok(Self { key, log: Log::open(folder, kind)? })
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
