//! The real program against a registry that lists a thousand hostile referrers: the right verdict, in bounded
//! time, memory and requests.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod released;
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use loadline_core::Digest;
use released::Released;
use serde_json::{Value, json};
use support::Run;

const BUNDLE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const COUNT: usize = 1000;
/// What the whole process may take.
const MEMORY: u64 = 192 << 10;

/// What the registry does to whoever asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Hostility {
    /// A thousand things of other kinds, before and after the good ones.
    OtherThings,
    /// A thousand that say they are bundles of another predicate, and lead nowhere.
    Nowhere,
    /// A thousand that say they are what is asked for, and lead nowhere.
    Lookalikes,
    /// A thousand whose manifests are as large as may be, and no manifests.
    Huge,
    /// A thousand that are the image itself, over and over.
    Itself,
    /// Pages that go round in a circle.
    Circle,
    /// Pages without an end.
    Endless,
    /// One page without an end.
    Stream,
}

struct Front {
    behind: String,
    hostility: Hostility,
    requests: AtomicU64,
    client: reqwest::Client,
}

impl Front {
    async fn start(behind: &str, hostility: Hostility) -> (String, Arc<Self>) {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let front = Arc::new(Self {
            behind: behind.to_owned(),
            hostility,
            requests: AtomicU64::new(0),
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
        });
        let router = Router::new().fallback(answer).with_state(Arc::clone(&front));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (address, front)
    }

    /// What the registry behind says.
    async fn forward(&self, request: Request) -> Response {
        let url = format!("http://{}{}", self.behind, request.uri());
        let mut forwarded = self.client.request(request.method().clone(), url);
        if let Some(accept) = request.headers().get(header::ACCEPT) {
            forwarded = forwarded.header(header::ACCEPT, accept);
        }
        let answer = forwarded.send().await.unwrap();
        let (status, headers) = (answer.status(), answer.headers().clone());
        let mut response = (status, answer.bytes().await.unwrap()).into_response();
        for name in [header::CONTENT_TYPE, header::LINK] {
            if let Some(value) = headers.get(&name) {
                response.headers_mut().insert(name, value.clone());
            }
        }
        response
    }

    fn false_ones(&self, subject: &str) -> Vec<Value> {
        let predicate = if self.hostility == Hostility::Lookalikes {
            "https://cyclonedx.org/bom"
        } else {
            "https://example.com/bogus"
        };
        let one = |number: usize| match self.hostility {
            Hostility::OtherThings => json!({"mediaType": MANIFEST, "digest": Digest::of(number.to_string()),
                "size": 100, "artifactType": "application/x.thing"}),
            Hostility::Itself => {
                json!({"mediaType": MANIFEST, "digest": subject, "size": 100, "artifactType": BUNDLE})
            }
            _ => json!({"mediaType": MANIFEST, "digest": Digest::of(number.to_string()), "size": 100,
                "artifactType": BUNDLE, "annotations": {"dev.sigstore.bundle.predicateType": predicate}}),
        };
        (0..COUNT).map(one).collect()
    }
}

async fn answer(State(front): State<Arc<Front>>, request: Request) -> Response {
    front.requests.fetch_add(1, Ordering::SeqCst);
    let path = request.uri().path().to_owned();
    let query = request.uri().query().unwrap_or_default().to_owned();
    let index = |entries: Vec<Value>| {
        let body = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
                          "manifests": entries});
        ([(header::CONTENT_TYPE, "application/vnd.oci.image.index.v1+json")], body.to_string())
            .into_response()
    };
    let Some((_, subject)) = path.split_once("/referrers/") else {
        let answer = front.forward(request).await;
        let is_bogus = answer.status() == StatusCode::NOT_FOUND && path.contains("/manifests/sha256:");
        if front.hostility == Hostility::Huge && is_bogus {
            return ([(header::CONTENT_TYPE, MANIFEST)], vec![b' '; 4 << 20]).into_response();
        }
        return answer;
    };
    match front.hostility {
        Hostility::Stream => {
            let flood = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b' '; 64 << 10]));
            ([(header::CONTENT_TYPE, "application/vnd.oci.image.index.v1+json")], Body::from_stream(flood))
                .into_response()
        }
        Hostility::Circle | Hostility::Endless => {
            let page: u64 = query.strip_prefix("page=").map_or(0, |page| page.parse().unwrap());
            let next = if front.hostility == Hostility::Circle { 0 } else { page + 1 };
            let link = format!("<{path}?page={next}>; rel=\"next\"");
            let mut response = if page == 0 {
                front.forward(request).await
            } else {
                index(vec![json!({"mediaType": MANIFEST, "digest": Digest::of(page.to_string()), "size": 9,
                                  "artifactType": "application/x.thing"})])
            };
            response.headers_mut().insert(header::LINK, HeaderValue::from_str(&link).unwrap());
            response
        }
        _ => {
            let mut entries = front.false_ones(subject);
            let good = front.forward(request).await;
            let good = axum::body::to_bytes(good.into_body(), 1 << 20).await.unwrap();
            let good: Value = serde_json::from_slice(&good).unwrap();
            entries.extend(good["manifests"].as_array().unwrap().iter().cloned());
            index(entries)
        }
    }
}

/// A run, how long it took, the most memory it had in KiB, and its requests.
struct Measured {
    run: Run,
    took: Duration,
    peak: u64,
    requests: u64,
}

fn measure(released: &Released, hostility: Hostility) -> Measured {
    let ready = released.sandbox.ready();
    let (address, front) = released.runtime.block_on(Front::start(&ready.registry, hostility));
    let image = format!("{address}/acme/widget:1.0.0");
    let root = ready.trusted_root.display().to_string();
    let args = ["verify", "--trusted-root", &root, "--issuer", &ready.issuer, "--format", "json", &image];
    let begun = Instant::now();
    let (run, peak) = released.project.run_watched(&args);
    Measured { run, took: begun.elapsed(), peak, requests: front.requests.load(Ordering::SeqCst) }
}

#[test]
fn a_thousand_hostile_referrers() {
    let released = Released::new();
    let honest = released.json(&[&released.server.0]);
    assert_eq!(honest.code, Some(0), "{}", honest.stdout);
    // Three digests, a hundred pages and 64 referrers of each looked at at most, and the few good bundles.
    let most = 3 * (100 + 64 + 4) + 10;
    for (hostility, code) in [
        (Hostility::OtherThings, 0),
        (Hostility::Nowhere, 0),
        (Hostility::Lookalikes, 3),
        (Hostility::Huge, 0),
        (Hostility::Itself, 0),
        // A list that cannot be read to its end may have left out anything.
        (Hostility::Circle, 3),
        (Hostility::Endless, 0),
        (Hostility::Stream, 3),
    ] {
        let seen = measure(&released, hostility);
        println!("{hostility:?}: {:?}, {} MiB, {} requests", seen.took, seen.peak >> 10, seen.requests);
        assert_eq!(seen.run.code, Some(code), "{hostility:?}: {}\n{}", seen.run.stdout, seen.run.stderr);
        assert!(seen.took < Duration::from_secs(60), "{hostility:?}: {:?}", seen.took);
        assert!(seen.peak < MEMORY, "{hostility:?}: {} KiB", seen.peak);
        assert!(seen.requests <= most, "{hostility:?}: {} requests", seen.requests);
    }
}
