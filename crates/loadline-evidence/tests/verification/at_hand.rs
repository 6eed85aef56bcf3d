//! Bundles at hand, GitHub's attestations, and logs that are asked.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use loadline_core::{Digest, Verdict};
use loadline_evidence::{
    Collected, Consumer, Found, GitHubSource, Limits, Sources, Start, Verification, ask_logs, conclude,
    verify_from,
};
use loadline_registry::{Http, HttpOptions};
use loadline_sigstore::{TrustRoot, TrustRoots, Verifier};
use serde_json::{Value, json};

use crate::stage::{PROVENANCE, SBOM, Setting, Stage, now, sbom};

async fn verify(stage: &Stage, sources: Sources, predicates: &[&str]) -> (Verification, Collected) {
    let (verifier, policy) = (stage.verifier(), stage.policy(|_| {}));
    let predicate_types: Vec<String> = predicates.iter().map(|&name| name.to_owned()).collect();
    let consumer = Consumer {
        verifier: &verifier,
        policy: &policy,
        predicate_types: &predicate_types,
        platforms: &[],
        version: None,
        now: now(),
        limits: Limits::default(),
    };
    verify_from(&sources, Start::Digest(stage.index.digest.clone()), &consumer).await
}

#[tokio::test]
async fn bundles_at_hand_count_wherever_they_speak_of() {
    let stage = Stage::bare(Setting::default()).await;
    let mut bundles = vec![Found::new("p.json", stage.sign(&stage.provenance(&stage.all())).await)];
    for child in &stage.children {
        bundles.push(Found::new("s.json", stage.sign(&sbom(&[&child.digest])).await));
    }
    let sources = |registry: bool, bundles: &[Found]| Sources {
        registry: registry.then(|| stage.repository.clone()),
        bundles: bundles.to_vec(),
        github: None,
        everything: false,
    };
    let (verification, _) = verify(&stage, sources(true, &bundles), &[PROVENANCE, SBOM]).await;
    assert_eq!(verification.outcome.verdict(), Verdict::Pass, "{:#?}", verification.outcome);
    let (verification, _) = verify(&stage, sources(true, &bundles[..2]), &[PROVENANCE, SBOM]).await;
    assert_eq!(verification.outcome.verdict(), Verdict::Fail);
    // Without the registry the index alone is judged, and that is said.
    let (verification, collected) = verify(&stage, sources(false, &bundles), &[PROVENANCE]).await;
    assert_eq!(verification.outcome.verdict(), Verdict::Pass);
    assert_eq!(verification.outcome.findings[0].code.name, "platforms-not-seen");
    assert!(collected.manifest.is_none() && collected.hanging[&stage.index.digest].found.len() == 3);
    let (verification, _) = verify(&stage, sources(false, &bundles), &[SBOM]).await;
    assert_eq!(verification.outcome.verdict(), Verdict::Fail);
}

#[tokio::test]
async fn what_was_collected_is_concluded_again_without_asking_anybody() {
    let stage = Stage::good().await;
    let sources = Sources { registry: Some(stage.repository.clone()), ..Sources::default() };
    let (verification, collected) = verify(&stage, sources, &[PROVENANCE, SBOM]).await;
    assert_eq!(verification.outcome.verdict(), Verdict::Pass);
    let Stage { sandbox, .. } = &stage;
    let (verifier, policy) = (stage.verifier(), stage.policy(|_| {}));
    let predicate_types = [PROVENANCE.to_owned(), SBOM.to_owned()];
    let consumer = Consumer {
        verifier: &verifier,
        policy: &policy,
        predicate_types: &predicate_types,
        platforms: &[],
        version: None,
        now: now(),
        limits: Limits::default(),
    };
    let again = conclude(&collected, &consumer, &std::collections::BTreeMap::default());
    assert_eq!(again.outcome, verification.outcome);

    // The log bears it out.
    let client = reqwest::Client::new();
    let asked = ask_logs(&collected, &verifier, &client).await;
    assert_eq!(asked.len(), 3, "a bundle of provenance, an SBOM a platform");
    assert_eq!(conclude(&collected, &consumer, &asked).outcome.verdict(), Verdict::Pass);
    // A log that cannot be asked leaves it open; one that is another's does not.
    for (address, verdict, code) in [
        ("http://127.0.0.1:9".to_owned(), Verdict::Unknown, "log-unreachable"),
        (Stage::good().await.moved_log(), Verdict::Unknown, "log-unreachable"),
    ] {
        let mut root: Value =
            serde_json::from_slice(&std::fs::read(&sandbox.ready().trusted_root).unwrap()).unwrap();
        root["tlogs"][0]["baseUrl"] = json!(address);
        let root = TrustRoot::from_json("r", &serde_json::to_vec(&root).unwrap()).unwrap();
        let elsewhere = Verifier::new(TrustRoots::only(root));
        let asked = ask_logs(&collected, &elsewhere, &client).await;
        let seen = conclude(&collected, &consumer, &asked);
        assert_eq!(seen.outcome.verdict(), verdict, "{:#?}", seen.outcome);
        assert_eq!(seen.outcome.failures[0].code.name, code);
    }
}

