//! GitHub's API as it behaves: pages, bundles elsewhere, refusals, limits.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{Response, StatusCode};
use loadline_core::{Digest, Secret};
use loadline_github::{
    ConnectionProblem, GitHub, GitHubError, GitHubErrorKind, Limits, Options, RepositorySlug,
};
use serde_json::{Value, json};

/// Status, headers and body.
type Answer = (u16, Vec<(&'static str, String)>, Vec<u8>);

/// What is answered to a path with its query; what was asked, and with which token.
#[derive(Default)]
struct Server {
    answers: HashMap<String, Answer>,
    asked: Vec<(String, Option<String>)>,
}

type Shared = Arc<Mutex<Server>>;

async fn answer(State(server): State<Shared>, request: Request) -> Response<Body> {
    let mut server = server.lock().unwrap();
    let path = request.uri().path_and_query().unwrap().to_string();
    let token = request.headers().get("authorization").map(|value| value.to_str().unwrap().to_owned());
    server.asked.push((path.clone(), token));
    let bare = path.split('?').next().unwrap().to_owned();
    let found = server.answers.get(&path).or_else(|| server.answers.get(&bare));
    let Some((status, headers, body)) = found else {
        return Response::builder().status(StatusCode::NOT_FOUND).body(Body::from("{}")).unwrap();
    };
    let mut response = Response::builder().status(*status);
    for (name, value) in headers {
        response = response.header(*name, value);
    }
    response.body(Body::from(body.clone())).unwrap()
}

struct Stage {
    server: Shared,
    address: String,
    github: GitHub,
}

impl Stage {
    async fn start() -> Self {
        let server = Shared::default();
        let router = Router::new().fallback(answer).with_state(Arc::clone(&server));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let options = Options {
            address: address.clone(),
            token: Some(Secret::new("hunter2")),
            time_limit: Duration::from_secs(5),
            ..Options::default()
        };
        let github = GitHub::new(reqwest::Client::new(), options).unwrap();
        Self { server, address, github }
    }

    fn set(&self, path: &str, status: u16, headers: &[(&'static str, &str)], body: impl Into<Vec<u8>>) {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        self.server.lock().unwrap().answers.insert(path.to_owned(), (status, headers, body.into()));
    }

    fn asked(&self) -> Vec<(String, Option<String>)> {
        std::mem::take(&mut self.server.lock().unwrap().asked)
    }

    fn list_path() -> String {
        format!("/repos/acme/widget/attestations/{}", digest())
    }

    async fn list(&self, limits: &Limits) -> Result<loadline_github::Listing, GitHubError> {
        self.github.attestations(&slug(), &digest(), None, limits).await
    }
}

fn slug() -> RepositorySlug {
    "acme/widget".parse().unwrap()
}

fn digest() -> Digest {
    Digest::of("an image")
}

fn page(bundles: &[Value]) -> Vec<u8> {
    let items: Vec<Value> =
        bundles.iter().map(|bundle| json!({"repository_id": 1, "bundle": bundle})).collect();
    json!({"attestations": items}).to_string().into_bytes()
}

fn snappy(bytes: &[u8]) -> Vec<u8> {
    snap::raw::Encoder::new().compress_vec(bytes).unwrap()
}

#[tokio::test]
async fn every_page_is_read_and_bundles_elsewhere_are_fetched_without_the_token() {
    let stage = Stage::start().await;
    let next = format!("<{}/two?after=x>; rel=\"next\"", stage.address);
    stage.set(&Stage::list_path(), 200, &[("link", &next)], page(&[json!({"n": 1}), json!({"n": 2})]));
    let elsewhere = format!("{}/blob?sig=secret", stage.address);
    let last = json!({"attestations": [{"bundle": null, "bundle_url": elsewhere}, {"bundle": {"n": 4}}]});
    stage.set("/two", 200, &[], last.to_string());
    stage.set("/blob", 200, &[], snappy(br#"{"n":3}"#));
    let listing = stage.list(&Limits::default()).await.unwrap();
    let texts: Vec<&str> =
        listing.bundles.iter().map(|listed| std::str::from_utf8(&listed.bytes).unwrap()).collect();
    assert_eq!(texts, [r#"{"n":1}"#, r#"{"n":2}"#, r#"{"n":4}"#, r#"{"n":3}"#]);
    assert!(listing.complete && !listing.not_found && listing.errors.is_empty());
    let asked = stage.asked();
    assert!(asked[0].0.contains("per_page=30"), "{asked:?}");
    assert_eq!(asked[0].1.as_deref(), Some("Bearer hunter2"));
    assert_eq!(asked[1].1.as_deref(), Some("Bearer hunter2"));
    assert_eq!((asked[2].0.as_str(), &asked[2].1), ("/blob?sig=secret", &None));
}

#[tokio::test]
async fn the_predicate_type_is_asked_for_and_nothing_there_is_no_error() {
    let stage = Stage::start().await;
    let listing = stage
        .github
        .attestations(&slug(), &digest(), Some("https://slsa.dev/provenance/v1"), &Limits::default())
        .await
        .unwrap();
    assert!(listing.not_found && listing.bundles.is_empty() && listing.complete);
    let asked = stage.asked();
    assert!(asked[0].0.contains("predicate_type=https%3A%2F%2Fslsa.dev%2Fprovenance%2Fv1"), "{asked:?}");
}

#[tokio::test]
async fn limits_hold_and_are_told() {
    let stage = Stage::start().await;
    let next = format!("<{}/two>; rel=\"next\"", stage.address);
    stage.set(&Stage::list_path(), 200, &[("link", &next)], page(&[json!({"n": 1}), json!({"n": 2})]));
    stage.set("/two", 200, &[], page(&[json!({"n": 3})]));
    let limits = Limits { bundles: 2, ..Limits::default() };
    let listing = stage.list(&limits).await.unwrap();
    assert_eq!((listing.bundles.len(), listing.complete), (2, false));
    let limits = Limits { pages: 1, ..Limits::default() };
    assert!(!stage.list(&limits).await.unwrap().complete);

    // A page that is too large is not read to its end.
    let limits = Limits { all_bytes: 10, ..Limits::default() };
    let error = stage.list(&limits).await.unwrap_err();
    assert!(matches!(error.kind, GitHubErrorKind::TooLarge { limit: 10, .. }), "{error}");

    // A bundle elsewhere that claims to be huge when unpacked is not unpacked.
    let bomb = snappy(&vec![b' '; 4096]);
    stage.set("/bomb", 200, &[], bomb);
    stage.set("/garbage", 200, &[], "no snappy at all");
    let urls =
        ["bomb", "garbage", "gone"].map(|name| json!({"bundle_url": format!("{}/{name}", stage.address)}));
    let body = json!({"attestations": [urls[0], urls[1], urls[2], {"bundle": {"n": 1}}, {}]});
    stage.set(&Stage::list_path(), 200, &[], body.to_string());
    let limits = Limits { bundle_bytes: 1000, ..Limits::default() };
    let listing = stage.list(&limits).await.unwrap();
    assert_eq!(listing.bundles.len(), 1);
    let kinds: Vec<String> = listing.errors.iter().map(|error| error.kind.to_string()).collect();
    assert_eq!(kinds.len(), 4, "{kinds:?}");
    assert!(kinds[0].contains("neither bundle nor bundle_url"), "{kinds:?}");
    assert!(kinds[1].contains("more than 1000 bytes"), "{kinds:?}");
    assert!(kinds[2].contains("no snappy block"), "{kinds:?}");
    assert!(kinds[3].contains("HTTP 404"), "{kinds:?}");
}

#[tokio::test]
async fn pages_that_lead_away_or_round_in_a_circle_are_told_and_the_token_stays_at_home() {
    let stage = Stage::start().await;
    stage.set(
        &Stage::list_path(),
        200,
        &[("link", "<http://127.0.0.1:1/x>; rel=\"next\"")],
        page(&[json!({})]),
    );
    let error = stage.list(&Limits::default()).await.unwrap_err();
    assert!(error.to_string().contains("elsewhere"), "{error}");
    let own = format!("<{}/two>; rel=\"next\"", stage.address);
    stage.set(&Stage::list_path(), 200, &[("link", &own)], page(&[json!({"n": 1})]));
    stage.set("/two", 200, &[("link", &own)], page(&[json!({"n": 2})]));
    let listing = stage.list(&Limits::default()).await.unwrap();
    assert_eq!(listing.bundles.len(), 2);
    assert!(listing.errors[0].to_string().contains("circle"), "{:?}", listing.errors);
    stage.set("/two", 503, &[], "");
    let listing = stage.list(&Limits::default()).await.unwrap();
    assert_eq!((listing.bundles.len(), listing.errors.len()), (1, 1));
    assert!(listing.errors[0].is_transient());
}

#[tokio::test]
async fn refusals_say_what_is_missing_and_whether_to_come_back() {
    let stage = Stage::start().await;
    let path = "/repos/acme/widget/attestations";
    let say = |message: &str| json!({"message": message}).to_string();
    let add = async || stage.github.attest(&slug(), br#"{"mediaType":"x"}"#).await;

    stage.set(path, 403, &[], say("Resource not accessible by integration"));
    let error = add().await.unwrap_err();
    assert!(error.is_permission() && !error.is_transient());
    let text = error.to_string();
    assert!(text.contains("attestations: write") && text.contains("not accessible"), "{text}");
    assert!(stage.github.may_attest(&slug()).await.unwrap_err().is_permission());

    stage.set(path, 401, &[], say("Bad credentials"));
    assert_eq!(add().await.unwrap_err().code().name, "github-permission");

    for (status, headers, message, wait) in [
        (429, vec![("retry-after", "7")], "slow down", Some(7)),
        (403, vec![("retry-after", "3")], "You have exceeded a secondary rate limit", Some(3)),
        (403, vec![], "You have exceeded a secondary rate limit", None),
        (
            403,
            vec![("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "99999999999")],
            "API rate limit exceeded",
            Some(1),
        ),
    ] {
        stage.set(path, status, &headers, say(message));
        let error = add().await.unwrap_err();
        assert_eq!(error.code().name, "github-rate-limited", "{error}");
        assert!(error.is_transient() && !error.is_permission());
        match wait {
            Some(1) => assert!(error.retry_after().unwrap() > Duration::from_secs(1000)),
            wait => assert_eq!(error.retry_after(), wait.map(Duration::from_secs)),
        }
    }

    stage.set(path, 422, &[], say("bundle is invalid"));
    let error = add().await.unwrap_err();
    assert!(error.to_string().contains("bundle is invalid") && !error.is_transient());
    assert!(stage.github.may_attest(&slug()).await.is_ok());
    stage.set(path, 502, &[], "<html>Bad Gateway</html>");
    assert!(add().await.unwrap_err().is_transient());
    stage.set(path, 404, &[], say("Not Found"));
    assert_eq!(add().await.unwrap_err().kind, GitHubErrorKind::NotFound);
    stage.set(path, 201, &[], r#"{"id": 42}"#);
    assert_eq!(add().await, Ok(42));
    stage.set(path, 201, &[], "[]");
    assert_eq!(add().await.unwrap_err().code().name, "github-answer");
}

#[tokio::test]
async fn refused_unresolved_and_silent_are_told_apart() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let of = |address: String| {
        let options = Options { address, time_limit: Duration::from_millis(700), ..Options::default() };
        GitHub::new(reqwest::Client::builder().no_proxy().build().unwrap(), options).unwrap()
    };
    let ask = async |github: GitHub| {
        github.attestations(&slug(), &digest(), None, &Limits::default()).await.unwrap_err()
    };
    let refused = ask(of(format!("http://{free}"))).await;
    assert!(
        matches!(refused.kind, GitHubErrorKind::Connection { problem: ConnectionProblem::Refused, .. }),
        "{refused:?}"
    );
    assert!(refused.is_transient() && refused.to_string().contains("refuses connections"));
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let timed_out = ask(of(format!("http://{}", silent.local_addr().unwrap()))).await;
    assert!(matches!(timed_out.kind, GitHubErrorKind::TimedOut { .. }), "{timed_out:?}");
}

#[tokio::test]
async fn an_enterprise_server_has_its_api_below_a_path() {
    let stage = Stage::start().await;
    let options = Options { address: format!("{}/api/v3", stage.address), ..Options::default() };
    let github = GitHub::new(reqwest::Client::new(), options).unwrap();
    stage.set("/api/v3/repos/acme/widget/attestations", 201, &[], r#"{"id": 7}"#);
    assert_eq!(github.attest(&slug(), b"{}").await, Ok(7));
    let next = format!("<{}/api/v3/two?after=x>; rel=\"next\"", stage.address);
    stage.set(&format!("/api/v3{}", Stage::list_path()), 200, &[("link", &next)], page(&[json!({"n": 1})]));
    stage.set("/api/v3/two", 200, &[], page(&[json!({"n": 2})]));
    let listing = github.attestations(&slug(), &digest(), None, &Limits::default()).await.unwrap();
    assert_eq!(listing.bundles.len(), 2);
    assert!(stage.asked().iter().all(|(_, token)| token.is_none()), "no token was given");
}
