//! All that a verdict follows from, in one file: an uncompressed tar that is the same for the same content.
//!
//! `loadline-evidence.json` comes first and says which image has which evidence; everything else is named by
//! the digest of its bytes: `manifests/`, `bundles/` and `roots/`, and `policy.txt`, the policy in words. What
//! is loaded is judged as if it came from a registry. The archive vouches for nothing itself: its policy and
//! its trust roots are records of what was asked for, and are not believed for being in it.

mod read;
mod write;

use bytes::Bytes;
use loadline_core::{Digest, Reference};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::verify::Collected;

/// The schema of the member that lists the others.
const SCHEMA: &str = "loadline/evidence-archive/v1";
/// The member that lists the others.
const LIST: &str = "loadline-evidence.json";
/// The policy in words.
const POLICY: &str = "policy.txt";
/// The largest list of members, in bytes.
const LIST_LIMIT: u64 = 16 << 20;
/// How many members are read.
const MEMBERS: usize = 100_000;
/// The largest archive that is read, in bytes.
pub const ARCHIVE_LIMIT: u64 = 512 << 20;

/// Why an archive cannot be read or made.
#[derive(Debug, Error)]
pub enum ArchiveError {
    /// A member is not what its name or the list says: somebody changed it.
    #[error("`{member}` is not what it was when it was saved: {reason}")]
    Tampered {
        /// The member.
        member: String,
        /// What is wrong with it.
        reason: String,
    },
    /// It is no archive of evidence.
    #[error("it is no archive of evidence: {reason}")]
    Malformed {
        /// What is wrong.
        reason: String,
    },
    /// It, or a member, is larger than what is read.
    #[error("{what} has more than {limit}")]
    TooLarge {
        /// What.
        what: String,
        /// The limit, with its unit.
        limit: String,
    },
    /// It could not be read or written.
    #[error("{0}")]
    Io(#[from] std::io::Error),
}

/// An image, and what was read of it.
#[derive(Debug, Clone)]
pub struct ArchivedImage {
    /// How it was named. That its tag led to its digest is the archive's word alone.
    pub reference: Reference,
    /// What was read.
    pub collected: Collected,
}

/// A trust root, as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArchivedRoot {
    /// What it was called.
    pub name: String,
    /// Its JSON.
    pub json: Bytes,
}

/// All that a verdict follows from.
#[derive(Debug, Clone, Default)]
pub struct Archive {
    /// The images, in the order in which they were named.
    pub images: Vec<ArchivedImage>,
    /// Who was believed.
    pub roots: Vec<ArchivedRoot>,
    /// What was demanded, in words, rule by rule.
    pub policy: Vec<String>,
}

impl Archive {
    /// The tar: the same bytes for the same content.
    ///
    /// # Errors
    /// More than [`ARCHIVE_LIMIT`].
    pub fn to_tar(&self) -> Result<Vec<u8>, ArchiveError> {
        write::tar(self)
    }

    /// Reads a tar; every member is held against its digest.
    ///
    /// # Errors
    /// What is no such tar, too large, or was changed.
    pub fn from_tar(bytes: &[u8]) -> Result<Self, ArchiveError> {
        read::tar(bytes)
    }

    /// What was read of an image, by the reference as it was named or by its digest.
    pub fn image(&self, reference: &Reference) -> Option<&ArchivedImage> {
        let same = |image: &&ArchivedImage| image.reference == *reference;
        let by_digest = |image: &&ArchivedImage| {
            image.reference.repository == reference.repository
                && reference.digest.as_ref() == Some(&image.collected.digest)
        };
        self.images.iter().find(same).or_else(|| self.images.iter().find(by_digest))
    }
}

/// The list of members.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct List {
    schema: String,
    /// The digest of `policy.txt`.
    policy: Digest,
    roots: Vec<RootEntry>,
    images: Vec<ImageEntry>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct RootEntry {
    name: String,
    digest: Digest,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ImageEntry {
    /// The reference as it was named.
    reference: String,
    /// The digest that it led to.
    digest: Digest,
    /// The manifest's media type as the registry named it; absent where the manifest was not read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    media_type: Option<String>,
    /// Why the image could not be read.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    unread: Option<String>,
    places: Vec<PlaceEntry>,
}

/// What hangs on one digest.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PlaceEntry {
    digest: Digest,
    bundles: Vec<BundleEntry>,
    /// What called itself a bundle and was none: where, and why.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    malformed: Vec<(String, String)>,
    /// What could not be asked.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    failures: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct BundleEntry {
    source: String,
    digest: Digest,
}

/// A member's name: the folder, the algorithm and the digest.
fn member(folder: &str, digest: &Digest) -> String {
    format!("{folder}/{}-{}.json", digest.algorithm().name(), digest.hex())
}

#[cfg(test)]
mod tests;
