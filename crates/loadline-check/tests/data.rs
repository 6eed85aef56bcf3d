//! Real pairs of Dockerfiles with shared regions, and files that were meant to be alike.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::path::Path;

use camino::{Utf8Path, Utf8PathBuf};
use loadline_check::discover::{discover, is_dockerfile};
use loadline_check::fix::{self, FixRequest};
use loadline_check::rules::base_unpinned::Pin;
use loadline_check::rules::image_contract::Contract;
use loadline_check::{
    CheckRequest, ImageSpec, ImagesRequest, Snapshot, Tree, WorkTree, check, check_images, init,
};
use loadline_core::config::SharedRegion;

fn folder() -> Utf8PathBuf {
    let root = std::env::var("LOADLINE_DATA").expect("LOADLINE_DATA names the folder of real data");
    let folder = Utf8Path::new(&root).join("dockerfiles");
    assert!(folder.is_dir(), "{folder} is no folder");
    folder
}

/// What the index says of a pair: its folder and the truth.
fn pairs() -> Vec<(Utf8PathBuf, String)> {
    let folder = folder();
    let index = std::fs::read_to_string(folder.join("../INDEX.md")).unwrap();
    let rows = index.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| dockerfiles/chrisleekr+github-app-playground/")?.split(" | ");
        let path = cells.next()?.split(" (").next()?.trim_end_matches('/');
        let truth = cells.find(|cell| cell.contains("regions EQUAL") || cell.contains("regions DIFFER"))?;
        Some((folder.join("chrisleekr+github-app-playground").join(path), truth.to_owned()))
    });
    rows.collect()
}

fn spec() -> SharedRegion {
    SharedRegion {
        name: "base".into(),
        begin: "# --- SHARED-BASE-BEGIN ---".into(),
        end: "# --- SHARED-BASE-END ---".into(),
        files: vec!["Dockerfile.orchestrator".into(), "Dockerfile.daemon".into()],
    }
}

/// The number behind a word, such as `daemon line 36`.
fn number(text: &str, word: &str) -> u32 {
    let rest = &text[text.find(word).unwrap() + word.len()..];
    rest.trim_start().chars().take_while(char::is_ascii_digit).collect::<String>().parse().unwrap()
}

#[test]
#[ignore = "needs real data: cargo xtask data"]
fn every_pair_gets_the_verdict_of_the_index() {
    let pairs = pairs();
    assert!(pairs.len() >= 25, "only {} pairs", pairs.len());
    let (mut equal, mut different) = (0, 0);
    for (path, truth) in pairs {
        let tree = WorkTree::new(path.clone());
        let regions = [spec()];
        let outcome = check(&CheckRequest { tree: &tree, regions: &regions });
        assert!(outcome.failures.is_empty(), "{path}: {outcome:?}");
        if truth.contains("regions EQUAL") {
            assert!(outcome.findings.is_empty(), "{path}: {:?}", outcome.findings);
            equal += 1;
            continue;
        }
        different += 1;
        assert_eq!(outcome.findings.len(), 1, "{path}: {outcome:?}");
        let finding = &outcome.findings[0];
        assert_eq!(finding.code.name, "shared-region-drift");
        let location = finding.location.as_ref().unwrap();
        assert_eq!(location.file, "Dockerfile.daemon");
        assert_eq!(location.line, Some(number(&truth, "daemon line ")), "{path}: {truth}");
        let detail = finding.detail.as_ref().unwrap();
        let header = detail.lines().find(|line| line.starts_with("@@")).unwrap();
        let start = number(header, "@@ -");
        let first = number(&truth, "orchestrator line ");
        assert!(start <= first && first <= start + 3, "{path}: {header} for line {first}");

        let plan = fix::plan(&FixRequest {
            tree: &tree,
            regions: &regions,
            source: None,
            configured: true,
            git: None,
        });
        assert!(plan.outcome.findings.is_empty(), "{path}: {:?}", plan.outcome);
        let mut mended = Snapshot::default();
        for file in &regions[0].files {
            mended.files.insert(file.clone(), tree.read(file).unwrap());
        }
        for edit in plan.edits {
            mended.files.insert(edit.file, edit.after);
        }
        assert!(check(&CheckRequest { tree: &mended, regions: &regions }).findings.is_empty(), "{path}");
    }
    println!("{equal} pairs equal, {different} different");
    assert!(equal > 10 && different > 5);
}

