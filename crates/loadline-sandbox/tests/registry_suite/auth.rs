//! One user, by password and by token; and the registry that takes no changes.

use loadline_core::{Digest, Secret, media_type as mt};
use loadline_sandbox::registry::Challenge;
use reqwest::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use reqwest::{Response, StatusCode};
use serde_json::Value;

use crate::support::{Server, code, header, start, start_in, start_with};

async fn locked() -> Server {
    start_with(|config| config.auth = Some(("captain".into(), Secret::new("plimsoll:1876")))).await
}

async fn basic(server: &Server, method: &str, path: &str, password: &str) -> Response {
    server.request(method, path).basic_auth("captain", Some(password)).send().await.unwrap()
}

async fn token(server: &Server, scopes: &str) -> String {
    let response =
        basic(server, "GET", &format!("/token?service=loadline-sandbox{scopes}"), "plimsoll:1876").await;
    assert_eq!(response.status(), 200);
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["token"], body["access_token"]);
    assert!(body["expires_in"].as_i64().unwrap() >= 60);
    body["issued_at"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    body["token"].as_str().unwrap().to_owned()
}

async fn bearer(server: &Server, token: &str, method: &str, path: &str) -> Response {
    server.request(method, path).bearer_auth(token).send().await.unwrap()
}

#[tokio::test]
async fn without_credentials_the_way_to_a_token_is_said() {
    let server = locked().await;
    for (method, path, scope) in [
        ("GET", "/v2/", ""),
        ("GET", "/v2/a/b/manifests/x", ",scope=\"repository:a/b:pull\""),
        ("HEAD", "/v2/a/b/manifests/x", ",scope=\"repository:a/b:pull\""),
        ("POST", "/v2/a/b/blobs/uploads/", ",scope=\"repository:a/b:pull,push\""),
        (
            "POST",
            "/v2/a/blobs/uploads/?mount=sha256:0&from=b/c",
            ",scope=\"repository:a:pull,push repository:b/c:pull\"",
        ),
        ("PUT", "/v2/a/b/manifests/x", ",scope=\"repository:a/b:pull,push\""),
        ("DELETE", "/v2/a/b/manifests/x", ",scope=\"repository:a/b:delete\""),
    ] {
        let response = server.send(method, path).await;
        assert_eq!(response.status(), 401, "{method} {path}");
        let realm = server.url("/token");
        let expected = format!("Bearer realm=\"{realm}\",service=\"loadline-sandbox\"{scope}");
        assert_eq!(header(&response, WWW_AUTHENTICATE.as_str()), expected);
        if method != "HEAD" {
            assert_eq!(code(response).await, "UNAUTHORIZED");
        }
    }
}

#[tokio::test]
async fn by_password() {
    let server = locked().await;
    assert_eq!(basic(&server, "GET", "/v2/", "plimsoll:1876").await.status(), 200);
    let digest = Digest::of(b"x");
    let at = format!("/v2/a/blobs/uploads/?digest={digest}");
    let push = server.request("POST", &at).basic_auth("captain", Some("plimsoll:1876")).body("x");
    assert_eq!(push.send().await.unwrap().status(), 201);
    for password in ["", "plimsoll", "plimsoll:18766"] {
        assert_eq!(basic(&server, "GET", "/v2/", password).await.status(), 401, "{password}");
    }
    for header in
        ["Basic", "Basic !!!", "Basic Y2FwdGFpbg==", "Negotiate x", "Bearer", "Bearer .", "Bearer a.b"]
    {
        let response = server.request("GET", "/v2/").header(AUTHORIZATION, header).send().await.unwrap();
        assert_eq!(response.status(), 401, "{header}");
    }
    let other = server.request("GET", "/v2/").basic_auth("mate", Some("plimsoll:1876")).send().await.unwrap();
    assert_eq!(other.status(), 401);
}

#[tokio::test]
async fn a_challenge_for_the_password() {
    let server = start_with(|config| {
        config.auth = Some(("captain".into(), Secret::new("p")));
        config.challenge = Challenge::Basic;
    })
    .await;
    let response = server.send("GET", "/v2/").await;
    assert_eq!(header(&response, "www-authenticate"), "Basic realm=\"loadline-sandbox\"");
}

