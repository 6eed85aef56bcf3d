//! `loadline inspect`: an image and all that hangs on it, by the real program.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod released;
mod support;

use loadline_core::Digest;
use loadline_core::media_type::{IN_TOTO, OCI_CONFIG, OCI_LAYER, OCI_MANIFEST};
use loadline_registry::index::IndexBuilder;
use loadline_registry::{
    BlobSource, Client, Descriptor, Http, HttpOptions, Options, PlatformObject, Repository,
};
use loadline_sandbox::registry::Faults;
use released::Released;
use serde_json::{Value, json};
use support::{Project, run_in};

/// Pushes an image whose layers are these.
async fn push(repository: &Repository, config: &Value, layers: &[(&str, String, &str)]) -> Descriptor {
    let config = config.to_string();
    repository.push_blob(BlobSource::Bytes(config.clone().into())).await.unwrap();
    let mut all = Vec::new();
    for (media_type, content, predicate) in layers {
        repository.push_blob(BlobSource::Bytes(content.clone().into())).await.unwrap();
        let mut layer = Descriptor::of(*media_type, content.as_bytes());
        if !predicate.is_empty() {
            layer = layer.with_annotation("in-toto.io/predicate-type", *predicate);
        }
        all.push(layer);
    }
    let bytes = serde_json::to_vec(&json!({
        "schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": Descriptor::of(OCI_CONFIG, config.as_bytes()), "layers": all,
    }))
    .unwrap();
    repository.push_manifest(OCI_MANIFEST, bytes.clone()).await.unwrap();
    Descriptor::of(OCI_MANIFEST, &bytes)
}

/// An index of two platforms with what BuildKit of old and of today attests of each.
async fn built_by_buildkit(repository: &Repository, tag: &str) -> Digest {
    const V02: &str = "https://slsa.dev/provenance/v0.2";
    const V1: &str = "https://slsa.dev/provenance/v1";
    let old = json!({"_type": "https://in-toto.io/Statement/v0.1", "predicateType": V02, "subject": [], "predicate": {
        "builder": {"id": "https://ci.example/1"},
        "materials": [{"uri": "pkg:docker/alpine@3.17?platform=linux%2Famd64", "digest": {"sha256": "aa"}}],
        "invocation": {"parameters": {"args": {"build-arg:MODE": "old\u{1b}[31m"}}},
        "metadata": {"https://mobyproject.org/buildkit@v1#metadata": {"vcs": {"source": "https://github.com/acme/app", "revision": "c0ffee"}}}}});
    let new = json!({"_type": "https://in-toto.io/Statement/v1", "predicateType": V1, "subject": [], "predicate": {
        "buildDefinition": {"buildType": "b", "externalParameters": {"request": {"args": {"build-arg:MODE": "new"}}},
            "resolvedDependencies": [{"uri": "pkg:docker/alpine@3.20?platform=linux%2Farm64", "digest": {"sha256": "bb"}}]},
        "runDetails": {"builder": {"id": "https://ci.example/2"}, "metadata": {}}}});
    let mut builder = IndexBuilder::new().annotation("org.opencontainers.image.description", "two platforms");
    for (platform, kind, statement) in [("linux/amd64", V02, old), ("linux/arm64", V1, new)] {
        let (os, architecture) = platform.split_once('/').unwrap();
        let config = json!({"architecture": architecture, "os": os, "created": "2024-01-01T00:00:00Z",
            "config": {"User": "1000"}, "rootfs": {"type": "layers", "diff_ids": []}});
        let image = push(repository, &config, &[(OCI_LAYER, format!("layer for {platform}"), "")]).await;
        let sbom = (IN_TOTO, format!("{{\"sbom\":\"{platform}\"}}"), "https://spdx.dev/Document");
        let layers = [(IN_TOTO, statement.to_string(), kind), sbom];
        let mut attestation = push(repository, &json!({"unknown": platform}), &layers)
            .await
            .with_annotation("vnd.docker.reference.type", "attestation-manifest")
            .with_annotation("vnd.docker.reference.digest", image.digest.to_string());
        attestation.platform = Some(PlatformObject {
            os: "unknown".into(),
            architecture: "unknown".into(),
            ..PlatformObject::default()
        });
        builder = builder.entry(image.with_platform(&platform.parse().unwrap())).entry(attestation);
    }
    let index = builder.build().unwrap();
    repository.tag(tag, index.media_type, index.bytes).await.unwrap();
    index.digest
}

fn client() -> Client {
    Client::new(Http::new(HttpOptions::default()), Options::default())
}

