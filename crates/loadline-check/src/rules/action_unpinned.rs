//! Actions and workflows of other repositories are pinned by commit.

use loadline_core::{Code, Finding, Outcome};

use crate::workflow::Workflow;
use crate::yaml::Node;

/// One is not.
pub static UNPINNED: Code = Code::new(
    "action-unpinned",
    "a workflow uses an action that is not pinned by commit",
    "Tags and branches move: whoever can push to the action's repository decides what runs with the \
     permissions and secrets of the release. A commit's full SHA never moves; keep the version in a comment \
     behind it, which update bots maintain: `uses: owner/action@<sha> # v4.2.0`. Images (`docker://`) are \
     pinned by digest.",
);

/// The actions that a workflow's steps use, and the workflows that its jobs call.
pub(crate) fn workflow(workflow: &Workflow, outcome: &mut Outcome) {
    for job in workflow.jobs() {
        for uses in job.calls().into_iter().chain(job.uses()) {
            look(workflow, uses, outcome);
        }
    }
}

/// The actions that a composite action uses.
pub(crate) fn action(action: &Workflow, outcome: &mut Outcome) {
    for uses in action.action_steps() {
        look(action, uses, outcome);
    }
}

fn look(workflow: &Workflow, uses: &Node, outcome: &mut Outcome) {
    let Some(text) = uses.text() else { return };
    let (message, help) = if text.starts_with("./") {
        return;
    } else if let Some(image) = text.strip_prefix("docker://") {
        if image.contains("@sha256:") {
            return;
        }
        (format!("`{text}` is not pinned by digest"), "write `docker://image:tag@sha256:…`".to_owned())
    } else {
        match text.split_once('@') {
            Some((_, commit)) if is_commit(commit) => return,
            Some((name, written)) => {
                let what = if written.len() >= 7 && written.bytes().all(|b| b.is_ascii_hexdigit()) {
                    "an abbreviated commit, which a tag or branch can shadow"
                } else {
                    "a tag or branch, which can move"
                };
                let help = format!("write `{name}@<full commit SHA> # {written}`");
                (format!("`{name}` is used at `{written}`: {what}"), help)
            }
            None => (format!("`{text}` names no commit"), format!("write `{text}@<full commit SHA>`")),
        }
    };
    outcome.findings.push(Finding::error(&UNPINNED, message).at(workflow.at(uses.line)).help(help));
}

fn is_commit(text: &str) -> bool {
    matches!(text.len(), 40 | 64) && text.bytes().all(|b| b.is_ascii_hexdigit())
}