#[test]
#[ignore = "needs real data: cargo xtask data"]
fn pairs_are_found_without_a_configuration() {
    for (path, _) in pairs() {
        let tree = WorkTree::new(path.clone());
        let (regions, outcome) = discover(&tree);
        assert!(outcome.findings.is_empty() && outcome.failures.is_empty(), "{path}: {outcome:?}");
        let [region] = regions.as_slice() else { panic!("{path}: {regions:?}") };
        assert_eq!((&region.name, &region.begin, &region.end), (&spec().name, &spec().begin, &spec().end));
        assert_eq!(region.files, ["Dockerfile.daemon", "Dockerfile.orchestrator"]);
    }
}

/// Folders called `group-…` hold files that people keep alike by hand.
fn groups(folder: &Path) -> Vec<Utf8PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            if path.file_name().unwrap().to_string_lossy().starts_with("group-") {
                found.push(Utf8PathBuf::from_path_buf(path).unwrap());
            } else {
                found.extend(groups(&path));
            }
        }
    }
    found.sort();
    found
}

#[test]
#[ignore = "needs real data: cargo xtask data"]
fn what_groups_of_files_share_can_be_marked() {
    let groups = groups(folder().as_std_path());
    assert!(groups.len() >= 6, "{groups:?}");
    let mut marked = 0;
    for path in groups {
        let tree = WorkTree::new(path.clone());
        let files = tree.files().unwrap();
        let plan = match init::plan(&tree, &files, "common") {
            Ok(plan) => plan,
            Err(init::InitError::Nothing) => {
                println!("{path}: nothing in common");
                continue;
            }
            Err(error) => panic!("{path}: {error}"),
        };
        println!("{path}: {} files, {} lines in common", files.len(), plan.lines);
        let after = plan.edits.iter().map(|edit| (edit.file.clone(), edit.after.clone())).collect();
        let outcome = check(&CheckRequest { tree: &Snapshot { files: after }, regions: &[plan.region] });
        let drift = outcome.findings.iter().filter(|f| f.code.name != "shared-region-context").count();
        assert_eq!((drift, outcome.failures.len()), (0, 0), "{path}: {outcome:?}");
        marked += 1;
    }
    assert!(marked >= 5);
}

#[test]
#[ignore = "needs real data: cargo xtask data"]
fn rules_over_all_real_dockerfiles() {
    let folder = folder();
    let tree = WorkTree::new(folder);
    let files: Vec<_> = tree
        .files()
        .unwrap()
        .into_iter()
        .filter(|f| is_dockerfile(f) && !f.as_str().contains("/parser/"))
        .collect();
    let images = files.iter().map(|file| {
        let (name, dockerfile) = (file.as_str(), file.as_path());
        let (labels, context) = (Vec::new(), Utf8Path::new("."));
        let (build_args, contract) = (Vec::new(), Contract::default());
        ImageSpec { name, dockerfile, target: None, build_args, labels, context, contract }
    });
    let mut counts = std::collections::BTreeMap::new();
    for image in images {
        let file = image.dockerfile;
        let outcome = check_images(&ImagesRequest { tree: &tree, images: &[image], pin: Pin::Digest });
        assert!(outcome.failures.is_empty(), "{file}: {:?}", outcome.failures);
        for finding in outcome.findings.iter().filter(|f| f.code.name != "dockerfile-unlisted") {
            *counts.entry(finding.code.name).or_insert(0) += 1;
            assert!(finding.location.is_some(), "{finding:?}");
            if matches!(finding.code.name, "dockerfile-invalid" | "secret-in-dockerfile") {
                println!("{}", finding.message);
            }
        }
    }
    println!("{} Dockerfiles: {counts:?}", files.len());
    assert!(files.len() > 80);
}
