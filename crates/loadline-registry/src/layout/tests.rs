use loadline_core::media_type::{OCI_CONFIG, OCI_EMPTY, OCI_MANIFEST};

use super::*;
use crate::index::IndexBuilder;
use crate::repository::Repository;

fn image(name: &str, subject: Option<&Descriptor>) -> Vec<u8> {
    let config = Descriptor::of(if subject.is_some() { OCI_EMPTY } else { OCI_CONFIG }, b"{}");
    let mut document = serde_json::json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [],
        "annotations": {"name": name},
    });
    if let Some(subject) = subject {
        document["subject"] = serde_json::to_value(subject).unwrap();
        document["artifactType"] = "application/test".into();
    }
    serde_json::to_vec(&document).unwrap()
}

#[tokio::test]
async fn what_is_pushed_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    let repository = Repository::layout(folder.path().join("layout"));
    assert_eq!(repository.resolve("v1").await.unwrap(), None);
    assert!(repository.manifest("v1").await.unwrap_err().is_not_found());

    let blob = Bytes::from_static(b"{}");
    assert_eq!(repository.push_blob(BlobSource::Bytes(blob.clone())).await.unwrap(), Pushed::Sent);
    assert_eq!(repository.push_blob(BlobSource::Bytes(blob.clone())).await.unwrap(), Pushed::AlreadyThere);
    let descriptor = Descriptor::of(OCI_CONFIG, &blob);
    assert_eq!(repository.blob(&descriptor, 100).await.unwrap(), blob);
    assert!(repository.has_blob(&descriptor.digest).await.unwrap());

    let mut legs = Vec::new();
    for platform in ["linux/amd64", "linux/arm64"] {
        let bytes = image(platform, None);
        let pushed = repository.push_manifest(OCI_MANIFEST, bytes.clone()).await.unwrap();
        assert!(pushed.sent && !pushed.subject_acknowledged);
        assert!(!repository.push_manifest(OCI_MANIFEST, bytes.clone()).await.unwrap().sent);
        legs.push(Descriptor::of(OCI_MANIFEST, &bytes).with_platform(&platform.parse().unwrap()));
    }
    let layout = Layout::new(folder.path().join("layout"));
    assert_eq!(layout.entries().unwrap().len(), 2);
    let index = IndexBuilder::new().entries(legs.clone()).build().unwrap();
    repository.push_manifest(index.media_type, index.bytes.clone()).await.unwrap();
    repository.tag("v1", index.media_type, index.bytes.clone()).await.unwrap();
    repository.tag("latest", index.media_type, index.bytes.clone()).await.unwrap();
    assert_eq!(repository.tags().await.unwrap(), ["latest", "v1"]);
    assert_eq!(layout.entries().unwrap().len(), 2, "the legs hang on the index now");
    assert_eq!(repository.resolve("v1").await.unwrap().unwrap().digest, index.digest);
    assert_eq!(repository.manifest("v1").await.unwrap().bytes, index.bytes);
    let leg = repository.manifest(&legs[1].digest.to_string()).await.unwrap();
    assert_eq!(leg.as_image().unwrap().annotations["name"], "linux/arm64");
}

#[tokio::test]
async fn a_tag_moves_and_what_it_left_stays() {
    let folder = tempfile::tempdir().unwrap();
    let repository = Repository::layout(folder.path());
    let (one, two) = (image("one", None), image("two", None));
    repository.tag("v1", OCI_MANIFEST, one.clone()).await.unwrap();
    repository.tag("v1", OCI_MANIFEST, two.clone()).await.unwrap();
    assert_eq!(repository.resolve("v1").await.unwrap().unwrap().digest, Digest::of(&two));
    assert!(repository.resolve(&Digest::of(&one).to_string()).await.unwrap().is_some());
    assert_eq!(Layout::new(folder.path()).entries().unwrap().len(), 2);
}

