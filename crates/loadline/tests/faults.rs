//! Registries that misbehave, end to end: the right exit code, nothing tagged, no secret anywhere.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod support;

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use loadline_core::Secret;
use loadline_registry::{self as registry, Client, Credential, Http, HttpOptions, Repository};
use loadline_sandbox::registry::Faults;
use loadline_sandbox::{GitHubRun, Options, Sandbox};
use support::{Project, Run};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::runtime::Runtime;

const WORKFLOW: &str = ".github/workflows/release.yml";
const PASSWORD: &str = "hunter2-of-the-registry";
/// `bob:PASSWORD` in base64.
const PAIR: &str = "Ym9iOmh1bnRlcjItb2YtdGhlLXJlZ2lzdHJ5";

/// A registry that wants a password and misbehaves, a Sigstore, and a project that releases to them.
struct World {
    project: Project,
    sandbox: Sandbox,
    runtime: Runtime,
    token: Secret,
    _data: TempDir,
}

/// What a client sent to a host that it was redirected to.
struct Elsewhere {
    address: String,
    heard: Arc<Mutex<String>>,
}

impl Elsewhere {
    fn new(runtime: &Runtime) -> Self {
        let heard = Arc::new(Mutex::new(String::new()));
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = format!("http://{}/signed?key=x", listener.local_addr().unwrap());
        let sink = Arc::clone(&heard);
        runtime.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut buffer = vec![0; 16 << 10];
                let n = stream.read(&mut buffer).await.unwrap_or(0);
                sink.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..n]));
                let _ = stream
                    .write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
                    .await;
            }
        });
        Self { address, heard }
    }

    fn heard(&self) -> String {
        self.heard.lock().unwrap().to_ascii_lowercase()
    }
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

impl World {
    fn new(faults: &[&str]) -> Self {
        Self::with(runtime(), faults, |_| {})
    }

    fn with(runtime: Runtime, faults: &[&str], change: impl FnOnce(&Project)) -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut options = Options::new(data.path());
        options.auth = Some(("bob".to_owned(), Secret::new(PASSWORD)));
        options.faults = Faults::parse(faults, 1).unwrap();
        let sandbox = runtime.block_on(Sandbox::start(options)).unwrap();
        let project = Project::new();
        let ready = sandbox.ready().clone();
        project.edit("loadline.toml", "registry.example.com", &ready.registry);
        project.edit("loadline.toml", "[verify]", &format!("[verify]\nissuer = \"{}\"", ready.issuer));
        project.write(".gitignore", "/target/\n/.docker/\n/.loadline/\n");
        change(&project);
        project.commit("Release to the world");
        let docker = serde_json::json!({"auths": {&ready.registry: {"auth": PAIR}}});
        project.write(".docker/config.json", &docker.to_string());
        let run = GitHubRun::new("acme/widget", "refs/heads/main", &project.head(), WORKFLOW);
        let token = sandbox.github_token(&run).unwrap();
        Self { project, sandbox, runtime, token, _data: data }
    }

    fn release(&self) -> Run {
        let ready = self.sandbox.ready();
        let (root, config) = (ready.trusted_root.to_str().unwrap(), ready.signing_config.to_str().unwrap());
        let mut command = self.project.command(&["release", "--version", "1.0.0", "--format", "json"]);
        command.args(["--events", "events.jsonl", "--trusted-root", root, "--signing-config", config]);
        command.env("SIGSTORE_ID_TOKEN", self.token.expose());
        let run = support::run_of(&command.output().unwrap());
        self.no_secret_in(&run);
        run
    }

    fn run(&self, args: &[&str]) -> Run {
        let run = self.project.run(args);
        self.no_secret_in(&run);
        run
    }

    /// Nothing that was shown or written down holds the password or the identity token.
    fn no_secret_in(&self, run: &Run) {
        let signature = self.token.expose().rsplit('.').next().unwrap();
        for secret in [PASSWORD, PAIR, signature, "Bearer ey"] {
            assert!(!run.stdout.contains(secret), "{secret} in {}", run.stdout);
            assert!(!run.stderr.contains(secret), "{secret} in {}", run.stderr);
            search(self.project.path(), secret);
        }
    }

    fn tags(&self) -> Vec<String> {
        let mut options = registry::Options::default();
        options.credentials.insert(self.sandbox.ready().registry.clone(), Credential::basic("bob", PASSWORD));
        let client = Client::new(Http::new(HttpOptions::default()), options);
        let name = format!("{}/acme/widget", self.sandbox.ready().registry).parse().unwrap();
        match self.runtime.block_on(Repository::at(&client, name).tags()) {
            Ok(tags) => tags.into_iter().filter(|tag| !tag.starts_with("sha256-")).collect(),
            Err(error) if error.is_not_found() => Vec::new(),
            Err(error) => panic!("{error}"),
        }
    }

    /// Releases, and sees to it that it ends so and tags nothing.
    fn refused(&self, code: i32, expected: &str) {
        let run = self.release();
        assert_eq!(run.code, Some(code), "{}\n{}", run.stdout, run.stderr);
        assert!(
            run.codes().iter().any(|code| code == expected),
            "{expected}: {:?}\n{}",
            run.codes(),
            run.stdout
        );
        assert_eq!(self.tags(), [""; 0]);
        assert!(self.sandbox.registry().faults_struck() > 0, "the fault struck");
    }

    fn passes(&self) {
        let run = self.release();
        assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
        assert_eq!(self.tags(), ["1.0.0", "1.0.0-server", "1.0.0-worker", "latest"]);
        assert!(self.sandbox.registry().faults_struck() > 0, "the fault struck");
    }
}

