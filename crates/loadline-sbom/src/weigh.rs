//! What in a document weighs what, so that a budget that is exceeded can be mended.

use std::collections::BTreeMap;

use crate::read::{Component, Document};
use crate::sbom::{Sbom, SbomError};

/// The weight of one part of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Weight {
    /// What it is: `components pkg:npm`, `components file`, `dependencies`, `metadata`, …
    pub part: String,
    /// How many there are.
    pub count: usize,
    /// How many bytes they take.
    pub bytes: usize,
}

/// A document's parts, the heaviest first. Components are told apart by package URL type, those without one
/// by their own type.
///
/// # Errors
/// When the document cannot be read.
pub fn weigh(sbom: &Sbom) -> Result<Vec<Weight>, SbomError> {
    let document = Document::parse(sbom.as_bytes())?;
    let mut parts: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let mut add = |part: String, count: usize, bytes: usize| {
        let entry = parts.entry(part).or_default();
        entry.0 += count;
        entry.1 += bytes;
    };
    for (name, raw) in &document.members.0 {
        match &**name {
            "components" => {}
            "dependencies" => add(name.to_string(), document.dependencies.len(), raw.get().len()),
            "vulnerabilities" => add(name.to_string(), document.vulnerabilities, raw.get().len()),
            _ => add(name.to_string(), 1, raw.get().len()),
        }
    }
    for component in &document.components {
        let bytes =
            component.members.0.iter().map(|(key, value)| key.len() + value.get().len() + 4).sum::<usize>()
                + 2;
        add(format!("components {}", kind(component)), component.with_nested().len(), bytes);
    }
    let mut weights: Vec<_> =
        parts.into_iter().map(|(part, (count, bytes))| Weight { part, count, bytes }).collect();
    weights.sort_by(|a, b| b.bytes.cmp(&a.bytes).then_with(|| a.part.cmp(&b.part)));
    Ok(weights)
}

fn kind(component: &Component<'_>) -> String {
    match component.purl.as_deref().and_then(|purl| purl.split_once('/')) {
        Some((kind, _)) => kind.to_owned(),
        None => component.kind.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_add_up_to_nearly_the_whole() {
        let files: Vec<String> = (0..200)
            .map(|n| format!(r#"{{"type":"file","name":"usr/share/{n}","bom-ref":"f{n}"}}"#))
            .collect();
        let text = format!(
            r#"{{"bomFormat":"CycloneDX","specVersion":"1.6","version":1,"components":[{},{}]}}"#,
            r#"{"type":"library","name":"a","purl":"pkg:npm/a@1"}"#,
            files.join(",")
        );
        let weights = weigh(&Sbom::parse(text.as_bytes()).unwrap()).unwrap();
        assert_eq!((weights[0].part.as_str(), weights[0].count), ("components file", 200));
        assert!(weights.iter().any(|w| w.part == "components pkg:npm" && w.count == 1));
        let sum: usize = weights.iter().map(|w| w.bytes).sum();
        assert!(sum <= text.len() && sum * 10 > text.len() * 9, "{sum} of {}", text.len());
    }
}
