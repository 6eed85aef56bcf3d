//! An image carried from one repository to another with all that belongs to it: children, what BuildKit
//! attests, evidence on each of them, and cosign's tags. The tag comes last, and only when all arrived.

mod arrival;
mod send;
mod tag;

use loadline_core::{Digest, Failure, Finding, Outcome, Platform};

use crate::codes::{COPY_INCOMPLETE, COPY_SOURCE_INCOMPLETE, COPY_TAG_TAKEN};
use crate::descriptor::Descriptor;
use crate::error::RegistryError;
use crate::repository::{Pushed, Repository};
use crate::walk::{Belongings, Item, Lost, Role, belongings};

pub use arrival::{Missing, MissingKind};
pub use tag::{TagEnd, TagRule, is_version};

/// What is to be copied, and where to.
#[derive(Debug, Clone, Copy)]
pub struct CopyRequest<'a> {
    /// Where it is.
    pub from: &'a Repository,
    /// Its digest or tag there; a tag is read once.
    pub source: &'a str,
    /// Only this platform's image, by itself: an index cannot lose children and keep its digest.
    pub platform: Option<&'a Platform>,
    /// Where it goes.
    pub to: &'a Repository,
    /// The tag that it gets there; none where it is to be there by digest only.
    pub tag: Option<&'a str>,
    /// What happens where the tag leads to something else.
    pub rule: TagRule,
}

/// One manifest, and whether it was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CopiedManifest {
    /// Media type, digest and size.
    pub descriptor: Descriptor,
    /// What it is to the image.
    pub role: Role,
    /// What names it, or what it refers to.
    pub of: Option<Digest>,
    /// Cosign's tag that it lies under.
    pub tag: Option<String>,
    /// Whether it was sent; false where it was there already.
    pub sent: bool,
}

/// How blobs came to be there.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CopiedBlobs {
    /// Sent from the one place to the other.
    pub sent: u64,
    /// Taken over within one registry.
    pub mounted: u64,
    /// There already, or part of a manifest that was.
    pub there: u64,
    /// Left where their own addresses say: layers that must not be distributed.
    pub foreign: u64,
    /// The bytes of those that were sent.
    pub bytes: u64,
}

/// What came of copying an image.
#[derive(Debug)]
pub struct Copied {
    /// The image's digest, at both places.
    pub digest: Digest,
    /// The manifests, the image itself first.
    pub manifests: Vec<CopiedManifest>,
    /// The blobs.
    pub blobs: CopiedBlobs,
    /// What became of the tag, where one was wanted.
    pub tag: Option<TagEnd>,
    /// What the source speaks of and does not have.
    pub lost: Vec<Lost>,
    /// What did not arrive.
    pub missing: Vec<Missing>,
    /// What could not be asked of the source; then nothing was tagged.
    pub failures: Vec<RegistryError>,
}

impl Copied {
    /// Findings and failures. All is well where there are none.
    pub fn outcome(&self) -> Outcome {
        let mut outcome = Outcome::new();
        for lost in &self.lost {
            let message = format!("the source lists {} with {}, and does not have it", lost.digest, lost.of);
            // Evidence that is gone was gone before; an image that lacks a platform is no image.
            let finding = match lost.role {
                Role::Evidence => Finding::warning(&COPY_SOURCE_INCOMPLETE, message),
                _ => Finding::error(&COPY_SOURCE_INCOMPLETE, message),
            };
            outcome.findings.push(finding.about(&lost.of));
        }
        for missing in &self.missing {
            outcome.findings.push(
                Finding::error(&COPY_INCOMPLETE, missing.to_string())
                    .about(&missing.of)
                    .help("copy again; where it stays away, look at the registry's log"),
            );
        }
        if let Some(TagEnd::Refused { tag, leads_to, version }) = &self.tag {
            let help = if *version {
                "a version never moves: copy to another tag"
            } else {
                "give --move-tag where the tag may move, or copy to another"
            };
            outcome.findings.push(
                Finding::error(
                    &COPY_TAG_TAKEN,
                    format!("the tag {tag} at the destination leads to {leads_to}, not to {}", self.digest),
                )
                .about(&self.digest)
                .help(help),
            );
        }
        for failure in &self.failures {
            outcome.failures.push(Failure::from(failure));
        }
        outcome
    }
}

