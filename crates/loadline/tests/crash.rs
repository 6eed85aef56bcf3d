//! Killed after each ledger record in turn, then run again: the same tags and digests, nothing pushed twice.

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

#[test]
fn killed_after_each_record_it_ends_in_the_same_place() {
    let whole = Project::new();
    let reference = whole.release(&["--version", "1.0.0"]);
    assert_eq!(reference.code, Some(0), "{}", reference.stderr);
    let reference = images(&reference.json());
    let ledger = std::fs::read_to_string(whole.sandbox().join("releases/1.0.0/ledger.jsonl")).unwrap();
    let records = ledger.lines().count();
    assert!(records > 20, "{records} records");
    for record in 1..=records {
        let project = Project::new();
        let killed = project.release(&["--version", "1.0.0", "--kill-after-record", &record.to_string()]);
        assert_eq!(killed.code, None, "record {record}: {}", killed.stderr);
        let run = project.release(&["--version", "1.0.0"]);
        assert_eq!(run.code, Some(0), "record {record}: {}\n{}", run.stdout, run.stderr);
        assert_eq!(images(&run.json()), reference, "record {record}");
        for (what, times) in writes(&project) {
            assert_eq!(times, 1, "record {record}: {what} was written {times} times");
        }
    }
}
