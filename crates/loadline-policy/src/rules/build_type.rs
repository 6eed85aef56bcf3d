//! The build type that a provenance names.

use loadline_core::Finding;
use loadline_core::proof::Proof;

use crate::codes::BUILD_TYPE_MISMATCH;
use crate::judge::{JudgeContext, Rule};
use crate::rules::provenance::stated;
use crate::text::TextRule;

/// A provenance has one of these build types; other predicates are left alone.
#[derive(Debug, Clone, PartialEq)]
pub struct BuildType(pub Vec<TextRule>);

impl Rule for BuildType {
    fn describe(&self) -> String {
        format!("build type is {}", any_of(&self.0))
    }

    fn judge(&self, proof: &Proof, _: &JudgeContext) -> Vec<Finding> {
        match stated(proof) {
            Some(stated) if !self.0.iter().any(|rule| rule.allows(&stated.build_type)) => {
                vec![Finding::error(
                    &BUILD_TYPE_MISMATCH,
                    format!(
                        "expected {} as the build type, the provenance says `{}`",
                        any_of(&self.0),
                        stated.build_type
                    ),
                )]
            }
            _ => Vec::new(),
        }
    }
}

pub(crate) fn any_of(rules: &[TextRule]) -> String {
    rules.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ")
}
