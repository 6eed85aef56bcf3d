//! Workflows say what their jobs may do, and no more than that.

use loadline_core::{Code, Finding, Outcome};

use crate::workflow::{Grant, Level, Workflow};

/// They do not.
pub static PERMISSIONS: Code = Code::new(
    "workflow-permissions",
    "a workflow's permissions are not said, or wider than its jobs need",
    "Without `permissions` a job's token may do whatever the repository's settings allow, in many \
     repositories everything: a compromised step can then push commits and packages. Write `permissions: {}` \
     at the top and give each job what it needs; `read-all` and `write-all` are never that, and what is \
     granted at the top is granted to every job.",
);

/// Looks at a workflow's permissions.
pub(crate) fn check(workflow: &Workflow, outcome: &mut Outcome) {
    let mut report = |finding: Finding, line: u32, help: &str| {
        outcome.findings.push(finding.at(workflow.at(line)).help(help));
    };
    let top = workflow.root.get("permissions");
    let silent: Vec<_> = workflow.jobs().filter(|job| job.grant().is_none()).collect();
    match top {
        // What is only ever called has what its caller grants.
        None if workflow.is_called_only() => {}
        None => {
            if let Some(first) = silent.first() {
                let names: Vec<String> = silent.iter().map(|job| format!("`{}`", job.name)).collect();
                let message = format!("what {} may do is not said", names.join(", "));
                let help = "write `permissions: {}` above the jobs, and in each job what it needs";
                report(Finding::error(&PERMISSIONS, message), first.line, help);
            }
        }
        Some(node) => {
            let help = "write `permissions: {}` here, and in each job what it needs";
            if let Grant::Scopes(scopes) = Grant::read(node) {
                let written: Vec<String> = scopes
                    .iter()
                    .filter(|(_, level)| **level == Level::Write)
                    .map(|(scope, _)| format!("`{scope}: write`"))
                    .collect();
                if !written.is_empty() && silent.len() > 1 {
                    let message =
                        format!("{} is granted to {} jobs at once", written.join(", "), silent.len());
                    report(Finding::warning(&PERMISSIONS, message), node.line, help);
                }
            }
        }
    }
    let help = "name the scopes that are needed: `contents: read`";
    let jobs = workflow.jobs().filter_map(|job| job.node.get("permissions"));
    for node in top.into_iter().chain(jobs) {
        match Grant::read(node) {
            Grant::All(Level::Write) => {
                let message = "`write-all` lets every step do everything";
                report(Finding::error(&PERMISSIONS, message), node.line, help);
            }
            Grant::All(_) => {
                let message = "`read-all` grants more than any job needs";
                report(Finding::warning(&PERMISSIONS, message), node.line, help);
            }
            Grant::Scopes(_) => {}
        }
    }
}
