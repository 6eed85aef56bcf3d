//! Whatever an image holds, cataloguing it neither panics nor writes a broken document.

use crate::fixture::{Memory, go_program, old_go_program, rust_program, subject};
use loadline_core::Digest;
use loadline_sbom::read::Document;
use loadline_sbom::{Ecosystem, catalog, document};
use proptest::prelude::*;

const PATHS: [&str; 14] = [
    "etc/os-release",
    "var/lib/dpkg/status",
    "var/lib/dpkg/status.d/base",
    "usr/share/doc/bash/copyright",
    "lib/apk/db/installed",
    "app/package.json",
    "app/package-lock.json",
    "app/node_modules/a/package.json",
    "app/node_modules/.package-lock.json",
    "usr/lib/x.dist-info/METADATA",
    "usr/lib/y.egg-info",
    "usr/bin/program",
    "opt/app.jar",
    "var/lib/rpm/rpmdb.sqlite",
];

fn survives(path: &str, bytes: &[u8]) {
    let mut image = Memory::default();
    image.file(path, 0, bytes);
    image.file("usr/lib/os-release", 0, b"ID=debian\nVERSION_ID=13\n");
    let found = catalog(&image).unwrap();
    let digest = Digest::of(b"x");
    let sbom = document(&found, &subject(&digest, None, &[])).unwrap();
    assert_eq!(Document::parse(sbom.as_bytes()).unwrap().component_count(), found.packages.len());
}

fn samples() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("usr/bin/program", go_program()),
        ("usr/bin/program", old_go_program()),
        ("usr/bin/program", rust_program()),
        (
            "var/lib/dpkg/status",
            b"Package: a\nVersion: 1\nStatus: install ok installed\nDepends: b | c, d (>= 1)\n\n".to_vec(),
        ),
        ("lib/apk/db/installed", b"P:a\nV:1\nD:b so:c>1\np:so:d=1\n\n".to_vec()),
        (
            "app/node_modules/a/package.json",
            br#"{"name":"@s/a","version":"1","license":[{"type":"MIT"}]}"#.to_vec(),
        ),
        (
            "app/package-lock.json",
            br#"{"packages":{"node_modules/a":{"version":"1","integrity":"sha512-AAAA"}}}"#.to_vec(),
        ),
        ("usr/lib/x.dist-info/METADATA", b"Name: x\nVersion: 1\n\ntext".to_vec()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn any_bytes_at_any_path(path in prop::sample::select(PATHS.to_vec()), bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        survives(path, &bytes);
    }

    #[test]
    fn any_text_at_any_path(path in prop::sample::select(PATHS.to_vec()), text in "(Package|Version|P|V|ID|Name|name|\\{|\\}|:|=|\"|\n|\\PC){0,60}") {
        survives(path, text.as_bytes());
    }

    #[test]
    fn a_sample_with_bytes_changed(which in 0..8_usize, changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), cut in any::<prop::sample::Index>()) {
        let (path, mut bytes) = samples().swap_remove(which);
        for (at, byte) in changes {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        survives(path, &bytes);
        bytes.truncate(cut.index(bytes.len()));
        survives(path, &bytes);
    }
}

#[test]
fn a_go_program_of_before_1_18_is_read_through_its_pointers() {
    let mut image = Memory::default();
    image.file("usr/bin/old", 0, &old_go_program());
    let found = catalog(&image).unwrap();
    assert!(found.unread.is_empty(), "{:?}", found.unread);
    let refs: Vec<String> = found.packages.iter().map(loadline_sbom::Package::bom_ref).collect();
    assert_eq!(
        refs,
        ["pkg:golang/example.com/old@v1.0.0", "pkg:golang/github.com/a/b@v2.0.0", "pkg:golang/stdlib@1.16.5"]
    );
    assert!(found.packages.iter().all(|package| package.ecosystem == Ecosystem::Golang));
}
