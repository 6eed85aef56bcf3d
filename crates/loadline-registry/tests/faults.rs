//! Registries that misbehave: the right error, no needless try, nothing leaked.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response};
use axum::routing::{any, get};
use loadline_core::media_type::{OCI_INDEX, OCI_LAYER, OCI_MANIFEST};
use loadline_core::{Clock, Digest};
use loadline_registry::{
    Backoff, BlobSource, ConnectionProblem, Descriptor, Pushed, ReferrersSource, RegistryError,
    RegistryErrorKind, Repository,
};
use support::{answer, client_with, evidence, faulty, options, push_image, quirky, sandbox};
use tokio::io::AsyncWriteExt;

const INDEX: &str = r#"{"schemaVersion":2,"manifests":[]}"#;

fn index() -> Response<Body> {
    answer(200, &[("content-type", OCI_INDEX)], INDEX)
}

fn problem(error: &RegistryError) -> Option<ConnectionProblem> {
    match error.kind() {
        RegistryErrorKind::Connection { problem, .. } => Some(*problem),
        _ => None,
    }
}

#[tokio::test]
async fn what_passes_is_tried_again() {
    let server = faulty(&[
        "GET manifests:503*2",
        "HEAD blobs:429;retry-after=0*1",
        "POST uploads:500*1",
        "PUT uploads:reset*1",
        "PUT manifests:502*1",
        "GET blobs:truncate*1",
    ])
    .await;
    let repository = server.repository("app");
    let content = "x".repeat(300_000);
    let (image, bytes) = push_image(&repository, content.as_bytes()).await;
    let manifest = repository.manifest(&image.digest.to_string()).await.unwrap();
    assert_eq!(manifest.bytes, bytes);
    let layer = &manifest.as_image().unwrap().layers[0];
    assert_eq!(repository.blob(layer, 1 << 20).await.unwrap(), content);
}

#[tokio::test]
async fn an_upload_that_breaks_is_begun_anew() {
    let server = faulty(&["PUT uploads:reset*2"]).await;
    let repository = server.repository("app");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("blob");
    let content = vec![7u8; 5_000_000];
    std::fs::write(&path, &content).unwrap();
    let source = BlobSource::File { path, digest: Digest::of(&content), size: content.len() as u64 };
    assert_eq!(repository.push_blob(source.clone()).await.unwrap(), Pushed::Sent);
    assert!(repository.has_blob(&source.digest()).await.unwrap());
    assert_eq!(server.count("POST"), 3, "{:?}", server.asked());
}

#[tokio::test]
async fn what_is_refused_is_not_tried_again() {
    for (status, check) in [
        (400, (|k| matches!(k, RegistryErrorKind::Protocol { status: Some(400), .. })) as fn(&_) -> bool),
        (403, |k| matches!(k, RegistryErrorKind::Denied { .. })),
        (404, |k| matches!(k, RegistryErrorKind::NotFound)),
        (405, |k| matches!(k, RegistryErrorKind::Unsupported { .. })),
        (401, |k| matches!(k, RegistryErrorKind::Unauthorised { .. })),
        (501, |k| matches!(k, RegistryErrorKind::Protocol { status: Some(501), .. })),
    ] {
        let reason = r#"{"errors":[{"code":"WHY","message":"be\u0007cause\nof this"}]}"#;
        let server = quirky(Router::new().fallback(move || async move {
            answer(status, &[("content-type", "application/json")], reason)
        }))
        .await;
        let error = server.repository("app").manifest("v1").await.unwrap_err();
        assert!(check(error.kind()), "{status}: {error}");
        assert_eq!(server.asked().len(), 1, "{status}");
        assert!(error.to_string().contains(&format!("cannot read the manifest v1 at {}/app", server.host)));
        if matches!(status, 400 | 403) {
            assert!(error.to_string().contains("WHY: because of this"), "{error}");
        }
    }
}

