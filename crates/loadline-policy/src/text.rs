//! A rule about a text: exactly this, or a pattern over the whole of it.

use std::fmt;

use regex::Regex;
use thiserror::Error;

/// Why a text is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "`{pattern}` is not a regular expression: {reason}; patterns match the whole value, `^` and `$` need not be written"
)]
pub struct PatternError {
    /// The pattern as given.
    pub pattern: String,
    /// What is wrong with it.
    pub reason: String,
}

/// Exactly this text, or a pattern that must match the whole of it.
#[derive(Debug, Clone)]
pub enum TextRule {
    /// Equal, byte for byte.
    Exact(String),
    /// Matched from its first byte to its last.
    Pattern {
        /// The pattern as written.
        source: String,
        /// The same, anchored at both ends.
        anchored: Regex,
    },
}

impl TextRule {
    /// Exactly this text.
    pub fn exact(text: impl Into<String>) -> Self {
        Self::Exact(text.into())
    }

    /// A pattern (the `regex` crate's syntax), anchored at both ends whether or not it says so: an
    /// unanchored identity pattern lets `https://github.com/acme/widget.evil.example/` in.
    ///
    /// # Errors
    /// What is no regular expression by itself. It is compiled alone first, so that a stray `)` cannot
    /// close the anchors' group.
    pub fn pattern(source: impl Into<String>) -> Result<Self, PatternError> {
        let source = source.into();
        let refuse =
            |error: regex::Error| PatternError { pattern: source.clone(), reason: error.to_string() };
        Regex::new(&source).map_err(refuse)?;
        let anchored = Regex::new(&format!(r"\A(?:{source})\z")).map_err(refuse)?;
        Ok(Self::Pattern { source, anchored })
    }

    /// Whether the text satisfies the rule.
    pub fn allows(&self, text: &str) -> bool {
        match self {
            Self::Exact(expected) => expected == text,
            Self::Pattern { anchored, .. } => anchored.is_match(text),
        }
    }
}

impl fmt::Display for TextRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(text) => write!(f, "`{text}`"),
            Self::Pattern { source, .. } => write!(f, "the pattern `{source}`"),
        }
    }
}

impl PartialEq for TextRule {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Exact(a), Self::Exact(b)) => a == b,
            (Self::Pattern { source: a, .. }, Self::Pattern { source: b, .. }) => a == b,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_pattern_matches_the_whole_or_nothing() {
        let rule = TextRule::pattern("https://github.com/acme/.*").unwrap();
        assert!(rule.allows("https://github.com/acme/widget"));
        assert!(!rule.allows("https://evil.example/?https://github.com/acme/widget"));
        assert!(!rule.allows("https://github.com/acme/widget\nhttps://evil.example"));
        let either = TextRule::pattern("a|ab").unwrap();
        assert!(either.allows("ab") && either.allows("a") && !either.allows("abc") && !either.allows("xa"));
    }

    #[test]
    fn a_pattern_cannot_break_out_of_its_anchors() {
        for bad in ["a)|(?:b", "(", "[", "(?x) a # "] {
            assert!(TextRule::pattern(bad).is_err(), "{bad}");
        }
        let multi = TextRule::pattern("(?m)^a$").unwrap();
        assert!(multi.allows("a") && !multi.allows("b\na"));
    }

    proptest! {
        #[test]
        fn an_escaped_text_is_the_exact_rule(text in "\\PC{0,20}", other in "\\PC{0,20}") {
            let rule = TextRule::pattern(regex::escape(&text)).unwrap();
            prop_assert!(rule.allows(&text));
            prop_assert_eq!(rule.allows(&other), text == other);
        }
    }
}
