//! What was proven, as a tree for people and as a document for scripts.

use std::fmt::Write;

use loadline_core::finding::FindingDocument;
use loadline_core::predicate::short_name;
use loadline_core::verdict::{FailureDocument, OutcomeDocument};
use loadline_core::{Outcome, Verdict};
use loadline_evidence::Verification;
use loadline_policy::{Proven, Row};
use schemars::JsonSchema;
use serde::Serialize;

use crate::verbs::verify::Verified;

/// How many reasons a demand is given in the tree; documents have them all.
const REASONS: usize = 8;

/// The body of `loadline/verification/v1`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct VerificationDocument {
    #[serde(flatten)]
    outcome: OutcomeDocument,
    /// The images, in the order in which they were named.
    images: Vec<ImageDocument>,
}

/// One image.
#[derive(Debug, Serialize, JsonSchema)]
struct ImageDocument {
    /// The reference as it was given, spelled out.
    reference: String,
    /// What it came to.
    verdict: Verdict,
    /// What to pull: the repository and the digest. Absent where the image could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pinned: Option<String>,
    /// What was demanded, and what was found of it.
    demands: Vec<DemandDocument>,
}

/// One demanded predicate of one platform.
#[derive(Debug, Serialize, JsonSchema)]
struct DemandDocument {
    /// What it came to.
    verdict: Verdict,
    /// The digest that it is demanded of.
    digest: String,
    /// The platform, where it is an index's child.
    #[serde(skip_serializing_if = "Option::is_none")]
    platform: Option<String>,
    /// The predicate, by its short name where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    predicate: Option<String>,
    /// The bundles that satisfy it.
    proven: Vec<ProvenDocument>,
    /// What is wrong with the other evidence; notes unless the verdict is `fail`.
    findings: Vec<FindingDocument>,
    /// What could not be asked.
    failures: Vec<FailureDocument>,
}

/// One bundle that satisfies a demand.
#[derive(Debug, Serialize, JsonSchema)]
struct ProvenDocument {
    /// Where it was found.
    source: String,
    /// Who signed.
    signer: String,
    /// Who vouches for the signer.
    #[serde(skip_serializing_if = "Option::is_none")]
    issuer: Option<String>,
    /// The commit that was built.
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<String>,
    /// The earliest proven time, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    time: Option<String>,
    /// The log entry's index.
    #[serde(skip_serializing_if = "Option::is_none")]
    log_index: Option<u64>,
    /// Whether the log's promise is all that proves the entry.
    set_only: bool,
}

impl VerificationDocument {
    pub(crate) fn new(outcome: &Outcome, verified: &[Verified]) -> Self {
        Self { outcome: outcome.into(), images: verified.iter().map(image).collect() }
    }
}

fn image(verified: &Verified) -> ImageDocument {
    let reference = verified.reference.to_string();
    match &verified.verification {
        Err(_) => ImageDocument { reference, verdict: Verdict::Unknown, pinned: None, demands: Vec::new() },
        Ok(verification) => ImageDocument {
            reference,
            verdict: verification.outcome.verdict(),
            pinned: Some(verified.reference.repository.at(&verification.digest).to_string()),
            demands: verification.tree.rows.iter().map(demand).collect(),
        },
    }
}

fn demand(row: &Row) -> DemandDocument {
    let target = &row.demand.target;
    DemandDocument {
        verdict: row.verdict,
        digest: target.digest.to_string(),
        platform: target.platform.as_ref().map(ToString::to_string),
        predicate: row.demand.predicate_type.as_deref().map(|kind| short_name(kind).to_owned()),
        proven: row.proven.iter().map(proven).collect(),
        findings: row.findings.iter().map(Into::into).collect(),
        failures: row.failures.iter().map(Into::into).collect(),
    }
}