/// Copies an image with all that belongs to it, checks that all of it arrived, and gives it its tag. A second
/// run sends nothing.
///
/// Where the tag leads elsewhere and may not move, nothing is sent. Memory does not grow with the layers.
///
/// # Errors
/// The source or the destination could not be asked, or refused. What could not be asked of the source's
/// evidence is in the result: then everything else is copied, and nothing tagged.
pub async fn copy(request: CopyRequest<'_>) -> Result<Copied, RegistryError> {
    let CopyRequest { from, to, .. } = request;
    let image = tag::pinned(from, request.source, request.platform).await?;
    let digest = image.digest().clone();
    let mut copied = Copied {
        digest: digest.clone(),
        manifests: Vec::new(),
        blobs: CopiedBlobs::default(),
        tag: None,
        lost: Vec::new(),
        missing: Vec::new(),
        failures: Vec::new(),
    };
    let standing = match request.tag {
        Some(tag) => Some(tag::look(to, tag, &digest, request.rule).await?),
        None => None,
    };
    if matches!(standing, Some(TagEnd::Refused { .. })) {
        copied.tag = standing;
        return Ok(copied);
    }

    let Belongings { items, lost, failures, .. } = belongings(from, image.clone(), &[]).await;
    // An index that names a child which is nowhere can be pushed to few registries, and pulled from none.
    copied.lost = lost;
    copied.failures = failures;
    let sent = send::all(&items, from, to, &mut copied.blobs).await?;
    copied.manifests = items.iter().map(|item| copied_manifest(item, &sent)).collect();
    copied.missing = arrival::missing(&items, to).await?;
    if send::mend(&copied.missing, &items, from, to, &mut copied.blobs).await? {
        copied.missing = arrival::missing(&items, to).await?;
    }
    if let (Some(tag), Some(standing)) = (request.tag, standing)
        && copied.missing.is_empty()
        && copied.failures.is_empty()
        && copied.lost.iter().all(|lost| lost.role == Role::Evidence)
    {
        copied.tag = Some(tag::give(to, tag, &image, standing, request.rule).await?);
    }
    Ok(copied)
}

fn copied_manifest(item: &Item, sent: &send::Sent) -> CopiedManifest {
    CopiedManifest {
        descriptor: item.manifest.descriptor.clone(),
        role: item.role,
        of: item.of.clone(),
        tag: item.tag.clone(),
        sent: sent.contains(item.manifest.digest()),
    }
}

impl CopiedBlobs {
    fn count(&mut self, pushed: Pushed, size: u64) {
        match pushed {
            Pushed::Sent => {
                self.sent += 1;
                self.bytes += size;
            }
            Pushed::Mounted => self.mounted += 1,
            Pushed::AlreadyThere => self.there += 1,
        }
    }
}

/// What a manifest names besides other manifests: its layers and configuration. Each once.
fn blobs(item: &Item) -> Vec<Descriptor> {
    let Ok(image) = item.manifest.as_image() else { return Vec::new() };
    let mut blobs: Vec<Descriptor> = Vec::new();
    for blob in image.layers.into_iter().chain([image.config]) {
        if !blobs.iter().any(|known| known.digest == blob.digest) {
            blobs.push(blob);
        }
    }
    blobs
}

/// Layers that must not be distributed: registries do not have them (image specification, layer.md).
fn is_foreign(blob: &Descriptor) -> bool {
    !blob.urls.is_empty()
        && (blob.media_type.contains("nondistributable") || blob.media_type.contains("foreign"))
}
