//! Budgets: how large a statement may be for each place that it goes to, looked at before anything is
//! signed or pushed.

use indexmap::IndexMap;
use loadline_core::Finding;
use loadline_core::statement::StatementRef;
use loadline_sigstore::STATEMENT_LIMIT;
use serde_json::value::RawValue;

use crate::codes::STATEMENT_TOO_LARGE;

/// What a place takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Destination {
    /// The place, in words.
    pub name: &'static str,
    /// How many bytes a statement may have.
    pub statement: Option<usize>,
    /// How many bytes a predicate may have.
    pub predicate: Option<usize>,
    /// How many subjects a statement may have.
    pub subjects: Option<usize>,
}

/// The largest request that rekor-server reads unless it is told otherwise, in bytes: 32 MiB.
const REKOR_V1_REQUEST: usize = 32 << 20;

impl Destination {
    /// A bundle that verifiers, our own among them, still read.
    pub const BUNDLE: Self = Self {
        name: "a bundle that can be verified",
        statement: Some(STATEMENT_LIMIT),
        predicate: None,
        subjects: None,
    };
    /// GitHub's attestations API.
    pub const GITHUB: Self = Self {
        name: "GitHub's attestations",
        statement: None,
        predicate: Some(loadline_github::PREDICATE_LIMIT),
        subjects: Some(loadline_github::SUBJECT_LIMIT),
    };
    /// Rekor v1 takes the whole envelope: base64 of JSON that holds the statement in base64.
    pub const REKOR_V1: Self = Self {
        name: "Rekor v1",
        statement: Some(REKOR_V1_REQUEST / 16 * 9),
        predicate: None,
        subjects: None,
    };
}

/// Holds a statement against each place that it goes to. `what` is what messages call it.
pub fn check(what: &str, statement: &[u8], destinations: &[Destination]) -> Vec<Finding> {
    let read: Result<StatementRef<'_>, _> = serde_json::from_slice(statement);
    let (predicate, subjects) = match &read {
        Ok(read) => (read.predicate.get().len(), read.subject.len()),
        Err(_) => (statement.len(), 0),
    };
    let mut findings = Vec::new();
    for destination in destinations {
        let over = [
            ("bytes", statement.len(), destination.statement),
            ("bytes of predicate", predicate, destination.predicate),
            ("subjects", subjects, destination.subjects),
        ];
        for (unit, is, limit) in over {
            let Some(limit) = limit.filter(|limit| is > *limit) else { continue };
            let message = format!(
                "{what} has {} {unit}, and {} takes {}",
                grouped(is),
                destination.name,
                grouped(limit)
            );
            let mut finding = Finding::error(&STATEMENT_TOO_LARGE, message);
            finding = match (&read, unit) {
                (_, "subjects") => finding.help("attest fewer images at once"),
                (Ok(read), _) => {
                    finding.detail(weigh(read.predicate.get()).join("\n")).help(way_out(&read.predicate_type))
                }
                (Err(_), _) => finding,
            };
            findings.push(finding);
        }
    }
    findings
}

fn way_out(predicate_type: &str) -> String {
    let bom = ["cyclonedx", "spdx"].iter().any(|kind| predicate_type.contains(kind));
    if bom {
        "leave file components and evidence out of the document, or make one a platform".to_owned()
    } else {
        "leave out of the predicate what is heavy, or sign the digest of an artifact that holds it".to_owned()
    }
}

/// How many members and elements are named.
const NAMED: usize = 5;
/// How deep is looked.
const DEEP: usize = 3;

/// Which part of a JSON document weighs what, the heaviest first: a line each.
pub fn weigh(json: &str) -> Vec<String> {
    let mut lines = Vec::new();
    weigh_into("", json, json.len(), 0, &mut lines);
    lines
}

fn weigh_into(path: &str, json: &str, whole: usize, depth: usize, lines: &mut Vec<String>) {
    if depth >= DEEP {
        return;
    }
    if let Ok(members) = serde_json::from_str::<IndexMap<String, &RawValue>>(json) {
        let mut members: Vec<(String, &str)> =
            members.into_iter().map(|(name, value)| (name, value.get())).collect();
        members.sort_by_key(|(_, value)| std::cmp::Reverse(value.len()));
        for (name, value) in members.into_iter().take(NAMED) {
            // What is a hundredth of it helps nobody.
            if value.len() * 100 < whole {
                break;
            }
            let path = if path.is_empty() { name } else { format!("{path}.{name}") };
            lines.push(format!("{:>14} bytes  {path}{}", grouped(value.len()), count(value)));
            weigh_into(&path, value, whole, depth + 1, lines);
        }
    } else if let Ok(elements) = serde_json::from_str::<Vec<&RawValue>>(json) {
        let mut kinds: IndexMap<String, (usize, usize)> = IndexMap::new();
        let mut heaviest: Vec<(usize, String)> = Vec::new();
        for element in &elements {
            let (kind, name) = label(element.get());
            let entry = kinds.entry(kind).or_default();
            *entry = (entry.0 + 1, entry.1 + element.get().len());
            heaviest.push((element.get().len(), name));
        }
        if kinds.len() > 1 {
            kinds.sort_by(|_, a, _, b| b.1.cmp(&a.1));
            for (kind, (number, bytes)) in kinds.into_iter().take(NAMED) {
                lines.push(format!(
                    "{:>14} bytes  {path}: {} of type {kind}",
                    grouped(bytes),
                    grouped(number)
                ));
            }
        }
        heaviest.sort_by_key(|(size, _)| std::cmp::Reverse(*size));
        for (size, name) in heaviest.into_iter().take(NAMED).filter(|(size, _)| size * 100 >= whole) {
            lines.push(format!("{:>14} bytes  {path}: {name}", grouped(size)));
        }
    }
}

