//! `loadline sign-bundle` and `loadline verify-bundle`, against a sandbox.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod support;

use std::path::Path;

use loadline_core::Digest;
use loadline_core::statement::{Statement, Subject};
use loadline_sandbox::{Options, Sandbox, TokenRequest};
use serde_json::json;
use support::{Run, run_in};

struct Stage {
    folder: tempfile::TempDir,
    sandbox: Sandbox,
    _runtime: tokio::runtime::Runtime,
}

const WHO: &str = "dev@example.com";

impl Stage {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let sandbox = runtime.block_on(Sandbox::start(Options::new(folder.path().join("sandbox")))).unwrap();
        std::fs::write(folder.path().join("artifact"), "an artifact").unwrap();
        Self { folder, sandbox, _runtime: runtime }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn sign(&self, args: &[&str]) -> Run {
        let request = TokenRequest::new(WHO).claim("email", WHO).claim("email_verified", true);
        let token = self.sandbox.token(&request).unwrap();
        let ready = self.sandbox.ready();
        let (root, config) =
            (ready.trusted_root.display().to_string(), ready.signing_config.display().to_string());
        let fixed = [
            "sign-bundle",
            "--identity-token",
            token.expose(),
            "--trusted-root",
            &root,
            "--signing-config",
            &config,
        ];
        run_in(self.path(), &[&fixed, args].concat())
    }

    fn verify_as(&self, who: &str, issuer: &str, args: &[&str]) -> Run {
        let root = self.sandbox.ready().trusted_root.display().to_string();
        let fixed = [
            "verify-bundle",
            "--bundle",
            "b.json",
            "--certificate-identity",
            who,
            "--certificate-oidc-issuer",
            issuer,
            "--trusted-root",
            &root,
            "--format",
            "json",
        ];
        run_in(self.path(), &[&fixed, args].concat())
    }

    fn verify(&self, args: &[&str]) -> Run {
        self.verify_as(WHO, &self.sandbox.ready().issuer, args)
    }

    #[track_caller]
    fn is_refused(&self, run: &Run, code: &str) {
        assert_eq!(
            (run.code, run.codes()),
            (Some(1), vec![code.to_owned()]),
            "{}\n{}",
            run.stdout,
            run.stderr
        );
    }
}

#[test]
fn a_file_is_signed_and_verified_by_itself_or_its_digest() {
    let stage = Stage::new();
    let run = stage.sign(&["--bundle", "b.json", "artifact"]);
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    let bundle: serde_json::Value =
        serde_json::from_slice(&std::fs::read(stage.path().join("b.json")).unwrap()).unwrap();
    assert_eq!(bundle["mediaType"], "application/vnd.dev.sigstore.bundle.v0.3+json");
    assert!(bundle["messageSignature"].is_object());

    let digest = Digest::of("an artifact").to_string();
    for artifact in ["artifact", "./artifact", &digest] {
        let run = stage.verify(&[artifact]);
        assert_eq!(run.code, Some(0), "{artifact}: {}\n{}", run.stdout, run.stderr);
        assert_eq!(run.json()["verdict"], "pass");
    }
    std::fs::write(stage.path().join("other"), "another artifact").unwrap();
    stage.is_refused(&stage.verify(&["other"]), "subject-mismatch");
    stage.is_refused(&stage.verify(&[&Digest::of("other").to_string()]), "subject-mismatch");
}

#[test]
fn a_statement_is_signed_as_it_is() {
    let stage = Stage::new();
    let subject = Subject::new("artifact", &Digest::of("an artifact"));
    let statement = Statement::new(vec![subject], "https://example.com/said/v1", json!({"a": 1}));
    std::fs::write(stage.path().join("statement"), serde_json::to_vec(&statement).unwrap()).unwrap();
    let run = stage.sign(&["--in-toto", "--bundle", "b.json", "statement"]);
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    assert_eq!(stage.verify(&["artifact"]).code, Some(0));
    stage.is_refused(&stage.verify(&["statement"]), "subject-mismatch");

    let run = stage.sign(&["--in-toto", "--bundle", "c.json", "artifact", "--format", "json"]);
    assert_eq!((run.code, run.codes()), (Some(3), vec!["statement-malformed".to_owned()]));
    assert!(!stage.path().join("c.json").exists());
}

#[test]
fn the_signer_is_exactly_the_one_named() {
    let stage = Stage::new();
    assert_eq!(stage.sign(&["--bundle", "b.json", "artifact"]).code, Some(0));
    let issuer = stage.sandbox.ready().issuer.clone();
    for who in ["dev@example.co", "Dev@example.com", ".*", "dev@example.com ", ""] {
        stage.is_refused(&stage.verify_as(who, &issuer, &["artifact"]), "identity-mismatch");
    }
    for other in ["https://accounts.google.com", &format!("{issuer}/"), ".*"] {
        stage.is_refused(&stage.verify_as(WHO, other, &["artifact"]), "issuer-mismatch");
    }
}

