//! Jobs run on a named system, not on whatever `-latest` is.

use std::rc::Rc;

use loadline_core::{Code, Finding, Outcome};

use crate::possible::{self, Scope, Value};
use crate::workflow::Workflow;
use crate::workflows::Set;
use crate::yaml::Node;

/// The most labels of a job that are looked at.
const MOST: usize = 100;

/// It moves.
pub static UNPINNED: Code = Code::new(
    "runner-unpinned",
    "a job runs on a `-latest` runner",
    "`ubuntu-latest` is another system whenever GitHub moves it: tools change their version or go away, and \
     the release of an old tag is not built as it was. Name the system: `ubuntu-24.04`. Values of a matrix \
     and of inputs are followed.",
);

/// What it runs on comes out only when it runs.
pub static UNKNOWN: Code = Code::new(
    "runner-unknown",
    "what a job runs on cannot be told from the repository",
    "Expressions are followed through matrices, inputs, callers, outputs that are written down, `fromJSON` and \
     `||`. Variables of the repository, what steps print and what is typed in when a workflow is started are not \
     in it: the job may run on a `-latest` runner or not. See that what is put in names its system.",
);

/// Looks at what a workflow's jobs run on.
pub(crate) fn check(set: &Set, name: &str, workflow: &Workflow, outcome: &mut Outcome) {
    for job in workflow.jobs() {
        let Some(runs_on) = job.node.get("runs-on") else { continue };
        let mut told: Vec<(String, u32)> = Vec::new();
        let mut unknown = false;
        for scope in possible::scopes(set, name, workflow, job) {
            for value in labels(&scope, runs_on) {
                // A value that stands in a caller is told where the job is.
                let (text, line) = match &value {
                    Value::Known(node, true) => (node.text(), node.line),
                    Value::Known(node, false) => (node.text(), runs_on.line),
                    Value::Unknown(text) => (Some(text.as_str()), runs_on.line),
                };
                let text = text.unwrap_or_default();
                if !moves(text) {
                    unknown |= matches!(value, Value::Unknown(_));
                } else if !told.iter().any(|(known, at)| known == text && *at == line) {
                    let message =
                        format!("`{}` runs on `{text}`, which is another system tomorrow", job.name);
                    let help = "name the system: `ubuntu-24.04`, `macos-15`, `windows-2025`";
                    let finding = Finding::error(&UNPINNED, message).at(workflow.at(line));
                    outcome.findings.push(finding.help(help));
                    told.push((text.to_owned(), line));
                }
            }
        }
        if unknown {
            let message = format!("what `{}` runs on cannot be told from here", job.name);
            let help = "see that what is put in names its system: `ubuntu-24.04`, not `ubuntu-latest`";
            let finding = Finding::note(&UNKNOWN, message).at(workflow.at(runs_on.line));
            outcome.findings.push(finding.help(help));
        }
    }
}

fn moves(label: &str) -> bool {
    label.to_ascii_lowercase().split('-').any(|part| part == "latest")
}

/// The labels of `runs-on`: a text, a list of texts, or a table with `labels`, each perhaps an expression.
fn labels(scope: &Scope<'_>, runs_on: &Rc<Node>) -> Vec<Value> {
    let mut out = Vec::new();
    for value in scope.of(runs_on) {
        match &value {
            Value::Known(node, _) if !node.entries().is_empty() => {
                if let Some(inner) = node.get("labels") {
                    out.extend(scope.of(inner).into_iter().flat_map(|value| listed(scope, value)));
                }
            }
            _ => out.extend(listed(scope, value)),
        }
    }
    out
}

fn listed(scope: &Scope<'_>, value: Value) -> Vec<Value> {
    match &value {
        Value::Known(node, _) if !node.items().is_empty() => {
            node.items().iter().take(MOST).flat_map(|item| scope.of(item)).collect()
        }
        _ => vec![value],
    }
}
