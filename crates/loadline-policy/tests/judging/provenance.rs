//! Provenance that says something else than its certificate.

use loadline_core::predicate::release_build::BUILD_TYPE;
use loadline_core::proof::{Claim, Signer};
use loadline_policy::judge;
use serde_json::{Value, json};

use crate::proof::*;

fn codes(predicate: &Value) -> Vec<&'static str> {
    judged(&builder().build(), &proof_of("https://slsa.dev/provenance/v1", predicate, &[digest()]))
}

fn changed(pointer: &str, value: Value) -> Value {
    let mut predicate = provenance();
    *predicate.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer}")) = value;
    predicate
}

const LIE: &str = "provenance-contradicts-certificate";

#[test]
fn every_member_that_the_certificate_knows() {
    assert!(codes(&provenance()).is_empty());
    let workflow = "/buildDefinition/externalParameters/workflow";
    let github = "/buildDefinition/internalParameters/github";
    let git = "/buildDefinition/resolvedDependencies/0";
    for (pointer, value, lies) in [
        (format!("{workflow}/repository"), json!("https://github.com/evil/widget"), 2),
        (format!("{workflow}/path"), json!(".github/workflows/pr.yml"), 1),
        (format!("{workflow}/ref"), json!("refs/tags/v1"), 1),
        (format!("{git}/uri"), json!("git+https://github.com/evil/widget@refs/heads/main"), 1),
        (format!("{git}/uri"), json!("git+https://github.com/acme/widget@refs/heads/other"), 1),
        (format!("{git}/digest/gitCommit"), json!("fedcba9876543210fedcba9876543210fedcba98"), 1),
        (format!("{git}/digest"), json!({}), 1),
        ("/buildDefinition/resolvedDependencies".to_owned(), json!([]), 1),
        (format!("{github}/repository_id"), json!("99"), 1),
        (format!("{github}/repository_owner_id"), json!(99), 1),
        (format!("{github}/event_name"), json!("pull_request"), 1),
        (format!("{github}/runner_environment"), json!("self-hosted"), 1),
        ("/runDetails/builder/id".to_owned(), json!("https://github.com/evil/builder@refs/heads/main"), 1),
        (
            "/runDetails/metadata/invocationId".to_owned(),
            json!("https://github.com/acme/widget/actions/runs/2/attempts/1"),
            1,
        ),
    ] {
        assert_eq!(codes(&changed(&pointer, value.clone())), vec![LIE; lies], "{pointer} {value}");
    }
}

#[test]
fn a_certificate_that_vouches_for_nothing_backs_nothing() {
    let mut mail = proof();
    identity(&mut mail).claims.clear();
    let codes = judged(&builder().build(), &mail);
    assert!(!codes.is_empty() && codes.iter().all(|code| *code == LIE), "{codes:?}");
    let mut partly = proof();
    identity(&mut partly).claims.remove(&Claim::SourceRepositoryDigest);
    assert_eq!(judged(&builder().build(), &partly), [LIE]);
    // A key vouches for nothing, and says so by being one: whoever demands it knows.
    let mut key = proof();
    key.signer = Signer::Key { spki_sha256: "aa".to_owned() };
    assert_eq!(judged(&builder().build(), &key), ["key-mismatch"]);
}

#[test]
fn our_own_build_type() {
    let commit = "fedcba9876543210fedcba9876543210fedcba98";
    let ours = |workflow: Value, dependencies: Value| {
        json!({"buildDefinition": {"buildType": BUILD_TYPE,
                                   "externalParameters": {"workflow": workflow, "image": "orchestrator"},
                                   "resolvedDependencies": dependencies},
               "runDetails": {"builder": {"id": "https://loadline.dev/builders/buildx"}}})
    };
    let dependency = |name: &str, reference: &str, commit: &str| {
        json!({"name": name, "uri": format!("git+https://github.com/acme/widget@{reference}"),
               "digest": {"gitCommit": commit}})
    };
    let workflow =
        json!({"repository": REPOSITORY, "ref": "refs/heads/main", "path": ".github/workflows/release.yml"});
    // An old tag, built by the workflow of today: both are named, and the workflow's is certified.
    let old_tag = json!([
        dependency("source", "refs/tags/v1", commit),
        dependency("workflow", "refs/heads/main", COMMIT)
    ]);
    assert!(codes(&ours(workflow.clone(), old_tag)).is_empty());
    let same = json!([dependency("source", "refs/heads/main", COMMIT)]);
    assert!(codes(&ours(workflow.clone(), same)).is_empty());
    let lie = json!([
        dependency("source", "refs/tags/v1", commit),
        dependency("workflow", "refs/heads/main", commit)
    ]);
    assert_eq!(codes(&ours(workflow.clone(), lie)), [LIE]);
    let unnamed = json!([dependency("source", "refs/heads/main", commit)]);
    assert_eq!(codes(&ours(workflow, unnamed)), [LIE]);
    // Outside a workflow nothing is claimed that a certificate could back.
    let local = ours(Value::Null, json!([dependency("source", "refs/heads/main", commit)]));
    assert!(codes(&local).is_empty());
}

#[test]
fn build_types_of_others_are_held_against_their_source_and_said() {
    let other = |commit: &str| {
        let mut predicate = provenance();
        predicate["buildDefinition"]["buildType"] = json!("https://example.com/build/v1");
        predicate["buildDefinition"]["resolvedDependencies"][0]["digest"]["gitCommit"] = json!(commit);
        proof_of("https://slsa.dev/provenance/v1", &predicate, &[digest()])
    };
    let policy = builder().build();
    let findings = judge(&policy, &other(COMMIT), &context());
    assert!(matches!(&findings[..], [note] if note.code.name == "provenance-not-compared"), "{findings:?}");
    assert_eq!(judged(&policy, &other("fedcba9876543210fedcba9876543210fedcba98")), [LIE]);
    let v02 = |commit: &str| {
        let predicate = json!({"buildType": "t", "builder": {"id": "b"}, "invocation": {"configSource": {
            "uri": "git+https://github.com/acme/widget@refs/heads/main", "digest": {"sha1": commit}}}});
        judged(&policy, &proof_of("https://slsa.dev/provenance/v0.2", &predicate, &[digest()]))
    };
    assert!(v02(COMMIT).is_empty());
    assert_eq!(v02("fedcba9876543210fedcba9876543210fedcba98"), [LIE]);
}

#[test]
fn what_is_not_shaped_like_a_provenance() {
    for predicate in [json!({}), json!({"buildDefinition": 1}), json!({"runDetails": {}})] {
        assert_eq!(codes(&predicate), ["provenance-malformed"], "{predicate}");
    }
}
