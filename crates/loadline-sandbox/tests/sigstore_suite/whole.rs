//! The whole sandbox killed (-9) at random under parallel pushes, log entries and certificates, over and over:
//! whatever was acknowledged is there, and all checkpoints that were ever handed out are of one tree.
//!
//! `LOADLINE_TEST_KILLS` says how often, `LOADLINE_TEST_SEED` differently how, and `LOADLINE_TEST_PROGRAM` names
//! a `loadline` whose `sandbox serve` is killed instead of this program.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use loadline_core::{Digest, media_type as mt};
use loadline_sandbox::Ready;
use reqwest::Client;
use serde_json::{Value, json};
use sigstore_merkle::{hash_children, hash_leaf, verify_consistency_proof};
use sigstore_types::Sha256Hash;

use crate::rekor::{hashed_rekord, parse, read};
use crate::{Key, decode, encode, get_json, hash};

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
    let mut command = match std::env::var_os("LOADLINE_TEST_PROGRAM") {
        Some(program) => {
            let mut command = Command::new(program);
            command.args(["sandbox", "serve", "--quiet", "--data"]).arg(data);
            command
        }
        None => {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args(["--exact", "kill::serves_until_killed", "--ignored", "--nocapture"]);
            command.env("LOADLINE_TEST_SANDBOX_DATA", data);
            command
        }
    };
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let child = Killed(child);
    let ready = lines.map_while(Result::ok).find(|line| line.starts_with('{'));
    (child, serde_json::from_str(&ready.expect("the sandbox did not start")).unwrap())
}

/// Numbers that look random and are the same for the same seed: SplitMix64.
struct Drawn(u64);

impl Drawn {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}

#[derive(Default)]
struct Seen {
    blobs: Vec<(String, Digest)>,
    tags: Vec<(String, String, Digest)>,
    /// Index to canonical body.
    entries: BTreeMap<usize, Vec<u8>>,
    /// Log to size to root: everything that was handed out.
    heads: BTreeMap<&'static str, BTreeMap<u64, Sha256Hash>>,
    certificates: usize,
}

impl Seen {
    fn head(&mut self, log: &'static str, size: u64, root: Sha256Hash) {
        let before = self.heads.entry(log).or_default().insert(size, root);
        assert!(before.is_none_or(|before| before == root), "two trees of size {size} in {log}");
    }

    fn count(&self) -> usize {
        self.blobs.len() + self.tags.len() + self.entries.len() + self.certificates
    }
}

type Shared = Arc<Mutex<Seen>>;

/// Until the connection breaks: a blob, then a manifest that speaks of it, under a tag.
async fn push(base: String, seed: u64, seen: Shared) -> Option<()> {
    let client = Client::builder().no_proxy().build().unwrap();
    let repository = format!("kept/{}", seed % 3);
    let mut drawn = Drawn(seed);
    for n in 0_u64.. {
        let length = 1000 + drawn.below(60_000);
        let content: Vec<u8> = (0..length / 8)
            .flat_map(|_| drawn.below(u64::MAX).to_be_bytes())
            .chain(n.to_be_bytes())
            .collect();
        let digest = Digest::of(&content);
        let post = format!("{base}/v2/{repository}/blobs/uploads/?digest={digest}");
        let length = content.len();
        let answer = client.post(post).body(content).send().await.ok()?;
        assert_eq!(answer.status(), 201);
        seen.lock().unwrap().blobs.push((repository.clone(), digest.clone()));
        let manifest = json!({
            "schemaVersion": 2, "mediaType": mt::OCI_MANIFEST, "layers": [],
            "config": {"mediaType": "application/x.test", "digest": digest, "size": length},
        });
        let bytes = serde_json::to_vec(&manifest).unwrap();
        let (tag, digest) = (format!("t{seed}-{n}"), Digest::of(&bytes));
        let put = client.put(format!("{base}/v2/{repository}/manifests/{tag}"));
        let answer = put.header("content-type", mt::OCI_MANIFEST).body(bytes).send().await.ok()?;
        assert_eq!(answer.status(), 201);
        seen.lock().unwrap().tags.push((repository.clone(), tag, digest));
    }
    None
}

