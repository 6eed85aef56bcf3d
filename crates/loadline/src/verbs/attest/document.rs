//! What was attested, as a document for scripts.

use loadline_core::verdict::OutcomeDocument;
use schemars::JsonSchema;
use serde::Serialize;

/// The schema of what `attest` prints.
pub(crate) const ATTESTATION: &str = "loadline/attestation/v1";

/// The body of `loadline/attestation/v1`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct AttestationDocument {
    #[serde(flatten)]
    pub(super) outcome: OutcomeDocument,
    /// The statements, one an image.
    pub(super) attestations: Vec<Attestation>,
}

/// One statement, and what became of it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Attestation {
    /// The image, pinned.
    pub(super) image: String,
    /// The predicate's type.
    pub(super) predicate_type: String,
    /// The digests that the statement speaks of.
    pub(super) subjects: Vec<String>,
    /// The digest of the statement's bytes.
    pub(super) statement: String,
    /// How many bytes the statement has.
    pub(super) bytes: usize,
    /// Where the bundle is from: `signed` now, `found` on the image, `saved` by an earlier run; absent where nothing
    /// was signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) bundle: Option<&'static str>,
    /// How many subjects the bundle was hung on now.
    pub(super) attached: usize,
    /// On how many it was already.
    pub(super) unchanged: usize,
    /// Whether it was added to GitHub's attestations now; absent where it does not go there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) added_to_github: Option<bool>,
}
