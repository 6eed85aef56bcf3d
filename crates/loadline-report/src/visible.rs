//! Texts from outside made harmless to a terminal and to a reader's eye.

use std::borrow::Cow;

/// A text with control characters, and those that turn the direction of writing, made visible; line
/// ends and tabs are kept.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|c| picture(c).is_some()) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| picture(c).unwrap_or(c)).collect())
}

/// A text from outside on one line, with nothing in it that a terminal obeys.
pub fn one_line(text: &str) -> String {
    visible(text)
        .split(['\n', '\t'])
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

fn picture(c: char) -> Option<char> {
    match c {
        '\n' | '\t' => None,
        '\u{7f}' => Some('\u{2421}'),
        '\0'..='\u{1f}' => char::from_u32(0x2400 + c as u32),
        '\u{80}'..='\u{9f}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
            Some('\u{fffd}')
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown_and_do_nothing() {
        assert_eq!(visible("a\u{1b}[31mb\r\n\tc\u{202e}"), "a␛[31mb␍\n\tc\u{fffd}");
        assert!(matches!(visible("plain ✓ ä\n"), Cow::Borrowed(_)));
        assert_eq!(one_line(" a\n  b\tc\n"), "a b c");
    }
}
