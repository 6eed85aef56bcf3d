//! What is too large, and what cannot be opened.

use std::fs;

use loadline_core::{Digest, media_type as mt};
use loadline_sandbox::registry::{Config, MAX_MANIFEST, Registry, RegistryError};
use serde_json::json;

use crate::support::{code, descriptor, noise, start, start_with};

#[tokio::test]
async fn a_manifest_of_four_mebibytes_and_one_more() {
    let server = start().await;
    server.blob("a", b"{}").await;
    let manifest = |len: usize| {
        let empty = json!({
            "schemaVersion": 2, "mediaType": mt::OCI_MANIFEST, "config": descriptor(mt::OCI_CONFIG, b"{}"),
            "layers": [], "annotations": { "x": "" },
        })
        .to_string();
        empty.replace("\"x\":\"\"", &format!("\"x\":\"{}\"", "x".repeat(len - empty.len())))
    };
    for (len, expected) in [(MAX_MANIFEST, 201), (MAX_MANIFEST + 1, 413), (3 * MAX_MANIFEST, 413)] {
        for chunked in [false, true] {
            let text = manifest(len);
            assert_eq!(text.len(), len);
            let body = if chunked {
                reqwest::Body::wrap_stream(futures_util::stream::iter([Ok::<_, std::io::Error>(text)]))
            } else {
                text.into()
            };
            let put = server.request("PUT", "/v2/a/manifests/tag").header("content-type", mt::OCI_MANIFEST);
            let response = put.body(body).send().await.unwrap();
            assert_eq!(response.status(), expected, "{len} {chunked}");
            if expected == 413 {
                assert_eq!(code(response).await, "SIZE_INVALID");
            }
        }
    }
}

#[tokio::test]
async fn an_upload_that_does_not_end() {
    let server = start_with(|config| config.max_blob = 100_000).await;
    let content = noise(1, 100_000);
    let digest = server.blob("a", &content).await;
    assert_eq!(server.status("HEAD", &format!("/v2/a/blobs/{digest}")).await, 200);
    let location = server.begin("a").await;
    let first = server.request("PATCH", &location).body(noise(2, 60_000)).send().await.unwrap();
    assert_eq!(first.status(), 202);
    let second = server.request("PATCH", &location).body(noise(3, 60_000)).send().await.unwrap();
    assert_eq!(second.status(), 413);
    let post = format!("/v2/a/blobs/uploads/?digest={}", Digest::of(b""));
    let whole = server.request("POST", &post).body(noise(4, 5_000_000)).send().await.unwrap();
    assert_eq!(code(whole).await, "SIZE_INVALID");
    assert_eq!(server.status("DELETE", &location).await, 204);
    let uploads = server.dir.as_ref().unwrap().path().join("data/uploads");
    assert_eq!(fs::read_dir(uploads).unwrap().count(), 0);
}

#[test]
fn folders_that_are_not_ours_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let open = || Registry::open(Config::new(&data));
    drop(open().unwrap());
    fs::write(data.join("format"), "loadline-registry 2\n").unwrap();
    assert!(matches!(open(), Err(RegistryError::NewerFormat { found: 2, known: 1, .. })));
    assert_eq!(fs::read_to_string(data.join("format")).unwrap(), "loadline-registry 2\n");
    for garbage in ["", "loadline-registry", "other 1", "loadline-registry one", "loadline-registry 0"] {
        fs::write(data.join("format"), garbage).unwrap();
        assert!(matches!(open(), Err(RegistryError::Format { .. })), "{garbage}");
    }
    fs::remove_file(data.join("format")).unwrap();
    fs::write(data.join("thesis.tex"), "years of work").unwrap();
    assert!(matches!(open(), Err(RegistryError::Foreign { entry, .. }) if entry == "thesis.tex"));
    fs::remove_file(data.join("thesis.tex")).unwrap();
    // A kill in the very first start leaves a folder without a format.
    drop(open().unwrap());
    fs::write(data.join("tmp/half"), "").unwrap();
    drop(open().unwrap());
    assert_eq!(fs::read_dir(data.join("tmp")).unwrap().count(), 0);
    let file = dir.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(matches!(Registry::open(Config::new(&file)), Err(RegistryError::Store(_))));
}

#[test]
fn one_process_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let first = Registry::open(Config::new(dir.path())).unwrap();
    assert!(matches!(Registry::open(Config::new(dir.path())), Err(RegistryError::InUse { .. })));
    let router = first.router();
    drop(first);
    assert!(matches!(Registry::open(Config::new(dir.path())), Err(RegistryError::InUse { .. })));
    drop(router);
    Registry::open(Config::new(dir.path())).unwrap();
}
