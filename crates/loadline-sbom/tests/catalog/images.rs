//! Whole documents from small root file systems, held against the official schema and an independent reader.

use std::collections::BTreeSet;

use crate::fixture::{Memory, alpine, debian, schema, subject};
use loadline_core::{Digest, Platform};
use loadline_sbom::read::Document;
use loadline_sbom::{JoinError, Part, Sbom, SbomError, UnreadReason, catalog, document, join, weigh};
use serde_json::Value;

fn json(sbom: &Sbom) -> Value {
    serde_json::from_slice(sbom.as_bytes()).unwrap()
}

fn assert_valid(sbom: &Sbom) {
    let value = json(sbom);
    let errors: Vec<String> =
        schema().iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}");
    // An independent reader: it knows 1.5 only, and what we write is valid there too.
    let older = sbom.as_str().replacen("\"specVersion\":\"1.6\"", "\"specVersion\":\"1.5\"", 1);
    let bom = cyclonedx_bom::prelude::Bom::parse_from_json(older.as_bytes()).unwrap();
    let result = cyclonedx_bom::validation::Validate::validate_version(
        &bom,
        cyclonedx_bom::prelude::SpecVersion::V1_5,
    );
    assert!(result.passed(), "{result:#?}");
    let listed = bom.components.map_or(0, |components| components.0.len());
    assert_eq!(listed, sbom.components());
}

fn refs(sbom: &Sbom) -> Vec<String> {
    let document = Document::parse(sbom.as_bytes()).unwrap();
    document.components.iter().map(|c| c.bom_ref.as_deref().unwrap().to_owned()).collect()
}

fn component<'a>(value: &'a Value, bom_ref: &str) -> &'a Value {
    let list = value["components"].as_array().unwrap();
    list.iter().find(|c| c["bom-ref"] == bom_ref).unwrap_or_else(|| panic!("no {bom_ref} in {list:#?}"))
}

#[test]
fn a_debian_image_with_npm_python_go_and_rust() {
    let found = catalog(&debian("amd64")).unwrap();
    let digest = Digest::of(b"amd64");
    let platform = Platform::new("linux", "amd64", None);
    let layers = [Digest::of(b"base"), Digest::of(b"app")];
    let sbom = document(&found, &subject(&digest, Some(&platform), &layers)).unwrap();
    assert_valid(&sbom);
    assert_eq!(
        refs(&sbom),
        [
            "cargo:tool@0.1.0",
            "golang:./local",
            "os:debian@13",
            "pkg:cargo/serde@1.0.200",
            "pkg:deb/debian/bash@5.2.37-2%2Bb5?arch=amd64&distro=debian-13",
            "pkg:deb/debian/libc6@2.41-12?arch=amd64&distro=debian-13",
            "pkg:deb/debian/tzdata@2025b-4?arch=all&distro=debian-13",
            "pkg:golang/example.com/app",
            "pkg:golang/golang.org/x/net@v0.33.0",
            "pkg:golang/stdlib@1.26.1",
            "pkg:npm/%40babel/core@7.26.0",
            "pkg:npm/app@1.0.0",
            "pkg:npm/left-pad@1.3.0",
            "pkg:pypi/zope-interface@7.2",
        ]
    );
    let value = json(&sbom);
    let bash = component(&value, "pkg:deb/debian/bash@5.2.37-2%2Bb5?arch=amd64&distro=debian-13");
    assert_eq!(bash["licenses"][0]["license"]["name"], "GPL-3+");
    let layer = layers[0].to_string();
    assert!(
        bash["properties"]
            .as_array()
            .unwrap()
            .iter()
            .any(|p| p["name"] == "loadline:layer:diffid" && p["value"] == *layer)
    );
    let needs =
        value["dependencies"].as_array().unwrap().iter().find(|d| d["ref"] == bash["bom-ref"]).unwrap();
    assert_eq!(needs["dependsOn"][0], "pkg:deb/debian/libc6@2.41-12?arch=amd64&distro=debian-13");
    assert_eq!(component(&value, "pkg:npm/left-pad@1.3.0")["hashes"][0]["alg"], "SHA-1");
    assert_eq!(component(&value, "pkg:npm/%40babel/core@7.26.0")["group"], "@babel");
    let root = &value["metadata"]["component"];
    assert_eq!(root["type"], "container");
    assert_eq!(root["version"], digest.to_string());
    assert!(root["purl"].as_str().unwrap().starts_with("pkg:oci/github-app@sha256:"), "{root}");
    assert_eq!(value["metadata"]["timestamp"], "2026-01-02T03:04:05Z");
}

