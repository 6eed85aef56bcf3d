//! `loadline sandbox serve` and `gc`, the real program: how it starts, ends, and what stands in its way.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod support;

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use loadline_core::{Digest, media_type as mt};
use serde_json::{Value, json};
use support::{Run, run_in};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// A sandbox that serves until it is dropped.
struct Serving {
    child: Child,
    ready: Value,
}

impl Serving {
    // The process goes on while the test does something else, which the runner of child processes is not for.
    #[allow(clippy::disallowed_methods)]
    fn start(folder: &Path, args: &[&str]) -> Self {
        let mut child = Command::new(assert_cmd::cargo::cargo_bin!("loadline"))
            .current_dir(folder)
            .env_clear()
            .args([&["sandbox", "serve", "--data", "data"], args].concat())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        match serde_json::from_str(&line) {
            Ok(ready) => Self { child, ready },
            Err(error) => {
                let mut said = String::new();
                child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
                panic!("{error}: {line}{said}");
            }
        }
    }

    fn text(&self, name: &str) -> String {
        self.ready[name].as_str().unwrap().to_owned()
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.text("registry"))
    }

    /// Asks it to end; how it did, and what it told.
    #[allow(clippy::disallowed_methods)]
    fn end(mut self) -> (Option<i32>, String) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        let status = self.child.wait().unwrap();
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (status.code(), said)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
    })
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().timeout(Duration::from_secs(20)).build().unwrap()
}

/// The status, and the body as far as it came.
fn send(request: reqwest::RequestBuilder) -> (u16, Result<Vec<u8>, String>) {
    runtime().block_on(async {
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        (status, response.bytes().await.map(|bytes| bytes.to_vec()).map_err(|error| error.to_string()))
    })
}

fn get(url: String) -> (u16, Vec<u8>) {
    let (status, body) = send(client().get(url));
    (status, body.unwrap())
}

/// Pushes an image of one layer under a tag: the manifest's digest and the layer's.
fn push(serving: &Serving, repository: &str, tag: &str, layer: &[u8]) -> (Digest, Digest) {
    let mut descriptors = Vec::new();
    for content in [b"{}".as_slice(), layer] {
        let digest = Digest::of(content);
        let url = serving.url(&format!("/v2/{repository}/blobs/uploads/?digest={digest}"));
        assert_eq!(send(client().post(url).body(content.to_vec())).0, 201);
        descriptors.push(json!({"mediaType": mt::OCI_CONFIG, "digest": digest, "size": content.len()}));
    }
    let layer = descriptors.pop().unwrap();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": mt::OCI_MANIFEST, "config": descriptors[0], "layers": [layer],
    });
    let bytes = serde_json::to_vec(&manifest).unwrap();
    let put = client().put(serving.url(&format!("/v2/{repository}/manifests/{tag}")));
    assert_eq!(send(put.header("content-type", mt::OCI_MANIFEST).body(bytes.clone())).0, 201);
    (Digest::of(&bytes), layer["digest"].as_str().unwrap().parse().unwrap())
}

fn content(folder: &TempDir, digest: &Digest) -> PathBuf {
    folder.path().join("data/registry/blobs/sha256").join(&digest.hex()[..2]).join(digest.hex())
}

/// Refused: exit 3, no document, this code, and these words.
fn refused(run: &Run, code: &str, words: &[&str]) {
    assert_eq!(run.code, Some(3), "{}{}", run.stdout, run.stderr);
    assert_eq!(run.stdout, "");
    for word in [&[code], words].concat() {
        assert!(run.stderr.contains(word), "{} does not say {word}", run.stderr);
    }
}

#[test]
fn it_says_where_it_is_and_ends_when_it_is_asked_to() {
    let folder = tempfile::tempdir().unwrap();
    let serving = Serving::start(folder.path(), &[]);
    for name in ["issuer", "fulcio", "rekor", "ctlog", "tsa", "token_url", "tuf"] {
        assert!(serving.text(name).starts_with("http://127.0.0.1:"), "{}", serving.ready);
    }
    for name in ["trusted_root", "signing_config", "trust_config"] {
        let file: Value = serde_json::from_slice(&fs::read(serving.text(name)).unwrap()).unwrap();
        assert!(file["mediaType"].as_str().unwrap().starts_with("application/vnd.dev.sigstore."), "{name}");
    }
    let (status, token) = get(format!("{}?sub=https://a.example&aud=sigstore", serving.text("token_url")));
    assert_eq!((status, token.iter().filter(|byte| **byte == b'.').count()), (200, 2));
    let (manifest, _) = push(&serving, "a/b", "tag", b"layer");
    let (code, said) = serving.end();
    assert_eq!(code, Some(0));
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines.len(), 4, "one line a request: {said}");
    assert!(lines[0].starts_with("GET /oidc/token?"), "{said}");
    assert!(lines[3].starts_with("PUT /v2/a/b/manifests/tag 201 "), "{said}");

    // Killed, it takes up what was acknowledged, and says nothing of what it did not have to mend.
    let killed = Serving::start(folder.path(), &["--quiet"]);
    let (_, layer) = push(&killed, "a/b", "again", b"another layer");
    drop(killed);
    let again = Serving::start(folder.path(), &["--quiet", "--read-only"]);
    for tag in ["tag", "again"] {
        assert_eq!(get(again.url(&format!("/v2/a/b/manifests/{tag}"))).0, 200, "{tag}");
    }
    let (_, bytes) = get(again.url("/v2/a/b/manifests/tag"));
    assert_eq!(Digest::of(&bytes), manifest);
    assert_eq!(get(again.url(&format!("/v2/a/b/blobs/{layer}"))), (200, b"another layer".to_vec()));
    assert_eq!(send(client().delete(again.url("/v2/a/b/manifests/tag"))).0, 405);
    assert_eq!(again.end(), (Some(0), String::new()));
}

