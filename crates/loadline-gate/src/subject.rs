//! The image that is to be released, and whether a report speaks of it.

use std::fmt;

use loadline_core::{Digest, Platform};

use crate::trivy::Metadata;

/// One platform of one image, as the registry has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateSubject {
    /// The image's name in the release set.
    pub image: String,
    /// The platform.
    pub platform: Platform,
    /// The digest of the platform's manifest; never that of the index.
    pub manifest_digest: Digest,
    /// The digest of the manifest's config.
    pub config_digest: Digest,
    /// The config's `rootfs.diff_ids`, base first.
    pub diff_ids: Vec<Digest>,
}

/// What ties a report to the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoundBy {
    /// `Metadata.ImageID` is the config's digest.
    ImageId,
    /// `Metadata.RepoDigests` names the manifest's digest.
    RepoDigest,
    /// `Metadata.DiffIDs` are the config's, all of them in order.
    DiffIds,
}

impl fmt::Display for BoundBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ImageId => "its ImageID is the config's digest",
            Self::RepoDigest => "its RepoDigests name the manifest's digest",
            Self::DiffIds => "its DiffIDs are the config's, in full",
        })
    }
}

impl GateSubject {
    /// What ties a report with this metadata to this image, the strongest first; `None` when nothing
    /// does. An index digest alone never binds: it says nothing about which platform was scanned.
    pub fn bound_by(&self, metadata: &Metadata<'_>) -> Option<BoundBy> {
        let is = |text: &str, digest: &Digest| text.parse::<Digest>().is_ok_and(|found| found == *digest);
        if is(&metadata.image_id, &self.config_digest) {
            return Some(BoundBy::ImageId);
        }
        let names = |reference: &str| {
            reference.rsplit_once('@').is_some_and(|(_, digest)| is(digest, &self.manifest_digest))
        };
        if metadata.repo_digests.iter().any(|reference| names(reference)) {
            return Some(BoundBy::RepoDigest);
        }
        // An image without layers has nothing to compare: no layers equal no layers of any other image.
        let same_layers = !self.diff_ids.is_empty()
            && self.diff_ids.len() == metadata.diff_ids.len()
            && self.diff_ids.iter().zip(&metadata.diff_ids).all(|(mine, theirs)| is(theirs, mine));
        same_layers.then_some(BoundBy::DiffIds)
    }
}

impl fmt::Display for GateSubject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} for {}", self.image, self.platform)
    }
}
