//! Asking the logs whether they still bear out what their entries prove.

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt};
use loadline_core::{Digest, Failure, Finding};
use loadline_sigstore::{Expected, Verifier, online};

use crate::verify::Collected;

/// How many bundles are asked for at once.
const PARALLEL: usize = 8;

/// What came of asking for a bundle that verified, by the bundle's digest.
pub type Asked = BTreeMap<Digest, Result<(), NotBorne>>;

/// Why a bundle's entry is not borne out.
#[derive(Debug, Clone)]
pub enum NotBorne {
    /// The log contradicts it.
    Wrong(Finding),
    /// The log could not be asked.
    Unknown(Failure),
}

/// Asks the log of each bundle that verifies, once. A bundle without a log entry is of an instance without a
/// log, and there is nobody to ask.
pub async fn ask_logs(collected: &Collected, verifier: &Verifier, client: &reqwest::Client) -> Asked {
    let places = collected.places();
    let mut found = BTreeMap::new();
    for one in collected.hanging.values().flat_map(|hanging| &hanging.found) {
        let logged = |proof: loadline_core::proof::Proof| proof.log.is_some();
        if verifier.verify_any(&one.bytes, Expected::OneOf(&places)).is_ok_and(logged) {
            found.insert(one.digest.clone(), one.bytes.clone());
        }
    }
    stream::iter(found)
        .map(|(digest, bytes)| async move {
            let result = match online::prove(&bytes, verifier.roots(), client).await {
                Ok(_) => Ok(()),
                Err(error) => Err(match error.judge() {
                    Ok(finding) => NotBorne::Wrong(finding),
                    Err(failure) => NotBorne::Unknown(failure),
                }),
            };
            (digest, result)
        })
        .buffer_unordered(PARALLEL)
        .collect()
        .await
}
