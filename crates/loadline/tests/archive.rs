//! `loadline verify --save` and `--from`: the same verdict again, with nobody there to ask. And verdicts that are
//! kept for a while.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod released;
mod support;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use loadline_core::Digest;
use loadline_evidence::Found;
use loadline_evidence::archive::Archive;
use loadline_sandbox::RequestLog;
use loadline_sandbox::registry::Faults;
use released::Released;
use support::{Project, Run};

/// What was saved, and nobody to ask any more: the sandbox is stopped, so its address leads nowhere.
struct Saved {
    project: Project,
    root: String,
    issuer: String,
    server: (String, String),
    worker: (String, String),
}

impl Saved {
    fn new() -> Self {
        let released = Released::new();
        released
            .project
            .write("compose.yaml", &format!("services: {{a: {{image: '{}'}}}}\n", released.worker.1));
        let run = released.json(&[&released.server.0, "-f", "compose.yaml", "--save", "evidence.tar"]);
        assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
        assert!(
            run.stderr.contains("saved the evidence of 2 images in evidence.tar, sha256:"),
            "{}",
            run.stderr
        );
        let again = released.json(&[&released.server.0, "-f", "compose.yaml", "--save", "again.tar"]);
        assert_eq!(again.code, Some(0));
        let Released { project, sandbox, runtime, server, worker } = released;
        let bytes = |name: &str| std::fs::read(project.path().join(name)).unwrap();
        assert_eq!(bytes("evidence.tar"), bytes("again.tar"), "the same evidence is the same file");
        let (root, issuer) =
            (sandbox.ready().trusted_root.display().to_string(), sandbox.ready().issuer.clone());
        runtime.block_on(sandbox.stop());
        Self { project, root, issuer, server, worker }
    }

    fn path(&self) -> PathBuf {
        self.project.path().join("evidence.tar")
    }

    fn bytes(&self) -> Vec<u8> {
        std::fs::read(self.path()).unwrap()
    }

    /// Verifies by the file, believing the sandbox.
    fn from(&self, args: &[&str]) -> Run {
        let believed = ["verify", "--from", "evidence.tar", "--format", "json", "--issuer", &self.issuer];
        self.project.run(&[&believed[..], &["--trusted-root", &self.root], args].concat())
    }

    fn change(&self, change: impl FnOnce(&mut Archive)) {
        let mut archive = Archive::from_tar(&self.bytes()).unwrap();
        change(&mut archive);
        std::fs::write(self.path(), archive.to_tar().unwrap()).unwrap();
    }
}

fn errors(run: &Run) -> Vec<String> {
    let mut codes = run.codes();
    codes.sort();
    codes.dedup();
    codes
}

#[test]
fn it_is_all_proven_again_without_a_network() {
    let saved = Saved::new();
    let asked = saved.project.run(&[
        "verify",
        "--trusted-root",
        &saved.root,
        "--issuer",
        &saved.issuer,
        &saved.server.1,
    ]);
    assert_eq!(asked.code, Some(3), "there is nobody to ask: {}", asked.stderr);

    for args in
        [&[][..], &[saved.server.0.as_str(), &saved.worker.1], &[&saved.server.0, "-f", "compose.yaml"]]
    {
        let run = saved.from(args);
        assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
        let document = run.json();
        let images = document["images"].as_array().unwrap();
        assert_eq!(images.len(), 2);
        assert_eq!(images[0]["pinned"], saved.server.1.as_str());
        for image in images {
            let demands = image["demands"].as_array().unwrap();
            assert!(
                demands.len() == 4 && demands.iter().all(|demand| demand["verdict"] == "pass"),
                "{image}"
            );
        }
        // Where the tag led, nobody signed.
        let notes: Vec<_> =
            document["findings"].as_array().unwrap().iter().map(|f| f["code"].clone()).collect();
        assert!(notes.contains(&"archive-tag-unproven".into()), "{notes:?}");
    }
    let run = saved.from(&[&saved.server.1]);
    assert_eq!((run.code, run.json()["findings"].as_array().unwrap().len()), (Some(0), 0), "{}", run.stdout);
    let other = format!("{}@{}", saved.server.1.split_once('@').unwrap().0, Digest::of("another"));
    let run = saved.from(&[&other]);
    assert_eq!((run.code, errors(&run)), (Some(3), vec!["archive-image-missing".to_owned()]));

    // The policy is the one that is asked with, not the one that it was saved under.
    saved.project.edit("loadline.toml", "release.yml\"", "other.yml\"");
    let run = saved.from(&[]);
    assert_eq!(run.code, Some(1));
    assert!(errors(&run).contains(&"signer-workflow-mismatch".to_owned()), "{}", run.stdout);
}

