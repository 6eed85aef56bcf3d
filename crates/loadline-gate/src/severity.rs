//! How severe a vulnerability is, in the scanner's words.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Why a text is not a severity that a policy may name.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{text}` is not a severity: expected low, medium, high or critical")]
pub struct SeverityError {
    /// The text as given.
    pub text: String,
}

/// A vulnerability's severity. `Unknown` is the least in order only: a policy says what becomes of it
/// ([`UnknownSeverity`](crate::UnknownSeverity)), and it never passes without a word.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The scanner gave none, or one that is not known here.
    #[default]
    Unknown,
    /// Low.
    Low,
    /// Medium.
    Medium,
    /// High.
    High,
    /// Critical.
    Critical,
}

impl Severity {
    /// All of them, the least first.
    pub const ALL: [Self; 5] = [Self::Unknown, Self::Low, Self::Medium, Self::High, Self::Critical];

    /// The name as configuration writes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// The severity that a report states; anything that is none of the four is `Unknown`.
    pub fn from_report(text: &str) -> Self {
        text.parse().unwrap_or(Self::Unknown)
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Severity {
    type Err = SeverityError;

    /// Reads one of the four severities that a policy may name, in any case.
    fn from_str(text: &str) -> Result<Self, SeverityError> {
        let named = [Self::Low, Self::Medium, Self::High, Self::Critical];
        named
            .into_iter()
            .find(|severity| severity.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| SeverityError { text: text.chars().take(40).collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_and_names() {
        assert!(Severity::ALL.is_sorted());
        assert_eq!("HIGH".parse(), Ok(Severity::High));
        assert!("unknown".parse::<Severity>().is_err());
        assert_eq!(Severity::from_report("NEGLIGIBLE"), Severity::Unknown);
        assert_eq!(Severity::from_report(""), Severity::Unknown);
    }
}
