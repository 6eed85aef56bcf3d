//! YAML as a tree that knows its lines.
//!
//! The parser is the one beneath `serde-saphyr`, which the workspace has anyhow: it gives events with spans.
//! Workflows have too many shapes (`on`, `runs-on`, `permissions` are each a text, a list or a table) to be
//! read into types first, and a finding needs the line of any value.

use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use granit_parser::{Event, Parser, ScalarStyle, ScanError, Span};
use thiserror::Error;

/// The largest text that is read, in bytes.
const MAX_BYTES: usize = 1 << 20;
/// How deep tables and lists may lie in one another.
const MAX_DEPTH: usize = 100;

/// Why a text is not read.
#[derive(Debug, Error)]
pub enum YamlError {
    /// It is no YAML.
    #[error("line {line}: {reason}")]
    Syntax {
        /// The line, counted from 1.
        line: u32,
        /// What the parser says.
        reason: String,
    },
    /// It is too large.
    #[error("it is larger than the {MAX_BYTES} bytes that are read")]
    TooLarge,
    /// It is too deep.
    #[error("line {line}: more than {MAX_DEPTH} tables and lists lie in one another")]
    TooDeep {
        /// The line, counted from 1.
        line: u32,
    },
}

/// A value and where it stands.
#[derive(Debug, Clone)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// The line where it begins, counted from 1.
    pub line: u32,
    /// Its bytes in the text.
    pub span: Range<usize>,
}

/// A value. What an alias stands for is shared, not copied.
#[derive(Debug, Clone)]
pub enum Value {
    /// A text, a number, true, null: as written.
    Scalar {
        /// The text, escapes resolved.
        text: String,
        /// Whether it is written without quotes, so that `true` and `null` are not texts.
        plain: bool,
    },
    /// A list.
    List(Vec<Rc<Node>>),
    /// A table in the order of the file.
    Table(Vec<(Rc<Node>, Rc<Node>)>),
}

impl Node {
    /// The scalar's text.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Whether nothing is written: empty, `~` or `null`.
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null"))
    }

    /// The table's entries; none where it is no table.
    pub fn entries(&self) -> &[(Rc<Node>, Rc<Node>)] {
        match &self.value {
            Value::Table(entries) => entries,
            _ => &[],
        }
    }

    /// The list's items; none where it is no list.
    pub fn items(&self) -> &[Rc<Node>] {
        match &self.value {
            Value::List(items) => items,
            _ => &[],
        }
    }

    /// The value of a table's key.
    pub fn get(&self, key: &str) -> Option<&Rc<Node>> {
        self.entries().iter().find(|(name, _)| name.text() == Some(key)).map(|(_, value)| value)
    }
}

/// Reads the first document of a text; an empty text is an empty scalar.
///
/// # Errors
/// The text is no YAML, too large or too deep.
pub fn parse(text: &str) -> Result<Rc<Node>, YamlError> {
    if text.len() > MAX_BYTES {
        return Err(YamlError::TooLarge);
    }
    let mut builder = Builder::default();
    let mut parser = Parser::new_from_str(text);
    while let Some(event) = parser.next_event() {
        let (event, span) = event.map_err(|error| syntax(&error))?;
        if matches!(event, Event::DocumentEnd) {
            break;
        }
        builder.take(event, &span)?;
    }
    let empty = || Node { value: Value::Scalar { text: String::new(), plain: true }, line: 1, span: 0..0 };
    Ok(builder.root.unwrap_or_else(|| Rc::new(empty())))
}

fn syntax(error: &ScanError) -> YamlError {
    YamlError::Syntax { line: line_number(error.marker().line()), reason: error.info().to_owned() }
}

fn line_number(line: usize) -> u32 {
    u32::try_from(line).unwrap_or(u32::MAX).max(1)
}

/// A list or table that is not finished.
struct Open {
    anchor: usize,
    line: u32,
    start: usize,
    kind: Kind,
}

enum Kind {
    List(Vec<Rc<Node>>),
    Table(Vec<(Rc<Node>, Rc<Node>)>, Option<Rc<Node>>),
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<Node>>,
    root: Option<Rc<Node>>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: &Span) -> Result<(), YamlError> {
        let line = line_number(span.start.line());
        let bytes = span.byte_range().unwrap_or(0..0);
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let value = Value::Scalar { text: text.into_owned(), plain: style == ScalarStyle::Plain };
                self.put(Node { value, line, span: bytes }, anchor);
            }
            Event::Alias(anchor) => {
                // A list that contains itself is not finished yet: it becomes nothing.
                let null =
                    || Node { value: Value::Scalar { text: String::new(), plain: true }, line, span: bytes };
                let node = self.anchors.get(&anchor).cloned().unwrap_or_else(|| Rc::new(null()));
                self.place(node);
            }
            Event::SequenceStart(_, anchor, _) => {
                self.begin(Kind::List(Vec::new()), anchor, line, bytes.start)?
            }
            Event::MappingStart(_, anchor, _) => {
                self.begin(Kind::Table(Vec::new(), None), anchor, line, bytes.start)?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(Open { anchor, line, start, kind }) = self.open.pop() {
                    let value = match kind {
                        Kind::List(items) => Value::List(items),
                        Kind::Table(entries, _) => Value::Table(entries),
                    };
                    self.put(Node { value, line, span: start..bytes.end.max(start) }, anchor);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, kind: Kind, anchor: usize, line: u32, start: usize) -> Result<(), YamlError> {
        if self.open.len() >= MAX_DEPTH {
            return Err(YamlError::TooDeep { line });
        }
        self.open.push(Open { anchor, line, start, kind });
        Ok(())
    }

    fn put(&mut self, node: Node, anchor: usize) {
        let node = Rc::new(node);
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        self.place(node);
    }

    fn place(&mut self, node: Rc<Node>) {
        match self.open.last_mut().map(|open| &mut open.kind) {
            Some(Kind::List(items)) => items.push(node),
            Some(Kind::Table(entries, key)) => match key.take() {
                Some(name) => entries.push((name, node)),
                None => *key = Some(node),
            },
            None => self.root = Some(node),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_know_their_lines() {
        let text = "on: [push]\njobs:\n  a: &x\n    runs-on: 'ubuntu'\n  b: *x\n";
        let root = parse(text).unwrap();
        assert_eq!(root.get("on").unwrap().items()[0].text(), Some("push"));
        let runs_on = root.get("jobs").unwrap().get("b").unwrap().get("runs-on").unwrap();
        assert_eq!((runs_on.text(), runs_on.line), (Some("ubuntu"), 4));
        assert_eq!(&text[runs_on.span.clone()], "'ubuntu'");
        assert!(parse("").unwrap().is_null());
    }

    #[test]
    fn what_is_no_yaml_is_said_with_its_line() {
        assert!(matches!(parse("a: b\nc: [d\n"), Err(YamlError::Syntax { line: 2..=3, .. })));
        assert!(parse(&"[".repeat(5000)).is_err());
        assert!(matches!(parse(&"a".repeat(MAX_BYTES + 1)), Err(YamlError::TooLarge)));
    }

    #[test]
    fn aliases_of_aliases_cost_nothing() {
        let mut text = String::from("a0: &a0 x\n");
        for i in 1..60 {
            text.push_str(&format!("a{i}: &a{i} [*a{0}, *a{0}, *a{0}]\n", i - 1));
        }
        assert_eq!(parse(&text).unwrap().entries().len(), 60);
    }

    proptest! {
        #[test]
        fn nothing_panics(text in "[a-c:\\-\\[\\]{}&*#'\" \n|>!?,%]{0,60}") {
            let _ = parse(&text);
        }
    }
}
