//! The commit that was built.
//!
//! It may differ from the workflow's, when a workflow of today builds an old tag. Provenance names both,
//! and the certificate knows the workflow's only.

use loadline_core::Finding;
use loadline_core::proof::{Claim, Content, Proof};

use crate::codes::{BUILT_COMMIT_DIFFERS, COMMIT_MISMATCH};
use crate::judge::{JudgeContext, Rule};
use crate::provenance::Stated;
use crate::rules::mismatch;

/// Built from this commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// The commit, in full.
    pub commit: String,
}

/// The built commit is the workflow's own; leave this rule out to let old tags be built by workflows of
/// today.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SameCommit;

impl Rule for Commit {
    fn describe(&self) -> String {
        format!("built commit is {}", self.commit)
    }

    fn judge(&self, proof: &Proof, context: &JudgeContext) -> Vec<Finding> {
        let claim = Claim::SourceRepositoryDigest;
        if let Some(stated) = stated_commit(proof).or_else(|| context.built_commit.clone()) {
            if stated.eq_ignore_ascii_case(&self.commit) {
                return Vec::new();
            }
            return vec![Finding::error(
                &COMMIT_MISMATCH,
                format!("expected `{}` as the built commit, the provenance says `{stated}`", self.commit),
            )];
        }
        match proof.identity().and_then(|identity| identity.claim(claim)) {
            Some(actual) if actual.eq_ignore_ascii_case(&self.commit) => Vec::new(),
            _ => vec![mismatch(&COMMIT_MISMATCH, proof, claim, &format!("`{}`", self.commit))],
        }
    }
}

impl Rule for SameCommit {
    fn describe(&self) -> String {
        "built commit is the workflow's".to_owned()
    }

    fn judge(&self, proof: &Proof, _: &JudgeContext) -> Vec<Finding> {
        let certified = proof.identity().and_then(|identity| identity.claim(Claim::SourceRepositoryDigest));
        match (stated_commit(proof), certified) {
            (Some(built), Some(certified)) if !built.eq_ignore_ascii_case(certified) => vec![
                Finding::error(
                    &BUILT_COMMIT_DIFFERS,
                    format!("the commit `{built}` was built by a workflow of commit `{certified}`"),
                )
                .help("allow it in the configuration where workflows of today build old tags"),
            ],
            _ => Vec::new(),
        }
    }
}

fn stated_commit(proof: &Proof) -> Option<String> {
    let Content::Statement { predicate_type, predicate, .. } = &proof.content else { return None };
    let stated = Stated::read(predicate_type, predicate)?.ok()?;
    stated.built_commit().map(str::to_owned)
}