/// GitHub's API over some bundles.
struct Api {
    bundles: Vec<(Digest, Value)>,
    status: StatusCode,
}

async fn attestations(
    State(api): State<Arc<Api>>,
    Path((owner, name, digest)): Path<(String, String, String)>,
) -> Result<Json<Value>, StatusCode> {
    if api.status != StatusCode::OK {
        return Err(api.status);
    }
    assert_eq!((owner.as_str(), name.as_str()), ("acme", "widget"));
    let found: Vec<Value> = api
        .bundles
        .iter()
        .filter(|(subject, _)| subject.to_string() == digest)
        .map(|(_, bundle)| json!({"repository_id": 1, "bundle": bundle}))
        .collect();
    if found.is_empty() { Err(StatusCode::NOT_FOUND) } else { Ok(Json(json!({"attestations": found}))) }
}

async fn github(api: Api) -> GitHubSource {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new()
        .route("/repos/{owner}/{name}/attestations/{digest}", get(attestations))
        .with_state(Arc::new(api));
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    let options = loadline_github::Options { address, ..loadline_github::Options::default() };
    GitHubSource {
        http: Http::new(HttpOptions::default()),
        options,
        repository: "acme/widget".parse().unwrap(),
    }
}

#[tokio::test]
async fn what_github_has_counts_and_github_that_does_not_answer_leaves_it_open() {
    let stage = Stage::bare(Setting::default()).await;
    stage.attest_provenance().await;
    let mut bundles = Vec::new();
    for child in &stage.children {
        let bundle = stage.sign(&sbom(&[&child.digest])).await;
        bundles.push((child.digest.clone(), serde_json::from_slice(&bundle).unwrap()));
    }
    let sources = |github: GitHubSource| Sources {
        registry: Some(stage.repository.clone()),
        github: Some(github),
        everything: false,
        ..Sources::default()
    };
    let full = github(Api { bundles, status: StatusCode::OK }).await;
    let (verification, _) = verify(&stage, sources(full), &[PROVENANCE, SBOM]).await;
    assert_eq!(verification.outcome.verdict(), Verdict::Pass, "{:#?}", verification.outcome);
    let row = verification.tree.rows.iter().find(|row| row.demand.predicate_type.as_deref() == Some(SBOM));
    assert_eq!(row.unwrap().proven[0].source, "GitHub's attestations of acme/widget");

    let empty = github(Api { bundles: Vec::new(), status: StatusCode::OK }).await;
    let (verification, _) = verify(&stage, sources(empty), &[PROVENANCE, SBOM]).await;
    assert_eq!(verification.outcome.verdict(), Verdict::Fail, "it answered that it has nothing");
    for status in [StatusCode::FORBIDDEN, StatusCode::TOO_MANY_REQUESTS, StatusCode::BAD_GATEWAY] {
        let down = github(Api { bundles: Vec::new(), status }).await;
        let (verification, _) = verify(&stage, sources(down), &[PROVENANCE, SBOM]).await;
        assert_eq!(verification.outcome.verdict(), Verdict::Unknown, "{status}");
        assert_eq!(verification.outcome.failures[0].code.name, "evidence-source-failed");
    }
    // What suffices elsewhere is not asked for there.
    let down = github(Api { bundles: Vec::new(), status: StatusCode::BAD_GATEWAY }).await;
    let (verification, _) = verify(&stage, sources(down), &[PROVENANCE]).await;
    assert_eq!(verification.outcome.verdict(), Verdict::Pass);
    assert!(verification.outcome.failures.is_empty());
}
