//! in-toto statements, version 1 (in-toto attestation framework, spec/v1/statement.md).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::digest::Digest;

/// The type of a version 1 statement.
pub const STATEMENT_V1: &str = "https://in-toto.io/Statement/v1";
/// The type of the statements of old, which are read but never written.
pub const STATEMENT_V01: &str = "https://in-toto.io/Statement/v0.1";
/// The payload type of an in-toto statement in a DSSE envelope.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// What a statement speaks of: a name and the digests of one artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The name, for images the repository without a tag.
    #[serde(default)]
    pub name: String,
    /// Algorithm to lower-case hexadecimal value.
    #[serde(default)]
    pub digest: BTreeMap<String, String>,
}

impl Subject {
    /// A subject of one digest.
    pub fn new(name: impl Into<String>, digest: &Digest) -> Self {
        let mut digests = BTreeMap::new();
        digests.insert(digest.algorithm().name().to_owned(), digest.hex().to_owned());
        Self { name: name.into(), digest: digests }
    }

    /// Whether this subject is the artifact of this digest.
    pub fn is(&self, digest: &Digest) -> bool {
        self.digest.get(digest.algorithm().name()).is_some_and(|hex| hex == digest.hex())
    }
}

/// A statement about subjects, its predicate any serialisable type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Statement<P> {
    /// [`STATEMENT_V1`].
    #[serde(rename = "_type")]
    pub statement_type: &'static str,
    /// What it speaks of.
    pub subject: Vec<Subject>,
    /// The predicate's type, a URI.
    #[serde(rename = "predicateType")]
    pub predicate_type: String,
    /// What it says.
    pub predicate: P,
}

impl<P> Statement<P> {
    /// A version 1 statement.
    pub fn new(subject: Vec<Subject>, predicate_type: impl Into<String>, predicate: P) -> Self {
        Self { statement_type: STATEMENT_V1, subject, predicate_type: predicate_type.into(), predicate }
    }
}

/// A statement as read: its predicate's bytes untouched.
#[derive(Debug, Deserialize)]
pub struct StatementRef<'a> {
    /// The statement's type.
    #[serde(rename = "_type")]
    pub statement_type: String,
    /// What it speaks of.
    #[serde(default)]
    pub subject: Vec<Subject>,
    /// The predicate's type, a URI.
    #[serde(rename = "predicateType")]
    pub predicate_type: String,
    /// What it says, as the bytes that were signed.
    #[serde(borrow)]
    pub predicate: &'a RawValue,
}
