//! Killed (-9) while many write to the log, over and over: no entry that was acknowledged is lost, and every
//! checkpoint that was ever handed out is one of the tree that is there in the end.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use loadline_sandbox::{Options, Ready, Sandbox};
use serde_json::Value;
use sigstore_types::Sha256Hash;

use crate::rekor::{hashed_rekord, parse, read, tree_hash};
use crate::{Key, decode, get};

const DATA: &str = "LOADLINE_TEST_SANDBOX_DATA";
const LISTEN: &str = "LOADLINE_TEST_SANDBOX_LISTEN";
const KILLS: &str = "LOADLINE_TEST_KILLS";

/// The process that is killed: this very program, which runs this one test. By hand it is a sandbox to point
/// other clients at.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "serves until it is killed; the test below starts it"]
async fn serves_until_killed() {
    let mut options = Options::new(std::env::var(DATA).unwrap());
    if let Ok(listen) = std::env::var(LISTEN) {
        options.listen = listen.parse().unwrap();
    }
    let sandbox = Sandbox::start(options).await.unwrap();
    println!("\n{}", serde_json::to_string(sandbox.ready()).unwrap());
    std::future::pending::<()>().await;
}

/// Ends the child whatever happens to the test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

// A real process: a task that is dropped has destructors, a killed process has none.
#[allow(clippy::disallowed_methods)]
fn spawn(data: &Path) -> (Killed, Ready) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::serves_until_killed", "--ignored", "--nocapture"])
        .env(DATA, data)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let child = Killed(child);
    let ready = lines.map_while(Result::ok).find(|line| line.starts_with('{'));
    (child, serde_json::from_str(&ready.expect("the sandbox did not start")).unwrap())
}

#[derive(Default)]
struct Seen {
    /// Index to entry, as answered.
    entries: BTreeMap<usize, Vec<u8>>,
    /// Size to root, as handed out.
    checkpoints: BTreeMap<u64, Sha256Hash>,
}

impl Seen {
    fn checkpoint(&mut self, note: &str) {
        let (size, root) = parse(note);
        let before = self.checkpoints.insert(size, root);
        assert!(before.is_none_or(|before| before == root), "two trees of size {size}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_and_the_log_does_not_fork() {
    let kills = std::env::var(KILLS).map_or(5, |kills| kills.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let seen = Arc::new(Mutex::new(Seen::default()));
    let key = Arc::new(Key::new());
    for round in 0..kills {
        let (child, ready) = spawn(folder.path());
        let (_, note) = get(format!("{}/api/v2/checkpoint", ready.rekor)).await;
        seen.lock().unwrap().checkpoint(&String::from_utf8(note).unwrap());
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let (seen, key, url) = (Arc::clone(&seen), Arc::clone(&key), ready.rekor.clone());
                tokio::spawn(async move {
                    let client = reqwest::Client::new();
                    for n in 0.. {
                        let request = hashed_rekord(&key, format!("{round}/{writer}/{n}").as_bytes());
                        let post = client.post(format!("{url}/api/v2/log/entries")).json(&request);
                        let Ok(response) = post.send().await else { return };
                        assert_eq!(response.status(), 201);
                        let Ok(entry) = response.json::<Value>().await else { return };
                        let mut seen = seen.lock().unwrap();
                        let index = entry["logIndex"].as_str().unwrap().parse().unwrap();
                        let body = decode(&entry["canonicalizedBody"]);
                        assert_eq!(seen.entries.insert(index, body), None, "two entries at {index}");
                        seen.checkpoint(entry["inclusionProof"]["checkpoint"]["envelope"].as_str().unwrap());
                    }
                })
            })
            .collect();
        // Spread over several batches, differently in every round.
        tokio::time::sleep(Duration::from_millis(20 + round * 37 % 101)).await;
        drop(child);
        for writer in writers {
            writer.await.unwrap();
        }
    }

    let sandbox = Sandbox::start(Options::new(folder.path())).await.unwrap();
    let (_, note) = get(format!("{}/api/v2/checkpoint", sandbox.ready().rekor)).await;
    let (size, root) = parse(&String::from_utf8(note).unwrap());
    let (hashes, entries) = read(&sandbox.ready().rekor, size).await;
    assert_eq!(tree_hash(&hashes), root);
    let seen = seen.lock().unwrap();
    assert!(!seen.entries.is_empty());
    for (index, body) in &seen.entries {
        assert_eq!(&entries[*index], body, "entry {index}");
    }
    for (size, root) in &seen.checkpoints {
        let leaves = &hashes[..usize::try_from(*size).unwrap()];
        assert_eq!(tree_hash(leaves), *root, "the checkpoint of size {size}");
    }
    println!(
        "{kills} kills, {} entries answered of {size}, {} checkpoints",
        seen.entries.len(),
        seen.checkpoints.len()
    );
}
