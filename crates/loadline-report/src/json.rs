//! One JSON document: `loadline/findings/v1`.

use loadline_core::Outcome;
use loadline_core::document::{Document, FINDINGS};
use loadline_core::verdict::OutcomeDocument;

/// Writes an outcome as one JSON document, indented, with a line end.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn json(outcome: &Outcome) -> Result<String, serde_json::Error> {
    let document = Document::new(FINDINGS, OutcomeDocument::from(outcome));
    let mut out = serde_json::to_string_pretty(&document)?;
    out.push('\n');
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn members_without_a_value_are_left_out() {
        insta::assert_snapshot!(json(&fixture::outcome()).unwrap());
        let empty: serde_json::Value = serde_json::from_str(&json(&Outcome::new()).unwrap()).unwrap();
        assert_eq!(
            empty,
            serde_json::json!({"schema": "loadline/findings/v1", "verdict": "pass", "findings": [], "failures": []})
        );
    }
}
