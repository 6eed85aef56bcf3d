//! What the values of a workflow can come to: expressions followed through matrices, inputs, callers and the
//! outputs of other jobs, as far as this repository tells.

use std::rc::Rc;

use serde::de::IgnoredAny;

use crate::expression::{self, Expression, Operator, Step};
use crate::workflow::{Job, Workflow};
use crate::workflows::Set;
use crate::yaml::{self, Node, Value as Yaml};

/// The most values, and combinations of a matrix, that are followed.
const MOST: usize = 300;

/// How many callers and jobs an expression is followed through; GitHub allows ten callers.
const MOST_STEPS: usize = 12;

/// Stands for what is not known inside of a text.
pub(crate) const HOLE: &str = "…";

/// A value that is possible.
#[derive(Debug, Clone)]
pub(crate) enum Value {
    /// It is written, and whether in this very file.
    Known(Rc<Node>, bool),
    /// What it is comes out when the workflow runs; what is known of its text.
    Unknown(String),
}

/// One combination of a matrix.
#[derive(Debug, Clone, Default)]
struct Combination {
    values: Vec<(String, Value)>,
    /// Whether it may have other keys too.
    open: bool,
}

/// Where expressions are looked at: a job, in one combination of its matrix.
pub(crate) struct Scope<'s> {
    set: &'s Set,
    name: &'s str,
    workflow: &'s Workflow,
    job: Job<'s>,
    combination: Combination,
    here: bool,
    steps: usize,
}

/// A text that is put together, and where the last of its values stands.
struct Text {
    text: String,
    known: bool,
    line: u32,
    here: bool,
}

impl Text {
    /// With a value behind it.
    fn with(&self, value: &Value) -> Self {
        let (piece, known, line, here) = match value {
            Value::Known(node, here) => (node.text(), self.known && node.text().is_some(), node.line, *here),
            Value::Unknown(text) => (Some(text.as_str()), false, self.line, self.here),
        };
        Self { text: format!("{}{}", self.text, piece.unwrap_or(HOLE)), known, line, here }
    }

    fn value(self) -> Value {
        match self.known {
            true => Value::Known(scalar(self.text, false, self.line), self.here),
            false => Value::Unknown(self.text),
        }
    }
}

/// A job in each combination of its matrix; once, where it has none.
pub(crate) fn scopes<'s>(
    set: &'s Set,
    name: &'s str,
    workflow: &'s Workflow,
    job: Job<'s>,
) -> Vec<Scope<'s>> {
    Scope { set, name, workflow, job, combination: Combination::default(), here: true, steps: MOST_STEPS }
        .spread()
}

fn unknown() -> Value {
    Value::Unknown(HOLE.to_owned())
}

fn scalar(text: impl Into<String>, plain: bool, line: u32) -> Rc<Node> {
    Rc::new(Node { value: Yaml::Scalar { text: text.into(), plain }, line, span: 0..0 })
}

impl<'s> Scope<'s> {
    fn with(&self, combination: Combination) -> Self {
        Self { combination, ..*self }
    }

    /// The same job in each combination of its matrix.
    fn spread(self) -> Vec<Self> {
        let Some(matrix) = self.job.node.get("strategy").and_then(|strategy| strategy.get("matrix")) else {
            return vec![self];
        };
        let mut out = Vec::new();
        for value in self.of(matrix) {
            match value {
                Value::Known(table, here) => out.extend(self.combinations(&table, here)),
                Value::Unknown(_) => out.push(Combination { values: Vec::new(), open: true }),
            }
        }
        out.truncate(MOST);
        out.into_iter().map(|combination| self.with(combination)).collect()
    }

