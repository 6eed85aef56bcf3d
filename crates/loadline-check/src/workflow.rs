//! A workflow file: jobs, what they run on, what they use, what they may do.

use std::collections::BTreeMap;
use std::rc::Rc;

use camino::Utf8PathBuf;
use loadline_core::Location;

use crate::yaml::Node;

/// The most jobs of a workflow, and steps of a job, that are looked at.
const MOST: usize = 2000;

/// A workflow, or a composite action.
#[derive(Debug, Clone)]
pub struct Workflow {
    /// Where it is, relative to the root that findings speak of.
    pub path: Utf8PathBuf,
    /// The whole document.
    pub root: Rc<Node>,
}

/// One job.
#[derive(Debug, Clone, Copy)]
pub struct Job<'w> {
    /// Its id.
    pub name: &'w str,
    /// The line of its id.
    pub line: u32,
    /// What it says.
    pub node: &'w Node,
}

/// What a job may do with the repository's token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Grant {
    /// `read-all`, `write-all`.
    All(Level),
    /// Scope by scope; what is not named is none.
    Scopes(BTreeMap<String, Level>),
}

/// How far a permission goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Level {
    None,
    Read,
    Write,
}

impl Level {
    /// As workflows write it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

impl Grant {
    /// Reads `permissions`.
    pub fn read(node: &Node) -> Self {
        match node.text() {
            Some("write-all") => Self::All(Level::Write),
            Some("read-all") => Self::All(Level::Read),
            _ => {
                let scopes = node.entries().iter().filter_map(|(scope, level)| {
                    let level = match level.text()? {
                        "write" => Level::Write,
                        "read" => Level::Read,
                        _ => Level::None,
                    };
                    Some((scope.text()?.to_owned(), level))
                });
                Self::Scopes(scopes.collect())
            }
        }
    }

    /// How far it goes in one scope.
    pub fn level(&self, scope: &str) -> Level {
        match self {
            Self::All(level) => *level,
            Self::Scopes(scopes) => scopes.get(scope).copied().unwrap_or(Level::None),
        }
    }
}

impl Workflow {
    /// Its jobs in the order of the file.
    pub fn jobs(&self) -> impl Iterator<Item = Job<'_>> {
        let entries = self.root.get("jobs").map(|jobs| jobs.entries()).unwrap_or_default();
        entries
            .iter()
            .take(MOST)
            .filter_map(|(key, node)| Some(Job { name: key.text()?, line: key.line, node: node.as_ref() }))
    }

    /// The `uses` of a composite action's steps.
    pub fn action_steps(&self) -> impl Iterator<Item = &Rc<Node>> {
        let steps = self.root.get("runs").and_then(|runs| runs.get("steps"));
        uses(steps.map(|steps| steps.items()).unwrap_or_default())
    }

    /// What its jobs may do where they do not say it themselves.
    pub fn grant(&self) -> Option<Grant> {
        self.root.get("permissions").map(|node| Grant::read(node))
    }

    /// The names of the events that start it.
    pub fn events(&self) -> Vec<&str> {
        let Some(on) = self.root.get("on") else { return Vec::new() };
        let listed = on.items().iter().filter_map(|item| item.text());
        let keys = on.entries().iter().filter_map(|(key, _)| key.text());
        on.text().into_iter().chain(listed).chain(keys).collect()
    }

    /// Whether nothing but other workflows starts it.
    pub fn is_called_only(&self) -> bool {
        let events = self.events();
        !events.is_empty() && events.iter().all(|event| *event == "workflow_call")
    }

    /// A line of it.
    pub fn at(&self, line: u32) -> Location {
        Location::line(&self.path, line)
    }
}

impl<'w> Job<'w> {
    /// The workflow that it calls, as written.
    pub fn calls(&self) -> Option<&'w Rc<Node>> {
        self.node.get("uses")
    }

    /// The workflow of this repository that it calls: `.github/workflows/NAME`.
    pub fn calls_here(&self) -> Option<&'w str> {
        self.calls()?.text()?.strip_prefix("./")
    }

    /// The `uses` of its steps.
    pub fn uses(&self) -> impl Iterator<Item = &'w Rc<Node>> + use<'w> {
        uses(self.node.get("steps").map(|steps| steps.items()).unwrap_or_default())
    }

    /// What it may do, by its own word.
    pub fn grant(&self) -> Option<Grant> {
        self.node.get("permissions").map(|node| Grant::read(node))
    }
}

fn uses(steps: &[Rc<Node>]) -> impl Iterator<Item = &Rc<Node>> {
    steps.iter().take(MOST).filter_map(|step| step.get("uses"))
}
