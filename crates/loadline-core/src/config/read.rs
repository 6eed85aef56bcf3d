//! TOML values with their places: what is wrong with one is noted, and reading goes on.

use std::collections::BTreeMap;
use std::ops::Range;

use camino::Utf8Path;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::codes;
use super::suggest::{did_you_mean, nearest};
use crate::code::Code;
use crate::finding::{Finding, Location};

/// How many problems are kept; what comes after them is mostly their echo.
const MOST_FINDINGS: usize = 200;

/// Where each value of the configuration is in its file, by its path: `image.daemon.tags[0]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Places {
    spans: BTreeMap<String, Range<usize>>,
    /// How many entries each list was written with, whether they could be read or not.
    lengths: BTreeMap<String, usize>,
}

impl Places {
    /// The byte range of a value, or of the nearest table that holds it.
    pub(super) fn span(&self, path: &str) -> Option<Range<usize>> {
        let mut path = path;
        loop {
            if let Some(span) = self.spans.get(path) {
                return Some(span.clone());
            }
            path = &path[..path.rfind(['.', '['])?];
        }
    }
}

/// Reads values and notes what is wrong with them.
pub(super) struct Reader<'t> {
    file: &'t Utf8Path,
    text: &'t str,
    findings: Vec<Finding>,
    left_out: usize,
    pub(super) places: Places,
}

/// A value and where it stands.
pub(super) struct Node<'d> {
    pub(super) path: String,
    pub(super) span: Range<usize>,
    value: &'d DeValue<'d>,
}

impl Node<'_> {
    /// Whether it is written as a list.
    pub(super) fn is_list(&self) -> bool {
        matches!(self.value, DeValue::Array(_))
    }

    /// Whether it is written as a table.
    pub(super) fn is_table(&self) -> bool {
        matches!(self.value, DeValue::Table(_))
    }
}

/// A table that is read key by key; what was not asked for in the end is unknown.
pub(super) struct Fields<'d> {
    pub(super) path: String,
    span: Range<usize>,
    table: &'d DeTable<'d>,
    known: Vec<&'static str>,
    missing: Vec<(&'static str, String)>,
}

impl<'t> Reader<'t> {
    pub(super) fn new(file: &'t Utf8Path, text: &'t str) -> Self {
        Self { file, text, findings: Vec::new(), left_out: 0, places: Places::default() }
    }

    /// Notes a finding at a byte range.
    pub(super) fn note(&mut self, finding: Finding, span: Range<usize>) {
        if self.findings.len() < MOST_FINDINGS {
            self.findings.push(finding.at(Location::span(self.file, self.text, span)));
        } else {
            self.left_out += 1;
        }
    }

    /// Notes an error about the value at a path.
    pub(super) fn error(&mut self, code: &'static Code, path: &str, message: impl Into<String>, help: &str) {
        self.note_at(Finding::error(code, message), path, help);
    }

    /// Notes a finding about the value at a path.
    pub(super) fn note_at(&mut self, finding: Finding, path: &str, help: &str) {
        let finding = if help.is_empty() { finding } else { finding.help(help) };
        let span = self.places.span(path).unwrap_or(0..0);
        self.note(finding, span);
    }

    /// The byte range of a part of a string value, where the string is written without escapes;
    /// else that of the whole value.
    pub(super) fn span_inside(&self, path: &str, value: &str, part: Range<usize>) -> Range<usize> {
        let whole = self.places.span(path).unwrap_or(0..0);
        let plain = whole.start + 1..(whole.start + 1).saturating_add(value.len());
        if self.text.get(plain.clone()) == Some(value) {
            plain.start + part.start..plain.start + part.end
        } else {
            whole
        }
    }

    /// How many entries the list at a path was written with; `None` where there is no list.
    pub(super) fn list_length(&self, path: &str) -> Option<usize> {
        self.places.lengths.get(path).copied()
    }

    /// Whether there is a list at a path, and nothing in it.
    pub(super) fn is_empty_list(&self, path: &str) -> bool {
        self.list_length(path) == Some(0)
    }

