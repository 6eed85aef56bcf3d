//! A proof as a workflow of `acme/widget` makes it, and the policy it satisfies.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use loadline_core::predicate::release_build::GITHUB_BUILD_TYPE;
use loadline_core::predicate::slsa_provenance;
use loadline_core::proof::{
    Claim, Content, Identity, Inclusion, LogProof, Proof, Signer, SigningTime, TimeSource,
};
use loadline_core::statement::{STATEMENT_V1, Subject};
use loadline_core::{Digest, Finding, Severity};
use loadline_policy::{Candidate, IdentityRule, JudgeContext, Judged, Policy, PolicyBuilder, judge};
use serde_json::{Value, json};

pub(crate) const REPOSITORY: &str = "https://github.com/acme/widget";
pub(crate) const WORKFLOW: &str = ".github/workflows/build.yml";
pub(crate) const SUBJECT: &str = "https://github.com/acme/widget/.github/workflows/build.yml@refs/heads/main";
pub(crate) const TOP: &str = "https://github.com/acme/widget/.github/workflows/release.yml@refs/heads/main";
pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
pub(crate) const RUN: &str = "https://github.com/acme/widget/actions/runs/1/attempts/1";
pub(crate) const ISSUER: &str = "https://token.actions.githubusercontent.com";
pub(crate) const SBOM: &str = "https://cyclonedx.org/bom";

pub(crate) fn digest() -> Digest {
    Digest::of("an image")
}

pub(crate) fn time(text: &str) -> Timestamp {
    text.parse().unwrap()
}

pub(crate) fn context() -> JudgeContext {
    JudgeContext::new(digest(), time("2026-06-10T12:00:00Z"))
}

/// What GitHub's own action writes for such a run.
pub(crate) fn provenance() -> Value {
    json!({
        "buildDefinition": {
            "buildType": GITHUB_BUILD_TYPE,
            "externalParameters": {"workflow": {
                "ref": "refs/heads/main", "repository": REPOSITORY, "path": ".github/workflows/release.yml"}},
            "internalParameters": {"github": {
                "event_name": "push", "repository_id": "1", "repository_owner_id": "2",
                "runner_environment": "github-hosted"}},
            "resolvedDependencies": [
                {"uri": "git+https://github.com/acme/widget@refs/heads/main", "digest": {"gitCommit": COMMIT}}]},
        "runDetails": {"builder": {"id": SUBJECT}, "metadata": {"invocationId": RUN}}})
}

pub(crate) fn proof_of(predicate_type: &str, predicate: &Value, subjects: &[Digest]) -> Proof {
    let claims = [
        (Claim::BuildSignerUri, SUBJECT),
        (Claim::RunnerEnvironment, "github-hosted"),
        (Claim::SourceRepositoryUri, REPOSITORY),
        (Claim::SourceRepositoryDigest, COMMIT),
        (Claim::SourceRepositoryRef, "refs/heads/main"),
        (Claim::SourceRepositoryIdentifier, "1"),
        (Claim::SourceRepositoryOwnerIdentifier, "2"),
        (Claim::BuildConfigUri, TOP),
        (Claim::BuildTrigger, "push"),
        (Claim::RunInvocationUri, RUN),
    ];
    Proof {
        signer: Signer::Certificate(Box::new(Identity {
            subject: SUBJECT.to_owned(),
            issuer: ISSUER.to_owned(),
            authority: "sigstore.dev".to_owned(),
            claims: claims
                .map(|(claim, value)| (claim, value.to_owned()))
                .into_iter()
                .collect::<BTreeMap<_, _>>(),
        })),
        content: Content::Statement {
            statement_type: STATEMENT_V1.to_owned(),
            subjects: subjects.iter().map(|digest| Subject::new("image", digest)).collect(),
            predicate_type: predicate_type.to_owned(),
            predicate: predicate.to_string().into_bytes(),
            sha256: Digest::of(predicate.to_string()).hex().to_owned(),
        },
        log: Some(LogProof {
            log_index: 7,
            integrated_time: None,
            log_id: "AAAA".to_owned(),
            inclusion: Inclusion::Proof,
        }),
        times: vec![SigningTime {
            at: time("2026-06-09T12:00:00Z"),
            by: TimeSource::Authority("https://tsa.example".to_owned()),
        }],
        sct: true,
        instance: "a test".to_owned(),
    }
}

/// A provenance of [`digest`].
pub(crate) fn proof() -> Proof {
    proof_of(slsa_provenance::PREDICATE_TYPE, &provenance(), &[digest()])
}

pub(crate) fn identity(proof: &mut Proof) -> &mut Identity {
    match &mut proof.signer {
        Signer::Certificate(identity) => identity,
        Signer::Key { .. } => panic!("a key"),
    }
}

pub(crate) fn builder() -> PolicyBuilder {
    Policy::builder().identity(IdentityRule::github_workflow("github.com/acme/widget", WORKFLOW))
}

/// The codes of all errors.
pub(crate) fn errors(findings: &[Finding]) -> Vec<&'static str> {
    findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .map(|finding| finding.code.name)
        .collect()
}

pub(crate) fn judged(policy: &Policy, proof: &Proof) -> Vec<&'static str> {
    errors(&judge(policy, proof, &context()))
}

pub(crate) fn candidate(policy: &Policy, proof: Proof) -> Candidate {
    let findings = judge(policy, &proof, &context());
    Candidate { source: "a registry".to_owned(), result: Judged::Proven { proof: Arc::new(proof), findings } }
}