    /// GitHub's own way: all combinations of the lists, less those excluded; an entry of `include` goes into
    /// every combination whose values it does not overwrite, and is one of its own where there is none.
    fn combinations(&self, table: &Rc<Node>, here: bool) -> Vec<Combination> {
        let mut combinations = vec![Combination::default()];
        let mut keys = Vec::new();
        for (key, node) in table.entries() {
            let Some(key) = key.text().filter(|key| !matches!(*key, "include" | "exclude")) else { continue };
            keys.push(key);
            let values = self.items(node, here);
            let mut next = Vec::new();
            for combination in &combinations {
                for value in &values {
                    let mut combination = combination.clone();
                    combination.values.push((key.to_owned(), value.clone()));
                    next.push(combination);
                }
            }
            if next.len() > MOST {
                next.truncate(MOST);
                next.push(Combination { values: Vec::new(), open: true });
            }
            combinations = next;
        }
        if let Some(exclude) = table.get("exclude") {
            for entry in self.items(exclude, here) {
                let Value::Known(entry, _) = entry else { continue };
                combinations.retain(|combination| !self.fits(combination, &entry, true));
            }
        }
        let originals = if keys.is_empty() { 0 } else { combinations.len() };
        if let Some(include) = table.get("include") {
            if keys.is_empty() {
                combinations.clear();
            }
            for entry in self.items(include, here) {
                let Value::Known(entry, here) = entry else {
                    combinations.push(Combination { values: Vec::new(), open: true });
                    continue;
                };
                self.include(&mut combinations, originals, &keys, &entry, here);
            }
        }
        combinations
    }

    fn include(
        &self,
        combinations: &mut Vec<Combination>,
        originals: usize,
        keys: &[&str],
        entry: &Rc<Node>,
        here: bool,
    ) {
        let added: Vec<(String, Value)> = entry
            .entries()
            .iter()
            .filter_map(|(key, node)| {
                Some((key.text()?.to_owned(), self.of_in(node, here).pop().unwrap_or_else(unknown)))
            })
            .collect();
        let mut placed = false;
        for combination in &mut combinations[..originals] {
            if !self.fits(combination, entry, false) {
                continue;
            }
            placed = true;
            for (key, value) in added.iter().filter(|(key, _)| !keys.contains(&key.as_str())) {
                combination.values.retain(|(name, _)| name != key);
                combination.values.push((key.clone(), value.clone()));
            }
        }
        if !placed {
            combinations.push(Combination { values: added, open: false });
        }
    }

    /// Whether every value of an entry that the combination has too is the same there; `all`: whether it has
    /// them all.
    fn fits(&self, combination: &Combination, entry: &Rc<Node>, all: bool) -> bool {
        entry.entries().iter().all(|(key, wanted)| {
            let has = combination.values.iter().find(|(name, _)| Some(name.as_str()) == key.text());
            match has {
                Some((_, Value::Known(node, _))) => same(node, wanted),
                // What is not known may be the same or not: nothing is left out for it.
                Some((_, Value::Unknown(_))) => false,
                None => !all,
            }
        })
    }

    /// The items of a list, which may itself come out of an expression.
    fn items(&self, node: &Rc<Node>, here: bool) -> Vec<Value> {
        let mut out = Vec::new();
        for value in self.of_in(node, here) {
            match value {
                Value::Known(list, here) if matches!(list.value, Yaml::List(_)) => {
                    out.extend(list.items().iter().take(MOST).flat_map(|item| self.of_in(item, here)));
                }
                other => out.push(other),
            }
        }
        out
    }

    /// What a value can come to: itself, or what its expressions give.
    pub(crate) fn of(&self, node: &Rc<Node>) -> Vec<Value> {
        self.of_in(node, self.here)
    }

    fn of_in(&self, node: &Rc<Node>, here: bool) -> Vec<Value> {
        let Some(text) = node.text().filter(|text| text.contains("${{")) else {
            return vec![Value::Known(Rc::clone(node), here)];
        };
        let line = node.line;
        let mut texts = vec![Text { text: String::new(), known: true, line, here }];
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once("${{") {
            let Some(end) = end(behind) else { return vec![unknown()] };
            let (inside, after) = (&behind[..end], &behind[end + 2..]);
            let values = match expression::parse(inside) {
                Some(expression) => self.evaluate(&expression, line),
                None => vec![unknown()],
            };
            let alone = texts.iter().all(|text| text.text.is_empty());
            if alone && before.trim().is_empty() && after.trim().is_empty() {
                return values;
            }
            texts.iter_mut().for_each(|text| text.text.push_str(before));
            texts = texts.iter().flat_map(|text| values.iter().map(|value| text.with(value))).collect();
            texts.truncate(MOST);
            rest = after;
        }
        texts.iter_mut().for_each(|text| text.text.push_str(rest));
        texts.into_iter().map(Text::value).collect()
    }

