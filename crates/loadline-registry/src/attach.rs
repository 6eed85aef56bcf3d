//! Attaching evidence to a subject, so that it is found again.

use bytes::Bytes;
use loadline_core::Digest;
use loadline_core::media_type::OCI_INDEX;

use crate::descriptor::Descriptor;
use crate::error::{RegistryError, RegistryErrorKind};
use crate::index::IndexBuilder;
use crate::manifest::Manifest;
use crate::remote::{OnlyIf, Remote, fallback_tag};
use crate::repository::{Kind, PushedManifest, ReferrersSource, Repository};

/// How often the fallback tag is read and written before giving up. Writers that race lose entries of each
/// other; each round that finds its own missing merges anew.
const ROUNDS: u32 = 20;

/// Evidence that is attached now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attached {
    /// The manifest's digest.
    pub digest: Digest,
    /// Whether the manifest was sent; false where it was there already.
    pub sent: bool,
    /// Where the subject's referrers list it.
    pub listed: ReferrersSource,
}

pub(crate) async fn attach(
    repository: &Repository,
    media_type: &str,
    bytes: Bytes,
) -> Result<Attached, RegistryError> {
    let digest = Digest::of(&bytes);
    let wrong = |kind| repository.error(format!("attach {digest}"), kind);
    let manifest = Manifest::new(bytes.clone(), digest.clone(), Some(media_type)).map_err(wrong)?;
    let (descriptor, subject) = manifest.as_referrer().map_err(wrong)?;
    let Some(subject) = subject else {
        return Err(wrong(RegistryErrorKind::Malformed {
            message: "the manifest has no subject".to_owned(),
        }));
    };
    let pushed = repository.push_manifest(media_type, bytes).await?;
    let listed = match &repository.0 {
        Kind::Layout(_) => ReferrersSource::Layout,
        Kind::Remote(remote) => list(remote, &pushed, descriptor, &subject.digest).await?,
    };
    Ok(Attached { digest, sent: pushed.sent, listed })
}

/// Sees to it that a pushed manifest is listed among its subject's referrers.
async fn list(
    remote: &Remote,
    pushed: &PushedManifest,
    descriptor: Descriptor,
    subject: &Digest,
) -> Result<ReferrersSource, RegistryError> {
    let registry = remote.name.registry();
    if pushed.subject_acknowledged {
        // ECR acknowledges subjects without having the API: the first word is not believed unseen.
        let has = match remote.client.has_referrers_api(registry) {
            Some(has) => has,
            None => {
                let has = remote.api_referrers(subject).await?.is_some();
                remote.client.note_referrers_api(registry, has);
                has
            }
        };
        if has {
            return Ok(ReferrersSource::Api);
        }
    } else if !pushed.sent {
        // It was there: listed too, unless somebody was interrupted between the two.
        let referrers = remote.referrers(subject).await?;
        if referrers.descriptors.iter().any(|listed| listed.digest == descriptor.digest) {
            return Ok(referrers.source);
        }
        if referrers.source == ReferrersSource::Api && referrers.complete {
            // The registry has the API and does not list it: it was pushed before there was one.
            put_again(remote, &descriptor, subject).await?;
            return Ok(ReferrersSource::Api);
        }
    }
    write_fallback(remote, descriptor, subject).await?;
    Ok(ReferrersSource::FallbackTag)
}

/// Sends a manifest that is there once more, so that the registry takes note of its subject.
async fn put_again(remote: &Remote, descriptor: &Descriptor, subject: &Digest) -> Result<(), RegistryError> {
    let manifest = remote.manifest(&descriptor.digest.to_string()).await?;
    let target = descriptor.digest.to_string();
    remote.put_digest(&target, &descriptor.media_type, manifest.bytes).await?;
    let listed = remote.referrers(subject).await?;
    if listed.descriptors.iter().any(|listed| listed.digest == descriptor.digest) {
        return Ok(());
    }
    write_fallback(remote, descriptor.clone(), subject).await
}

/// Adds a descriptor to the index under the fallback tag: conditionally where the registry offers it, and
/// read back in any case.
async fn write_fallback(
    remote: &Remote,
    descriptor: Descriptor,
    subject: &Digest,
) -> Result<(), RegistryError> {
    let slot = remote.client.fallback_slot(&remote.name, subject);
    let _only_one_of_ours = slot.lock().await;
    let tag = fallback_tag(subject);
    let asked = || format!("list {} among the referrers of {subject}", descriptor.digest);
    let wrong = |kind| RegistryError::new(&remote.name, asked(), kind);
    for round in 0..ROUNDS {
        let (mut entries, etag, absent) = match remote.versioned_manifest(&tag).await {
            Ok(current) => {
                let index = current.manifest.as_index().map_err(wrong)?;
                (index.manifests, current.etag, false)
            }
            Err(error) if error.is_not_found() => (Vec::new(), None, true),
            Err(error) => return Err(error),
        };
        if entries.iter().any(|entry| entry.digest == descriptor.digest) {
            return Ok(());
        }
        entries.push(descriptor.clone());
        let built = IndexBuilder::new()
            .in_given_order()
            .entries(entries)
            .build()
            .map_err(|error| wrong(RegistryErrorKind::Malformed { message: error.to_string() }))?;
        let only_if = if absent { Some(OnlyIf::Absent) } else { etag.as_deref().map(OnlyIf::Still) };
        match remote.put_tag(&tag, OCI_INDEX, built.bytes.into(), only_if).await {
            Ok(()) => {}
            // Another writer was first. Writers that met once would meet again if all came back at once.
            Err(error) if matches!(error.status(), Some(409 | 412)) => remote.client.pause(round).await,
            Err(error) => return Err(error),
        }
    }
    // The last write is looked at too.
    let listed = remote.fallback_referrers(subject).await?;
    if listed.descriptors.iter().any(|entry| entry.digest == descriptor.digest) {
        return Ok(());
    }
    Err(wrong(RegistryErrorKind::Protocol {
        status: None,
        message: format!("other writers of the tag {tag} were faster {ROUNDS} times: try again"),
    }))
}
