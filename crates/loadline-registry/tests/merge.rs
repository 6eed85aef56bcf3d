//! Legs joined into an index: what it costs, what it keeps, what it refuses.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use std::collections::BTreeMap;

use loadline_core::media_type::{DOCKER_LIST, DOCKER_MANIFEST, OCI_CONFIG, OCI_LAYER, OCI_MANIFEST};
use loadline_registry::index::IndexBuilder;
use loadline_registry::merge::{MergeRequest, merge};
use loadline_registry::{BlobSource, Descriptor, PlatformObject, RegistryErrorKind, Repository};
use serde_json::json;
use support::sandbox;

/// An image for a platform, a bare manifest of this media type.
async fn image(repository: &Repository, platform: &str, media_type: &str) -> Descriptor {
    let mut parts = platform.split('/');
    let config =
        json!({"os": parts.next(), "architecture": parts.next(), "variant": parts.next()}).to_string();
    let layer = format!("layer of {platform}");
    repository.push_blob(BlobSource::Bytes(config.clone().into())).await.unwrap();
    repository.push_blob(BlobSource::Bytes(layer.clone().into())).await.unwrap();
    let bytes = serde_json::to_vec(&json!({
        "schemaVersion": 2, "mediaType": media_type,
        "config": Descriptor::of(OCI_CONFIG, config.as_bytes()), "layers": [Descriptor::of(OCI_LAYER, layer.as_bytes())],
    }))
    .unwrap();
    repository.push_manifest(media_type, bytes.clone()).await.unwrap();
    Descriptor::of(media_type, &bytes)
}

/// A leg as buildx pushes it: an index of the image and of what BuildKit attests.
async fn leg(repository: &Repository, platform: &str) -> (String, Vec<Descriptor>) {
    let image = image(repository, platform, OCI_MANIFEST).await;
    let content = serde_json::to_vec(&json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST,
        "config": Descriptor::of(OCI_CONFIG, b"{}"), "layers": [], "annotations": {"of": platform},
    }))
    .unwrap();
    repository.push_blob(BlobSource::Bytes("{}".into())).await.unwrap();
    repository.push_manifest(OCI_MANIFEST, content.clone()).await.unwrap();
    let mut attestation = Descriptor::of(OCI_MANIFEST, &content)
        .with_annotation("vnd.docker.reference.type", "attestation-manifest")
        .with_annotation("vnd.docker.reference.digest", image.digest.to_string());
    attestation.platform = Some(PlatformObject {
        os: "unknown".into(),
        architecture: "unknown".into(),
        ..PlatformObject::default()
    });
    let entries =
        vec![image.with_platform(&platform.parse().unwrap()).with_annotation("kept", "yes"), attestation];
    let index = IndexBuilder::new().entries(entries.clone()).build().unwrap();
    repository.push_manifest(index.media_type, index.bytes).await.unwrap();
    (index.digest.to_string(), entries)
}

fn request<'a>(
    legs: &'a [&'a str],
    tags: &'a [&'a str],
    annotations: &'a BTreeMap<String, String>,
) -> MergeRequest<'a> {
    MergeRequest { legs, annotations, tags }
}

