//! What a restart finds again, and how a server ends.

use std::time::{Duration, Instant};

use loadline_core::Digest;
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::support::{header, noise, sha512, start, start_in};

#[tokio::test]
async fn everything_is_there_again() {
    let server = start().await;
    let (digest, manifest) = server.image("a/b", "tag", b"layer").await;
    let mut referrer = manifest.clone();
    referrer["subject"] = crate::support::of_manifest(&manifest);
    let attached = server.manifest("a/b", "attached", &referrer).await;
    let dir = server.end().await.unwrap();
    let server = start_in(&dir.path().join("data"), |_| {}).await;
    let back = server.send("GET", "/v2/a/b/manifests/tag").await;
    assert_eq!(Digest::of(back.bytes().await.unwrap()), digest);
    let blob = Digest::of(b"layer");
    assert_eq!(server.send("GET", &format!("/v2/a/b/blobs/{blob}")).await.bytes().await.unwrap(), "layer");
    let list: serde_json::Value =
        server.send("GET", &format!("/v2/a/b/referrers/{digest}")).await.json().await.unwrap();
    assert_eq!(list["manifests"][0]["digest"], attached.to_string());
}

#[tokio::test]
async fn an_upload_is_taken_up_where_it_stood() {
    for sha_512 in [false, true] {
        let server = start().await;
        let content = noise(1, 900_000);
        let digest = if sha_512 { sha512(&content) } else { Digest::of(&content) };
        let location = server.begin("a").await;
        let untouched = server.begin("a").await;
        let part = server.request("PATCH", &location).header("content-range", "0-299999");
        assert_eq!(part.body(content[..300_000].to_vec()).send().await.unwrap().status(), 202);
        // The next chunk breaks off: the connection dies in the middle of it.
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        let head = format!("PATCH {location} HTTP/1.1\r\nHost: x\r\nContent-Length: 600000\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.write_all(&content[300_000..400_000]).await.unwrap();
        drop(stream);
        let began = Instant::now();
        while header(&server.send("GET", &location).await, "range") != "0-399999" {
            assert!(began.elapsed() < Duration::from_secs(10), "the bytes that came are kept");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let dir = server.end().await.unwrap();

        let server = start_in(&dir.path().join("data"), |_| {}).await;
        let status = server.send("GET", &location).await;
        assert_eq!(status.status(), 204);
        assert_eq!(header(&status, "range"), "0-399999");
        assert_eq!(header(&server.send("GET", &untouched).await, "range"), "0-0");
        let part = server.request("PATCH", &location).header("content-range", "300000-899999");
        assert_eq!(part.body(content[300_000..].to_vec()).send().await.unwrap().status(), 416);
        let part = server.request("PATCH", &location).header("content-range", "400000-899998");
        assert_eq!(part.body(content[400_000..899_999].to_vec()).send().await.unwrap().status(), 202);
        let last = server
            .request("PUT", &format!("{location}?digest={digest}"))
            .header("content-range", "899999-899999");
        assert_eq!(last.body(content[899_999..].to_vec()).send().await.unwrap().status(), 201);
        let back = server.send("GET", &format!("/v2/a/blobs/{digest}")).await;
        assert_eq!(back.bytes().await.unwrap(), content);
    }
}

#[tokio::test]
async fn a_single_post_that_breaks_off_leaves_nothing() {
    let server = start().await;
    let mut stream = TcpStream::connect(server.address).await.unwrap();
    let head = format!(
        "POST /v2/a/blobs/uploads/?digest={} HTTP/1.1\r\nHost: x\r\nContent-Length: 600000\r\n\r\n",
        Digest::of(b"never")
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&noise(2, 300_000)).await.unwrap();
    let uploads = server.dir.as_ref().unwrap().path().join("data/uploads");
    let files = || std::fs::read_dir(&uploads).unwrap().count();
    let began = Instant::now();
    while files() == 0 && began.elapsed() < Duration::from_secs(10) {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(files(), 1);
    drop(stream);
    while files() > 0 {
        assert!(began.elapsed() < Duration::from_secs(10));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn the_end_waits_for_requests_but_not_for_idle_clients() {
    let server = start().await;
    let _idle = TcpStream::connect(server.address).await.unwrap();
    assert_eq!(server.status("GET", "/v2/").await, 200);
    let began = Instant::now();
    let _dir = server.end().await;
    assert!(began.elapsed() < Duration::from_secs(7), "{:?}", began.elapsed());
}
