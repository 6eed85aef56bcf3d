//! Bytes to a Dockerfile.

use crate::directive::{self, Directive, Directives, Reader};
use crate::error::{ParseError, Problem};
use crate::heredoc::Heredoc;
use crate::instruction::{Folded, Instruction, Piece};
use crate::line::{Encoding, Line, encoding, lines, trim_start};

/// How large a Dockerfile may be, in bytes.
pub const MAX_BYTES: usize = 8 * 1024 * 1024;

/// How long a line may be, in bytes without its line feed: what BuildKit's scanner takes.
pub const MAX_LINE_BYTES: usize = 65_535;

/// What a line is part of. Comments and blank lines inside a continuation are comments and blank lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LineKind {
    /// Nothing but blanks.
    Blank,
    /// A comment.
    Comment,
    /// A parser directive.
    Directive,
    /// A line of the instruction with this index.
    Instruction(usize),
    /// A line of a heredoc's content, of the instruction with this index.
    Heredoc(usize),
    /// The line that ends a heredoc, of the instruction with this index.
    HeredocEnd(usize),
}

/// A Dockerfile, read without loss.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dockerfile {
    /// The lines, which tile the file.
    pub lines: Vec<Line>,
    /// What each line is.
    pub kinds: Vec<LineKind>,
    /// The parser directives.
    pub directives: Directives,
    /// The instructions, in order.
    pub instructions: Vec<Instruction>,
    pub(crate) source: Box<[u8]>,
}

impl Dockerfile {
    /// Reads a Dockerfile, and refuses what BuildKit's parser refuses. Unknown instructions pass, as they
    /// do there; [`Instruction::command`] and [`Dockerfile::stages`] refuse them.
    pub fn parse(text: impl AsRef<[u8]>) -> Result<Self, ParseError> {
        let bytes = text.as_ref();
        if bytes.len() > MAX_BYTES {
            return Err(ParseError::new(1, Problem::TooLarge { size: bytes.len(), limit: MAX_BYTES }));
        }
        if matches!(encoding(bytes), Encoding::Utf16Le | Encoding::Utf16Be) {
            return Err(ParseError::new(1, Problem::Utf16));
        }
        let mut parser = Parser::new(bytes)?;
        while parser.at < parser.lines.len() {
            parser.line()?;
        }
        if parser.instructions.is_empty() {
            let last = parser.lines.last().map_or(1, |l| l.number);
            return Err(ParseError::new(last, Problem::NoInstructions));
        }
        parser.directives.syntax = directive::detect(bytes, &parser.lines, "syntax");
        parser.directives.check = directive::detect(bytes, &parser.lines, "check");
        Ok(Self {
            lines: parser.lines,
            kinds: parser.kinds,
            directives: parser.directives,
            instructions: parser.instructions,
            source: bytes.into(),
        })
    }

    /// The bytes it was read from.
    pub fn source(&self) -> &[u8] {
        &self.source
    }
}

struct Parser<'a> {
    bytes: &'a [u8],
    lines: Vec<Line>,
    kinds: Vec<LineKind>,
    at: usize,
    reader: Reader,
    directives: Directives,
    instructions: Vec<Instruction>,
}

impl<'a> Parser<'a> {
    fn new(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let lines = lines(bytes);
        for line in &lines {
            let length = line.span.len() - usize::from(bytes[..line.span.end].ends_with(b"\n"));
            if length > MAX_LINE_BYTES {
                let limit = MAX_LINE_BYTES;
                return Err(ParseError::new(line.number, Problem::LineTooLong { length, limit }));
            }
        }
        let kinds = Vec::with_capacity(lines.len());
        Ok(Self {
            bytes,
            lines,
            kinds,
            at: 0,
            reader: Reader::default(),
            directives: Directives::default(),
            instructions: Vec::new(),
        })
    }

    fn line(&mut self) -> Result<(), ParseError> {
        let line = &self.lines[self.at];
        let text = trim_start(text(self.bytes, line));
        if let Some((name, value)) = self.reader.read(line.number, text)? {
            if name == "escape" {
                self.directives.escape = match value.as_str() {
                    "\\" => '\\',
                    "`" => '`',
                    _ => return Err(ParseError::new(line.number, Problem::EscapeDirective { value })),
                };
                let (line, span) = (line.number, line.span.clone());
                self.directives.escape_directive = Some(Directive { value, line, span });
            }
            self.take(LineKind::Directive);
        } else if text.is_empty() {
            self.take(LineKind::Blank);
        } else if text.starts_with(b"#") {
            self.take(LineKind::Comment);
        } else {
            self.instruction()?;
        }
        Ok(())
    }

