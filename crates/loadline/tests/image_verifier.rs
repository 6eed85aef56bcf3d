//! `loadline` as containerd's image verifier, called as containerd calls it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod released;
mod support;

use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use assert_cmd::Command;
use loadline_core::Secret;
use loadline_sandbox::RequestLog;
use released::Released;
use support::{Run, run_of};
use tempfile::TempDir;

/// A node: a folder of verifiers, and what they demand beside it.
struct Node {
    folder: TempDir,
    requests: Arc<AtomicUsize>,
    released: Released,
}

impl Node {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut loadline_sandbox::Options)) -> Self {
        let requests = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&requests);
        let released = Released::with(|options| {
            options.log = Some(RequestLog::new(move |_| {
                count.fetch_add(1, Ordering::SeqCst);
            }));
            change(options);
        });
        let node = Self { folder: tempfile::tempdir().unwrap(), requests, released };
        std::fs::create_dir(node.path("bin")).unwrap();
        symlink(assert_cmd::cargo::cargo_bin!("loadline"), node.program()).unwrap();
        node.policy(".github/workflows/release.yml");
        node.demand("refuse", "");
        node
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn program(&self) -> PathBuf {
        self.path("bin/loadline-image-verifier")
    }

    fn policy(&self, workflow: &str) {
        let ready = self.released.sandbox.ready();
        let text = format!(
            "schema = \"loadline/policy/v1\"\n[[identity]]\nsigner-workflow = \"{workflow}\"\nissuer = \"{}\"\n\
             [source]\nrepository = \"github.com/acme/widget\"\n[evidence]\npredicates = [\"slsa-provenance\", \"cyclonedx\"]\n\
             [trust]\nroots = [\"{}\"]\n",
            ready.issuer,
            ready.trusted_root.display()
        );
        std::fs::write(self.path("acme.toml"), text).unwrap();
    }

    /// The verifier's file, with more of it at the top.
    fn demand(&self, others: &str, more: &str) {
        let registry = &self.released.sandbox.ready().registry;
        let cache = self.path("cache");
        let text = format!(
            "schema = \"loadline/image-verifier/v1\"\nothers = \"{others}\"\n{more}\n[cache]\nfolder = \"{}\"\n\
             [[image]]\nimages = [\"{registry}/acme/*\"]\npolicy = \"acme.toml\"\n\
             [[image]]\nimages = [\"{registry}/tools/*\"]\nallow = \"built on this node\"\n",
            cache.display()
        );
        std::fs::write(self.path("loadline-image-verifier.toml"), text).unwrap();
    }

    /// Asks about an image, as containerd does: by its name, and by the digest that the registry led to.
    fn ask(&self, name: &str, digest: &str) -> Run {
        ask(&self.program(), self.folder.path(), name, digest, &[])
    }

    /// The same, and how many requests that took.
    fn counted(&self, name: &str, digest: &str) -> (Run, usize) {
        let before = self.requests.load(Ordering::SeqCst);
        let run = self.ask(name, digest);
        (run, self.requests.load(Ordering::SeqCst) - before)
    }
}

fn ask(program: &Path, home: &Path, name: &str, digest: &str, variables: &[(&str, &str)]) -> Run {
    let payload = format!(
        "{{\"mediaType\":\"application/vnd.oci.image.index.v1+json\",\"digest\":\"{digest}\",\"size\":1}}"
    );
    let output = Command::new(program)
        .current_dir("/")
        .env_clear()
        .env("HOME", home)
        .envs(variables.iter().copied())
        .args([
            "-name",
            name,
            "-digest",
            digest,
            "-stdin-media-type",
            "application/vnd.oci.descriptor.v1+json",
        ])
        .write_stdin(payload)
        .output()
        .unwrap();
    run_of(&output)
}

fn digest(pinned: &str) -> &str {
    pinned.split_once('@').unwrap().1
}

