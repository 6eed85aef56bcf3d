//! An image with all that belongs to it, carried from place to place.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use loadline_core::Digest;
use loadline_core::media_type::{OCI_EMPTY, OCI_INDEX, OCI_MANIFEST};
use loadline_registry::copy::{Copied, CopyRequest, MissingKind, TagEnd, TagRule, copy};
use loadline_registry::index::IndexBuilder;
use loadline_registry::walk::{Role, belongings};
use loadline_registry::{BlobSource, Client, Descriptor, Layout, PlatformObject, Repository};
use support::{Server, client, evidence, faulty, push_image, sandbox};

/// An image of two platforms with BuildKit's attestation of the first, evidence on the index, on a child and on
/// that evidence, and one of cosign's tags; tagged `latest`.
async fn image(repository: &Repository) -> Digest {
    let (amd64, _) = push_image(repository, b"layer for amd64").await;
    let (arm64, _) = push_image(repository, b"layer for arm64").await;
    repository.push_blob(BlobSource::Bytes("{}".into())).await.unwrap();
    let attestation = serde_json::to_vec(&serde_json::json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": Descriptor::of(OCI_EMPTY, b"{}"), "layers": [],
    }))
    .unwrap();
    repository.push_manifest(OCI_MANIFEST, attestation.clone()).await.unwrap();
    let mut unsigned = Descriptor::of(OCI_MANIFEST, &attestation)
        .with_annotation("vnd.docker.reference.type", "attestation-manifest")
        .with_annotation("vnd.docker.reference.digest", amd64.digest.to_string());
    unsigned.platform = Some(PlatformObject {
        os: "unknown".into(),
        architecture: "unknown".into(),
        ..PlatformObject::default()
    });
    let index = IndexBuilder::new()
        .entry(amd64.clone().with_platform(&"linux/amd64".parse().unwrap()))
        .entry(arm64.with_platform(&"linux/arm64".parse().unwrap()))
        .entry(unsigned)
        .build()
        .unwrap();
    repository.push_manifest(index.media_type, index.bytes.clone()).await.unwrap();
    let whole = Descriptor::new(OCI_INDEX, index.digest.clone(), index.bytes.len() as u64);
    let on_index = evidence(repository, &whole, "provenance").await;
    let first = repository.attach(OCI_MANIFEST, on_index.clone()).await.unwrap();
    let on_child = evidence(repository, &amd64, "sbom").await;
    repository.attach(OCI_MANIFEST, on_child).await.unwrap();
    let on_evidence = evidence(
        repository,
        &Descriptor::new(OCI_MANIFEST, first.digest, on_index.len() as u64),
        "on evidence",
    )
    .await;
    repository.attach(OCI_MANIFEST, on_evidence).await.unwrap();
    let (old, bytes) = push_image(repository, b"old signature").await;
    let tag = format!("sha256-{}.sig", index.digest.hex());
    repository.tag(&tag, &old.media_type, bytes).await.unwrap();
    repository.tag("latest", index.media_type, index.bytes).await.unwrap();
    index.digest
}

async fn run(from: &Repository, to: &Repository, tag: Option<&str>) -> Copied {
    let request = CopyRequest { from, source: "latest", platform: None, to, tag, rule: TagRule::Keep };
    copy(request).await.unwrap()
}

fn roles(copied: &Copied) -> Vec<Role> {
    let mut roles: Vec<Role> = copied.manifests.iter().map(|manifest| manifest.role).collect();
    roles.sort();
    roles
}

const ALL: [Role; 8] = [
    Role::Index,
    Role::Image,
    Role::Image,
    Role::Attestation,
    Role::Evidence,
    Role::Evidence,
    Role::Evidence,
    Role::Cosign,
];

async fn is_whole(to: &Repository, digest: &Digest) {
    let image = to.manifest(&digest.to_string()).await.unwrap();
    let found = belongings(to, image, &[]).await;
    assert!(found.failures.is_empty() && found.lost.is_empty(), "{found:?}");
    let mut roles: Vec<Role> = found.items.iter().map(|item| item.role).collect();
    roles.sort();
    assert_eq!(roles, ALL);
}

fn at(client: &Client, server: &Server, path: &str) -> Repository {
    Repository::at(client, server.name(path))
}

