//! A TUF repository (The Update Framework 1.0) with what clients need to know: the trust root and the signing
//! config, so that their own ways of fetching these are exercised.
//!
//! Two keys: one signs the root, the other everything else. Files are kept, and written anew at a start when
//! what they say has changed (another port is another address) or half of their time is over; versions only
//! go up, and every root that there ever was stays, because clients walk from the one they know to the last.

mod canonical;
mod role;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::extract::{Path as UrlPath, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::keys::{KeyError, SigningKey, sha256};
use role::{Role, Signed};

/// Under which path of the sandbox the repository lies.
pub(crate) const PATH: &str = "/tuf";

const ROOT_LIFETIME: SignedDuration = SignedDuration::from_hours(10 * 365 * 24);
/// Of everything else: a sandbox that runs on and on is not renewed meanwhile.
const LIFETIME: SignedDuration = SignedDuration::from_hours(2 * 365 * 24);

/// A TUF repository that could not be made or taken up.
#[derive(Debug, thiserror::Error)]
pub enum TufError {
    /// A key failed.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A key could not be written as text.
    #[error("a TUF key cannot be written as PEM: {0}")]
    Pem(#[from] der::Error),
    /// A file could not be read or written.
    #[error("TUF file {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file is not what was written.
    #[error(
        "TUF file {} is damaged: restore it, or start with a new data folder (clients then need its root anew)",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The root names another key than the one that is there.
    #[error(
        "TUF file {} was signed with another key than the sandbox has: restore both, or start with a new data folder",
        path.display()
    )]
    Foreign {
        /// The root.
        path: PathBuf,
    },
}

/// The repository.
pub(crate) struct Tuf {
    /// Path below [`PATH`] to content.
    files: BTreeMap<String, Bytes>,
}

/// The repository's keys.
pub(crate) struct Keys {
    /// Signs the root.
    pub(crate) root: SigningKey,
    /// Signs targets, snapshot and timestamp.
    pub(crate) online: SigningKey,
}

impl Tuf {
    /// The repository in `folder` with these targets: made, taken up, or brought up to date.
    pub(crate) fn open(
        folder: &Path,
        keys: &Keys,
        targets: &[(&str, Vec<u8>)],
        now: Timestamp,
    ) -> Result<Self, TufError> {
        fs::create_dir_all(folder).map_err(|source| TufError::File { path: folder.to_owned(), source })?;
        let mut files = BTreeMap::new();
        let root = roots(folder, keys, now, &mut files)?;
        files.insert("root.json".to_owned(), root.bytes.into());

        let described: Map<_, _> =
            targets.iter().map(|(name, bytes)| ((*name).to_owned(), role::reference(bytes, None))).collect();
        let online = |kind, body| Role { kind, body, lifetime: LIFETIME, key: &keys.online };
        let one = |name: &str, value: Value| Map::from_iter([(name.to_owned(), value)]);

        let listed = online("targets", one("targets", Value::Object(described)));
        let listed = listed.renew(&folder.join("targets.json"), now)?;
        let meta = json!({"targets.json": role::reference(&listed.bytes, Some(listed.version))});
        let snapshot = online("snapshot", one("meta", meta)).renew(&folder.join("snapshot.json"), now)?;
        let meta = json!({"snapshot.json": role::reference(&snapshot.bytes, Some(snapshot.version))});
        let timestamp = online("timestamp", one("meta", meta)).renew(&folder.join("timestamp.json"), now)?;

        files.insert("timestamp.json".to_owned(), timestamp.bytes.into());
        files.insert(format!("{}.snapshot.json", snapshot.version), snapshot.bytes.into());
        files.insert(format!("{}.targets.json", listed.version), listed.bytes.into());
        for (name, bytes) in targets {
            let bytes = Bytes::from(bytes.clone());
            files.insert(format!("targets/{}.{name}", hex::encode(sha256(&bytes))), bytes.clone());
            files.insert(format!("targets/{name}"), bytes);
        }
        Ok(Self { files })
    }

    /// The first root: where trust in this repository begins.
    pub(crate) fn first_root(&self) -> &[u8] {
        self.files.get("1.root.json").map_or(&[], |bytes| bytes)
    }

    /// The addresses, below [`PATH`].
    pub(crate) fn router(self: &Arc<Self>) -> Router {
        Router::new().route("/tuf/{*path}", get(file)).with_state(Arc::clone(self))
    }
}

/// All roots so far into `files`, and the last one, which is made or renewed.
fn roots(
    folder: &Path,
    keys: &Keys,
    now: Timestamp,
    files: &mut BTreeMap<String, Bytes>,
) -> Result<Signed, TufError> {
    let (root_id, root_key) = role::key(&keys.root)?;
    let (online_id, online_key) = role::key(&keys.online)?;
    let by = |id: &str| json!({"keyids": [id], "threshold": 1});
    let body = json!({
        "consistent_snapshot": true,
        "keys": {(root_id.clone()): root_key, (online_id.clone()): online_key},
        "roles": {
            "root": by(&root_id),
            "targets": by(&online_id),
            "snapshot": by(&online_id),
            "timestamp": by(&online_id),
        },
    });
    let Value::Object(body) = body else { return Err(TufError::Damaged { path: folder.to_owned() }) };
    let role = Role { kind: "root", body, lifetime: ROOT_LIFETIME, key: &keys.root };

    let name = |version: u64| format!("{version}.root.json");
    let mut last = 0;
    while let Some(bytes) = role::read(&folder.join(name(last + 1)))? {
        last += 1;
        files.insert(name(last), bytes.into());
    }
    if last > 0 {
        let path = folder.join(name(last));
        if let (Some(kept), _) = role.kept(&path, now)? {
            return Ok(kept);
        }
        // A root that its predecessor's key did not sign would lock every client out.
        let before: Option<Value> =
            files.get(&name(last)).and_then(|bytes| serde_json::from_slice(bytes).ok());
        if before.is_none_or(|before| before["signed"]["roles"]["root"]["keyids"][0] != root_id) {
            return Err(TufError::Foreign { path });
        }
    }
    let signed = role.sign(last + 1, now)?;
    role::write(&folder.join(name(signed.version)), &signed.bytes)?;
    files.insert(name(signed.version), signed.bytes.clone().into());
    Ok(signed)
}

async fn file(State(tuf): State<Arc<Tuf>>, UrlPath(path): UrlPath<String>) -> Response {
    match tuf.files.get(&path) {
        Some(bytes) => ([(header::CONTENT_TYPE, "application/json")], bytes.clone()).into_response(),
        None => (StatusCode::NOT_FOUND, format!("the TUF repository has no {path}\n")).into_response(),
    }
}
