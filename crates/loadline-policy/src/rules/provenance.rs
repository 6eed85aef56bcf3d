//! A provenance says what its certificate says.
//!
//! Whoever can run a step of a signing workflow can write any predicate; the certificate is what the
//! forge itself vouches for. Where the two name another repository, ref, commit, workflow, runner or
//! run, the predicate lies.

use loadline_core::Finding;
use loadline_core::predicate::release_build::GITHUB_BUILD_TYPE;
use loadline_core::proof::{Claim, Content, Identity, Proof};

use crate::codes::{PROVENANCE_CONTRADICTS_CERTIFICATE, PROVENANCE_MALFORMED, PROVENANCE_NOT_COMPARED};
use crate::provenance::Stated;
use crate::uri::{WorkflowUri, same_repository};

/// What the proof's provenance states; `None` where it holds none, or none that can be read (which
/// [`judge`] reports).
pub(crate) fn stated(proof: &Proof) -> Option<Stated> {
    let Content::Statement { predicate_type, predicate, .. } = &proof.content else { return None };
    Stated::read(predicate_type, predicate)?.ok()
}

pub(crate) fn judge(proof: &Proof) -> Vec<Finding> {
    let Content::Statement { predicate_type, predicate, .. } = &proof.content else { return Vec::new() };
    let stated = match Stated::read(predicate_type, predicate) {
        None => return Vec::new(),
        Some(Err(error)) => return vec![Finding::error(&PROVENANCE_MALFORMED, error.to_string())],
        Some(Ok(stated)) => stated,
    };
    // A key vouches for nothing that could be compared.
    let Some(identity) = proof.identity() else { return Vec::new() };
    if stated.is_known_build_type() {
        return compare(&stated, identity);
    }
    let mut findings = compare_source(&stated, identity);
    if findings.is_empty() && !identity.claims.is_empty() {
        findings.push(Finding::note(
            &PROVENANCE_NOT_COMPARED,
            format!(
                "the build type `{}` is not known here; only its source was held against the certificate",
                stated.build_type
            ),
        ));
    }
    findings
}

fn compare(stated: &Stated, identity: &Identity) -> Vec<Finding> {
    let mut lies = Lies { identity, findings: Vec::new() };
    if let Some(workflow) = &stated.workflow {
        lies.claim("repository", &workflow.repository, Claim::SourceRepositoryUri, |stated, certified| {
            same_repository(stated, certified)
        });
        let full = format!("{}/{}@{}", workflow.repository, workflow.path, workflow.reference);
        lies.claim("workflow", &full, Claim::BuildConfigUri, |_, certified| {
            WorkflowUri::parse(certified).is_some_and(|uri| {
                same_repository(&uri.repository, &workflow.repository)
                    && uri.path == workflow.path
                    && uri.reference == workflow.reference
            })
        });
        match stated.workflow_source() {
            Some(git) => {
                lies.claim("source repository", &git.repository, Claim::SourceRepositoryUri, same_repository);
                if let Some(reference) = &git.reference {
                    lies.claim("ref", reference, Claim::SourceRepositoryRef, |a, b| a == b);
                }
                let commit = git.commit.as_deref().unwrap_or("none");
                lies.claim(
                    "workflow's commit",
                    commit,
                    Claim::SourceRepositoryDigest,
                    str::eq_ignore_ascii_case,
                );
            }
            None => lies.claim("workflow's commit", "none", Claim::SourceRepositoryDigest, |_, _| false),
        }
    }
    for (what, value, claim) in [
        ("repository id", &stated.repository_id, Claim::SourceRepositoryIdentifier),
        ("repository owner id", &stated.owner_id, Claim::SourceRepositoryOwnerIdentifier),
        ("event", &stated.event, Claim::BuildTrigger),
        ("runner environment", &stated.runner, Claim::RunnerEnvironment),
        ("run", &stated.invocation, Claim::RunInvocationUri),
    ] {
        if let Some(value) = value
            && stated.workflow.is_some()
        {
            lies.claim(what, value, claim, |a, b| a == b);
        }
    }
    if stated.build_type == GITHUB_BUILD_TYPE {
        lies.claim("builder", &stated.builder, Claim::BuildSignerUri, |a, b| a == b);
    }
    lies.findings
}

/// For build types of others: the source they name first is the certificate's, if they name one at all
/// in the certificate's repository.
fn compare_source(stated: &Stated, identity: &Identity) -> Vec<Finding> {
    let mut lies = Lies { identity, findings: Vec::new() };
    let Some(certified) = identity.claim(Claim::SourceRepositoryUri) else { return Vec::new() };
    if let Some(git) = stated.git.first()
        && same_repository(&git.repository, certified)
        && git.reference.as_deref() == identity.claim(Claim::SourceRepositoryRef)
        && let Some(commit) = &git.commit
    {
        lies.claim("commit", commit, Claim::SourceRepositoryDigest, str::eq_ignore_ascii_case);
    }
    lies.findings
}

struct Lies<'a> {
    identity: &'a Identity,
    findings: Vec<Finding>,
}

impl Lies<'_> {
    /// Compares what is stated with a claim; a claim that the certificate does not make backs nothing.
    fn claim(&mut self, what: &str, stated: &str, claim: Claim, same: impl Fn(&str, &str) -> bool) {
        let message = match self.identity.claim(claim) {
            Some(certified) if same(stated, certified) => return,
            Some(certified) => format!(
                "the provenance names `{stated}` as the {what}, the certificate names `{certified}` as the {}",
                claim.name()
            ),
            None => format!(
                "the provenance names `{stated}` as the {what}, and the certificate vouches for no {}",
                claim.name()
            ),
        };
        self.findings.push(Finding::error(&PROVENANCE_CONTRADICTS_CERTIFICATE, message).help(
            "do not use this artifact; ask who runs the signing workflow how the statement came to be",
        ));
    }
}
