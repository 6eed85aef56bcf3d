//! Killed (-9) in the middle of parallel pushes, over and over: what was acknowledged is there.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use loadline_core::{Digest, Secret, media_type as mt};
use loadline_sandbox::registry::{Config, Registry, serve};
use reqwest::Client;
use serde_json::{Value, json};

use crate::support::{descriptor, noise};

const DATA: &str = "LOADLINE_TEST_REGISTRY_DATA";
const LISTEN: &str = "LOADLINE_TEST_REGISTRY_LISTEN";
const AUTH: &str = "LOADLINE_TEST_REGISTRY_AUTH";
const ROUNDS: &str = "LOADLINE_TEST_KILLS";

/// The process that is killed: this very program, which runs this one test. By hand it is a registry to
/// point other clients at.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "serves until it is killed; the test below starts it"]
async fn serves_until_killed() {
    let data = std::env::var(DATA).unwrap();
    let listen = std::env::var(LISTEN).unwrap_or_else(|_| "127.0.0.1:0".to_owned());
    let mut config = Config::new(data);
    config.auth = std::env::var(AUTH).ok().map(|auth| {
        let (user, password) = auth.split_once(':').expect("USER:PASSWORD");
        (user.to_owned(), Secret::new(password))
    });
    let registry = Registry::open(config).unwrap();
    let listener = tokio::net::TcpListener::bind(listen).await.unwrap();
    println!("\nlistens on {}", listener.local_addr().unwrap());
    serve(listener, registry.router(), std::future::pending()).await.unwrap();
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
fn spawn(data: &Path) -> (Killed, String) {
    let mut child = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "kill::serves_until_killed", "--ignored", "--nocapture"])
        .env(DATA, data)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let child = Killed(child);
    for line in lines {
        if let Some(address) = line.unwrap().strip_prefix("listens on ") {
            return (child, format!("http://{address}"));
        }
    }
    panic!("the registry did not start");
}

#[derive(Debug, Default)]
struct Acknowledged {
    blobs: Vec<Digest>,
    tags: Vec<(String, Digest)>,
    referrers: Vec<(Digest, Digest)>,
    /// An upload's address and how many bytes of its content were acknowledged.
    uploads: Vec<(String, u64, usize)>,
}

impl Acknowledged {
    fn count(&self) -> usize {
        self.blobs.len() + self.tags.len() + self.uploads.len()
    }
}

async fn writer(base: String, seed: u64, known: Arc<Mutex<Acknowledged>>) -> Option<()> {
    let client = Client::builder().no_proxy().build().unwrap();
    for step in 0_u64.. {
        let content = noise(seed + step, 20_000 + usize::try_from(step).unwrap() * 1000 % 90_000);
        let digest = Digest::of(&content);
        let begun = client.post(format!("{base}/v2/a/blobs/uploads/")).send().await.ok()?;
        let location = begun.headers()["location"].to_str().unwrap().to_owned();
        let half = content.len() / 2;
        client.patch(format!("{base}{location}")).body(content[..half].to_vec()).send().await.ok()?;
        if step % 4 == 1 {
            // Left as it is, for the next process to go on with.
            known.lock().unwrap().uploads.push((location, seed + step, half));
            continue;
        }
        let put = format!("{base}{location}?digest={digest}");
        let done = client.put(put).body(content[half..].to_vec()).send().await.ok()?;
        if done.status() != 201 {
            continue;
        }
        known.lock().unwrap().blobs.push(digest.clone());
        let mut manifest = json!({
            "schemaVersion": 2, "mediaType": mt::OCI_MANIFEST, "layers": [],
            "config": descriptor("application/x.test", &content),
        });
        for attached in [false, true] {
            let bytes = serde_json::to_vec(&manifest).unwrap();
            let (tag, digest) = (format!("t{seed}-{step}-{attached}"), Digest::of(&bytes));
            let put =
                client.put(format!("{base}/v2/a/manifests/{tag}")).header("content-type", mt::OCI_MANIFEST);
            let response = put.body(bytes.clone()).send().await.ok()?;
            assert_eq!(response.status(), 201);
            let mut known = known.lock().unwrap();
            known.tags.push((tag, digest.clone()));
            if let Some(subject) = manifest["subject"]["digest"].as_str() {
                known.referrers.push((subject.parse().unwrap(), digest));
            }
            drop(known);
            manifest["subject"] = descriptor(mt::OCI_MANIFEST, &bytes);
        }
    }
    None
}

