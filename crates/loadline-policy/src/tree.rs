//! What was proven, demand by demand: the tree that is shown.

use std::collections::BTreeMap;
use std::sync::Arc;

use loadline_core::proof::{Claim, Inclusion, Proof, Signer, SigningTime};
use loadline_core::{Digest, Failure, Finding, Outcome, Verdict};

use crate::add_up::{Gathered, add_up, built_commit};
use crate::demand::{Demand, IndexEvidence};

/// A bundle that satisfies a demand.
#[derive(Debug, Clone)]
pub struct Proven {
    /// Where it was found.
    pub source: String,
    /// What it proves.
    pub proof: Arc<Proof>,
    /// What is worth knowing about it.
    pub notes: Vec<Finding>,
}

impl Proven {
    /// Who signed: the certificate's subject, or the key.
    pub fn signer(&self) -> String {
        match &self.proof.signer {
            Signer::Certificate(identity) => identity.subject.clone(),
            Signer::Key { spki_sha256 } => format!("key {spki_sha256}"),
        }
    }

    /// Who vouches for the signer.
    pub fn issuer(&self) -> Option<&str> {
        self.proof.identity().map(|identity| identity.issuer.as_str())
    }

    /// The top workflow of the run.
    pub fn workflow(&self) -> Option<&str> {
        self.proof.identity()?.claim(Claim::BuildConfigUri)
    }

    /// The repository that it was built from.
    pub fn source_repository(&self) -> Option<&str> {
        self.proof.identity()?.claim(Claim::SourceRepositoryUri)
    }

    /// The commit that was built: the provenance's, else the certificate's.
    pub fn commit(&self) -> Option<String> {
        built_commit(&self.proof)
            .or_else(|| Some(self.proof.identity()?.claim(Claim::SourceRepositoryDigest)?.to_owned()))
    }

    /// The earliest verified time, and who vouches for it.
    pub fn time(&self) -> Option<&SigningTime> {
        self.proof.times.iter().min_by_key(|time| time.at)
    }

    /// The log entry's index.
    pub fn log_index(&self) -> Option<u64> {
        self.proof.log.as_ref().map(|log| log.log_index)
    }

    /// Whether all that proves the log entry is the log's promise.
    pub fn set_only(&self) -> bool {
        self.proof.log.as_ref().is_some_and(|log| log.inclusion == Inclusion::SetOnly)
    }
}

/// What came of one demand.
#[derive(Debug, Clone)]
pub struct Row {
    /// What was demanded.
    pub demand: Demand,
    /// What it came to.
    pub verdict: Verdict,
    /// The bundles that satisfy it.
    pub proven: Vec<Proven>,
    /// What is wrong; notes unless the verdict is fail.
    pub findings: Vec<Finding>,
    /// The sources that could not be asked.
    pub failures: Vec<Failure>,
}

impl Row {
    /// Findings and failures that follow from this row. A passed row's failures do not count: what was
    /// demanded is proven.
    pub fn outcome(&self) -> Outcome {
        let notes = self.proven.iter().flat_map(|proven| proven.notes.iter().cloned());
        Outcome {
            findings: self.findings.iter().cloned().chain(notes).collect(),
            failures: if self.verdict == Verdict::Unknown { self.failures.clone() } else { Vec::new() },
        }
    }

    /// The commit that the proven provenance says was built.
    pub fn built_commit(&self) -> Option<String> {
        self.proven.iter().find_map(|proven| built_commit(&proven.proof))
    }
}

/// All rows of a verification.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    /// One for each demand, in the demands' order.
    pub rows: Vec<Row>,
}

impl Tree {
    /// Over a set, fail beats unknown beats pass. Nothing demanded is nothing proven: unknown.
    pub fn verdict(&self) -> Verdict {
        self.rows.iter().map(|row| row.verdict).max().unwrap_or(Verdict::Unknown)
    }

    /// All findings and failures, each once.
    pub fn outcome(&self) -> Outcome {
        let mut outcome = Outcome::new();
        for row in &self.rows {
            let row = row.outcome();
            for finding in row.findings {
                if !outcome.findings.contains(&finding) {
                    outcome.findings.push(finding);
                }
            }
            for failure in row.failures {
                if !outcome.failures.contains(&failure) {
                    outcome.failures.push(failure);
                }
            }
        }
        outcome
    }
}

/// Adds up all demands from what was gathered, digest by digest.
///
/// Every bundle is looked at for every demand, wherever it was found: what hangs on an index may name a
/// child, and the other way round. Failures count where they happened: those of a demand's own digest
/// and of its index.
pub fn add_up_all(
    demands: &[Demand],
    index_evidence: IndexEvidence,
    gathered: &BTreeMap<Digest, Gathered>,
) -> Tree {
    let rows = demands.iter().map(|demand| {
        let places = [Some(&demand.target.digest), demand.target.index.as_ref()];
        let failures: Vec<Failure> = places
            .into_iter()
            .flatten()
            .filter_map(|place| gathered.get(place))
            .flat_map(|gathered| gathered.failures.iter().cloned())
            .collect();
        add_up(demand, index_evidence, gathered.values().flat_map(|gathered| &gathered.candidates), &failures)
    });
    Tree { rows: rows.collect() }
}