#[test]
fn an_alpine_image() {
    let found = catalog(&alpine()).unwrap();
    let digest = Digest::of(b"x");
    let sbom = document(&found, &subject(&digest, None, &[])).unwrap();
    assert_valid(&sbom);
    assert_eq!(
        refs(&sbom),
        [
            "os:alpine@3.22.1",
            "pkg:apk/alpine/busybox@1.37.0-r18?arch=x86_64&distro=alpine-3.22.1",
            "pkg:apk/alpine/musl@1.2.5-r10?arch=x86_64&distro=alpine-3.22.1",
        ]
    );
    let value = json(&sbom);
    let busybox = component(&value, "pkg:apk/alpine/busybox@1.37.0-r18?arch=x86_64&distro=alpine-3.22.1");
    assert_eq!(busybox["licenses"][0]["license"]["id"], "GPL-2.0-only");
    let needs =
        value["dependencies"].as_array().unwrap().iter().find(|d| d["ref"] == busybox["bom-ref"]).unwrap();
    assert_eq!(needs["dependsOn"].as_array().unwrap().len(), 1);
}

#[test]
fn the_same_input_gives_the_same_bytes_in_any_order() {
    let digest = Digest::of(b"x");
    let one = document(&catalog(&debian("amd64")).unwrap(), &subject(&digest, None, &[])).unwrap();
    let turned = debian("amd64").reversed();
    let two = document(&catalog(&turned).unwrap(), &subject(&digest, None, &[])).unwrap();
    assert_eq!(one, two);
    let other = document(&catalog(&debian("arm64")).unwrap(), &subject(&digest, None, &[])).unwrap();
    assert_ne!(json(&one)["serialNumber"], json(&other)["serialNumber"]);
}

#[test]
fn an_empty_image_is_a_valid_document() {
    let digest = Digest::of(b"x");
    let sbom = document(&catalog(&Memory::default()).unwrap(), &subject(&digest, None, &[])).unwrap();
    assert_valid(&sbom);
    assert_eq!(sbom.components(), 0);
}

#[test]
fn what_cannot_be_read_is_counted_and_said() {
    let mut image = Memory::default();
    image.file("usr/bin/broken", 0, b"\x7fELF and then nothing");
    image.file("app/node_modules/a/package.json", 0, b"{ not json");
    image.file("usr/lib/x.dist-info/METADATA", 0, b"Metadata-Version: 2.1\n\nno name");
    image.file("var/lib/rpm/rpmdb.sqlite", 0, b"SQLite format 3");
    image.file("opt/app.jar", 0, b"PK");
    image.file("app/node_modules/big/package.json", 0, &vec![b' '; 5 << 20]);
    image.file("var/lib/dpkg/status", 0, b"Package: nameless\nStatus: install ok installed\n");
    image.link("lib/apk/db/installed", "elsewhere");
    let found = catalog(&image).unwrap();
    assert!(found.packages.is_empty(), "{:?}", found.packages);
    let mut reasons: Vec<(&str, &str)> = found
        .unread
        .iter()
        .map(|u| (u.path.as_str(), u.reason.property().rsplit(':').next().unwrap()))
        .collect();
    reasons.sort_unstable();
    assert_eq!(
        reasons,
        [
            ("app/node_modules/a/package.json", "malformed"),
            ("app/node_modules/big/package.json", "too-large"),
            ("lib/apk/db/installed", "not-a-file"),
            ("opt/app.jar", "unsupported"),
            ("usr/bin/broken", "malformed"),
            ("usr/lib/x.dist-info/METADATA", "malformed"),
            ("var/lib/dpkg/status", "malformed"),
            ("var/lib/rpm/rpmdb.sqlite", "unsupported"),
        ]
    );
    assert!(matches!(found.unread[0].reason, UnreadReason::Malformed { .. }));
    let digest = Digest::of(b"x");
    let sbom = document(&found, &subject(&digest, None, &[])).unwrap();
    assert_valid(&sbom);
    let read = Document::parse(sbom.as_bytes()).unwrap();
    assert_eq!(read.metadata_properties("loadline:unread"), ["8"]);
    assert_eq!(read.metadata_properties("loadline:unread:malformed"), ["4"]);
    assert_eq!(read.metadata_properties("loadline:unread:path").len(), 8);
    assert_eq!(json(&sbom)["compositions"][0]["aggregate"], "incomplete");
}

