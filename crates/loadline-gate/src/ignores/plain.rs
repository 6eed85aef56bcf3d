//! `.trivyignore`: one id a line, `exp:YYYY-MM-DD` after it, `#` for comments.

use camino::Utf8Path;
use loadline_core::Location;

use super::{Expiry, Ignore, IgnoresError, Kind};

/// Reads the plain form. The comment lines right above an id, or a comment after it, are its statement.
pub(super) fn parse(file: &Utf8Path, text: &str) -> Result<Vec<Ignore>, IgnoresError> {
    let mut entries = Vec::new();
    let mut above: Vec<&str> = Vec::new();
    for (number, line) in (1_u32..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() {
            above.clear();
            continue;
        }
        if line.starts_with('#') {
            above.push(line.trim_start_matches('#').trim());
            continue;
        }
        let (rule, comment) = match line.split_once(" #") {
            Some((rule, comment)) => (rule, Some(comment.trim_start_matches('#').trim())),
            None => (line, None),
        };
        let mut fields = rule.split_whitespace();
        let Some(id) = fields.next() else { continue };
        let mut expiry = None;
        for field in fields {
            // Other `key:value` pairs are for other readers.
            if let Some(date) = field.strip_prefix("exp:") {
                expiry = Some(Expiry::parse(date).ok_or_else(|| IgnoresError::Expiry {
                    file: file.to_owned(),
                    line: number,
                    text: date.chars().take(60).collect(),
                })?);
            }
        }
        let reason = match comment {
            Some(comment) => comment.to_owned(),
            None => above.join(" "),
        };
        above.clear();
        entries.push(Ignore {
            kind: Kind::Any,
            id: id.to_owned(),
            paths: Vec::new(),
            purls: Vec::new(),
            expiry,
            statement: Some(reason.trim().to_owned()).filter(|reason| !reason.is_empty()),
            unknown_keys: Vec::new(),
            location: Location::line(file, number),
        });
    }
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ids_dates_and_reasons() {
        let text = "# file\n\n# not reachable:\n# npm runs at build time only\nCVE-1 exp:2026-05-12 owner:me\nCVE-2 # inline\nAVD-DS-0013";
        let entries = parse(Utf8Path::new(".trivyignore"), text).unwrap();
        let got: Vec<_> = entries
            .iter()
            .map(|e| {
                (
                    e.id.as_str(),
                    e.expiry.as_ref().map(|x| x.text.as_str()),
                    e.statement.as_deref(),
                    e.location.line,
                )
            })
            .collect();
        assert_eq!(
            got,
            [
                ("CVE-1", Some("2026-05-12"), Some("not reachable: npm runs at build time only"), Some(5)),
                ("CVE-2", None, Some("inline"), Some(6)),
                ("AVD-DS-0013", None, None, Some(7)),
            ]
        );
    }

    #[test]
    fn a_bad_date_is_refused_with_its_line() {
        let error = parse(Utf8Path::new("x"), "CVE-1\nCVE-2 exp:tomorrow\n").unwrap_err();
        assert!(matches!(error, IgnoresError::Expiry { line: 2, .. }), "{error}");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,200}") {
            let _ = parse(Utf8Path::new("x"), &text);
        }

        #[test]
        fn every_id_comes_out(ids in proptest::collection::vec("[A-Z]{2,4}-[0-9]{4}-[0-9]{1,5}", 0..20)) {
            let entries = parse(Utf8Path::new("x"), &ids.join("\n")).unwrap();
            prop_assert_eq!(entries.into_iter().map(|e| e.id).collect::<Vec<_>>(), ids);
        }
    }
}