#[tokio::test]
async fn all_of_it_arrives_and_a_second_run_sends_nothing() {
    for (from_api, to_api) in [(true, true), (false, true), (true, false), (false, false)] {
        let source = sandbox(|config| config.no_referrers = !from_api).await;
        let from = source.repository("app");
        let digest = image(&from).await;
        let server = sandbox(|config| config.no_referrers = !to_api).await;
        let to = server.repository("mirror/app");
        let copied = run(&from, &to, Some("1.0.0")).await;
        assert!(copied.outcome().findings.is_empty(), "{:?}", copied.outcome());
        assert!(copied.outcome().failures.is_empty(), "{:?}", copied.outcome());
        assert_eq!(copied.digest, digest);
        assert_eq!(roles(&copied), ALL);
        assert!(copied.manifests.iter().all(|manifest| manifest.sent));
        assert_eq!(copied.tag, Some(TagEnd::Written { tag: "1.0.0".into() }));
        is_whole(&to, &digest).await;
        assert_eq!(to.resolve("1.0.0").await.unwrap().unwrap().digest, digest);
        let written = |line: &String| !line.starts_with("GET") && !line.starts_with("HEAD");
        let before = server.asked().iter().filter(|line| written(line)).count();
        let again =
            run(&at(&client(), &source, "app"), &at(&client(), &server, "mirror/app"), Some("1.0.0")).await;
        assert_eq!(again.tag, Some(TagEnd::AlreadyThere { tag: "1.0.0".into() }));
        assert!(again.manifests.iter().all(|manifest| !manifest.sent));
        let after = server.asked().iter().filter(|line| written(line)).count();
        assert_eq!(before, after, "api {from_api} to {to_api}");
    }
}

#[tokio::test]
async fn the_tag_comes_last_of_all() {
    let source = sandbox(|_| {}).await;
    let from = source.repository("app");
    image(&from).await;
    let server = sandbox(|_| {}).await;
    run(&from, &server.repository("app"), Some("1.0.0")).await;
    let asked = server.asked();
    let last = asked.iter().rposition(|line| line.starts_with("PUT") || line.starts_with("POST")).unwrap();
    assert_eq!(asked[last], "PUT /v2/app/manifests/1.0.0 201");
    let checks = asked[..last].iter().rev().take_while(|line| !line.starts_with("PUT"));
    assert!(checks.count() > 15, "everything is asked for before: {asked:?}");
}

#[tokio::test]
async fn next_door_nothing_is_sent() {
    let server = sandbox(|_| {}).await;
    let from = server.repository("app");
    let digest = image(&from).await;
    let client = client();
    let to = at(&client, &server, "mirror");
    let copied = run(&from, &to, None).await;
    assert_eq!((copied.blobs.sent, copied.blobs.bytes, copied.tag.clone()), (0, 0, None));
    assert!(copied.blobs.mounted >= 6, "{:?}", copied.blobs);
    is_whole(&to, &digest).await;
}

#[tokio::test]
async fn through_a_layout_to_where_there_is_no_network() {
    let source = sandbox(|_| {}).await;
    let from = source.repository("app");
    let digest = image(&from).await;
    let folder = tempfile::tempdir().unwrap();
    let layout = Repository::layout(folder.path().join("usb"));
    let copied = run(&from, &layout, Some("latest")).await;
    assert!(copied.outcome().findings.is_empty(), "{:?}", copied.outcome());
    assert_eq!(roles(&copied), ALL);
    is_whole(&layout, &digest).await;
    let again = run(&from, &layout, Some("latest")).await;
    assert!(again.manifests.iter().all(|manifest| !manifest.sent));

    let server = sandbox(|config| config.no_referrers = true).await;
    let to = server.repository("inside/app");
    let copied = run(&layout, &to, Some("latest")).await;
    assert!(copied.outcome().findings.is_empty(), "{:?}", copied.outcome());
    is_whole(&to, &digest).await;
    assert_eq!(Layout::new(folder.path().join("usb")).only_target().unwrap(), "latest");
}

#[tokio::test]
async fn a_tag_that_leads_elsewhere_stays() {
    let server = sandbox(|_| {}).await;
    let from = server.repository("app");
    let digest = image(&from).await;
    let to = server.repository("mirror");
    let (other, bytes) = push_image(&to, b"another").await;
    for tag in ["latest", "1.0.0"] {
        to.tag(tag, &other.media_type, bytes.clone()).await.unwrap();
    }
    let request = CopyRequest {
        from: &from,
        source: "latest",
        platform: None,
        to: &to,
        tag: None,
        rule: TagRule::Keep,
    };
    let kept = copy(CopyRequest { tag: Some("latest"), ..request }).await.unwrap();
    assert_eq!(kept.outcome().findings[0].code.name, "copy-tag-taken");
    assert!(kept.manifests.is_empty());
    assert!(to.resolve(&digest.to_string()).await.unwrap().is_none(), "nothing was sent");
    let rule = TagRule::Move;
    let version = copy(CopyRequest { tag: Some("1.0.0"), rule, ..request }).await.unwrap();
    assert!(matches!(&version.tag, Some(TagEnd::Refused { version: true, .. })), "{:?}", version.tag);
    let moved = copy(CopyRequest { tag: Some("latest"), rule, ..request }).await.unwrap();
    assert_eq!(moved.tag, Some(TagEnd::Moved { tag: "latest".into(), led_to: other.digest }));
    assert_eq!(to.resolve("latest").await.unwrap().unwrap().digest, digest);
}

