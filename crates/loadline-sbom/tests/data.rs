//! Every CycloneDX document of the collection of real data is counted as its index says.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test says so by failing")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use loadline_core::{Digest, Platform};
use loadline_sbom::read::Document;
use loadline_sbom::{Part, Sbom, Subject, join, weigh};

fn data() -> PathBuf {
    let folder = std::env::var_os("LOADLINE_DATA");
    PathBuf::from(folder.expect("set LOADLINE_DATA to the folder of real data (cargo xtask data)"))
}

fn truths() -> Vec<(String, String)> {
    let index = std::fs::read_to_string(data().join("INDEX.md")).unwrap();
    let rows = index.lines().filter_map(|line| {
        let cells: Vec<&str> = line.trim_start_matches("| ").trim_end_matches(" |").split(" | ").collect();
        let path = *cells.first()?;
        (cells.len() == 5 && path.starts_with("sbom-cyclonedx/"))
            .then(|| (path.to_owned(), cells[4].to_owned()))
    });
    rows.collect()
}

fn number_before(truth: &str, word: &str) -> Option<usize> {
    truth[..truth.find(word)?].rsplit([' ', ';', '(']).next()?.parse().ok()
}

/// What the index says of a document: version, components, with nested, purls, dependencies, vulnerabilities.
fn expected(truth: &str) -> Option<(String, [usize; 5])> {
    let version = truth.split("CycloneDX ").find(|part| part.starts_with("1."))?;
    let numbers = [" components", " with nested", " purls", " deps", " vulns"];
    let mut found = [0; 5];
    for (slot, word) in found.iter_mut().zip(numbers) {
        *slot = number_before(truth, word)?;
    }
    Some((version.split(';').next()?.to_owned(), found))
}

#[test]
#[ignore = "needs real data: cargo xtask data"]
fn every_document_is_counted_as_the_index_says() {
    let truths = truths();
    assert!(truths.len() > 100, "only {} rows", truths.len());
    let mut wrong = Vec::new();
    let mut read = 0;
    for (path, truth) in &truths {
        let bytes = std::fs::read(data().join(path)).unwrap();
        let document = Document::parse(&bytes);
        let Some((version, numbers)) = expected(truth) else {
            if document.is_ok() && !truth.contains("UTF-8 BOM") {
                wrong.push(format!("{path}: read, but {truth}"));
            }
            continue;
        };
        match document {
            // Versions that do not exist and formats that are none are part of the collection.
            Err(error) if truth.contains("schema INVALID") || truth.contains("schema-INVALID") => {
                println!("{path}: {error}");
            }
            Err(error) => wrong.push(format!("{path}: {error}, but {truth}")),
            Ok(document) => {
                read += 1;
                let found = [
                    document.components.len(),
                    document.component_count(),
                    document.components.iter().filter(|c| c.purl.is_some()).count(),
                    document.dependencies.len(),
                    document.vulnerabilities,
                ];
                if found != numbers || *document.spec_version != version {
                    wrong.push(format!("{path}: {} {found:?}, but {truth}", document.spec_version));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), truths.len(), wrong.join("\n"));
    println!("{read} of {} read", truths.len());
}

#[test]
#[ignore = "needs real data: cargo xtask data"]
fn every_document_joins_with_itself_and_stays_whole() {
    let (amd, arm) = (Platform::new("linux", "amd64", None), Platform::new("linux", "arm64", None));
    let (one, two, index) = (Digest::of(b"1"), Digest::of(b"2"), Digest::of(b"index"));
    let subject = Subject {
        name: "x",
        repository: None,
        digest: &index,
        platform: None,
        diff_ids: &[],
        created: "2026-01-01T00:00:00Z".parse().unwrap(),
    };
    let mut joined_any = 0;
    for (path, _) in truths() {
        let bytes = std::fs::read(data().join(&path)).unwrap();
        let Ok(sbom) = Sbom::parse(&bytes) else { continue };
        let parts = [
            Part { platform: &amd, digest: &one, sbom: &sbom },
            Part { platform: &arm, digest: &two, sbom: &sbom },
        ];
        let joined = match join(&subject, &parts) {
            Ok(joined) => joined,
            Err(loadline_sbom::JoinError::Mismatch { .. }) => continue,
            Err(error) => panic!("{path}: {error}"),
        };
        joined_any += 1;
        // Its own components, once each, and the two images.
        assert_eq!(joined.components(), sbom.components() + 2, "{path}");
        let document = Document::parse(joined.as_bytes()).unwrap();
        let mut refs: BTreeMap<&str, usize> = BTreeMap::new();
        for component in &document.components {
            *refs.entry(component.bom_ref.as_deref().unwrap()).or_default() += 1;
        }
        assert!(refs.values().all(|n| *n == 1), "{path}");
        for dependency in &document.dependencies {
            let known = |r: &str| {
                refs.contains_key(r) || r == document.subject.as_ref().unwrap().bom_ref.as_deref().unwrap()
            };
            assert!(known(&dependency.of) && dependency.on.iter().all(|on| known(on)), "{path}");
        }
        assert!(!weigh(&joined).unwrap().is_empty());
    }
    assert!(joined_any > 100, "{joined_any}");
}

#[test]
#[ignore = "needs real data: cargo xtask data"]
fn a_document_of_30_mib_is_read_and_joined_within_seconds() {
    let path =
        "sbom-cyclonedx/guacsec+trustify-ui/e2e/tests/common/assets/sbom/cnv-4.17-binary-1-latest.json";
    let one: serde_json::Value = serde_json::from_slice(&std::fs::read(data().join(path)).unwrap()).unwrap();
    let mut components = Vec::new();
    let mut size = 0;
    for n in 0.. {
        for component in one["components"].as_array().unwrap() {
            let mut component = component.clone();
            for member in ["bom-ref", "purl"] {
                let text = format!("{}&n={n}", component[member].as_str().unwrap());
                component[member] = text.into();
            }
            let text = component.to_string();
            size += text.len();
            components.push(text);
        }
        if size > 30 << 20 {
            break;
        }
    }
    let text =
        format!(r#"{{"bomFormat":"CycloneDX","specVersion":"1.6","components":[{}]}}"#, components.join(","));
    let begin = std::time::Instant::now();
    let sbom = Sbom::parse(text.as_bytes()).unwrap();
    let read = begin.elapsed();
    let (amd, arm) = (Platform::new("linux", "amd64", None), Platform::new("linux", "arm64", None));
    let (one, two, index) = (Digest::of(b"1"), Digest::of(b"2"), Digest::of(b"index"));
    let subject = Subject {
        name: "x",
        repository: None,
        digest: &index,
        platform: None,
        diff_ids: &[],
        created: "2026-01-01T00:00:00Z".parse().unwrap(),
    };
    let parts = [
        Part { platform: &amd, digest: &one, sbom: &sbom },
        Part { platform: &arm, digest: &two, sbom: &sbom },
    ];
    let begin = std::time::Instant::now();
    let joined = join(&subject, &parts).unwrap();
    let took = begin.elapsed();
    println!(
        "{} MiB, {} components: read {read:?}, joined with itself {took:?}",
        text.len() >> 20,
        sbom.components()
    );
    assert_eq!(joined.components(), components.len() + 2);
    assert!(read.as_secs() < 20 && took.as_secs() < 60);
}
