//! The keyword, the flags and the rest of a folded line.

/// A flag of an instruction: `--name=value`, or `--name` alone. Characters beyond ASCII, which BuildKit
/// garbles here byte by byte, are kept as they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flag {
    /// The name without the dashes.
    pub name: String,
    /// What stands behind `=`, quotes and escapes resolved; nothing where there is no `=`.
    pub value: Option<String>,
}

impl Flag {
    fn new(word: &str) -> Self {
        let word = word.strip_prefix("--").unwrap_or(word);
        match word.split_once('=') {
            Some((name, value)) => Self { name: name.to_owned(), value: Some(value.to_owned()) },
            None => Self { name: word.to_owned(), value: None },
        }
    }

    /// The image or stage that a `--mount=type=bind,from=NAME,…` takes content out of.
    pub fn mounted_from(&self) -> Option<&str> {
        let value = self.value.as_deref().filter(|_| self.name == "mount")?;
        value.split(',').find_map(|part| {
            let (key, value) = part.split_once('=')?;
            key.trim().eq_ignore_ascii_case("from").then_some(value)
        })
    }
}

/// The blanks between words: BuildKit's `[\t\v\f\r ]+`, not all that Unicode calls blank.
pub(crate) const fn is_blank(byte: u8) -> bool {
    matches!(byte, b'\t' | 0x0B | 0x0C | b'\r' | b' ')
}

/// The blanks that end a flag.
pub(crate) const fn ends_word(c: char) -> bool {
    c.is_ascii_whitespace() || c == '\u{b}'
}

/// The pieces of a folded line.
pub(crate) struct Split<'a> {
    /// The first word.
    pub(crate) keyword: &'a str,
    pub(crate) flags: Vec<Flag>,
    /// What follows the flags, without blanks around it.
    pub(crate) rest: &'a str,
}

/// Splits a folded line into keyword, flags and rest.
pub(crate) fn split(line: &str) -> Split<'_> {
    let line = line.trim();
    let Some(end) = line.bytes().position(is_blank) else {
        return Split { keyword: line, flags: Vec::new(), rest: "" };
    };
    let after = line[end..].bytes().position(|b| !is_blank(b)).map_or(line.len(), |n| end + n);
    let (flags, rest) = flags(&line[after..]);
    Split { keyword: &line[..end], flags, rest: rest.trim() }
}

fn flags(line: &str) -> (Vec<Flag>, &str) {
    let mut found = Vec::new();
    let mut rest = line;
    loop {
        // Byte by byte, as BuildKit does it: what is blank in Unicode alone ends nothing here.
        rest = rest.trim_start_matches(ends_word);
        if !rest.starts_with("--") {
            return (found, rest);
        }
        let (word, quoted, length) = word(rest);
        rest = &rest[length..];
        if word == "--" {
            return (found, rest);
        }
        if quoted || !word.is_empty() {
            found.push(Flag::new(&word));
        }
    }
}

/// The first word of a text with its quotes and escapes resolved, whether anything was quoted, and how
/// many bytes it takes. Flags know the backslash only, whatever the escape directive says.
fn word(text: &str) -> (String, bool, usize) {
    let mut out = String::new();
    let mut quote = None;
    let mut quoted = false;
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match (quote, c) {
            (None, c) if ends_word(c) => return (out, quoted, at),
            (None, '\'' | '"') => {
                quote = Some(c);
                quoted = true;
            }
            (Some(q), c) if c == q => quote = None,
            (_, '\\') => match chars.next() {
                Some((_, escaped)) => out.push(escaped),
                None => break,
            },
            (_, c) => out.push(c),
        }
    }
    (out, quoted, text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(line: &str) -> (String, Vec<(String, Option<String>)>, String) {
        let s = split(line);
        (s.keyword.into(), s.flags.into_iter().map(|f| (f.name, f.value)).collect(), s.rest.into())
    }

    #[test]
    fn flags_end_where_the_arguments_begin() {
        let f = |n: &str, v: &str| (n.to_owned(), Some(v.to_owned()));
        assert_eq!(
            parts("COPY --from=a  --chown=1:2 x  y "),
            ("COPY".into(), vec![f("from", "a"), f("chown", "1:2")], "x  y".into())
        );
        assert_eq!(parts("copy --link a b"), ("copy".into(), vec![("link".into(), None)], "a b".into()));
        assert_eq!(parts("RUN -- --x"), ("RUN".into(), vec![], "--x".into()));
        assert_eq!(parts("RUN -x --y"), ("RUN".into(), vec![], "-x --y".into()));
        assert_eq!(parts(r#"RUN --a="b c"\ d e"#), ("RUN".into(), vec![f("a", "b c d")], "e".into()));
        assert_eq!(parts("RUN \u{a0}--x"), ("RUN".into(), vec![], "--x".into()));
        assert_eq!(parts("RUN"), ("RUN".into(), vec![], "".into()));
        assert_eq!(parts(""), ("".into(), vec![], "".into()));
        assert_eq!(parts("RUN --a=\"open"), ("RUN".into(), vec![f("a", "open")], "".into()));
    }
}