fn proven(proven: &Proven) -> ProvenDocument {
    ProvenDocument {
        source: proven.source.clone(),
        signer: proven.signer(),
        issuer: proven.issuer().map(str::to_owned),
        commit: proven.commit(),
        time: proven.time().map(|time| time.at.to_string()),
        log_index: proven.log_index(),
        set_only: proven.set_only(),
    }
}

/// The tree of what was proven.
pub(crate) fn tree(verified: &Verified, verification: &Verification) -> String {
    let mut out = String::new();
    let mark = |verdict: Verdict| match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "FAIL",
        Verdict::Unknown => "????",
    };
    let verdict = mark(verification.outcome.verdict());
    let _ = writeln!(out, "{verdict} {} {}", verified.reference, verification.digest);
    let mut last = None;
    for row in &verification.tree.rows {
        let target = &row.demand.target;
        if last != Some(&target.digest) {
            let platform = target.platform.as_ref().map_or_else(|| "image".to_owned(), ToString::to_string);
            let _ = writeln!(out, "  {platform} {}", target.digest);
            last = Some(&target.digest);
        }
        let what = row.demand.predicate_type.as_deref().map_or("signature", short_name);
        let _ = write!(out, "    {} {what}", mark(row.verdict));
        if let Some(proven) = row.proven.first() {
            let _ = write!(out, " by {}", proven.signer());
            if let Some(commit) = proven.commit() {
                let _ = write!(out, ", commit {}", commit.get(..12).unwrap_or(&commit));
            }
            if let Some(time) = proven.time() {
                let _ = write!(out, ", {}", time.at);
            }
            if let Some(index) = proven.log_index() {
                let kind = if proven.set_only() { " (set-only)" } else { "" };
                let _ = write!(out, ", log entry {index}{kind}");
            }
        }
        let _ = writeln!(out);
        reasons(&mut out, row);
    }
    out
}

/// Why a demand came out as it did, one reason a line.
fn reasons(out: &mut String, row: &Row) {
    let mut lines: Vec<String> = Vec::new();
    if row.verdict == Verdict::Pass {
        let notes = row.proven.iter().flat_map(|proven| &proven.notes);
        lines.extend(notes.map(|note| format!("{}: {}", note.code.name, note.message)));
    } else {
        lines.extend(row.findings.iter().map(|found| format!("{}: {}", found.code.name, found.message)));
        lines
            .extend(row.failures.iter().map(|failure| format!("{}: {}", failure.code.name, failure.message)));
    }
    let count = lines.len();
    lines.dedup();
    for line in lines.iter().take(REASONS) {
        let _ = writeln!(out, "         {line}");
    }
    if count > REASONS {
        let _ = writeln!(out, "         and {} more", count - REASONS);
    }
}

/// What was proven, as a table.
pub(crate) fn markdown(verified: &[Verified]) -> String {
    let mut out = String::from(
        "| verdict | image | platform | predicate | signed by | source |\n|---|---|---|---|---|---|\n",
    );
    let cell = |text: &str| text.replace('|', "\\|").replace(['\n', '\r'], " ");
    for one in verified {
        let Ok(verification) = &one.verification else {
            let _ = writeln!(out, "| unknown | {} | | | | |", cell(&one.reference.to_string()));
            continue;
        };
        for row in &verification.tree.rows {
            let verdict = match row.verdict {
                Verdict::Pass => "pass",
                Verdict::Fail => "**fail**",
                Verdict::Unknown => "unknown",
            };
            let platform = row.demand.target.platform.as_ref().map(ToString::to_string).unwrap_or_default();
            let what = row.demand.predicate_type.as_deref().map_or("signature", short_name);
            let proven = row.proven.first();
            let _ = writeln!(
                out,
                "| {verdict} | {} | {platform} | {} | {} | {} |",
                cell(&one.reference.to_string()),
                cell(what),
                cell(&proven.map(Proven::signer).unwrap_or_default()),
                cell(proven.map_or("", |proven| proven.source.as_str())),
            );
        }
    }
    out
}
