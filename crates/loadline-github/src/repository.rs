//! A repository at GitHub: `OWNER/NAME`.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Why a text names no repository.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` names no repository at GitHub: expected `OWNER/NAME` or `github.com/OWNER/NAME`")]
pub struct RepositoryError {
    /// The text as given.
    pub text: String,
}

/// A repository at GitHub. Read from `OWNER/NAME`, with or without the host and a scheme before it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RepositorySlug {
    owner: String,
    name: String,
}

impl RepositorySlug {
    /// The owner.
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for RepositorySlug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.owner, self.name)
    }
}

impl FromStr for RepositorySlug {
    type Err = RepositoryError;

    fn from_str(text: &str) -> Result<Self, RepositoryError> {
        let refuse = || RepositoryError { text: text.chars().take(200).collect() };
        let bare = text.split_once("://").map_or(text, |(_, bare)| bare);
        let parts: Vec<&str> = bare.trim_end_matches('/').split('/').collect();
        let (owner, name) = match parts.as_slice() {
            [owner, name] => (*owner, *name),
            [host, owner, name] if host.contains('.') => (*owner, *name),
            _ => return Err(refuse()),
        };
        let good = |part: &str| {
            !part.is_empty()
                && part.len() <= 100
                && !part.chars().all(|c| c == '.')
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
        };
        if !good(owner) || !good(name) {
            return Err(refuse());
        }
        Ok(Self { owner: owner.to_owned(), name: name.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_or_without_host_and_scheme() {
        for text in ["acme/widget", "github.com/acme/widget", "https://github.com/acme/widget/"] {
            assert_eq!(text.parse::<RepositorySlug>().unwrap().to_string(), "acme/widget", "{text}");
        }
        for bad in
            ["", "acme", "acme/", "/widget", "a/b/c", "acme/..", "acme/wid get", "acme/wid?get", "x.y/a/b/c"]
        {
            assert!(bad.parse::<RepositorySlug>().is_err(), "{bad}");
        }
    }
}