#[tokio::test]
async fn referrers_are_found_by_their_subject() {
    let folder = tempfile::tempdir().unwrap();
    let repository = Repository::layout(folder.path());
    let subject = image("subject", None);
    let digest = Digest::of(&subject);
    assert!(repository.referrers(&digest).await.unwrap().descriptors.is_empty());
    repository.push_manifest(OCI_MANIFEST, subject.clone()).await.unwrap();
    let evidence = image("evidence", Some(&Descriptor::of(OCI_MANIFEST, &subject)));
    let attached = repository.attach(OCI_MANIFEST, evidence.clone()).await.unwrap();
    assert_eq!((attached.sent, attached.listed), (true, ReferrersSource::Layout));
    let again = repository.attach(OCI_MANIFEST, evidence.clone()).await.unwrap();
    assert!(!again.sent);
    let referrers = repository.referrers(&digest).await.unwrap();
    assert_eq!(referrers.descriptors.len(), 1);
    assert_eq!(referrers.descriptors[0].digest, Digest::of(&evidence));
    assert_eq!(referrers.descriptors[0].artifact_type.as_deref(), Some("application/test"));
    assert_eq!(referrers.descriptors[0].annotations["name"], "evidence");
    let error = repository.attach(OCI_MANIFEST, subject).await.unwrap_err();
    assert!(error.to_string().contains("no subject"), "{error}");
}

#[tokio::test]
async fn concurrent_writers_lose_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let writes = (0..20).map(|n| {
        let repository = Repository::layout(folder.path());
        async move { repository.tag(&format!("v{n}"), OCI_MANIFEST, image(&n.to_string(), None)).await }
    });
    for result in futures_util::future::join_all(writes).await {
        result.unwrap();
    }
    assert_eq!(Repository::layout(folder.path()).tags().await.unwrap().len(), 20);
    let mut parts = std::fs::read_dir(folder.path()).unwrap().flatten();
    assert!(!parts.any(|entry| entry.file_name().to_string_lossy().ends_with(".part")));
}

#[tokio::test]
async fn tampered_content_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let repository = Repository::layout(folder.path());
    let bytes = image("x", None);
    repository.tag("v1", OCI_MANIFEST, bytes.clone()).await.unwrap();
    let digest = Digest::of(&bytes);
    let path = Layout::new(folder.path()).blob_path(&digest);
    let other = String::from_utf8(bytes.clone()).unwrap().replace("\"x\"", "\"y\"");
    std::fs::write(&path, &other).unwrap();
    let error = repository.manifest("v1").await.unwrap_err();
    assert!(matches!(error.kind(), RegistryErrorKind::DigestMismatch { .. }), "{error}");
    let blob = Descriptor::new("x", digest, bytes.len() as u64);
    assert!(matches!(
        repository.blob(&blob, 1 << 20).await.unwrap_err().kind(),
        RegistryErrorKind::DigestMismatch { .. }
    ));
    let to = folder.path().join("out");
    assert!(repository.blob_to_file(&blob, &to).await.is_err());
    assert!(!to.exists());
    assert!(matches!(
        repository.blob(&blob, 10).await.unwrap_err().kind(),
        RegistryErrorKind::TooLarge { .. }
    ));
}

#[tokio::test]
async fn what_is_no_layout_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("precious.txt"), "x").unwrap();
    let repository = Repository::layout(folder.path());
    let error = repository.push_blob(BlobSource::Bytes(Bytes::from_static(b"x"))).await.unwrap_err();
    assert!(matches!(error.kind(), RegistryErrorKind::Unsupported { .. }), "{error}");
    std::fs::write(folder.path().join("oci-layout"), r#"{"imageLayoutVersion":"2.0.0"}"#).unwrap();
    let error = repository.tags().await.unwrap_err();
    assert!(error.to_string().contains("version 2.0.0"), "{error}");
    std::fs::write(folder.path().join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    std::fs::write(folder.path().join("index.json"), "[1").unwrap();
    let error = repository.tags().await.unwrap_err();
    assert!(matches!(error.kind(), RegistryErrorKind::Malformed { .. }), "{error}");
}

#[test]
fn names_of_other_tools() {
    assert!(names("v1", "v1"));
    assert!(names("docker.io/library/x:v1", "v1"));
    assert!(!names("x:v1", "v1"), "a tag cannot hold a colon, but this is no reference either");
    assert!(!names("docker.io/x:v11", "v1"));
}