#[test]
fn what_is_proven_is_pulled_and_the_second_look_is_free() {
    let node = Node::new();
    let (tag, pinned) = node.released.server.clone();
    let (run, requests) = node.counted(&tag, digest(&pinned));
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
    assert!(
        run.stdout
            .starts_with(&format!("pass: {pinned}: 4 demands proven, signed by https://github.com/acme")),
        "{}",
        run.stdout
    );
    assert_eq!(run.stdout.lines().count(), 1);
    assert!(requests > 0);

    let (run, requests) = node.counted(&tag, digest(&pinned));
    assert_eq!((run.code, requests), (Some(0), 0), "{}", run.stdout);
    assert!(run.stdout.contains("as of 20"), "{}", run.stdout);
    let cache = std::fs::metadata(node.path("cache")).unwrap();
    assert_eq!(cache.mode() & 0o777, 0o700);

    // Another policy is another question, and what was found under the old one says nothing.
    node.policy(".github/workflows/other.yml");
    let (run, requests) = node.counted(&tag, digest(&pinned));
    assert_eq!(run.code, Some(1), "{}", run.stdout);
    assert!(requests > 0 && run.stdout.contains("signer-workflow-mismatch"), "{}", run.stdout);
    // And what fails is asked about each time.
    let (run, requests) = node.counted(&tag, digest(&pinned));
    assert!(run.code == Some(1) && requests > 0);

    node.policy(".github/workflows/release.yml");
    assert_eq!(node.counted(&tag, digest(&pinned)).1, 0);
    for entry in std::fs::read_dir(node.path("cache")).unwrap() {
        std::fs::write(entry.unwrap().path(), "{").unwrap();
    }
    let (run, requests) = node.counted(&tag, digest(&pinned));
    assert!(run.code == Some(0) && requests > 0, "{}", run.stdout);
    assert!(run.stderr.contains("is broken"), "{}", run.stderr);
    node.demand("refuse", "");
    let text = std::fs::read_to_string(node.path("loadline-image-verifier.toml")).unwrap();
    std::fs::write(
        node.path("loadline-image-verifier.toml"),
        text.replace("[cache]\n", "[cache]\nenabled = false\n"),
    )
    .unwrap();
    assert!(node.counted(&tag, digest(&pinned)).1 > 0);
}

#[test]
fn what_has_no_evidence_or_that_of_another_is_not_pulled() {
    let node = Node::new();
    let (tag, pinned) = node.released.unsigned("acme/widget");
    let run = node.ask(&tag, digest(&pinned));
    assert_eq!(run.code, Some(1), "{}", run.stdout);
    assert!(run.stdout.starts_with(&format!("refused: {pinned}: evidence-missing")), "{}", run.stdout);

    let child =
        node.released.json(&[&node.released.server.0]).json()["images"][0]["demands"][0]["digest"].clone();
    let from = format!("{}@{}", pinned.split_once('@').unwrap().0, child.as_str().unwrap());
    node.released.hang("acme/widget", &from, &pinned);
    let run = node.ask(&tag, digest(&pinned));
    assert_eq!(run.code, Some(1), "{}", run.stdout);
    assert!(run.stdout.starts_with(&format!("refused: {pinned}: ")), "{}", run.stdout);
    assert!(run.stdout.contains("subject-mismatch"), "{}", run.stdout);
    assert!(!node.path("cache").exists(), "nothing but a pass is kept");
}

#[test]
fn what_the_file_says_nothing_of_is_refused_or_allowed_as_it_says() {
    let node = Node::new();
    let (other, pinned) = node.released.unsigned("library/redis");
    let run = node.ask(&other, digest(&pinned));
    assert!(run.code == Some(1) && run.stdout.contains("image-unlisted"), "{}", run.stdout);
    node.demand("allow", "");
    let run = node.ask(&other, digest(&pinned));
    assert!(run.code == Some(0) && run.stdout.starts_with("allowed unseen: "), "{}", run.stdout);
    // Being allowed is for others alone.
    let (tag, own) = node.released.unsigned("acme/widget");
    assert_eq!(node.ask(&tag, digest(&own)).code, Some(1));
    let (tool, pinned) = node.released.unsigned("tools/debug");
    let run = node.ask(&tool, digest(&pinned));
    assert!(run.code == Some(0) && run.stdout.contains("built on this node"), "{}", run.stdout);
}

#[test]
fn what_cannot_be_told_in_time_is_refused_in_time() {
    let node = Node::with(|options| {
        options.faults = loadline_sandbox::registry::Faults::parse(["GET referrers:delay=30s"], 0).unwrap();
    });
    node.demand("refuse", "deadline = \"1s\"");
    let began = Instant::now();
    let run = node.ask(&node.released.server.0, digest(&node.released.server.1));
    assert_eq!(run.code, Some(3), "{}", run.stdout);
    assert!(
        run.stdout.contains("deadline-passed") && run.stdout.contains("nobody could tell"),
        "{}",
        run.stdout
    );
    assert!(began.elapsed() < Duration::from_secs(3), "{:?}", began.elapsed());

    let Node { folder, released, .. } = node;
    let Released { sandbox, runtime, server, .. } = released;
    runtime.block_on(sandbox.stop());
    let run = ask(
        &folder.path().join("bin/loadline-image-verifier"),
        folder.path(),
        &server.0,
        digest(&server.1),
        &[],
    );
    assert_eq!(run.code, Some(3), "{}", run.stdout);
}

