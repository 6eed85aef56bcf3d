//! Findings: something wrong in what was examined. Data, never an error.

use std::ops::Range;

use camino::Utf8PathBuf;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::code::Code;
use crate::digest::Digest;

/// How much a finding weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing; never changes a verdict.
    Note,
    /// Worth mending; never changes a verdict.
    Warning,
    /// Makes the verdict `fail`.
    Error,
}

/// Where in a file something is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Location {
    /// The file, relative to the repository's root where it is inside.
    pub file: Utf8PathBuf,
    /// The line, counted from 1.
    pub line: Option<u32>,
    /// The character in the line, counted from 1.
    pub column: Option<u32>,
    /// The byte range in the file, for renderings that show the source.
    pub span: Option<Range<usize>>,
}

impl Location {
    /// A whole file.
    pub fn file(file: impl Into<Utf8PathBuf>) -> Self {
        Self { file: file.into(), line: None, column: None, span: None }
    }

    /// A line of a file, counted from 1.
    pub fn line(file: impl Into<Utf8PathBuf>, line: u32) -> Self {
        Self { file: file.into(), line: Some(line), column: None, span: None }
    }

    /// A byte range of a file whose whole text is at hand: line and column follow from it.
    pub fn span(file: impl Into<Utf8PathBuf>, text: &str, span: Range<usize>) -> Self {
        let mut start = span.start.min(text.len());
        while !text.is_char_boundary(start) {
            start -= 1;
        }
        let before = &text[..start];
        let line = before.bytes().filter(|b| *b == b'\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        Self {
            file: file.into(),
            line: u32::try_from(line).ok(),
            column: u32::try_from(column).ok(),
            span: Some(span),
        }
    }
}

/// Something wrong in what was examined: a stable code, what is wrong, where, and the next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The documented code.
    pub code: &'static Code,
    /// How much it weighs.
    pub severity: Severity,
    /// What is wrong, in one sentence without a final stop.
    pub message: String,
    /// Where in a file.
    pub location: Option<Location>,
    /// The digest it speaks of.
    pub digest: Option<Digest>,
    /// The next step.
    pub help: Option<String>,
    /// What to show beneath it, line by line: a unified diff, mostly.
    pub detail: Option<String>,
}

impl Finding {
    /// A finding that makes the verdict `fail`.
    pub fn error(code: &'static Code, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Error, message)
    }

    /// A finding that leaves the verdict as it is, but wants mending.
    pub fn warning(code: &'static Code, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Warning, message)
    }

    /// A finding that is only worth knowing.
    pub fn note(code: &'static Code, message: impl Into<String>) -> Self {
        Self::new(code, Severity::Note, message)
    }

    /// A finding of the given severity.
    pub fn new(code: &'static Code, severity: Severity, message: impl Into<String>) -> Self {
        Self {
            code,
            severity,
            message: message.into(),
            location: None,
            digest: None,
            help: None,
            detail: None,
        }
    }

    /// Says where in a file.
    #[must_use]
    pub fn at(mut self, location: Location) -> Self {
        self.location = Some(location);
        self
    }

    /// Says which digest it speaks of.
    #[must_use]
    pub fn about(mut self, digest: &Digest) -> Self {
        self.digest = Some(digest.clone());
        self
    }

    /// Names the next step.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Adds what to show beneath it.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }
}

/// A finding as every JSON document writes it; members without a value are left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Finding")]
pub struct FindingDocument {
    /// The documented code, kebab-case.
    pub code: String,
    /// `note`, `warning` or `error`; only `error` makes the verdict `fail`.
    pub severity: Severity,
    /// What is wrong.
    pub message: String,
    /// The file it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// The character in the line, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// The digest it speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
    /// The next step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// What to show beneath it, line by line: a unified diff, mostly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl From<&Finding> for FindingDocument {
    fn from(finding: &Finding) -> Self {
        let location = finding.location.as_ref();
        Self {
            code: finding.code.name.to_owned(),
            severity: finding.severity,
            message: finding.message.clone(),
            file: location.map(|l| l.file.to_string()),
            line: location.and_then(|l| l.line),
            column: location.and_then(|l| l.column),
            digest: finding.digest.as_ref().map(ToString::to_string),
            help: finding.help.clone(),
            detail: finding.detail.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_knows_its_line_and_column() {
        let text = "one\ntwö three\n";
        let start = text.find("three").unwrap();
        let location = Location::span("a", text, start..start + 5);
        assert_eq!((location.line, location.column), (Some(2), Some(5)));
        let past = Location::span("a", text, 999..1000);
        assert_eq!((past.line, past.column), (Some(3), Some(1)));
    }
}
