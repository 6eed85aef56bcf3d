//! Garbage collection.

use std::time::Duration;

use loadline_core::Digest;

use crate::support::{image, start};

#[tokio::test]
async fn takes_what_nobody_needs_and_nothing_else() {
    let server = start().await;
    let (kept, _) = server.image("a", "tag", b"needed").await;
    let (untagged, manifest) = server.image("b", "tag", b"by digest only").await;
    assert_eq!(server.status("DELETE", "/v2/b/manifests/tag").await, 202);
    let stray = server.blob("a", b"stray").await;
    server.blob("b", b"needed").await;
    let orphan = server.blob("a", b"orphan").await;
    assert_eq!(server.status("DELETE", &format!("/v2/a/blobs/{orphan}")).await, 202);
    let upload = server.begin("a").await;
    server.request("PATCH", &upload).body("half").send().await.unwrap();
    let registry = server.registry.as_ref().unwrap();

    let young = registry.collect(Duration::from_secs(3600), false).unwrap();
    assert_eq!(young, loadline_sandbox::registry::Collected::default());

    // Whole seconds are counted: wait until everything is at least one old.
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let would = registry.collect(Duration::ZERO, true).unwrap();
    assert_eq!(server.status("GET", &format!("/v2/a/blobs/{stray}")).await, 200, "a dry run takes nothing");
    let done = registry.collect(Duration::ZERO, false).unwrap();
    assert_eq!(done.unlinked, would.unlinked);
    assert_eq!(done.uploads, would.uploads);
    let needed = Digest::of(b"needed");
    assert_eq!(done.unlinked, [("a".to_owned(), stray.clone()), ("b".to_owned(), needed.clone())]);
    let mut content = vec![stray.clone(), orphan];
    content.sort();
    assert_eq!(done.content, content);
    assert_eq!(done.bytes, 11);
    assert_eq!(done.uploads.len(), 1);

    assert_eq!(server.status("GET", &format!("/v2/a/blobs/{stray}")).await, 404);
    assert_eq!(server.status("GET", &upload).await, 404);
    assert_eq!(server.status("GET", &format!("/v2/a/blobs/{needed}")).await, 200);
    assert_eq!(server.status("GET", &format!("/v2/a/manifests/{kept}")).await, 200);
    assert_eq!(server.status("GET", &format!("/v2/b/manifests/{untagged}")).await, 200);
    server.manifest("b", "again", &manifest).await;
    assert_eq!(registry.collect(Duration::ZERO, false).unwrap().content, []);
}

#[tokio::test]
async fn a_manifest_that_rotted_keeps_its_repository_whole() {
    let server = start().await;
    let (digest, _) = server.image("a", "tag", b"layer").await;
    let stray = server.blob("a", b"stray").await;
    let hex = digest.hex();
    let data = server.dir.as_ref().unwrap().path().join("data");
    std::fs::write(data.join("blobs/sha256").join(&hex[..2]).join(hex), b"rot").unwrap();
    tokio::time::sleep(Duration::from_millis(1100)).await;
    let done = server.registry.as_ref().unwrap().collect(Duration::ZERO, false).unwrap();
    assert_eq!(done.unreadable, [("a".to_owned(), digest.clone())]);
    assert_eq!(done.content, []);
    assert_eq!(server.status("GET", &format!("/v2/a/blobs/{stray}")).await, 200);
    assert_eq!(server.status("GET", "/v2/a/manifests/tag").await, 500);
    let manifest = image(&server, "a", b"layer").await;
    server.manifest("a", "tag", &manifest).await;
    assert_eq!(server.status("GET", "/v2/a/manifests/tag").await, 200, "a push mends it");
}