#[tokio::test]
async fn no_request_is_wasted() {
    let server = sandbox(|_| {}).await;
    let repository = server.repository("app");
    let none = BTreeMap::new();
    let (amd64, _) = leg(&repository, "linux/amd64").await;
    let (arm64, _) = leg(&repository, "linux/arm64").await;
    let before = server.asked().len();
    let built =
        merge(&server.repository("app"), request(&[&amd64, &arm64], &["1", "2", "3"], &none)).await.unwrap();
    let asked = server.asked()[before..].to_vec();
    assert_eq!(asked.len(), 2 + 1 + 3, "one GET a leg, one PUT, one PUT a tag: {asked:?}");
    assert_eq!(asked.iter().filter(|line| line.starts_with("GET")).count(), 2);
    assert_eq!(asked[2], format!("PUT /v2/app/manifests/{} 201", built.digest));
    assert_eq!(repository.resolve("3").await.unwrap().unwrap().digest, built.digest);

    // Bare manifests: one more each, for the platform.
    let one = image(&repository, "linux/s390x", OCI_MANIFEST).await.digest.to_string();
    let two = image(&repository, "linux/arm/v6", OCI_MANIFEST).await.digest.to_string();
    let before = server.asked().len();
    let built = merge(&server.repository("app"), request(&[&one, &two, &arm64], &[], &none)).await.unwrap();
    assert_eq!(server.asked().len() - before, 3 + 2 + 1, "{:?}", &server.asked()[before..]);
    let index = repository.manifest(&built.digest.to_string()).await.unwrap().as_index().unwrap();
    let platforms: Vec<String> = index.images().map(|entry| entry.platform().unwrap().to_string()).collect();
    assert_eq!(platforms, ["linux/arm/v6", "linux/arm64", "linux/s390x"]);
}

#[tokio::test]
async fn everything_is_kept_and_the_order_of_legs_is_nothing() {
    let server = sandbox(|_| {}).await;
    let repository = server.repository("app");
    let (amd64, first) = leg(&repository, "linux/amd64").await;
    let (arm64, second) = leg(&repository, "linux/arm64").await;
    let annotations = BTreeMap::from([("org.opencontainers.image.version".to_owned(), "1".to_owned())]);
    let built = merge(&repository, request(&[&amd64, &arm64], &[], &annotations)).await.unwrap();
    let other = merge(&repository, request(&[&arm64, &amd64, &arm64], &[], &annotations)).await.unwrap();
    assert_eq!(built, other);
    let index = repository.manifest(&built.digest.to_string()).await.unwrap().as_index().unwrap();
    assert_eq!(index.manifests, [first, second].concat());
    assert_eq!(index.annotations, annotations);
}

#[tokio::test]
async fn docker_s_types_stay_docker_s() {
    let server = sandbox(|_| {}).await;
    let repository = server.repository("app");
    let none = BTreeMap::new();
    let one = image(&repository, "linux/amd64", DOCKER_MANIFEST).await.digest.to_string();
    let two = image(&repository, "linux/arm64", DOCKER_MANIFEST).await.digest.to_string();
    let built = merge(&repository, request(&[&one, &two], &[], &none)).await.unwrap();
    assert_eq!(built.media_type, DOCKER_LIST);
    let three = image(&repository, "linux/s390x", OCI_MANIFEST).await.digest.to_string();
    let mixed = merge(&repository, request(&[&one, &three], &[], &none)).await.unwrap();
    assert_ne!(mixed.media_type, DOCKER_LIST);
}

#[tokio::test]
async fn what_does_not_fit_together_is_refused_before_anything_is_written() {
    let server = sandbox(|_| {}).await;
    let repository = server.repository("app");
    let none = BTreeMap::new();
    let (amd64, _) = leg(&repository, "linux/amd64").await;
    let (other, _) = {
        let elsewhere = image(&repository, "linux/amd64", DOCKER_MANIFEST).await;
        (elsewhere.digest.to_string(), ())
    };
    let before = server.count("PUT");
    let error = merge(&repository, request(&[&amd64, &other], &["1"], &none)).await.unwrap_err();
    assert!(error.to_string().contains("both for linux/amd64"), "{error}");
    let gone = loadline_core::Digest::of("gone").to_string();
    let error = merge(&repository, request(&[&amd64, &gone], &["1"], &none)).await.unwrap_err();
    assert!(matches!(error.kind(), RegistryErrorKind::NotFound), "{error}");
    let error = merge(&repository, request(&[], &["1"], &none)).await.unwrap_err();
    assert!(error.to_string().contains("no image"), "{error}");
    assert_eq!(server.count("PUT"), before);
}
