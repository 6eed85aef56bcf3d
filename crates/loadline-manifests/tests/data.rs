//! Real files of others: as many references as their index counts, and nothing but those changed by pinning.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::path::{Path, PathBuf};

use loadline_core::Digest;
use loadline_manifests::{Named, find, may_be_manifest, pin};

fn data() -> PathBuf {
    let folder = std::env::var("LOADLINE_DATA").expect("LOADLINE_DATA names the folder of real data");
    Path::new(&folder).to_owned()
}

/// Path, count of references, of those pinned, of those with variables, as the index says.
fn index() -> Vec<(String, usize, usize, usize)> {
    let index = std::fs::read_to_string(data().join("INDEX.md")).unwrap();
    let number = |text: &str, behind: &str| -> Option<usize> {
        let before = &text[..text.find(behind)?];
        before.rsplit([' ', ';', ',']).next()?.parse().ok()
    };
    index
        .lines()
        .filter(|line| line.starts_with("| manifests/"))
        .filter_map(|line| {
            let path = line.split('|').nth(1)?.trim().to_owned();
            let count = number(line, " image: refs")?;
            Some((path, count, number(line, " digest-pinned")?, number(line, " with variables")?))
        })
        .collect()
}

#[test]
#[ignore = "needs real data: cargo xtask data"]
fn as_many_as_the_index_counts() {
    let mut wrong = Vec::new();
    let index = index();
    assert!(index.len() >= 20, "{}", index.len());
    for (path, count, pinned, variables) in &index {
        let text = std::fs::read_to_string(data().join(path)).unwrap();
        let found = match find(path, &text) {
            Ok(found) => found,
            Err(error) => {
                wrong.push(format!("{path}: {error}"));
                continue;
            }
        };
        let is_pinned =
            |named: &Named| matches!(named, Named::Image(reference) if reference.digest.is_some());
        let seen = (
            found.mentions.len(),
            found.mentions.iter().filter(|mention| is_pinned(&mention.named)).count(),
            found.mentions.iter().filter(|mention| mention.text.contains('$')).count(),
        );
        if seen != (*count, *pinned, *variables) {
            wrong.push(format!("{path}: {seen:?}, not {:?} ({:?})", (count, pinned, variables), found.kinds));
        }
        for mention in &found.mentions {
            if let Named::Invalid(reason) = &mention.named {
                wrong.push(format!("{path}:{}: {reason}", mention.line));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
#[ignore = "needs real data: cargo xtask data"]
fn pinning_changes_the_references_alone() {
    let mut files = 0;
    let mut pinned_references = 0;
    let mut folders = vec![data().join("manifests"), data().join("dockerfiles")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.to_string_lossy().into_owned();
            let Ok(text) = std::fs::read_to_string(&path) else { continue };
            if !may_be_manifest(&name) {
                continue;
            }
            let Ok(found) = find(&name, &text) else { continue };
            let open = |named: &Named| matches!(named, Named::Image(reference) if reference.digest.is_none());
            let digest = Digest::of("pinned");
            let pins: Vec<_> =
                found.mentions.iter().filter(|m| open(&m.named)).map(|m| (m, &digest)).collect();
            let pinned = pin(&name, &text, &pins).unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(pinned.replace(&format!("@{digest}"), ""), text, "{name}");
            files += 1;
            pinned_references += pins.len();
        }
    }
    println!("{pinned_references} references in {files} files pinned and taken back");
    assert!(files > 50 && pinned_references > 60, "{pinned_references} in {files}");
}
