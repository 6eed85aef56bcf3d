//! What came of a copy, for people and as a document.

use loadline_core::verdict::OutcomeDocument;
use loadline_registry::copy::{Copied, MissingKind, TagEnd};
use loadline_registry::walk::Role;
use schemars::JsonSchema;
use serde::Serialize;

use crate::place::Place;
use crate::render::inspect::bytes;

/// The schema of the document.
pub(crate) const COPY: &str = "loadline/copy/v1";

/// The body of `loadline/copy/v1`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CopyDocument {
    #[serde(flatten)]
    outcome: OutcomeDocument,
    /// Where it was, as given.
    source: String,
    /// Where it went, as given.
    destination: String,
    /// The destination by digest: what to pull.
    pinned: String,
    /// The image's digest, at both places.
    digest: String,
    /// What became of the tag, where one was wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<TagDocument>,
    /// The manifests, the image itself first.
    manifests: Vec<ManifestDocument>,
    /// The blobs.
    blobs: BlobsDocument,
    /// What did not arrive.
    missing: Vec<MissingDocument>,
    /// How many requests it took.
    requests: u64,
}

/// What became of the tag.
#[derive(Debug, Serialize, JsonSchema)]
struct TagDocument {
    /// The tag.
    name: String,
    /// `written`, `already-there`, `moved` or `refused`.
    end: &'static str,
    /// Where it led before, or leads still.
    #[serde(skip_serializing_if = "Option::is_none")]
    led_to: Option<String>,
}

/// One manifest.
#[derive(Debug, Serialize, JsonSchema)]
struct ManifestDocument {
    /// The digest.
    digest: String,
    /// The media type.
    media_type: String,
    /// Its size in bytes.
    size: u64,
    /// `index`, `image`, `attestation` (BuildKit's), `evidence` or `cosign`.
    role: &'static str,
    /// What names it, or what it refers to.
    #[serde(skip_serializing_if = "Option::is_none")]
    of: Option<String>,
    /// Cosign's tag.
    #[serde(skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
    /// Whether it was sent; false where it was there.
    sent: bool,
}

/// The blobs.
#[derive(Debug, Serialize, JsonSchema)]
struct BlobsDocument {
    /// How many were sent.
    sent: u64,
    /// How many the registry took over from next door.
    mounted: u64,
    /// How many were there.
    there: u64,
    /// How many lie elsewhere by their own word.
    foreign: u64,
    /// The bytes of those that were sent.
    bytes: u64,
}

/// Something that did not arrive.
#[derive(Debug, Serialize, JsonSchema)]
struct MissingDocument {
    /// `manifest`, `blob`, `listing` or `tag`.
    kind: &'static str,
    /// Its digest.
    digest: String,
    /// The manifest that it belongs to.
    of: String,
}

impl CopyDocument {
    pub(crate) fn new(from: &Place, to: &Place, copied: &Copied, requests: u64) -> Self {
        let manifest = |manifest: &loadline_registry::copy::CopiedManifest| ManifestDocument {
            digest: manifest.descriptor.digest.to_string(),
            media_type: manifest.descriptor.media_type.clone(),
            size: manifest.descriptor.size,
            role: role(manifest.role),
            of: manifest.of.as_ref().map(ToString::to_string),
            tag: manifest.tag.clone(),
            sent: manifest.sent,
        };
        let missing = |missing: &loadline_registry::copy::Missing| MissingDocument {
            kind: match missing.kind {
                MissingKind::Manifest => "manifest",
                MissingKind::Blob => "blob",
                MissingKind::Listing => "listing",
                MissingKind::Tag => "tag",
            },
            digest: missing.digest.to_string(),
            of: missing.of.to_string(),
        };
        let blobs = copied.blobs;
        Self {
            outcome: (&copied.outcome()).into(),
            source: from.to_string(),
            destination: to.to_string(),
            pinned: to.pinned(&copied.digest),
            digest: copied.digest.to_string(),
            tag: copied.tag.as_ref().map(tag),
            manifests: copied.manifests.iter().map(manifest).collect(),
            blobs: BlobsDocument {
                sent: blobs.sent,
                mounted: blobs.mounted,
                there: blobs.there,
                foreign: blobs.foreign,
                bytes: blobs.bytes,
            },
            missing: copied.missing.iter().map(missing).collect(),
            requests,
        }
    }
}

fn tag(end: &TagEnd) -> TagDocument {
    let (name, end, led_to) = match end {
        TagEnd::Written { tag } => (tag, "written", None),
        TagEnd::AlreadyThere { tag } => (tag, "already-there", None),
        TagEnd::Moved { tag, led_to } => (tag, "moved", Some(led_to)),
        TagEnd::Refused { tag, leads_to, .. } => (tag, "refused", Some(leads_to)),
    };
    TagDocument { name: name.clone(), end, led_to: led_to.map(ToString::to_string) }
}

const fn role(role: Role) -> &'static str {
    match role {
        Role::Index => "index",
        Role::Image => "image",
        Role::Attestation => "attestation",
        Role::Evidence => "evidence",
        Role::Cosign => "cosign",
    }
}

/// What was copied, in a few lines.
pub(crate) fn summary(copied: &Copied) -> String {
    let count = |roles: &[Role]| copied.manifests.iter().filter(|m| roles.contains(&m.role)).count();
    let sent = copied.manifests.iter().filter(|manifest| manifest.sent).count();
    let blobs = copied.blobs;
    let mut lines = vec![format!(
        "{} manifests ({} of images, {} of BuildKit's, {} of evidence), {sent} sent; {} blobs sent ({}), {} mounted, {} there",
        copied.manifests.len(),
        count(&[Role::Index, Role::Image]),
        count(&[Role::Attestation]),
        count(&[Role::Evidence, Role::Cosign]),
        blobs.sent,
        bytes(blobs.bytes),
        blobs.mounted,
        blobs.there,
    )];
    if blobs.foreign > 0 {
        lines.push(format!("{} layers may not be distributed and were left where they are", blobs.foreign));
    }
    match &copied.tag {
        Some(TagEnd::Written { tag }) => lines.push(format!("tagged {tag}")),
        Some(TagEnd::AlreadyThere { tag }) => lines.push(format!("{tag} led here already")),
        Some(TagEnd::Moved { tag, led_to }) => lines.push(format!("moved {tag}, which led to {led_to}")),
        Some(TagEnd::Refused { .. }) => {}
        None if copied.missing.is_empty() && copied.failures.is_empty() => {
            lines.push("no tag was wanted".to_owned());
        }
        None => lines.push("no tag was written".to_owned()),
    }
    lines.join("\n")
}
