//! Which workflows are looked at, and the rules over them.

use std::collections::{BTreeMap, BTreeSet};

use camino::{Utf8Path, Utf8PathBuf};
use loadline_core::config::{Config, Workflows};
use loadline_core::{Failure, Finding, Location, Outcome};

use crate::rules::{
    action_unpinned, called_permissions, runner_unpinned, workflow_invalid, workflow_permissions,
};
use crate::tree::{ReadError, Tree};
use crate::workflow::Workflow;

/// Where workflows are.
const FOLDER: &str = ".github/workflows";

/// The workflows of a repository, by their path from its top.
pub(crate) struct Set {
    pub(crate) all: BTreeMap<String, Workflow>,
    /// Those that are there, but cannot be read.
    unreadable: BTreeSet<String>,
}

impl Set {
    /// Who calls a workflow, with the job that does.
    pub(crate) fn callers<'s>(
        &'s self,
        name: &'s str,
    ) -> impl Iterator<Item = (&'s str, crate::workflow::Job<'s>)> {
        self.all.iter().flat_map(move |(caller, workflow)| {
            workflow
                .jobs()
                .filter(move |job| job.calls_here() == Some(name))
                .map(move |job| (caller.as_str(), job))
        })
    }

    /// Those that start leads to: what it calls, and what calls it, each followed to its end.
    fn around(&self, start: &str) -> BTreeSet<String> {
        let down = |name: &str| -> Vec<String> {
            let jobs = self.all.get(name).into_iter().flat_map(Workflow::jobs);
            jobs.filter_map(|job| job.calls_here().map(str::to_owned)).collect()
        };
        let up = |name: &str| self.callers(name).map(|(caller, _)| caller.to_owned()).collect();
        let mut found = closure(start, down);
        found.extend(closure(start, up));
        found
    }
}

fn closure(start: &str, next: impl Fn(&str) -> Vec<String>) -> BTreeSet<String> {
    let mut found = BTreeSet::from([start.to_owned()]);
    let mut waiting = vec![start.to_owned()];
    while let Some(name) = waiting.pop() {
        for name in next(&name) {
            if found.insert(name.clone()) {
                waiting.push(name);
            }
        }
    }
    found
}

/// Checks workflows; gives back the files that were looked at.
pub(crate) fn check(
    tree: &dyn Tree,
    which: Workflows,
    config: Option<&Config>,
    outcome: &mut Outcome,
) -> Vec<Utf8PathBuf> {
    let set = load(tree, which, config, outcome);
    let wanted: BTreeSet<String> = match which {
        Workflows::Nothing => BTreeSet::new(),
        Workflows::All => set.all.keys().cloned().collect(),
        Workflows::Release => {
            let mut wanted = BTreeSet::new();
            for name in config.map(roots).unwrap_or_default() {
                if set.all.contains_key(name) {
                    wanted.extend(set.around(name));
                } else if !set.unreadable.contains(name) {
                    let message = format!("`[verify]` names the workflow `{name}`, which is not there");
                    let help = "mend its name in the configuration: as it is, no workflow is looked at";
                    outcome.findings.push(Finding::warning(&workflow_invalid::ABSENT, message).help(help));
                }
            }
            wanted
        }
    };
    let mut looked_at = Vec::new();
    let mut actions = BTreeSet::new();
    for name in &wanted {
        let Some(workflow) = set.all.get(name) else { continue };
        looked_at.push(workflow.path.clone());
        workflow_invalid::calls(&set, workflow, outcome);
        action_unpinned::workflow(workflow, outcome);
        runner_unpinned::check(&set, name, workflow, outcome);
        workflow_permissions::check(workflow, outcome);
        called_permissions::check(&set, workflow, outcome);
        let steps = workflow.jobs().flat_map(|job| job.uses());
        actions.extend(steps.filter_map(|uses| uses.text()?.strip_prefix("./").map(str::to_owned)));
    }
    for action in actions {
        looked_at.extend(composite(tree, &action, outcome));
    }
    looked_at
}

/// The workflows that a configuration names, where they are this repository's own.
fn roots(config: &Config) -> Vec<&str> {
    let verify = &config.verify;
    let source = &config.release.source;
    let own = |repository: Option<&String>| repository.is_none_or(|signer| signer == source);
    let signer = verify.signer_workflow.as_deref().filter(|_| own(verify.signer_repository.as_ref()));
    let others = verify.identity.iter().filter(|identity| own(identity.signer_repository.as_ref()));
    let others = others.filter_map(|identity| identity.signer_workflow.as_deref());
    // One that says where it is, or at which ref, is a path here only without that.
    let others = others.map(|workflow| workflow.split('@').next().unwrap_or(workflow)).map(|workflow| {
        workflow.strip_prefix(source.as_str()).and_then(|rest| rest.strip_prefix('/')).unwrap_or(workflow)
    });
    signer.into_iter().chain(others).chain(verify.workflow.as_deref()).collect()
}

