//! Path patterns as Go's `path.Match` understands them, with `**` added where `.dockerignore` has it.
//!
//! A pattern becomes a list of tokens; matching is a table over tokens and characters, so that no
//! pattern, however it is made, takes more than their product.

use thiserror::Error;

/// Why a text is not a pattern.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("`{pattern}` is not a pattern: {reason}")]
pub struct PatternError {
    /// The pattern as written.
    pub pattern: String,
    /// What breaks it.
    pub reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Literal(char),
    /// `?`: one character other than `/`.
    One,
    /// `*`: any run without `/`.
    Run,
    /// `**/` or `**` before more: nothing, or anything that ends in `/`.
    Directories,
    /// `**` at the end: anything.
    Anything,
    /// `[…]`.
    Class {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

/// Whether `**` has a meaning of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// `path.Match`: `**` is `*` twice.
    Match,
    /// `.dockerignore`: `**` spans directories.
    Ignore,
}

/// A compiled pattern; it matches whole paths, separated by `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Glob {
    tokens: Vec<Token>,
}

impl Glob {
    /// Compiles a pattern.
    ///
    /// # Errors
    /// A class or an escape that is not finished.
    pub fn new(pattern: &str, dialect: Dialect) -> Result<Self, PatternError> {
        let bad = |reason| PatternError { pattern: pattern.chars().take(300).collect(), reason };
        let mut tokens = Vec::new();
        let mut chars = pattern.chars().peekable();
        while let Some(c) = chars.next() {
            tokens.push(match c {
                '*' if dialect == Dialect::Ignore && chars.peek() == Some(&'*') => {
                    chars.next();
                    if chars.peek() == Some(&'/') {
                        chars.next();
                    }
                    if chars.peek().is_none() { Token::Anything } else { Token::Directories }
                }
                '*' => Token::Run,
                '?' => Token::One,
                '\\' => Token::Literal(chars.next().ok_or_else(|| bad("it ends in a lone `\\`"))?),
                '[' => {
                    let negated = chars.peek() == Some(&'^');
                    if negated {
                        chars.next();
                    }
                    let mut ranges = Vec::new();
                    let open = || bad("`[` is never closed");
                    loop {
                        let mut member = |first: bool| match chars.next().ok_or_else(open)? {
                            '\\' => chars.next().map(Some).ok_or_else(open),
                            ']' if first && !ranges.is_empty() => Ok(None),
                            ']' => Err(bad("a character class needs a member between `[` and `]`")),
                            '-' => Err(bad("`-` stands between two characters in a class")),
                            other => Ok(Some(other)),
                        };
                        let Some(low) = member(true)? else { break };
                        let high = if chars.peek() == Some(&'-') {
                            chars.next();
                            match chars.next().ok_or_else(open)? {
                                '\\' => chars.next().ok_or_else(open)?,
                                ']' | '-' => {
                                    return Err(bad("a range in a class needs its second character"));
                                }
                                other => other,
                            }
                        } else {
                            low
                        };
                        ranges.push((low, high));
                    }
                    Token::Class { negated, ranges }
                }
                other => Token::Literal(other),
            });
        }
        Ok(Self { tokens })
    }

