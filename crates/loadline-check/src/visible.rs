//! Makes visible what the eye does not see in a line.

use std::fmt::Write as _;

/// What the marks mean, for a legend.
pub const LEGEND: &str = "· blank, → tab, ␍ carriage return, <no newline> end of file";

/// A line with its invisible bytes shown: blanks at its beginning and end as `·`, tabs as `→`, carriage
/// returns as `␍`, a missing line feed as `<no newline>`, other controls, invisible characters and bytes
/// that are not UTF-8 by their numbers.
pub fn show(line: &[u8]) -> String {
    let (text, ended) = match line {
        [text @ .., b'\n'] => (text, true),
        text => (text, false),
    };
    let is_blank = |b: &u8| matches!(b, b' ' | b'\t' | b'\r');
    let body_start = text.iter().position(|b| !is_blank(b)).unwrap_or(text.len());
    let body_end = text.iter().rposition(|b| !is_blank(b)).map_or(text.len(), |at| at + 1);
    let mut out = String::with_capacity(text.len() + 8);
    let mut at = 0;
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                ' ' if at < body_start || at >= body_end => out.push('·'),
                '\t' => out.push('→'),
                '\r' => out.push('␍'),
                c if is_invisible(c) => {
                    let _ = write!(out, "<U+{:04X}>", u32::from(c));
                }
                c => out.push(c),
            }
            at += c.len_utf8();
        }
        for byte in chunk.invalid() {
            let _ = write!(out, "<0x{byte:02X}>");
            at += 1;
        }
    }
    if !ended {
        out.push_str("<no newline>");
    }
    out
}

/// Characters that show as nothing, or as a blank, or that turn the text around them.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || (c.is_whitespace() && c != ' ')
        || matches!(c, '\u{AD}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

/// How two lines differ that look alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Unseen {
    /// In how they end: `\r\n` here, `\n` there.
    LineEndings,
    /// In the line feed at the end of the file.
    FinalNewline,
    /// In blanks at the end.
    TrailingBlanks,
    /// In blanks at the beginning, or in tabs and blanks.
    Indentation,
    /// In characters that show as nothing.
    InvisibleCharacters,
}

impl Unseen {
    /// What it is called in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::LineEndings => "line endings",
            Self::FinalNewline => "the newline at the end of the file",
            Self::TrailingBlanks => "trailing blanks",
            Self::Indentation => "indentation",
            Self::InvisibleCharacters => "invisible characters",
        }
    }
}

/// How two lines that are not equal differ, where the eye would call them equal.
pub fn unseen(a: &[u8], b: &[u8]) -> Option<Unseen> {
    if a == b {
        return None;
    }
    let (a, end_a) = split(a);
    let (b, end_b) = split(b);
    if a == b {
        let none = end_a.is_empty() || end_b.is_empty();
        return Some(if none { Unseen::FinalNewline } else { Unseen::LineEndings });
    }
    if a.trim_ascii_end() == b.trim_ascii_end() {
        return Some(Unseen::TrailingBlanks);
    }
    if a.trim_ascii() == b.trim_ascii() || squeezed(a) == squeezed(b) {
        return Some(Unseen::Indentation);
    }
    (bare(a) == bare(b)).then_some(Unseen::InvisibleCharacters)
}

fn split(line: &[u8]) -> (&[u8], &[u8]) {
    let text = line.strip_suffix(b"\n").unwrap_or(line);
    let text = if text.len() < line.len() { text.strip_suffix(b"\r").unwrap_or(text) } else { text };
    line.split_at(text.len())
}

/// The line with every run of blanks as one.
fn squeezed(line: &[u8]) -> Vec<&[u8]> {
    line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect()
}

fn bare(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    text.chars().filter(|c| !c.is_whitespace() && !is_invisible(*c)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown() {
        assert_eq!(show(b"  RUN a  b \n"), "··RUN a  b·");
        assert_eq!(show(b"\tx\ty\r\n"), "→x→y␍");
        assert_eq!(show("a\u{a0}b\u{200b}\u{202e}\n".as_bytes()), "a<U+00A0>b<U+200B><U+202E>");
        assert_eq!(show(b"\xe4\x1b[0m"), "<0xE4><U+001B>[0m<no newline>");
        assert_eq!(show(b"   \n"), "···");
        assert_eq!(show(b""), "<no newline>");
    }

    #[test]
    fn what_cannot_be_seen() {
        assert_eq!(unseen(b"a\n", b"a\r\n"), Some(Unseen::LineEndings));
        assert_eq!(unseen(b"a\n", b"a"), Some(Unseen::FinalNewline));
        assert_eq!(unseen(b"a \n", b"a\n"), Some(Unseen::TrailingBlanks));
        assert_eq!(unseen(b"  a\n", b"\ta\n"), Some(Unseen::Indentation));
        assert_eq!(unseen(b"a  b\n", b"a\tb\n"), Some(Unseen::Indentation));
        assert_eq!(unseen("a\u{200b}b\n".as_bytes(), b"ab\n"), Some(Unseen::InvisibleCharacters));
        assert_eq!(unseen("a\u{a0}b\n".as_bytes(), b"a b\n"), Some(Unseen::InvisibleCharacters));
        assert_eq!(unseen(b"a\n", b"b\n"), None);
        assert_eq!(unseen(b"a\n", b"a\n"), None);
    }
}
