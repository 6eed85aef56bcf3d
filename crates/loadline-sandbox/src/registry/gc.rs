//! Garbage collection: what no repository needs any longer.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, UNIX_EPOCH};

use loadline_core::{Clock, Digest};

use super::catalog;
use super::names::Name;
use super::store::{At as _, Kind, Store, StoreError};
use super::validate;

/// What a collection removed, or would remove.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Collected {
    /// Blobs taken out of a repository because none of its manifests speaks of them.
    pub unlinked: Vec<(String, Digest)>,
    /// Content removed from the disk because no repository has it.
    pub content: Vec<Digest>,
    /// Bytes of that content.
    pub bytes: u64,
    /// Uploads that nobody went on with.
    pub uploads: Vec<String>,
    /// Manifests that could not be read; nothing of their repository was taken away.
    pub unreadable: Vec<(String, Digest)>,
}

/// Collects what is older than `age`; with `dry_run` only says what that is. Manifests are kept whether
/// they are tagged or not: many are pulled by digest only.
pub(super) fn collect(
    store: &Store,
    clock: Clock,
    age: Duration,
    dry_run: bool,
) -> Result<Collected, StoreError> {
    let _alone = store.collecting();
    let mut found = Collected::default();
    let old = |path: &Path| is_old(path, clock, age);
    let mut linked = HashSet::new();
    for name in catalog::names(store)? {
        let manifests = links(store, &name, Kind::Manifest)?;
        let mut needed = HashSet::new();
        let mut readable = true;
        for digest in manifests {
            match needs(store, &digest)? {
                Some(digests) => needed.extend(digests),
                None => {
                    readable = false;
                    found.unreadable.push((name.as_str().to_owned(), digest.clone()));
                }
            }
            linked.insert(digest);
        }
        for digest in links(store, &name, Kind::Blob)? {
            let link = store.link(&name, Kind::Blob, &digest);
            if readable && !needed.contains(&digest) && old(&link)? {
                if !dry_run {
                    store.remove(&link)?;
                }
                found.unlinked.push((name.as_str().to_owned(), digest));
            } else {
                linked.insert(digest);
            }
        }
    }
    for digest in contents(store)? {
        let path = store.content(&digest);
        if linked.contains(&digest) || !old(&path)? {
            continue;
        }
        found.bytes += store.content_len(&digest)?.unwrap_or(0);
        if !dry_run {
            store.remove(&path)?;
        }
        found.content.push(digest);
    }
    abandoned(store, dry_run, old, &mut found)?;
    Ok(found)
}

/// An upload is as old as the last byte that came.
fn abandoned(
    store: &Store,
    dry_run: bool,
    old: impl Fn(&Path) -> Result<bool, StoreError>,
    found: &mut Collected,
) -> Result<(), StoreError> {
    let folder = store.uploads();
    let mut ids: Vec<String> = store
        .list(&folder)?
        .into_iter()
        .filter_map(|file| file.split_once('.').map(|(id, _)| id.to_owned()))
        .collect();
    ids.dedup();
    for id in ids {
        // The record first: without it nobody takes the rest up.
        let files = [folder.join(format!("{id}.json")), folder.join(format!("{id}.data"))];
        if !(old(&files[0])? && old(&files[1])?) {
            continue;
        }
        if !dry_run {
            for file in &files {
                store.remove(file)?;
            }
        }
        found.uploads.push(id);
    }
    Ok(())
}

/// The digests that a manifest speaks of; none when it cannot be read.
fn needs(store: &Store, digest: &Digest) -> Result<Option<Vec<Digest>>, StoreError> {
    let Some(bytes) = store.read(&store.content(digest))? else { return Ok(None) };
    if !digest.matches(&bytes) {
        return Ok(None);
    }
    let checked = validate::check(&bytes, None, digest).ok();
    Ok(checked.map(|checked| checked.needed.into_iter().map(|needed| needed.digest).collect()))
}

fn links(store: &Store, name: &Name, kind: Kind) -> Result<Vec<Digest>, StoreError> {
    let folder = store.repository(name).join(kind.folder());
    let mut digests = Vec::new();
    for algorithm in store.list(&folder)? {
        for hex in store.list(&folder.join(&algorithm))? {
            digests.extend(format!("{algorithm}:{hex}").parse::<Digest>().ok());
        }
    }
    Ok(digests)
}

fn contents(store: &Store) -> Result<Vec<Digest>, StoreError> {
    let folder = store.blobs();
    let mut digests = Vec::new();
    for algorithm in store.list(&folder)? {
        for two in store.list(&folder.join(&algorithm))? {
            for hex in store.list(&folder.join(&algorithm).join(&two))? {
                digests.extend(format!("{algorithm}:{hex}").parse::<Digest>().ok());
            }
        }
    }
    Ok(digests)
}

/// A file that is gone is old enough.
fn is_old(path: &Path, clock: Clock, age: Duration) -> Result<bool, StoreError> {
    let metadata = match fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(true),
        Err(source) => return Err(StoreError { action: "read", path: path.to_owned(), source }),
    };
    let written = metadata.modified().at("read", path)?.duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = Duration::from_secs(u64::try_from(clock.now().as_second()).unwrap_or(0));
    Ok(written.saturating_add(age) <= now)
}
