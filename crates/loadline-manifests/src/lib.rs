//! Image references in the files that say what runs: found with their places, and pinned in place.
//!
//! [`find`] reads compose files, Kubernetes manifests (every kind, Lists, several documents a file),
//! kustomizations, values of Helm charts, workflows and actions of GitHub, and Dockerfiles; what kind a file
//! is, its name and each document's own members say. In any other file, a comment marks the line of an image. [`pin`] writes digests behind the references it is told to, and changes no
//! other byte: comments, order and formatting stay.
//!
//! This room is pure: text in, values out.

mod codes;
mod compose;
mod dockerfile;
mod error;
mod helm;
mod kind;
mod kubernetes;
mod kustomize;
mod marked;
mod mention;
mod pin;
mod workflow;
mod yaml;

pub use codes::*;
pub use error::{ManifestError, PinError};
pub use kind::{Kind, may_be_manifest};
pub use marked::{MARKER, is_marked};
pub use mention::{Found, Mention, Named, find};
pub use pin::pin;

/// The largest file that is read, in bytes: 16 MiB.
pub const MANIFEST_FILE_LIMIT: usize = 16 << 20;
