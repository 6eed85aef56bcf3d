//! Builders: an image for one platform, from a request to a manifest at its destination by digest.
//!
//! One file (or folder) a builder; all of them take a [`BuildRequest`] and give a [`Built`], and none
//! writes a tag. [`assemble`] is the daemonless one, [`buildx`] drives docker's, [`layout`] takes what another tool
//! leaves, [`existing`] what is at a registry.

pub mod assemble;
mod builder;
pub mod buildx;
mod built;
pub mod codes;
mod copy_leg;
pub mod existing;
pub mod layout;
mod request;
mod written;

pub use assemble::{AssembleError, Assembler};
pub use builder::{BuildError, Builder};
pub use buildx::{Buildx, BuildxError};
pub use built::{BaseImageUsed, Built, Inputs};
pub use codes::CODES;
pub use copy_leg::copy_leg;
pub use existing::{ExistingError, FromRegistry};
pub use layout::{FromLayout, LayoutError};
pub use request::{BaseAnnotation, BuildRequest, NamedContext};
pub use written::WrittenError;

/// The name of the image that a request's Dockerfile is built on in the end; none for `scratch`, and where it
/// cannot be told.
pub fn base_name(request: &BuildRequest) -> Option<loadline_core::Reference> {
    assemble::base_name(request)
}