/// Looks for a secret in all files but git's and the one that it is kept in.
fn search(folder: &Path, secret: &str) {
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        if name == ".git" || name == ".docker" {
            continue;
        }
        if path.is_dir() {
            search(&path, secret);
        } else if path.metadata().is_ok_and(|data| data.len() < 8 << 20) {
            let text = std::fs::read(&path).unwrap_or_default();
            let text = String::from_utf8_lossy(&text);
            assert!(!text.contains(secret), "{secret} in {}", path.display());
        }
    }
}

#[test]
fn what_passes_delays_a_release_and_no_more() {
    World::new(&[
        "PUT manifests:429;retry-after=1*1",
        "POST uploads:500*2",
        "PUT uploads:reset*2",
        "PUT uploads:lost;after=4*1",
        "HEAD manifests:503*1",
        "GET blobs:truncate*1",
        "* manifests:delay=50ms",
    ])
    .passes();
}

#[test]
fn a_registry_that_has_had_enough_is_not_pressed() {
    let world = World::new(&["POST uploads:429;retry-after=3600"]);
    let before = Instant::now();
    world.refused(3, "registry-rate-limited");
    assert!(before.elapsed() < Duration::from_secs(20), "an hour is not waited for");
}

#[test]
fn a_registry_that_fails_again_and_again_is_given_up() {
    World::new(&["POST uploads:500"]).refused(3, "registry-protocol");
}

#[test]
fn a_connection_that_is_reset_in_every_upload_is_given_up() {
    World::new(&["PUT uploads:reset"]).refused(3, "registry-unreachable");
}