#[test]
fn a_lock_file_speaks_only_where_nothing_is_installed() {
    let lock = br#"{"lockfileVersion":3,"packages":{"":{"name":"app"},
        "node_modules/a":{"version":"1.0.0","license":"MIT"},"node_modules/b":{"version":"2.0.0","dev":true}}}"#;
    let mut bundled = Memory::default();
    bundled.file("app/package-lock.json", 0, lock);
    let found = catalog(&bundled).unwrap();
    let refs: Vec<String> = found.packages.iter().map(loadline_sbom::Package::bom_ref).collect();
    assert_eq!(refs, ["pkg:npm/a@1.0.0"]);

    let mut installed = Memory::default();
    installed.file("app/package-lock.json", 0, lock);
    installed.file("app/node_modules/c/package.json", 0, br#"{"name":"c","version":"3.0.0"}"#);
    let found = catalog(&installed).unwrap();
    let refs: Vec<String> = found.packages.iter().map(loadline_sbom::Package::bom_ref).collect();
    assert_eq!(refs, ["pkg:npm/c@3.0.0"]);
}

fn two_platforms() -> Vec<(Platform, Digest, Sbom)> {
    ["arm64", "amd64"]
        .into_iter()
        .map(|architecture| {
            let platform = Platform::new("linux", architecture, None);
            let digest = Digest::of(architecture);
            let found = catalog(&debian(architecture)).unwrap();
            let sbom = document(&found, &subject(&digest, Some(&platform), &[])).unwrap();
            (platform, digest, sbom)
        })
        .collect()
}

fn parts(all: &[(Platform, Digest, Sbom)]) -> Vec<Part<'_>> {
    all.iter().map(|(platform, digest, sbom)| Part { platform, digest, sbom }).collect()
}

#[test]
fn the_join_says_which_platforms_have_what() {
    let all = two_platforms();
    let index = Digest::of(b"index");
    let joined = join(&subject(&index, None, &[]), &parts(&all)).unwrap();
    assert_valid(&joined);
    let value = json(&joined);
    let platforms = |bom_ref: &str| -> BTreeSet<String> {
        let properties = component(&value, bom_ref)["properties"].as_array().unwrap();
        let named = properties.iter().filter(|p| p["name"] == "loadline:platform");
        named.map(|p| p["value"].as_str().unwrap().to_owned()).collect()
    };
    let both = BTreeSet::from(["linux/amd64".to_owned(), "linux/arm64".to_owned()]);
    assert_eq!(platforms("pkg:npm/left-pad@1.3.0"), both);
    assert_eq!(
        platforms("pkg:deb/debian/libc6@2.41-12?arch=arm64&distro=debian-13"),
        BTreeSet::from(["linux/arm64".to_owned()])
    );
    assert_eq!(platforms("pkg:deb/debian/tzdata@2025b-4?arch=all&distro=debian-13"), both);
    // Index, then its two images, then what is in them.
    let edges = value["dependencies"].as_array().unwrap();
    let of = |bom_ref: &str| {
        edges.iter().find(|d| d["ref"] == bom_ref).map(|d| d["dependsOn"].as_array().unwrap().len())
    };
    let root = value["metadata"]["component"]["bom-ref"].as_str().unwrap();
    assert_eq!(of(root), Some(2));
    let images: Vec<&Value> =
        value["components"].as_array().unwrap().iter().filter(|c| c["type"] == "container").collect();
    assert_eq!(images.len(), 2);
    for image in images {
        assert_eq!(of(image["bom-ref"].as_str().unwrap()), Some(all[0].2.components()));
    }

    let mut turned = parts(&all);
    turned.reverse();
    assert_eq!(joined, join(&subject(&index, None, &[]), &turned).unwrap());
}

