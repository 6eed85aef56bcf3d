//! Sending what belongs to an image: blobs, then what names them, wave by wave.

use std::collections::HashSet;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use loadline_core::Digest;

use super::{CopiedBlobs, Missing, MissingKind, blobs, is_foreign};
use crate::descriptor::Descriptor;
use crate::error::RegistryError;
use crate::repository::Repository;
use crate::walk::{Item, waves};

/// How many layers are on their way at once, and how many manifests.
const BLOBS: usize = 4;
const MANIFESTS: usize = 8;

/// The manifests that were sent, not there before.
pub(super) type Sent = HashSet<Digest>;

pub(super) async fn all(
    items: &[Item],
    from: &Repository,
    to: &Repository,
    counts: &mut CopiedBlobs,
) -> Result<Sent, RegistryError> {
    let mut sent = Sent::new();
    let mut carried = HashSet::new();
    for wave in waves(items) {
        let there: Vec<bool> =
            stream::iter(&wave).map(|item| is_there(item, to)).buffered(MANIFESTS).try_collect().await?;
        let mut wanted = Vec::new();
        for (item, there) in wave.iter().zip(&there) {
            for blob in blobs(item) {
                if !carried.insert(blob.digest.clone()) {
                } else if is_foreign(&blob) {
                    counts.foreign += 1;
                } else if *there {
                    // Whoever has a manifest has its blobs; whether that is so is looked at in the end.
                    counts.there += 1;
                } else {
                    wanted.push(blob);
                }
            }
        }
        carry(&wanted, from, to, counts).await?;
        let pushed: Vec<Option<Digest>> =
            stream::iter(wave).map(|item| push(item, to)).buffered(MANIFESTS).try_collect().await?;
        sent.extend(pushed.into_iter().flatten());
    }
    Ok(sent)
}

/// Whether a manifest is at the destination.
async fn is_there(item: &Item, to: &Repository) -> Result<bool, RegistryError> {
    Ok(to.resolve(&item.manifest.digest().to_string()).await?.is_some())
}

async fn carry(
    wanted: &[Descriptor],
    from: &Repository,
    to: &Repository,
    counts: &mut CopiedBlobs,
) -> Result<(), RegistryError> {
    let mut carried = stream::iter(wanted)
        .map(|blob| async move { Ok::<_, RegistryError>((to.copy_blob(blob, from).await?, blob.size)) })
        .buffer_unordered(BLOBS);
    while let Some((pushed, size)) = carried.try_next().await? {
        counts.count(pushed, size);
    }
    Ok(())
}

/// Pushes a manifest, its digest where it was sent. Evidence is attached, so that it is found again where the
/// registry lists no referrers.
async fn push(item: &Item, to: &Repository) -> Result<Option<Digest>, RegistryError> {
    let manifest = &item.manifest;
    let (media_type, bytes) = (manifest.media_type(), manifest.bytes.clone());
    let has_subject = manifest.as_referrer().is_ok_and(|(_, subject)| subject.is_some());
    let sent = if has_subject {
        to.attach(media_type, bytes.clone()).await?.sent
    } else {
        to.push_manifest(media_type, bytes.clone()).await?.sent
    };
    if let Some(tag) = &item.tag
        && to.resolve(tag).await?.is_none_or(|standing| standing.digest != *manifest.digest())
    {
        to.tag(tag, media_type, bytes).await?;
    }
    Ok(sent.then(|| manifest.digest().clone()))
}

/// Sends blobs that are missing at a destination that has their manifests. Whether there were any.
pub(super) async fn mend(
    missing: &[Missing],
    items: &[Item],
    from: &Repository,
    to: &Repository,
    counts: &mut CopiedBlobs,
) -> Result<bool, RegistryError> {
    let gone: HashSet<&Digest> = missing
        .iter()
        .filter(|missing| missing.kind == MissingKind::Blob)
        .map(|missing| &missing.digest)
        .collect();
    if gone.is_empty() {
        return Ok(false);
    }
    let mut wanted: Vec<Descriptor> = Vec::new();
    for blob in items.iter().flat_map(blobs) {
        if gone.contains(&blob.digest) && !wanted.iter().any(|known| known.digest == blob.digest) {
            wanted.push(blob);
        }
    }
    counts.there = counts.there.saturating_sub(wanted.len() as u64);
    carry(&wanted, from, to, counts).await?;
    Ok(true)
}
