//! Ignore files: `.trivyignore` and `.trivyignore.yaml`.

mod pattern;
mod plain;
mod review;
mod yaml;

use std::fmt;

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use loadline_core::{Finding, Location};
use thiserror::Error;

pub use pattern::{PathPattern, PurlPattern};
pub(crate) use review::review;

use crate::codes;
use crate::trivy::{ResultEntry, Vulnerability};

/// The largest ignore file that is read.
pub const MAX_IGNORES_BYTES: usize = 4 << 20;

/// Why an ignore file could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum IgnoresError {
    /// More bytes than are read.
    #[error("{file} is {size} bytes, more than the {MAX_IGNORES_BYTES} that are read")]
    TooLarge {
        /// The file.
        file: Utf8PathBuf,
        /// Its size.
        size: usize,
    },
    /// Not UTF-8.
    #[error("{file} is not UTF-8")]
    NotText {
        /// The file.
        file: Utf8PathBuf,
    },
    /// A Rego policy, which is a program.
    #[error("{file} is a Rego policy, which is not read: write the ignores into .trivyignore.yaml")]
    Rego {
        /// The file.
        file: Utf8PathBuf,
    },
    /// YAML that breaks the format.
    #[error("{file} is not in the format of .trivyignore.yaml: {reason}")]
    Yaml {
        /// The file.
        file: Utf8PathBuf,
        /// The line, counted from 1, where it is known.
        line: Option<u32>,
        /// What is wrong.
        reason: String,
    },
    /// A date that is none.
    #[error("{file}:{line}: `{text}` is no expiry: expected YYYY-MM-DD")]
    Expiry {
        /// The file.
        file: Utf8PathBuf,
        /// The line, counted from 1.
        line: u32,
        /// The text as given.
        text: String,
    },
    /// A path pattern or a package URL that is none.
    #[error("{file}:{line}: `{text}` is no {what}: {reason}")]
    Pattern {
        /// The file.
        file: Utf8PathBuf,
        /// The line, counted from 1.
        line: u32,
        /// The text as given.
        text: String,
        /// What it should be.
        what: &'static str,
        /// What is wrong.
        reason: String,
    },
}

impl IgnoresError {
    /// The finding that says so: an ignore file that cannot be read is wrong, and makes the verdict `fail`.
    pub fn finding(&self) -> Finding {
        let location = match self {
            Self::TooLarge { file, .. } | Self::NotText { file } | Self::Rego { file } => {
                Location::file(file)
            }
            Self::Yaml { file, line: None, .. } => Location::file(file),
            Self::Yaml { file, line: Some(line), .. }
            | Self::Expiry { file, line, .. }
            | Self::Pattern { file, line, .. } => Location::line(file, *line),
        };
        Finding::error(&codes::IGNORE_UNREADABLE, self.to_string()).at(location)
    }
}

/// What an ignore is for. The gate weighs vulnerabilities; the others are read and left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `vulnerabilities` of the YAML form.
    Vulnerability,
    /// `misconfigurations` of the YAML form.
    Misconfiguration,
    /// `secrets` of the YAML form.
    Secret,
    /// `licenses` of the YAML form.
    License,
    /// An id of the plain form, which does not say.
    Any,
}

/// When an ignore lapses: at 00:00 UTC of a day, or at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expiry {
    /// The moment from which on it no longer holds.
    pub lapses: Timestamp,
    /// As it is written.
    pub text: String,
}

impl Expiry {
    /// Reads a day (`2026-05-12`) or an RFC 3339 moment.
    pub fn parse(text: &str) -> Option<Self> {
        let lapses = match text.parse::<Date>() {
            // A civil date is also what jiff makes of a moment with a time behind it.
            Ok(day) if text.len() <= 10 => day.to_zoned(TimeZone::UTC).ok()?.timestamp(),
            _ => text.parse::<Timestamp>().ok()?,
        };
        Some(Self { lapses, text: text.to_owned() })
    }

    /// Whether it has lapsed.
    pub fn lapsed(&self, now: Timestamp) -> bool {
        self.lapses <= now
    }
}

impl fmt::Display for Expiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// One ignore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignore {
    /// What it is for.
    pub kind: Kind,
    /// The id that it covers.
    pub id: String,
    /// Where it covers it; anywhere when empty.
    pub paths: Vec<PathPattern>,
    /// The packages it covers it for; any when empty.
    pub purls: Vec<PurlPattern>,
    /// When it lapses.
    pub expiry: Option<Expiry>,
    /// Why it is there.
    pub statement: Option<String>,
    /// Keys that the format does not know.
    pub unknown_keys: Vec<String>,
    /// Where it is written.
    pub location: Location,
}

