//! The forge's own number of the source repository: it survives a rename, and a name that was given up
//! and taken by another does not bring it along.

use loadline_core::Finding;
use loadline_core::proof::{Claim, Proof};

use crate::codes::REPOSITORY_ID_MISMATCH;
use crate::judge::{JudgeContext, Rule};
use crate::rules::mismatch;

/// Built from the repository of this number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryId(pub String);

impl Rule for RepositoryId {
    fn describe(&self) -> String {
        format!("source repository id is {}", self.0)
    }

    fn judge(&self, proof: &Proof, _: &JudgeContext) -> Vec<Finding> {
        let claim = Claim::SourceRepositoryIdentifier;
        match proof.identity().and_then(|identity| identity.claim(claim)) {
            Some(actual) if actual == self.0 => Vec::new(),
            _ => vec![mismatch(&REPOSITORY_ID_MISMATCH, proof, claim, &format!("`{}`", self.0))],
        }
    }
}