#[test]
fn what_a_release_left_is_shown_and_never_called_verified() {
    let released = Released::new();
    let (tag, pinned) = &released.server;
    let run = released.project.run(&["inspect", tag, "--format", "json"]);
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    let document = run.json();
    assert_eq!(document["schema"], "loadline/inspect/v1");
    assert_eq!(
        (&document["reference"], &document["pinned"]),
        (&tag.as_str().into(), &pinned.as_str().into())
    );
    let images = document["images"].as_array().unwrap();
    let platforms: Vec<_> = images.iter().map(|image| image["platform"].as_str().unwrap()).collect();
    assert_eq!(platforms, ["linux/amd64", "linux/arm64"]);
    let mut all = document["evidence"].as_array().unwrap().clone();
    assert!(!all.is_empty(), "provenance and summary hang on the index");
    for image in images {
        all.extend(image["evidence"].as_array().unwrap().iter().cloned());
        assert!(image["layer_bytes"].as_u64().unwrap() > 0 && image["config"]["created"].is_string());
    }
    for evidence in &all {
        assert_eq!(evidence["verified"], false);
        let signer = evidence["signer"].as_str().unwrap();
        assert!(
            signer.starts_with("https://github.com/acme/widget/.github/workflows/release.yml@"),
            "{signer}"
        );
        assert_eq!(evidence["found"], "the referrers API");
    }
    let kinds: Vec<_> = all.iter().map(|evidence| evidence["predicate_type"].as_str().unwrap()).collect();
    for kind in [
        "https://slsa.dev/provenance/v1",
        "https://cyclonedx.org/bom",
        "https://slsa.dev/verification_summary/v1",
    ] {
        assert!(kinds.contains(&kind), "{kinds:?}");
    }
    let mut tags: Vec<_> = document["tags"]["names"].as_array().unwrap().clone();
    tags.sort_by_key(ToString::to_string);
    assert_eq!(tags, ["1.0.0", "1.0.0-server", "latest"]);
    assert_eq!(document["tags"]["cut"], false);

    let run = released.project.run(&["inspect", tag, "--tags", "1"]);
    assert_eq!(run.code, Some(0));
    assert!(run.stdout.contains("cut: 1 looked up of 4"), "{}", run.stdout);
    assert!(
        run.stdout.contains("slsa-provenance, not verified, by https://github.com/acme"),
        "{}",
        run.stdout
    );
    assert!(
        run.stdout.contains(&format!("nothing here is verified: loadline verify {pinned}")),
        "{}",
        run.stdout
    );
}

#[test]
fn what_buildkit_says_is_readable_of_old_and_new() {
    let released = Released::new();
    let name = format!("{}/acme/built", released.sandbox.ready().registry);
    let repository = Repository::at(&client(), name.parse().unwrap());
    released.runtime.block_on(built_by_buildkit(&repository, "1"));
    let run = released.project.run(&["inspect", &format!("{name}:1"), "--format", "json"]);
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    let document = run.json();
    assert_eq!(document["annotations"]["org.opencontainers.image.description"], "two platforms");
    let images = document["images"].as_array().unwrap();
    assert_eq!(images.len(), 2, "attestations are no images");
    let of = |image: usize, kind: usize| images[image]["buildkit"][kind].clone();
    assert_eq!(
        of(0, 0)["build"]["base_images"][0],
        json!({"name": "alpine:3.17", "platform": "linux/amd64", "digest": "sha256:aa"})
    );
    assert_eq!(of(0, 0)["build"]["revision"], "c0ffee");
    assert_eq!(of(0, 0)["build"]["source"], "https://github.com/acme/app");
    assert_eq!(of(1, 0)["build"]["build_args"], json!({"MODE": "new"}));
    assert_eq!(of(1, 0)["build"]["base_images"][0]["name"], "alpine:3.20");
    assert_eq!(of(1, 1)["predicate_type"], "https://spdx.dev/Document");
    assert_eq!(images[0]["config"]["user"], "1000");
    // One round of everything, and nothing twice: index, tags, 4 children, 5 lists of referrers, 2 configurations and 2
    // provenances.
    assert_eq!(document["requests"], 15);

    let run = released.project.run(&["inspect", &format!("{name}:1")]);
    for line in [
        "BuildKit says, unsigned: slsa-provenance",
        "base     alpine:3.20 sha256:bb",
        "commit   c0ffee",
        "runs as 1000",
    ] {
        assert!(run.stdout.contains(line), "{line}: {}", run.stdout);
    }
    assert!(!run.stdout.contains('\u{1b}'), "what comes from outside commands no terminal");
    let run = released.project.run(&[
        "inspect",
        &format!("{name}:1"),
        "--platform",
        "linux/arm64",
        "--format",
        "json",
    ]);
    let images = run.json()["images"].as_array().unwrap().clone();
    assert_eq!(images.len(), 1);
    assert_eq!(images[0]["platform"], "linux/arm64");
    assert_eq!(images[0]["buildkit"].as_array().unwrap().len(), 2);
}

