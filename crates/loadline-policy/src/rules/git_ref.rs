//! The git ref that the workflow ran for.

use loadline_core::Finding;
use loadline_core::proof::{Claim, Proof};

use crate::codes::REF_MISMATCH;
use crate::judge::{JudgeContext, Rule};
use crate::rules::mismatch;
use crate::text::TextRule;

/// Run for this ref, `refs/heads/main` or a pattern of refs.
#[derive(Debug, Clone, PartialEq)]
pub struct GitRef(pub TextRule);

impl Rule for GitRef {
    fn describe(&self) -> String {
        format!("source ref is {}", self.0)
    }

    fn judge(&self, proof: &Proof, _: &JudgeContext) -> Vec<Finding> {
        let claim = Claim::SourceRepositoryRef;
        match proof.identity().and_then(|identity| identity.claim(claim)) {
            Some(actual) if self.0.allows(actual) => Vec::new(),
            _ => vec![mismatch(&REF_MISMATCH, proof, claim, &self.0.to_string())],
        }
    }
}
