//! A called workflow gets from its caller what its jobs need.

use std::collections::BTreeMap;

use loadline_core::{Code, Finding, Outcome};

use crate::workflow::{Grant, Level, Workflow};
use crate::workflows::Set;

/// It does not.
pub static MISSING: Code = Code::new(
    "called-workflow-permissions",
    "a workflow calls another without granting what its jobs need",
    "A called workflow never gets more than the job that calls it has. GitHub refuses to start the caller \
     when a job asks for more: a release stops before its first step. Grant the permission in the calling \
     job. `id-token: write`, which signing needs, is in no default: it must be written.",
);

/// How deep calls are followed; GitHub allows ten.
const MOST_CALLS: usize = 10;

/// What is needed, by scope: how far, and by which job.
type Needs = BTreeMap<String, (Level, String)>;

/// Every scope at once.
const ALL: &str = "*";

/// Looks at a workflow's calls.
pub(crate) fn check(set: &Set, workflow: &Workflow, outcome: &mut Outcome) {
    for job in workflow.jobs() {
        let (Some(name), Some(uses)) = (job.calls_here(), job.calls()) else { continue };
        let Some(called) = set.all.get(name) else { continue };
        let granted = job.grant().or_else(|| workflow.grant());
        if granted.is_none() && workflow.is_called_only() {
            // It passes on what it gets: its own caller is looked at.
            continue;
        }
        for (scope, (level, asking)) in needs(set, called, MOST_CALLS) {
            let has = match &granted {
                Some(Grant::All(level)) => *level,
                Some(_) if scope == ALL => Level::None,
                Some(grant) => grant.level(&scope),
                // The repository's default is unknown here, but it never has this one.
                None if scope == "id-token" => Level::None,
                None => continue,
            };
            if has >= level {
                continue;
            }
            let wanted = match (scope.as_str(), level) {
                (ALL, level) => format!("{}-all", level.name()),
                (scope, level) => format!("{scope}: {}", level.name()),
            };
            let message = format!(
                "`{}` calls `{name}`, whose job `{asking}` needs `{wanted}`, but grants {}",
                job.name,
                if has == Level::None {
                    "nothing of it".to_owned()
                } else {
                    format!("`{}` only", has.name())
                }
            );
            let line = job.node.get("permissions").map_or(uses.line, |node| node.line);
            let help = format!("add `{wanted}` to the `permissions` of `{}`", job.name);
            outcome.findings.push(Finding::error(&MISSING, message).at(workflow.at(line)).help(help));
        }
    }
}

/// What the jobs of a called workflow need.
fn needs(set: &Set, workflow: &Workflow, calls: usize) -> Needs {
    let mut needs = Needs::new();
    let mut add = |scope: String, level: Level, job: &str| {
        let known = needs.entry(scope).or_insert_with(|| (Level::None, String::new()));
        if level > known.0 {
            *known = (level, job.to_owned());
        }
    };
    for job in workflow.jobs() {
        match job.grant().or_else(|| workflow.grant()) {
            Some(Grant::All(level)) => add(ALL.to_owned(), level, job.name),
            Some(Grant::Scopes(scopes)) => {
                scopes.into_iter().for_each(|(scope, level)| add(scope, level, job.name));
            }
            None => {
                let called = job.calls_here().and_then(|name| set.all.get(name));
                if let (Some(called), true) = (called, calls > 0) {
                    let inner = self::needs(set, called, calls - 1);
                    inner.into_iter().for_each(|(scope, (level, job))| add(scope, level, &job));
                }
            }
        }
    }
    needs.retain(|_, (level, _)| *level > Level::None);
    needs
}
