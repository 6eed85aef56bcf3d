//! Each rule, satisfied and not.

use jiff::SignedDuration;
use loadline_core::proof::{Claim, Content, Inclusion, Signer};
use loadline_core::{Digest, Severity};
use loadline_policy::rules::age::MaxAge;
use loadline_policy::rules::base_images::BaseImages;
use loadline_policy::rules::build_type::BuildType;
use loadline_policy::rules::builder::Builder;
use loadline_policy::rules::commit::{Commit, SameCommit};
use loadline_policy::rules::git_ref::GitRef;
use loadline_policy::rules::repository_id::RepositoryId;
use loadline_policy::rules::runner::NoSelfHosted;
use loadline_policy::rules::source_repository::SourceRepository;
use loadline_policy::rules::workflow::Workflow;
use loadline_policy::{CODES, IdentityRule, Policy, Rule, SubjectRule, TextRule, judge};
use serde_json::json;

use crate::proof::*;

/// With the rule the good proof passes, and the bad one comes out with exactly this code.
fn decides(rule: impl Rule + Clone + 'static, code: &str, spoil: impl Fn(&mut loadline_core::proof::Proof)) {
    let policy = builder().rule(rule).build();
    assert_eq!(judged(&policy, &proof()), Vec::<&str>::new(), "{code}");
    let mut bad = proof_of(SBOM, &json!({}), &[digest()]);
    assert_eq!(judged(&policy, &bad), Vec::<&str>::new(), "{code}");
    spoil(&mut bad);
    assert_eq!(judged(&policy, &bad), [code]);
}

fn claims(claim: Claim, value: Option<&str>) -> impl Fn(&mut loadline_core::proof::Proof) {
    move |proof| {
        let claims = &mut identity(proof).claims;
        match value {
            Some(value) => drop(claims.insert(claim, value.to_owned())),
            None => drop(claims.remove(&claim)),
        }
    }
}

#[test]
fn claims_that_are_another_or_not_there() {
    for value in [None, Some("https://github.com/evil/widget"), Some("https://github.com/acme/widget-2")] {
        let rule = SourceRepository("github.com/acme/widget".to_owned());
        decides(rule, "source-repository-mismatch", claims(Claim::SourceRepositoryUri, value));
    }
    let other = "https://github.com/acme/widget/.github/workflows/pr.yml@refs/heads/main";
    for value in [None, Some(other), Some(".github/workflows/release.yml")] {
        let rule = Workflow(".github/workflows/release.yml".to_owned());
        decides(rule, "workflow-mismatch", claims(Claim::BuildConfigUri, value));
    }
    for value in [None, Some("refs/heads/main2"), Some("refs/pull/1/merge")] {
        let exact = GitRef(TextRule::exact("refs/heads/main"));
        decides(exact, "ref-mismatch", claims(Claim::SourceRepositoryRef, value));
        let pattern = GitRef(TextRule::pattern("refs/heads/(main|release-[0-9]+)").unwrap());
        decides(pattern, "ref-mismatch", claims(Claim::SourceRepositoryRef, value));
    }
    for value in [None, Some("2"), Some("11")] {
        decides(
            RepositoryId("1".to_owned()),
            "repository-id-mismatch",
            claims(Claim::SourceRepositoryIdentifier, value),
        );
    }
    for value in [None, Some("self-hosted"), Some("")] {
        decides(NoSelfHosted, "self-hosted-runner", claims(Claim::RunnerEnvironment, value));
    }
    for value in [None, Some("fedcba9876543210fedcba9876543210fedcba98")] {
        let rule = Commit { commit: COMMIT.to_uppercase() };
        decides(rule, "commit-mismatch", claims(Claim::SourceRepositoryDigest, value));
    }
}

#[test]
fn ages() {
    let day = SignedDuration::from_hours(24);
    decides(MaxAge(day), "too-old", |proof| proof.times[0].at = time("2026-06-09T11:59:59Z"));
    decides(MaxAge(day), "too-old", |proof| proof.times.clear());
    decides(MaxAge(day), "signed-in-future", |proof| proof.times[0].at = time("2026-06-12T12:00:00Z"));
    // The earliest time counts: a later one beside it makes nothing younger.
    decides(MaxAge(day), "too-old", |proof| {
        let mut old = proof.times[0].clone();
        old.at = time("2026-01-01T00:00:00Z");
        proof.times.push(old);
    });
}

