//! OCI registries and OCI image layouts behind one interface.
//!
//! A [`Repository`] is a repository at a registry, or a layout directory; the same calls read and write
//! both. A [`Client`] holds what registries need: the HTTP client, credentials, tokens, bounds and
//! counters. Everything read has a size limit, a time limit and, where it is named by digest, a digest
//! check; raw bytes are kept as they came.
//!
//! Specifications followed: OCI distribution 1.1, OCI image 1.1, and docker's token authentication.

mod attach;
mod client;
pub mod codes;
pub mod copy;
pub mod credentials;
mod descriptor;
mod error;
mod http_client;
pub mod image;
pub mod index;
pub mod layers;
mod layout;
mod manifest;
pub mod merge;
mod remote;
mod repository;
pub mod walk;

pub use attach::Attached;
pub use client::{Backoff, Client, Counters, Options};
pub use codes::CODES;
pub use credentials::Credential;
pub use descriptor::{Descriptor, PlatformObject};
pub use error::{ConnectionProblem, RegistryError, RegistryErrorKind};
pub use http_client::{Http, HttpError, HttpOptions, http_client};
pub use layout::Layout;
pub use manifest::Manifest;
pub use repository::{BlobSource, Pushed, PushedManifest, Referrers, ReferrersSource, Repository, Tags};

/// The largest manifest that is read or written: 4 MiB, the least that registries must take
/// (distribution specification, "Pushing Manifests").
pub const MANIFEST_LIMIT: u64 = 4 << 20;
