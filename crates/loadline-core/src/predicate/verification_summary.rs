//! SLSA verification summaries, version 1 (<https://slsa.dev/spec/v1.0/verification_summary>).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::predicate::slsa_provenance::ResourceDescriptor;

/// The predicate type.
pub const PREDICATE_TYPE: &str = "https://slsa.dev/verification_summary/v1";

/// The outcome of one verification, for those who trust the verifier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VerificationSummary {
    /// Who verified.
    pub verifier: Verifier,
    /// When, RFC 3339.
    pub time_verified: String,
    /// The artifact that was verified, a URI.
    pub resource_uri: String,
    /// The policy it was held against.
    pub policy: ResourceDescriptor,
    /// The evidence that was looked at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub input_attestations: Vec<ResourceDescriptor>,
    /// `PASSED` or `FAILED`.
    pub verification_result: String,
    /// The levels that were reached.
    pub verified_levels: Vec<String>,
    /// The specification's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slsa_version: Option<String>,
}

/// Who verified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verifier {
    /// A URI.
    pub id: String,
    /// Versions of the verifier's parts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub version: BTreeMap<String, String>,
}
