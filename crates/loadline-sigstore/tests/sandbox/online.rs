//! Asking the log itself.

use std::path::Path;
use std::sync::Arc;

use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use loadline_sandbox::{Options, Sandbox};
use loadline_sigstore::{
    Borne, Expected, OnlineError, RekorVersion, Signer, SigningServices, TokenSource, TrustRoot, TrustRoots,
    online,
};
use serde_json::{Value, json};

use crate::instance::{Instance, digest, now, statement, verifier};
use crate::rekor_v1::RekorV1;

fn roots(json: &Value) -> TrustRoots {
    TrustRoots::only(TrustRoot::from_json("r", &serde_json::to_vec(json).unwrap()).unwrap())
}

/// The root, with its log at another address.
fn at(instance: &Instance, address: &str) -> TrustRoots {
    let mut root = instance.root_json();
    root["tlogs"][0]["baseUrl"] = json!(address);
    roots(&root)
}

async fn ask(bundle: &[u8], roots: &TrustRoots) -> Result<Borne, OnlineError> {
    online::prove(bundle, roots, &reqwest::Client::new()).await
}

fn finding(result: Result<Borne, OnlineError>) -> &'static str {
    result.unwrap_err().judge().expect("a finding").code.name
}

fn failure(result: Result<Borne, OnlineError>) -> &'static str {
    result.unwrap_err().judge().expect_err("a failure").code.name
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test]
async fn a_log_that_goes_on_bears_its_entries_out() {
    let instance = Instance::start().await;
    let signer = instance.signer();
    let first = signer.sign_statement(&statement()).await.unwrap();
    let known = roots(&instance.root_json());
    let borne = ask(&first, &known).await.unwrap();
    assert!(borne.consistent);
    let mut later = first.clone();
    for _ in 0..4 {
        later = signer.sign_statement(&statement()).await.unwrap();
    }
    for bundle in [&first, &later] {
        let again = ask(bundle, &known).await.unwrap();
        assert_eq!(again, Borne { tree_size: borne.tree_size + 4, consistent: true });
    }
}

#[tokio::test]
async fn a_log_that_shows_another_tree_is_caught() {
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    Sandbox::start(Options::new(&one)).await.unwrap().stop().await;
    copy(&one, &two);
    // Two logs with one key: what a log looks like that forks.
    let instance = Instance::of(Sandbox::start(Options::new(&one)).await.unwrap());
    let fork = Instance::of(Sandbox::start(Options::new(&two)).await.unwrap());
    let bundle = instance.signer().sign_statement(&statement()).await.unwrap();
    let forked = at(&instance, &fork.sandbox.ready().rekor);
    // The fork is behind: it may only lag.
    assert_eq!(failure(ask(&bundle, &forked).await), "log-unreachable");
    for _ in 0..3 {
        // Issued by the first, whose certificates the second's log takes like any.
        fork.signer().sign_statement(&statement()).await.unwrap();
    }
    assert_eq!(finding(ask(&bundle, &forked).await), "log-inconsistent");
    // A log with another key.
    let other = Instance::start().await;
    other.signer().sign_statement(&statement()).await.unwrap();
    assert_eq!(finding(ask(&bundle, &at(&instance, &other.sandbox.ready().rekor)).await), "log-inconsistent");
    // A log that no root knows.
    assert_eq!(finding(ask(&bundle, &roots(&other.root_json())).await), "log-inconsistent");
    // A tree in the bundle that the log never had: the entry is there, and its beginning is another.
    let mut lying: Value = serde_json::from_slice(&bundle).unwrap();
    let mut later: Value =
        serde_json::from_slice(&fork.signer().sign_statement(&statement()).await.unwrap()).unwrap();
    let checkpoint = later["verificationMaterial"]["tlogEntries"][0]["inclusionProof"]["checkpoint"].take();
    lying["verificationMaterial"]["tlogEntries"][0]["inclusionProof"]["checkpoint"] = checkpoint;
    for _ in 0..5 {
        instance.signer().sign_statement(&statement()).await.unwrap();
    }
    let lying = serde_json::to_vec(&lying).unwrap();
    assert_eq!(finding(ask(&lying, &roots(&instance.root_json())).await), "log-inconsistent");
    assert!(ask(&bundle, &roots(&instance.root_json())).await.unwrap().consistent);
}