#[test]
fn a_wrong_call_or_file_stops_the_pull_and_says_so() {
    let node = Node::new();
    let (tag, pinned) = node.released.server.clone();
    let other = "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
    let says = |run: &Run, what: &str| {
        assert_eq!(run.code, Some(2), "{}", run.stdout);
        assert!(
            run.stdout.contains("image-verifier-miscalled") && run.stdout.contains(what),
            "{}",
            run.stdout
        );
    };
    says(
        &node.ask(&format!("{}@{other}", tag.rsplit_once(':').unwrap().0), digest(&pinned)),
        "another digest",
    );
    says(&node.ask("Not A Name", digest(&pinned)), "no image reference");
    says(&node.ask(&tag, "sha256:12"), "-digest");
    let mut contradicted = Command::new(node.program());
    contradicted.env_clear().args(["-name", &tag, "-digest", digest(&pinned)]);
    contradicted.args(["-stdin-media-type", "application/vnd.oci.descriptor.v1+json"]);
    let payload = format!("{{\"digest\":\"{other}\"}}");
    says(&run_of(&contradicted.write_stdin(payload).output().unwrap()), "standard input describes");
    let file = node.path("loadline-image-verifier.toml");
    let good = std::fs::read_to_string(&file).unwrap();
    for (from, to, what) in [
        ("others = \"refuse\"\n", "", "others"),
        ("image-verifier/v1", "image-verifier/v2", "v2"),
        ("policy = \"acme.toml\"", "", "policy"),
        ("policy = \"acme.toml\"", "policy = \"gone.toml\"", "gone.toml"),
        ("policy = \"acme.toml\"", "policy = \"acme.toml\"\nallow = \"x\"", "either"),
        ("allow = \"built on this node\"", "allow = \" \"", "REASON"),
        ("/acme/*", "/acme/*:1", "pattern"),
    ] {
        assert!(good.contains(from), "{from}");
        std::fs::write(&file, good.replacen(from, to, 1)).unwrap();
        says(&node.ask(&tag, digest(&pinned)), what);
    }
    std::fs::remove_file(&file).unwrap();
    says(&node.ask(&tag, digest(&pinned)), "LOADLINE_IMAGE_VERIFIER");
    let named = node.path("elsewhere.toml");
    std::fs::write(&named, &good).unwrap();
    let variables = [("LOADLINE_IMAGE_VERIFIER", named.to_str().unwrap())];
    let run = ask(&node.program(), node.folder.path(), &tag, digest(&pinned), &variables);
    assert_eq!(run.code, Some(0), "{}", run.stdout);
}

#[test]
fn credentials_come_from_the_usual_places_or_the_folder_that_the_file_names() {
    let node = Node::with(|options| {
        options.auth = Some(("user".to_owned(), Secret::new("password")));
    });
    let (tag, pinned) = node.released.server.clone();
    let run = node.ask(&tag, digest(&pinned));
    assert_eq!(run.code, Some(3), "{}", run.stdout);
    let registry = &node.released.sandbox.ready().registry;
    let docker = serde_json::json!({"auths": {registry: {"auth": "dXNlcjpwYXNzd29yZA=="}}}).to_string();
    std::fs::create_dir(node.path("docker")).unwrap();
    std::fs::write(node.path("docker/config.json"), docker).unwrap();
    node.demand("refuse", &format!("docker-config = \"{}\"", node.path("docker").display()));
    let run = node.ask(&tag, digest(&pinned));
    assert_eq!(run.code, Some(0), "{}", run.stdout);
}

/// A server that knows nothing, and how often it was asked.
fn nobody() -> (String, Arc<AtomicUsize>) {
    use std::io::{BufRead, BufReader, Write};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { continue };
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
            count.fetch_add(1, Ordering::SeqCst);
            let _ = stream.write_all(
                b"HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\ncontent-length: 23\r\nconnection: close\r\n\r\n{\"message\":\"Not Found\"}",
            );
        }
    });
    (address, asked)
}

#[test]
fn github_is_asked_where_the_file_says_so_and_nothing_else_suffices() {
    let node = Node::new();
    let (address, asked) = nobody();
    let variables = [("GITHUB_API_URL", address.as_str())];
    let ask = |pair: &(String, String)| {
        ask(&node.program(), node.folder.path(), &pair.0, digest(&pair.1), &variables).code
    };
    let unsigned = node.released.unsigned("acme/widget");
    let policy = std::fs::read_to_string(node.path("acme.toml")).unwrap();
    let more = policy.replace("roots = [", "roots = [\"public-good\", ");
    std::fs::write(node.path("acme.toml"), more).unwrap();
    assert_eq!((ask(&unsigned), asked.load(Ordering::SeqCst)), (Some(1), 0));
    node.demand("refuse", "github = true");
    assert_eq!((ask(&node.released.server), asked.load(Ordering::SeqCst)), (Some(0), 0));
    assert_eq!(ask(&unsigned), Some(1));
    assert!(asked.load(Ordering::SeqCst) > 0);
}
