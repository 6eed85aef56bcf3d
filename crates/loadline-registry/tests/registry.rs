//! Against the sandbox's registry: what is pushed is read back, and no request is wasted.

mod support;

use bytes::Bytes;
use loadline_core::Digest;
use loadline_core::media_type::{OCI_LAYER, OCI_MANIFEST};
use loadline_core::rootfs::RootFs;
use loadline_registry::index::IndexBuilder;
use loadline_registry::layers::{self, Limits};
use loadline_registry::{
    BlobSource, Counters, Descriptor, Pushed, ReferrersSource, RegistryErrorKind, Repository,
};
use support::{client, evidence, push_image, sandbox};

#[tokio::test]
async fn an_image_goes_there_and_comes_back() {
    let server = sandbox(|_| {}).await;
    let client = client();
    let repository = Repository::at(&client, server.name("team/app"));
    assert_eq!(repository.resolve("v1").await.unwrap(), None);
    assert!(repository.manifest("v1").await.unwrap_err().is_not_found());

    let (image, bytes) = push_image(&repository, b"layer").await;
    let resolved = repository.resolve(&image.digest.to_string()).await.unwrap().unwrap();
    assert_eq!(resolved, image);
    let leg = image.clone().with_platform(&"linux/amd64".parse().unwrap());
    let index = IndexBuilder::new().entry(leg).build().unwrap();
    assert!(repository.push_manifest(index.media_type, index.bytes.clone()).await.unwrap().sent);
    repository.tag("v1", index.media_type, index.bytes.clone()).await.unwrap();
    repository.tag("latest", index.media_type, index.bytes.clone()).await.unwrap();

    let manifest = repository.manifest("v1").await.unwrap();
    assert_eq!((manifest.digest(), &manifest.bytes[..]), (&index.digest, &index.bytes[..]));
    assert_eq!(manifest.as_index().unwrap().manifests.len(), 1);
    assert!(manifest.as_image().is_err());
    let image_manifest = repository.manifest(&image.digest.to_string()).await.unwrap();
    assert_eq!(image_manifest.bytes, bytes);
    let layer = &image_manifest.as_image().unwrap().layers[0];
    assert_eq!(repository.blob(layer, 100).await.unwrap(), "layer");
    let error = repository.blob(layer, 4).await.unwrap_err();
    assert!(matches!(error.kind(), RegistryErrorKind::TooLarge { .. }), "{error}");
    let mut tags = repository.tags().await.unwrap();
    tags.sort();
    assert_eq!(tags, ["latest", "v1"]);

    let counters = client.counters();
    assert_eq!((counters.blobs_pushed, counters.manifests_pushed, counters.tags_written), (2, 2, 2));
    assert!(counters.bytes_sent > 5 && counters.bytes_received > 5);
    assert_eq!(counters.requests, server.asked().len() as u64);
    assert_eq!(server.count("GET /v2/ "), 0, "nobody asks whether the registry is there");
}

#[tokio::test]
async fn what_is_there_is_not_sent_again() {
    let server = sandbox(|_| {}).await;
    let (_, bytes) = push_image(&server.repository("app"), b"layer").await;
    let again = client();
    let repository = Repository::at(&again, server.name("app"));
    let before = server.asked().len();
    push_image(&repository, b"layer").await;
    assert!(!repository.push_manifest(OCI_MANIFEST, bytes).await.unwrap().sent);
    let counters = again.counters();
    assert_eq!(counters, Counters { requests: 4, ..Counters::default() });
    assert_eq!(&server.asked()[before..].iter().filter(|line| !line.starts_with("HEAD")).count(), &0);
    // The same client knows already.
    assert_eq!(repository.push_blob(BlobSource::Bytes("layer".into())).await.unwrap(), Pushed::AlreadyThere);
    assert_eq!(again.counters().requests, 4);
}

#[tokio::test]
async fn concurrent_pushes_of_one_blob_send_it_once() {
    let server = sandbox(|_| {}).await;
    let client = client();
    let pushes = (0..10).map(|_| {
        let repository = Repository::at(&client, server.name("app"));
        async move { repository.push_blob(BlobSource::Bytes("{}".into())).await.unwrap() }
    });
    let results = futures_util::future::join_all(pushes).await;
    assert_eq!(results.iter().filter(|pushed| **pushed == Pushed::Sent).count(), 1);
    assert_eq!(server.asked().len(), 3, "{:?}", server.asked());
}

#[tokio::test]
async fn blobs_are_mounted_from_next_door() {
    let server = sandbox(|_| {}).await;
    let (one, two) = (server.repository("one"), server.repository("two"));
    let blob = BlobSource::Bytes("shared".into());
    one.push_blob(blob.clone()).await.unwrap();
    let pushed = two.push_blob_or_mount(blob.clone(), one.name()).await.unwrap();
    assert_eq!(pushed, Pushed::Mounted);
    assert!(two.has_blob(&blob.digest()).await.unwrap());
    assert_eq!(server.count("PUT"), 1, "{:?}", server.asked());
    // What is not next door is sent in the same session.
    let other = BlobSource::Bytes("other".into());
    assert_eq!(two.push_blob_or_mount(other.clone(), one.name()).await.unwrap(), Pushed::Sent);
    assert!(
        !server.repository("three").mount_blob(&Digest::of("nowhere"), one.name().unwrap()).await.unwrap()
    );
    assert!(server.repository("three").mount_blob(&other.digest(), two.name().unwrap()).await.unwrap());
}