#[tokio::test]
async fn a_log_that_does_not_answer_leaves_the_question_open() {
    let instance = Instance::start().await;
    let bundle = instance.signer().sign_statement(&statement()).await.unwrap();
    for address in ["http://127.0.0.1:9", "http://127.0.0.1:9/"] {
        assert_eq!(failure(ask(&bundle, &at(&instance, address)).await), "log-unreachable");
    }
    // Something else answers there.
    let registry = format!("http://{}/nowhere", instance.sandbox.ready().registry);
    assert_eq!(failure(ask(&bundle, &at(&instance, &registry)).await), "log-unreachable");
    assert_eq!(finding(ask(b"{}", &roots(&instance.root_json())).await), "bundle-malformed");
}

/// What a Rekor of the first kind says of its entries.
struct Log {
    entries: Value,
    consistency: Value,
}

async fn serve(log: Log) -> (String, tokio::task::JoinHandle<()>) {
    async fn entries(State(log): State<Arc<Log>>) -> Json<Value> {
        Json(log.entries.clone())
    }
    async fn proof(
        State(log): State<Arc<Log>>,
        RawQuery(query): RawQuery,
    ) -> Result<Json<Value>, StatusCode> {
        if query.is_some_and(|query| query.contains("firstSize=1")) {
            Ok(Json(log.consistency.clone()))
        } else {
            Err(StatusCode::BAD_REQUEST)
        }
    }
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let router = Router::new()
        .route("/api/v1/log/entries", get(entries))
        .route("/api/v1/log/proof", get(proof))
        .with_state(Arc::new(log));
    (address, tokio::spawn(async move { axum::serve(listener, router).await.unwrap() }))
}

#[tokio::test]
async fn the_first_kind_of_log_is_asked_for_its_proofs() {
    let instance = Instance::start().await;
    let log = RekorV1::start(now()).await;
    let services = SigningServices::new()
        .with_fulcio(&instance.sandbox.ready().fulcio)
        .with_rekor(&log.address, RekorVersion::V1);
    let token = TokenSource::Given(instance.token());
    let signer = Signer::keyless(services, token, reqwest::Client::new()).unwrap();
    let bundle = signer.sign_statement(&statement()).await.unwrap();
    let parsed: Value = serde_json::from_slice(&bundle).unwrap();
    let entry = &parsed["verificationMaterial"]["tlogEntries"][0];
    let answer = |body: &Value| {
        let proof = &entry["inclusionProof"];
        json!({"24296fb24b8ad77a": {"body": body, "verification": {"inclusionProof": {
            "checkpoint": proof["checkpoint"]["envelope"], "hashes": [], "logIndex": 0, "treeSize": 1}}}})
    };
    let rooted = |address: &str| {
        let mut root = instance.root_json();
        root["tlogs"] = json!([log.trusted()]);
        root["tlogs"][0]["baseUrl"] = json!(address);
        root
    };
    let good = Log { entries: answer(&entry["canonicalizedBody"]), consistency: json!({"hashes": []}) };
    let (address, server) = serve(good).await;
    let root = rooted(&address);
    verifier(&root).verify(&bundle, Expected::Digest(&digest())).unwrap();
    assert_eq!(ask(&bundle, &roots(&root)).await.unwrap(), Borne { tree_size: 1, consistent: true });
    server.abort();

    let (address, server) = serve(Log { entries: answer(&json!("e30=")), consistency: json!({}) }).await;
    assert_eq!(finding(ask(&bundle, &roots(&rooted(&address))).await), "log-inconsistent");
    server.abort();
    let (address, server) = serve(Log { entries: json!({}), consistency: json!({}) }).await;
    assert_eq!(finding(ask(&bundle, &roots(&rooted(&address))).await), "log-inconsistent");
    server.abort();
    assert_eq!(failure(ask(&bundle, &roots(&rooted("http://127.0.0.1:9"))).await), "log-unreachable");
}