#[test]
fn what_stands_in_its_way_is_said_and_nothing_is_made_worse() {
    let folder = tempfile::tempdir().unwrap();
    let serve = |args: &[&str]| run_in(folder.path(), &[&["sandbox", "serve", "--data"], args].concat());
    let serving = Serving::start(folder.path(), &[]);
    let taken = serving.text("registry");
    refused(&serve(&["other", "--listen", &taken]), "sandbox-port-taken", &[&taken, "choose another port"]);
    assert!(!folder.path().join("other").exists());
    refused(&serve(&["data"]), "sandbox-data-in-use", &["another sandbox"]);
    let gc = |args: &[&str]| run_in(folder.path(), &[&["sandbox", "gc", "--data"], args].concat());
    refused(&gc(&["data"]), "sandbox-data-in-use", &["another sandbox"]);
    drop(serving);

    // 198.51.100.0/24 is nobody's.
    refused(&serve(&["data", "--listen", "198.51.100.7:0"]), "sandbox-listen", &["198.51.100.7"]);

    let format = folder.path().join("data/format");
    let known = fs::read(&format).unwrap();
    for (file, newer) in [("data/format", "loadline-sandbox 2\n"), ("data/registry/format", "2\n")] {
        let path = folder.path().join(file);
        let before = fs::read(&path).unwrap();
        let newer = match file {
            "data/format" => newer.to_owned(),
            _ => String::from_utf8(before.clone()).unwrap().replace('1', "2"),
        };
        fs::write(&path, &newer).unwrap();
        refused(&serve(&["data"]), "sandbox-data-format", &["another folder"]);
        refused(&gc(&["data"]), "sandbox-data-format", &[]);
        assert_eq!(fs::read_to_string(&path).unwrap(), newer);
        fs::write(&path, before).unwrap();
    }
    assert_eq!(fs::read(&format).unwrap(), known);

    for (file, damage) in [
        ("data/sigstore/keys/fulcio.pk8", "no key"),
        ("data/sigstore/tuf/1.root.json", "{}"),
        ("data/sigstore/rekor/entries", ""),
    ] {
        let path = folder.path().join(file);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, damage).unwrap();
        refused(&serve(&["data"]), "sandbox-data-damaged", &[path.file_name().unwrap().to_str().unwrap()]);
        assert_eq!(fs::read_to_string(&path).unwrap(), damage, "nothing was made worse");
        fs::write(&path, whole).unwrap();
    }
    drop(Serving::start(folder.path(), &[]));

    fs::write(folder.path().join("file"), "").unwrap();
    refused(&serve(&["file"]), "sandbox-data", &["file"]);
    refused(&gc(&["nowhere"]), "sandbox-data-missing", &["nowhere"]);
    assert!(!folder.path().join("nowhere").exists());
    for (args, says) in [
        (["--auth", "nobody"], "USER:PASSWORD"),
        (["--fault", "sometimes"], "sometimes"),
        (["--listen", "here"], "here"),
    ] {
        let run = serve(&[&["data"][..], &args[..]].concat());
        assert_eq!(run.code, Some(2), "{}", run.stderr);
        assert!(run.stderr.contains(says), "{}", run.stderr);
    }
}