fn count(value: &str) -> String {
    match serde_json::from_str::<Vec<&RawValue>>(value) {
        Ok(elements) => format!(" ({} of them)", grouped(elements.len())),
        Err(_) => String::new(),
    }
}

/// An element's `type`, and what it is called.
fn label(element: &str) -> (String, String) {
    let members: IndexMap<String, &RawValue> = serde_json::from_str(element).unwrap_or_default();
    let text = |name: &str| -> Option<String> {
        let value: String = serde_json::from_str(members.get(name)?.get()).ok()?;
        Some(value.chars().take(80).collect())
    };
    let kind = text("type").unwrap_or_else(|| "none".to_owned());
    let name = ["purl", "name", "bom-ref", "SPDXID", "uri", "id"].iter().find_map(|name| text(name));
    let name = match (name, text("version")) {
        (Some(name), Some(version)) if !name.contains(&version) => format!("{name} {version}"),
        (Some(name), _) => name,
        (None, _) => "an element without a name".to_owned(),
    };
    (kind, name)
}

/// 16777216 as people read it: 16,777,216.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use loadline_core::Digest;
    use loadline_core::statement::{Statement, Subject};
    use serde_json::json;

    use super::*;

    fn statement(subjects: usize, predicate: serde_json::Value) -> Vec<u8> {
        let subjects = (0..subjects).map(|n| Subject::new("x", &Digest::of(n.to_string()))).collect();
        serde_json::to_vec(&Statement::new(subjects, "https://cyclonedx.org/bom", predicate)).unwrap()
    }

    #[test]
    fn what_fits_is_not_spoken_of() {
        let all = [Destination::BUNDLE, Destination::GITHUB, Destination::REKOR_V1];
        assert_eq!(check("s", &statement(1024, json!({"components": []})), &all), []);
    }

    #[test]
    fn too_large_names_the_place_the_limit_and_what_weighs() {
        let file =
            |n: usize| json!({"type": "file", "name": format!("/usr/lib/{n}"), "note": "x".repeat(1000)});
        let mut components: Vec<_> = (0..18_000).map(file).collect();
        components
            .push(json!({"type": "library", "name": "huge", "version": "1.2", "text": "y".repeat(900_000)}));
        let bytes =
            statement(1, json!({"bomFormat": "CycloneDX", "components": components, "dependencies": []}));
        let findings = check("cyclonedx daemon", &bytes, &[Destination::GITHUB, Destination::BUNDLE]);
        assert_eq!(findings.len(), 2, "{findings:?}");
        let text = format!("{:?}", findings[0]);
        assert!(findings[0].message.contains("GitHub's attestations takes 16,777,216"), "{text}");
        let detail = findings[0].detail.as_deref().unwrap();
        assert!(detail.lines().next().unwrap().contains("components (18,001 of them)"), "{detail}");
        assert!(detail.contains("18,000 of type file") && detail.contains("huge 1.2"), "{detail}");
        assert!(!detail.contains("bomFormat"), "{detail}");
        assert!(findings[0].help.as_deref().unwrap().contains("file components"));
    }

    #[test]
    fn a_limit_is_a_limit_to_the_byte() {
        let text = |n: usize| json!("x".repeat(n));
        let around = text(0).to_string().len();
        let fits = statement(1, text(loadline_github::PREDICATE_LIMIT - around));
        assert_eq!(check("s", &fits, &[Destination::GITHUB]), []);
        let over = statement(1, text(loadline_github::PREDICATE_LIMIT - around + 1));
        assert_eq!(check("s", &over, &[Destination::GITHUB]).len(), 1);
        let subjects = check("s", &statement(1025, json!({})), &[Destination::GITHUB]);
        assert!(subjects[0].message.contains("1,025 subjects"), "{subjects:?}");
    }
}
