//! The steps of a release, one a file.

pub(crate) mod attest;
pub(crate) mod build;
pub(crate) mod check;
pub(crate) mod gate;
pub(crate) mod merge;
pub(crate) mod preflight;
pub(crate) mod promote;
pub(crate) mod pull;
pub(crate) mod sbom;
pub(crate) mod summary;
pub(crate) mod verify;