#[test]
fn content_that_rotted_is_never_served_as_whole() {
    let folder = tempfile::tempdir().unwrap();
    let serving = Serving::start(folder.path(), &[]);
    let large = vec![7; 3_000_000];
    let (manifest, small) = push(&serving, "a", "small", b"small layer");
    let (_, layer) = push(&serving, "b", "large", &large);
    for (digest, len) in [(&small, 11), (&layer, large.len())] {
        fs::write(content(&folder, digest), vec![8; len]).unwrap();
    }
    let (status, body) = get(serving.url(&format!("/v2/a/blobs/{small}")));
    assert_eq!(status, 500, "{}", String::from_utf8_lossy(&body));
    let (_, body) = send(client().get(serving.url(&format!("/v2/b/blobs/{layer}"))));
    body.unwrap_err();
    fs::write(content(&folder, &manifest), "{}").unwrap();
    assert_eq!(get(serving.url("/v2/a/manifests/small")).0, 500);
    let (code, said) = serving.end();
    assert_eq!(code, Some(0));
    assert!(said.contains("another digest"), "the log does not say why: {said}");

    let run = run_in(folder.path(), &["sandbox", "gc", "--data", "data", "--older-than", "0"]);
    assert_eq!(run.code, Some(3), "{}", run.stderr);
    assert!(run.stderr.contains("sandbox-content-damaged"), "{}", run.stderr);
    assert!(run.stderr.contains(&manifest.to_string()), "{}", run.stderr);
    assert!(content(&folder, &small).exists());

    let serving = Serving::start(folder.path(), &["--quiet"]);
    push(&serving, "a", "small", b"small layer");
    assert_eq!(get(serving.url("/v2/a/manifests/small")).0, 200, "a push mends it");
    assert_eq!(get(serving.url(&format!("/v2/a/blobs/{small}"))), (200, b"small layer".to_vec()));
}

#[test]
fn garbage_is_named_before_it_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let serving = Serving::start(folder.path(), &["--quiet"]);
    let (kept, layer) = push(&serving, "a", "tag", b"kept");
    let stray = Digest::of(b"stray");
    let url = serving.url(&format!("/v2/a/blobs/uploads/?digest={stray}"));
    assert_eq!(send(client().post(url).body("stray")).0, 201);
    assert_eq!(send(client().post(serving.url("/v2/a/blobs/uploads/"))).0, 202);
    serving.end();
    // Whole seconds are counted.
    std::thread::sleep(Duration::from_millis(1100));

    let gc = |args: &[&str]| run_in(folder.path(), &[&["sandbox", "gc", "--data", "data"], args].concat());
    let young = gc(&["--format", "json"]);
    assert_eq!((young.code, young.json()["content"].as_array().map(Vec::len)), (Some(0), Some(0)));
    let would = gc(&["--dry-run", "--older-than", "0", "--format", "json"]);
    assert_eq!(would.code, Some(0), "{}", would.stderr);
    assert!(content(&folder, &stray).exists(), "a dry run removes nothing");
    let would = would.json();
    assert_eq!(would["schema"], "loadline/sandbox-gc/v1");
    assert_eq!(would["unlinked"], json!([{"repository": "a", "digest": stray}]));
    assert_eq!(
        (&would["content"], &would["bytes"], &would["uploads"], &would["dry_run"]),
        (&json!([stray]), &json!(5), &json!(1), &json!(true))
    );
    let done = gc(&["--older-than", "0"]);
    assert_eq!(done.code, Some(0), "{}", done.stderr);
    assert!(done.stdout.contains(&stray.to_string()), "{}", done.stdout);
    assert!(done.stdout.contains("removed: 1 blobs of repositories, 1 contents of 5 bytes, 1 uploads"));
    assert!(!content(&folder, &stray).exists());

    let serving = Serving::start(folder.path(), &["--quiet"]);
    assert_eq!(get(serving.url(&format!("/v2/a/manifests/{kept}"))).0, 200);
    assert_eq!(get(serving.url(&format!("/v2/a/blobs/{layer}"))).0, 200);
}

#[test]
fn what_is_over_a_limit_is_refused_as_the_specifications_say() {
    let folder = tempfile::tempdir().unwrap();
    let serving = Serving::start(folder.path(), &["--quiet"]);
    push(&serving, "a", "t0", b"layer");
    let manifest = vec![b' '; (4 << 20) + 1];
    let put = client().put(serving.url("/v2/a/manifests/large")).header("content-type", mt::OCI_MANIFEST);
    let (status, body) = send(put.body(manifest));
    let body: Value = serde_json::from_slice(&body.unwrap()).unwrap();
    assert_eq!((status, &body["errors"][0]["code"]), (413, &json!("SIZE_INVALID")));

    let entry = send(client().post(format!("{}/api/v2/log/entries", serving.text("rekor"))).body("garbage"));
    assert_eq!(entry.0, 400);
    let stamp = client().post(format!("{}/api/v1/timestamp", serving.text("tsa")));
    assert_eq!(send(stamp.header("content-type", "application/timestamp-query").body("garbage")).0, 400);
}

#[test]
fn beyond_loopback_it_warns() {
    let folder = tempfile::tempdir().unwrap();
    let serving = Serving::start(folder.path(), &["--listen", "0.0.0.0:0"]);
    assert!(serving.text("registry").starts_with("127.0.0.1:"), "{}", serving.ready);
    let (code, said) = serving.end();
    assert_eq!(code, Some(0));
    assert!(said.contains("warning: 0.0.0.0:0 can be reached from other machines"), "{said}");
}
