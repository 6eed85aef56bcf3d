//! Holding a proof against a policy.

use std::fmt::Debug;

use jiff::Timestamp;
use loadline_core::proof::Proof;
use loadline_core::{Digest, Finding, Platform};
use semver::Version;

use crate::policy::Policy;
use crate::rules;

/// What is judged, and when: everything a rule may ask beyond the proof.
#[derive(Debug, Clone)]
pub struct JudgeContext {
    /// The artifact's digest.
    pub digest: Digest,
    /// The platform, where the artifact is an image for one.
    pub platform: Option<Platform>,
    /// The moment of judgement.
    pub now: Timestamp,
    /// The version the artifact claims to be, for identities that hold for a range of versions.
    pub version: Option<Version>,
    /// The commit that a proven provenance of the same digest says was built, for judging statements
    /// that do not say it themselves, an SBOM for example.
    pub built_commit: Option<String>,
}

impl JudgeContext {
    /// A context of a digest and a moment.
    pub fn new(digest: Digest, now: Timestamp) -> Self {
        Self { digest, platform: None, now, version: None, built_commit: None }
    }
}

/// One rule of a policy.
pub trait Rule: Debug + Send + Sync {
    /// The rule in words, as `source repository is github.com/acme/widget`.
    fn describe(&self) -> String;

    /// What is wrong with the proof by this rule; nothing when it holds.
    fn judge(&self, proof: &Proof, context: &JudgeContext) -> Vec<Finding>;
}

/// Holds a proof against a policy: every mismatch a finding of its own. It satisfies the policy when no
/// finding is an error.
///
/// Beside the policy's own rules these always apply: the digest is among the statement's subjects, and a
/// provenance does not contradict the certificate that signed it.
pub fn judge(policy: &Policy, proof: &Proof, context: &JudgeContext) -> Vec<Finding> {
    let mut findings = rules::subject::judge(proof, context);
    findings.extend(rules::identity::judge(&policy.identities, proof, context));
    for rule in &policy.rules {
        findings.extend(rule.judge(proof, context));
    }
    findings.extend(rules::provenance::judge(proof));
    findings.extend(rules::set_only::judge(proof));
    findings
        .into_iter()
        .map(|finding| if finding.digest.is_none() { finding.about(&context.digest) } else { finding })
        .collect()
}
