//! Who vouches for the time of signing.

use loadline_core::Finding;
use loadline_core::proof::{Proof, TimeSource};

use crate::codes::TIMESTAMP_AUTHORITY_MISMATCH;
use crate::judge::{JudgeContext, Rule};
use crate::rules::build_type::any_of;
use crate::text::TextRule;

/// One of these timestamp authorities, by its name or address in the trust root, vouches for the time.
#[derive(Debug, Clone, PartialEq)]
pub struct TimestampAuthority(pub Vec<TextRule>);

impl Rule for TimestampAuthority {
    fn describe(&self) -> String {
        format!("time vouched for by {}", any_of(&self.0))
    }

    fn judge(&self, proof: &Proof, _: &JudgeContext) -> Vec<Finding> {
        let mut named = Vec::new();
        for time in &proof.times {
            match &time.by {
                TimeSource::Authority(name) if self.0.iter().any(|rule| rule.allows(name)) => {
                    return Vec::new();
                }
                TimeSource::Authority(name) => named.push(format!("`{name}`")),
                TimeSource::Log => named.push("the log".to_owned()),
            }
        }
        let who = if named.is_empty() { "nobody".to_owned() } else { named.join(" and ") };
        vec![Finding::error(
            &TIMESTAMP_AUTHORITY_MISMATCH,
            format!("expected {} to vouch for the time of signing, {who} does", any_of(&self.0)),
        )]
    }
}
