//! Lines as bytes: where they begin, where they end, and with what.

use std::ops::Range;

/// How a line ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ending {
    /// `\n`.
    Lf,
    /// `\r\n`.
    CrLf,
    /// The end of the file.
    None,
}

impl Ending {
    /// The bytes of the ending.
    pub const fn bytes(self) -> &'static [u8] {
        match self {
            Self::Lf => b"\n",
            Self::CrLf => b"\r\n",
            Self::None => b"",
        }
    }
}

/// A line of a file. The lines of a file, one after the other, are the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Counted from 1.
    pub number: u32,
    /// The bytes of the line, its ending and (on line 1) a UTF-8 byte order mark included.
    pub span: Range<usize>,
    /// The bytes of the line without byte order mark and ending.
    pub text: Range<usize>,
    /// How it ends.
    pub ending: Ending,
}

/// How a file is encoded, as its first bytes tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Encoding {
    /// No byte order mark: bytes as they are.
    Plain,
    /// UTF-8 with a byte order mark.
    Utf8Bom,
    /// UTF-16, little endian, with a byte order mark.
    Utf16Le,
    /// UTF-16, big endian, with a byte order mark.
    Utf16Be,
}

pub(crate) const BOM: &[u8] = b"\xEF\xBB\xBF";

/// How a file is encoded, as its first bytes tell.
pub fn encoding(bytes: &[u8]) -> Encoding {
    match bytes {
        [0xEF, 0xBB, 0xBF, ..] => Encoding::Utf8Bom,
        [0xFF, 0xFE, ..] => Encoding::Utf16Le,
        [0xFE, 0xFF, ..] => Encoding::Utf16Be,
        _ => Encoding::Plain,
    }
}

/// Splits bytes into lines. Total: any bytes have lines, and the spans tile them without a gap.
pub fn lines(bytes: &[u8]) -> Vec<Line> {
    let mut out = Vec::new();
    let mut start = 0;
    while start < bytes.len() {
        let newline = bytes[start..].iter().position(|b| *b == b'\n').map(|at| start + at);
        let (end, ending, text_end) = match newline {
            Some(at) if at > start && bytes[at - 1] == b'\r' => (at + 1, Ending::CrLf, at - 1),
            Some(at) => (at + 1, Ending::Lf, at),
            None => (bytes.len(), Ending::None, bytes.len()),
        };
        let text_start = if start == 0 && bytes.starts_with(BOM) { BOM.len() } else { start };
        let number = u32::try_from(out.len() + 1).unwrap_or(u32::MAX);
        out.push(Line { number, span: start..end, text: text_start.min(text_end)..text_end, ending });
        start = end;
    }
    out
}

/// Whether a rune is a blank as Go's `unicode.IsSpace` has it: the White_Space property.
pub(crate) fn trim_start(bytes: &[u8]) -> &[u8] {
    let mut rest = bytes;
    loop {
        match rest {
            [b, tail @ ..] if b.is_ascii() => {
                if !(b.is_ascii_whitespace() || *b == 0x0B) {
                    return rest;
                }
                rest = tail;
            }
            [] => return rest,
            _ => {
                let head = &rest[..rest.len().min(4)];
                let valid = match std::str::from_utf8(head) {
                    Ok(text) => text,
                    Err(e) => std::str::from_utf8(&head[..e.valid_up_to()]).unwrap_or(""),
                };
                match valid.chars().next() {
                    Some(c) if c.is_whitespace() => rest = &rest[c.len_utf8()..],
                    _ => return rest,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endings_and_byte_order_marks_are_not_text() {
        let bytes = b"\xEF\xBB\xBFone\r\ntwo\n\nthree";
        let all = lines(bytes);
        let texts: Vec<_> = all.iter().map(|l| &bytes[l.text.clone()]).collect();
        assert_eq!(texts, [&b"one"[..], b"two", b"", b"three"]);
        let endings: Vec<_> = all.iter().map(|l| l.ending).collect();
        assert_eq!(endings, [Ending::CrLf, Ending::Lf, Ending::Lf, Ending::None]);
        assert_eq!(all[0].span, 0..8);
        assert!(lines(b"").is_empty());
        assert_eq!(lines(b"\n").len(), 1);
        assert_eq!(lines(b"\r\n")[0].text, 0..0);
    }

    #[test]
    fn blanks_are_what_go_calls_blanks() {
        assert_eq!(trim_start(b" \t\x0b\x0c\r\nx"), b"x");
        assert_eq!(trim_start("\u{a0}\u{2003}x".as_bytes()), b"x");
        assert_eq!(trim_start(b"\xff x"), b"\xff x");
        assert_eq!(trim_start(b"  "), b"");
    }
}
