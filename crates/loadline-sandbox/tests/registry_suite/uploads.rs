//! Pushing blobs in every way there is.

use loadline_core::Digest;
use reqwest::header::{CONTENT_RANGE, LOCATION, RANGE};

use crate::support::{Server, code, header, noise, sha512, start};

async fn assert_there(server: &Server, name: &str, digest: &Digest, content: &[u8]) {
    let response = server.send("GET", &format!("/v2/{name}/blobs/{digest}")).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.bytes().await.unwrap(), content);
}

#[tokio::test]
async fn in_one_post() {
    let server = start().await;
    let content = noise(1, 70_000);
    let digest = Digest::of(&content);
    let at = format!("/v2/a/b/blobs/uploads/?digest={digest}");
    let response = server.request("POST", &at).body(content.clone()).send().await.unwrap();
    assert_eq!(response.status(), 201);
    assert_eq!(header(&response, "docker-content-digest"), digest.to_string());
    assert_eq!(header(&response, "location"), format!("/v2/a/b/blobs/{digest}"));
    assert_there(&server, "a/b", &digest, &content).await;
}

#[tokio::test]
async fn in_post_and_put() {
    let server = start().await;
    let content = noise(2, 70_000);
    let digest = Digest::of(&content);
    let location = server.begin("a").await;
    let response = server
        .request("PUT", &format!("{location}?digest={digest}"))
        .body(content.clone())
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 201);
    assert_there(&server, "a", &digest, &content).await;
    assert_eq!(server.status("GET", &location).await, 404, "the upload is over");
}

#[tokio::test]
async fn streamed_without_a_length() {
    let server = start().await;
    let content = noise(3, 3 << 20);
    let digest = Digest::of(&content);
    let location = server.begin("a").await;
    let pieces: Vec<_> =
        content.chunks(100_000).map(|piece| Ok::<_, std::io::Error>(piece.to_vec())).collect();
    let body = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
    let response = server.request("PATCH", &location).body(body).send().await.unwrap();
    assert_eq!(response.status(), 202);
    assert_eq!(header(&response, RANGE.as_str()), format!("0-{}", content.len() - 1));
    let location = header(&response, LOCATION.as_str());
    assert_eq!(server.status("PUT", &format!("{location}?digest={digest}")).await, 201);
    assert_there(&server, "a", &digest, &content).await;
}

#[tokio::test]
async fn in_chunks_with_the_last_on_put() {
    let server = start().await;
    let content = noise(4, 1000);
    let digest = Digest::of(&content);
    let location = server.begin("a").await;
    for (first, last) in [(0, 332), (333, 665)] {
        let response = server
            .request("PATCH", &location)
            .header(CONTENT_RANGE, format!("{first}-{last}"))
            .body(content[first..=last].to_vec())
            .send()
            .await
            .unwrap();
        assert_eq!(response.status(), 202);
        assert_eq!(header(&response, "range"), format!("0-{last}"));
    }
    let status = server.send("GET", &location).await;
    assert_eq!(status.status(), 204);
    assert_eq!(header(&status, "range"), "0-665");
    assert_eq!(header(&status, "location"), location);
    let response = server
        .request("PUT", &format!("{location}?digest={digest}"))
        .header(CONTENT_RANGE, "666-999")
        .body(content[666..].to_vec())
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 201);
    assert_there(&server, "a", &digest, &content).await;
}

#[tokio::test]
async fn chunks_out_of_order_are_416_and_leave_nothing() {
    let server = start().await;
    let content = noise(5, 900);
    let digest = Digest::of(&content);
    let location = server.begin("a").await;
    let chunk = |method: &str, at: &str, first: usize, last: usize| {
        server
            .request(method, at)
            .header(CONTENT_RANGE, format!("{first}-{last}"))
            .body(content[first..=last].to_vec())
            .send()
    };
    let last = format!("{location}?digest={digest}");
    for (method, at, first, to) in [
        ("PATCH", &location, 300_usize, 599),
        ("PATCH", &location, 0, 299),
        ("PATCH", &location, 0, 299),
        ("PATCH", &location, 600, 899),
        ("PUT", &last, 600, 899),
        ("PATCH", &location, 299, 599),
        ("PATCH", &location, 300, 599),
        ("PUT", &last, 0, 299),
    ] {
        let before = header(&server.send("GET", &location).await, "range");
        let fits = first == 0 && before == "0-0" || before == format!("0-{}", first.wrapping_sub(1));
        let response = chunk(method, at, first, to).await.unwrap();
        if fits {
            assert_eq!(response.status(), 202, "{method} {first}");
        } else {
            assert_eq!(response.status(), 416, "{method} {first}");
            assert_eq!(header(&response, "range"), before);
            assert_eq!(header(&response, "location"), location);
            assert_eq!(header(&server.send("GET", &location).await, "range"), before);
        }
    }
    assert_eq!(chunk("PUT", &last, 600, 899).await.unwrap().status(), 201);
    assert_there(&server, "a", &digest, &content).await;
}

