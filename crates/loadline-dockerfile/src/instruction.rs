//! One instruction: its keyword, flags, arguments and heredocs, and where they stand.

use std::ops::Range;

use crate::error::{ParseError, Problem};
use crate::flag::{self, Flag};
use crate::heredoc::Heredoc;
use crate::keyword::Keyword;
use crate::value;

/// What follows an instruction's flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arguments {
    /// The text on one line: continuations folded, comments and blank lines between them gone.
    pub text: String,
    /// The values as BuildKit's parser splits them; nothing is expanded and quotes are kept. For ENV and
    /// LABEL each pair is three values: name, value, and `=` (or nothing for the old `ENV name value`).
    pub values: Vec<String>,
    /// Whether the values come out of a JSON array, the exec form.
    pub json: bool,
    pieces: Vec<Piece>,
    offset: usize,
}

/// A stretch of the folded text and where it is in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) folded: usize,
    pub(crate) source: usize,
    pub(crate) length: usize,
}

impl Arguments {
    /// The bytes in the file that a range of [`Arguments::text`] stands for. A range over a continuation
    /// spans the continuation too.
    pub fn source(&self, range: Range<usize>) -> Range<usize> {
        let start = self.locate(range.start, false);
        let end = self.locate(range.end, true);
        start..end.max(start)
    }

    fn locate(&self, at: usize, end: bool) -> usize {
        let at = at + self.offset;
        // An end belongs to the piece it closes, a start to the piece it opens.
        let holds = |p: &&Piece| if end { p.folded < at } else { p.folded <= at };
        let piece = self.pieces.iter().rev().find(holds).or(self.pieces.first());
        piece.map_or(0, |p| p.source + at.saturating_sub(p.folded).min(p.length))
    }
}

/// One instruction of a Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instruction {
    /// The instruction's name.
    pub keyword: Keyword,
    /// The name as written.
    pub keyword_text: String,
    /// The bytes from the name to the end of the last line, without that line's ending.
    pub span: Range<usize>,
    /// The line it begins on, counted from 1.
    pub line: u32,
    /// The last line of it, heredocs included.
    pub end_line: u32,
    /// The flags, in order.
    pub flags: Vec<Flag>,
    /// What follows the flags.
    pub arguments: Arguments,
    /// The heredocs, in the order they are announced in. For `ONBUILD` they are here and at the inner one.
    pub heredocs: Vec<Heredoc>,
    /// The instruction behind `ONBUILD`.
    pub onbuild: Option<Box<Self>>,
    /// The first blank line inside a continuation, which BuildKit warns of and will refuse one day.
    pub blank_continuation: Option<u32>,
}

/// A folded line and where it comes from.
pub(crate) struct Folded<'a> {
    pub(crate) text: &'a str,
    pub(crate) pieces: &'a [Piece],
    pub(crate) line: u32,
    pub(crate) end_line: u32,
    pub(crate) span: Range<usize>,
    pub(crate) blank: Option<u32>,
}

impl Instruction {
    /// Reads a folded line; heredocs are the caller's to add.
    pub(crate) fn new(folded: &Folded<'_>, escape: char) -> Result<Self, ParseError> {
        Self::at(folded, folded.text, escape, true)
    }

    fn at(folded: &Folded<'_>, text: &str, escape: char, outer: bool) -> Result<Self, ParseError> {
        let error = |problem| ParseError::new(folded.line, problem);
        let split = flag::split(text);
        let keyword = Keyword::new(split.keyword);
        let (values, json) = value::values(&keyword, split.rest, escape).map_err(error)?;
        let onbuild = match (&keyword, split.rest) {
            (Keyword::Onbuild, _) if !outer => return Err(error(Problem::ChainedOnbuild)),
            (Keyword::Onbuild, rest) if !rest.is_empty() => {
                Some(Box::new(Self::at(folded, rest, escape, false)?))
            }
            _ => None,
        };
        // `rest` is a slice of the folded text, so the distance of their beginnings is its offset.
        let offset = (split.rest.as_ptr() as usize).saturating_sub(folded.text.as_ptr() as usize);
        let arguments = Arguments {
            text: split.rest.to_owned(),
            values,
            json,
            pieces: folded.pieces.to_vec(),
            offset: if split.rest.is_empty() { folded.text.len() } else { offset },
        };
        Ok(Self {
            keyword,
            keyword_text: split.keyword.to_owned(),
            span: folded.span.clone(),
            line: folded.line,
            end_line: folded.end_line,
            flags: split.flags,
            arguments,
            heredocs: Vec::new(),
            onbuild,
            blank_continuation: folded.blank,
        })
    }

    /// The value of a flag that is there.
    pub fn flag(&self, name: &str) -> Option<&Flag> {
        self.flags.iter().find(|flag| flag.name == name)
    }

    /// The instruction that heredocs belong to: this one, or the one behind `ONBUILD`.
    pub(crate) fn takes_heredocs(&self) -> bool {
        let inner = self.onbuild.as_deref().unwrap_or(self);
        inner.keyword.takes_heredocs() && !inner.arguments.json
    }

    pub(crate) fn set_heredocs(&mut self, heredocs: Vec<Heredoc>) {
        if let Some(inner) = &mut self.onbuild {
            inner.heredocs.clone_from(&heredocs);
        }
        self.heredocs = heredocs;
    }

    pub(crate) fn error(&self, problem: Problem) -> ParseError {
        ParseError::new(self.line, problem)
    }
}
