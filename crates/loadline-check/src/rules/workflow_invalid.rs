//! Workflows are such as GitHub takes, as far as other rules rely on it.

use camino::Utf8Path;
use loadline_core::{Code, Finding, Location, Outcome};

use crate::workflow::Workflow;
use crate::workflows::Set;
use crate::yaml::{self, Value, YamlError};

/// No workflow.
pub static INVALID: Code = Code::new(
    "workflow-invalid",
    "a workflow file is no workflow",
    "GitHub refuses a file that is no YAML, or has no jobs, and runs nothing of it: a release that waits for \
     it never happens.",
);

/// A call that leads nowhere.
pub static CALL: Code = Code::new(
    "workflow-call-broken",
    "a workflow calls one that is not there or cannot be called",
    "`uses: ./.github/workflows/NAME` wants a file of that name at the same commit, with `workflow_call` among \
     its events; GitHub refuses to start the caller otherwise. Mend the name, or add `on: workflow_call`.",
);

/// The release's own workflow is not there.
pub static ABSENT: Code = Code::new(
    "workflow-absent",
    "the workflow that the configuration names is not in the repository",
    "`[verify]` says which workflow signs, and the rules begin there: what it calls and what calls it is looked \
     at. Where it is not in this checkout nothing is, and evidence will be refused for naming another workflow. \
     Mend the name, or say in `signer-repository` whose it is.",
);

/// A file that could not be read.
pub static UNREADABLE: Code = Code::new(
    "workflow-unreadable",
    "a workflow or action could not be read",
    "The file is there but the system refuses to read it, it is no regular file, or it is larger than 8 MiB. \
     Nothing can be said about it, so the verdict is unknown.",
);

/// Reads a workflow or an action.
pub(crate) fn parse(path: &Utf8Path, bytes: &[u8], outcome: &mut Outcome) -> Option<Workflow> {
    let text = String::from_utf8_lossy(bytes);
    match yaml::parse(text.strip_prefix('\u{feff}').unwrap_or(&text)) {
        Ok(root) if matches!(root.value, Value::Table(_)) => Some(Workflow { path: path.to_owned(), root }),
        Ok(_) => {
            let finding =
                Finding::error(&INVALID, format!("`{path}` holds no table")).at(Location::file(path));
            outcome.findings.push(finding);
            None
        }
        Err(error) => {
            let location = match &error {
                YamlError::Syntax { line, .. } | YamlError::TooDeep { line } => Location::line(path, *line),
                YamlError::TooLarge => Location::file(path),
            };
            let message = format!("`{path}` cannot be read as YAML: {error}");
            outcome.findings.push(Finding::error(&INVALID, message).at(location));
            None
        }
    }
}

/// Looks at what a workflow calls.
pub(crate) fn calls(set: &Set, workflow: &Workflow, outcome: &mut Outcome) {
    if workflow.jobs().next().is_none() {
        let message = format!("`{}` has no jobs", workflow.path);
        outcome.findings.push(Finding::error(&INVALID, message).at(Location::file(&workflow.path)));
    }
    for job in workflow.jobs() {
        let (Some(uses), Some(name)) = (job.calls(), job.calls_here()) else { continue };
        let message = match set.all.get(name) {
            None => format!("`{}` calls `{name}`, which is not there", job.name),
            Some(called) if !called.events().contains(&"workflow_call") => {
                format!("`{}` calls `{name}`, which has no `on: workflow_call`", job.name)
            }
            Some(_) => continue,
        };
        outcome.findings.push(Finding::error(&CALL, message).at(workflow.at(uses.line)));
    }
}
