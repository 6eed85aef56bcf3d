//! Variable expansion and word splitting as BuildKit's shell lexer does them.
//!
//! `$X`, `${X}`, `${X:-d}`, `${X-d}`, `${X:+d}`, `${X+d}`, `${X:?e}`, `${X?e}`, `${X#p}`, `${X##p}`,
//! `${X%p}`, `${X%%p}`, `${X/p/r}`, `${X//p/r}`; single and double quotes; the escape character. Where
//! BuildKit's replacement of all matches would read `$1` in the replacement as a group, the replacement is
//! taken literally here; and where its word splitting loses what stands before `${X:-d}` in the same word
//! (up to 0.34 at least), nothing is lost.

use thiserror::Error;

use crate::pattern::{Pattern, Trouble};

/// What a variable's name stands for: `None` where it is not set.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// How long an expanded text may become, in bytes: a variable that doubles itself stops here.
pub const MAX_EXPANDED_BYTES: usize = 1024 * 1024;

/// How deep `${…}` may nest.
const MAX_DEPTH: usize = 64;

/// Why a text could not be expanded.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("cannot expand `{text}`: {problem}")]
pub struct ExpandError {
    /// The text as given.
    pub text: String,
    /// What is wrong with it.
    pub problem: ExpandProblem,
}

/// What is wrong with a text that should be expanded.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ExpandProblem {
    /// A quote that is not closed.
    #[error("there is no second {quote}")]
    UnclosedQuote {
        /// The quote.
        quote: char,
    },
    /// `${` without `}`.
    #[error("there is no `}}` for `${{`")]
    UnclosedBrace,
    /// `${X/p` without the second slash.
    #[error("there is no second `/` in `${{…}}`")]
    MissingSlash,
    /// `${}` and the like.
    #[error("there is no name after `${{`")]
    BadSubstitution,
    /// Something behind the name that is no modifier.
    #[error("`{modifier}` is no modifier: use one of :- - :+ + :? ? # ## % %% / //")]
    Modifier {
        /// What stands there.
        modifier: String,
    },
    /// `${X?message}` with `X` not set, or `${X:?message}` with `X` empty.
    #[error("{name}: {message}")]
    Required {
        /// The variable.
        name: String,
        /// The message as written, or what is wrong.
        message: String,
    },
    /// A pattern with a backslash before something that it cannot escape.
    #[error("the pattern `{pattern}` has a backslash where none may be")]
    Pattern {
        /// The pattern.
        pattern: String,
    },
    /// A limit was hit.
    #[error("it has or makes more than {limit} {what}")]
    Limit {
        /// What was counted.
        what: &'static str,
        /// How many are allowed.
        limit: usize,
    },
}

/// Substitutes variables and removes quotes and escapes. `escape` is the Dockerfile's escape character.
pub fn expand(text: &str, lookup: Lookup<'_>, escape: char) -> Result<String, ExpandError> {
    Lexer::new(escape).expand(text, lookup).map(|e| e.text)
}

/// As [`expand`], then split into words at blanks that were neither quoted nor escaped, those out of
/// variables included.
pub fn expand_words(text: &str, lookup: Lookup<'_>, escape: char) -> Result<Vec<String>, ExpandError> {
    Lexer::new(escape).expand(text, lookup).map(|e| e.words)
}

/// Substitutes variables in a heredoc's content: quotes stay, and the escape character is a backslash
/// whatever the Dockerfile says.
pub fn expand_heredoc(content: &str, lookup: Lookup<'_>) -> Result<String, ExpandError> {
    let lexer = Lexer { ignore_quotes: true, ..Lexer::new('\\') };
    lexer.expand(content, lookup).map(|e| e.text)
}

/// What a text expands to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expansion {
    /// The whole text.
    pub text: String,
    /// The words.
    pub words: Vec<String>,
    /// The variables that were asked for, in order, with repetitions: name and whether it was set.
    pub names: Vec<(String, bool)>,
}

/// The lexer and its switches.
#[derive(Debug, Clone, Copy)]
pub struct Lexer {
    /// The escape character.
    pub escape: char,
    /// Keeps quotes in the result.
    pub raw_quotes: bool,
    /// Keeps escape characters in the result.
    pub raw_escapes: bool,
    /// Quotes have no meaning.
    pub ignore_quotes: bool,
    /// Leaves variables that are not set as they are written.
    pub keep_unset: bool,
}

