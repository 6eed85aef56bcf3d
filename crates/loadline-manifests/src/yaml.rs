//! YAML as a tree whose nodes know their bytes (YAML 1.2.2). Keys are kept as they are written: `on` is `on`.

use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use granit_parser::{Event, Parser, ScalarStyle, StructureStyle};

use crate::error::ManifestError;

/// More documents than this in a file are refused.
const DOCUMENTS: usize = 10_000;
/// More mappings than this are not merged into one.
const MERGES: usize = 1_000;

/// One node. An alias is the node that it stands for.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) span: Range<usize>,
    pub(crate) content: Content,
}

#[derive(Debug)]
pub(crate) enum Content {
    Scalar {
        text: String,
        style: ScalarStyle,
    },
    Sequence(Vec<Rc<Node>>),
    /// `flow` is whether it stands in braces.
    Mapping {
        pairs: Vec<(Rc<Node>, Rc<Node>)>,
        flow: bool,
    },
    Nothing,
}

impl Node {
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    pub(crate) fn items(&self) -> &[Rc<Self>] {
        match &self.content {
            Content::Sequence(items) => items,
            _ => &[],
        }
    }

    /// The pairs of a mapping, what is merged into it (`<<`) behind its own.
    pub(crate) fn pairs(&self) -> Vec<(&str, &Self)> {
        let mut all = Vec::new();
        self.add_pairs(&mut all, &mut { MERGES });
        all
    }

    fn add_pairs<'a>(&'a self, all: &mut Vec<(&'a str, &'a Self)>, merges: &mut usize) {
        let Content::Mapping { pairs, .. } = &self.content else { return };
        let begun = all.len();
        all.extend(
            pairs
                .iter()
                .filter_map(|(key, value)| Some((key.text()?, &**value)))
                .filter(|(key, _)| *key != "<<"),
        );
        let own = begun..all.len();
        for (key, value) in pairs {
            if key.text() != Some("<<") {
                continue;
            }
            let mut merged = Vec::new();
            for source in if value.items().is_empty() { std::slice::from_ref(value) } else { value.items() } {
                // Aliases of aliases of aliases: a few lines of them can mean a billion mappings.
                let Some(left) = merges.checked_sub(1) else { break };
                *merges = left;
                source.add_pairs(&mut merged, merges);
            }
            // A key of its own goes before a merged one.
            let is_own = |key: &str| all[own.clone()].iter().any(|(known, _)| *known == key);
            let merged: Vec<_> = merged.into_iter().filter(|(key, _)| !is_own(key)).collect();
            all.extend(merged);
        }
    }

    /// The values of a key: one, mostly, but a key that stands twice has two, and readers choose differently.
    pub(crate) fn get<'a>(&'a self, key: &'a str) -> impl Iterator<Item = &'a Self> {
        self.pairs().into_iter().filter(move |(known, _)| *known == key).map(|(_, value)| value)
    }

    /// The bytes of a scalar without its quotes, where they are the scalar's text letter for letter: only
    /// there can something be put behind it.
    pub(crate) fn plain_range(&self, source: &str) -> Option<Range<usize>> {
        let Content::Scalar { text, style } = &self.content else { return None };
        let inner = match style {
            ScalarStyle::Plain => self.span.clone(),
            ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
                self.span.start.checked_add(1)?..self.span.end.checked_sub(1)?
            }
            _ => return None,
        };
        // Where a plain scalar's span goes on to the next token, the text says where it ends.
        let end = inner.start.checked_add(text.len())?;
        let exact =
            source.get(inner.start..end)? == text && (end == inner.end || *style == ScalarStyle::Plain);
        (exact && !text.is_empty()).then_some(inner.start..end)
    }
}

/// The documents of a file.
pub(crate) fn documents(text: &str) -> Result<Vec<Rc<Node>>, ManifestError> {
    let mut options = granit_parser::options! { flow_nesting_limit: 64, block_nesting_limit: 128 };
    options.set_emit_comments(false);
    let mut builder = Builder::default();
    for event in Parser::new_from_str_with_options(text, options) {
        let (event, span) = event.map_err(|error| ManifestError::Yaml {
            line: error.marker().line(),
            column: error.marker().col() + 1,
            reason: error.info(),
        })?;
        let span = span.byte_range().unwrap_or(0..0);
        builder.take(event, span);
        if builder.documents.len() > DOCUMENTS {
            return Err(ManifestError::Yaml {
                line: 1,
                column: 1,
                reason: format!("it has more than {DOCUMENTS} documents"),
            });
        }
    }
    Ok(builder.documents)
}

