//! Rekor v1: the log makes the proofs, the reader checks them
//! (<https://github.com/sigstore/rekor/blob/main/openapi.yaml>).

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use sigstore_merkle::{hash_leaf, verify_consistency_proof, verify_inclusion_proof};
use sigstore_types::{Sha256Hash, TransparencyLogEntry};

use super::{Borne, Log, OnlineError, old_head};

#[derive(Deserialize)]
struct Entry {
    body: String,
    verification: Verification,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Verification {
    inclusion_proof: Inclusion,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Inclusion {
    log_index: u64,
    tree_size: u64,
    hashes: Vec<String>,
    checkpoint: String,
}

#[derive(Deserialize)]
struct Consistency {
    #[serde(default)]
    hashes: Option<Vec<String>>,
}

pub(super) async fn prove(log: &Log<'_>, entry: &TransparencyLogEntry) -> Result<Borne, OnlineError> {
    let index = entry.log_index.get();
    let path = format!("/api/v1/log/entries?logIndex={index}");
    let answer: BTreeMap<String, Entry> = json(log, &path).await?;
    let fresh = match answer.into_values().next() {
        Some(fresh) => fresh,
        None => return Err(log.inconsistent(format!("it has no entry {index}"))),
    };
    let body = STANDARD
        .decode(&fresh.body)
        .map_err(|error| log.unreachable(format!("{path}: the entry cannot be read: {error}")))?;
    if body != entry.canonicalized_body.as_bytes() {
        return Err(log.inconsistent(format!("its entry {index} is not the bundle's")));
    }
    let proof = fresh.verification.inclusion_proof;
    let now = log.checkpoint(&proof.checkpoint)?;
    if now.tree_size() != proof.tree_size {
        return Err(log.inconsistent("its proof is of another tree than its checkpoint"));
    }
    let hashes = decode(log, &proof.hashes)?;
    let (size, root) = (now.tree_size(), *now.root_hash());
    verify_inclusion_proof(&hash_leaf(&body), proof.log_index, size, &hashes, &root)
        .map_err(|error| log.inconsistent(format!("its tree does not include entry {index}: {error}")))?;
    // A bundle with the promise alone carries no tree to compare with.
    let Some((old_size, old_root)) = old_head(entry) else {
        return Ok(Borne { tree_size: size, consistent: false });
    };
    if size < old_size {
        return Err(log.unreachable(format!(
            "it shows {size} entries and has signed a tree of {old_size} before: asked again, it may have caught up"
        )));
    }
    let hashes = if old_size == size {
        Vec::new()
    } else {
        // `rekor.sigstore.dev - 1193050959916656506`: a log of several shards names the tree after the dash.
        let tree = now.origin().rsplit_once(" - ").map_or("", |(_, id)| id);
        let tree = if tree.is_empty() { String::new() } else { format!("&treeID={tree}") };
        let path = format!("/api/v1/log/proof?firstSize={old_size}&lastSize={size}{tree}");
        let answer: Consistency = json(log, &path).await?;
        decode(log, &answer.hashes.unwrap_or_default())?
    };
    verify_consistency_proof(old_size, size, &hashes, &old_root, &root).map_err(|error| {
        log.inconsistent(format!("the bundle's tree of {old_size} entries is not its beginning: {error}"))
    })?;
    Ok(Borne { tree_size: size, consistent: true })
}

async fn json<T: serde::de::DeserializeOwned>(log: &Log<'_>, path: &str) -> Result<T, OnlineError> {
    let bytes = log.get(path).await?;
    serde_json::from_slice(&bytes).map_err(|error| log.unreachable(format!("{path}: {error}")))
}

fn decode(log: &Log<'_>, hashes: &[String]) -> Result<Vec<Sha256Hash>, OnlineError> {
    hashes
        .iter()
        .map(|text| Sha256Hash::from_hex(text).map_err(|error| log.unreachable(error.to_string())))
        .collect()
}
