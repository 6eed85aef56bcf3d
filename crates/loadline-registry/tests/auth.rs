//! Credentials and tokens.

mod support;

use std::os::unix::fs::PermissionsExt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::Request;
use loadline_core::Secret;
use loadline_process::Environment;
use loadline_registry::{BlobSource, Client, Credential, Options, RegistryErrorKind, Repository};
use loadline_sandbox::registry::Challenge;
use support::{Server, answer, client_with, options, push_image, quirky, sandbox};

async fn guarded(challenge: Challenge) -> Server {
    sandbox(|config| {
        config.auth = Some(("bob".to_owned(), Secret::new("hunter2")));
        config.challenge = challenge;
    })
    .await
}

fn as_bob(server: &Server) -> Client {
    with(server, Credential::basic("bob", "hunter2"))
}

fn with(server: &Server, credential: Credential) -> Client {
    let mut options = options();
    options.credentials.insert(server.host.clone(), credential);
    client_with(options)
}

#[tokio::test]
async fn both_kinds_of_authentication_work() {
    for challenge in [Challenge::Bearer, Challenge::Basic] {
        let server = guarded(challenge).await;
        let client = as_bob(&server);
        let repository = Repository::at(&client, server.name("app"));
        let (image, bytes) = push_image(&repository, b"layer").await;
        repository.tag("v1", &image.media_type, bytes.clone()).await.unwrap();
        assert_eq!(repository.manifest("v1").await.unwrap().bytes, bytes);
        let refused = server.asked().iter().filter(|line| line.ends_with(" 401")).count();
        assert_eq!(
            refused,
            1,
            "{challenge:?}: the first call learns it for all others: {:?}",
            server.asked()
        );
        if challenge == Challenge::Bearer {
            assert_eq!(server.count("/token"), 2, "one token to pull, one to push: {:?}", server.asked());
        }
    }
}

#[tokio::test]
async fn one_token_serves_concurrent_calls() {
    let server = guarded(Challenge::Bearer).await;
    let client = as_bob(&server);
    push_image(&Repository::at(&client, server.name("app")), b"layer").await;
    let fresh = as_bob(&server);
    let repository = Repository::at(&fresh, server.name("app"));
    let before = server.count("/token");
    let calls = (0..20).map(|_| repository.tags());
    for tags in futures_util::future::join_all(calls).await {
        tags.unwrap();
    }
    assert_eq!(server.count("/token") - before, 1, "{:?}", server.asked());
}

#[tokio::test]
async fn what_was_missing_is_named() {
    let server = guarded(Challenge::Bearer).await;
    let repository = Repository::at(&client_with(options()), server.name("app"));
    let error = repository.tags().await.unwrap_err();
    assert!(matches!(error.kind(), RegistryErrorKind::Unauthorised { .. }), "{error}");
    assert!(error.to_string().contains(&format!("there is no credential for {}", server.host)), "{error}");

    let repository =
        Repository::at(&with(&server, Credential::basic("bob", "wrong-one")), server.name("app"));
    let error = repository.tags().await.unwrap_err();
    assert!(error.to_string().contains("refused the credential from what was given"), "{error}");
    assert!(!format!("{error} {error:?}").contains("wrong-one"));

    let server = guarded(Challenge::Basic).await;
    let repository =
        Repository::at(&with(&server, Credential::basic("bob", "wrong-one")), server.name("app"));
    let error = repository.push_blob(BlobSource::Bytes("x".into())).await.unwrap_err();
    assert!(error.to_string().contains("refused the credential"), "{error}");
}

