//! Shell patterns as `${name#pattern}` and its kin take them: `*`, `?` and literal characters, no brackets.

/// A pattern, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<Piece>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    /// Any text without a line feed.
    Star,
    /// Any character but a line feed.
    Any,
    Literal(char),
}

/// Why a pattern could not be used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// A backslash before something that it cannot escape.
    Escape(Option<char>),
    /// Matching would take too long.
    Budget,
}

/// How many comparisons one substitution may take.
const MAX_STEPS: usize = 20_000_000;

impl Pattern {
    /// Reads a pattern. A backslash takes the meaning from `*`, `?` and itself; before `}` and `/`, which
    /// need it to get past `${…}`, it is dropped.
    pub(crate) fn new(text: &str) -> Result<Self, Trouble> {
        let mut pieces = Vec::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            pieces.push(match c {
                '*' if pieces.last() == Some(&Piece::Star) => continue,
                '*' => Piece::Star,
                '?' => Piece::Any,
                '\\' => match chars.next() {
                    Some(escaped @ ('*' | '?' | '\\' | '}' | '/')) => Piece::Literal(escaped),
                    other => return Err(Trouble::Escape(other)),
                },
                c => Piece::Literal(c),
            });
        }
        Ok(Self(pieces))
    }

    /// The text without the longest (or shortest) prefix that matches.
    pub(crate) fn trim_prefix(&self, text: &str, longest: bool) -> Result<String, Trouble> {
        let chars: Vec<char> = text.chars().collect();
        let mut steps = 0;
        let end = find_end(&self.0, &chars, longest, &mut steps)?.unwrap_or(0);
        Ok(chars[end..].iter().collect())
    }

    /// The text without the longest (or shortest) suffix that matches.
    pub(crate) fn trim_suffix(&self, text: &str, longest: bool) -> Result<String, Trouble> {
        let pieces: Vec<Piece> = self.0.iter().rev().copied().collect();
        let mut chars: Vec<char> = text.chars().rev().collect();
        let mut steps = 0;
        let end = find_end(&pieces, &chars, longest, &mut steps)?.unwrap_or(0);
        chars.drain(..end);
        Ok(chars.iter().rev().collect())
    }

    /// The text with its first match (or all of them) replaced.
    pub(crate) fn replace(&self, text: &str, replacement: &str, all: bool) -> Result<String, Trouble> {
        let chars: Vec<char> = text.chars().collect();
        let mut steps = 0;
        let mut out = String::new();
        let mut copied = 0;
        let mut from = 0;
        while from <= chars.len() {
            let Some(length) = find_end(&self.0, &chars[from..], true, &mut steps)? else {
                from += 1;
                continue;
            };
            let end = from + length;
            out.extend(&chars[copied..from]);
            // An empty match right behind another one is none.
            if end > copied || from == 0 {
                out.push_str(replacement);
            }
            copied = end;
            from = end.max(from + 1);
            if !all {
                break;
            }
        }
        out.extend(&chars[copied.min(chars.len())..]);
        Ok(out)
    }
}

/// How many characters at the beginning of a text the pieces match: the most, or the fewest.
fn find_end(
    pieces: &[Piece],
    text: &[char],
    longest: bool,
    steps: &mut usize,
) -> Result<Option<usize>, Trouble> {
    // Which positions the pieces so far can end at, between `low` and the end of the list.
    let mut low = 0;
    let mut reach = vec![true];
    for piece in pieces {
        *steps += reach.len();
        match piece {
            Piece::Literal(_) | Piece::Any => {
                let fits = |c: char| match piece {
                    Piece::Literal(l) => *l == c,
                    _ => c != '\n',
                };
                for (i, open) in reach.iter_mut().enumerate() {
                    *open &= text.get(low + i).copied().is_some_and(fits);
                }
                low += 1;
            }
            Piece::Star => {
                let mut i = 1;
                while low + i <= text.len() {
                    let carries = reach[i - 1] && text[low + i - 1] != '\n';
                    match reach.get_mut(i) {
                        Some(open) => *open |= carries,
                        None if carries => reach.push(true),
                        None => break,
                    }
                    i += 1;
                }
                *steps += i;
            }
        }
        if *steps > MAX_STEPS {
            return Err(Trouble::Budget);
        }
        let Some(first) = reach.iter().position(|open| *open) else { return Ok(None) };
        reach.drain(..first);
        low += first;
        while reach.last() == Some(&false) {
            reach.pop();
        }
    }
    Ok(Some(if longest { low + reach.len() - 1 } else { low }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str) -> Pattern {
        Pattern::new(text).unwrap()
    }

    #[test]
    fn prefixes_and_suffixes() {
        let text = "abc/def/ghi.tar.gz";
        assert_eq!(pattern("*/").trim_prefix(text, false).unwrap(), "def/ghi.tar.gz");
        assert_eq!(pattern("*/").trim_prefix(text, true).unwrap(), "ghi.tar.gz");
        assert_eq!(pattern(".*").trim_suffix(text, false).unwrap(), "abc/def/ghi.tar");
        assert_eq!(pattern(".*").trim_suffix(text, true).unwrap(), "abc/def/ghi");
        assert_eq!(pattern("a?c").trim_prefix(text, false).unwrap(), "/def/ghi.tar.gz");
        assert_eq!(pattern("x").trim_prefix(text, true).unwrap(), text);
        assert_eq!(pattern("*").trim_prefix(text, true).unwrap(), "");
        assert_eq!(pattern("*").trim_prefix(text, false).unwrap(), text);
        assert_eq!(pattern(r"\*x").trim_prefix("*xy", false).unwrap(), "y");
        assert_eq!(pattern("*b").trim_prefix("a\nb", true).unwrap(), "a\nb");
    }

    #[test]
    fn replacements() {
        assert_eq!(pattern("o").replace("foo bor", "0", false).unwrap(), "f0o bor");
        assert_eq!(pattern("o").replace("foo bor", "0", true).unwrap(), "f00 b0r");
        assert_eq!(pattern("").replace("abc", "-", true).unwrap(), "-a-b-c-");
        assert_eq!(pattern("*").replace("abc", "-", true).unwrap(), "-");
        assert_eq!(pattern("b*").replace("abc", "-", false).unwrap(), "a-");
        assert_eq!(pattern("/").replace("a/b/c", "-", true).unwrap(), "a-b-c");
        assert_eq!(pattern("x").replace("", "-", true).unwrap(), "");
    }

    #[test]
    fn trouble() {
        assert_eq!(Pattern::new(r"a\b"), Err(Trouble::Escape(Some('b'))));
        assert_eq!(Pattern::new("a\\"), Err(Trouble::Escape(None)));
        let long = "a".repeat(100_000);
        let hostile = pattern(&"*a".repeat(2_000)).replace(&long, "", true);
        assert!(hostile.is_ok() || hostile == Err(Trouble::Budget));
        assert_eq!(pattern(&("*a".repeat(500) + "b")).replace(&long, "", true), Err(Trouble::Budget));
    }
}