#[test]
fn a_join_refuses_what_does_not_belong() {
    let all = two_platforms();
    let index = Digest::of(b"index");
    let index = subject(&index, None, &[]);
    assert!(matches!(join(&index, &[]), Err(JoinError::Nothing)));
    let mut twice = parts(&all);
    twice[1].platform = twice[0].platform;
    assert!(matches!(join(&index, &twice), Err(JoinError::Twice { .. })));
    let mut swapped = parts(&all);
    let first = swapped[0].sbom;
    swapped[0].sbom = swapped[1].sbom;
    swapped[1].sbom = first;
    assert!(matches!(join(&index, &swapped), Err(JoinError::Mismatch { .. })));
    assert!(matches!(Sbom::parse(b"{}"), Err(SbomError::NotCycloneDx { .. })));
}

#[test]
fn foreign_documents_are_joined_with_their_own_members() {
    let foreign = |purl: &str| {
        let text = format!(
            r#"{{"bomFormat":"CycloneDX","specVersion":"1.6","version":1,
                "metadata":{{"component":{{"bom-ref":"root","type":"container","name":"x"}}}},
                "components":[
                  {{"bom-ref":"u-1","type":"library","name":"a","purl":"{purl}","copyright":"kept","components":[
                      {{"bom-ref":"u-2","type":"library","name":"inner"}}]}},
                  {{"bom-ref":"u-3","type":"library","name":"a","purl":"{purl}"}}],
                "dependencies":[{{"ref":"root","dependsOn":["u-1"]}},{{"ref":"u-1","dependsOn":["u-3","gone"]}}]}}"#
        );
        Sbom::parse(text.as_bytes()).unwrap()
    };
    let (amd, arm) = (Platform::new("linux", "amd64", None), Platform::new("linux", "arm64", None));
    let (one, two) = (Digest::of(b"1"), Digest::of(b"2"));
    let (first, second) = (foreign("pkg:npm/a@1"), foreign("pkg:npm/a@1"));
    let index = Digest::of(b"index");
    let joined = join(
        &subject(&index, None, &[]),
        &[
            Part { platform: &amd, digest: &one, sbom: &first },
            Part { platform: &arm, digest: &two, sbom: &second },
        ],
    )
    .unwrap();
    assert_valid(&joined);
    let value = json(&joined);
    // The package that is listed twice stays twice, the one inside comes out, and the two images are there.
    assert_eq!(joined.components(), 5);
    assert_eq!(component(&value, "u-1")["copyright"], "kept");
    assert!(component(&value, "u-1").get("components").is_none());
    let edge = value["dependencies"].as_array().unwrap().iter().find(|d| d["ref"] == "u-1").unwrap();
    assert_eq!(edge["dependsOn"], serde_json::json!(["u-2", "u-3"]));
}

#[test]
fn the_heaviest_part_is_named() {
    let digest = Digest::of(b"x");
    let sbom = document(&catalog(&debian("amd64")).unwrap(), &subject(&digest, None, &[])).unwrap();
    let weights = weigh(&sbom).unwrap();
    assert!(weights.is_sorted_by(|a, b| a.bytes >= b.bytes));
    let counted: usize = weights.iter().filter(|w| w.part.starts_with("components ")).map(|w| w.count).sum();
    assert_eq!(counted, sbom.components());
}

#[test]
fn a_document_over_a_budget_says_so_before_it_is_read() {
    let huge = vec![b' '; loadline_sbom::MAX_SBOM_BYTES + 1];
    assert!(matches!(Sbom::parse(&huge), Err(SbomError::TooLarge { .. })));
}