impl Lexer {
    /// A lexer that resolves everything.
    pub const fn new(escape: char) -> Self {
        Self { escape, raw_quotes: false, raw_escapes: false, ignore_quotes: false, keep_unset: false }
    }

    /// Expands a text.
    pub fn expand(&self, text: &str, lookup: Lookup<'_>) -> Result<Expansion, ExpandError> {
        let mut run = Run {
            lexer: *self,
            chars: text.chars().collect(),
            at: 0,
            raw_escapes: self.raw_escapes,
            lookup,
            names: Vec::new(),
            depth: 0,
        };
        let (text, words) = run
            .until(None, self.raw_escapes)
            .map_err(|problem| ExpandError { text: text.to_owned(), problem })?;
        Ok(Expansion { text, words, names: run.names })
    }
}

#[derive(Default)]
struct Words {
    word: String,
    words: Vec<String>,
}

impl Words {
    fn push(&mut self, c: char) {
        if c.is_whitespace() {
            self.end();
        } else {
            self.word.push(c);
        }
    }

    fn end(&mut self) {
        if !self.word.is_empty() {
            self.words.push(std::mem::take(&mut self.word));
        }
    }
}

struct Run<'a> {
    lexer: Lexer,
    chars: Vec<char>,
    at: usize,
    raw_escapes: bool,
    lookup: Lookup<'a>,
    names: Vec<(String, bool)>,
    depth: usize,
}

