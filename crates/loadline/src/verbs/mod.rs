//! The verbs, one a file.

pub(crate) mod attest;
pub(crate) mod build;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod copy;
pub(crate) mod existing;
pub(crate) mod image_verifier;
pub(crate) mod inspect;
pub(crate) mod merge;
pub(crate) mod plan_format;
pub(crate) mod promote;
pub(crate) mod region;
pub(crate) mod release;
pub(crate) mod sandbox;
pub(crate) mod schema;
pub(crate) mod sign_bundle;
pub(crate) mod status;
pub(crate) mod trust;
pub(crate) mod verify;
pub(crate) mod verify_bundle;