async fn verify(base: &str, known: &Acknowledged) {
    let client = Client::builder().no_proxy().build().unwrap();
    let get = |path: String| client.get(format!("{base}{path}")).send();
    for digest in &known.blobs {
        let back = get(format!("/v2/a/blobs/{digest}")).await.unwrap();
        assert_eq!(back.status(), 200, "blob {digest}");
        assert_eq!(Digest::of(back.bytes().await.unwrap()), *digest);
    }
    for (tag, digest) in &known.tags {
        let back = get(format!("/v2/a/manifests/{tag}")).await.unwrap();
        assert_eq!(back.status(), 200, "tag {tag}");
        assert_eq!(Digest::of(back.bytes().await.unwrap()), *digest);
    }
    for (subject, referrer) in &known.referrers {
        let list: Value = get(format!("/v2/a/referrers/{subject}")).await.unwrap().json().await.unwrap();
        let found = list["manifests"].as_array().unwrap();
        assert!(found.iter().any(|entry| entry["digest"] == json!(referrer)), "referrer {referrer}");
    }
    // What is listed can be pulled, acknowledged or not.
    if !known.tags.is_empty() {
        let list: Value = get("/v2/a/tags/list".to_owned()).await.unwrap().json().await.unwrap();
        for tag in list["tags"].as_array().unwrap() {
            let tag = tag.as_str().unwrap();
            assert_eq!(get(format!("/v2/a/manifests/{tag}")).await.unwrap().status(), 200, "{tag}");
        }
    }
}

/// Goes on with what was begun before the kill.
async fn resume(base: &str, uploads: Vec<(String, u64, usize)>) -> usize {
    let client = Client::builder().no_proxy().build().unwrap();
    let count = uploads.len();
    for (location, seed, acknowledged) in uploads {
        let status = client.get(format!("{base}{location}")).send().await.unwrap();
        assert_eq!(status.status(), 204, "{location}");
        let range = status.headers()["range"].to_str().unwrap();
        let at = range.strip_prefix("0-").unwrap().parse::<usize>().unwrap() + 1;
        assert!(at >= acknowledged, "{at} of {acknowledged}");
        let content = noise(seed, at + 10);
        let digest = Digest::of(&content);
        let put = client.put(format!("{base}{location}?digest={digest}"));
        assert_eq!(put.body(content[at..].to_vec()).send().await.unwrap().status(), 201);
    }
    count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_is_kept() {
    let rounds: u64 = std::env::var(ROUNDS).ok().and_then(|text| text.parse().ok()).unwrap_or(6);
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let known = Arc::new(Mutex::new(Acknowledged::default()));
    let mut resumed = 0;
    for round in 0..rounds {
        let (child, base) = spawn(&data);
        let before = std::mem::take(&mut known.lock().unwrap().uploads);
        resumed += resume(&base, before).await;
        let writers: Vec<_> = (0..4)
            .map(|n| tokio::spawn(writer(base.clone(), (round * 4 + n) * 1_000_000, Arc::clone(&known))))
            .collect();
        // So many acknowledgements, however busy the machine is, and then a moment in between two.
        let drawn = noise(round + 1, 2);
        let enough = known.lock().unwrap().count() + 8 + usize::from(drawn[0]) % 24;
        while known.lock().unwrap().count() < enough {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tokio::time::sleep(Duration::from_micros(u64::from(drawn[1]) * 100)).await;
        drop(child);
        for writer in writers {
            writer.await.unwrap();
        }
        let (_child, base) = spawn(&data);
        let snapshot = std::mem::take(&mut *known.lock().unwrap());
        verify(&base, &snapshot).await;
        *known.lock().unwrap() = snapshot;
    }
    let known = known.lock().unwrap();
    assert!(!known.referrers.is_empty() && resumed > 0, "too little happened");
    println!(
        "{rounds} kills: {} blobs, {} tags, {resumed} uploads gone on with",
        known.blobs.len(),
        known.tags.len()
    );
}