    fn take(&mut self, kind: LineKind) {
        self.kinds.push(kind);
        self.at += 1;
    }

    fn instruction(&mut self) -> Result<(), ParseError> {
        let index = self.instructions.len();
        let first = self.lines[self.at].clone();
        let mut folded = Vec::new();
        let mut pieces = Vec::new();
        let mut blank = None;
        let mut start = None;
        while let Some(line) = self.lines.get(self.at) {
            let raw = text(self.bytes, line);
            let trimmed = trim_start(raw);
            if start.is_some() && trimmed.starts_with(b"#") {
                self.take(LineKind::Comment);
                continue;
            }
            if start.is_some() && trimmed.is_empty() {
                blank = blank.or(Some(line.number));
                self.take(LineKind::Blank);
                continue;
            }
            // Blanks at the beginning go on the first line only.
            let kept = if start.is_none() { trimmed } else { raw };
            let source = line.text.start + raw.len() - kept.len();
            let body = continued(kept, self.directives.escape);
            let stretch = body.unwrap_or(kept);
            pieces.push(Piece { folded: folded.len(), source, length: stretch.len() });
            folded.extend_from_slice(stretch);
            start = start.or(Some(source));
            self.take(LineKind::Instruction(index));
            if body.is_none() {
                break;
            }
        }
        let text =
            std::str::from_utf8(&folded).map_err(|_| ParseError::new(first.number, Problem::NotUtf8))?;
        let mut instruction = Instruction::new(
            &Folded {
                text,
                pieces: &pieces,
                line: first.number,
                end_line: self.last().number,
                span: start.unwrap_or(first.text.start)..self.last().text.end,
                blank,
            },
            self.directives.escape,
        )?;
        if instruction.takes_heredocs() {
            let announced = Heredoc::announced(text).map_err(|p| ParseError::new(first.number, p))?;
            let heredocs = announced
                .into_iter()
                .map(|heredoc| self.heredoc(heredoc, index, first.number))
                .collect::<Result<Vec<_>, _>>()?;
            instruction.set_heredocs(heredocs);
            instruction.end_line = self.last().number;
            instruction.span.end = instruction.span.end.max(self.last().text.end);
        }
        self.instructions.push(instruction);
        Ok(())
    }

    /// The line that was taken last.
    fn last(&self) -> &Line {
        &self.lines[self.at.saturating_sub(1)]
    }

    fn heredoc(&mut self, mut heredoc: Heredoc, index: usize, first: u32) -> Result<Heredoc, ParseError> {
        let start = self.lines.get(self.at).map_or(self.bytes.len(), |l| l.span.start);
        while let Some(line) = self.lines.get(self.at) {
            let raw = text(self.bytes, line);
            let tabs = if heredoc.chomp { raw.iter().take_while(|b| **b == b'\t').count() } else { 0 };
            if &raw[tabs..] == heredoc.name.as_bytes() {
                let content = std::str::from_utf8(&self.bytes[start..line.span.start])
                    .map_err(|_| ParseError::new(first, Problem::NotUtf8))?;
                heredoc.content = content.to_owned();
                self.take(LineKind::HeredocEnd(index));
                return Ok(heredoc);
            }
            self.take(LineKind::Heredoc(index));
        }
        Err(ParseError::new(first, Problem::UnterminatedHeredoc { name: heredoc.name }))
    }
}

/// A line's text without any carriage return at its end, as BuildKit trims it.
pub(crate) fn text<'a>(bytes: &'a [u8], line: &Line) -> &'a [u8] {
    let mut text = &bytes[line.text.clone()];
    while let [rest @ .., b'\r'] = text {
        text = rest;
    }
    text
}

/// The line without its continuation, where it has one: an escape character that only spaces and tabs
/// follow, and no other escape character precedes.
pub(crate) fn continued(line: &[u8], escape: char) -> Option<&[u8]> {
    let escape = u8::try_from(escape).ok()?;
    let mut rest = line;
    while let [head @ .., b' ' | b'\t'] = rest {
        rest = head;
    }
    match rest {
        [.., before, last] if *last == escape && *before == escape => None,
        [head @ .., last] if *last == escape => Some(head),
        _ => None,
    }
}