#[test]
fn what_is_tampered_with_is_refused() {
    let stage = Stage::new();
    assert_eq!(stage.sign(&["--bundle", "b.json", "artifact"]).code, Some(0));
    let path = stage.path().join("b.json");
    let good = std::fs::read_to_string(&path).unwrap();
    let mut bundle: serde_json::Value = serde_json::from_str(&good).unwrap();
    bundle["verificationMaterial"]["tlogEntries"] = json!([]);
    std::fs::write(&path, bundle.to_string()).unwrap();
    stage.is_refused(&stage.verify(&["artifact"]), "log-entry-missing");
    std::fs::write(&path, &good[..good.len() / 2]).unwrap();
    stage.is_refused(&stage.verify(&["artifact"]), "bundle-malformed");
    std::fs::write(&path, vec![b' '; loadline_sigstore::BUNDLE_LIMIT + 1]).unwrap();
    stage.is_refused(&stage.verify(&["artifact"]), "bundle-too-large");
    std::fs::write(&path, &good).unwrap();
    // Who is believed is the one who was named: neither of the public ones knows the sandbox.
    let fixed =
        ["--certificate-identity", WHO, "--certificate-oidc-issuer", "x", "--format", "json", "artifact"];
    let run = run_in(stage.path(), &[&["verify-bundle", "--bundle", "b.json"], &fixed[..]].concat());
    stage.is_refused(&run, "instance-unknown");
    let run =
        run_in(stage.path(), &[&["verify-bundle", "--staging", "--bundle", "b.json"], &fixed[..]].concat());
    assert_eq!(run.code, Some(1), "{}", run.stdout);
    let key = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEDmcEjjrT4rXQnxEBhVRwxVBnMO4X\nnpVgmBpzHlQIqbJbwq/lQiVhmbLNhBJsvSEMpXONW08WMyIRUa4+SUlvfw==\n-----END PUBLIC KEY-----\n";
    std::fs::write(stage.path().join("key.pem"), key).unwrap();
    let args = ["verify-bundle", "--bundle", "b.json", "--key", "key.pem", "artifact", "--format", "json"];
    let run = run_in(stage.path(), &args);
    assert_ne!(run.code, Some(0), "{}", run.stdout);
}

#[test]
fn what_cannot_be_read_is_unknown_and_wrong_usage_is_two() {
    let stage = Stage::new();
    assert_eq!(stage.sign(&["--bundle", "b.json", "artifact"]).code, Some(0));
    for run in [stage.verify(&["nothing"]), stage.verify(&["sha256:12"]), stage.verify(&["sandbox"])] {
        assert_eq!((run.code, run.codes()), (Some(3), vec!["input-unreadable".to_owned()]), "{}", run.stderr);
    }
    let run = stage.sign(&["--bundle", "nowhere/b.json", "artifact", "--format", "json"]);
    assert_eq!((run.code, run.codes()), (Some(3), vec!["output-unwritable".to_owned()]));
    for args in [
        &["verify-bundle", "--bundle", "b.json", "artifact"][..],
        &["verify-bundle", "--bundle", "b.json", "--certificate-identity", WHO, "artifact"],
        &["verify-bundle", "--bundle", "b.json", "--certificate-oidc-issuer", "x", "artifact"],
        &[
            "verify-bundle",
            "--bundle",
            "b.json",
            "--key",
            "k",
            "--certificate-identity",
            WHO,
            "--certificate-oidc-issuer",
            "x",
            "artifact",
        ],
        &["sign-bundle", "--bundle", "b.json", "artifact"],
    ] {
        assert_eq!(run_in(stage.path(), args).code, Some(2), "{args:?}");
    }
}

#[test]
fn services_and_roots_that_do_not_belong_together_write_nothing() {
    let (stage, other) = (Stage::new(), Stage::new());
    let root = other.sandbox.ready().trusted_root.display().to_string();
    let token = stage
        .sandbox
        .token(&TokenRequest::new(WHO).claim("email", WHO).claim("email_verified", true))
        .unwrap();
    let config = stage.sandbox.ready().signing_config.display().to_string();
    let args = [
        "sign-bundle",
        "--identity-token",
        token.expose(),
        "--trusted-root",
        &root,
        "--signing-config",
        &config,
        "--bundle",
        "b.json",
        "artifact",
    ];
    let run = run_in(stage.path(), &args);
    assert_eq!(run.code, Some(1), "{}\n{}", run.stdout, run.stderr);
    assert!(!stage.path().join("b.json").exists());
    assert!(!run.stderr.contains(token.expose()) && !run.stdout.contains(token.expose()));

    let args = [
        "sign-bundle",
        "--identity-token",
        "nonsense",
        "--signing-config",
        &config,
        "--bundle",
        "b.json",
        "artifact",
    ];
    let run = run_in(stage.path(), &[&args[..], &["--format", "json"]].concat());
    assert_eq!((run.code, run.codes()), (Some(3), vec!["signing-token".to_owned()]));
}