/// Until the connection breaks: entries of the transparency log.
async fn log(base: String, name: String, key: Arc<Key>, seen: Shared) -> Option<()> {
    let client = Client::builder().no_proxy().build().unwrap();
    for n in 0.. {
        let request = hashed_rekord(&key, format!("{name}/{n}").as_bytes());
        let answer = client.post(format!("{base}/api/v2/log/entries")).json(&request).send().await.ok()?;
        assert_eq!(answer.status(), 201);
        let entry: Value = answer.json().await.ok()?;
        let index = entry["logIndex"].as_str().unwrap().parse().unwrap();
        let (size, root) = parse(entry["inclusionProof"]["checkpoint"]["envelope"].as_str().unwrap());
        let mut seen = seen.lock().unwrap();
        let before = seen.entries.insert(index, decode(&entry["canonicalizedBody"]));
        assert_eq!(before, None, "two entries at {index}");
        seen.head("rekor", size, root);
    }
    None
}

/// Until the connection breaks: certificates, and the heads of both logs in between.
async fn certify(ready: Ready, key: Arc<Key>, seen: Shared) -> Option<()> {
    let client = Client::builder().no_proxy().build().unwrap();
    let issuer = format!("{}/email", ready.issuer);
    loop {
        let token = client.get(format!("{issuer}/token?claim.email=a@b.example")).send().await.ok()?;
        let request = json!({
            "credentials": {"oidcIdentityToken": token.text().await.ok()?},
            "publicKeyRequest": {
                "publicKey": {"content": encode(key.spki())},
                "proofOfPossession": key.sign(b"a@b.example"),
            },
        });
        let post = client.post(format!("{}/api/v2/signingCert", ready.fulcio));
        assert_eq!(post.json(&request).send().await.ok()?.status(), 200);
        seen.lock().unwrap().certificates += 1;
        let head = client.get(format!("{}/ct/v1/get-sth", ready.ctlog)).send().await.ok()?;
        let head: Value = head.json().await.ok()?;
        let root = Sha256Hash::new(hash(&head["sha256_root_hash"]));
        seen.lock().unwrap().head("ct", head["tree_size"].as_u64().unwrap(), root);
        let note = client.get(format!("{}/api/v2/checkpoint", ready.rekor)).send().await.ok()?;
        let (size, root) = parse(&note.text().await.ok()?);
        seen.lock().unwrap().head("rekor", size, root);
    }
}

/// Everything in the registry from these counts on is there.
async fn pushed(base: &str, seen: &Seen, (blobs, tags): (usize, usize)) {
    let client = Client::builder().no_proxy().build().unwrap();
    for (repository, digest) in &seen.blobs[blobs..] {
        let back = client.get(format!("{base}/v2/{repository}/blobs/{digest}")).send().await.unwrap();
        assert_eq!(back.status(), 200, "blob {digest}");
        assert_eq!(Digest::of(back.bytes().await.unwrap()), *digest);
    }
    for (repository, tag, digest) in &seen.tags[tags..] {
        let back = client.get(format!("{base}/v2/{repository}/manifests/{tag}")).send().await.unwrap();
        assert_eq!(back.status(), 200, "tag {tag}");
        assert_eq!(Digest::of(back.bytes().await.unwrap()), *digest, "tag {tag}");
    }
}

/// The roots of all trees that the first leaves make, by size.
fn roots(leaves: &[Sha256Hash]) -> Vec<Sha256Hash> {
    // Whole subtrees from left to right: so many leaves, and their hash.
    let mut whole: Vec<(usize, Sha256Hash)> = Vec::new();
    leaves
        .iter()
        .map(|leaf| {
            whole.push((1, *leaf));
            while let [.., (left, first), (right, second)] = whole[..]
                && left == right
            {
                whole.truncate(whole.len() - 2);
                whole.push((left * 2, hash_children(&first, &second)));
            }
            let mut from_right = whole.iter().rev().map(|(_, hash)| *hash);
            let last = from_right.next().unwrap();
            from_right.fold(last, |right, left| hash_children(&left, &right))
        })
        .collect()
}

