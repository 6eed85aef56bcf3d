//! The source repository, as the certificate says.

use loadline_core::Finding;
use loadline_core::proof::{Claim, Proof};

use crate::codes::SOURCE_REPOSITORY_MISMATCH;
use crate::judge::{JudgeContext, Rule};
use crate::rules::mismatch;
use crate::uri::{bare_repository, same_repository};

/// Built from this repository: `github.com/OWNER/REPO`, with or without its scheme.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceRepository(pub String);

impl Rule for SourceRepository {
    fn describe(&self) -> String {
        format!("source repository is {}", bare_repository(&self.0))
    }

    fn judge(&self, proof: &Proof, _: &JudgeContext) -> Vec<Finding> {
        let claim = Claim::SourceRepositoryUri;
        match proof.identity().and_then(|identity| identity.claim(claim)) {
            Some(actual) if same_repository(actual, &self.0) => Vec::new(),
            _ => vec![mismatch(
                &SOURCE_REPOSITORY_MISMATCH,
                proof,
                claim,
                &format!("`{}`", bare_repository(&self.0)),
            )],
        }
    }
}