    /// All that was noted, in the order of the file.
    pub(super) fn into_findings(mut self) -> (Vec<Finding>, Places) {
        let start = |f: &Finding| f.location.as_ref().and_then(|l| l.span.as_ref()).map_or(0, |s| s.start);
        self.findings.sort_by_key(start);
        if self.left_out > 0 {
            let message = format!("{} more problems are not shown", self.left_out);
            self.findings.push(Finding::error(&codes::TOO_MANY, message).at(Location::file(self.file)));
        }
        (self.findings, self.places)
    }

    /// The document's top table.
    pub(super) fn top<'d>(&mut self, table: &'d Spanned<DeTable<'d>>) -> Fields<'d> {
        Fields {
            path: String::new(),
            span: 0..0,
            table: table.get_ref(),
            known: Vec::new(),
            missing: Vec::new(),
        }
    }

    fn wrong_type(&mut self, node: &Node<'_>, wanted: &str) {
        let found = match node.value {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        let message = format!("`{}` is {found}, but must be {wanted}", node.path);
        let mut finding = Finding::error(&codes::WRONG_TYPE, message);
        let scalar = matches!(
            node.value,
            DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_) | DeValue::Datetime(_)
        );
        if scalar && wanted.contains("string") {
            let written = self.text.get(node.span.clone()).unwrap_or_default();
            finding = finding.help(format!("put it in quotes: \"{written}\""));
        } else if wanted.starts_with("a list") && matches!(node.value, DeValue::String(_)) {
            let written = self.text.get(node.span.clone()).unwrap_or_default();
            finding = finding.help(format!("put it in brackets: [{written}]"));
        }
        self.note(finding, node.span.clone());
    }

    /// A string.
    pub(super) fn string(&mut self, node: &Node<'_>) -> Option<String> {
        match node.value.as_str() {
            Some(text) => Some(text.to_owned()),
            None => {
                self.wrong_type(node, "a string");
                None
            }
        }
    }

    /// A string that is not empty.
    pub(super) fn filled(&mut self, node: &Node<'_>) -> Option<String> {
        let text = self.string(node)?;
        if text.trim().is_empty() {
            let message = format!("`{}` is empty", node.path);
            self.error(&codes::EMPTY, &node.path, message, "");
            return None;
        }
        Some(text)
    }

    /// A boolean.
    pub(super) fn boolean(&mut self, node: &Node<'_>) -> Option<bool> {
        let value = node.value.as_bool();
        if value.is_none() {
            self.wrong_type(node, "true or false");
        }
        value
    }

    /// A whole number that is not negative.
    pub(super) fn number(&mut self, node: &Node<'_>) -> Option<u64> {
        let number = node.value.as_integer().and_then(|n| u64::from_str_radix(n.as_str(), n.radix()).ok());
        if number.is_none() {
            self.wrong_type(node, "a whole number from 0 up");
        }
        number
    }

