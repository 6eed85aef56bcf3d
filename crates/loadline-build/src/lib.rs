//! Builders: an image for one platform, from a request to a manifest at its destination by digest.
//!
//! One file (or folder) a builder; all of them take a [`BuildRequest`] and give a [`Built`], and none
//! writes a tag. [`assemble`] is the daemonless one.

pub mod assemble;
mod builder;
mod built;
pub mod codes;
mod request;

pub use assemble::{AssembleError, Assembler};
pub use builder::{BuildError, Builder};
pub use built::{BaseImageUsed, Built, Inputs};
pub use codes::CODES;
pub use request::{BuildRequest, NamedContext};
