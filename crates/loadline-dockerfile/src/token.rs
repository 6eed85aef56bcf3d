//! Tokens: the file in pieces, none of them missing.

use std::ops::Range;

use crate::flag::is_blank;
use crate::line::trim_start;
use crate::parse::{Dockerfile, LineKind, continued, text};

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TokenKind {
    /// The UTF-8 byte order mark.
    ByteOrderMark,
    /// Blanks at a line's beginning or around a keyword; a blank line's content.
    Blank,
    /// A comment, from `#` to the end of the line.
    Comment,
    /// A parser directive, from `#` to the end of the line.
    Directive,
    /// An instruction's name (its first part, where a continuation breaks it).
    Keyword,
    /// Flags and arguments.
    Text,
    /// The escape character at a line's end and the blanks behind it.
    Continuation,
    /// A line of a heredoc's content.
    Heredoc,
    /// The word that ends a heredoc, with the tabs before it.
    HeredocEnd,
    /// A line's ending.
    Newline,
}

/// A piece of a Dockerfile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// What it is.
    pub kind: TokenKind,
    /// Its bytes; never empty.
    pub span: Range<usize>,
}

impl Dockerfile {
    /// The tokens in order. They tile the file: each begins where the one before it ends.
    pub fn tokens(&self) -> Vec<Token> {
        let mut out = Tokens { out: Vec::new(), at: 0 };
        for (line, kind) in self.lines.iter().zip(&self.kinds) {
            out.to(line.text.start, TokenKind::ByteOrderMark);
            let raw = text(&self.source, line);
            let end = line.text.start + raw.len();
            let indented = line.text.start + raw.len() - trim_start(raw).len();
            match *kind {
                LineKind::Blank => out.to(end, TokenKind::Blank),
                LineKind::Comment | LineKind::Directive => {
                    out.to(indented, TokenKind::Blank);
                    let directive = *kind == LineKind::Directive;
                    out.to(end, if directive { TokenKind::Directive } else { TokenKind::Comment });
                }
                LineKind::Heredoc(_) => out.to(end, TokenKind::Heredoc),
                LineKind::HeredocEnd(_) => out.to(end, TokenKind::HeredocEnd),
                LineKind::Instruction(index) => {
                    let body =
                        continued(raw, self.directives.escape).map_or(end, |b| line.text.start + b.len());
                    if self.instructions.get(index).is_some_and(|i| i.line == line.number) {
                        out.to(indented.min(body), TokenKind::Blank);
                        let rest = &self.source[out.at..body];
                        let word = rest.iter().position(|b| is_blank(*b)).unwrap_or(rest.len());
                        let blanks = rest[word..].iter().take_while(|b| is_blank(**b)).count();
                        out.to(out.at + word, TokenKind::Keyword);
                        out.to(out.at + blanks, TokenKind::Blank);
                    }
                    out.to(body, TokenKind::Text);
                    out.to(end, TokenKind::Continuation);
                }
            }
            out.to(line.span.end, TokenKind::Newline);
        }
        out.out
    }
}

struct Tokens {
    out: Vec<Token>,
    at: usize,
}

impl Tokens {
    fn to(&mut self, end: usize, kind: TokenKind) {
        if end > self.at {
            self.out.push(Token { kind, span: self.at..end });
            self.at = end;
        }
    }
}