    /// Whether the pattern matches the whole path.
    pub fn matches(&self, path: &str) -> bool {
        let chars: Vec<char> = path.chars().collect();
        // `alive[i]`: the tokens read so far match the first `i` characters.
        let mut alive = vec![false; chars.len() + 1];
        alive[0] = true;
        for token in &self.tokens {
            let mut next = vec![false; chars.len() + 1];
            match token {
                Token::Run => {
                    let mut reaching = false;
                    for at in 0..=chars.len() {
                        if at > 0 && chars[at - 1] == '/' {
                            reaching = false;
                        }
                        reaching |= alive[at];
                        next[at] = reaching;
                    }
                }
                Token::Anything => {
                    let mut reaching = false;
                    for at in 0..=chars.len() {
                        reaching |= alive[at];
                        next[at] = reaching;
                    }
                }
                Token::Directories => {
                    let mut before = false;
                    for at in 0..=chars.len() {
                        next[at] = alive[at] || (at > 0 && before && chars[at - 1] == '/');
                        before |= alive[at];
                    }
                }
                single => {
                    for (at, c) in chars.iter().enumerate() {
                        next[at + 1] = alive[at]
                            && match single {
                                Token::Literal(literal) => literal == c,
                                Token::One => *c != '/',
                                Token::Class { negated, ranges } => {
                                    ranges.iter().any(|(low, high)| low <= c && c <= high) != *negated
                                }
                                Token::Run | Token::Anything | Token::Directories => false,
                            };
                    }
                }
            }
            alive = next;
        }
        alive[chars.len()]
    }
}

/// Whether a `COPY` source has wildcards: BuildKit takes a path without them as it is written.
pub fn has_wildcards(text: &str) -> bool {
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match c {
            '*' | '?' | '[' => return true,
            '\\' => {
                chars.next();
            }
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(pattern: &str, path: &str) -> bool {
        Glob::new(pattern, Dialect::Match).unwrap().matches(path)
    }

    // The table of Go's own `path/filepath` tests, the cases without an error.
    #[test]
    fn as_gos_match() {
        for (pattern, path, expected) in [
            ("abc", "abc", true),
            ("*", "abc", true),
            ("*c", "abc", true),
            ("a*", "a", true),
            ("a*", "abc", true),
            ("a*", "ab/c", false),
            ("a*/b", "abc/b", true),
            ("a*/b", "a/c/b", false),
            ("a*b*c*d*e*/f", "axbxcxdxe/f", true),
            ("a*b*c*d*e*/f", "axbxcxdxexxx/f", true),
            ("a*b*c*d*e*/f", "axbxcxdxe/xxx/f", false),
            ("a*b*c*d*e*/f", "axbxcxdxexxx/fff", false),
            ("a*b?c*x", "abxbbxdbxebxczzx", true),
            ("a*b?c*x", "abxbbxdbxebxczzy", false),
            ("ab[c]", "abc", true),
            ("ab[b-d]", "abc", true),
            ("ab[e-g]", "abc", false),
            ("ab[^c]", "abc", false),
            ("ab[^b-d]", "abc", false),
            ("ab[^e-g]", "abc", true),
            ("a\\*b", "a*b", true),
            ("a\\*b", "ab", false),
            ("a?b", "a☺b", true),
            ("a[^a]b", "a☺b", true),
            ("a???b", "a☺b", false),
            ("[a-ζ]*", "α", true),
            ("*[a-ζ]", "A", false),
            ("a?b", "a/b", false),
            ("a*b", "a/b", false),
            ("[\\]a]", "]", true),
            ("[\\-]", "-", true),
            ("[x\\-]", "x", true),
            ("[x\\-]", "-", true),
            ("[x\\-]", "z", false),
            ("[\\-x]", "-", true),
            ("[\\-x]", "a", false),
            ("*x", "xxx", true),
        ] {
            assert_eq!(plain(pattern, path), expected, "{pattern} {path}");
        }
        for bad in ["[]a]", "[-]", "[x-]", "[-x]", "[", "[^", "[^bc", "a[", "a\\", "[a-b-c]", "[]"] {
            assert!(Glob::new(bad, Dialect::Match).is_err(), "{bad}");
        }
    }

    #[test]
    fn hostile_patterns_take_no_time() {
        let pattern = "a*".repeat(200) + "b";
        let path = "a".repeat(2000);
        assert!(!plain(&pattern, &path));
    }

    #[test]
    fn wildcards_are_told_from_names() {
        assert!(has_wildcards("a/*.txt"));
        assert!(has_wildcards("a[0]"));
        assert!(!has_wildcards("a\\*b"));
        assert!(!has_wildcards("plain/name"));
    }
}
