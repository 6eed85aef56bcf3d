//! Servers that behave as the registries do that people use: Docker Hub, GHCR, GitLab, ECR, Harbor.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::Response;
use loadline_core::Digest;
use loadline_core::media_type::{OCI_INDEX, OCI_LAYER};
use loadline_process::Environment;
use loadline_registry::{
    BlobSource, Client, Credential, Descriptor, Http, HttpOptions, Options, Pushed, ReferrersSource,
    RegistryErrorKind, Repository,
};
use support::{Server, answer, client_with, options, quirky};

const INDEX: &str = r#"{"schemaVersion":2,"manifests":[]}"#;

fn header<'a>(request: &'a Request, name: &str) -> &'a str {
    request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("")
}

fn refusal(status: u16, code: &str, message: &str) -> Response<Body> {
    let body = serde_json::json!({"errors": [{"code": code, "message": message}]});
    answer(status, &[("content-type", "application/json")], body.to_string())
}

/// Docker Hub, which is several hosts, behind a proxy that is all of them.
async fn docker_hub(serve: fn(&Request) -> Response<Body>) -> (Server, Client) {
    let server = quirky(Router::new().fallback(move |request: Request| async move {
        let host = request.uri().host().unwrap_or_default().to_owned();
        let token = header(&request, "authorization").to_owned();
        match host.as_str() {
            "auth.docker.io" => {
                let who = if token.starts_with("Basic ") { "bob" } else { "anonymous" };
                let scope = request.uri().query().unwrap_or_default().contains("service=registry.docker.io");
                assert!(scope, "{}", request.uri());
                answer(200, &[], format!(r#"{{"token":"{who}","expires_in":300}}"#))
            }
            "registry-1.docker.io" if token.is_empty() => {
                let challenge = r#"Bearer realm="http://auth.docker.io/token",service="registry.docker.io",scope="repository:library/debian:pull""#;
                answer(401, &[("www-authenticate", challenge)], "")
            }
            "registry-1.docker.io" => serve(&request),
            // Blobs lie at a content network, which wants no token.
            "production.cloudflare.docker.com" if token.is_empty() => answer(200, &[], "blob"),
            _ => answer(400, &[], "only one kind of authorization is taken here"),
        }
    }))
    .await;
    let hosts = ["registry-1.docker.io", "auth.docker.io"].map(str::to_owned);
    let environment = Environment::empty().with("HTTP_PROXY", format!("http://{}", server.host));
    let mut options = Options { insecure: hosts.to_vec(), ..options() };
    options.credentials.insert("docker.io".into(), Credential::basic("bob", "hunter2"));
    let http = Http::new(HttpOptions { environment, ..HttpOptions::default() });
    let client = Client::new(http, options);
    (server, client)
}

#[tokio::test]
async fn docker_hub_is_several_hosts() {
    let (server, client) = docker_hub(|request| match request.uri().path() {
        path if path.contains("/manifests/") => answer(200, &[("content-type", OCI_INDEX)], INDEX),
        path if path.contains("/blobs/") => {
            let to = "http://production.cloudflare.docker.com/registry-v2/blob?verify=x";
            answer(307, &[("location", to)], "")
        }
        _ => answer(404, &[], ""),
    })
    .await;
    let repository = Repository::at(&client, "debian".parse().unwrap());
    assert_eq!(repository.manifest("13").await.unwrap().bytes, INDEX);
    assert_eq!(repository.blob(&Descriptor::of(OCI_LAYER, b"blob"), 100).await.unwrap(), "blob");
    let asked = server.asked();
    assert!(asked[0].contains("registry-1.docker.io/v2/library/debian/manifests/13"), "{asked:?}");
    assert!(asked.iter().any(|line| line.contains("auth.docker.io/token")), "{asked:?}");
    let network = asked.iter().find(|line| line.contains("cloudflare")).unwrap();
    assert!(!network.contains("+auth"), "{network}");
}

#[tokio::test]
async fn docker_hub_s_rate_limit_is_told_from_a_refusal() {
    let (server, client) = docker_hub(|_| {
        refusal(429, "TOOMANYREQUESTS", "You have reached your unauthenticated pull rate limit.")
    })
    .await;
    let repository = Repository::at(&client, "debian".parse().unwrap());
    let error = repository.manifest("13").await.unwrap_err();
    assert!(matches!(error.kind(), RegistryErrorKind::RateLimited { .. }), "{error}");
    let failure = loadline_core::Failure::from(&error);
    assert!(failure.help.unwrap().contains("log in"));
    assert_eq!(server.count("manifests/13 +auth"), 4, "tried as often as is allowed: {:?}", server.asked());
}

#[tokio::test]
async fn docker_hub_lets_an_account_in_that_may_not_push() {
    let (_server, client) = docker_hub(|request| match request.method().as_str() {
        "HEAD" => answer(404, &[], ""),
        _ => {
            let challenge = r#"Bearer realm="http://auth.docker.io/token",service="registry.docker.io",scope="repository:library/debian:pull,push",error="insufficient_scope""#;
            answer(401, &[("www-authenticate", challenge)], "")
        }
    })
    .await;
    let repository = Repository::at(&client, "debian".parse().unwrap());
    let error = repository.push_blob(BlobSource::Bytes("x".into())).await.unwrap_err();
    assert!(matches!(error.kind(), RegistryErrorKind::Denied { .. }), "{error}");
}

#[tokio::test]
async fn ghcr_has_no_referrers_api_in_whichever_way_it_says_so() {
    let page = quirky(
        Router::new()
            .fallback(|| async { answer(200, &[("content-type", "text/html; charset=utf-8")], "<html>") }),
    )
    .await;
    let elsewhere = format!("http://{}/login", page.host);
    for status in [404, 405, 303] {
        let elsewhere = elsewhere.clone();
        let server = quirky(Router::new().fallback(move |request: Request| {
            let elsewhere = elsewhere.clone();
            async move {
                match request.uri().path() {
                    path if path.contains("/referrers/") => answer(
                        status,
                        &[("location", &elsewhere), ("content-type", "text/plain")],
                        "404 page not found",
                    ),
                    path if path.contains("/manifests/sha256-") => {
                        answer(200, &[("content-type", OCI_INDEX)], INDEX)
                    }
                    _ => answer(404, &[], ""),
                }
            }
        }))
        .await;
        let found = server.repository("acme/app").referrers(&Digest::of("x")).await.unwrap();
        assert_eq!(found.source, ReferrersSource::FallbackTag, "{status}");
    }
}

#[tokio::test]
async fn ghcr_gives_no_token_for_what_is_private() {
    let server = quirky(Router::new().fallback(|request: Request| async move {
        if request.uri().path() == "/token" {
            return refusal(403, "DENIED", "requested access to the resource is denied");
        }
        let host = header(&request, "host").to_owned();
        let challenge = format!(
            r#"Bearer realm="http://{host}/token",service="ghcr.io",scope="repository:acme/app:pull""#
        );
        answer(401, &[("www-authenticate", &challenge)], "")
    }))
    .await;
    let error = server.repository("acme/app").manifest("1").await.unwrap_err();
    assert!(matches!(error.kind(), RegistryErrorKind::Unauthorised { .. }), "{error}");
    assert!(error.to_string().contains("there is no credential"), "{error}");
    assert_eq!(server.asked().len(), 2, "{:?}", server.asked());
}

/// A registry that takes uploads, with its own kind of Location.
async fn uploads(location: &'static str) -> Server {
    quirky(Router::new().fallback(move |request: Request| async move {
        match request.method().as_str() {
            "HEAD" => answer(404, &[], ""),
            "POST" => answer(202, &[("location", location)], ""),
            _ => answer(201, &[], ""),
        }
    }))
    .await
}

#[tokio::test]
async fn gitlab_and_harbor_say_where_an_upload_goes_by_path_and_state() {
    for (location, expected) in [
        // GitLab: a path. Harbor: the same with a state that must come back untouched.
        ("/v2/group/app/blobs/uploads/1?_state=a%2Bb%3D", "/v2/group/app/blobs/uploads/1?_state=a%2Bb%3D"),
        ("2?_state=x", "/v2/group/app/blobs/uploads/2?_state=x"),
        ("/v2/group/app/blobs/uploads/3", "/v2/group/app/blobs/uploads/3"),
    ] {
        let server = uploads(location).await;
        let repository = server.repository("group/app");
        assert_eq!(repository.push_blob(BlobSource::Bytes("x".into())).await.unwrap(), Pushed::Sent);
        let digest = Digest::of("x").to_string().replace(':', "%3A");
        let between = if expected.contains('?') { '&' } else { '?' };
        let put = format!("PUT {expected}{between}digest={digest}");
        assert_eq!(server.asked().last().unwrap(), &put);
    }
}

#[tokio::test]
async fn gitlab_s_tokens_come_from_its_own_service() {
    let tokens = quirky(Router::new().fallback(|request: Request| async move {
        let query = request.uri().query().unwrap_or_default().to_owned();
        let right = request.uri().path() == "/jwt/auth"
            && query.contains("service=container_registry")
            && header(&request, "authorization") == "Basic Ym9iOmh1bnRlcjI=";
        if right { answer(200, &[], r#"{"token":"jwt"}"#) } else { answer(403, &[], "") }
    }))
    .await;
    let realm = format!("http://{}/jwt/auth", tokens.host);
    let server = quirky(Router::new().fallback(move |request: Request| {
        let realm = realm.clone();
        async move {
            if header(&request, "authorization") == "Bearer jwt" {
                return answer(200, &[], r#"{"tags":["1"]}"#);
            }
            let challenge = format!(
                r#"Bearer realm="{realm}",service="container_registry",scope="repository:group/app:pull",error="invalid_token""#
            );
            answer(401, &[("www-authenticate", &challenge)], "")
        }
    }))
    .await;
    let mut options = options();
    options.credentials.insert(server.host.clone(), Credential::basic("bob", "hunter2"));
    let repository = Repository::at(&client_with(options), server.name("group/app"));
    assert_eq!(repository.tags().await.unwrap(), ["1"]);
}

#[tokio::test]
async fn ecr_takes_aws_by_name_and_mounts_nothing() {
    let posts = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&posts);
    let server = quirky(Router::new().fallback(move |request: Request| {
        let count = Arc::clone(&count);
        async move {
            if !header(&request, "authorization").starts_with("Basic ") {
                let challenge = r#"Basic realm="https://123.dkr.ecr.eu-west-1.amazonaws.com/",service="ecr.amazonaws.com""#;
                return answer(401, &[("www-authenticate", challenge)], "Not Authorized");
            }
            match request.method().as_str() {
                "HEAD" => answer(404, &[], ""),
                "POST" => {
                    count.fetch_add(1, Ordering::SeqCst);
                    let host = header(&request, "host").to_owned();
                    let location = format!("http://{host}/v2/app/blobs/uploads/1");
                    answer(202, &[("location", &location)], "")
                }
                _ => answer(201, &[], ""),
            }
        }
    }))
    .await;
    let mut options = options();
    options.credentials.insert(server.host.clone(), Credential::basic("AWS", "token"));
    let repository = Repository::at(&client_with(options), server.name("app"));
    let other = server.name("other");
    let pushed = repository.push_blob_or_mount(BlobSource::Bytes("x".into()), Some(&other)).await.unwrap();
    assert_eq!((pushed, posts.load(Ordering::SeqCst)), (Pushed::Sent, 1), "the session it opened is used");
    assert!(server.count("mount=") == 1);
    assert!(!repository.mount_blob(&Digest::of("y"), &other).await.unwrap());
}

#[tokio::test]
async fn tags_that_never_move_are_refused_once_and_with_the_registry_s_reason() {
    for (status, code, message) in [
        // ECR and Harbor.
        (
            400,
            "TAG_INVALID",
            "The image tag '1.0.0' already exists and cannot be overwritten because the repository is immutable.",
        ),
        (412, "PRECONDITION", "Failed to process request due to 'app:1.0.0' configured as immutable."),
    ] {
        let server =
            quirky(Router::new().fallback(move || async move { refusal(status, code, message) })).await;
        let error = server.repository("app").tag("1.0.0", OCI_INDEX, INDEX).await.unwrap_err();
        assert_eq!(error.status(), Some(status), "{error}");
        assert!(error.to_string().contains("immutable"), "{error}");
        assert_eq!(server.asked().len(), 1);
    }
}

#[tokio::test]
async fn harbor_answers_head_without_a_digest() {
    let server = quirky(Router::new().fallback(|request: Request| async move {
        let length = INDEX.len().to_string();
        match request.method().as_str() {
            "HEAD" => answer(200, &[("content-type", OCI_INDEX), ("content-length", &length)], ""),
            _ => answer(200, &[("content-type", OCI_INDEX)], INDEX),
        }
    }))
    .await;
    let found = server.repository("project/sub/app").resolve("1").await.unwrap().unwrap();
    assert_eq!(found.digest, Digest::of(INDEX));
    let by_digest =
        server.repository("project/sub/app").resolve(&Digest::of(INDEX).to_string()).await.unwrap();
    assert_eq!(by_digest.unwrap().size, INDEX.len() as u64);
}

#[tokio::test]
async fn variables_give_a_credential_to_their_own_host_only() {
    let guarded = || {
        quirky(Router::new().fallback(|request: Request| async move {
            match header(&request, "authorization") {
                "Basic Ym9iOmh1bnRlcjI=" => answer(200, &[], r#"{"tags":["in"]}"#),
                _ => answer(401, &[("www-authenticate", "Basic realm=\"r\"")], ""),
            }
        }))
    };
    let (ours, other) = (guarded().await, guarded().await);
    let environment = Environment::empty()
        .with("LOADLINE_REGISTRY", &ours.host)
        .with("LOADLINE_REGISTRY_USER", "bob")
        .with("LOADLINE_REGISTRY_PASSWORD", "hunter2");
    let client = client_with(Options { environment, ..options() });
    assert_eq!(Repository::at(&client, ours.name("app")).tags().await.unwrap(), ["in"]);
    let error = Repository::at(&client, other.name("app")).tags().await.unwrap_err();
    assert!(matches!(error.kind(), RegistryErrorKind::Unauthorised { .. }), "{error}");
    assert_eq!(other.count("+auth"), 0, "{:?}", other.asked());
}