fn load(tree: &dyn Tree, which: Workflows, config: Option<&Config>, outcome: &mut Outcome) -> Set {
    let mut set = Set { all: BTreeMap::new(), unreadable: BTreeSet::new() };
    let folder = tree.top().join(FOLDER);
    let files = match tree.list(&folder) {
        Ok(files) => files,
        Err(error) => {
            outcome.failures.push(Failure::new(&workflow_invalid::UNREADABLE, error.to_string()));
            return set;
        }
    };
    // What is wrong with files that nobody asked about is not said.
    let mut problems: BTreeMap<String, Outcome> = BTreeMap::new();
    for path in files.into_iter().filter(|path| matches!(path.extension(), Some("yml" | "yaml"))) {
        let name = format!("{FOLDER}/{}", path.file_name().unwrap_or_default());
        let mut found = Outcome::new();
        match read(tree, &path, &mut found) {
            Some(workflow) => {
                set.all.insert(name.clone(), workflow);
            }
            None => {
                set.unreadable.insert(name.clone());
            }
        }
        if found != Outcome::new() {
            problems.insert(name, found);
        }
    }
    let roots = config.map(roots).unwrap_or_default();
    for (name, found) in problems {
        let called = set.callers(&name).next().is_some();
        if which == Workflows::All || called || roots.contains(&name.as_str()) {
            outcome.merge(found);
        } else {
            set.all.remove(&name);
        }
    }
    set
}

fn read(tree: &dyn Tree, path: &Utf8Path, outcome: &mut Outcome) -> Option<Workflow> {
    match tree.read(path) {
        Ok(bytes) => workflow_invalid::parse(path, &bytes, outcome),
        Err(error) => {
            let message = format!("the workflow cannot be examined: {error}");
            outcome.failures.push(Failure::new(&workflow_invalid::UNREADABLE, message));
            None
        }
    }
}

/// A composite action of this repository: its steps use actions too.
fn composite(tree: &dyn Tree, action: &str, outcome: &mut Outcome) -> Option<Utf8PathBuf> {
    let folder = tree.top().join(action.trim_end_matches('/'));
    for name in ["action.yml", "action.yaml"] {
        let path = folder.join(name);
        match tree.read(&path) {
            Err(ReadError::Absent { .. }) => {}
            Err(error) => {
                let message = format!("the action cannot be examined: {error}");
                outcome.failures.push(Failure::new(&workflow_invalid::UNREADABLE, message));
                return None;
            }
            Ok(bytes) => {
                let workflow = workflow_invalid::parse(&path, &bytes, outcome)?;
                action_unpinned::action(&workflow, outcome);
                return Some(path);
            }
        }
    }
    let message = format!("there is no action in `{action}`: a step uses it");
    let help = "an action made by an earlier step or checked out elsewhere cannot be examined";
    let finding = Finding::note(&workflow_invalid::CALL, message).at(Location::file(folder));
    outcome.findings.push(finding.help(help));
    None
}

#[cfg(test)]
mod tests {
    use loadline_core::config::{PathKind, load};

    use super::roots;

    #[test]
    fn all_workflows_of_this_repository_that_may_sign_are_looked_at() {
        let text = "[release]\nsource = \"github.com/a/b\"\nrepository = \"ghcr.io/a/b\"\nplatforms = [\"linux/amd64\"]\n\
            [image.x]\nbuilder = \"assemble\"\ndockerfile = \"Dockerfile\"\n\
            [verify]\nsigner-workflow = \".github/workflows/one.yml\"\nworkflow = \".github/workflows/top.yml\"\n\
            [[verify.identity]]\nsigner-workflow = \"github.com/a/b/.github/workflows/two.yml@refs/heads/main\"\n\
            [[verify.identity]]\nsigner-workflow = \".github/workflows/theirs.yml\"\nsigner-repository = \"github.com/x/y\"\n\
            [[verify.identity]]\nsigner-repository = \"github.com/a/b\"\n";
        let loaded = load("loadline.toml".into(), text, &|path| {
            Some(if path == "." { PathKind::Directory } else { PathKind::File })
        });
        let config = loaded.unwrap().config;
        let all = [".github/workflows/one.yml", ".github/workflows/two.yml", ".github/workflows/top.yml"];
        assert_eq!(roots(&config), all);
    }
}
