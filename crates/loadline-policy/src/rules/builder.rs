//! The builder that a provenance names.

use loadline_core::Finding;
use loadline_core::proof::Proof;

use crate::codes::BUILDER_MISMATCH;
use crate::judge::{JudgeContext, Rule};
use crate::rules::build_type::any_of;
use crate::rules::provenance::stated;
use crate::text::TextRule;

/// A provenance names one of these builders; other predicates are left alone.
#[derive(Debug, Clone, PartialEq)]
pub struct Builder(pub Vec<TextRule>);

impl Rule for Builder {
    fn describe(&self) -> String {
        format!("builder is {}", any_of(&self.0))
    }

    fn judge(&self, proof: &Proof, _: &JudgeContext) -> Vec<Finding> {
        match stated(proof) {
            Some(stated) if !self.0.iter().any(|rule| rule.allows(&stated.builder)) => vec![Finding::error(
                &BUILDER_MISMATCH,
                format!(
                    "expected {} as the builder, the provenance says `{}`",
                    any_of(&self.0),
                    stated.builder
                ),
            )],
            _ => Vec::new(),
        }
    }
}
