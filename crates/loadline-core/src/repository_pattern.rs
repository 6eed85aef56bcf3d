//! Patterns of repositories, for rules about whole registries or organisations.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};
use thiserror::Error;

use crate::reference::RepositoryName;

/// Why a text is no pattern of repositories.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RepositoryPatternError {
    /// It does not begin with a registry.
    #[error("`{text}` does not begin with a registry: write it out, as in `docker.io/library/redis`")]
    NoRegistry {
        /// The text as given.
        text: String,
    },
    /// It has a tag, a digest or a sign that no repository has.
    #[error("`{text}` is no pattern of repositories: tags, digests, capital letters and blanks are in none")]
    Sign {
        /// The text as given.
        text: String,
    },
}

/// A pattern of repositories, registry included and always of the whole name: `*` is anything but `/`, `**`
/// anything. `ghcr.io/acme/*`, `docker.io/library/redis`, `**`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryPattern(String);

impl RepositoryPattern {
    /// Whether a repository is meant.
    pub fn matches(&self, name: &RepositoryName) -> bool {
        matches(self.0.as_bytes(), name.to_string().as_bytes())
    }
}

/// Each star is tried at every end that it may have; what the last `**` allows is all that is gone back to, so
/// that no text takes longer than the product of both lengths.
fn matches(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut seen) = (0, 0);
    // Where to go on when what follows a star does not fit: behind the star, and one character more in it.
    let mut deep: Option<(usize, usize)> = None;
    let mut flat: Option<(usize, usize)> = None;
    loop {
        let rest = &pattern[at..];
        if rest.starts_with(b"**") {
            at += 2;
            (deep, flat) = (Some((at, seen)), None);
            continue;
        }
        if rest.first() == Some(&b'*') {
            at += 1;
            flat = Some((at, seen));
            continue;
        }
        match (rest.first(), text.get(seen)) {
            (None, None) => return true,
            (Some(wanted), Some(there)) if wanted == there => {
                at += 1;
                seen += 1;
                continue;
            }
            _ => {}
        }
        if let Some((behind, from)) = flat.filter(|(_, from)| text.get(*from).is_some_and(|c| *c != b'/')) {
            flat = Some((behind, from + 1));
            (at, seen) = (behind, from + 1);
        } else if let Some((behind, from)) = deep.filter(|(_, from)| *from < text.len()) {
            (deep, flat) = (Some((behind, from + 1)), None);
            (at, seen) = (behind, from + 1);
        } else {
            return false;
        }
    }
}

impl fmt::Display for RepositoryPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for RepositoryPattern {
    type Err = RepositoryPatternError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let shown = || text.chars().take(300).collect();
        let (registry, path) = text.split_once('/').unwrap_or((text, ""));
        let is_registry = registry.contains(['.', ':', '*']) || registry == "localhost";
        if !is_registry || path.is_empty() && !registry.contains("**") {
            return Err(RepositoryPatternError::NoRegistry { text: shown() });
        }
        let in_path = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-/*".contains(&b);
        let in_registry = |b: u8| in_path(b) || b.is_ascii_uppercase() || b":[]".contains(&b);
        if !path.bytes().all(in_path) || !registry.bytes().all(in_registry) {
            return Err(RepositoryPatternError::Sign { text: shown() });
        }
        Ok(Self(text.to_owned()))
    }
}

impl<'de> Deserialize<'de> for RepositoryPattern {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for RepositoryPattern {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "RepositoryPattern".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "description": "repositories, registry included: `*` is anything but `/`, `**` anything"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_of_the_whole_name() {
        let says = |pattern: &str, name: &str| {
            pattern.parse::<RepositoryPattern>().unwrap().matches(&name.parse().unwrap())
        };
        for (pattern, name) in [
            ("ghcr.io/acme/*", "ghcr.io/acme/web"),
            ("ghcr.io/acme/*-x", "ghcr.io/acme/a-x-x"),
            ("docker.io/library/redis", "redis"),
            ("**", "127.0.0.1:5000/a/b/c"),
            ("*.example.com/**/web", "eu.example.com/a/b/web"),
            ("**/a/*/c", "x.io/a/b/a/b/c"),
            ("localhost:5000/*", "localhost:5000/a"),
        ] {
            assert!(says(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("ghcr.io/acme/*", "ghcr.io/acme/web/deep"),
            ("ghcr.io/acme/*", "ghcr.io/acme-evil/web"),
            ("ghcr.io/acme/web", "ghcr.io/acme/web2"),
            ("ghcr.io/acme/web", "evil.io/ghcr.io/acme/web"),
            ("docker.io/*", "redis"),
            ("*.example.com/**/web", "eu.example.com/web2"),
        ] {
            assert!(!says(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn what_matches_nothing_by_mistake_is_refused() {
        for text in ["redis", "library/redis", "ghcr.io", "", "acme/*"] {
            let error = text.parse::<RepositoryPattern>().unwrap_err();
            assert!(matches!(error, RepositoryPatternError::NoRegistry { .. }), "{text}");
        }
        for text in ["ghcr.io/a:1", "ghcr.io/A", "ghcr.io/a b", "ghcr.io/a@sha256"] {
            let error = text.parse::<RepositoryPattern>().unwrap_err();
            assert!(matches!(error, RepositoryPatternError::Sign { .. }), "{text}");
        }
    }
}
