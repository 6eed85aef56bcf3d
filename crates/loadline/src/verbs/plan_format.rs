//! How `release` shows what it says: the formats of every verb, and, of a plan, a workflow's matrix.

use std::fmt;
use std::str::FromStr;

use loadline_report::Format;

/// The name of the one that only plans have.
const MATRIX: &str = "github-matrix";

/// A format of `release`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum PlanFormat {
    /// One that every verb has.
    Report(Format),
    /// The legs of a plan, for `strategy.matrix` of a workflow.
    GitHubMatrix,
}

impl PlanFormat {
    /// How everything but a matrix is shown.
    pub(crate) fn report(self) -> Format {
        match self {
            Self::Report(format) => format,
            Self::GitHubMatrix => Format::Human,
        }
    }
}

impl Default for PlanFormat {
    fn default() -> Self {
        Self::Report(Format::default())
    }
}

impl From<Format> for PlanFormat {
    fn from(format: Format) -> Self {
        Self::Report(format)
    }
}

impl fmt::Display for PlanFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Report(format) => format.fmt(f),
            Self::GitHubMatrix => f.write_str(MATRIX),
        }
    }
}

impl FromStr for PlanFormat {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == MATRIX {
            return Ok(Self::GitHubMatrix);
        }
        text.parse()
            .map(Self::Report)
            .map_err(|error: loadline_report::UnknownFormat| format!("{error}; a plan also has {MATRIX}"))
    }
}