#[test]
fn a_step_that_takes_too_long_ends() {
    let slow = |project: &Project| {
        project.edit("loadline.toml", "[release]", "[release]\ntimeout = \"3s\"");
    };
    let world = World::with(runtime(), &["PUT manifests:delay=60s"], slow);
    let before = Instant::now();
    world.refused(3, "step-timed-out");
    assert!(before.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_blob_that_never_comes_whole_proves_nothing() {
    World::new(&["GET blobs:truncate"]).refused(3, "evidence-source-failed");
}

#[test]
fn content_that_is_not_what_its_digest_says_is_never_used() {
    let world = World::new(&["GET blobs:wrong-digest"]);
    let run = world.release();
    // What was asked for came, and is wrong: a finding about the evidence.
    assert_eq!(run.code, Some(1), "{}\n{}", run.stdout, run.stderr);
    assert!(run.codes().contains(&"bundle-malformed".to_owned()), "{:?}", run.codes());
    assert_eq!(world.tags(), [""; 0]);
}

#[test]
fn a_manifest_without_end_ends_at_the_limit() {
    let world = World::new(&["GET manifests:endless"]);
    let run = world.release();
    assert_eq!(run.code, Some(3), "{}\n{}", run.stdout, run.stderr);
    assert_eq!(world.tags(), [""; 0]);
    assert!(run.stdout.contains("the manifest is larger than 4194304 bytes"), "{}", run.stdout);
}

#[test]
fn whoever_a_registry_redirects_to_gets_no_credential() {
    let runtime = runtime();
    let elsewhere = Elsewhere::new(&runtime);
    let fault = format!("GET blobs:redirect={}", elsewhere.address);
    let world = World::with(runtime, &[&fault], |_| {});
    let run = world.release();
    assert!(matches!(run.code, Some(1 | 3)), "{}\n{}", run.stdout, run.stderr);
    assert_eq!(world.tags(), [""; 0]);
    let heard = elsewhere.heard();
    assert!(heard.contains("get /signed?key=x"), "{heard}");
    assert!(!heard.contains("authorization") && !heard.contains(&PAIR.to_ascii_lowercase()), "{heard}");
}

impl World {
    /// The same registry, otherwise behaved.
    fn again(self, faults: &[&str]) -> Self {
        let Self { project, sandbox, runtime, token, _data } = self;
        let mut options = Options::new(sandbox.data());
        options.listen = sandbox.address();
        options.auth = Some(("bob".to_owned(), Secret::new(PASSWORD)));
        options.faults = Faults::parse(faults, 1).unwrap();
        runtime.block_on(sandbox.stop());
        let sandbox = runtime.block_on(Sandbox::start(options)).unwrap();
        Self { project, sandbox, runtime, token, _data }
    }

    /// A registry where an image was released.
    fn released() -> (Self, String) {
        let world = Self::new(&[]);
        let run = world.release();
        assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
        let reference = format!("{}/acme/widget:1.0.0", world.sandbox.ready().registry);
        (world, reference)
    }
}

#[test]
fn looking_and_copying_end_as_they_should() {
    let (mut world, reference) = World::released();
    for (faults, code, expected) in [
        (&["GET manifests:429;retry-after=3600"][..], 3, "registry-rate-limited"),
        (&["GET manifests:wrong-digest"], 3, "registry-digest-mismatch"),
        (&["GET manifests:endless"], 3, "registry-too-large"),
        (&["GET manifests:403"], 3, "registry-denied"),
        (&["GET token:403"], 3, "registry-unauthorised"),
        (&["GET manifests:lost"], 3, "registry-unreachable"),
        (&["GET manifests:500"], 3, "registry-protocol"),
    ] {
        world = world.again(faults);
        for verb in [&["inspect", &reference][..], &["copy", &reference, "oci:copied:1"]] {
            let run = world.run(&[verb, &["--format", "json"]].concat());
            assert_eq!(run.code, Some(code), "{faults:?} {verb:?}: {}\n{}", run.stdout, run.stderr);
            assert_eq!(run.codes(), [expected], "{faults:?} {verb:?}: {}", run.stdout);
        }
        let tagged = world.run(&["inspect", "oci:copied:1", "--format", "json"]);
        assert_eq!(tagged.codes(), ["registry-not-found"], "nothing was tagged: {}", tagged.stdout);
    }
}

#[test]
fn a_copy_of_damaged_layers_gets_no_tag() {
    let (mut world, reference) = World::released();
    for fault in ["GET blobs:wrong-digest", "GET blobs:truncate", "GET blobs:503"] {
        world = world.again(&[fault]);
        let run = world.run(&["copy", &reference, "oci:copied:1", "--format", "json"]);
        assert_eq!(run.code, Some(3), "{fault}: {}\n{}", run.stdout, run.stderr);
        let tagged = world.run(&["inspect", "oci:copied:1", "--format", "json"]);
        assert_eq!(tagged.codes(), ["registry-not-found"], "{fault}: {}", tagged.stdout);
        // The parts that did arrive are good ones: a second run, once the registry is well, goes on from there.
        for entry in std::fs::read_dir(world.project.path().join("copied/blobs/sha256")).into_iter().flatten()
        {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            assert!(!name.ends_with(".part"), "{name}");
            let digest = loadline_core::Digest::of(std::fs::read(&path).unwrap());
            assert_eq!(digest.hex(), name);
        }
    }
}
