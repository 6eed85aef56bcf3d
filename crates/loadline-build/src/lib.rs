//! Builders: an image for one platform, from a request to a manifest at its destination by digest.
//!
//! One file (or folder) a builder; all of them take a [`BuildRequest`] and give a [`Built`], and none
//! writes a tag. [`assemble`] is the daemonless one, [`buildx`] drives docker's.

pub mod assemble;
mod builder;
pub mod buildx;
mod built;
pub mod codes;
mod copy_leg;
mod request;

pub use assemble::{AssembleError, Assembler};
pub use builder::{BuildError, Builder};
pub use buildx::{Buildx, BuildxError};
pub use built::{BaseImageUsed, Built, Inputs};
pub use codes::CODES;
pub use copy_leg::copy_leg;
pub use request::{BuildRequest, NamedContext};