    fn evaluate(&self, expression: &Expression, line: u32) -> Vec<Value> {
        let known = |text: &str, plain| Value::Known(scalar(text, plain, line), self.here);
        let truth = |truth: Option<bool>| match truth {
            Some(truth) => vec![known(if truth { "true" } else { "false" }, true)],
            None => vec![known("true", true), known("false", true)],
        };
        let mut out = Vec::new();
        match expression {
            Expression::Text(text) => out.push(known(text, false)),
            Expression::Plain(text) => out.push(known(text, true)),
            Expression::Path(context, steps) => out = self.path(context, steps, line),
            Expression::Call(name, arguments, steps) => {
                let values = self.call(name, arguments, line);
                out = values.into_iter().flat_map(|value| self.into(value, steps, line)).collect();
            }
            Expression::Not(inner) => {
                for value in self.evaluate(inner, line) {
                    out.extend(truth(truthy(&value).map(|truth| !truth)));
                }
            }
            Expression::Binary(Operator::Or, left, right) => {
                let mut other = false;
                for value in self.evaluate(left, line) {
                    let truth = truthy(&value);
                    other |= truth != Some(true);
                    if truth != Some(false) {
                        out.push(value);
                    }
                }
                if other {
                    out.extend(self.evaluate(right, line));
                }
            }
            Expression::Binary(Operator::And, left, right) => {
                let mut other = false;
                for value in self.evaluate(left, line) {
                    let truth = truthy(&value);
                    other |= truth != Some(false);
                    match truth {
                        Some(true) => {}
                        Some(false) => out.push(value),
                        None => out.push(known("", true)),
                    }
                }
                if other {
                    out.extend(self.evaluate(right, line));
                }
            }
            Expression::Binary(Operator::Order, ..) => out = truth(None),
            Expression::Binary(operator, left, right) => {
                let right = self.evaluate(right, line);
                for a in self.evaluate(left, line) {
                    for b in &right {
                        let equal = equal(&a, b).map(|equal| equal == (*operator == Operator::Equal));
                        out.extend(truth(equal));
                    }
                }
            }
        }
        distinct(out)
    }

    fn path(&self, context: &str, steps: &[Step], line: u32) -> Vec<Value> {
        let (first, rest) = match steps {
            [Step::Name(first), rest @ ..] => (first.as_str(), rest),
            _ => return vec![unknown()],
        };
        let values = match context.to_ascii_lowercase().as_str() {
            "matrix" => vec![self.cell(first, line)],
            "inputs" => self.input(first, line),
            "github" => match rest {
                [Step::Name(inputs), Step::Name(name), more @ ..]
                    if first == "event" && inputs == "inputs" =>
                {
                    let values = self.input(name, line);
                    return values.into_iter().flat_map(|value| self.into(value, more, line)).collect();
                }
                _ => return vec![unknown()],
            },
            "needs" => match rest {
                [Step::Name(outputs), Step::Name(name), more @ ..] if outputs == "outputs" => {
                    let values = self.output(first, name);
                    return values.into_iter().flat_map(|value| self.into(value, more, line)).collect();
                }
                _ => return vec![unknown()],
            },
            _ => return vec![unknown()],
        };
        values.into_iter().flat_map(|value| self.into(value, rest, line)).collect()
    }

    fn cell(&self, key: &str, line: u32) -> Value {
        let found = self.combination.values.iter().find(|(name, _)| name.eq_ignore_ascii_case(key));
        match found {
            Some((_, value)) => value.clone(),
            None if self.combination.open => unknown(),
            None => Value::Known(scalar("", true, line), self.here),
        }
    }

    /// What an input can be: what callers here give it, its default, its options.
    fn input(&self, name: &str, line: u32) -> Vec<Value> {
        let mut out = Vec::new();
        let nothing = || Value::Known(scalar("", true, line), self.here);
        let event = |event: &str| self.workflow.root.get("on").and_then(|on| on.get(event));
        let input = |event: &Rc<Node>| event.get("inputs").and_then(|inputs| inputs.get(name)).cloned();
        for event_name in self.workflow.events() {
            match event_name {
                "workflow_call" => {
                    let default = event("workflow_call").and_then(input);
                    let default = default.and_then(|input| input.get("default").cloned());
                    out.extend(self.given(name, default.as_ref()));
                }
                "workflow_dispatch" => match event("workflow_dispatch").and_then(input) {
                    None => out.push(nothing()),
                    Some(input) => {
                        let options = input.get("options").map(|options| options.items()).unwrap_or_default();
                        let default = input.get("default").cloned();
                        let offered = options.iter().cloned().chain(default);
                        out.extend(offered.map(|node| Value::Known(node, self.here)));
                        let kind = input.get("type").and_then(|kind| kind.text());
                        match kind {
                            Some("choice") => {}
                            Some("boolean") => out.extend(
                                ["true", "false"]
                                    .map(|text| Value::Known(scalar(text, true, line), self.here)),
                            ),
                            // Whoever starts it may write anything.
                            _ => out.push(unknown()),
                        }
                    }
                },
                _ => out.push(nothing()),
            }
        }
        distinct(out)
    }

