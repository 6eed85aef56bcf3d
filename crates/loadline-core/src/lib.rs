//! The words every other room speaks: digests, references, platforms, configuration, findings,
//! verdicts, statements and predicates.
//!
//! This is the ground floor. It imports no other room, opens no connection, starts no program and
//! reads no clock; whatever depends on the world comes in as an argument.

pub mod clock;
pub mod code;
pub mod config;
pub mod digest;
pub mod document;
pub mod finding;
pub mod media_type;
pub mod platform;
pub mod predicate;
pub mod proof;
pub mod reference;
pub mod repository_pattern;
pub mod rootfs;
pub mod secret;
pub mod statement;
pub mod verdict;

pub use clock::Clock;
pub use code::Code;
pub use digest::{Algorithm, Digest, Hasher};
pub use finding::{Finding, Location, Severity};
pub use platform::Platform;
pub use reference::{Reference, RepositoryName};
pub use repository_pattern::{RepositoryPattern, RepositoryPatternError};
pub use secret::Secret;
pub use verdict::{Failure, Outcome, Verdict};