impl Run<'_> {
    fn peek(&self) -> Option<char> {
        self.chars.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += 1;
        Some(c)
    }

    /// Reads up to a stop character, which is consumed, or to the end where there is none.
    fn until(
        &mut self,
        stop: Option<char>,
        raw_escapes: bool,
    ) -> Result<(String, Vec<String>), ExpandProblem> {
        let outer = std::mem::replace(&mut self.raw_escapes, raw_escapes);
        self.depth += 1;
        let result = if self.depth > MAX_DEPTH {
            Err(ExpandProblem::Limit { what: "nested substitutions", limit: MAX_DEPTH })
        } else {
            self.read(stop)
        };
        self.depth -= 1;
        self.raw_escapes = outer;
        result
    }

    fn read(&mut self, stop: Option<char>) -> Result<(String, Vec<String>), ExpandProblem> {
        let mut out = String::new();
        let mut words = Words::default();
        while let Some(c) = self.peek() {
            if stop == Some(c) {
                self.at += 1;
                words.end();
                return Ok((out, words.words));
            }
            match c {
                '$' => {
                    let value = self.dollar()?;
                    value.chars().for_each(|c| words.push(c));
                    out.push_str(&value);
                }
                '\'' | '"' if !self.lexer.ignore_quotes => {
                    let value = if c == '"' { self.double_quoted()? } else { self.single_quoted()? };
                    words.word.push_str(&value);
                    out.push_str(&value);
                }
                '<' => {
                    let value = self.angle();
                    words.word.push_str(&value);
                    out.push_str(&value);
                }
                _ => {
                    self.at += 1;
                    if c == self.lexer.escape {
                        if self.raw_escapes {
                            words.word.push(c);
                            out.push(c);
                        }
                        let Some(escaped) = self.next() else { break };
                        words.word.push(escaped);
                        out.push(escaped);
                    } else {
                        words.push(c);
                        out.push(c);
                    }
                }
            }
            if out.len() > MAX_EXPANDED_BYTES {
                return Err(ExpandProblem::Limit { what: "bytes", limit: MAX_EXPANDED_BYTES });
            }
        }
        if stop.is_some() {
            return Err(ExpandProblem::UnclosedBrace);
        }
        words.end();
        Ok((out, words.words))
    }

    /// `<<` keeps the blanks behind it in its word, because a heredoc's word may follow them.
    fn angle(&mut self) -> String {
        self.at += 1;
        if self.peek() != Some('<') {
            return "<".to_owned();
        }
        let mut out = "<<".to_owned();
        self.at += 1;
        while let Some(c) = self.peek().filter(|c| c.is_whitespace()) {
            out.push(c);
            self.at += 1;
        }
        out
    }

    fn single_quoted(&mut self) -> Result<String, ExpandProblem> {
        let mut out = String::new();
        self.quote(&mut out);
        loop {
            match self.peek() {
                None => return Err(ExpandProblem::UnclosedQuote { quote: '\'' }),
                Some('\'') => {
                    self.quote(&mut out);
                    return Ok(out);
                }
                Some(c) => {
                    self.at += 1;
                    out.push(c);
                }
            }
        }
    }

    fn double_quoted(&mut self) -> Result<String, ExpandProblem> {
        let mut out = String::new();
        self.quote(&mut out);
        loop {
            match self.peek() {
                None => return Err(ExpandProblem::UnclosedQuote { quote: '"' }),
                Some('"') => {
                    self.quote(&mut out);
                    return Ok(out);
                }
                Some('$') => out.push_str(&self.dollar()?),
                Some(c) if c == self.lexer.escape => {
                    self.at += 1;
                    if self.raw_escapes {
                        out.push(c);
                    }
                    match self.peek() {
                        None => {}
                        Some(escaped) if escaped == '"' || escaped == '$' || escaped == self.lexer.escape => {
                            self.at += 1;
                            out.push(escaped);
                        }
                        Some(_) => out.push(c),
                    }
                }
                Some(c) => {
                    self.at += 1;
                    out.push(c);
                }
            }
        }
    }

    /// Takes a quote, and keeps it where the lexer is told to.
    fn quote(&mut self, out: &mut String) {
        if let Some(c) = self.next()
            && self.lexer.raw_quotes
        {
            out.push(c);
        }
    }

    fn dollar(&mut self) -> Result<String, ExpandProblem> {
        self.at += 1;
        if self.peek() != Some('{') {
            let name = self.name();
            if name.is_empty() {
                return Ok("$".to_owned());
            }
            return Ok(match self.get(&name) {
                None if self.lexer.keep_unset => format!("${name}"),
                value => value.unwrap_or_default(),
            });
        }
        self.at += 1;
        match self.peek() {
            None => return Err(ExpandProblem::UnclosedBrace),
            Some('{' | '}' | ':') => return Err(ExpandProblem::BadSubstitution),
            Some(_) => {}
        }
        let name = self.name();
        match self.next() {
            None => Err(ExpandProblem::UnclosedBrace),
            Some('}') => Ok(match self.get(&name) {
                None if self.lexer.keep_unset => format!("${{{name}}}"),
                value => value.unwrap_or_default(),
            }),
            Some(':') => match self.next() {
                Some(c @ ('+' | '-' | '?' | '#' | '%')) => self.modified(&name, c, true),
                Some(c) => Err(ExpandProblem::Modifier { modifier: format!(":{c}") }),
                None => Err(ExpandProblem::UnclosedBrace),
            },
            Some(c @ ('+' | '-' | '?' | '#' | '%')) => self.modified(&name, c, false),
            Some('/') => self.replaced(&name),
            Some(c) => Err(ExpandProblem::Modifier { modifier: c.to_string() }),
        }
    }

    fn modified(
        &mut self,
        name: &str,
        modifier: char,
        empty_is_unset: bool,
    ) -> Result<String, ExpandProblem> {
        let (word, _) = self.until(Some('}'), matches!(modifier, '#' | '%')).map_err(|p| self.at_end(p))?;
        let value = self.get(name);
        if value.is_none() && self.lexer.keep_unset {
            let colon = if empty_is_unset { ":" } else { "" };
            return Ok(format!("${{{name}{colon}{modifier}{word}}}"));
        }
        let missing = value.as_deref().is_none_or(|v| empty_is_unset && v.is_empty());
        match modifier {
            '-' if missing => Ok(word),
            '+' if missing => Ok(String::new()),
            '+' => Ok(word),
            '?' if missing => {
                let state = if value.is_none() { "unset" } else { "empty" };
                let message = if word.is_empty() { format!("is not allowed to be {state}") } else { word };
                Err(ExpandProblem::Required { name: name.to_owned(), message })
            }
            '#' | '%' => {
                let value = value.unwrap_or_default();
                let doubled = word.strip_prefix(modifier);
                let text = doubled.unwrap_or(&word);
                let pattern = Pattern::new(text).map_err(|t| trouble(t, text))?;
                let trimmed = if modifier == '#' {
                    pattern.trim_prefix(&value, doubled.is_some())
                } else {
                    pattern.trim_suffix(&value, doubled.is_some())
                };
                trimmed.map_err(|t| trouble(t, text))
            }
            _ => Ok(value.unwrap_or_default()),
        }
    }

    fn replaced(&mut self, name: &str) -> Result<String, ExpandProblem> {
        let all = self.peek() == Some('/');
        if all {
            self.at += 1;
        }
        let (pattern, _) = self.until(Some('/'), true).map_err(|p| match self.at_end(p) {
            ExpandProblem::UnclosedBrace => ExpandProblem::MissingSlash,
            other => other,
        })?;
        let (replacement, _) = self.until(Some('}'), true).map_err(|p| self.at_end(p))?;
        match self.get(name) {
            None if self.lexer.keep_unset => Ok(format!("${{{name}/{pattern}/{replacement}}}")),
            value => Pattern::new(&pattern)
                .and_then(|p| p.replace(&value.unwrap_or_default(), &replacement, all))
                .map_err(|t| trouble(t, &pattern)),
        }
    }

    /// Whatever was looked for inside braces, at the end of the text it is the brace that is missing.
    fn at_end(&self, problem: ExpandProblem) -> ExpandProblem {
        match problem {
            ExpandProblem::UnclosedQuote { .. } if self.peek().is_none() => ExpandProblem::UnclosedBrace,
            other => other,
        }
    }

    fn get(&mut self, name: &str) -> Option<String> {
        let value = (self.lookup)(name);
        self.names.push((name.to_owned(), value.is_some()));
        value
    }

    /// A name, a number, or one of the shell's special parameters.
    fn name(&mut self) -> String {
        let start = self.at;
        match self.peek() {
            Some(c) if c.is_numeric() => {
                while self.peek().is_some_and(char::is_numeric) {
                    self.at += 1;
                }
            }
            Some('@' | '*' | '#' | '?' | '-' | '$' | '!') => self.at += 1,
            _ => {
                while self.peek().is_some_and(|c| c.is_alphanumeric() || c == '_') {
                    self.at += 1;
                }
            }
        }
        self.chars[start..self.at].iter().collect()
    }
}

