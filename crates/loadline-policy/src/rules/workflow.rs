//! The top workflow: the one that was started, and that may have called the signing one.

use loadline_core::Finding;
use loadline_core::proof::{Claim, Proof};

use crate::codes::WORKFLOW_MISMATCH;
use crate::judge::{JudgeContext, Rule};
use crate::rules::mismatch;
use crate::uri::WorkflowUri;

/// Started by this workflow file, `.github/workflows/release.yml`, of the source repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workflow(pub String);

impl Rule for Workflow {
    fn describe(&self) -> String {
        format!("top workflow is {}", self.0)
    }

    fn judge(&self, proof: &Proof, _: &JudgeContext) -> Vec<Finding> {
        let claim = Claim::BuildConfigUri;
        let actual = proof.identity().and_then(|identity| identity.claim(claim)).and_then(WorkflowUri::parse);
        match actual {
            Some(uri) if uri.path == self.0 => Vec::new(),
            _ => vec![mismatch(&WORKFLOW_MISMATCH, proof, claim, &format!("`{}`", self.0))],
        }
    }
}