#[tokio::test]
async fn files_are_streamed_both_ways() {
    let server = sandbox(|_| {}).await;
    let folder = tempfile::tempdir().unwrap();
    let content: Vec<u8> = (0..3_000_000u32).flat_map(|n| n.to_le_bytes()).collect();
    let path = folder.path().join("blob");
    std::fs::write(&path, &content).unwrap();
    let (digest, size) = (Digest::of(&content), content.len() as u64);
    let client = client();
    let repository = Repository::at(&client, server.name("app"));
    let source = BlobSource::File { path, digest: digest.clone(), size };
    assert_eq!(repository.push_blob(source).await.unwrap(), Pushed::Sent);
    assert_eq!(client.counters().bytes_sent, size);
    let out = folder.path().join("out");
    let blob = Descriptor::new(OCI_LAYER, digest, size);
    repository.blob_to_file(&blob, &out).await.unwrap();
    assert_eq!(Digest::of(std::fs::read(&out).unwrap()), blob.digest);

    // From registry to registry, and between registry and layout.
    let other = sandbox(|_| {}).await;
    let there = Repository::at(&client, other.name("copy"));
    assert_eq!(there.copy_blob(&blob, &repository).await.unwrap(), Pushed::Sent);
    assert_eq!(there.copy_blob(&blob, &repository).await.unwrap(), Pushed::AlreadyThere);
    assert!(there.has_blob(&blob.digest).await.unwrap());
    let near = Repository::at(&client, server.name("near"));
    assert_eq!(near.copy_blob(&blob, &repository).await.unwrap(), Pushed::Mounted);
    let layout = Repository::layout(folder.path().join("layout"));
    assert_eq!(layout.copy_blob(&blob, &there).await.unwrap(), Pushed::Sent);
    assert_eq!(layout.copy_blob(&blob, &there).await.unwrap(), Pushed::AlreadyThere);
    let third = Repository::at(&client, other.name("third"));
    assert_eq!(third.copy_blob(&blob, &layout).await.unwrap(), Pushed::Sent);
}

#[tokio::test]
async fn a_file_that_is_not_what_it_says_is_refused_by_the_registry() {
    let server = sandbox(|_| {}).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("blob");
    std::fs::write(&path, "other").unwrap();
    let source = BlobSource::File { path, digest: Digest::of("right"), size: 5 };
    let error = server.repository("app").push_blob(source).await.unwrap_err();
    assert_eq!(error.status(), Some(400), "{error}");
    assert_eq!(server.count("PUT"), 1, "a refusal is not tried again");
}

#[tokio::test]
async fn evidence_is_found_by_the_api() {
    let server = sandbox(|_| {}).await;
    let client = client();
    let repository = Repository::at(&client, server.name("app"));
    let (image, _) = push_image(&repository, b"layer").await;
    let none = repository.referrers(&image.digest).await.unwrap();
    assert_eq!((none.descriptors.len(), none.source, none.complete), (0, ReferrersSource::Api, true));
    let manifest = evidence(&repository, &image, "one").await;
    let before = client.counters();
    let attached = repository.attach(OCI_MANIFEST, manifest.clone()).await.unwrap();
    assert_eq!((attached.sent, attached.listed), (true, ReferrersSource::Api));
    assert_eq!((client.counters() - before).requests, 2, "one HEAD, one PUT");
    let again = repository.attach(OCI_MANIFEST, manifest.clone()).await.unwrap();
    assert_eq!((again.sent, again.listed), (false, ReferrersSource::Api));
    let found = repository.referrers(&image.digest).await.unwrap();
    assert_eq!(found.descriptors.len(), 1);
    assert_eq!(found.descriptors[0].digest, Digest::of(&manifest));
    assert_eq!(found.descriptors[0].artifact_type.as_deref(), Some("application/test"));
    assert_eq!(found.descriptors[0].annotations["content"], "one");
}

