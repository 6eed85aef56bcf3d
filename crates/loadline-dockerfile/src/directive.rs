//! Parser directives: `# escape=`, `# syntax=` and `# check=`.

use std::ops::Range;

use crate::error::{ParseError, Problem};
use crate::line::{Line, trim_start};

/// A directive's value and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    /// The value as written, without the blanks around it.
    pub value: String,
    /// The line, counted from 1.
    pub line: u32,
    /// The bytes of the whole line.
    pub span: Range<usize>,
}

/// The directives at the top of a Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directives {
    /// The escape character in effect: a backslash, or a backtick where the directive says so.
    pub escape: char,
    /// `# escape=`, where it is written.
    pub escape_directive: Option<Directive>,
    /// `# syntax=`: the frontend that BuildKit loads, an image reference and what follows it.
    pub syntax: Option<Directive>,
    /// `# check=`: options of BuildKit's own build checks.
    pub check: Option<Directive>,
}

impl Default for Directives {
    fn default() -> Self {
        Self { escape: '\\', escape_directive: None, syntax: None, check: None }
    }
}

/// Reads the directives line by line until one is none.
#[derive(Default)]
pub(crate) struct Reader {
    done: bool,
    seen: Vec<String>,
}

impl Reader {
    /// A line without its ending and without leading blanks: the directive's name and value.
    pub(crate) fn read(&mut self, number: u32, line: &[u8]) -> Result<Option<(String, String)>, ParseError> {
        if self.done {
            return Ok(None);
        }
        let Some((name, value)) = split(line) else {
            self.done = true;
            return Ok(None);
        };
        if self.seen.contains(&name) {
            return Err(ParseError::new(number, Problem::RepeatedDirective { name }));
        }
        self.seen.push(name.clone());
        Ok(Some((name, value)))
    }
}

fn split(line: &[u8]) -> Option<(String, String)> {
    let rest = trim_start(line.strip_prefix(b"#")?);
    let equals = rest.iter().position(|b| *b == b'=')?;
    let name = rest[..equals].trim_ascii_end().to_ascii_lowercase();
    if !matches!(name.as_slice(), b"escape" | b"syntax" | b"check") {
        return None;
    }
    let tail = &rest[equals + 1..];
    let trimmed = tail.trim_ascii();
    // A value of blanks alone is one blank: BuildKit's expression wants at least one character.
    let value = if trimmed.is_empty() { tail.get(..1)? } else { trimmed };
    Some((String::from_utf8_lossy(&name).into_owned(), String::from_utf8_lossy(value).into_owned()))
}

/// The `syntax` and `check` directives, which BuildKit looks for before it parses: behind a `#!` line too,
/// and only at the very beginning of a line.
pub(crate) fn detect(bytes: &[u8], lines: &[Line], name: &str) -> Option<Directive> {
    let shebang = lines.first().is_some_and(|l| bytes[l.text.clone()].starts_with(b"#!"));
    let mut reader = Reader::default();
    for line in lines.iter().skip(usize::from(shebang)) {
        let (found, value) = reader.read(line.number, &bytes[line.text.clone()]).ok()??;
        if found == name {
            return Some(Directive { value, line: line.number, span: line.span.clone() });
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(line: &str) -> Option<(String, String)> {
        split(line.as_bytes())
    }

    #[test]
    fn spelling_of_directives() {
        let some = |n: &str, v: &str| Some((n.to_owned(), v.to_owned()));
        assert_eq!(pair("#escape=`"), some("escape", "`"));
        assert_eq!(pair("#  ESCAPE  =  \\  "), some("escape", "\\"));
        assert_eq!(pair("# syntax=docker/dockerfile:1 a=b"), some("syntax", "docker/dockerfile:1 a=b"));
        assert_eq!(pair("# check=skip=all;error=true"), some("check", "skip=all;error=true"));
        assert_eq!(pair("# escape= "), some("escape", " "));
        assert_eq!(pair("# escape="), None);
        assert_eq!(pair("# other=1"), None);
        assert_eq!(pair("# esc ape=1"), None);
        assert_eq!(pair("FROM a"), None);
    }
}
