//! The verbs, one a file.

pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod copy;
pub(crate) mod inspect;
pub(crate) mod promote;
pub(crate) mod region;
pub(crate) mod release;
pub(crate) mod sandbox;
pub(crate) mod schema;
pub(crate) mod sign_bundle;
pub(crate) mod status;
pub(crate) mod verify;
pub(crate) mod verify_bundle;
