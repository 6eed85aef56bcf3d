#![allow(clippy::unwrap_used, clippy::panic)]

use super::*;
use std::fs::OpenOptions;
use std::io::Write;

fn open(folder: &Path) -> Result<Log, LogError> {
    let kind = Kind { key: leaf_hash, seal: Box::new(|size, _| Ok(format!("sealed at {size}"))) };
    Log::open(folder, kind)
}

async fn append(log: &Log, text: &str) -> Result<Entry, LogError> {
    log.append(text.as_bytes().to_vec(), b"extra".to_vec()).await
}

#[tokio::test]
async fn entries_are_there_again_and_the_tree_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path()).unwrap();
    for n in 0..5 {
        let entry = append(&log, &n.to_string()).await.unwrap();
        assert_eq!((entry.index, &*entry.seal), (n, format!("sealed at {}", n + 1).as_str()));
    }
    let (_, root, _) = log.head();
    drop(log);
    let log = open(folder.path()).unwrap();
    assert_eq!(log.head().0, 5);
    assert_eq!(log.head().1, root);
    assert_eq!(log.cut, None);
    assert_eq!(
        log.entries(3, 1).unwrap().unwrap(),
        [Record { leaf: b"3".to_vec(), extra: b"extra".to_vec() }]
    );
    assert!(matches!(append(&log, "3").await, Err(LogError::Duplicate { index: 3 })));
    assert_eq!(append(&log, "5").await.unwrap().index, 5);
    assert!(log.consistency(5, 6).is_some());
}

#[tokio::test]
async fn many_at_once_get_each_their_own_place() {
    let folder = tempfile::tempdir().unwrap();
    let log = Arc::new(open(folder.path()).unwrap());
    let tasks: Vec<_> = (0..300)
        .map(|n| {
            let log = Arc::clone(&log);
            // Every entry comes twice: one of the two is a duplicate.
            tokio::spawn(async move { append(&log, &(n / 2).to_string()).await })
        })
        .collect();
    let mut seen = std::collections::BTreeSet::new();
    let mut duplicates = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(entry) => assert!(seen.insert(entry.index)),
            Err(LogError::Duplicate { .. }) => duplicates += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!((seen.len(), duplicates), (150, 150));
    assert_eq!(log.head().0, 150);
}

#[tokio::test]
async fn an_unfinished_record_is_cut_off_and_said() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path()).unwrap();
    append(&log, "kept").await.unwrap();
    drop(log);
    let path = folder.path().join("entries");
    let whole = fs::metadata(&path).unwrap().len();
    for (torn, reason) in [
        (&[0, 0, 0][..], "its header is unfinished"),
        (&[0, 0, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8, 9], "it is unfinished"),
        (&[0, 0, 0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9], "its checksum is wrong"),
        (&[255; 40], "its length cannot be"),
    ] {
        OpenOptions::new().append(true).open(&path).unwrap().write_all(torn).unwrap();
        let log = open(folder.path()).unwrap();
        let cut = log.cut.clone().unwrap();
        assert_eq!((cut.offset, cut.bytes, cut.reason), (whole, torn.len() as u64, reason));
        assert_eq!(log.head().0, 1);
        assert_eq!(fs::metadata(&path).unwrap().len(), whole);
    }
}

#[tokio::test]
async fn a_shortened_or_changed_log_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path()).unwrap();
    for text in ["one", "two"] {
        append(&log, text).await.unwrap();
    }
    drop(log);
    let path = folder.path().join("entries");
    let whole = fs::read(&path).unwrap();
    let refused = |what: &str| {
        let error = open(folder.path()).err().unwrap().to_string();
        assert!(error.contains(what) && error.contains("2 entries were acknowledged"), "{error}");
    };

    fs::write(&path, &whole[..whole.len() - 1]).unwrap();
    refused("entry 1 at byte");
    let second = whole.len() - (12 + 4 + 3 + 5);
    fs::write(&path, &whole[..second]).unwrap();
    refused("it ends after entry 1");
    fs::write(&path, b"").unwrap();
    refused("the file is empty");

    let mut changed = whole.clone();
    changed[30] ^= 1;
    fs::write(&path, &changed).unwrap();
    refused("checksum");

    // Right records, but not those that were acknowledged.
    let other = tempfile::tempdir().unwrap();
    let log = open(other.path()).unwrap();
    for text in ["one", "2"] {
        append(&log, text).await.unwrap();
    }
    drop(log);
    fs::copy(other.path().join("entries"), &path).unwrap();
    refused("not those that were acknowledged");

    fs::write(&path, b"something else entirely").unwrap();
    let error = open(folder.path()).err().unwrap();
    assert!(error.to_string().contains("no format this version knows"), "{error}");

    fs::write(&path, &whole).unwrap();
    assert_eq!(open(folder.path()).unwrap().head().0, 2);
}

#[tokio::test]
async fn what_was_synced_but_not_answered_is_kept() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path()).unwrap();
    append(&log, "one").await.unwrap();
    let head = fs::read(folder.path().join("head")).unwrap();
    append(&log, "two").await.unwrap();
    drop(log);
    // As a kill between the two syncs leaves it.
    fs::write(folder.path().join("head"), head).unwrap();
    let log = open(folder.path()).unwrap();
    assert_eq!((log.head().0, log.cut.clone()), (2, None));
}

/// A kill leaves any beginning of what was being written: every one of them is tried.
#[tokio::test]
async fn killed_at_any_byte_the_log_keeps_what_it_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let log = open(folder.path()).unwrap();
    let (entries, head) = (folder.path().join("entries"), folder.path().join("head"));
    let mut acknowledged = Vec::new();
    for n in 0..6 {
        acknowledged.push((
            fs::metadata(&entries).unwrap().len() as usize,
            fs::read(&head).unwrap(),
            log.head(),
        ));
        append(&log, &"x".repeat(n * 7)).await.unwrap();
    }
    drop(log);
    let whole = fs::read(&entries).unwrap();
    for (written, head_bytes, (size, root, _)) in acknowledged {
        for length in written..=whole.len() {
            fs::write(&entries, &whole[..length]).unwrap();
            fs::write(&head, &head_bytes).unwrap();
            let log = open(folder.path()).unwrap();
            let now = log.head().0;
            assert!(now >= size, "{length}: {now} < {size}");
            assert_eq!(log.state().tree.root(size), Some(root));
            assert!(log.consistency(size, now).is_some());
            let kept = fs::metadata(&entries).unwrap().len() as usize;
            assert_eq!(
                log.cut.as_ref().map(|cut| cut.bytes as usize),
                (kept < length).then(|| length - kept)
            );
            assert_eq!(append(&log, "after").await.unwrap().index, now);
        }
    }
}