impl Ignore {
    /// Whether it covers a vulnerability, apart from its expiry: same id, a path that matches the
    /// result's target or the package's path, a package URL that matches.
    pub fn covers(&self, result: &ResultEntry<'_>, vulnerability: &Vulnerability<'_>) -> bool {
        if !matches!(self.kind, Kind::Vulnerability | Kind::Any) || self.id != vulnerability.id {
            return false;
        }
        let places = [&*vulnerability.path, &*result.target];
        let here = self.paths.is_empty()
            || self.paths.iter().any(|pattern| places.iter().any(|place| pattern.matches(place)));
        let this = self.purls.is_empty()
            || self.purls.iter().any(|pattern| pattern.matches(&vulnerability.identifier.purl));
        here && this
    }

    /// Whether its id is that of a vulnerability; in the plain form an id can be anything.
    pub fn is_for_vulnerabilities(&self) -> bool {
        match self.kind {
            Kind::Vulnerability => true,
            Kind::Misconfiguration | Kind::Secret | Kind::License => false,
            Kind::Any => looks_like_vulnerability(&self.id),
        }
    }
}

/// `CVE-2026-1234`, `GHSA-xxxx-xxxx-xxxx`, `RUSTSEC-2024-0001`, `GO-2026-5932`: a source, then a year or
/// a number, then more. Trivy's own check ids (`AVD-DS-0001`, `DS-0002`, `KSV-0014`) are not.
fn looks_like_vulnerability(id: &str) -> bool {
    let Some((source, rest)) = id.split_once('-') else { return false };
    let upper = !source.is_empty() && source.bytes().all(|b| b.is_ascii_uppercase());
    let numbered = rest.split_once('-').is_some_and(|(number, more)| {
        number.len() >= 4 && number.bytes().all(|b| b.is_ascii_digit()) && !more.is_empty()
    });
    source == "GHSA" || (upper && numbered)
}

/// The ignores of one or several files, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ignores {
    entries: Vec<Ignore>,
}

impl Ignores {
    /// Reads an ignore file; its name says which of the two forms it has (`.yaml` and `.yml`, else plain).
    ///
    /// # Errors
    /// When it breaks the format. Unlike the scanner, which skips what it does not understand, one bad
    /// entry refuses the file.
    pub fn parse(file: &Utf8Path, bytes: &[u8]) -> Result<Self, IgnoresError> {
        if bytes.len() > MAX_IGNORES_BYTES {
            return Err(IgnoresError::TooLarge { file: file.to_owned(), size: bytes.len() });
        }
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let text = std::str::from_utf8(bytes).map_err(|_| IgnoresError::NotText { file: file.to_owned() })?;
        let entries = match file.extension() {
            Some("yaml" | "yml") => yaml::parse(file, text)?,
            Some("rego") => return Err(IgnoresError::Rego { file: file.to_owned() }),
            _ => plain::parse(file, text)?,
        };
        Ok(Self { entries })
    }

    /// Takes in the ignores of another file.
    pub fn merge(&mut self, other: Self) {
        self.entries.extend(other.entries);
    }

    /// The ignores.
    pub fn entries(&self) -> &[Ignore] {
        &self.entries
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_expiry_lapses_at_midnight_utc() {
        let expiry = Expiry::parse("2026-05-12").unwrap();
        assert!(!expiry.lapsed("2026-05-11T23:59:59Z".parse().unwrap()));
        assert!(expiry.lapsed("2026-05-12T00:00:00Z".parse().unwrap()));
        let moment = Expiry::parse("2026-05-12T10:00:00+02:00").unwrap();
        assert!(!moment.lapsed("2026-05-12T07:59:59Z".parse().unwrap()));
        assert!(moment.lapsed("2026-05-12T08:00:00Z".parse().unwrap()));
        for bad in ["", "soon", "2026-13-01", "2026-02-30", "12.05.2026"] {
            assert_eq!(Expiry::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn ids_of_vulnerabilities() {
        for id in [
            "CVE-2026-33671",
            "GHSA-h5c3-5r3r-rr8q",
            "GO-2026-5932",
            "RUSTSEC-2024-0001",
            "TEMP-0000000-B2AA3A",
        ] {
            assert!(looks_like_vulnerability(id), "{id}");
        }
        for id in [
            "AVD-DS-0013",
            "DS-0026",
            "KSV041",
            "KSV-0014",
            "private-key",
            "GPL-3.0",
            "generic-unwanted-rule",
        ] {
            assert!(!looks_like_vulnerability(id), "{id}");
        }
    }

    #[test]
    fn a_rego_policy_is_refused() {
        let error = Ignores::parse(Utf8Path::new(".trivyignore.rego"), b"package trivy").unwrap_err();
        assert!(matches!(error, IgnoresError::Rego { .. }));
        assert_eq!(error.finding().code.name, "ignore-unreadable");
    }
}
