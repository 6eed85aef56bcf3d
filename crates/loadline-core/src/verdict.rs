//! Verdicts, and the failures that make one unknown.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::code::Code;
use crate::finding::{Finding, FindingDocument, Severity};

/// What an examination came to. Over a set, `fail` beats `unknown` beats `pass`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// All that was demanded was examined and found right.
    Pass,
    /// Something could not be examined. Never a pass.
    Unknown,
    /// Something was examined and found wrong.
    Fail,
}

/// An examination that could not be done: a tool, the network, a limit. Never a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The documented code.
    pub code: &'static Code,
    /// What could not be done, and why.
    pub message: String,
    /// The next step.
    pub help: Option<String>,
}

impl Failure {
    /// A failure.
    pub fn new(code: &'static Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), help: None }
    }

    /// Names the next step.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

/// A failure as every JSON document writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Failure")]
pub struct FailureDocument {
    /// The documented code, kebab-case.
    pub code: String,
    /// What could not be done, and why.
    pub message: String,
    /// The next step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl From<&Failure> for FailureDocument {
    fn from(failure: &Failure) -> Self {
        Self {
            code: failure.code.name.to_owned(),
            message: failure.message.clone(),
            help: failure.help.clone(),
        }
    }
}

/// What came out of an examination: findings, failures, and the verdict that follows from them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What was found.
    pub findings: Vec<Finding>,
    /// What could not be examined.
    pub failures: Vec<Failure>,
}

impl Outcome {
    /// Nothing found, nothing failed.
    pub fn new() -> Self {
        Self::default()
    }

    /// The verdict: any error is `fail`; else any failure is `unknown`; else `pass`.
    pub fn verdict(&self) -> Verdict {
        if self.findings.iter().any(|f| f.severity == Severity::Error) {
            Verdict::Fail
        } else if self.failures.is_empty() {
            Verdict::Pass
        } else {
            Verdict::Unknown
        }
    }

    /// Takes in another outcome.
    pub fn merge(&mut self, other: Self) {
        self.findings.extend(other.findings);
        self.failures.extend(other.failures);
    }
}

impl From<Vec<Finding>> for Outcome {
    fn from(findings: Vec<Finding>) -> Self {
        Self { findings, failures: Vec::new() }
    }
}

impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Self {
        Self { findings: Vec::new(), failures: vec![failure] }
    }
}

/// The members that every document with findings carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OutcomeDocument {
    /// `pass`, `fail` or `unknown`.
    pub verdict: Verdict,
    /// What was found.
    pub findings: Vec<FindingDocument>,
    /// What could not be examined.
    pub failures: Vec<FailureDocument>,
}

impl From<&Outcome> for OutcomeDocument {
    fn from(outcome: &Outcome) -> Self {
        Self {
            verdict: outcome.verdict(),
            findings: outcome.findings.iter().map(Into::into).collect(),
            failures: outcome.failures.iter().map(Into::into).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static CODE: Code = Code::new("test-code", "a test", "a test");

    #[test]
    fn fail_beats_unknown_beats_pass() {
        let mut outcome = Outcome::new();
        assert_eq!(outcome.verdict(), Verdict::Pass);
        outcome.findings.push(Finding::warning(&CODE, "w"));
        assert_eq!(outcome.verdict(), Verdict::Pass);
        outcome.merge(Failure::new(&CODE, "f").into());
        assert_eq!(outcome.verdict(), Verdict::Unknown);
        outcome.findings.push(Finding::error(&CODE, "e"));
        assert_eq!(outcome.verdict(), Verdict::Fail);
        assert!(Verdict::Fail > Verdict::Unknown && Verdict::Unknown > Verdict::Pass);
    }
}