    /// A list; `wanted` says in words what of.
    pub(super) fn list<'d>(&mut self, node: &Node<'d>, wanted: &str) -> Option<Vec<Node<'d>>> {
        let Some(array) = node.value.as_array() else {
            self.wrong_type(node, wanted);
            return None;
        };
        self.places.lengths.insert(node.path.clone(), array.len());
        let mut nodes = Vec::with_capacity(array.len());
        for (index, value) in array.iter().enumerate() {
            nodes.push(self.place(format!("{}[{index}]", node.path), value));
        }
        Some(nodes)
    }

    /// A table; `wanted` says in words what of.
    pub(super) fn table<'d>(&mut self, node: &Node<'d>, wanted: &str) -> Option<Fields<'d>> {
        match node.value {
            DeValue::Table(table) => Some(Fields {
                path: node.path.clone(),
                span: node.span.clone(),
                table,
                known: Vec::new(),
                missing: Vec::new(),
            }),
            _ => {
                self.wrong_type(node, wanted);
                None
            }
        }
    }

    /// A string, or what else the caller reads; `wanted` says in words what it must be.
    pub(super) fn string_or<'d>(&mut self, node: &Node<'d>, wanted: &str) -> Option<StringOr<'d>> {
        match node.value {
            DeValue::String(_) => Some(StringOr::String),
            DeValue::Array(_) if wanted.contains("list") => self.list(node, wanted).map(StringOr::List),
            DeValue::Table(_) if wanted.contains("table") => self.table(node, wanted).map(StringOr::Table),
            _ => {
                self.wrong_type(node, wanted);
                None
            }
        }
    }

    /// One of a few words.
    pub(super) fn choice<T: Copy>(&mut self, node: &Node<'_>, choices: &[(&'static str, T)]) -> Option<T> {
        let text = self.string(node)?;
        if let Some((_, value)) = choices.iter().find(|(name, _)| *name == text) {
            return Some(*value);
        }
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let help = did_you_mean(&text, &names, "known values");
        let message = format!("`{}` is `{}`, which is not a value that it knows", node.path, shown(&text));
        self.error(&codes::UNKNOWN_VALUE, &node.path, message, &help);
        None
    }

    /// A table's entries in the order of the file, whatever their keys.
    pub(super) fn entries<'d>(&mut self, fields: &Fields<'d>) -> Vec<(String, Node<'d>)> {
        let mut entries: Vec<_> = fields.table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let mut nodes = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let path = join(&fields.path, key.get_ref());
            let node = self.place(path, value);
            nodes.push((key.get_ref().to_string(), node));
        }
        nodes
    }

    fn place<'d>(&mut self, path: String, value: &'d Spanned<DeValue<'d>>) -> Node<'d> {
        self.places.spans.insert(path.clone(), value.span());
        Node { path, span: value.span(), value: value.get_ref() }
    }

    /// The value of a key, if it is there.
    pub(super) fn optional<'d>(&mut self, fields: &mut Fields<'d>, key: &'static str) -> Option<Node<'d>> {
        fields.known.push(key);
        let value = fields.table.get(key)?;
        Some(self.place(join(&fields.path, key), value))
    }

    /// The value of a key that must be there; `example` shows how to write it.
    pub(super) fn required<'d>(
        &mut self,
        fields: &mut Fields<'d>,
        key: &'static str,
        example: &str,
    ) -> Option<Node<'d>> {
        let node = self.optional(fields, key);
        if node.is_none() {
            fields.missing.push((key, example.to_owned()));
        }
        node
    }

    /// Notes every key of a table that was not asked for, and every one that was missed; a key that
    /// was most likely meant for a missing one is one problem, not two.
    pub(super) fn finish(&mut self, fields: Fields<'_>) {
        let table =
            if fields.path.is_empty() { "the file".to_owned() } else { format!("`[{}]`", fields.path) };
        let mut missing = fields.missing;
        for key in fields.table.keys() {
            let name = key.get_ref();
            if fields.known.contains(&name.as_ref()) {
                continue;
            }
            let near = nearest(name, fields.known.iter().copied());
            missing.retain(|(key, _)| Some(*key) != near);
            let message = format!("{table} has no key `{}`", shown(name));
            let finding = Finding::error(&codes::UNKNOWN_KEY, message).help(did_you_mean(
                name,
                &fields.known,
                "known keys",
            ));
            self.note(finding, key.span());
        }
        for (key, example) in missing {
            let message = format!("`{key}` is missing in {table}");
            let finding = Finding::error(&codes::MISSING_KEY, message).help(format!("add: {example}"));
            self.note(finding, fields.span.clone());
        }
    }
}

/// A string, or a list or a table.
pub(super) enum StringOr<'d> {
    String,
    List(Vec<Node<'d>>),
    Table(Fields<'d>),
}

/// A text of the user's in a message: cut, without line ends.
pub(super) fn shown(text: &str) -> String {
    text.chars().take(100).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}
