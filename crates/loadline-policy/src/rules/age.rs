//! How long ago it was signed.

use jiff::SignedDuration;
use loadline_core::Finding;
use loadline_core::proof::Proof;

use crate::codes::{SIGNED_IN_FUTURE, TOO_OLD};
use crate::judge::{JudgeContext, Rule};

/// Signed no longer ago than this, by the earliest verified time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaxAge(pub SignedDuration);

impl Rule for MaxAge {
    fn describe(&self) -> String {
        format!("signed at most {} ago", words(self.0))
    }

    fn judge(&self, proof: &Proof, context: &JudgeContext) -> Vec<Finding> {
        let Some(signed) = proof.signed_at() else {
            return vec![Finding::error(
                &TOO_OLD,
                format!(
                    "expected it signed at most {} ago, nobody vouches for when it was signed",
                    words(self.0)
                ),
            )];
        };
        let age = context.now.duration_since(signed);
        // A day of tolerance: clocks differ, a signature from tomorrow does not.
        if age < SignedDuration::from_hours(-24) {
            return vec![
                Finding::error(
                    &SIGNED_IN_FUTURE,
                    format!("it was signed at {signed}, and now it is {}", context.now),
                )
                .help("set this machine's clock"),
            ];
        }
        if age <= self.0 {
            return Vec::new();
        }
        vec![Finding::error(
            &TOO_OLD,
            format!(
                "expected it signed at most {} ago, it was signed at {signed}, {} ago",
                words(self.0),
                words(age)
            ),
        )]
    }
}

fn words(duration: SignedDuration) -> String {
    let hours = duration.as_hours();
    if hours >= 48 {
        return format!("{} days", hours / 24);
    }
    if hours >= 1 { format!("{hours} h") } else { format!("{} min", duration.as_mins()) }
}
