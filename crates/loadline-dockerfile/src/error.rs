//! Why a Dockerfile is refused.

use thiserror::Error;

/// Why a Dockerfile is refused, and on which line.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("line {line}: {problem}")]
pub struct ParseError {
    /// The line the instruction (or the directive) begins on, counted from 1.
    pub line: u32,
    /// What is wrong there.
    pub problem: Problem,
}

impl ParseError {
    pub(crate) fn new(line: u32, problem: Problem) -> Self {
        Self { line, problem }
    }
}

/// What is wrong with a line of a Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Problem {
    /// The file is larger than [`crate::MAX_BYTES`].
    #[error("the file has {size} bytes, more than the {limit} that are read")]
    TooLarge {
        /// The file's size in bytes.
        size: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// A line is longer than BuildKit's scanner takes.
    #[error(
        "the line has {length} bytes, more than the {limit} that BuildKit reads: break it with a continuation"
    )]
    LineTooLong {
        /// The line's length in bytes, without its ending.
        length: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// The file begins with a UTF-16 byte order mark.
    #[error("the file is UTF-16, which BuildKit does not read: save it as UTF-8")]
    Utf16,
    /// Bytes outside a comment that are not UTF-8.
    #[error("the line is not UTF-8: save the file as UTF-8")]
    NotUtf8,
    /// Nothing but blanks and comments.
    #[error("the file has no instructions: begin with `FROM`")]
    NoInstructions,
    /// A parser directive twice.
    #[error("only one `{name}` directive can be used: remove one")]
    RepeatedDirective {
        /// `escape`, `syntax` or `check`.
        name: String,
    },
    /// An escape directive with something else than a backslash or a backtick.
    #[error("`{value}` cannot be the escape character: use \\ or `")]
    EscapeDirective {
        /// The value as written.
        value: String,
    },
    /// A heredoc whose end is not there.
    #[error("the heredoc `{name}` has no end: add a line `{name}`")]
    UnterminatedHeredoc {
        /// The word that should end it.
        name: String,
    },
    /// A heredoc word with a quote that is not closed.
    #[error("the heredoc word `{word}` cannot be read: {reason}")]
    MalformedHeredoc {
        /// The word as written.
        word: String,
        /// What the shell lexer says of it.
        reason: String,
    },
    /// A JSON array with something else than strings in it.
    #[error("the JSON form of {keyword} takes strings only: quote every element")]
    NotStrings {
        /// The instruction.
        keyword: String,
    },
    /// `ENV name` or `LABEL name` without a value.
    #[error("{keyword} must have two arguments: write `{keyword} name=value`")]
    MissingValue {
        /// The instruction.
        keyword: String,
    },
    /// A word without `=` among `name=value` pairs.
    #[error("there is no `=` in `{word}`: write `name=value`, and quote a value with blanks in it")]
    MissingEquals {
        /// The word as written.
        word: String,
    },
    /// `ONBUILD ONBUILD`.
    #[error("`ONBUILD ONBUILD` is not allowed: write one ONBUILD")]
    ChainedOnbuild,
    /// `ONBUILD FROM` or `ONBUILD MAINTAINER`.
    #[error("{keyword} is not allowed after ONBUILD")]
    OnbuildTrigger {
        /// The instruction after `ONBUILD`.
        keyword: String,
    },
    /// A word that is no instruction.
    #[error("unknown instruction `{keyword}`{}", nearest.map(|n| format!(": did you mean {n}?")).unwrap_or_default())]
    UnknownInstruction {
        /// The word as written.
        keyword: String,
        /// The instruction that differs in one letter, if there is one.
        nearest: Option<&'static str>,
    },
    /// Too few or too many arguments.
    #[error("{keyword} requires {expected}")]
    ArgumentCount {
        /// The instruction.
        keyword: &'static str,
        /// What it requires.
        expected: &'static str,
    },
    /// An empty name before `=`.
    #[error("a name of {keyword} is empty: write `name=value`")]
    BlankName {
        /// The instruction.
        keyword: &'static str,
    },
    /// An empty path.
    #[error("VOLUME names an empty path: remove it")]
    BlankVolume,
    /// A stage name that BuildKit does not take.
    #[error(
        "`{name}` cannot name a stage: begin with a letter, go on with letters, digits, `-`, `_` and `.`"
    )]
    StageName {
        /// The name as written.
        name: String,
    },
    /// A flag that the instruction does not have.
    #[error("{keyword} has no flag `--{flag}`")]
    UnknownFlag {
        /// The instruction.
        keyword: &'static str,
        /// The flag's name.
        flag: String,
    },
    /// A flag twice that can be given once.
    #[error("`--{flag}` is given twice")]
    RepeatedFlag {
        /// The flag's name.
        flag: String,
    },
    /// A flag without the value it needs, or with one it cannot take.
    #[error("`--{flag}` needs {expected}")]
    FlagValue {
        /// The flag's name.
        flag: String,
        /// What it needs.
        expected: &'static str,
    },
    /// A heredoc where a path is needed.
    #[error("a heredoc cannot be the destination of {keyword}")]
    HeredocDestination {
        /// The instruction.
        keyword: &'static str,
    },
    /// `SHELL` without a JSON array.
    #[error("SHELL requires the JSON form: write `SHELL [\"/bin/sh\", \"-c\"]`")]
    ShellNotJson,
    /// A HEALTHCHECK that is neither CMD nor NONE.
    #[error("HEALTHCHECK knows CMD and NONE, not `{word}`")]
    HealthcheckType {
        /// The word as written.
        word: String,
    },
    /// Something else than ARG before the first FROM.
    #[error("{keyword} stands before the first FROM: only ARG may")]
    BeforeFrom {
        /// The instruction.
        keyword: String,
    },
    /// No FROM at all.
    #[error("the file has no FROM, so it builds nothing")]
    NoStages,
}
