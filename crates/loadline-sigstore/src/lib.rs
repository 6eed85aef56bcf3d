//! Trust roots, signing a statement, verifying a bundle: the only room that knows the sigstore crates.
//!
//! [`Verifier`] turns a bundle's bytes into a [`Proof`](loadline_core::proof::Proof): who signed what,
//! when, and how we know. Whether that is good enough is `loadline-policy`'s to say. [`Signer`] turns a
//! statement's bytes into a bundle.
//!
//! X.509 path building, SCTs, Merkle proofs, checkpoints, timestamps and TUF are the library's. What it
//! leaves to its caller is done here, one rule at a time: each variant of [`VerifyError`] is one.

mod codes;
mod json;
pub mod online;
pub mod sign;
pub mod trust;
mod unverified;
pub mod verify;

pub use codes::*;
pub use online::{Borne, OnlineError};
pub use sign::{
    Browser, Claims, GitHubActions, Interactive, Name, Prompt, RekorVersion, STATEMENT_LIMIT, Service,
    SignError, Signer, SigningKey, SigningServices, TokenSource, Way,
};
pub use trust::{Instance, TrustError, TrustRoot, TrustRoots};
pub use unverified::{Unverified, UnverifiedSigner};
pub use verify::{BUNDLE_LIMIT, Expected, KeyTrust, PublicKey, Verifier, VerifyError};
