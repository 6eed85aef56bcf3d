//! How evidence adds up.

use std::collections::BTreeMap;
use std::slice::from_ref;

use loadline_core::predicate::slsa_provenance::PREDICATE_TYPE as PROVENANCE;
use loadline_core::{Code, Digest, Failure, Finding, Platform, Severity, Verdict};
use loadline_policy::{
    Candidate, Demand, Gathered, IndexEvidence, Judged, Policy, Row, Target, add_up, add_up_all, demands,
};
use serde_json::json;

use crate::proof::*;

static BAD: Code = Code::new("bundle-malformed", "a test", "a test");
static DOWN: Code = Code::new("registry-unreachable", "a test", "a test");

fn demand() -> Demand {
    Demand {
        target: Target { digest: digest(), platform: None, index: None },
        predicate_type: Some(PROVENANCE.to_owned()),
    }
}

fn good() -> Candidate {
    candidate(&builder().build(), proof())
}

/// Somebody else's, genuine.
fn foreign() -> Candidate {
    let mut proof = proof();
    identity(&mut proof).subject = "dev@evil.example".to_owned();
    candidate(&builder().build(), proof)
}

fn malformed() -> Candidate {
    Candidate {
        source: "a registry".to_owned(),
        result: Judged::Bad(Finding::error(&BAD, "bundle refused: it is no bundle").about(&digest())),
    }
}

fn down() -> Failure {
    Failure::new(&DOWN, "no answer")
}

fn row(candidates: &[Candidate], failures: &[Failure]) -> Row {
    let row = add_up(&demand(), IndexEvidence::default(), candidates, failures);
    // What a row's findings and failures come to is its verdict, however they are added up further.
    assert_eq!(row.outcome().verdict(), row.verdict);
    row
}

#[test]
fn one_good_bundle_is_enough_and_bad_ones_are_notes() {
    let row = row(&[malformed(), foreign(), good()], &[down()]);
    assert_eq!((row.verdict, row.proven.len()), (Verdict::Pass, 1));
    assert!(row.findings.iter().all(|finding| finding.severity == Severity::Note));
    let codes: Vec<_> = row.findings.iter().map(|finding| finding.code.name).collect();
    assert_eq!(codes, ["bundle-malformed", "signer-workflow-mismatch"]);
    assert_eq!(row.proven[0].signer(), SUBJECT);
    assert_eq!((row.proven[0].log_index(), row.proven[0].commit().as_deref()), (Some(7), Some(COMMIT)));
}

#[test]
fn only_bad_ones_fail_with_their_reasons() {
    let row = row(&[malformed(), foreign()], &[]);
    assert_eq!(row.verdict, Verdict::Fail);
    assert_eq!(errors(&row.findings), ["bundle-malformed", "signer-workflow-mismatch", "evidence-missing"]);
    assert_eq!(errors(&self::row(&[], &[]).findings), ["evidence-missing"]);
}

#[test]
fn a_source_that_is_down_makes_it_unknown_unless_it_is_proven() {
    for candidates in [vec![], vec![malformed()], vec![foreign(), malformed()]] {
        let row = row(&candidates, &[down()]);
        assert_eq!((row.verdict, errors(&row.findings).len()), (Verdict::Unknown, 0));
        assert_eq!(row.outcome().failures, [down()]);
    }
    let row = row(&[good()], &[down()]);
    assert_eq!(row.verdict, Verdict::Pass);
    assert!(row.outcome().failures.is_empty());
}

#[test]
fn what_is_about_something_else_does_not_count_and_is_not_mentioned() {
    let policy = builder().build();
    let sbom = candidate(&policy, proof_of(SBOM, &json!({}), &[digest()]));
    let elsewhere = candidate(&policy, proof_of(PROVENANCE, &provenance(), &[Digest::of("another")]));
    let mut stray = malformed();
    if let Judged::Bad(finding) = &mut stray.result {
        finding.digest = Some(Digest::of("another"));
    }
    let row = row(&[sbom.clone(), elsewhere, stray], &[]);
    assert_eq!(errors(&row.findings), ["evidence-missing"]);
    assert_eq!(row.findings.len(), 1);
    let mut any = demand();
    any.predicate_type = None;
    assert_eq!(add_up(&any, IndexEvidence::default(), [&sbom], &[]).verdict, Verdict::Pass);
}

