//! Whether all arrived: the destination is asked for each thing, as whoever pulls it would.

use std::collections::{HashMap, HashSet};
use std::fmt;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use loadline_core::Digest;

use super::{blobs, is_foreign};
use crate::error::RegistryError;
use crate::repository::Repository;
use crate::walk::Item;

/// How many questions are under way at once.
const PARALLEL: usize = 8;

/// Something that did not arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Missing {
    /// What kind of thing.
    pub kind: MissingKind,
    /// Its digest.
    pub digest: Digest,
    /// The manifest that it belongs to.
    pub of: Digest,
    /// The tag, where it is one.
    pub tag: Option<String>,
}

/// What kind of thing did not arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MissingKind {
    /// A manifest.
    Manifest,
    /// A layer or a configuration.
    Blob,
    /// Evidence is there, but not listed among its subject's referrers.
    Listing,
    /// A tag of cosign's.
    Tag,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { digest, of, .. } = self;
        match self.kind {
            MissingKind::Manifest => write!(f, "the manifest {digest} did not arrive"),
            MissingKind::Blob => write!(f, "the blob {digest} of {of} did not arrive"),
            MissingKind::Listing => {
                write!(f, "{digest} arrived, but is not listed among the referrers of {of}")
            }
            MissingKind::Tag => {
                let tag = self.tag.as_deref().unwrap_or_default();
                write!(f, "the tag {tag} does not lead to {digest}")
            }
        }
    }
}

/// What is not there.
pub(super) async fn missing(items: &[Item], to: &Repository) -> Result<Vec<Missing>, RegistryError> {
    let mut missing = Vec::new();
    let manifests: Vec<bool> = stream::iter(items)
        .map(|item| async move {
            let found = to.resolve(&item.manifest.digest().to_string()).await?;
            Ok::<_, RegistryError>(found.is_some())
        })
        .buffered(PARALLEL)
        .try_collect()
        .await?;
    for (item, there) in items.iter().zip(manifests) {
        if !there {
            missing.push(of(item, MissingKind::Manifest, item.manifest.digest(), item.manifest.digest()));
        }
    }

    let mut asked = HashSet::new();
    let mut wanted = Vec::new();
    for item in items {
        for blob in blobs(item) {
            if !is_foreign(&blob) && asked.insert(blob.digest.clone()) {
                wanted.push((item, blob.digest));
            }
        }
    }
    let there: Vec<bool> =
        stream::iter(&wanted).map(|(_, digest)| to.has_blob(digest)).buffered(PARALLEL).try_collect().await?;
    for ((item, digest), there) in wanted.iter().zip(there) {
        if !there {
            missing.push(of(item, MissingKind::Blob, digest, item.manifest.digest()));
        }
    }
    listings(items, to, &mut missing).await?;

    for item in items {
        if let Some(tag) = &item.tag {
            let digest = item.manifest.digest();
            let led_to = to.resolve(tag).await?;
            if led_to.is_none_or(|standing| standing.digest != *digest) {
                missing.push(of(item, MissingKind::Tag, digest, item.of.as_ref().unwrap_or(digest)));
            }
        }
    }
    Ok(missing)
}

/// Evidence counts as arrived when its subject's referrers list it.
async fn listings(items: &[Item], to: &Repository, missing: &mut Vec<Missing>) -> Result<(), RegistryError> {
    let mut subjects: HashMap<Digest, Vec<&Item>> = HashMap::new();
    for item in items {
        if let Ok((_, Some(subject))) = item.manifest.as_referrer() {
            subjects.entry(subject.digest).or_default().push(item);
        }
    }
    let mut subjects: Vec<(Digest, Vec<&Item>)> = subjects.into_iter().collect();
    subjects.sort_by_cached_key(|(subject, _)| subject.to_string());
    let lists: Vec<HashSet<Digest>> = stream::iter(&subjects)
        .map(|(subject, _)| async move {
            let listed = to.referrers(subject).await?;
            Ok::<_, RegistryError>(listed.descriptors.into_iter().map(|listed| listed.digest).collect())
        })
        .buffered(PARALLEL)
        .try_collect()
        .await?;
    for ((subject, evidence), listed) in subjects.iter().zip(lists) {
        for item in evidence {
            if !listed.contains(item.manifest.digest()) {
                missing.push(of(item, MissingKind::Listing, item.manifest.digest(), subject));
            }
        }
    }
    Ok(())
}

fn of(item: &Item, kind: MissingKind, digest: &Digest, of: &Digest) -> Missing {
    Missing { kind, digest: digest.clone(), of: of.clone(), tag: item.tag.clone() }
}