#[tokio::test]
async fn evidence_is_found_by_the_fallback_tag() {
    let server = sandbox(|config| config.no_referrers = true).await;
    let client = client();
    let repository = Repository::at(&client, server.name("app"));
    let (image, _) = push_image(&repository, b"layer").await;
    assert!(repository.referrers(&image.digest).await.unwrap().descriptors.is_empty());
    // Ten at once through one client: it writes the tag once at a time.
    let attach = (0..10).map(|n| {
        let (repository, image) = (repository.clone(), image.clone());
        async move {
            let manifest = evidence(&repository, &image, &n.to_string()).await;
            repository.attach(OCI_MANIFEST, manifest).await.unwrap()
        }
    });
    for attached in futures_util::future::join_all(attach).await {
        assert_eq!((attached.sent, attached.listed), (true, ReferrersSource::FallbackTag));
    }
    let found = repository.referrers(&image.digest).await.unwrap();
    assert_eq!(found.source, ReferrersSource::FallbackTag);
    let mut contents: Vec<&str> =
        found.descriptors.iter().map(|d| d.annotations["content"].as_str()).collect();
    contents.sort_unstable();
    assert_eq!(contents, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    assert!(found.descriptors.iter().all(|d| d.artifact_type.as_deref() == Some("application/test")));
    assert_eq!(repository.tags().await.unwrap(), [format!("sha256-{}", image.digest.hex())]);
    // Interrupted between push and tag: a second attach mends it.
    let manifest = evidence(&repository, &image, "late").await;
    repository.push_manifest(OCI_MANIFEST, manifest.clone()).await.unwrap();
    let attached = repository.attach(OCI_MANIFEST, manifest).await.unwrap();
    assert_eq!((attached.sent, attached.listed), (false, ReferrersSource::FallbackTag));
    assert_eq!(repository.referrers(&image.digest).await.unwrap().descriptors.len(), 11);
}

#[tokio::test]
async fn what_racing_writers_lost_is_mended_by_attaching_again() {
    // Without conditional writes nothing can keep two writers on two machines apart.
    let server = sandbox(|config| config.no_referrers = true).await;
    let one = server.repository("app");
    let (image, _) = push_image(&one, b"layer").await;
    let mut manifests = Vec::new();
    for n in 0..12 {
        manifests.push(evidence(&one, &image, &n.to_string()).await);
    }
    let attach = manifests.iter().cloned().map(|manifest| {
        let writer = server.repository("app");
        async move { writer.attach(OCI_MANIFEST, manifest).await }
    });
    for attached in futures_util::future::join_all(attach).await {
        attached.unwrap();
    }
    for manifest in &manifests {
        assert!(!one.attach(OCI_MANIFEST, manifest.clone()).await.unwrap().sent);
    }
    assert_eq!(one.referrers(&image.digest).await.unwrap().descriptors.len(), 12);
}

#[tokio::test]
async fn lists_come_in_pages() {
    let server = sandbox(|config| config.page = 3).await;
    let repository = server.repository("app");
    let (image, bytes) = push_image(&repository, b"layer").await;
    for n in 0..7 {
        repository.tag(&format!("v{n}"), OCI_MANIFEST, bytes.clone()).await.unwrap();
        let manifest = evidence(&repository, &image, &n.to_string()).await;
        repository.attach(OCI_MANIFEST, manifest).await.unwrap();
    }
    assert_eq!(repository.tags().await.unwrap().len(), 7);
    let found = repository.referrers(&image.digest).await.unwrap();
    assert_eq!((found.descriptors.len(), found.complete), (7, true));
}

#[tokio::test]
async fn layers_are_fetched_and_read() {
    let server = sandbox(|_| {}).await;
    let repository = server.repository("app");
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(5);
    header.set_mode(0o755);
    builder.append_data(&mut header, "bin/hello", &b"hello"[..]).unwrap();
    let (image, _) = push_image(&repository, &builder.into_inner().unwrap()).await;
    let manifest = repository.manifest(&image.digest.to_string()).await.unwrap().as_image().unwrap();
    let folder = tempfile::tempdir().unwrap();
    for _ in 0..2 {
        let rootfs = layers::fetch(&repository, &manifest, folder.path(), Limits::default()).await.unwrap();
        let mut seen = Vec::new();
        rootfs
            .visit(&mut |entry, content| {
                let mut text = String::new();
                content.read_to_string(&mut text)?;
                seen.push((entry.path.clone(), entry.mode, text));
                Ok(())
            })
            .unwrap();
        assert_eq!(seen, [("bin/hello".to_owned(), 0o755, "hello".to_owned())]);
    }
    let layer = &manifest.layers[0].digest;
    assert_eq!(server.count(&format!("GET /v2/app/blobs/{layer}")), 1, "the second time it is there");
}

#[tokio::test]
async fn empty_and_large_and_odd() {
    let server = sandbox(|_| {}).await;
    let repository = server.repository("app");
    assert_eq!(repository.push_blob(BlobSource::Bytes(Bytes::new())).await.unwrap(), Pushed::Sent);
    assert_eq!(repository.blob(&Descriptor::of("x/y", b""), 0).await.unwrap(), "");
    let huge = format!(r#"{{"schemaVersion":2,"manifests":[],"x":"{}"}}"#, "y".repeat(4 << 20));
    let error = repository.push_manifest("application/vnd.oci.image.index.v1+json", huge).await.unwrap_err();
    assert!(matches!(error.kind(), RegistryErrorKind::TooLarge { .. }), "{error}");
    let error = repository.manifest("../../evil").await.unwrap_err();
    assert!(matches!(error.kind(), RegistryErrorKind::Malformed { .. }), "{error}");
    let error = repository.tag("bad tag", OCI_MANIFEST, "{}").await.unwrap_err();
    assert!(matches!(error.kind(), RegistryErrorKind::Malformed { .. }), "{error}");
    assert_eq!(server.count("evil"), 0);
}
