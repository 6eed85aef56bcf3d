//! Licences as CycloneDX wants them: an SPDX id, one SPDX expression, or names.

use std::collections::BTreeSet;

use spdx::{Expression, ParseMode};

use crate::model::{License, Named};

/// No package has more; a hostile copyright file may.
const MAX_LICENCES: usize = 50;
const MAX_LICENCE_CHARS: usize = 300;

/// What the texts say. One valid expression stays an expression, because a document may have either
/// several licences or exactly one expression.
pub(crate) fn licences(texts: &BTreeSet<String>) -> Vec<License> {
    let mut texts = texts.iter().map(|text| text.trim()).filter(|text| !text.is_empty());
    let (first, second) = (texts.next(), texts.next());
    match (first, second) {
        (None, _) => Vec::new(),
        (Some(one), None) => vec![match id(one) {
            Some(id) => License::License(Named::Id(id.to_owned())),
            None if is_expression(one) => License::Expression { expression: one.to_owned() },
            None => License::License(Named::Name(shortened(one))),
        }],
        (Some(first), Some(second)) => [first, second]
            .into_iter()
            .chain(texts)
            .take(MAX_LICENCES)
            .map(|text| {
                License::License(match id(text) {
                    Some(id) => Named::Id(id.to_owned()),
                    None => Named::Name(shortened(text)),
                })
            })
            .collect(),
    }
}

fn shortened(text: &str) -> String {
    text.chars().take(MAX_LICENCE_CHARS).collect()
}

/// The SPDX identifier that a text is, letter for letter. Only those that both the Open Source Initiative and the
/// Free Software Foundation approve, which are old enough to be in the list that every validator's copy of the
/// schema has; others are written as expressions, which no list bounds.
fn id(text: &str) -> Option<&'static str> {
    let approved = |id: &spdx::LicenseId| id.is_osi_approved() && id.is_fsf_free_libre();
    spdx::license_id(text).filter(|id| id.name == text && approved(id)).map(|id| id.name)
}

fn is_expression(text: &str) -> bool {
    text.len() <= 2_000 && Expression::parse_mode(text, ParseMode::STRICT).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(texts: &[&str]) -> String {
        let set = texts.iter().map(|text| (*text).to_owned()).collect();
        serde_json::to_string(&licences(&set)).unwrap()
    }

    #[test]
    fn ids_expressions_and_names() {
        assert_eq!(of(&[]), "[]");
        assert_eq!(of(&["MIT"]), r#"[{"license":{"id":"MIT"}}]"#);
        assert_eq!(of(&["MIT OR Apache-2.0"]), r#"[{"expression":"MIT OR Apache-2.0"}]"#);
        assert_eq!(of(&["SEE LICENSE IN x"]), r#"[{"license":{"name":"SEE LICENSE IN x"}}]"#);
        assert_eq!(of(&["MIT", "GPL-2+"]), r#"[{"license":{"name":"GPL-2+"}},{"license":{"id":"MIT"}}]"#);
        assert_eq!(of(&["WTFPL"]), r#"[{"expression":"WTFPL"}]"#);
        assert_eq!(of(&["mit"]), r#"[{"license":{"name":"mit"}}]"#);
    }

    #[test]
    fn every_id_that_is_written_is_in_the_schema() {
        let schema = include_str!("../tests/schema/spdx.SNAPSHOT.schema.json");
        let schema: serde_json::Value = serde_json::from_str(schema).unwrap();
        let known: BTreeSet<&str> =
            schema["enum"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
        let written = known.iter().filter(|text| id(text).is_some()).count();
        assert!(written > 40, "{written}");
        let foreign: Vec<_> = spdx::identifiers::LICENSES
            .iter()
            .map(|l| l.name)
            .filter(|n| id(n).is_some() && !known.contains(n))
            .collect();
        assert!(foreign.is_empty(), "{foreign:?}");
    }
}
