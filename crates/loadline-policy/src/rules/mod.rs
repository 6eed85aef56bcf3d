//! The rules, one a file. `subject`, `identity`, `provenance` and `set_only` always apply; the others
//! where the policy has them.

pub mod age;
pub mod base_images;
pub mod build_type;
pub mod builder;
pub mod commit;
pub mod git_ref;
pub mod identity;
pub(crate) mod provenance;
pub mod repository_id;
pub mod runner;
pub(crate) mod set_only;
pub mod source_repository;
pub(crate) mod subject;
pub mod timestamp_authority;
pub mod workflow;

use loadline_core::proof::{Claim, Proof};
use loadline_core::{Code, Finding};

/// What a certificate says about a claim, for messages: the value, or that it says nothing.
fn says(proof: &Proof, claim: Claim) -> String {
    match proof.identity() {
        Some(identity) => match identity.claim(claim) {
            Some(value) => format!("`{value}`"),
            None => format!("no {}", claim.name()),
        },
        None => "nothing, it was signed with a key".to_owned(),
    }
}

/// A claim that is not as demanded.
fn mismatch(code: &'static Code, proof: &Proof, claim: Claim, expected: &str) -> Finding {
    Finding::error(
        code,
        format!("expected {expected} as the {}, the certificate says {}", claim.name(), says(proof, claim)),
    )
}