#[test]
fn identities() {
    let code = |policy: &Policy, spoil: &dyn Fn(&mut loadline_core::proof::Proof)| {
        let mut bad = proof_of(SBOM, &json!({}), &[digest()]);
        spoil(&mut bad);
        judged(policy, &bad)
    };
    let subject = |subject: &str| {
        let subject = subject.to_owned();
        move |proof: &mut loadline_core::proof::Proof| identity(proof).subject = subject.clone()
    };
    let policy = builder().build();
    assert!(code(&policy, &|_| {}).is_empty());
    for other in [
        "https://github.com/evil/widget/.github/workflows/build.yml@refs/heads/main",
        "https://github.com/acme/widget/.github/workflows/build.yml.evil@refs/heads/main",
        "https://evil.example/github.com/acme/widget/.github/workflows/build.yml@refs/heads/main",
        "dev@example.com",
        "",
    ] {
        assert_eq!(code(&policy, &subject(other)), ["signer-workflow-mismatch"], "{other}");
    }
    let issuer =
        |proof: &mut loadline_core::proof::Proof| identity(proof).issuer = "https://evil.example".to_owned();
    assert_eq!(code(&policy, &issuer), ["issuer-mismatch"]);
    let enterprise =
        |proof: &mut loadline_core::proof::Proof| identity(proof).issuer = format!("{ISSUER}/hammer-time");
    assert_eq!(code(&policy, &enterprise), ["issuer-mismatch"]);

    let pattern = SubjectRule::Text(TextRule::pattern("https://github.com/acme/.*").unwrap());
    let pattern = Policy::builder()
        .identity(IdentityRule::certificate(pattern, TextRule::pattern("https://token\\..*").unwrap()))
        .build();
    assert!(code(&pattern, &|_| {}).is_empty());
    assert_eq!(
        code(&pattern, &subject("https://evil.example/https://github.com/acme/x")),
        ["identity-mismatch"]
    );

    let repository = SubjectRule::Repository("github.com/acme/widget".to_owned());
    let repository =
        Policy::builder().identity(IdentityRule::certificate(repository, TextRule::exact(ISSUER))).build();
    assert!(code(&repository, &|_| {}).is_empty());
    let near = "https://github.com/acme/widgets/.github/workflows/build.yml@refs/heads/main";
    assert_eq!(code(&repository, &subject(near)), ["identity-mismatch"]);

    // A called workflow of another repository, at one ref alone.
    let called = "github.com/acme/shared/.github/workflows/sign.yml@refs/tags/v2";
    let called = Policy::builder().identity(IdentityRule::github_workflow(REPOSITORY, called)).build();
    let at =
        |reference: &str| format!("https://github.com/acme/shared/.github/workflows/sign.yml@{reference}");
    assert!(code(&called, &subject(&at("refs/tags/v2"))).is_empty());
    assert_eq!(code(&called, &subject(&at("refs/heads/main"))), ["signer-workflow-mismatch"]);
    assert_eq!(code(&called, &|_| {}), ["signer-workflow-mismatch"]);

    let key = |spki: &str| {
        let spki = spki.to_owned();
        move |proof: &mut loadline_core::proof::Proof| {
            proof.signer = Signer::Key { spki_sha256: spki.clone() }
        }
    };
    let keyed = Policy::builder().identity(IdentityRule::key("aa")).build();
    assert!(code(&keyed, &key("aa")).is_empty());
    assert_eq!(code(&keyed, &key("bb")), ["key-mismatch"]);
    assert_eq!(code(&policy, &key("aa")), ["key-mismatch"]);
    assert_eq!(code(&keyed, &|_| {}), ["identity-mismatch"]);
}

#[test]
fn an_identity_for_a_range_of_versions() {
    let old = IdentityRule::exact("old@example.com", ISSUER).for_versions("<2".parse().unwrap());
    let new = IdentityRule::exact(SUBJECT, ISSUER).for_versions(">=2".parse().unwrap());
    let policy = Policy::builder().identity(old).or_identity(new).build();
    let at = |version: Option<&str>| {
        let mut context = context();
        context.version = version.map(|version| version.parse().unwrap());
        errors(&judge(&policy, &proof_of(SBOM, &json!({}), &[digest()]), &context))
    };
    assert!(at(Some("2.0.0")).is_empty());
    assert_eq!(at(Some("1.9.0")), ["identity-mismatch"]);
    assert_eq!(at(None), ["identity-mismatch"]);
}

