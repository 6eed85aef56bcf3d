//! Finding, attaching and judging evidence: statements and bundles at registries.
//!
//! What is signed is a statement ([`provenance`], [`summary`], a bill of materials); what carries it is a
//! Sigstore bundle; where it hangs is the digest it speaks of. [`attach`] hangs it there, [`gather`]
//! finds all that hangs, and [`verify_image`] says what it proves.

pub mod archive;
mod att;
mod attach;
pub mod budget;
pub mod buildkit;
mod codes;
pub mod demanded;
mod destination;
pub mod existing;
pub mod gather;
pub mod inspect;
pub mod online;
pub mod patience;
pub mod provenance;
pub mod sources;
pub mod summary;
mod verdict_cache;
mod verify;

pub use attach::{AttachError, Evidence};
pub use budget::Destination;
pub use codes::CODES;
pub use codes::STATEMENT_TOO_LARGE;
pub use codes::{
    ARCHIVE_IMAGE_MISSING, ARCHIVE_TAG_UNPROVEN, ARCHIVE_TAMPERED, ARCHIVE_UNREADABLE, VERDICT_CACHED,
};
pub use codes::{
    EVIDENCE_GONE, EVIDENCE_LIMIT, EVIDENCE_SOURCE_FAILED, IMAGE_UNREADABLE, PLATFORM_MISSING,
    PLATFORMS_NOT_SEEN,
};
pub use destination::GitHubDestination;
pub use gather::{Found, Gatherer, Hanging, Limits};
pub use online::ask_logs;
pub use patience::{Patience, Trouble, Waiting};
pub use sources::{GitHubSource, Sources};
pub use verdict_cache::{VERDICT_CACHE_ENTRIES, VerdictCache, VerdictCacheError, VerdictKey};
pub use verify::{Collected, Consumer, Start, Verification, conclude, verify_from, verify_image};
