//! The part of a file that a finding points at.

use std::ops::Range;

use loadline_core::Location;

/// The lines of a file that a location covers.
pub(crate) struct Excerpt<'t> {
    /// Whole lines, without the last line's end.
    pub(crate) text: &'t str,
    /// The number of the first line, counted from 1.
    pub(crate) first_line: usize,
    /// What is pointed at, in bytes of `text`.
    pub(crate) span: Range<usize>,
}

/// Cuts the lines out that a location points at: by its span, else by its line. A span beyond the
/// text (the file changed meanwhile) gives none.
pub(crate) fn excerpt<'t>(location: &Location, text: &'t str) -> Option<Excerpt<'t>> {
    let span = match (&location.span, location.line) {
        (Some(span), _) => span.clone(),
        (None, Some(line)) => line_span(text, line)?,
        (None, None) => return None,
    };
    text.get(span.clone())?;
    let start = text[..span.start].rfind('\n').map_or(0, |at| at + 1);
    let end = text[span.end..].find('\n').map_or(text.len(), |at| span.end + at);
    // A span that ends with its line's end covers no more than that line.
    let end = if span.end > span.start && text[..span.end].ends_with('\n') { span.end - 1 } else { end };
    let lines = text[start..end].strip_suffix('\r').unwrap_or(&text[start..end]);
    let within = |at: usize| at.saturating_sub(start).min(lines.len());
    Some(Excerpt {
        text: lines,
        first_line: text[..start].bytes().filter(|b| *b == b'\n').count() + 1,
        span: within(span.start)..within(span.end),
    })
}

/// What is written on a line, counted from 1, without the blanks around it.
fn line_span(text: &str, line: u32) -> Option<Range<usize>> {
    let mut start = 0;
    for _ in 1..line {
        start += text[start..].find('\n')? + 1;
    }
    let whole = text[start..].split('\n').next()?;
    let begin = start + (whole.len() - whole.trim_start().len()).min(whole.trim_end().len());
    Some(begin..start + whole.trim_end().len().max(begin - start))
}

/// Line and character after the end of a location's span, counted from 1.
pub(crate) fn end(location: &Location, text: &str) -> Option<(u32, u32)> {
    let span = location.span.clone()?;
    text.get(span.clone())?;
    let end = Location::span(&location.file, text, span.end..span.end);
    Some((end.line?, end.column?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_out_whole() {
        let text = "one\n  two three \r\nfour\n";
        let at = text.find("three").unwrap();
        let excerpt_of =
            |location: &Location| excerpt(location, text).map(|e| (e.text, e.first_line, &e.text[e.span]));
        assert_eq!(excerpt_of(&Location::span("f", text, at..at + 5)), Some(("  two three ", 2, "three")));
        assert_eq!(excerpt_of(&Location::line("f", 2)), Some(("  two three ", 2, "two three")));
        assert_eq!(excerpt_of(&Location::line("f", 1)), Some(("one", 1, "one")));
        assert_eq!(excerpt_of(&Location::line("f", 4)), Some(("", 4, "")));
        assert_eq!(excerpt_of(&Location::line("f", 9)), None);
        assert_eq!(excerpt_of(&Location::file("f")), None);
        assert_eq!(excerpt_of(&Location::span("f", text, 900..910)), None);
        assert_eq!(excerpt_of(&Location::span("f", text, 0..4)), Some(("one", 1, "one")));
        assert_eq!(end(&Location::span("f", text, at..at + 5), text), Some((2, 12)));
    }

    proptest::proptest! {
        #[test]
        fn no_place_panics(text in "[ab é\\r\\n]{0,30}", from in 0usize..40, length in 0usize..40, line in 0u32..12) {
            for location in [Location::span("f", &text, from..from + length), Location::line("f", line)] {
                if let Some(excerpt) = excerpt(&location, &text) {
                    proptest::prop_assert!(excerpt.text.get(excerpt.span).is_some());
                }
                let _ = end(&location, &text);
            }
        }
    }
}