#[test]
fn cosign_s_tags_of_old_are_looked_at() {
    let released = Released::with(|options| options.no_referrers = true);
    let name = format!("{}/acme/old", released.sandbox.ready().registry);
    let repository = Repository::at(&client(), name.parse().unwrap());
    released.runtime.block_on(async {
        let config = json!({"architecture": "amd64", "os": "linux"});
        let image = push(&repository, &config, &[(OCI_LAYER, "x".into(), "")]).await;
        let manifest = repository.manifest(&image.digest.to_string()).await.unwrap();
        repository.tag("1", OCI_MANIFEST, manifest.bytes).await.unwrap();
        let statement = json!({"_type": "https://in-toto.io/Statement/v0.1", "predicateType": "https://slsa.dev/provenance/v0.2",
            "subject": [{"name": "x", "digest": {"sha256": image.digest.hex()}}], "predicate": {}});
        let payload = base64(statement.to_string().as_bytes());
        let envelope = json!({"payloadType": IN_TOTO, "payload": payload, "signatures": [{"sig": "aGk="}]});
        let layers = [("application/vnd.dsse.envelope.v1+json", envelope.to_string(), "")];
        let attestation = push(&repository, &json!({}), &layers).await;
        let bytes = repository.manifest(&attestation.digest.to_string()).await.unwrap().bytes;
        let tag = format!("sha256-{}.att", image.digest.hex());
        repository.tag(&tag, OCI_MANIFEST, bytes).await.unwrap();
    });
    let run = released.project.run(&["inspect", &format!("{name}:1"), "--format", "json"]);
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    let document = run.json();
    let evidence = &document["images"][0]["evidence"][0];
    assert_eq!(evidence["predicate_type"], "https://slsa.dev/provenance/v0.2");
    assert!(evidence["found"].as_str().unwrap().ends_with(".att"), "{evidence}");
    assert_eq!(document["tags"]["names"], json!(["1"]), "tags of digests are no tags of the image");
}

fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let n = chunk.iter().fold(0u32, |n, byte| n << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let letter = LETTERS[(n >> (18 - 6 * at) & 63) as usize];
            out.push(if at > chunk.len() { '=' } else { letter as char });
        }
    }
    out
}

#[test]
fn a_layout_is_looked_at_like_a_registry() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let layout = Repository::layout(folder.path().join("usb"));
    let digest = runtime.block_on(built_by_buildkit(&layout, "1"));
    for place in ["oci:usb", "oci:usb:1", &format!("oci:usb@{digest}")] {
        let run = run_in(folder.path(), &["inspect", place, "--format", "json"]);
        assert_eq!(run.code, Some(0), "{place}: {}\n{}", run.stdout, run.stderr);
        let document = run.json();
        assert_eq!((&document["digest"], &document["requests"]), (&digest.to_string().into(), &0.into()));
        assert_eq!(document["images"][1]["buildkit"][0]["build"]["build_args"]["MODE"], "new");
    }
    let run = run_in(folder.path(), &["inspect", "oci:nothing", "--format", "json"]);
    assert_eq!((run.code, run.codes()), (Some(3), vec!["registry-not-found".to_owned()]));
}

#[test]
fn what_could_not_be_asked_is_unknown_and_shown_all_the_same() {
    let released = Released::with(|options| {
        options.faults = Faults::parse(["GET referrers:403"], 0).unwrap();
    });
    let run = released.project.run(&["inspect", &released.server.0, "--format", "json"]);
    assert_eq!(run.code, Some(3), "{}", run.stdout);
    assert_eq!(run.json()["images"].as_array().unwrap().len(), 2);
    assert!(run.codes().iter().all(|code| code == "evidence-source-failed"), "{:?}", run.codes());
    let none = format!("{}/acme/widget:9.9.9", released.sandbox.ready().registry);
    let run = released.project.run(&["inspect", &none, "--format", "json"]);
    assert_eq!((run.code, run.codes()), (Some(3), vec!["registry-not-found".to_owned()]));
    assert_eq!(Project::new().run(&["inspect", "Not A Reference"]).code, Some(2));
}