fn trouble(trouble: Trouble, pattern: &str) -> ExpandProblem {
    match trouble {
        Trouble::Escape(_) => ExpandProblem::Pattern { pattern: pattern.to_owned() },
        Trouble::Budget => ExpandProblem::Limit { what: "steps of matching", limit: 20_000_000 },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn vars(name: &str) -> Option<String> {
        match name {
            "PWD" => Some("/home".into()),
            "HOME" => Some("/users/me".into()),
            "EMPTY" => Some(String::new()),
            "TWO" => Some("a b".into()),
            "FILE" => Some("/x/y.tar.gz".into()),
            "KÖ" => Some("ö".into()),
            "1" => Some("one".into()),
            _ => None,
        }
    }

    fn ok(text: &str) -> String {
        expand(text, &vars, '\\').unwrap()
    }

    fn problem(text: &str) -> ExpandProblem {
        expand(text, &vars, '\\').unwrap_err().problem
    }

    #[test]
    fn plain_names() {
        assert_eq!(ok("a $PWD/b ${PWD}c $NONE."), "a /home/b /homec .");
        assert_eq!(ok("$PWDx$"), "$");
        assert_eq!(ok("$"), "$");
        assert_eq!(ok("a$ b"), "a$ b");
        assert_eq!(ok("$1a ${1}"), "onea one");
        assert_eq!(ok("$KÖ"), "ö");
        assert_eq!(ok("$@$*x"), "x");
    }

    #[test]
    fn defaults_and_requirements() {
        assert_eq!(ok("${NONE:-x}${NONE-y}${EMPTY:-z}[${EMPTY-w}]"), "xyz[]");
        assert_eq!(ok("${PWD:+x}${NONE:+y}${EMPTY:+z}[${EMPTY+w}]${NONE+v}"), "x[w]");
        assert_eq!(ok("${NONE:-${HOME}/a}"), "/users/me/a");
        assert_eq!(ok("${NONE:-'a b' \"$PWD\"}"), "a b /home");
        assert_eq!(ok("${PWD:?x}${PWD?}"), "/home/home");
        let required = |n: &str, m: &str| ExpandProblem::Required { name: n.into(), message: m.into() };
        assert_eq!(problem("${NONE:?}"), required("NONE", "is not allowed to be unset"));
        assert_eq!(problem("${EMPTY:?}"), required("EMPTY", "is not allowed to be empty"));
        assert_eq!(problem("${NONE?give it}"), required("NONE", "give it"));
        assert_eq!(ok("${EMPTY?}"), "");
    }

    #[test]
    fn patterns() {
        assert_eq!(ok("${FILE#*/}|${FILE##*/}|${FILE%.*}|${FILE%%.*}"), "x/y.tar.gz|y.tar.gz|/x/y.tar|/x/y");
        assert_eq!(ok("${FILE/\\//-}|${FILE//\\//-}|${FILE/./}"), "-x/y.tar.gz|-x-y.tar.gz|/x/ytar.gz");
        assert_eq!(ok("${FILE//a?/_}"), "/x/y.t_.gz");
        assert_eq!(ok("${NONE#x}${NONE/x/y}"), "");
        assert_eq!(problem("${FILE#a\\b}"), ExpandProblem::Pattern { pattern: "a\\b".into() });
        assert_eq!(problem("${FILE/a"), ExpandProblem::MissingSlash);
        assert_eq!(problem("${FILE/a/b"), ExpandProblem::UnclosedBrace);
    }

    #[test]
    fn quotes_and_escapes() {
        assert_eq!(ok(r#"'$PWD' "$PWD" \$PWD \\ \a"#), r"$PWD /home $PWD \ a");
        assert_eq!(ok(r#""a\"b\$c\\d\e""#), r#"a"b$c\d\e"#);
        assert_eq!(ok("a\\"), "a");
        assert_eq!(expand(r"`$PWD c:\x", &vars, '`').unwrap(), r"$PWD c:\x");
        assert_eq!(problem("'a"), ExpandProblem::UnclosedQuote { quote: '\'' });
        assert_eq!(problem("\"a"), ExpandProblem::UnclosedQuote { quote: '"' });
        assert_eq!(expand_heredoc("'$PWD' \"\\$x\"\n", &vars).unwrap(), "'/home' \"$x\"\n");
    }

    #[test]
    fn bad_substitutions() {
        for text in ["${}", "${{x}}", "${:-x}"] {
            assert_eq!(problem(text), ExpandProblem::BadSubstitution, "{text}");
        }
        for text in ["${", "${PWD", "${PWD:-x", "${PWD:-'x", "${PWD:"] {
            assert_eq!(problem(text), ExpandProblem::UnclosedBrace, "{text}");
        }
        assert_eq!(problem("${PWD:=x}"), ExpandProblem::Modifier { modifier: ":=".into() });
        assert_eq!(problem("${PWD^}"), ExpandProblem::Modifier { modifier: "^".into() });
    }

    #[test]
    fn words() {
        let words = |text: &str| expand_words(text, &vars, '\\').unwrap();
        assert_eq!(words("  a  b\tc "), ["a", "b", "c"]);
        assert_eq!(words("$TWO \"$TWO\" x$TWO"), ["a", "b", "a b", "xa", "b"]);
        assert_eq!(words(r"a\ b 'c d'"), ["a b", "c d"]);
        assert_eq!(words("$EMPTY ''"), Vec::<String>::new());
        assert_eq!(words("RUN <<  EOF x"), ["RUN", "<<  EOF", "x"]);
    }

    #[test]
    fn what_grows_without_end_is_stopped() {
        let big = |_: &str| Some("x".repeat(600_000));
        assert!(matches!(
            expand("$A$A", &big, '\\').unwrap_err().problem,
            ExpandProblem::Limit { what: "bytes", .. }
        ));
        assert!(matches!(
            expand(&"${A:-".repeat(100_000), &vars, '\\').unwrap_err().problem,
            ExpandProblem::Limit { .. }
        ));
    }

    proptest! {
        #[test]
        fn never_panics(text in any::<String>()) {
            let _ = expand(&text, &vars, '\\');
            let _ = expand_words(&text, &vars, '`');
        }

        #[test]
        fn never_panics_on_what_looks_like_it(text in "[${}:#%/?*+a-cP\\\\'\" -]{0,40}") {
            let _ = expand(&text, &vars, '\\');
            let _ = expand_heredoc(&text, &vars);
        }

        #[test]
        fn single_quoted_text_is_itself(text in "[^']*") {
            prop_assert_eq!(expand(&format!("'{text}'"), &vars, '\\').unwrap(), text);
        }
    }
}