#[tokio::test]
async fn retry_after_is_honoured_in_seconds_and_as_a_date() {
    let now: jiff::Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    for header in ["1", "Thu, 01 Jan 2026 00:00:01 GMT"] {
        let calls = Arc::new(AtomicUsize::new(0));
        let server = quirky(Router::new().fallback(move || {
            let first = calls.fetch_add(1, Ordering::SeqCst) == 0;
            async move { if first { answer(429, &[("retry-after", header)], "") } else { index() } }
        }))
        .await;
        let mut options = options();
        options.clock = Clock::Fixed(now);
        let repository = Repository::at(&client_with(options), server.name("app"));
        let before = Instant::now();
        repository.manifest("v1").await.unwrap();
        assert!(before.elapsed() >= Duration::from_secs(1), "{header}");
        assert_eq!(server.asked().len(), 2);
    }
}

#[tokio::test]
async fn a_long_wait_is_not_waited_for() {
    let server =
        quirky(Router::new().fallback(|| async { answer(429, &[("retry-after", "3600")], "slow down") }))
            .await;
    let before = Instant::now();
    let error = server.repository("app").tags().await.unwrap_err();
    assert!(before.elapsed() < Duration::from_secs(1));
    assert_eq!(server.asked().len(), 1);
    let hour = Some(Duration::from_secs(3600));
    assert!(matches!(error.kind(), RegistryErrorKind::RateLimited { retry_after } if *retry_after == hour));
    assert_eq!(error.retry_after(), hour);
}

#[tokio::test]
async fn an_endless_manifest_ends_at_the_limit() {
    let server = quirky(Router::new().fallback(|| async {
        let chunk = bytes::Bytes::from(vec![b' '; 64 << 10]);
        let endless = futures_util::stream::repeat_with(move || Ok::<_, std::io::Error>(chunk.clone()));
        answer(200, &[("content-type", OCI_INDEX)], Body::from_stream(endless))
    }))
    .await;
    let client = support::client();
    let error = Repository::at(&client, server.name("app")).manifest("v1").await.unwrap_err();
    assert!(matches!(error.kind(), RegistryErrorKind::TooLarge { .. }), "{error}");
    assert!(client.counters().bytes_received < 6 << 20);
    assert_eq!(server.asked().len(), 1);
}