    fn given(&self, name: &str, default: Option<&Rc<Node>>) -> Vec<Value> {
        let mut out = Vec::new();
        let mut called = false;
        for (caller, job) in self.set.callers(self.name) {
            called = true;
            let Some(workflow) = self.set.all.get(caller).filter(|_| self.steps > 0) else {
                out.push(unknown());
                continue;
            };
            match job.node.get("with").and_then(|with| with.get(name)) {
                Some(node) => {
                    let combination = Combination::default();
                    let steps = self.steps - 1;
                    let scope =
                        Scope { set: self.set, name: caller, workflow, job, combination, here: false, steps };
                    out.extend(scope.spread().iter().flat_map(|scope| scope.of(node)));
                }
                None => match default {
                    Some(node) => out.push(Value::Known(Rc::clone(node), self.here)),
                    None => out.push(Value::Known(scalar("", true, 1), self.here)),
                },
            }
        }
        if !called {
            // Callers may be in other repositories; the default is what they get who say nothing.
            out.push(default.map_or_else(unknown, |node| Value::Known(Rc::clone(node), self.here)));
        }
        out
    }

    /// What another job hands on.
    fn output(&self, job: &str, name: &str) -> Vec<Value> {
        let found = self.workflow.jobs().find(|other| other.name == job);
        let node = found.and_then(|job| job.node.get("outputs")?.get(name));
        match (found, node) {
            (Some(job), Some(node)) if self.steps > 0 => {
                let scope = Scope { job, steps: self.steps - 1, ..self.with(Combination::default()) };
                scope.spread().iter().flat_map(|scope| scope.of(node)).collect()
            }
            _ => vec![unknown()],
        }
    }

    fn call(&self, name: &str, arguments: &[Expression], line: u32) -> Vec<Value> {
        let truth = ["true", "false"];
        match (name, arguments) {
            ("fromjson", [argument]) => {
                let read = |value: Value| match value {
                    Value::Known(node, here) => node
                        .text()
                        .and_then(|text| json(text, line))
                        .map_or_else(unknown, |n| Value::Known(n, here)),
                    Value::Unknown(_) => unknown(),
                };
                self.evaluate(argument, line).into_iter().map(read).collect()
            }
            ("format", [pattern, rest @ ..]) => {
                let rest: Vec<Vec<Value>> = rest.iter().map(|e| self.evaluate(e, line)).collect();
                let fill = |value: Value| self.fill(value, &rest, line);
                self.evaluate(pattern, line).into_iter().flat_map(fill).collect()
            }
            ("contains" | "startswith" | "endswith" | "always" | "success" | "failure" | "cancelled", _) => {
                truth.map(|text| Value::Known(scalar(text, true, line), self.here)).to_vec()
            }
            _ => vec![unknown()],
        }
    }

    /// `format('{0}-{1}', …)`
    fn fill(&self, pattern: Value, arguments: &[Vec<Value>], line: u32) -> Vec<Value> {
        let Value::Known(node, _) = pattern else { return vec![unknown()] };
        let Some(pattern) = node.text() else { return vec![unknown()] };
        let mut texts = vec![Text { text: pattern.to_owned(), known: true, line, here: self.here }];
        for (at, values) in arguments.iter().enumerate() {
            let place = format!("{{{at}}}");
            let mut next = Vec::new();
            for text in texts.into_iter().take(MOST) {
                let Some((before, after)) = text.text.split_once(&place) else {
                    next.push(text);
                    continue;
                };
                let before = Text { text: before.to_owned(), ..text };
                for value in values {
                    let mut filled = before.with(value);
                    let piece = filled.text[before.text.len()..].to_owned();
                    filled.text.push_str(&after.replace(&place, &piece));
                    next.push(filled);
                }
            }
            texts = next;
        }
        texts.into_iter().map(Text::value).collect()
    }