async fn logs_hold(ready: &Ready, seen: &Seen) {
    let note = Client::new().get(format!("{}/api/v2/checkpoint", ready.rekor)).send().await.unwrap();
    let (size, root) = parse(&note.text().await.unwrap());
    let (hashes, entries) = read(&ready.rekor, size).await;
    let prefixes = roots(&hashes);
    assert_eq!(prefixes.last(), Some(&root));
    for (body, leaf) in entries.iter().zip(&hashes) {
        assert_eq!(hash_leaf(body), *leaf);
    }
    for (index, body) in &seen.entries {
        assert_eq!(&entries[*index], body, "entry {index}");
    }
    for (size, root) in &seen.heads["rekor"] {
        let prefix = prefixes[usize::try_from(*size).unwrap() - 1];
        assert_eq!(prefix, *root, "the checkpoint of size {size}");
    }

    let base = format!("{}/ct/v1", ready.ctlog);
    let head = get_json(format!("{base}/get-sth")).await;
    let last = (head["tree_size"].as_u64().unwrap(), Sha256Hash::new(hash(&head["sha256_root_hash"])));
    assert!(last.0 >= seen.certificates as u64, "{} of {} certificates", last.0, seen.certificates);
    let mut heads: Vec<_> = seen.heads["ct"].iter().map(|(size, root)| (*size, *root)).collect();
    heads.push(last);
    for pair in heads.windows(2) {
        for ((old, before), (new, after)) in [(pair[0], pair[1]), (pair[0], last)] {
            let proof = get_json(format!("{base}/get-sth-consistency?first={old}&second={new}")).await;
            let proof: Vec<_> = proof["consistency"]
                .as_array()
                .unwrap()
                .iter()
                .map(|text| Sha256Hash::new(hash(text)))
                .collect();
            verify_consistency_proof(old, new, &proof, &before, &after).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_random_everything_acknowledged_is_kept() {
    let number = |name: &str, default| std::env::var(name).map_or(default, |text| text.parse().unwrap());
    let kills = number("LOADLINE_TEST_KILLS", 3);
    let mut drawn = Drawn(number("LOADLINE_TEST_SEED", 7));
    let folder = tempfile::tempdir().unwrap();
    let seen = Shared::default();
    let key = Arc::new(Key::new());
    let mut checked = (0, 0);
    for round in 0..kills {
        let (child, ready) = spawn(folder.path());
        let base = format!("http://{}", ready.registry);
        let mut writers = vec![tokio::spawn(certify(ready.clone(), Arc::clone(&key), Arc::clone(&seen)))];
        for writer in 0..3 {
            writers.push(tokio::spawn(push(base.clone(), round * 3 + writer, Arc::clone(&seen))));
            let name = format!("{round}/{writer}");
            writers.push(tokio::spawn(log(ready.rekor.clone(), name, Arc::clone(&key), Arc::clone(&seen))));
        }
        // So many acknowledgements, however busy the machine is, and then a moment in between two.
        let enough = seen.lock().unwrap().count() + 4 + usize::try_from(drawn.below(60)).unwrap();
        while seen.lock().unwrap().count() < enough {
            assert!(writers.iter().any(|writer| !writer.is_finished()), "nobody writes");
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_micros(drawn.below(20_000))).await;
        drop(child);
        for writer in writers {
            writer.await.unwrap();
        }
        let (_child, ready) = spawn(folder.path());
        let snapshot = std::mem::take(&mut *seen.lock().unwrap());
        pushed(&format!("http://{}", ready.registry), &snapshot, checked).await;
        checked = (snapshot.blobs.len(), snapshot.tags.len());
        *seen.lock().unwrap() = snapshot;
    }
    let (_child, ready) = spawn(folder.path());
    let seen = std::mem::take(&mut *seen.lock().unwrap());
    pushed(&format!("http://{}", ready.registry), &seen, (0, 0)).await;
    logs_hold(&ready, &seen).await;
    assert!(
        !seen.tags.is_empty() && !seen.entries.is_empty() && seen.certificates > 0,
        "too little happened"
    );
    println!(
        "{kills} kills: {} blobs, {} tags, {} log entries, {} certificates, {} checkpoints and {} tree heads",
        seen.blobs.len(),
        seen.tags.len(),
        seen.entries.len(),
        seen.certificates,
        seen.heads["rekor"].len(),
        seen.heads["ct"].len()
    );
}
