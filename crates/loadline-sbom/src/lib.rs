//! CycloneDX: what is in an image, one document a platform, and their join for the index.
//!
//! ```
//! use loadline_core::{Digest, Platform};
//! use loadline_sbom::{Subject, catalog, document};
//! # use loadline_core::rootfs::{RootFs, RootFsError, Visitor};
//! # struct Empty;
//! # impl RootFs for Empty {
//! #     fn visit(&self, _: &mut Visitor<'_>) -> Result<(), RootFsError> { Ok(()) }
//! # }
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let rootfs = Empty;
//! let catalogued = catalog(&rootfs)?;
//! let digest = Digest::of(b"manifest");
//! let platform = Platform::new("linux", "amd64", None);
//! let sbom = document(
//!     &catalogued,
//!     &Subject {
//!         name: "daemon",
//!         repository: None,
//!         digest: &digest,
//!         platform: Some(&platform),
//!         diff_ids: &[],
//!         created: jiff::Timestamp::UNIX_EPOCH,
//!     },
//! )?;
//! assert!(sbom.as_str().starts_with(r#"{"bomFormat":"CycloneDX","specVersion":"1.6""#));
//! # Ok(())
//! # }
//! ```
//!
//! Documents are deterministic: the same root file system, subject and date give the same bytes. What is in
//! the image but could not be read is counted, and the document says so. This room is pure: what it reads
//! comes through [`loadline_core::rootfs::RootFs`] or as bytes.

pub mod catalog;
mod document;
mod join;
mod licence;
mod model;
mod package;
mod purl;
pub mod read;
mod sbom;
mod weigh;

pub use catalog::{Catalogued, Unread, UnreadReason, catalog};
pub use document::{Subject, document};
pub use join::{JoinError, Part, join};
pub use package::{Ecosystem, Kind, Package};
pub use sbom::{MAX_SBOM_BYTES, Sbom, SbomError};
pub use weigh::{Weight, weigh};
