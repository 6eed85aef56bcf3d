//! `--fix`: copies regions, and says what it did.

use camino::{Utf8Path, Utf8PathBuf};
use loadline_core::document::FIX;
use loadline_core::verdict::OutcomeDocument;
use loadline_core::{Outcome, Verdict};
use loadline_report::Format;
use schemars::JsonSchema;
use serde::Serialize;

use super::show::{Show, document, normal, relative};
use super::subject::Subject;
use super::{Answer, Args, End, Inputs, outcome};
use crate::fix::{self, FixRequest};
use crate::git::Git;

/// A fix, as a document.
#[derive(Debug, Serialize, JsonSchema)]
pub struct FixDocument {
    #[serde(flatten)]
    outcome: OutcomeDocument,
    /// The files that change.
    edits: Vec<EditDocument>,
}

/// A file that a fix changes.
#[derive(Debug, Serialize, JsonSchema)]
struct EditDocument {
    /// The file.
    #[schemars(with = "String")]
    file: Utf8PathBuf,
    /// Whether it was written.
    written: bool,
    /// What changes, as a unified diff.
    diff: String,
}

pub(crate) fn run(args: &Args, inputs: &Inputs<'_>, subject: &Subject, show: &Show<'_>) -> Answer {
    let source = args.from.as_deref().map(|from| source(from, inputs, subject));
    let git = Git::new(subject.work.root(), inputs.environment.clone());
    let in_git = subject.work.top().join(".git").exists();
    let plan = fix::plan(&FixRequest {
        tree: &subject.work,
        regions: subject.regions(),
        source: source.as_deref(),
        configured: subject.config().is_some(),
        git: in_git.then_some(&git),
    });
    let mut written = Vec::new();
    let mut found;
    if args.dry_run {
        found = plan.outcome.clone();
    } else {
        let (files, failed) = fix::apply(&subject.work, &plan);
        written = files;
        // What remains wrong is found anew, in the files as they are now.
        found = Outcome { findings: plan.outcome.findings.clone(), failures: plan.outcome.failures.clone() };
        found.findings.retain(|f| f.code.name.starts_with("fix-"));
        found.failures.retain(|f| f.code.name.starts_with("fix-"));
        found.merge(failed);
        found.merge(outcome(args, subject));
    }
    let pending = args.dry_run && !plan.edits.is_empty();
    let end = match found.verdict() {
        Verdict::Pass if pending => End::Verdict(Verdict::Fail),
        verdict => End::Verdict(verdict),
    };
    match args.format {
        Format::Json => {
            let edit = |edit: &fix::Edit| EditDocument {
                file: show.path(&edit.file),
                written: written.contains(&edit.file),
                diff: edit.diff.clone(),
            };
            let edits = plan.edits.iter().map(edit).collect();
            let outcome = OutcomeDocument::from(&show.reroot(found));
            document(FIX, FixDocument { outcome, edits }, end)
        }
        Format::Human => {
            let mut out = String::new();
            for edit in &plan.edits {
                let file = show.path(&edit.file);
                if args.dry_run {
                    out.push_str(&format!("would fix {file}\n"));
                    out.push_str(&edit.diff);
                } else if written.contains(&edit.file) {
                    out.push_str(&format!("fixed {file}\n"));
                }
            }
            if plan.edits.is_empty() && found == Outcome::new() {
                out = format!("pass: {}\n", subject.summary());
            }
            let err = if found == Outcome::new() { String::new() } else { show.outcome(found, end).err };
            Answer { out, err, end }
        }
        _ => show.outcome(found, end),
    }
}

/// A file as the configuration names it: where it is from here, or as it is written.
fn source(from: &Utf8Path, inputs: &Inputs<'_>, subject: &Subject) -> Utf8PathBuf {
    let full = normal(&inputs.folder.join(from));
    if full.exists() { relative(&normal(subject.work.root()), &full) } else { from.to_owned() }
}