#[tokio::test]
async fn a_chunk_of_another_length_than_it_says() {
    let server = start().await;
    let location = server.begin("a").await;
    let response = server
        .request("PATCH", &location)
        .header(CONTENT_RANGE, "0-9")
        .body(noise(6, 20))
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 400);
    assert_eq!(code(response).await, "SIZE_INVALID");
    // The same without a length before it: noticed at its end, and taken back.
    let body =
        reqwest::Body::wrap_stream(futures_util::stream::iter([Ok::<_, std::io::Error>(noise(6, 20))]));
    let response =
        server.request("PATCH", &location).header(CONTENT_RANGE, "0-9").body(body).send().await.unwrap();
    assert_eq!(response.status(), 400);
    let content = noise(7, 10);
    let at = format!("{location}?digest={}", Digest::of(&content));
    let response =
        server.request("PUT", &at).header(CONTENT_RANGE, "0-9").body(content.clone()).send().await.unwrap();
    assert_eq!(response.status(), 201);
    assert_there(&server, "a", &Digest::of(&content), &content).await;
    let location = server.begin("a").await;
    for bad in ["x", "9-0", "0-", "-5"] {
        let response =
            server.request("PATCH", &location).header(CONTENT_RANGE, bad).body("x").send().await.unwrap();
        assert_eq!(response.status(), 416, "{bad}");
    }
}

#[tokio::test]
async fn a_wrong_digest_is_refused_in_every_way() {
    let server = start().await;
    for digest in [Digest::of(b"right"), sha512(b"right")] {
        let post = format!("/v2/a/blobs/uploads/?digest={digest}");
        let response = server.request("POST", &post).body("wrong").send().await.unwrap();
        assert_eq!(response.status(), 400);
        assert_eq!(code(response).await, "DIGEST_INVALID");
        let location = server.begin("a").await;
        let put = format!("{location}?digest={digest}");
        assert_eq!(server.request("PUT", &put).body("wrong").send().await.unwrap().status(), 400);
        assert_eq!(server.status("GET", &location).await, 404, "what is wrong is not gone on with");
        let location = server.begin("a").await;
        server.request("PATCH", &location).body("wrong").send().await.unwrap();
        assert_eq!(server.status("PUT", &format!("{location}?digest={digest}")).await, 400);
        assert_eq!(server.status("HEAD", &format!("/v2/a/blobs/{digest}")).await, 404);
    }
    let location = server.begin("a").await;
    for bad in ["", "?digest=", "?digest=sha256:abc", "?digest=md5:d41d8cd98f00b204e9800998ecf8427e"] {
        let response = server.request("PUT", &format!("{location}{bad}")).body("x").send().await.unwrap();
        assert_eq!(response.status(), 400, "{bad}");
    }
}

#[tokio::test]
async fn sha512_and_empty_blobs() {
    let server = start().await;
    for content in [noise(8, 100_000), Vec::new(), b"{}".to_vec()] {
        for digest in [Digest::of(&content), sha512(&content)] {
            let location = server.begin("a").await;
            if !content.is_empty() {
                server.request("PATCH", &location).body(content.clone()).send().await.unwrap();
            }
            assert_eq!(server.status("PUT", &format!("{location}?digest={digest}")).await, 201);
            let head = server.send("HEAD", &format!("/v2/a/blobs/{digest}")).await;
            assert_eq!(header(&head, "content-length"), content.len().to_string());
            assert_eq!(header(&head, "docker-content-digest"), digest.to_string());
            assert_there(&server, "a", &digest, &content).await;
        }
    }
}

#[tokio::test]
async fn cancelled() {
    let server = start().await;
    let location = server.begin("a").await;
    server.request("PATCH", &location).body("abc").send().await.unwrap();
    assert_eq!(server.status("DELETE", &location).await, 204);
    assert_eq!(server.status("GET", &location).await, 404);
    assert_eq!(server.status("DELETE", &location).await, 404);
    let response = server.request("PATCH", &location).body("abc").send().await.unwrap();
    assert_eq!(code(response).await, "BLOB_UPLOAD_UNKNOWN");
    let data = server.dir.as_ref().unwrap().path().join("data/uploads");
    assert_eq!(std::fs::read_dir(data).unwrap().count(), 0);
}