#[tokio::test]
async fn other_content_than_asked_for_is_refused() {
    let server = quirky(Router::new().fallback(|| async { index() })).await;
    let repository = server.repository("app");
    let digest = Digest::of("something else");
    let error = repository.manifest(&digest.to_string()).await.unwrap_err();
    assert!(
        matches!(error.kind(), RegistryErrorKind::DigestMismatch { expected, .. } if *expected == digest),
        "{error}"
    );
    let blob = Descriptor::new(OCI_LAYER, digest, INDEX.len() as u64);
    let error = repository.blob(&blob, 1000).await.unwrap_err();
    assert!(matches!(error.kind(), RegistryErrorKind::DigestMismatch { .. }), "{error}");
    let folder = tempfile::tempdir().unwrap();
    for size in [INDEX.len() as u64, 3, 1000] {
        let blob = Descriptor { size, ..blob.clone() };
        let error = repository.blob_to_file(&blob, &folder.path().join("out")).await.unwrap_err();
        assert!(matches!(error.kind(), RegistryErrorKind::DigestMismatch { .. }), "{error}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
    assert_eq!(server.asked().len(), 5, "a lie is not asked for twice");

    // A registry that lies about what a tag leads to.
    let lie = Digest::of("lie").to_string();
    let server = quirky(Router::new().fallback(move || {
        let lie = lie.clone();
        async move { answer(200, &[("content-type", OCI_INDEX), ("docker-content-digest", &lie)], INDEX) }
    }))
    .await;
    let error = server.repository("app").manifest("v1").await.unwrap_err();
    assert!(matches!(error.kind(), RegistryErrorKind::DigestMismatch { .. }), "{error}");
    let digest = Digest::of(INDEX).to_string();
    let error = server.repository("app").resolve(&digest).await.unwrap_err();
    assert!(matches!(error.kind(), RegistryErrorKind::DigestMismatch { .. }), "{error}");
}

#[tokio::test]
async fn registries_that_leave_out_headers_are_understood() {
    // No digest, no media type, no length at HEAD.
    let server = quirky(Router::new().fallback(|request: axum::extract::Request| async move {
        if request.method() == "HEAD" {
            answer(200, &[], "")
        } else {
            answer(200, &[("content-type", "application/json")], INDEX)
        }
    }))
    .await;
    let found = server.repository("app").resolve("v1").await.unwrap().unwrap();
    assert_eq!(found, Descriptor::of(OCI_INDEX, INDEX.as_bytes()));
}

async fn observed(State(seen): State<Arc<AtomicUsize>>, headers: HeaderMap) -> Response<Body> {
    if headers.contains_key("authorization") {
        seen.fetch_add(1, Ordering::SeqCst);
    }
    answer(200, &[], "blob")
}

#[tokio::test]
async fn a_redirect_to_another_host_carries_no_credential() {
    let leaks = Arc::new(AtomicUsize::new(0));
    let elsewhere = quirky(Router::new().fallback(get(observed)).with_state(Arc::clone(&leaks))).await;
    let target = format!("http://{}/signed?token=x", elsewhere.host);
    let server = quirky(Router::new().fallback(move |headers: HeaderMap| {
        let target = target.clone();
        async move {
            match headers.get("authorization") {
                None => answer(401, &[("www-authenticate", "Basic realm=\"r\"")], ""),
                Some(_) => answer(307, &[("location", &target)], ""),
            }
        }
    }))
    .await;
    let mut options = options();
    options.credentials.insert(server.host.clone(), loadline_registry::Credential::basic("bob", "hunter2"));
    let client = client_with(options);
    let repository = Repository::at(&client, server.name("app"));
    let blob = Descriptor::of(OCI_LAYER, b"blob");
    assert_eq!(repository.blob(&blob, 100).await.unwrap(), "blob");
    assert_eq!(elsewhere.asked(), ["GET /signed?token=x"]);
    assert_eq!(leaks.load(Ordering::SeqCst), 0);
    assert_eq!(server.count("+auth"), 1);
}

#[tokio::test]
async fn redirects_without_end_are_given_up() {
    let server =
        quirky(Router::new().fallback(|| async { answer(307, &[("location", "/v2/app/again")], "") })).await;
    let error = server.repository("app").tags().await.unwrap_err();
    assert_eq!(problem(&error), Some(ConnectionProblem::Redirect), "{error}");
    assert!(server.asked().len() < 10);
}

#[tokio::test]
async fn an_upload_session_elsewhere_gets_no_credential() {
    let elsewhere = quirky(Router::new().fallback(|| async { answer(201, &[], "") })).await;
    let location = format!("http://{}/session?state=1", elsewhere.host);
    let server = quirky(Router::new().fallback(move |request: axum::extract::Request| {
        let location = location.clone();
        async move {
            if !request.headers().contains_key("authorization") {
                return answer(401, &[("www-authenticate", "Basic realm=\"r\"")], "");
            }
            match request.method().as_str() {
                "HEAD" => answer(404, &[], ""),
                _ => answer(202, &[("location", &location)], ""),
            }
        }
    }))
    .await;
    let mut options = options();
    options.credentials.insert(server.host.clone(), loadline_registry::Credential::basic("bob", "hunter2"));
    let repository = Repository::at(&client_with(options), server.name("app"));
    assert_eq!(repository.push_blob(BlobSource::Bytes("x".into())).await.unwrap(), Pushed::Sent);
    let digest = Digest::of("x").to_string().replace(':', "%3A");
    assert_eq!(elsewhere.asked(), [format!("PUT /session?state=1&digest={digest}")]);
}

#[tokio::test]
async fn a_missing_location_is_an_error_and_no_panic() {
    let server = quirky(Router::new().fallback(|request: axum::extract::Request| async move {
        match request.method().as_str() {
            "HEAD" => answer(404, &[], ""),
            "POST" => answer(202, &[], ""),
            // A manifest's Location is nothing that is needed.
            _ => answer(201, &[], ""),
        }
    }))
    .await;
    let repository = server.repository("app");
    let error = repository.push_blob(BlobSource::Bytes("x".into())).await.unwrap_err();
    assert!(error.to_string().contains("no Location header"), "{error}");
    assert!(repository.push_manifest(OCI_INDEX, INDEX).await.unwrap().sent);
}

#[tokio::test]
async fn a_registry_that_cannot_say_is_an_error_and_never_none() {
    let server = faulty(&["GET referrers:429;retry-after=0"]).await;
    let repository = server.repository("app");
    let (image, _) = push_image(&repository, b"x").await;
    let error = repository.referrers(&image.digest).await.unwrap_err();
    assert!(matches!(error.kind(), RegistryErrorKind::RateLimited { .. }), "{error}");
    // The same on the fallback tag.
    let faults = loadline_sandbox::registry::Faults::parse(["GET manifests/sha256-:503"], 1).unwrap();
    let server = sandbox(|config| (config.no_referrers, config.faults) = (true, faults)).await;
    let repository = server.repository("app");
    let (image, _) = push_image(&repository, b"x").await;
    let error = repository.referrers(&image.digest).await.unwrap_err();
    assert_eq!(error.status(), Some(503), "{error}");
}

#[tokio::test]
async fn a_web_page_is_no_list_of_referrers() {
    let server = quirky(Router::new().fallback(|request: axum::extract::Request| async move {
        if request.uri().path().contains("/referrers/") {
            answer(200, &[("content-type", "text/html")], "<html>")
        } else if request.uri().path().contains("/manifests/sha256-") {
            index()
        } else {
            answer(404, &[], "")
        }
    }))
    .await;
    let found = server.repository("app").referrers(&Digest::of("x")).await.unwrap();
    assert_eq!(found.source, ReferrersSource::FallbackTag);
}

#[tokio::test]
async fn a_subject_is_not_its_own_referrer_and_pages_do_not_go_round() {
    let subject = Digest::of("subject");
    let page = format!(
        r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}","manifests":[
            {{"mediaType":"{OCI_MANIFEST}","digest":"{subject}","size":1}},
            {{"mediaType":"{OCI_MANIFEST}","digest":"{0}","size":1}},
            {{"mediaType":"{OCI_MANIFEST}","digest":"{0}","size":1}}]}}"#,
        Digest::of("evidence")
    );
    let shown = page.clone();
    let server = quirky(Router::new().fallback(move || {
        let page = shown.clone();
        async move { answer(200, &[("content-type", OCI_INDEX)], page) }
    }))
    .await;
    let found = server.repository("app").referrers(&subject).await.unwrap();
    assert_eq!(found.descriptors.len(), 1);

    let circle = page.clone();
    let server = quirky(Router::new().fallback(move |request: axum::extract::Request| {
        let page = circle.clone();
        let link = format!("<{}>; rel=\"next\"", request.uri());
        async move { answer(200, &[("content-type", OCI_INDEX), ("link", &link)], page) }
    }))
    .await;
    let error = server.repository("app").referrers(&subject).await.unwrap_err();
    assert!(error.to_string().contains("circle"), "{error}");

    // Pages without end: what was read comes back, and that it is not all.
    let calls = Arc::new(AtomicUsize::new(0));
    let server = quirky(Router::new().fallback(move || {
        let page = page.clone();
        let link =
            format!("</v2/app/referrers/x?page={}>; rel=\"next\"", calls.fetch_add(1, Ordering::SeqCst));
        async move { answer(200, &[("content-type", OCI_INDEX), ("link", &link)], page) }
    }))
    .await;
    let found = server.repository("app").referrers(&subject).await.unwrap();
    assert_eq!((found.descriptors.len(), found.complete), (1, false));
    assert_eq!(server.asked().len(), 100);

    let elsewhere = quirky(Router::new().fallback(|| async { answer(404, &[], "") })).await;
    let link = format!("<http://{}/v2/app/tags/list>; rel=\"next\"", elsewhere.host);
    let server = quirky(Router::new().fallback(move || {
        let link = link.clone();
        async move { answer(200, &[("link", &link)], r#"{"tags":["a"]}"#) }
    }))
    .await;
    let error = server.repository("app").tags().await.unwrap_err();
    assert!(error.to_string().contains("another host"), "{error}");
    assert_eq!(elsewhere.asked().len(), 0);
}

#[tokio::test]
async fn a_registry_that_acknowledges_subjects_without_listing_them_gets_the_fallback_tag() {
    // As ECR does: OCI-Subject comes, the API is not there.
    let real = sandbox(|config| config.no_referrers = true).await;
    let upstream = real.host.clone();
    let http = reqwest::Client::new();
    let server = quirky(Router::new().fallback(any(move |request: axum::extract::Request| {
        let (http, upstream) = (http.clone(), upstream.clone());
        async move {
            let url = format!("http://{upstream}{}", request.uri());
            let (parts, body) = request.into_parts();
            let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
            let mut headers = parts.headers;
            headers.remove("host");
            let reply =
                http.request(parts.method.clone(), url).headers(headers).body(body).send().await.unwrap();
            let mut builder = Response::builder().status(reply.status());
            *builder.headers_mut().unwrap() = reply.headers().clone();
            if parts.method == "PUT" {
                builder = builder.header("oci-subject", "sha256:whatever");
            }
            builder.body(Body::from(reply.bytes().await.unwrap())).unwrap()
        }
    })))
    .await;
    let repository = server.repository("app");
    let (image, _) = push_image(&repository, b"x").await;
    let manifest = evidence(&repository, &image, "one").await;
    let attached = repository.attach(OCI_MANIFEST, manifest).await.unwrap();
    assert_eq!(attached.listed, ReferrersSource::FallbackTag);
    assert_eq!(repository.referrers(&image.digest).await.unwrap().descriptors.len(), 1);
}

#[tokio::test]
async fn a_slow_registry_runs_out_of_time() {
    let server = faulty(&["GET manifests:delay=3s"]).await;
    let mut options = options();
    options.time_limit = Duration::from_millis(200);
    options.backoff = Backoff { attempts: 2, ..options.backoff };
    let before = Instant::now();
    let error = Repository::at(&client_with(options), server.name("app")).manifest("v1").await.unwrap_err();
    assert!(matches!(error.kind(), RegistryErrorKind::TimedOut { .. }), "{error}");
    assert!(before.elapsed() < Duration::from_secs(2));
}

#[tokio::test]
async fn connections_that_fail_are_told_apart() {
    // Refused: a port that was free a moment ago.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    drop(listener);
    let at =
        |host: &str, options| Repository::at(&client_with(options), format!("{host}/app").parse().unwrap());
    let error = at(&host, options()).tags().await.unwrap_err();
    assert_eq!(problem(&error), Some(ConnectionProblem::Refused), "{error}");

    // No TLS on the other side; tried once.
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let connections = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&connections);
    let task = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::SeqCst);
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        }
    });
    let mut secure = options();
    secure.secure_loopback.push(host.clone());
    let error = at(&host, secure).tags().await.unwrap_err();
    assert_eq!(problem(&error), Some(ConnectionProblem::Tls), "{error}");
    assert_eq!(connections.load(Ordering::SeqCst), 1, "TLS errors are not tried again");
    task.abort();

    // A connection that is cut, each time.
    let server = faulty(&["GET tags:lost"]).await;
    let error = server.repository("app").tags().await.unwrap_err();
    assert_eq!(problem(&error), Some(ConnectionProblem::Reset), "{error}");
    assert_eq!(server.count("tags"), 4);

    let mut few = options();
    few.backoff.attempts = 1;
    let error = at("no-such-host.invalid", few).tags().await.unwrap_err();
    assert_eq!(problem(&error), Some(ConnectionProblem::Dns), "{error}");
}
