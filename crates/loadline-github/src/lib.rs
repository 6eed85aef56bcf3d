//! GitHub's attestations API: the bundles of a digest, and adding one.
//!
//! `gh attestation verify` asks there, and there alone unless told otherwise. A bundle comes either inside
//! the answer or as an address of raw snappy data elsewhere; [`GitHub::attestations`] gives its bytes in
//! both cases. Everything read has a size limit, everything asked a time limit; nothing is tried again
//! here: each error says whether trying again may help, and when.
//!
//! <https://docs.github.com/en/rest/repos/attestations>

mod attest;
mod client;
mod codes;
mod error;
mod list;
mod page;
mod repository;

pub use client::{GitHub, Options, PUBLIC};
pub use codes::*;
pub use error::{ConnectionProblem, GitHubError, GitHubErrorKind};
pub use list::{Limits, Listed, Listing};
pub use repository::{RepositoryError, RepositorySlug};

/// The largest predicate that GitHub takes, in bytes (actions/attest refuses more).
pub const PREDICATE_LIMIT: usize = 16 * 1024 * 1024;
/// The most subjects that GitHub takes in one statement (actions/attest refuses more).
pub const SUBJECT_LIMIT: usize = 1024;
