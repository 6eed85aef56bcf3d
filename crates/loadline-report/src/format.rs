//! The formats that `--format` knows.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// How an outcome is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Format {
    /// For people: the source line, what is wrong with it, the next step.
    #[default]
    Human,
    /// One JSON document (`loadline/findings/v1`).
    Json,
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// GitHub workflow commands: annotations of the files in a pull request.
    Github,
    /// Markdown, for step summaries and comments.
    Markdown,
}

impl Format {
    /// All of them.
    pub const ALL: &[Self] = &[Self::Human, Self::Json, Self::Sarif, Self::Github, Self::Markdown];

    /// The name that the command line knows.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Json => "json",
            Self::Sarif => "sarif",
            Self::Github => "github",
            Self::Markdown => "markdown",
        }
    }
}

/// A format that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("there is no format `{name}`: use human, json, sarif, github or markdown")]
pub struct UnknownFormat {
    /// The name as given.
    pub name: String,
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        let known = Self::ALL.iter().copied().find(|format| format.name() == text);
        known.ok_or_else(|| UnknownFormat { name: text.chars().take(40).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back() {
        for format in Format::ALL {
            assert_eq!(format.to_string().parse(), Ok(*format));
        }
        assert!("HUMAN".parse::<Format>().is_err());
    }
}
