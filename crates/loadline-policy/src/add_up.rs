//! How evidence adds up: one good bundle is enough, bad ones beside it are notes; with none, a source
//! that could not be asked makes the verdict unknown, else it is fail.

use std::sync::Arc;

use loadline_core::predicate::satisfies;
use loadline_core::proof::{Content, Proof};
use loadline_core::{Digest, Failure, Finding, Severity, Verdict};

use crate::codes::{EVIDENCE_MISSING, EVIDENCE_ON_INDEX_ONLY};
use crate::demand::{Demand, IndexEvidence};
use crate::rules::subject::speaks_of;
use crate::tree::{Proven, Row};

/// One bundle, from one source.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// Where it is from, in words: `referrers of ghcr.io/acme/widget`, `GitHub's attestations API`.
    pub source: String,
    /// What came of it.
    pub result: Judged,
}

/// What came of a bundle.
#[derive(Debug, Clone)]
pub enum Judged {
    /// It verified.
    Proven {
        /// What it proves.
        proof: Arc<Proof>,
        /// What the policy finds wrong with it; it satisfies when none is an error.
        findings: Vec<Finding>,
    },
    /// It did not verify, or is no bundle at all.
    Bad(Finding),
}

/// What the sources gave for one digest.
#[derive(Debug, Clone, Default)]
pub struct Gathered {
    /// All bundles.
    pub candidates: Vec<Candidate>,
    /// The sources that could not be asked, and the limits that were hit.
    pub failures: Vec<Failure>,
}

/// How a proven statement relates to a demand.
enum Relation {
    Speaks,
    IndexOnly,
    Unrelated,
}

/// Adds up everything there is for one demand.
///
/// `candidates` may hold bundles about anything: those with another predicate, or about other digests,
/// do not count and are not mentioned. `failures` are those of the sources that were asked for this
/// digest and for its index.
pub fn add_up<'a>(
    demand: &Demand,
    index_evidence: IndexEvidence,
    candidates: impl IntoIterator<Item = &'a Candidate>,
    failures: &[Failure],
) -> Row {
    let mut proven = Vec::new();
    let mut beside = Vec::new();
    let mut index_only = false;
    for candidate in candidates {
        match &candidate.result {
            Judged::Bad(finding) => {
                if concerns(finding, demand) {
                    beside.push(from(candidate, finding.clone()));
                }
            }
            Judged::Proven { proof, findings } => match relation(proof, demand, index_evidence) {
                Relation::Unrelated => {}
                // Evidence that would not do for the index either is told for what is wrong with it.
                Relation::Speaks | Relation::IndexOnly
                    if findings.iter().any(|finding| finding.severity == Severity::Error) =>
                {
                    beside.extend(findings.iter().map(|finding| from(candidate, finding.clone())));
                }
                Relation::IndexOnly => index_only = true,
                Relation::Speaks => proven.push(Proven {
                    source: candidate.source.clone(),
                    proof: Arc::clone(proof),
                    notes: findings.clone(),
                }),
            },
        }
    }
    let verdict = match (proven.is_empty(), failures.is_empty()) {
        (false, _) => Verdict::Pass,
        (true, false) => Verdict::Unknown,
        (true, true) => Verdict::Fail,
    };
    let findings = match verdict {
        Verdict::Fail => {
            // What is wrong with the platform's own evidence says more than that its index has some.
            beside.push(missing(demand, index_only && beside.is_empty(), beside.is_empty()));
            beside
        }
        // Bad evidence beside a pass or an open question is told and decides nothing.
        Verdict::Pass | Verdict::Unknown => beside.into_iter().map(as_note).collect(),
    };
    Row { demand: demand.clone(), verdict, proven, findings, failures: failures.to_vec() }
}

fn missing(demand: &Demand, index_only: bool, nothing: bool) -> Finding {
    let what = demand.describe();
    let finding = if index_only {
        Finding::error(&EVIDENCE_ON_INDEX_ONLY, format!("found no {what}; there is such evidence about its index, which does not speak of one platform"))
            .help("attest each platform, or let the policy count all evidence of an index")
    } else if nothing {
        Finding::error(&EVIDENCE_MISSING, format!("found no {what}: all sources were asked and have none"))
            .help("attest it with `loadline attest`, or name the bundle with --bundle")
    } else {
        Finding::error(&EVIDENCE_MISSING, format!("found no {what} that satisfies the policy"))
            .help("see what is wrong with the evidence that was found")
    };
    finding.about(&demand.target.digest)
}

fn relation(proof: &Proof, demand: &Demand, index_evidence: IndexEvidence) -> Relation {
    let found = proof.predicate_type();
    if let Some(demanded) = &demand.predicate_type
        && !found.is_some_and(|found| satisfies(found, demanded))
    {
        return Relation::Unrelated;
    }
    if speaks_of(proof, &demand.target.digest) {
        return Relation::Speaks;
    }
    match &demand.target.index {
        Some(index) if speaks_of(proof, index) && index_evidence.covers(found) => Relation::Speaks,
        Some(index) if speaks_of(proof, index) => Relation::IndexOnly,
        _ => Relation::Unrelated,
    }
}

/// Whether a bad bundle was found where evidence for this demand would be.
fn concerns(finding: &Finding, demand: &Demand) -> bool {
    finding.digest.as_ref().is_none_or(|digest: &Digest| {
        *digest == demand.target.digest || demand.target.index.as_ref() == Some(digest)
    })
}

fn from(candidate: &Candidate, mut finding: Finding) -> Finding {
    finding.message = format!("{} ({})", finding.message, candidate.source);
    finding
}

fn as_note(mut finding: Finding) -> Finding {
    finding.severity = Severity::Note;
    finding
}

/// The built commit that a proof's provenance names, for judging other statements about the same digest.
pub(crate) fn built_commit(proof: &Proof) -> Option<String> {
    let Content::Statement { .. } = &proof.content else { return None };
    crate::rules::provenance::stated(proof)?.built_commit().map(str::to_owned)
}
