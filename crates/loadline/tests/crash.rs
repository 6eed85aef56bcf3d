//! Killed after each ledger record in turn, then run again: the same tags and digests, nothing pushed twice.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod support;

use std::collections::BTreeMap;

use support::{Project, images};

/// How often each digest and each tag was successfully written at the registry.
fn writes(project: &Project) -> BTreeMap<String, u32> {
    let mut writes = BTreeMap::new();
    for line in std::fs::read_to_string(project.sandbox().join("requests.log")).unwrap_or_default().lines() {
        let mut words = line.split(' ');
        let (method, path, status) =
            (words.next().unwrap_or(""), words.next().unwrap_or(""), words.next().unwrap_or(""));
        if method == "PUT" && status == "201" {
            let what = match path.split_once("digest=") {
                Some((_, digest)) => digest.replace("%3A", ":"),
                None => path.to_owned(),
            };
            *writes.entry(what).or_insert(0) += 1;
        }
    }
    writes
}

/// Kills a release at each of these records, each time from nothing, and runs it again.
fn kill_and_run_again(
    records: impl Iterator<Item = usize>,
    reference: &BTreeMap<String, (String, Vec<String>)>,
) {
    let project = Project::new();
    for record in records {
        let _ = std::fs::remove_dir_all(project.sandbox());
        let killed = project.release(&["--version", "1.0.0", "--kill-after-record", &record.to_string()]);
        assert_eq!(killed.code, None, "record {record}: {}", killed.stderr);
        let run = project.release(&["--version", "1.0.0"]);
        assert_eq!(run.code, Some(0), "record {record}: {}\n{}", run.stdout, run.stderr);
        assert_eq!(&images(&run.json()), reference, "record {record}");
        for (what, times) in writes(&project) {
            assert_eq!(times, 1, "record {record}: {what} was written {times} times");
        }
    }
}

#[test]
fn killed_after_each_record_it_ends_in_the_same_place() {
    const WORKERS: usize = 4;
    let whole = Project::new();
    let reference = whole.release(&["--version", "1.0.0"]);
    assert_eq!(reference.code, Some(0), "{}", reference.stderr);
    let reference = images(&reference.json());
    assert!(writes(&whole).len() > 20, "the log of requests is not read");
    let ledger = std::fs::read_to_string(whole.sandbox().join("releases/1.0.0/ledger.jsonl")).unwrap();
    let records = ledger.lines().count();
    assert!(records > 50, "{records} records");
    for record in ["\"key server\"", "\"ready\"", "\"promoting\"", "\"completed\""] {
        assert!(ledger.contains(record), "no record of {record}");
    }
    std::thread::scope(|scope| {
        for worker in 1..=WORKERS {
            let reference = &reference;
            scope.spawn(move || kill_and_run_again((worker..=records).step_by(WORKERS), reference));
        }
    });
}

#[test]
fn killed_again_and_again_it_still_ends() {
    let project = Project::new();
    for record in 1.. {
        let run = project.release(&["--version", "1.0.0", "--kill-after-record", &record.to_string()]);
        if run.code == Some(0) {
            break;
        }
        assert_eq!(run.code, None, "record {record}: {}\n{}", run.stdout, run.stderr);
        assert!(record < 600, "it gets nowhere");
    }
    for (what, times) in writes(&project) {
        assert_eq!(times, 1, "{what} was written {times} times");
    }
}
