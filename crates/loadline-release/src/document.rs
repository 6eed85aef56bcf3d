//! What a release came to, as scripts read it: the body of `loadline/release/v1`.

use loadline_core::finding::FindingDocument;
use loadline_core::verdict::FailureDocument;
use loadline_core::{Digest, Platform, Verdict};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The outcome of a release.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReleaseDocument {
    /// `pass` only when every tag of the set is written, or, where it is `held`, when every tag may be.
    pub verdict: Verdict,
    /// The version.
    pub version: String,
    /// Whether the tags were left for `loadline promote`, because that was asked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub held: bool,
    /// The images that are at the registry by digest, with the tags that are written.
    pub images: Vec<ReleasedImage>,
    /// The steps that ran.
    pub steps: Vec<StepDocument>,
    /// What was changed at the registries by this run.
    pub effects: Effects,
    /// What was found.
    pub findings: Vec<FindingDocument>,
    /// What could not be examined.
    pub failures: Vec<FailureDocument>,
}

/// One image at its first repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReleasedImage {
    /// Its name.
    pub name: String,
    /// The index's digest.
    #[schemars(with = "String")]
    pub digest: Digest,
    /// What to pull: the repository and the index's digest.
    pub reference: String,
    /// All tags that point at it, at its first repository.
    pub tags: Vec<String>,
    /// The children.
    pub platforms: Vec<ReleasedPlatform>,
}

/// One child of an index.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReleasedPlatform {
    /// The platform.
    pub platform: Platform,
    /// The manifest's digest.
    #[schemars(with = "String")]
    pub digest: Digest,
}

/// One step that ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StepDocument {
    /// Its name.
    pub name: String,
    /// How long it took, in milliseconds.
    pub ms: u64,
    /// How many requests it made to registries.
    pub requests: u64,
}

/// What was changed at the registries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Effects {
    /// Blobs that were sent.
    pub blobs_pushed: u64,
    /// Manifests and indexes that were sent.
    pub manifests_pushed: u64,
    /// Tags that were written.
    pub tags_moved: u64,
}