    /// A value's value, steps further in.
    fn into(&self, value: Value, steps: &[Step], line: u32) -> Vec<Value> {
        let [step, rest @ ..] = steps else { return vec![value] };
        let Value::Known(node, here) = value else { return vec![unknown()] };
        let next = match step {
            Step::Name(name) => {
                let named = |(key, _): &&(Rc<Node>, Rc<Node>)| {
                    key.text().is_some_and(|k| k.eq_ignore_ascii_case(name))
                };
                node.entries().iter().find(named).map(|(_, value)| value)
            }
            Step::Index(at) => node.items().get(*at),
            Step::Any => return vec![unknown()],
        };
        match next {
            Some(next) => self.of_in(next, here).into_iter().flat_map(|v| self.into(v, rest, line)).collect(),
            None => vec![Value::Known(scalar("", true, line), self.here)],
        }
    }
}

/// Where `}}` ends an expression; one inside of a text does not.
fn end(text: &str) -> Option<usize> {
    let mut quoted = false;
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'\'' => quoted = !quoted,
            b'}' if !quoted && bytes.get(at + 1) == Some(&b'}') => return Some(at),
            _ => {}
        }
    }
    None
}

/// A JSON text as a value; YAML that is no JSON is nothing.
fn json(text: &str, line: u32) -> Option<Rc<Node>> {
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    yaml::parse(text).ok().map(|node| on_line(&node, line))
}

fn on_line(node: &Node, line: u32) -> Rc<Node> {
    let value = match &node.value {
        Yaml::List(items) => Yaml::List(items.iter().map(|item| on_line(item, line)).collect()),
        Yaml::Table(entries) => {
            Yaml::Table(entries.iter().map(|(k, v)| (on_line(k, line), on_line(v, line))).collect())
        }
        scalar => scalar.clone(),
    };
    Rc::new(Node { value, line, span: 0..0 })
}

fn same(a: &Node, b: &Node) -> bool {
    match (&a.value, &b.value) {
        (Yaml::Scalar { text: a, .. }, Yaml::Scalar { text: b, .. }) => a == b,
        (Yaml::List(a), Yaml::List(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (Yaml::Table(a), Yaml::Table(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|((ka, va), (kb, vb))| same(ka, kb) && same(va, vb))
        }
        _ => false,
    }
}

/// Whether a text without quotes is another kind of value: null, a truth, a number.
fn is_typed(text: &str) -> bool {
    matches!(text.to_ascii_lowercase().as_str(), "" | "~" | "null" | "true" | "false")
        || text.parse::<f64>().is_ok()
}

/// As conditions take a value; nothing where it is not known.
fn truthy(value: &Value) -> Option<bool> {
    let Value::Known(node, _) = value else { return None };
    Some(match &node.value {
        Yaml::Scalar { text, plain: false } => !text.is_empty(),
        Yaml::Scalar { text, plain: true } => {
            !matches!(text.to_ascii_lowercase().as_str(), "" | "~" | "null" | "false")
                && text.parse::<f64>().ok() != Some(0.0)
        }
        _ => true,
    })
}

/// As `==` compares, upper and lower case alike; nothing where it is not known, or kinds are converted.
fn equal(a: &Value, b: &Value) -> Option<bool> {
    let (Value::Known(a, _), Value::Known(b, _)) = (a, b) else { return None };
    let (Yaml::Scalar { text: x, plain: p }, Yaml::Scalar { text: y, plain: q }) = (&a.value, &b.value)
    else {
        return None;
    };
    let (typed_x, typed_y) = (*p && is_typed(x), *q && is_typed(y));
    (typed_x == typed_y).then(|| x.eq_ignore_ascii_case(y))
}

/// Each value once, and no more than are followed.
fn distinct(values: Vec<Value>) -> Vec<Value> {
    let mut out: Vec<Value> = Vec::new();
    for value in values {
        let known = out.iter().any(|other| match (other, &value) {
            (Value::Known(a, x), Value::Known(b, y)) => {
                Rc::ptr_eq(a, b) || (x == y && a.line == b.line && same(a, b))
            }
            (Value::Unknown(a), Value::Unknown(b)) => a == b,
            _ => false,
        });
        if !known {
            out.push(value);
        }
        if out.len() >= MOST {
            out.push(unknown());
            break;
        }
    }
    out
}