#[tokio::test]
async fn docker_s_configuration_and_helpers_are_used() {
    let server = guarded(Challenge::Bearer).await;
    let folder = tempfile::tempdir().unwrap();
    let config = |text: String| std::fs::write(folder.path().join("config.json"), text).unwrap();
    let environment = Environment::empty()
        .with("DOCKER_CONFIG", folder.path())
        .with("PATH", format!("{}:/usr/bin:/bin", folder.path().display()));
    let tags = |environment: &Environment| {
        let options = Options { environment: environment.clone(), ..options() };
        let repository = Repository::at(&client_with(options), server.name("app"));
        async move { repository.tags().await }
    };
    // bob:hunter2
    config(format!(r#"{{"auths":{{"http://{}":{{"auth":"Ym9iOmh1bnRlcjI="}}}}}}"#, server.host));
    let error = tags(&environment).await.unwrap_err();
    assert!(error.is_not_found(), "let in, to a repository that is not there: {error}");

    let helper = folder.path().join("docker-credential-test");
    let script = format!(
        "#!/bin/sh\nread server\n[ \"$server\" = {} ] && echo '{{\"Username\":\"bob\",\"Secret\":\"hunter2\"}}'\n",
        server.host
    );
    std::fs::write(&helper, script).unwrap();
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).unwrap();
    config(format!(r#"{{"credHelpers":{{"{}":"test"}}}}"#, server.host));
    assert!(tags(&environment).await.unwrap_err().is_not_found());

    config(format!(r#"{{"credHelpers":{{"{}":"missing"}}}}"#, server.host));
    let error = tags(&environment).await.unwrap_err();
    assert!(matches!(error.kind(), RegistryErrorKind::Credential { .. }), "{error}");
    assert!(error.to_string().contains("docker-credential-missing"), "{error}");

    // Another file goes first.
    let file = folder.path().join("auth.json");
    std::fs::write(
        &file,
        format!(r#"{{"auths":{{"{}":{{"username":"bob","password":"hunter2"}}}}}}"#, server.host),
    )
    .unwrap();
    assert!(tags(&environment.with("REGISTRY_AUTH_FILE", file)).await.unwrap_err().is_not_found());
}

/// A registry with a token service of its own: tokens `t1`, `t2`, …; only those that `good` says are taken.
async fn tokens(
    good: impl Fn(&str, &Request) -> bool + Clone + Send + Sync + 'static,
    lifetime: u64,
) -> Server {
    let count = Arc::new(AtomicUsize::new(0));
    quirky(Router::new().fallback(move |request: Request| {
        let (count, good) = (Arc::clone(&count), good.clone());
        async move {
            if request.uri().path() == "/token" {
                let n = count.fetch_add(1, Ordering::SeqCst) + 1;
                return answer(200, &[], format!(r#"{{"token":"t{n}","expires_in":{lifetime}}}"#));
            }
            let token = request.headers().get("authorization").and_then(|v| v.to_str().ok()).unwrap_or("");
            let token = token.strip_prefix("Bearer ").unwrap_or("");
            if !good(token, &request) {
                let host = String::from_utf8_lossy(request.headers()["host"].as_bytes()).into_owned();
                let challenge = format!("Bearer realm=\"http://{host}/token\",service=\"s\"");
                return answer(401, &[("www-authenticate", &challenge)], "");
            }
            match (request.method().as_str(), request.uri().path()) {
                ("HEAD", _) => answer(404, &[], ""),
                ("POST", _) => answer(202, &[("location", "/v2/app/blobs/uploads/1?state=x")], ""),
                ("PUT", _) => answer(201, &[], ""),
                _ => answer(200, &[], r#"{"tags":["a"]}"#),
            }
        }
    }))
    .await
}

#[tokio::test]
async fn a_token_that_is_no_longer_taken_is_renewed() {
    let refused = Arc::new(Mutex::new(vec![String::new()]));
    let list = Arc::clone(&refused);
    let server = tokens(move |token, _| !list.lock().unwrap().iter().any(|t| t == token), 300).await;
    let repository = Repository::at(&client_with(options()), server.name("app"));
    repository.tags().await.unwrap();
    repository.tags().await.unwrap();
    assert_eq!(server.count("/token"), 1);
    refused.lock().unwrap().push("t1".to_owned());
    repository.tags().await.unwrap();
    assert_eq!(server.count("/token"), 2);
    // One that is refused fresh is the end of it.
    refused.lock().unwrap().extend(["t2".to_owned(), "t3".to_owned()]);
    let error = repository.tags().await.unwrap_err();
    assert!(matches!(error.kind(), RegistryErrorKind::Unauthorised { .. }), "{error}");
    assert_eq!(server.count("/token"), 3);
}

#[tokio::test]
async fn a_token_that_runs_out_is_not_sent() {
    let server = tokens(|token, _| !token.is_empty(), 0).await;
    let repository = Repository::at(&client_with(options()), server.name("app"));
    repository.tags().await.unwrap();
    repository.tags().await.unwrap();
    assert_eq!(server.count("/token"), 2);
}

#[tokio::test]
async fn an_upload_goes_on_when_its_token_ends_in_the_middle() {
    // Good for HEAD and POST, but ended when the content comes.
    let server = tokens(
        |token, request| match request.method().as_str() {
            "PUT" => token != "t2" && !token.is_empty(),
            _ => !token.is_empty(),
        },
        300,
    )
    .await;
    let repository = Repository::at(&client_with(options()), server.name("app"));
    repository.push_blob(BlobSource::Bytes("content".into())).await.unwrap();
    assert_eq!(server.count("POST"), 2, "begun anew with a new token: {:?}", server.asked());
    assert_eq!(server.count("/token"), 3);
}

#[tokio::test]
async fn scopes_are_as_small_as_the_call() {
    let server = tokens(|token, _| !token.is_empty(), 300).await;
    let repository = Repository::at(&client_with(options()), server.name("app"));
    repository.tags().await.unwrap();
    let other = server.name("other");
    repository.push_blob_or_mount(BlobSource::Bytes("x".into()), Some(&other)).await.unwrap();
    let asked: Vec<String> = server.asked().into_iter().filter(|line| line.contains("/token")).collect();
    assert_eq!(
        asked,
        [
            "GET /token?service=s&scope=repository%3Aapp%3Apull",
            "GET /token?service=s&scope=repository%3Aapp%3Apull%2Cpush&scope=repository%3Aother%3Apull",
            "GET /token?service=s&scope=repository%3Aapp%3Apull%2Cpush",
        ]
    );
}

#[tokio::test]
async fn a_refresh_token_is_changed_for_an_access_token() {
    let server = tokens(|token, _| !token.is_empty(), 300).await;
    let client = with(&server, Credential::IdentityToken(Secret::new("refresh")));
    Repository::at(&client, server.name("app")).tags().await.unwrap();
    assert_eq!(server.count("POST /token"), 1);
    let client = with(&server, Credential::RegistryToken(Secret::new("own")));
    Repository::at(&client, server.name("app")).tags().await.unwrap();
    assert_eq!(server.count("/token"), 1, "this one is used as it is");
}

#[tokio::test]
async fn no_password_goes_to_a_token_service_without_tls() {
    let server = quirky(Router::new().fallback(|| async {
        let challenge = "Bearer realm=\"http://tokens.example/token\",service=\"s\"";
        answer(401, &[("www-authenticate", challenge)], "")
    }))
    .await;
    let client = with(&server, Credential::basic("bob", "hunter2"));
    let error = Repository::at(&client, server.name("app")).tags().await.unwrap_err();
    assert!(error.to_string().contains("no credential is sent there"), "{error}");
    assert_eq!(client.counters().requests, 1);
}