#[tokio::test]
async fn an_upload_belongs_to_its_repository() {
    let server = start().await;
    let location = server.begin("a").await;
    let id = location.rsplit('/').next().unwrap();
    for path in [
        format!("/v2/b/blobs/uploads/{id}"),
        "/v2/a/blobs/uploads/x".to_owned(),
        "/v2/a/blobs/uploads/%2e%2e%2fformat".to_owned(),
        format!("/v2/a/blobs/uploads/{}", "0".repeat(32)),
    ] {
        assert_eq!(server.status("GET", &path).await, 404, "{path}");
    }
    assert_eq!(server.status("GET", &location).await, 204);
}

#[tokio::test]
async fn mounted_with_and_without_from() {
    let server = start().await;
    let content = b"to be mounted";
    let digest = server.blob("source/deep", content).await;
    let mount = |name: &str, from: &str| {
        server.request("POST", &format!("/v2/{name}/blobs/uploads/?mount={digest}{from}")).send()
    };
    let response = mount("with", "&from=source/deep").await.unwrap();
    assert_eq!(response.status(), 201);
    assert_eq!(header(&response, "location"), format!("/v2/with/blobs/{digest}"));
    assert_eq!(mount("without", "").await.unwrap().status(), 201);
    for name in ["with", "without"] {
        assert_there(&server, name, &digest, content).await;
    }
    // What cannot be mounted becomes an upload.
    for from in ["&from=other", "&from=../x", "&from="] {
        let response = mount("third", from).await.unwrap();
        assert_eq!(response.status(), 202, "{from}");
        assert!(header(&response, "location").starts_with("/v2/third/blobs/uploads/"));
    }
    let response = server.send("POST", "/v2/a/blobs/uploads/?mount=nonsense&from=source/deep").await;
    assert_eq!(response.status(), 202);
    assert_eq!(server.status("HEAD", &format!("/v2/third/blobs/{digest}")).await, 404);
}

#[tokio::test]
async fn what_is_deleted_everywhere_is_not_mounted() {
    let server = start().await;
    let digest = server.blob("a", b"gone").await;
    assert_eq!(server.status("DELETE", &format!("/v2/a/blobs/{digest}")).await, 202);
    for from in ["&from=a", ""] {
        let response = server.send("POST", &format!("/v2/b/blobs/uploads/?mount={digest}{from}")).await;
        assert_eq!(response.status(), 202, "{from}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_push_one_blob_at_once() {
    let server = start().await;
    let content = noise(9, 1 << 20);
    let digest = Digest::of(&content);
    let pushes = (0..16).map(|index| {
        let (server, content, digest) = (&server, content.clone(), digest.clone());
        async move {
            let location = server.begin("a").await;
            let at = format!("{location}?digest={digest}");
            if index % 4 == 0 {
                // One in four lies about it, and must not spoil it for the others.
                let response = server.request("PUT", &at).body(noise(10, 1 << 20)).send().await.unwrap();
                assert_eq!(response.status(), 400);
            } else {
                let response = server.request("PUT", &at).body(content).send().await.unwrap();
                assert_eq!(response.status(), 201);
                let back = server.send("GET", &format!("/v2/a/blobs/{digest}")).await;
                assert_eq!(Digest::of(back.bytes().await.unwrap()), digest);
            }
        }
    });
    futures_util::future::join_all(pushes).await;
    let data = server.dir.as_ref().unwrap().path().join("data");
    assert_eq!(std::fs::read_dir(data.join("uploads")).unwrap().count(), 0);
    assert_eq!(std::fs::read_dir(data.join("tmp")).unwrap().count(), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_writers_of_one_upload_do_not_mix() {
    let server = start().await;
    let location = server.begin("a").await;
    let content = noise(11, 400_000);
    let chunk = |range: &'static str| {
        server.request("PATCH", &location).header(CONTENT_RANGE, range).body(content.clone()).send()
    };
    let (one, two) = tokio::join!(chunk("0-399999"), chunk("0-399999"));
    let mut statuses = [one.unwrap().status().as_u16(), two.unwrap().status().as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [202, 416]);
    let at = format!("{location}?digest={}", Digest::of(&content));
    assert_eq!(server.status("PUT", &at).await, 201);
}
