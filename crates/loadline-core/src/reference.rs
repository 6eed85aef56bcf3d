//! Image references, as docker and the OCI distribution specification write them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;

use crate::digest::{Digest, DigestError};

/// Why a text is not an image reference.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ReferenceError {
    /// The repository's path breaks the grammar.
    #[error(
        "`{text}` is not an image reference: the repository `{part}` must be lower-case letters and digits, with `.`, `_` or `-` between them"
    )]
    Repository {
        /// The text as given.
        text: String,
        /// The part at fault.
        part: String,
    },
    /// The registry's host or port breaks the grammar.
    #[error("`{text}` is not an image reference: `{part}` is no registry host")]
    Registry {
        /// The text as given.
        text: String,
        /// The part at fault.
        part: String,
    },
    /// The tag breaks the grammar.
    #[error(
        "`{part}` is not a tag: at most 128 letters, digits, `_`, `.` and `-`, not beginning with `.` or `-`"
    )]
    Tag {
        /// The part at fault.
        part: String,
    },
    /// The digest is none.
    #[error(transparent)]
    Digest(#[from] DigestError),
}

/// A repository at a registry: `docker.io/library/debian`. Docker's short forms are spelled out.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepositoryName {
    registry: String,
    path: String,
}

impl RepositoryName {
    /// The registry's host, with its port if it has one.
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The path at the registry, without a leading `/`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// A repository of this registry and path.
    pub fn new(registry: &str, path: &str) -> Result<Self, ReferenceError> {
        format!("{registry}/{path}").parse()
    }

    /// A reference into this repository by digest.
    pub fn at(&self, digest: &Digest) -> Reference {
        Reference { repository: self.clone(), tag: None, digest: Some(digest.clone()) }
    }

    /// A reference into this repository by tag.
    pub fn tagged(&self, tag: &str) -> Result<Reference, ReferenceError> {
        check_tag(tag)?;
        Ok(Reference { repository: self.clone(), tag: Some(tag.to_owned()), digest: None })
    }
}

impl fmt::Display for RepositoryName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.path)
    }
}

impl FromStr for RepositoryName {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let shown = || text.chars().take(300).collect::<String>();
        let (registry, path) = match text.split_once('/') {
            Some((first, rest)) if first.contains(['.', ':']) || first == "localhost" => (first, rest),
            _ => ("docker.io", text),
        };
        let registry = if registry == "index.docker.io" { "docker.io" } else { registry };
        if !is_host(registry) {
            return Err(ReferenceError::Registry { text: shown(), part: registry.to_owned() });
        }
        let path = if registry == "docker.io" && !path.contains('/') {
            format!("library/{path}")
        } else {
            path.to_owned()
        };
        if path.len() > 255 || !path.split('/').all(is_path_component) {
            return Err(ReferenceError::Repository { text: shown(), part: path.chars().take(260).collect() });
        }
        Ok(Self { registry: registry.to_owned(), path })
    }
}

fn is_host(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((v6, rest)) => {
            if v6.parse::<std::net::Ipv6Addr>().is_err() {
                return false;
            }
            return rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port);
        }
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    port.is_none_or(is_port)
        && !host.is_empty()
        && host.split('.').all(|label| {
            !label.is_empty()
                && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
}

fn is_port(text: &str) -> bool {
    text.parse::<u16>().is_ok() && text.bytes().all(|b| b.is_ascii_digit())
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*` (distribution specification, "Pulling manifests").
fn is_path_component(text: &str) -> bool {
    let mut rest = text;
    loop {
        let run = rest.bytes().take_while(|b| b.is_ascii_lowercase() || b.is_ascii_digit()).count();
        if run == 0 {
            return false;
        }
        rest = &rest[run..];
        if rest.is_empty() {
            return true;
        }
        let dashes = rest.bytes().take_while(|b| *b == b'-').count();
        let skip = if dashes > 0 {
            dashes
        } else if rest.starts_with("__") {
            2
        } else if rest.starts_with('_') || rest.starts_with('.') {
            1
        } else {
            return false;
        };
        rest = &rest[skip..];
    }
}

/// Checks a tag against the distribution specification's grammar.
pub fn check_tag(tag: &str) -> Result<(), ReferenceError> {
    let good = !tag.is_empty()
        && tag.len() <= 128
        && !tag.starts_with(['.', '-'])
        && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b"_.-".contains(&b));
    if good { Ok(()) } else { Err(ReferenceError::Tag { part: tag.chars().take(140).collect() }) }
}

/// An image reference: a repository with a tag, a digest or both (the digest then counts).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    /// The repository.
    pub repository: RepositoryName,
    /// The tag, if one is written.
    pub tag: Option<String>,
    /// The digest, if one is written.
    pub digest: Option<Digest>,
}

impl Reference {
    /// What to ask the registry for: the digest where there is one, else the tag, else `latest`.
    pub fn target(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(digest), _) => digest.to_string(),
            (None, Some(tag)) => tag.clone(),
            (None, None) => "latest".to_owned(),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let (name, digest) = match text.split_once('@') {
            Some((name, digest)) => (name, Some(digest.parse::<Digest>()?)),
            None => (text, None),
        };
        let last = name.rfind('/').map_or(0, |at| at + 1);
        let (name, tag) = match name[last..].split_once(':') {
            Some((repository, tag)) => (&name[..last + repository.len()], Some(tag)),
            None => (name, None),
        };
        if let Some(tag) = tag {
            check_tag(tag)?;
        }
        Ok(Self { repository: name.parse()?, tag: tag.map(str::to_owned), digest })
    }
}

macro_rules! as_text {
    ($type:ty) => {
        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

as_text!(RepositoryName);
as_text!(Reference);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dockers_short_forms_are_spelled_out() {
        for (given, expected) in [
            ("debian", "docker.io/library/debian"),
            ("debian:13", "docker.io/library/debian:13"),
            ("chrisleekr/github-app", "docker.io/chrisleekr/github-app"),
            ("index.docker.io/library/x:1", "docker.io/library/x:1"),
            ("localhost/x", "localhost/x"),
            ("127.0.0.1:5000/a/b__c:t", "127.0.0.1:5000/a/b__c:t"),
            ("[::1]:5000/a:t", "[::1]:5000/a:t"),
            ("ghcr.io/a/b--c", "ghcr.io/a/b--c"),
        ] {
            assert_eq!(given.parse::<Reference>().unwrap().to_string(), expected, "{given}");
        }
    }

    #[test]
    fn a_digest_counts_more_than_a_tag() {
        let digest = Digest::of(b"x");
        let reference: Reference = format!("ghcr.io/a/b:t@{digest}").parse().unwrap();
        assert_eq!(reference.tag.as_deref(), Some("t"));
        assert_eq!(reference.target(), digest.to_string());
    }

    #[test]
    fn what_is_no_reference_is_refused() {
        for bad in [
            "",
            "A/b",
            "a//b",
            "a/b:",
            "a/b:-x",
            "a/b@sha256:x",
            "a_-b",
            "host:port/x",
            "a/b_",
            "a...b",
            "-a.io/x",
        ] {
            assert!(bad.parse::<Reference>().is_err(), "{bad}");
        }
    }
}
