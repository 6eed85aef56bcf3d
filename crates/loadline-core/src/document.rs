//! Every document we write names its schema and version.

use serde::{Deserialize, Serialize};

/// `loadline/<name>/v<n>`: the first member of every JSON document we write.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Document<T> {
    /// The schema's name and version.
    pub schema: &'static str,
    /// The document's own members.
    #[serde(flatten)]
    pub body: T,
}

impl<T> Document<T> {
    /// A document of the given schema.
    pub const fn new(schema: &'static str, body: T) -> Self {
        Self { schema, body }
    }
}

/// Findings of one examination.
pub const FINDINGS: &str = "loadline/findings/v1";
/// What a fix changed, and what remains wrong.
pub const FIX: &str = "loadline/fix/v1";
/// The shared regions of a repository.
pub const REGIONS: &str = "loadline/regions/v1";
/// The rules of the check.
pub const RULES: &str = "loadline/rules/v1";
/// The outcome of a release.
pub const RELEASE: &str = "loadline/release/v1";
/// What a release would do.
pub const PLAN: &str = "loadline/plan/v1";
/// The outcome of a rollback.
pub const ROLLBACK: &str = "loadline/rollback/v1";
/// What is at the registries, and whether it is current.
pub const STATUS: &str = "loadline/status/v1";
/// One record of the ledger.
pub const LEDGER: &str = "loadline/ledger/v1";
/// The outcome of a verification.
pub const VERIFICATION: &str = "loadline/verification/v1";
/// One leg, built on its own machine.
pub const LEG: &str = "loadline/leg/v1";
/// The outcome of a build.
pub const BUILD: &str = "loadline/build/v1";
/// The outcome of joining legs.
pub const MERGE: &str = "loadline/merge/v1";

/// The one member that is read before all others, to tell whose document it is.
#[derive(Debug, Deserialize)]
pub struct SchemaName {
    /// The schema's name and version.
    pub schema: String,
}
