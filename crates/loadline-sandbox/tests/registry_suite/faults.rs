//! Every fault, as a client meets it.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use loadline_core::Digest;
use loadline_sandbox::registry::{Faults, Log};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::support::{Server, header, noise, start_with};

async fn with(faults: &[&str]) -> Server {
    let faults = Faults::parse(faults, 1).unwrap();
    start_with(|config| config.faults = faults).await
}

#[tokio::test]
async fn a_status_so_many_times() {
    let server = with(&["PUT manifests:503*2", "GET referrers:429;retry-after=7*1"]).await;
    let manifest = crate::support::image(&server, "a", b"layer").await;
    for expected in [503, 503, 201, 201] {
        assert_eq!(server.put("a", "tag", &manifest).await.status(), expected);
    }
    let path = format!("/v2/a/referrers/{}", Digest::of(b""));
    let response = server.send("GET", &path).await;
    assert_eq!(response.status(), 429);
    assert_eq!(header(&response, "retry-after"), "7");
    assert_eq!(crate::support::code(response).await, "TOOMANYREQUESTS");
    assert_eq!(server.status("GET", &path).await, 200);
    assert_eq!(server.registry.as_ref().unwrap().faults_struck(), 3);
}

#[tokio::test]
async fn an_answer_cut_short() {
    for fault in ["GET blobs:truncate*1", "GET blobs:reset*1"] {
        let server = with(&[fault]).await;
        let content = noise(1, 1 << 20);
        let path = format!("/v2/a/blobs/{}", server.blob("a", &content).await);
        let response = server.send("GET", &path).await;
        assert_eq!(response.status(), 200);
        assert_eq!(header(&response, "content-length"), content.len().to_string());
        assert!(response.bytes().await.is_err(), "{fault}");
        assert_eq!(server.send("GET", &path).await.bytes().await.unwrap(), content);
    }
}

#[tokio::test]
async fn a_reset_is_a_reset_and_a_truncation_is_none() {
    for (fault, reset) in [("GET blobs:reset", true), ("GET blobs:truncate", false)] {
        let server = with(&[fault]).await;
        let content = noise(2, 10_000);
        let digest = server.blob("a", &content).await;
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let request = format!("GET /v2/a/blobs/{digest} HTTP/1.1\r\nHost: x\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let end = stream.read_to_end(&mut answer).await;
        assert_eq!(end.is_err(), reset, "{fault}: {end:?}");
        let body = answer.windows(4).position(|w| w == b"\r\n\r\n").unwrap() + 4;
        assert_eq!(&answer[body..], &content[..5000], "{fault}: half of it came");
    }
}

#[tokio::test]
async fn a_request_cut_short_changes_nothing() {
    let server = with(&["PUT manifests:reset*1", "PATCH uploads:reset*1"]).await;
    let manifest = crate::support::image(&server, "a", b"layer").await;
    let put = server.request("PUT", "/v2/a/manifests/tag").body(serde_json::to_vec(&manifest).unwrap());
    assert!(put.send().await.is_err());
    assert_eq!(server.status("GET", "/v2/a/manifests/tag").await, 404);
    // An upload keeps what came, so that the client can go on.
    let location = server.begin("a").await;
    let content = noise(3, 100_000);
    assert!(server.request("PATCH", &location).body(content.clone()).send().await.is_err());
    let range = header(&server.send("GET", &location).await, "range");
    assert_eq!(range, "0-49999");
    let rest = server.request("PATCH", &location).header("content-range", "50000-99999");
    assert_eq!(rest.body(content[50_000..].to_vec()).send().await.unwrap().status(), 202);
    assert_eq!(server.status("PUT", &format!("{location}?digest={}", Digest::of(&content))).await, 201);
}

#[tokio::test]
async fn an_answer_lost_after_the_deed() {
    let server = with(&["PUT manifests:lost*1"]).await;
    let manifest = crate::support::image(&server, "a", b"layer").await;
    let put = server.request("PUT", "/v2/a/manifests/tag").body(serde_json::to_vec(&manifest).unwrap());
    assert!(put.send().await.is_err());
    assert_eq!(server.status("GET", "/v2/a/manifests/tag").await, 200);
}

#[tokio::test]
async fn content_that_is_not_what_its_digest_says() {
    let server =
        with(&["GET manifests:wrong-digest*1", "GET blobs:wrong-digest*1", "HEAD manifests:wrong-digest"])
            .await;
    let (digest, manifest) = server.image("a", "tag", b"layer").await;
    let response = server.send("GET", "/v2/a/manifests/tag").await;
    assert_eq!(header(&response, "docker-content-digest"), digest.to_string());
    let length = header(&response, "content-length");
    let bytes = response.bytes().await.unwrap();
    assert_eq!(length, bytes.len().to_string());
    assert_ne!(Digest::of(&bytes), digest);
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&bytes).unwrap(), manifest, "still good JSON");
    assert_eq!(Digest::of(server.send("GET", "/v2/a/manifests/tag").await.bytes().await.unwrap()), digest);
    let blob = Digest::of(b"layer");
    let path = format!("/v2/a/blobs/{blob}");
    let bytes = server.send("GET", &path).await.bytes().await.unwrap();
    assert_eq!(bytes.len(), 5);
    assert_ne!(Digest::of(&bytes), blob);
    let head = server.send("HEAD", "/v2/a/manifests/tag").await;
    assert_ne!(header(&head, "docker-content-digest"), digest.to_string());
}

#[tokio::test]
async fn delays_and_the_log() {
    let lines = Arc::new(Mutex::new(Vec::new()));
    let (taken, faults) =
        (Arc::clone(&lines), Faults::parse(["GET tags:delay=200ms", "GET tags:502"], 1).unwrap());
    let server = start_with(|config| {
        config.faults = faults;
        config.log = Some(Log::new(move |line| taken.lock().unwrap().push(line.to_string())));
    })
    .await;
    let began = Instant::now();
    assert_eq!(server.status("GET", "/v2/a/tags/list?n=1").await, 502);
    assert!(began.elapsed() >= Duration::from_millis(200));
    assert_eq!(server.status("GET", "/v2/a/manifests/none").await, 404);
    assert_eq!(server.registry.as_ref().unwrap().requests(), 2);
    let lines = lines.lock().unwrap();
    assert_eq!(lines.len(), 2);
    assert!(lines[0].starts_with("GET /v2/a/tags/list?n=1 502 "), "{}", lines[0]);
    assert!(lines[0].contains("[fault GET tags:delay=200ms, GET tags:502]"), "{}", lines[0]);
    assert!(lines[1].ends_with("a has no tag `none`"), "{}", lines[1]);
}