#[test]
fn its_trust_roots_are_believed_for_its_digest_only() {
    let saved = Saved::new();
    let from = |args: &[&str]| {
        let base = ["verify", "--from", "evidence.tar", "--format", "json", "--issuer", &saved.issuer];
        saved.project.run(&[&base[..], args].concat())
    };
    let run = from(&[]);
    assert_eq!(run.code, Some(1), "the file vouches for nobody: {}", run.stdout);
    assert!(errors(&run).contains(&"instance-unknown".to_owned()), "{}", run.stdout);
    let digest = Digest::of(saved.bytes()).to_string();
    let run = from(&["--archive-digest", &digest]);
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    let run = from(&["--archive-digest", &Digest::of("another").to_string()]);
    assert_eq!((run.code, errors(&run)), (Some(1), vec!["archive-tampered".to_owned()]));
}

#[test]
fn every_changed_member_is_found_out() {
    let saved = Saved::new();
    let good = saved.bytes();
    for kind in ["policy.txt", "roots/", "manifests/", "bundles/"] {
        // A header of 512 bytes begins with the name; what follows is the content.
        let at = (0..good.len()).step_by(512).find(|&at| good[at..].starts_with(kind.as_bytes())).unwrap();
        let mut changed = good.clone();
        changed[at + 512 + 7] ^= 1;
        std::fs::write(saved.path(), &changed).unwrap();
        let run = saved.from(&[]);
        assert_eq!((run.code, errors(&run)), (Some(1), vec!["archive-tampered".to_owned()]), "{kind}");
        assert!(run.stdout.contains(kind), "{}", run.stdout);
    }
    // The list: another digest for an image, of the same length.
    let hex = saved.server.1.rsplit_once(':').unwrap().1;
    let at = good.windows(hex.len()).position(|window| window == hex.as_bytes()).unwrap();
    assert!(at < 512 * 200, "it stands in the list, which comes first");
    let mut changed = good.clone();
    changed[at] = if changed[at] == b'0' { b'1' } else { b'0' };
    std::fs::write(saved.path(), &changed).unwrap();
    let run = saved.from(&[]);
    assert_eq!(run.code, Some(1), "{}", run.stdout);

    // Cut off within a member it cannot be read; between two of them, one of its list is not there.
    let at = (0..good.len()).step_by(512).find(|&at| good[at..].starts_with(b"bundles/")).unwrap();
    for (bytes, exit, code) in [
        (&b"no tar"[..], 3, "archive-unreadable"),
        (&good[..at + 512 + 7], 3, "archive-unreadable"),
        (&good[..at], 1, "archive-tampered"),
    ] {
        std::fs::write(saved.path(), bytes).unwrap();
        let run = saved.from(&[]);
        assert_eq!((run.code, errors(&run)), (Some(exit), vec![code.to_owned()]));
    }
}