#[tokio::test]
async fn one_platform_comes_by_itself() {
    let source = sandbox(|_| {}).await;
    let from = source.repository("app");
    image(&from).await;
    let server = sandbox(|_| {}).await;
    let to = server.repository("app");
    let platform = "linux/amd64".parse().unwrap();
    let request = CopyRequest {
        from: &from,
        source: "latest",
        platform: Some(&platform),
        to: &to,
        tag: Some("amd64"),
        rule: TagRule::Keep,
    };
    let copied = copy(request).await.unwrap();
    assert_eq!(roles(&copied), [Role::Image, Role::Evidence]);
    let missing = "linux/s390x".parse().unwrap();
    let error = copy(CopyRequest { platform: Some(&missing), ..request }).await.unwrap_err();
    assert!(error.is_not_found() && error.to_string().contains("linux/s390x"), "{error}");
}

#[tokio::test]
async fn what_did_not_arrive_is_listed_and_nothing_tagged() {
    let source = sandbox(|_| {}).await;
    let from = source.repository("app");
    let digest = image(&from).await;
    // It lists no referrers although it has the API; says that it does.
    let server = faulty(&["GET referrers:404", "GET manifests/sha256-:404"]).await;
    let to = server.repository("app");
    let request = CopyRequest {
        from: &from,
        source: "latest",
        platform: None,
        to: &to,
        tag: Some("1.0.0"),
        rule: TagRule::Keep,
    };
    let copied = copy(request).await;
    // Either the fallback tag cannot be kept, which is an error, or the listing is missed.
    if let Ok(copied) = copied {
        assert!(copied.missing.iter().any(|missing| missing.kind == MissingKind::Listing), "{copied:?}");
        assert_eq!(copied.outcome().findings[0].code.name, "copy-incomplete");
        assert_eq!(copied.tag, None);
    }
    assert!(to.resolve("1.0.0").await.unwrap().is_none());

    // A blob that the destination lost since is sent again, for it is asked for each.
    let server = sandbox(|_| {}).await;
    let to = server.repository("app");
    run(&from, &to, None).await;
    let layer = Digest::of(b"layer for arm64");
    let http = reqwest::Client::new();
    let url = format!("http://{}/v2/app/blobs/{layer}", server.host);
    assert!(http.delete(url).send().await.unwrap().status().is_success());
    let to = at(&client(), &server, "app");
    assert!(!to.has_blob(&layer).await.unwrap());
    let again = run(&from, &to, None).await;
    assert!(again.missing.is_empty(), "{again:?}");
    assert_eq!(again.blobs.sent, 1);
    assert!(to.has_blob(&layer).await.unwrap());
    is_whole(&to, &digest).await;
}

#[tokio::test]
async fn a_source_that_cannot_say_is_no_copy() {
    let source = faulty(&["GET referrers:403"]).await;
    let from = source.repository("app");
    let (image, bytes) = push_image(&from, b"x").await;
    from.tag("latest", &image.media_type, bytes).await.unwrap();
    let server = sandbox(|_| {}).await;
    let to = server.repository("app");
    let copied = run(&from, &to, Some("1.0.0")).await;
    assert_eq!(copied.outcome().verdict(), loadline_core::Verdict::Unknown);
    assert_eq!(copied.tag, None);
    assert!(to.resolve("1.0.0").await.unwrap().is_none());
}

#[tokio::test]
async fn evidence_that_is_gone_at_the_source_is_said() {
    let source = sandbox(|config| config.no_referrers = true).await;
    let from = source.repository("app");
    let digest = image(&from).await;
    let whole = from.resolve(&digest.to_string()).await.unwrap().unwrap();
    let manifest = evidence(&from, &whole, "to be lost").await;
    let attached = from.attach(OCI_MANIFEST, manifest).await.unwrap();
    let http = reqwest::Client::new();
    let url = format!("http://{}/v2/app/manifests/{}", source.host, attached.digest);
    assert!(http.delete(url).send().await.unwrap().status().is_success());
    let server = sandbox(|_| {}).await;
    let copied = run(&from, &server.repository("app"), Some("1.0.0")).await;
    assert_eq!(copied.lost.len(), 1);
    assert_eq!(copied.lost[0].digest, attached.digest);
    assert_eq!(copied.outcome().verdict(), loadline_core::Verdict::Pass, "a warning");
    assert!(matches!(copied.tag, Some(TagEnd::Written { .. })));
}