#[tokio::test]
async fn by_token_within_its_scopes() {
    let server = locked().await;
    let push = token(&server, "&scope=repository:a:pull,push").await;
    let blob = Digest::of(b"{}");
    let post = format!("/v2/a/blobs/uploads/?digest={blob}");
    let sent = server.request("POST", &post).bearer_auth(&push).body("{}").send().await.unwrap();
    assert_eq!(sent.status(), 201);

    let pull = token(&server, "&scope=repository%3Aa%3Apull").await;
    let path = format!("/v2/a/blobs/{blob}");
    assert_eq!(bearer(&server, &pull, "GET", "/v2/").await.status(), 200);
    assert_eq!(bearer(&server, &pull, "GET", &path).await.status(), 200);
    for (method, path) in [
        ("POST", "/v2/a/blobs/uploads/"),
        ("PUT", "/v2/a/manifests/x"),
        ("DELETE", path.as_str()),
        ("GET", "/v2/a/b/tags/list"),
        ("GET", "/v2/_catalog"),
    ] {
        let response = bearer(&server, &pull, method, path).await;
        assert_eq!(response.status(), 401, "{method} {path}");
        assert!(header(&response, "www-authenticate").ends_with(",error=\"insufficient_scope\""));
    }
    let both =
        token(&server, "&scope=repository:a:delete&scope=repository:b:pull%20registry:catalog:*").await;
    assert_eq!(bearer(&server, &both, "GET", "/v2/b/manifests/x").await.status(), 404);
    assert_eq!(bearer(&server, &both, "GET", "/v2/_catalog").await.status(), 200);
    assert_eq!(bearer(&server, &both, "DELETE", &path).await.status(), 202);
}

#[tokio::test]
async fn a_mount_needs_the_source_too() {
    let server = locked().await;
    let all = token(&server, "&scope=repository:secret:pull,push").await;
    let blob = Digest::of(b"secret");
    let post = format!("/v2/secret/blobs/uploads/?digest={blob}");
    server.request("POST", &post).bearer_auth(&all).body("secret").send().await.unwrap();
    let own = token(&server, "&scope=repository:own:pull,push").await;
    for from in ["&from=secret", ""] {
        let path = format!("/v2/own/blobs/uploads/?mount={blob}{from}");
        assert_eq!(bearer(&server, &own, "POST", &path).await.status(), 202, "{from}");
    }
    let both = token(&server, "&scope=repository:own:pull,push&scope=repository:secret:pull").await;
    let path = format!("/v2/own/blobs/uploads/?mount={blob}&from=secret");
    assert_eq!(bearer(&server, &both, "POST", &path).await.status(), 201);
}

#[tokio::test]
async fn the_token_service() {
    let server = locked().await;
    assert_eq!(server.status("GET", "/token?scope=repository:a:pull").await, 401);
    assert_eq!(basic(&server, "GET", "/token", "wrong").await.status(), 401);
    assert_eq!(basic(&server, "PUT", "/token", "plimsoll:1876").await.status(), 405);
    let form = |body: &'static str| {
        server
            .request("POST", "/token")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body)
            .send()
    };
    let good = "grant_type=password&username=captain&password=plimsoll%3A1876&service=s&scope=repository:a:pull,push";
    let response = form(good).await.unwrap();
    assert_eq!(response.status(), 200);
    let body: Value = response.json().await.unwrap();
    let token = body["access_token"].as_str().unwrap();
    assert_eq!(bearer(&server, token, "POST", "/v2/a/blobs/uploads/").await.status(), 202);
    assert_eq!(form("grant_type=password&username=captain&password=x").await.unwrap().status(), 401);
    assert_eq!(form("grant_type=refresh_token&refresh_token=x").await.unwrap().status(), 400);
    let open = start().await;
    assert_eq!(open.status("GET", "/token").await, 404);
}

#[tokio::test]
async fn a_token_does_not_outlive_the_process() {
    let server = locked().await;
    let old = token(&server, "&scope=repository:a:pull").await;
    let dir = server.end().await.unwrap();
    let server = start_in(&dir.path().join("data"), |config| {
        config.auth = Some(("captain".into(), Secret::new("plimsoll:1876")));
    })
    .await;
    let response = bearer(&server, &old, "GET", "/v2/").await;
    assert_eq!(response.status(), 401);
    assert!(header(&response, "www-authenticate").ends_with(",error=\"invalid_token\""));
}

#[tokio::test]
async fn read_only() {
    let server = start().await;
    let (digest, _) = server.image("a", "tag", b"layer").await;
    let upload = server.begin("a").await;
    let dir = server.end().await.unwrap();
    let server = start_in(&dir.path().join("data"), |config| config.read_only = true).await;
    assert_eq!(server.status("GET", "/v2/a/manifests/tag").await, 200);
    assert_eq!(server.status("GET", "/v2/a/tags/list").await, 200);
    for (method, path) in [
        ("POST", "/v2/a/blobs/uploads/".to_owned()),
        ("PATCH", upload.clone()),
        ("PUT", format!("{upload}?digest={digest}")),
        ("DELETE", upload),
        ("PUT", "/v2/a/manifests/tag".to_owned()),
        ("DELETE", "/v2/a/manifests/tag".to_owned()),
        ("DELETE", format!("/v2/a/blobs/{digest}")),
    ] {
        let request = server.request(method, &path).header("content-type", mt::OCI_MANIFEST).body("{}");
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        assert_eq!(code(response).await, "UNSUPPORTED");
    }
}