/// Whoever makes an archive of their own makes its digests right: then the signatures tell.
#[test]
fn a_forger_who_makes_the_digests_right_gets_no_further() {
    let saved = Saved::new();
    let good = saved.bytes();
    let refused = |what: &str| {
        let run = saved.from(&[&saved.server.0]);
        assert_eq!(run.code, Some(1), "{what}: {}", run.stdout);
        std::fs::write(saved.path(), &good).unwrap();
        errors(&run)
    };
    // Every bundle with one byte of its signed payload changed.
    saved.change(|archive| {
        for hanging in archive.images.iter_mut().flat_map(|image| image.collected.hanging.values_mut()) {
            for found in &mut hanging.found {
                let text = String::from_utf8(found.bytes.to_vec()).unwrap();
                let at = text.find("\"payload\"").unwrap() + 40;
                let mut bytes = text.into_bytes();
                bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
                *found = Found::new(found.source.clone(), bytes);
            }
        }
    });
    let codes = refused("changed payloads");
    assert!(codes.iter().any(|code| code != "evidence-missing"), "{codes:?}");
    // The evidence of another image.
    saved.change(|archive| {
        let other = archive.images[1].collected.hanging.clone();
        let mut all = other.into_values();
        for hanging in archive.images[0].collected.hanging.values_mut() {
            *hanging = all.next().unwrap_or_default();
        }
    });
    refused("another image's evidence");
    // No evidence at all.
    saved.change(|archive| {
        archive.images[0].collected.hanging.values_mut().for_each(|hanging| hanging.found.clear())
    });
    assert_eq!(refused("no evidence"), ["evidence-missing"]);
    // A tag that leads to another image passes, and says which: that is what the note is for.
    saved.change(|archive| archive.images[0].collected = archive.images[1].collected.clone());
    let run = saved.from(&[&saved.server.0]);
    assert_eq!(
        (run.code, run.json()["images"][0]["pinned"].as_str()),
        (Some(0), Some(saved.worker.1.as_str()))
    );
    assert!(run.stdout.contains("archive-tag-unproven"));
    let run = saved.from(&[&saved.server.1]);
    assert_eq!(errors(&run), ["archive-image-missing"]);
}

#[test]
fn what_could_not_be_asked_then_is_unknown_still() {
    let released = Released::with(|options| {
        options.faults = Faults::parse(["GET referrers:403"], 0).unwrap();
    });
    let run = released.json(&["--save", "evidence.tar", &released.server.0]);
    assert_eq!(run.code, Some(3), "{}", run.stdout);
    let run = released.json(&["--from", "evidence.tar"]);
    assert_eq!(
        (run.code, errors(&run)),
        (Some(3), vec!["evidence-source-failed".to_owned()]),
        "{}",
        run.stdout
    );
}

#[test]
fn an_earlier_verdict_is_taken_where_that_is_asked_for() {
    let requests = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&requests);
    let released = Released::with(|options| {
        options.log = Some(RequestLog::new(move |_| {
            count.fetch_add(1, Ordering::SeqCst);
        }));
    });
    let pinned = &released.server.1;
    let asked = |args: &[&str]| {
        let before = requests.load(Ordering::SeqCst);
        let run = released.json(&[args, &[pinned]].concat());
        assert_eq!(run.code, Some(0), "{}", run.stdout);
        let is_cached = run.stdout.contains("verdict-cached");
        let count = requests.load(Ordering::SeqCst) - before;
        assert_eq!(is_cached, count == 0, "{count}: {}", run.stdout);
        count
    };
    let first = asked(&[]);
    assert!(first > 0 && asked(&[]) == first, "nothing is kept unless that is asked for");
    assert!(asked(&["--cache-age", "10m"]) > 0);
    assert_eq!(asked(&["--cache-age", "10m"]), 0);
    assert!(asked(&["--cache-age", "10m", "--no-cache"]) > 0);
    assert!(asked(&["--cache-age", "10m", "--platform", "linux/amd64"]) > 0, "another question");
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert!(asked(&["--cache-age", "1s"]) > 0, "it is too old for this");
    // A failure is never kept.
    let (_, unsigned) = released.unsigned("acme/widget");
    for _ in 0..2 {
        let before = requests.load(Ordering::SeqCst);
        assert_eq!(released.json(&["--cache-age", "10m", &unsigned]).code, Some(1));
        assert!(requests.load(Ordering::SeqCst) > before);
    }
}