fn image() -> (Vec<Target>, Digest, [Digest; 2]) {
    let index = Digest::of("index");
    let children = [Digest::of("amd64"), Digest::of("arm64")];
    let platforms = ["linux/amd64", "linux/arm64"].map(|text| text.parse::<Platform>().unwrap());
    let targets = children
        .iter()
        .zip(platforms)
        .map(|(digest, platform)| Target {
            digest: digest.clone(),
            platform: Some(platform),
            index: Some(index.clone()),
        })
        .collect();
    (targets, index, children)
}

fn judged_for(policy: &Policy, predicate_type: &str, subjects: &[Digest]) -> Candidate {
    let predicate = if predicate_type == PROVENANCE { provenance() } else { json!({}) };
    let proof = proof_of(predicate_type, &predicate, subjects);
    let context = loadline_policy::JudgeContext::new(subjects[0].clone(), context().now);
    let findings = loadline_policy::judge(policy, &proof, &context);
    Candidate { source: "s".to_owned(), result: Judged::Proven { proof: proof.into(), findings } }
}

#[test]
fn every_platform_is_proven_wherever_the_evidence_hangs() {
    let policy = builder().build();
    let (targets, index, [amd64, arm64]) = image();
    let table = demands(&targets, &[PROVENANCE.to_owned(), SBOM.to_owned()]);
    let hang = |places: Vec<(&Digest, Vec<Candidate>)>| {
        places
            .into_iter()
            .map(|(digest, candidates)| (digest.clone(), Gathered { candidates, failures: vec![] }))
            .collect::<BTreeMap<_, _>>()
    };
    let verdicts = |gathered: &BTreeMap<Digest, Gathered>, rule| {
        let tree = add_up_all(&table, rule, gathered);
        (tree.verdict(), tree.rows.iter().map(|row| row.verdict).collect::<Vec<_>>())
    };
    use Verdict::{Fail, Pass, Unknown};
    let everything = hang(vec![
        (&index, vec![judged_for(&policy, PROVENANCE, &[index.clone(), amd64.clone(), arm64.clone()])]),
        (&amd64, vec![judged_for(&policy, SBOM, from_ref(&amd64))]),
        (&arm64, vec![judged_for(&policy, SBOM, from_ref(&arm64))]),
    ]);
    assert_eq!(verdicts(&everything, IndexEvidence::Nothing), (Pass, vec![Pass; 4]));

    // All about the index: its provenance counts for what it lists, its SBOM looked at one platform.
    let on_index = hang(vec![(
        &index,
        vec![judged_for(&policy, PROVENANCE, from_ref(&index)), judged_for(&policy, SBOM, from_ref(&index))],
    )]);
    assert_eq!(verdicts(&on_index, IndexEvidence::Provenance), (Fail, vec![Pass, Fail, Pass, Fail]));
    assert_eq!(verdicts(&on_index, IndexEvidence::Everything), (Pass, vec![Pass; 4]));
    assert_eq!(verdicts(&on_index, IndexEvidence::Nothing), (Fail, vec![Fail; 4]));
    let tree = add_up_all(&table, IndexEvidence::Provenance, &on_index);
    assert_eq!(errors(&tree.rows[1].findings), ["evidence-on-index-only"]);

    // One platform without its SBOM, and nobody to ask: unknown for it; fail beats it elsewhere.
    let mut partly = everything.clone();
    partly.insert(arm64.clone(), Gathered { candidates: vec![], failures: vec![down()] });
    assert_eq!(verdicts(&partly, IndexEvidence::Provenance), (Unknown, vec![Pass, Pass, Pass, Unknown]));
    partly.insert(amd64.clone(), Gathered::default());
    assert_eq!(verdicts(&partly, IndexEvidence::Provenance), (Fail, vec![Pass, Fail, Pass, Unknown]));
    assert_eq!(add_up_all(&[], IndexEvidence::Provenance, &partly).verdict(), Unknown);
}

#[test]
fn evidence_of_another_image_proves_nothing() {
    let policy = builder().build();
    let (targets, index, [amd64, _]) = image();
    let foreign = Digest::of("another index");
    let gathered = BTreeMap::from([(
        index,
        Gathered { candidates: vec![judged_for(&policy, PROVENANCE, &[foreign, amd64])], failures: vec![] },
    )]);
    let tree = add_up_all(&demands(&targets, &[PROVENANCE.to_owned()]), IndexEvidence::Everything, &gathered);
    assert_eq!(tree.rows.iter().map(|row| row.verdict).collect::<Vec<_>>(), [Verdict::Pass, Verdict::Fail]);
}
