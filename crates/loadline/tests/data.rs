//! The real program over real bundles of others, with their known truths.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod support;

use std::path::{Path, PathBuf};

use support::run_in;

const BEACON: &str = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main";
const ACTIONS: &str = "https://token.actions.githubusercontent.com";

fn data(path: &str) -> PathBuf {
    let folder = std::env::var("LOADLINE_DATA").expect("LOADLINE_DATA names the folder of real data");
    Path::new(&folder).join(path)
}

/// The conformance suite's own way of asking (test/test_bundle.py): its defaults, its files, exit codes alone.
#[test]
#[ignore = "needs real data: cargo xtask data"]
fn the_conformance_suites_bundles() {
    let base = data("sigstore/sigstore+sigstore-conformance/test/assets/bundle-verify");
    let mut cases: Vec<_> = std::fs::read_dir(&base)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    cases.sort();
    assert_eq!(cases.len(), 36);
    let mut wrong = Vec::new();
    for case in &cases {
        let name = case.file_name().unwrap().to_str().unwrap();
        let text = |file: &str, default: &str| {
            std::fs::read_to_string(case.join(file)).map_or(default.to_owned(), |text| text.trim().to_owned())
        };
        let path = |file: &str| case.join(file).display().to_string();
        let mut args = vec!["verify-bundle".to_owned(), "--bundle".to_owned(), path("bundle.sigstore.json")];
        if case.join("key.pub").exists() {
            args.extend(["--key".to_owned(), path("key.pub")]);
        } else {
            args.extend(["--certificate-identity".to_owned(), text("identity", BEACON)]);
            args.extend(["--certificate-oidc-issuer".to_owned(), text("issuer", ACTIONS)]);
        }
        if case.join("trusted_root.json").exists() {
            args.extend(["--trusted-root".to_owned(), path("trusted_root.json")]);
        }
        let own = case.join("artifact");
        let artifact = if own.exists() { own } else { base.join("a.txt") };
        // By file, and by digest where the suite does so too.
        let digest = loadline_core::Digest::of(std::fs::read(&artifact).unwrap()).to_string();
        for artifact in [artifact.display().to_string(), digest] {
            let all: Vec<&str> = args.iter().map(String::as_str).chain([artifact.as_str()]).collect();
            let run = run_in(&base, &all);
            let expected = if name.ends_with("_fail") { Some(1) } else { Some(0) };
            if run.code != expected {
                wrong.push(format!("{name} {artifact}: {:?}, not {expected:?}: {}", run.code, run.stderr));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
#[ignore = "needs real data: cargo xtask data"]
fn bundles_that_real_servers_made() {
    let base = data("sigstore/made-here+real-servers");
    let verify = |bundle: &str, who: &str, issuer: &str, more: &[&str]| {
        let args = [
            "verify-bundle",
            "--bundle",
            bundle,
            "--certificate-identity",
            who,
            "--certificate-oidc-issuer",
            issuer,
        ];
        run_in(&base, &[&args[..], more].concat()).code
    };
    let root = ["--trusted-root", "trusted_root.json", "artifact.bin"];
    let build = "https://github.com/acme/widget/.github/workflows/build.yml@refs/heads/main";
    assert_eq!(verify("att.sigstore.json", build, "http://127.0.0.1:3008", &root), Some(0));
    assert_eq!(verify("blob.sigstore.json", "dev@example.com", "http://127.0.0.1:3009", &root), Some(0));
    assert_eq!(verify("blob.sigstore.json", "dev@example.com", "http://127.0.0.1:3008", &root), Some(1));
    assert_eq!(verify("att.sigstore.json", build, "http://127.0.0.1:3008", &["artifact.bin"]), Some(1));
}
