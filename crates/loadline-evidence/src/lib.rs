//! Finding, attaching and judging evidence: statements and bundles at registries.
//!
//! What is signed is a statement ([`provenance`], [`summary`], a bill of materials); what carries it is a
//! Sigstore bundle; where it hangs is the digest it speaks of. [`attach`] hangs it there, [`gather`]
//! finds all that hangs, and [`verify_image`] says what it proves.

mod attach;
mod codes;
pub mod demanded;
pub mod gather;
pub mod provenance;
pub mod summary;
mod verify;

pub use attach::{AttachError, Evidence};
pub use codes::CODES;
pub use codes::{EVIDENCE_LIMIT, EVIDENCE_SOURCE_FAILED, IMAGE_UNREADABLE, PLATFORM_MISSING};
pub use gather::{Gatherer, Limits};
pub use verify::{Consumer, Verification, verify_image};
