//! `.trivyignore.yaml`: ignores by kind, with paths, purls, an expiry and a statement.

use std::fmt;

use camino::Utf8Path;
use loadline_core::Location;
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_saphyr::Spanned;

use super::{Expiry, Ignore, IgnoresError, Kind, PathPattern, PurlPattern};

#[derive(Default, Deserialize)]
#[serde(default)]
struct File {
    vulnerabilities: Option<Vec<Entry>>,
    misconfigurations: Option<Vec<Entry>>,
    secrets: Option<Vec<Entry>>,
    licenses: Option<Vec<Entry>>,
}

struct Entry {
    id: Spanned<String>,
    paths: Vec<Spanned<String>>,
    purls: Vec<Spanned<String>>,
    expired_at: Option<Spanned<String>>,
    statement: Option<String>,
    unknown: Vec<String>,
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntryVisitor)
    }
}

// By hand, because a derived `flatten` for the unknown keys would lose the lines.
struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = Entry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an ignore: a mapping with `id`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut id = None;
        let mut entry = Entry {
            id: Spanned {
                value: String::new(),
                referenced: serde_saphyr::Location::UNKNOWN,
                defined: serde_saphyr::Location::UNKNOWN,
            },
            paths: Vec::new(),
            purls: Vec::new(),
            expired_at: None,
            statement: None,
            unknown: Vec::new(),
        };
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "id" => id = Some(map.next_value()?),
                "paths" => entry.paths = map.next_value::<Option<_>>()?.unwrap_or_default(),
                "purls" => entry.purls = map.next_value::<Option<_>>()?.unwrap_or_default(),
                "expired_at" => entry.expired_at = map.next_value()?,
                "statement" => entry.statement = map.next_value()?,
                _ => {
                    map.next_value::<IgnoredAny>()?;
                    entry.unknown.push(key);
                }
            }
        }
        entry.id = id.ok_or_else(|| serde::de::Error::missing_field("id"))?;
        Ok(entry)
    }
}

fn line_of<T>(spanned: &Spanned<T>) -> u32 {
    u32::try_from(spanned.referenced.line()).unwrap_or(u32::MAX)
}

/// Reads the YAML form.
pub(super) fn parse(file: &Utf8Path, text: &str) -> Result<Vec<Ignore>, IgnoresError> {
    // A file of comments only is an empty document, and that is no ignores.
    let read: Option<File> = serde_saphyr::from_str(text).map_err(|error| IgnoresError::Yaml {
        file: file.to_owned(),
        line: error.location().and_then(|at| u32::try_from(at.line()).ok()).filter(|line| *line > 0),
        reason: first_line(&error.without_snippet().to_string()),
    })?;
    let read = read.unwrap_or_default();
    let kinds = [
        (Kind::Vulnerability, read.vulnerabilities),
        (Kind::Misconfiguration, read.misconfigurations),
        (Kind::Secret, read.secrets),
        (Kind::License, read.licenses),
    ];
    let mut entries = Vec::new();
    for (kind, list) in kinds {
        for entry in list.unwrap_or_default() {
            entries.push(ignore(file, kind, entry)?);
        }
    }
    Ok(entries)
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or("").chars().take(300).collect()
}

fn ignore(file: &Utf8Path, kind: Kind, entry: Entry) -> Result<Ignore, IgnoresError> {
    let line = line_of(&entry.id);
    let bad = |text: &Spanned<String>, what, reason| IgnoresError::Pattern {
        file: file.to_owned(),
        line: line_of(text),
        text: text.value.chars().take(200).collect(),
        what,
        reason,
    };
    if entry.id.value.trim().is_empty() {
        return Err(bad(&entry.id, "id", "it is empty".to_owned()));
    }
    let mut paths = Vec::new();
    for text in &entry.paths {
        paths.push(PathPattern::parse(&text.value).map_err(|reason| bad(text, "path pattern", reason))?);
    }
    let mut purls = Vec::new();
    for text in &entry.purls {
        purls.push(PurlPattern::parse(&text.value).map_err(|reason| bad(text, "package URL", reason))?);
    }
    let expiry = match &entry.expired_at {
        None => None,
        Some(text) => Some(Expiry::parse(text.value.trim()).ok_or_else(|| IgnoresError::Expiry {
            file: file.to_owned(),
            line: line_of(text),
            text: text.value.chars().take(60).collect(),
        })?),
    };
    Ok(Ignore {
        kind,
        id: entry.id.value,
        paths,
        purls,
        expiry,
        statement: entry.statement.map(|s| s.trim().to_owned()).filter(|s| !s.is_empty()),
        unknown_keys: entry.unknown,
        location: Location::line(file, line),
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Vec<Ignore>, IgnoresError> {
        parse(Utf8Path::new(".trivyignore.yaml"), text)
    }

    #[test]
    fn all_members() {
        let entries = read(
            "# head\nvulnerabilities:\n  - id: CVE-1\n    paths:\n      - \"**/package.json\"\n    purls: [pkg:npm/a]\n    expired_at: 2026-05-12\n    statement: >-\n      one\n      two\n  - id: CVE-2\n    expires_at: 2026-01-01\nmisconfigurations:\n  - id: DS-0002\nsecrets: null\n",
        )
        .unwrap();
        assert_eq!(entries.len(), 3);
        assert_eq!(entries[0].statement.as_deref(), Some("one two"));
        assert_eq!(entries[0].expiry.as_ref().unwrap().text, "2026-05-12");
        assert_eq!(entries[0].location.line, Some(3));
        assert_eq!(entries[0].paths[0].as_str(), "**/package.json");
        assert_eq!(entries[1].unknown_keys, ["expires_at"]);
        assert_eq!((entries[2].kind, entries[2].location.line), (Kind::Misconfiguration, Some(14)));
    }

    #[test]
    fn nothing_is_no_ignores() {
        for text in ["", "# only a comment\n", "vulnerabilities:\n", "vulnerabilities: []\n"] {
            assert_eq!(read(text), Ok(Vec::new()), "{text:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let error = read("vulnerabilities:\n  - id: CVE-1\n    expired_at: someday\n").unwrap_err();
        assert!(matches!(error, IgnoresError::Expiry { line: 3, .. }), "{error}");
        let error = read("vulnerabilities:\n  - id: CVE-1\n    paths: ['[a']\n").unwrap_err();
        assert!(matches!(error, IgnoresError::Pattern { line: 3, what: "path pattern", .. }), "{error}");
        let error = read("vulnerabilities:\n  - statement: no id\n").unwrap_err();
        assert!(matches!(error, IgnoresError::Yaml { .. }), "{error}");
        let error = read("vulnerabilities: [\n").unwrap_err();
        assert!(matches!(error, IgnoresError::Yaml { .. }), "{error}");
        let error = read("vulnerabilities:\n  - id: ''\n").unwrap_err();
        assert!(matches!(error, IgnoresError::Pattern { what: "id", .. }), "{error}");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,200}") {
            let _ = read(&text);
        }

        #[test]
        fn every_entry_comes_out(ids in proptest::collection::vec("CVE-[0-9]{4}-[0-9]{4,6}", 1..12)) {
            let text: String = std::iter::once("vulnerabilities:\n".to_owned())
                .chain(ids.iter().map(|id| format!("  - id: {id}\n")))
                .collect();
            let got: Vec<_> = read(&text).unwrap().into_iter().map(|e| e.id).collect();
            prop_assert_eq!(got, ids);
        }
    }
}