#[test]
fn what_a_provenance_names() {
    let allowed = |rule: &str| vec![TextRule::pattern(rule).unwrap()];
    for (code, policy) in [
        ("build-type-mismatch", builder().rule(BuildType(allowed("https://loadline.dev/.*"))).build()),
        ("builder-mismatch", builder().rule(Builder(allowed("https://example.com/.*"))).build()),
    ] {
        assert_eq!(judged(&policy, &proof()), [code]);
        assert!(judged(&policy, &proof_of(SBOM, &json!({}), &[digest()])).is_empty());
    }
    let policy = builder().rule(BaseImages(allowed("pkg:docker/(alpine|debian)@.*"))).build();
    let with = |uri: &str| {
        let mut predicate = provenance();
        predicate["buildDefinition"]["resolvedDependencies"]
            .as_array_mut()
            .unwrap()
            .push(json!({"uri": uri}));
        judged(&policy, &proof_of("https://slsa.dev/provenance/v1", &predicate, &[digest()]))
    };
    assert!(judged(&policy, &proof()).is_empty());
    assert!(with("pkg:docker/alpine@3.20?platform=linux%2Famd64").is_empty());
    assert_eq!(with("pkg:docker/evil@3.20"), ["base-image-not-allowed"]);
    assert_eq!(with("docker-image://evil"), ["base-image-not-allowed"]);
    // This program's own provenance names them by reference.
    let pinned = format!("oci://docker.io/library/debian:13@{}", digest());
    for good in ["oci://docker.io/library/debian:13", &pinned, "docker-image://docker.io/library/alpine:3"] {
        assert!(with(good).is_empty(), "{good}");
    }
    for bad in [
        "oci://docker.io/acme/debian:13",
        "oci://ghcr.io/library/debian:13",
        "oci://docker.io/library/evil:13",
        "oci://not a reference",
        "oci-layout://base",
    ] {
        assert_eq!(with(bad), ["base-image-not-allowed"], "{bad}");
    }
}

#[test]
fn the_commit_that_was_built() {
    let built = "fedcba9876543210fedcba9876543210fedcba98";
    let mut predicate = provenance();
    predicate["buildDefinition"]["resolvedDependencies"].as_array_mut().unwrap().push(json!({
        "name": "source", "uri": "git+https://github.com/acme/widget@refs/tags/v1", "digest": {"gitCommit": built}}));
    let old_tag = proof_of("https://slsa.dev/provenance/v1", &predicate, &[digest()]);
    let commit = |commit: &str| builder().rule(Commit { commit: commit.to_owned() }).build();
    assert!(judged(&commit(built), &old_tag).is_empty());
    assert_eq!(judged(&commit(COMMIT), &old_tag), ["commit-mismatch"]);
    assert_eq!(judged(&builder().rule(SameCommit).build(), &old_tag), ["built-commit-differs"]);
    assert!(judged(&builder().rule(SameCommit).build(), &proof()).is_empty());
    // What does not say what was built is judged by what a proven provenance of the same digest says.
    let sbom = proof_of(SBOM, &json!({}), &[digest()]);
    let mut context = context();
    context.built_commit = Some(built.to_owned());
    assert!(errors(&judge(&commit(built), &sbom, &context)).is_empty());
    assert_eq!(errors(&judge(&commit(COMMIT), &sbom, &context)), ["commit-mismatch"]);
}

#[test]
fn other_subjects_and_messages() {
    let policy = builder().build();
    let other = proof_of(SBOM, &json!({}), &[Digest::of("another")]);
    assert_eq!(judged(&policy, &other), ["subject-not-named"]);
    let mut message = proof();
    message.content = Content::Message { sha256: digest().hex().to_owned() };
    assert!(judged(&policy, &message).is_empty());
    message.content = Content::Message { sha256: Digest::of("another").hex().to_owned() };
    assert_eq!(judged(&policy, &message), ["subject-not-named"]);
}

#[test]
fn a_promise_alone_is_told() {
    let mut old = proof();
    old.log.as_mut().unwrap().inclusion = Inclusion::SetOnly;
    let findings = judge(&builder().build(), &old, &context());
    assert!(
        matches!(&findings[..], [note] if note.code.name == "set-only" && note.severity == Severity::Note)
    );
}

#[test]
fn findings_say_what_was_expected_and_what_is() {
    let rule = SourceRepository("github.com/acme/gadget".to_owned());
    let findings = judge(&builder().rule(rule).build(), &proof(), &context());
    let [finding] = &findings[..] else { panic!("{findings:?}") };
    assert!(finding.message.contains("github.com/acme/gadget") && finding.message.contains(REPOSITORY));
    assert_eq!(finding.digest, Some(digest()));
}

#[test]
fn equal_policies_say_the_same() {
    let a = builder().rule(NoSelfHosted).rule(RepositoryId("1".to_owned())).build();
    let b = builder().rule(RepositoryId("1".to_owned())).rule(NoSelfHosted).build();
    assert_eq!(a.lines(), b.lines());
    assert_ne!(a.lines(), builder().rule(NoSelfHosted).build().lines());
}

#[test]
fn codes_are_kebab_case_and_each_once() {
    let mut names: Vec<_> = CODES.iter().map(|code| code.name).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    assert!(names.iter().all(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')));
}