/// A collection that is not closed yet.
struct Open {
    span: Range<usize>,
    anchor: usize,
    items: Vec<Rc<Node>>,
    /// Whether it is a mapping, and then whether in braces.
    mapping: Option<bool>,
}

#[derive(Default)]
struct Builder {
    documents: Vec<Rc<Node>>,
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<Node>>,
}

impl Builder {
    fn take(&mut self, event: Event<'_>, span: Range<usize>) {
        match event {
            Event::DocumentStart(..) => {
                self.open.clear();
                self.anchors.clear();
            }
            Event::Scalar(text, style, anchor, _) => {
                let content = Content::Scalar { text: text.into_owned(), style };
                self.put(Node { span, content }, anchor);
            }
            Event::SequenceStart(_, anchor, _) => {
                self.open.push(Open { span, anchor, items: Vec::new(), mapping: None });
            }
            Event::MappingStart(style, anchor, _) => {
                let flow = Some(style == StructureStyle::Flow);
                self.open.push(Open { span, anchor, items: Vec::new(), mapping: flow });
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(open) = self.open.pop() else { return };
                let content = match open.mapping {
                    None => Content::Sequence(open.items),
                    Some(flow) => {
                        let mut items = open.items.into_iter();
                        let mut pairs = Vec::new();
                        while let (Some(key), Some(value)) = (items.next(), items.next()) {
                            pairs.push((key, value));
                        }
                        Content::Mapping { pairs, flow }
                    }
                };
                self.put(Node { span: open.span.start..span.end.max(open.span.start), content }, open.anchor);
            }
            Event::Alias(anchor) => {
                // An alias inside of its own anchor's node stands for nothing.
                let node = self.anchors.get(&anchor).cloned();
                self.add(node.unwrap_or_else(|| Rc::new(Node { span, content: Content::Nothing })));
            }
            _ => {}
        }
    }

    fn put(&mut self, node: Node, anchor: usize) {
        let node = Rc::new(node);
        if anchor != 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        self.add(node);
    }

    fn add(&mut self, node: Rc<Node>) {
        match self.open.last_mut() {
            Some(open) => open.items.push(node),
            None => self.documents.push(node),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_know_their_bytes() {
        let text = "a: plain # c\nb: 'single'\nc: \"double\"\nd: \"es\\x63aped\"\ne: |\n  block\nü: {f: flow, g: [x ]}\n";
        let documents = documents(text).unwrap();
        let range = |key: &str| {
            let node = documents[0].get(key).next().unwrap();
            node.plain_range(text).map(|range| &text[range])
        };
        assert_eq!(range("a"), Some("plain"));
        assert_eq!(range("b"), Some("single"));
        assert_eq!(range("c"), Some("double"));
        assert_eq!((range("d"), range("e")), (None, None));
        let flow = documents[0].get("ü").next().unwrap();
        assert_eq!(flow.get("f").next().unwrap().plain_range(text).map(|range| &text[range]), Some("flow"));
        let item = &flow.get("g").next().unwrap().items()[0];
        assert_eq!(item.plain_range(text).map(|range| &text[range]), Some("x"));
    }

    #[test]
    fn aliases_and_merges() {
        let text =
            "x: &x {image: a, tag: b}\ny: {<<: *x, tag: c}\nz: {<<: [*x, {image: q}]}\nself: &s [*s]\n";
        let documents = documents(text).unwrap();
        let texts = |node: &str, key: &str| -> Vec<String> {
            let node = documents[0].get(node).next().unwrap();
            node.get(key).filter_map(Node::text).map(str::to_owned).collect()
        };
        assert_eq!(texts("y", "image"), ["a"]);
        assert_eq!(texts("y", "tag"), ["c"]);
        assert_eq!(texts("z", "image"), ["a", "q"]);
    }

    #[test]
    fn what_is_no_yaml_says_where() {
        let error = documents("a: 1\nb: {{ .Values.x }}\n  c: [\n").unwrap_err();
        assert!(matches!(error, ManifestError::Yaml { line: 2.., .. }), "{error}");
        let deep = "[".repeat(100_000);
        assert!(documents(&deep).is_err());
    }
}
