//! Pulling and deleting blobs.

use reqwest::header::{CONTENT_RANGE, IF_NONE_MATCH, IF_RANGE, RANGE};

use crate::support::{code, header, noise, start};

#[tokio::test]
async fn ranges() {
    let server = start().await;
    let content = noise(1, 600_000);
    let len = content.len();
    let path = format!("/v2/a/blobs/{}", server.blob("a", &content).await);
    for (range, first, end) in [
        ("bytes=500-1499", 500, 1500),
        ("bytes=500-", 500, len),
        ("bytes=-500", len - 500, len),
        ("bytes=599000-700000", 599_000, len),
        ("bytes=0-0", 0, 1),
    ] {
        let response = server.request("GET", &path).header(RANGE, range).send().await.unwrap();
        assert_eq!(response.status(), 206, "{range}");
        assert_eq!(header(&response, "content-range"), format!("bytes {first}-{}/{len}", end - 1));
        assert_eq!(header(&response, "content-length"), (end - first).to_string());
        assert_eq!(response.bytes().await.unwrap(), content[first..end], "{range}");
    }
    for range in ["bytes=500-0", "bytes=600000-", "bytes=-0"] {
        let response = server.request("GET", &path).header(RANGE, range).send().await.unwrap();
        assert_eq!(response.status(), 416, "{range}");
        assert_eq!(header(&response, CONTENT_RANGE.as_str()), format!("bytes */{len}"));
    }
    for range in ["bytes=0-1,4-5", "lines=0-1", "nonsense"] {
        let response = server.request("GET", &path).header(RANGE, range).send().await.unwrap();
        assert_eq!(response.status(), 200, "{range}");
        assert_eq!(response.bytes().await.unwrap(), content);
    }
    // A resumed download of something else starts over.
    let response = server
        .request("GET", &path)
        .header(RANGE, "bytes=5-9")
        .header(IF_RANGE, "\"sha256:other\"")
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn head_says_what_get_would() {
    let server = start().await;
    let content = noise(2, 5000);
    let digest = server.blob("a", &content).await;
    let path = format!("/v2/a/blobs/{digest}");
    for method in ["HEAD", "GET"] {
        let response = server.send(method, &path).await;
        assert_eq!(response.status(), 200);
        assert_eq!(header(&response, "content-length"), "5000");
        assert_eq!(header(&response, "content-type"), "application/octet-stream");
        assert_eq!(header(&response, "docker-content-digest"), digest.to_string());
        assert_eq!(header(&response, "accept-ranges"), "bytes");
        let known = server.request(method, &path).header(IF_NONE_MATCH, format!("\"{digest}\"")).send().await;
        assert_eq!(known.unwrap().status(), 304);
    }
}

#[tokio::test]
async fn a_blob_is_seen_only_where_it_was_pushed() {
    let server = start().await;
    let digest = server.blob("a", b"mine").await;
    let response = server.send("GET", &format!("/v2/b/blobs/{digest}")).await;
    assert_eq!(response.status(), 404);
    assert_eq!(code(response).await, "BLOB_UNKNOWN");
    assert_eq!(server.status("GET", &format!("/v2/a/b/blobs/{digest}")).await, 404);
}

#[tokio::test]
async fn deleted_at_once_and_pushed_again() {
    let server = start().await;
    let digest = server.blob("a", b"x").await;
    server.blob("b", b"x").await;
    let path = format!("/v2/a/blobs/{digest}");
    assert_eq!(server.status("DELETE", &path).await, 202);
    assert_eq!(server.status("HEAD", &path).await, 404);
    assert_eq!(server.status("DELETE", &path).await, 404);
    assert_eq!(server.status("GET", &format!("/v2/b/blobs/{digest}")).await, 200);
    server.blob("a", b"x").await;
    assert_eq!(server.status("HEAD", &path).await, 200);
}

#[tokio::test]
async fn bytes_that_rot_are_never_handed_out_as_good() {
    let server = start().await;
    for len in [1000, 2 << 20] {
        let content = noise(3, len);
        let digest = server.blob("a", &content).await;
        let hex = digest.hex();
        let file = server.dir.as_ref().unwrap().path().join("data/blobs/sha256").join(&hex[..2]).join(hex);
        let mut bytes = content.clone();
        bytes[len / 2] ^= 1;
        std::fs::write(&file, &bytes).unwrap();
        let path = format!("/v2/a/blobs/{digest}");
        let whole = match server.request("GET", &path).send().await.unwrap() {
            response if response.status() == 500 => None,
            response => response.bytes().await.ok(),
        };
        assert_eq!(whole, None, "{len}");
        std::fs::write(&file, &content[..len - 1]).unwrap();
        let head = server.send("HEAD", &path).await;
        assert_eq!(header(&head, "content-length"), (len - 1).to_string());
        server.blob("a", &content).await;
        assert_eq!(server.send("GET", &path).await.bytes().await.unwrap(), content, "a push mends it");
    }
}

#[tokio::test]
async fn names_and_digests_that_are_none() {
    let server = start().await;
    let response = server.send("GET", "/v2/UPPER/tags/list").await;
    assert_eq!(response.status(), 400);
    assert_eq!(code(response).await, "NAME_INVALID");
    let response = server.send("GET", "/v2/a/blobs/sha256:short").await;
    assert_eq!(response.status(), 400);
    assert_eq!(code(response).await, "DIGEST_INVALID");
    assert_eq!(server.status("GET", "/v2/a/nothing/here").await, 404);
    assert_eq!(server.status("PUT", "/v2/a/tags/list").await, 405);
    let base = server.send("GET", "/v2/").await;
    assert_eq!(base.status(), 200);
    assert_eq!(header(&base, "docker-distribution-api-version"), "registry/2.0");
}
