//! Jobs run on a named system, not on whatever `-latest` is.

use std::rc::Rc;

use loadline_core::{Code, Finding, Outcome};

use crate::workflow::{Job, Workflow};
use crate::workflows::Set;
use crate::yaml::{Node, Value};

/// It moves.
pub static UNPINNED: Code = Code::new(
    "runner-unpinned",
    "a job runs on a `-latest` runner",
    "`ubuntu-latest` is another system whenever GitHub moves it: tools change their version or go away, and \
     the release of an old tag is not built as it was. Name the system: `ubuntu-24.04`. Values of a matrix \
     and of inputs are followed.",
);

/// The most values that an expression is followed to.
const MOST: usize = 500;

/// Looks at what a workflow's jobs run on.
pub(crate) fn check(set: &Set, name: &str, workflow: &Workflow, outcome: &mut Outcome) {
    for job in workflow.jobs() {
        let Some(runs_on) = job.node.get("runs-on") else { continue };
        let labels = runs_on.get("labels").unwrap_or(runs_on);
        let mut told: Vec<(String, u32)> = Vec::new();
        let mut found = Vec::new();
        let scope = Scope { set, name, workflow, job };
        for label in flat(labels) {
            scope.values(&label, &mut found);
        }
        for (value, line, here) in found {
            let moves = value.to_ascii_lowercase().split('-').any(|part| part == "latest");
            // A value that stands in a caller is told where the job is.
            let line = if here { line } else { runs_on.line };
            if moves && !told.contains(&(value.clone(), line)) {
                let message = format!("`{}` runs on `{value}`, which is another system tomorrow", job.name);
                let help = "name the system: `ubuntu-24.04`, `macos-15`, `windows-2025`";
                outcome.findings.push(Finding::error(&UNPINNED, message).at(workflow.at(line)).help(help));
                told.push((value, line));
            }
        }
    }
}

/// The scalars of a value: itself, or its items.
fn flat(node: &Rc<Node>) -> Vec<Rc<Node>> {
    match &node.value {
        Value::List(items) => items.iter().take(MOST).cloned().collect(),
        _ => vec![Rc::clone(node)],
    }
}

struct Scope<'s> {
    set: &'s Set,
    name: &'s str,
    workflow: &'s Workflow,
    job: Job<'s>,
}

impl Scope<'_> {
    /// What a label can be: the value, its line, and whether the line is one of this workflow. What cannot
    /// be known here is left out.
    fn values(&self, label: &Node, out: &mut Vec<(String, u32, bool)>) {
        let Some(text) = label.text() else { return };
        let Some((before, rest)) = text.split_once("${{") else {
            out.push((text.to_owned(), label.line, true));
            return;
        };
        let Some((expression, after)) = rest.split_once("}}") else { return };
        if after.contains("${{") {
            return;
        }
        for (value, here) in self.resolve(expression.trim()).into_iter().take(MOST) {
            for value in flat(&value) {
                if let Some(text) = value.text().filter(|text| !text.contains("${{")) {
                    out.push((format!("{before}{text}{after}"), value.line, here));
                }
            }
        }
    }

    fn resolve(&self, expression: &str) -> Vec<(Rc<Node>, bool)> {
        if let Some(path) = expression.strip_prefix("matrix.") {
            let Some(matrix) = self.job.node.get("strategy").and_then(|s| s.get("matrix")) else {
                return Vec::new();
            };
            let (first, rest) = path.split_once('.').unwrap_or((path, ""));
            let listed = matrix.get(first).map(|values| values.items()).unwrap_or_default();
            let included = matrix.get("include").map(|include| include.items()).unwrap_or_default();
            let included = included.iter().filter_map(|entry| entry.get(first));
            let inside = |node: &Rc<Node>| {
                let mut parts = rest.split('.').filter(|part| !part.is_empty());
                parts.try_fold(Rc::clone(node), |node, part| node.get(part).cloned())
            };
            return listed.iter().chain(included).take(MOST).filter_map(inside).map(|n| (n, true)).collect();
        }
        if let Some(input) = expression.strip_prefix("inputs.") {
            let default = self.workflow.input_default(input).cloned().map(|node| (node, true));
            let given =
                self.set.callers(self.name).filter_map(|(_, job)| job.node.get("with")?.get(input).cloned());
            return default.into_iter().chain(given.map(|node| (node, false))).collect();
        }
        Vec::new()
    }
}
