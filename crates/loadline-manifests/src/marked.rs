//! Lines of any file that a comment marks: `loadline: image`, behind the reference or on the line before.

use std::ops::Range;

use loadline_core::Reference;

use crate::kind::Kind;
use crate::mention::{Collector, Edit, Mention, Named, read};

/// What a comment says that marks a line.
pub const MARKER: &str = "loadline: image";

/// What a comment begins with, in whatever language.
const LEADERS: [&str; 7] = ["{{/*", "<!--", "/*", "//", "--", "#", ";"];

/// Whether any line of a text is marked.
pub fn is_marked(text: &str) -> bool {
    text.contains(MARKER) && lines(text).any(|(_, line)| content(line).is_some())
}

pub(crate) fn collect(collector: &mut Collector<'_>) {
    let text = collector.text;
    if !text.contains(MARKER) {
        return;
    }
    let mut is_next = false;
    for (start, line) in lines(text) {
        match content(line) {
            // A mark alone on its line is about the next one.
            Some(content) if content.trim().is_empty() => is_next = true,
            Some(content) => {
                is_next = false;
                take(collector, start, content);
            }
            None if is_next => {
                is_next = false;
                take(collector, start, line);
            }
            None => {}
        }
    }
}

/// The lines without their endings, and where each begins.
fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut start = 0;
    text.split_inclusive('\n').map(move |line| {
        let begun = start;
        start += line.len();
        (begun, line.trim_end_matches(['\n', '\r']))
    })
}

/// What stands before the comment that marks a line; nothing where none does.
fn content(line: &str) -> Option<&str> {
    let (before, behind) = line.split_once(MARKER)?;
    if behind.starts_with(|c: char| c.is_alphanumeric() || matches!(c, '-' | '_')) {
        return None;
    }
    let before = before.trim_end();
    LEADERS
        .iter()
        .find_map(|leader| before.strip_suffix(leader))
        .map(|content| content.trim_end_matches(['#', '/']))
}

fn take(collector: &mut Collector<'_>, start: usize, line: &str) {
    let whole = start..start + line.len();
    let words: Vec<Range<usize>> = words(line);
    let text = |word: &Range<usize>| &line[word.clone()];
    let is_sure = |word: &&Range<usize>| {
        let word = text(word);
        word.contains('$') || word.contains(['/', ':', '@']) && word.parse::<Reference>().is_ok()
    };
    let sure: Vec<&Range<usize>> = words.iter().filter(is_sure).collect();
    let bare = || words.last().filter(|word| text(word).parse::<Reference>().is_ok());
    let chosen = match sure.as_slice() {
        [] => bare().ok_or("the line is marked, and names no image"),
        [one] => Ok(*one),
        _ => Err("the line is marked, and could name several images: leave one on it"),
    };
    let mention = match chosen {
        Ok(word) => {
            let span = start + word.start..start + word.end;
            let (text, edit) = (text(word).to_owned(), Some(Edit::Append(span.end)));
            Mention {
                kind: Kind::Marked,
                named: read(&text),
                text,
                line: collector.line(span.start),
                span,
                edit,
            }
        }
        Err(reason) => Mention {
            kind: Kind::Marked,
            text: line.trim().to_owned(),
            named: Named::Invalid(reason.to_owned()),
            line: collector.line(start),
            span: whole,
            edit: None,
        },
    };
    collector.add(mention);
}

/// The words that may be references: what stands between blanks, quotes, brackets and signs of assignment.
fn words(line: &str) -> Vec<Range<usize>> {
    let mut words = Vec::new();
    let mut open: Option<usize> = None;
    let mut depth = 0_usize;
    let mut before = ' ';
    for (at, c) in line.char_indices().chain([(line.len(), ' ')]) {
        // `${NAME:-else}` and `${{ expression }}` are one word, blanks and quotes in them too.
        match c {
            '{' if before == '$' || depth > 0 => depth += 1,
            '}' if depth > 0 => depth -= 1,
            _ => {}
        }
        before = c;
        let parts = c.is_whitespace() || "\"'`=,;()<>[]|\\".contains(c);
        let braces =
            matches!(c, '{' | '}') && depth == 0 && !open.is_some_and(|from| line[from..at].contains('$'));
        if at < line.len() && (depth > 0 || !(parts || braces)) {
            open.get_or_insert(at);
        } else if let Some(from) = open.take() {
            let word = &line[from..at];
            let inner = word.trim_start_matches(':');
            let from = from + word.len() - inner.len();
            let to = from + inner.trim_end_matches([':', '.']).len();
            if to > from {
                words.push(from..to);
            }
        }
    }
    words
}
