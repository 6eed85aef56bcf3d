//! `loadline trust`, and that nothing is asked of a network where none may be.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod released;
mod support;

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use released::Released;
use serde_json::Value;
use support::{Project, Run, run_of};

/// An address that counts who comes, and answers nobody.
struct Trap {
    address: String,
    count: Arc<AtomicUsize>,
}

impl Trap {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let count = Arc::new(AtomicUsize::new(0));
        let seen = Arc::clone(&count);
        std::thread::spawn(move || {
            while listener.accept().is_ok() {
                seen.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { address, count }
    }

    fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

/// Runs where every way out leads into the trap.
fn run(project: &Project, trap: &Trap, args: &[&str]) -> Run {
    let proxy = format!("http://{}", trap.address);
    let mut command = project.command(args);
    for name in ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "GITHUB_API_URL"] {
        command.env(name, &proxy);
    }
    run_of(&command.output().unwrap())
}

#[test]
fn the_roots_that_would_be_used_are_shown() {
    let (project, trap) = (Project::new(), Trap::new());
    let shown = run(&project, &trap, &["trust", "show", "--format", "json"]);
    assert_eq!(shown.code, Some(0), "{}", shown.stderr);
    let document = shown.json();
    assert_eq!(document["schema"], "loadline/trust/v1");
    let roots = document["roots"].as_array().unwrap();
    let names: Vec<&Value> = roots.iter().map(|root| &root["name"]).collect();
    assert_eq!(names, ["public-good", "github"]);
    for root in roots {
        assert_eq!(root["source"], "built-in");
        assert!(root["expires"].is_string() && root["newest_part"].is_string(), "{root}");
        assert!(root["digest"].as_str().unwrap().starts_with("sha256:"));
    }
    let kinds = |root: &Value| -> Vec<String> {
        let parts = root["parts"].as_array().unwrap().iter();
        parts.map(|part| part["kind"].as_str().unwrap().to_owned()).collect()
    };
    assert!(kinds(&roots[0]).contains(&"transparency-log".to_owned()));
    assert!(!kinds(&roots[1]).contains(&"transparency-log".to_owned()), "GitHub's instance has no log");
    let human = run(&project, &trap, &["trust", "show"]);
    assert!(
        human.stdout.contains("public-good (built in)") && human.stdout.contains("days ago"),
        "{}",
        human.stdout
    );
    assert_eq!(trap.count(), 0);
}

#[test]
fn roots_that_cannot_be_fetched_stay_what_they_were() {
    let (project, trap) = (Project::new(), Trap::new());
    // Nobody is there at all, so that it is soon said.
    let proxy = "http://127.0.0.1:9";
    let mut command = project.command(&["trust", "update", "--format", "json"]);
    let update = run_of(&command.env("HTTPS_PROXY", proxy).env("HTTP_PROXY", proxy).output().unwrap());
    assert_eq!(update.code, Some(3), "{}\n{}", update.stdout, update.stderr);
    assert_eq!(update.codes(), ["trust-root-stale", "trust-root-stale"]);
    let shown = run(&project, &trap, &["trust", "show", "--format", "json"]).json();
    assert_eq!(shown["roots"][0]["source"], "built-in");
    assert!(shown["roots"][0].get("cache_unusable").is_none());
    // A cache that is no use is told, and what is built in stands in.
    project.write(".cache/loadline/trust/public-good/fetched", "2026-11-01T00:00:00Z\n");
    project.write(".cache/loadline/trust/public-good/root.json", "{}");
    let shown = run(&project, &trap, &["trust", "show", "--format", "json"]).json();
    assert_eq!(shown["roots"][0]["source"], "built-in");
    assert!(shown["roots"][0]["cache_unusable"].is_string(), "{}", shown["roots"][0]);
    assert_eq!(trap.count(), 0);
}

#[test]
fn a_private_instances_root_is_fetched_through_tuf() {
    let released = Released::new();
    let ready = released.sandbox.ready();
    let tuf_root = ready.trusted_root.with_file_name("tuf_root.json").display().to_string();
    let fetch = |root: &str, out: &str| {
        let mut command = released
            .project
            .command(&["trust", "update", "--mirror", &ready.tuf, "--root", root, "--out", out]);
        run_of(&command.output().unwrap())
    };
    let update = fetch(&tuf_root, "root.json");
    assert_eq!(update.code, Some(0), "{}", update.stderr);
    let verify = ["verify", "--trusted-root", "root.json", "--issuer", &ready.issuer, &released.server.0];
    let verified = released.project.run(&verify);
    assert_eq!(verified.code, Some(0), "{}", verified.stderr);
    let shown = released.project.run(&["trust", "show", "--trusted-root", "root.json", "--format", "json"]);
    assert_eq!(shown.json()["roots"][0]["source"], "file");
    // Another's root does not vouch for it; nothing is written.
    let mut other: Value = serde_json::from_str(&std::fs::read_to_string(&tuf_root).unwrap()).unwrap();
    other["signatures"] = serde_json::json!([]);
    released.project.write("other.json", &other.to_string());
    let refused = fetch("other.json", "none.json");
    assert_eq!(refused.code, Some(3), "{}", refused.stderr);
    assert!(!released.project.path().join("none.json").exists());
    assert_eq!(released.project.run(&["trust", "update", "--mirror", &ready.tuf]).code, Some(2));
}

#[test]
fn offline_makes_no_connection_at_all() {
    let released = Released::new();
    let ready = released.sandbox.ready();
    let root = ready.trusted_root.display().to_string();
    let digest = released.server.1.split_once('@').unwrap().1;
    let trap = Trap::new();
    // The registry and every proxy are the trap. What the release signed is beside its ledger.
    let image = format!("{}/acme/widget@{digest}", trap.address);
    let bundles = released.project.sandbox().join("bundles");
    std::fs::create_dir_all(&bundles).unwrap();
    let mut count = 0;
    let mut folders = vec![released.project.sandbox()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && path != bundles {
                folders.push(path);
            } else if std::fs::read(&path)
                .is_ok_and(|bytes| bytes.starts_with(b"{\"mediaType\":\"application/vnd.dev.sigstore.bundle"))
            {
                std::fs::copy(&path, bundles.join(format!("{count}.json"))).unwrap();
                count += 1;
            }
        }
    }
    assert!(count > 0, "the release keeps its bundles");
    let bundles = bundles.display().to_string();
    let args = [
        "verify",
        "--bundle",
        &bundles,
        "--trusted-root",
        &root,
        "--issuer",
        &ready.issuer,
        "--predicate",
        "slsa-provenance",
        &image,
    ];
    let offline = run(&released.project, &trap, &[&args[..], &["--offline", "--format", "json"]].concat());
    assert_eq!(offline.code, Some(0), "{}\n{}", offline.stdout, offline.stderr);
    assert_eq!(trap.count(), 0, "not one connection");
    let note = &offline.json()["findings"][0];
    assert_eq!(
        (note["code"].as_str(), note["severity"].as_str()),
        (Some("platforms-not-seen"), Some("note"))
    );
    // A tag is not read, a platform not looked at: unknown, never a pass.
    let tag = format!("{}/acme/widget:1.0.0", trap.address);
    let by_tag = run(&released.project, &trap, &[&args[..9], &["--offline", &tag]].concat());
    assert_eq!(by_tag.code, Some(3), "{}", by_tag.stderr);
    let platform =
        run(&released.project, &trap, &[&args[..], &["--offline", "--platform", "linux/amd64"]].concat());
    assert_eq!(platform.code, Some(3), "{}", platform.stderr);
    assert_eq!(trap.count(), 0);
    // The same with a connection does come by: the trap works.
    let http = run(&released.project, &trap, &[&args[..], &["--no-github"]].concat());
    assert_eq!(http.code, Some(3), "{}", http.stderr);
    assert!(trap.count() > 0);
}
