//! Our own set of tampered evidence: one case a rule, each refused for its reason by the real program. Nothing
//! is asked of a network.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod support;

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use loadline_core::Digest;
use loadline_core::predicate::{cyclonedx, slsa_provenance};
use loadline_core::statement::{PAYLOAD_TYPE, Statement, Subject};
use loadline_sandbox::{GitHubRun, Options, Sandbox};
use loadline_sigstore::{BUNDLE_LIMIT, Signer, SigningKey, SigningServices, TokenSource};
use serde_json::{Value, json};
use support::{Run, run_in};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const OTHER_COMMIT: &str = "89abcdef0123456789abcdef0123456789abcdef";
const WORKFLOW: &str = ".github/workflows/release.yml";
const SBOM: &str = cyclonedx::PREDICATE_TYPE;
const PROVENANCE: &str = slsa_provenance::PREDICATE_TYPE;
/// Made for these tests alone.
const KEY: &str = include_str!("tampered/key.pem");
const OTHER_KEY: &str = include_str!("tampered/other.pem");

struct Bench {
    folder: tempfile::TempDir,
    sandbox: Sandbox,
    runtime: tokio::runtime::Runtime,
}

/// Changes a bundle.
type Change<'a> = &'a dyn Fn(&mut Value);

impl Bench {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let sandbox = runtime.block_on(Sandbox::start(Options::new(folder.path().join("sandbox")))).unwrap();
        Self { folder, sandbox, runtime }
    }

    fn services(&self) -> SigningServices {
        SigningServices::read(&self.sandbox.ready().signing_config, None).unwrap()
    }

    fn signer(&self, run: &GitHubRun) -> Signer {
        let token = TokenSource::Given(self.sandbox.github_token(run).unwrap());
        Signer::keyless(self.services(), token, reqwest::Client::new()).unwrap()
    }

    fn sign_as(&self, run: &GitHubRun, statement: &[u8]) -> Value {
        let signed = self.runtime.block_on(self.signer(run).sign_payload(PAYLOAD_TYPE, statement)).unwrap();
        serde_json::from_slice(&signed).unwrap()
    }

    fn sign(&self, statement: &[u8]) -> Value {
        self.sign_as(&run(), statement)
    }

    fn by_key(&self, services: SigningServices) -> Value {
        let key = SigningKey::from_pem(loadline_core::Secret::new(KEY)).unwrap();
        let signer = Signer::with_key(services, key, reqwest::Client::new()).unwrap();
        serde_json::from_slice(&self.runtime.block_on(signer.sign_statement(&sbom(&digest()))).unwrap())
            .unwrap()
    }

    fn root(&self) -> Value {
        serde_json::from_slice(&std::fs::read(&self.sandbox.ready().trusted_root).unwrap()).unwrap()
    }

    /// What the program says of these bytes as the only evidence, by these arguments.
    fn run(&self, bundle: &[u8], args: &[&str]) -> Run {
        let path = self.folder.path().join("bundle.json");
        std::fs::write(path, bundle).unwrap();
        let image = format!("registry.invalid/acme/widget@{}", digest());
        let fixed = ["verify", "--offline", "--bundle", "bundle.json", "--format", "json", &image];
        run_in(self.folder.path(), &[&fixed, args].concat())
    }

    fn judge(&self, bundle: &Value, args: &[&str]) -> Run {
        self.run(&serde_json::to_vec(bundle).unwrap(), args)
    }

    /// The arguments that an honest SBOM satisfies.
    fn honest(&self) -> Vec<String> {
        let ready = self.sandbox.ready();
        let root = ready.trusted_root.display().to_string();
        let args = ["--trusted-root", &root, "--issuer", &ready.issuer, "--predicate", "cyclonedx"];
        let who = ["--repo", "github.com/acme/widget", "--signer-workflow", WORKFLOW];
        args.into_iter().chain(who).map(str::to_owned).collect()
    }
}

fn digest() -> Digest {
    Digest::of("an image")
}

fn run() -> GitHubRun {
    GitHubRun::new("acme/widget", "refs/heads/main", COMMIT, WORKFLOW)
}

fn sbom(digest: &Digest) -> Vec<u8> {
    let predicate = json!({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": []});
    let subjects = vec![Subject::new("another", &Digest::of("another")), Subject::new("widget", digest)];
    serde_json::to_vec(&Statement::new(subjects, SBOM, predicate)).unwrap()
}

/// Provenance that says what the certificate of [`run`] says, changed.
fn provenance(change: Change<'_>) -> Vec<u8> {
    let mut predicate = json!({
        "buildDefinition": {
            "buildType": "https://actions.github.io/buildtypes/workflow/v1",
            "externalParameters": {"workflow": {"ref": "refs/heads/main",
                "repository": "https://github.com/acme/widget", "path": WORKFLOW}},
            "internalParameters": {"github": {"event_name": "push", "repository_id": "1",
                "repository_owner_id": "1", "runner_environment": "github-hosted"}},
            "resolvedDependencies": [
                {"uri": "git+https://github.com/acme/widget@refs/heads/main", "digest": {"gitCommit": COMMIT}},
                {"uri": "pkg:docker/debian@12?platform=linux%2Famd64", "digest": {"sha256": "00"}}]},
        "runDetails": {
            "builder": {"id": run().identity()},
            "metadata": {"invocationId": "https://github.com/acme/widget/actions/runs/1/attempts/1"}}});
    change(&mut predicate);
    let subjects = vec![Subject::new("widget", &digest())];
    serde_json::to_vec(&Statement::new(subjects, PROVENANCE, predicate)).unwrap()
}

fn entry(bundle: &mut Value) -> &mut Value {
    &mut bundle["verificationMaterial"]["tlogEntries"][0]
}

fn stamps(bundle: &mut Value) -> &mut Value {
    &mut bundle["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"]
}

/// Flips a bit of a base64 text's last byte but one.
fn flip(value: &mut Value) {
    let mut bytes = STANDARD.decode(value.as_str().unwrap()).unwrap();
    let at = bytes.len() - 2;
    bytes[at] ^= 1;
    *value = json!(STANDARD.encode(bytes));
}

fn twice(value: &mut Value) {
    let one = value[0].clone();
    *value = json!([one.clone(), one]);
}

/// Errors and what they are told with, when all evidence is refused.
#[derive(Default)]
struct Table {
    count: usize,
    codes: BTreeSet<String>,
    wrong: Vec<String>,
}

impl Table {
    /// The case must be refused, by this code and no other error.
    fn refused(&mut self, what: &str, run: &Run, code: &str) {
        self.count += 1;
        self.codes.insert(code.to_owned());
        let mut codes = run.codes();
        codes.retain(|code| code != "evidence-missing");
        codes.sort();
        codes.dedup();
        if run.code != Some(1) || codes != [code] {
            self.wrong.push(format!("{what}: exit {:?}, {codes:?}, not {code}\n{}", run.code, run.stderr));
        }
    }
}

fn texts(args: &[String]) -> Vec<&str> {
    args.iter().map(String::as_str).collect()
}

#[test]
fn bundles_that_were_tampered_with() {
    let bench = Bench::new();
    let honest = bench.honest();
    let honest = texts(&honest);
    let other = bench.sign(&sbom(&digest()));
    let good = bench.sign(&sbom(&digest()));
    let run = bench.judge(&good, &honest);
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    let foreign = Bench::new();
    let foreign_root = foreign.root()["certificateAuthorities"][0]["certChain"]["certificates"]
        .as_array()
        .unwrap()
        .last()
        .unwrap()
        .clone();

    let cases: &[(&str, Change<'_>, &str)] = &[
        ("no media type", &|b| drop(b.as_object_mut().unwrap().remove("mediaType")), "bundle-malformed"),
        ("another media type", &|b| b["mediaType"] = json!("text/plain"), "bundle-malformed"),
        ("two contents", &|b| b["messageSignature"] = json!({"signature": "AA=="}), "bundle-malformed"),
        (
            "two signers",
            &|b| b["verificationMaterial"]["publicKey"] = json!({"hint": "x"}),
            "bundle-malformed",
        ),
        ("two signatures", &|b| twice(&mut b["dsseEnvelope"]["signatures"]), "bundle-malformed"),
        ("no signature", &|b| b["dsseEnvelope"]["signatures"] = json!([]), "bundle-malformed"),
        (
            "a key for a certificate",
            &|b| {
                let material = b["verificationMaterial"].as_object_mut().unwrap();
                material.remove("certificate");
                material.insert("publicKey".into(), json!({"hint": "mine"}));
            },
            "key-required",
        ),
        ("no log entry", &|b| b["verificationMaterial"]["tlogEntries"] = json!([]), "log-entry-missing"),
        (
            "a log entry beside the good one, with neither proof nor promise",
            &|b| {
                let mut bare = entry(b).clone();
                bare.as_object_mut().unwrap().remove("inclusionProof");
                bare["logIndex"] = json!("4711");
                b["verificationMaterial"]["tlogEntries"].as_array_mut().unwrap().push(bare);
            },
            "log-entry-several",
        ),
        (
            "the log entry twice",
            &|b| twice(&mut b["verificationMaterial"]["tlogEntries"]),
            "log-entry-several",
        ),
        (
            "no proof of inclusion",
            &|b| drop(entry(b).as_object_mut().unwrap().remove("inclusionProof")),
            "log-proof-missing",
        ),
        ("the root hash", &|b| flip(&mut entry(b)["inclusionProof"]["rootHash"]), "log-proof-invalid"),
        ("the tree's size", &|b| entry(b)["inclusionProof"]["treeSize"] = json!("999"), "log-proof-invalid"),
        ("a hash of the proof", &|b| flip(&mut entry(b)["inclusionProof"]["hashes"][0]), "log-proof-invalid"),
        (
            "its place in the log",
            &|b| {
                entry(b)["logIndex"] = json!("1000");
                entry(b)["inclusionProof"]["logIndex"] = json!("1000");
            },
            "log-proof-invalid",
        ),
        (
            "the checkpoint's origin",
            &|b| {
                let envelope = &mut entry(b)["inclusionProof"]["checkpoint"]["envelope"];
                *envelope = json!(envelope.as_str().unwrap().replacen('\n', "x\n", 1));
            },
            "log-proof-invalid",
        ),
        ("the log's name", &|b| flip(&mut entry(b)["logId"]["keyId"]), "log-proof-invalid"),
        ("what was logged", &|b| flip(&mut entry(b)["canonicalizedBody"]), "log-proof-invalid"),
        (
            "another's log entry, genuine",
            &|b| {
                b["verificationMaterial"]["tlogEntries"] =
                    other["verificationMaterial"]["tlogEntries"].clone()
            },
            "log-entry-mismatch",
        ),
        ("no timestamp", &|b| *stamps(b) = json!([]), "timestamp-missing"),
        ("the timestamp", &|b| flip(&mut stamps(b)[0]["signedTimestamp"]), "timestamp-invalid"),
        ("the timestamp twice", &|b| twice(stamps(b)), "timestamp-invalid"),
        (
            "another's timestamp beside it",
            &|b| {
                let other = stamps(&mut other.clone())[0].clone();
                stamps(b).as_array_mut().unwrap().push(other);
            },
            "timestamp-invalid",
        ),
        (
            "the certificate's signature",
            &|b| flip(&mut b["verificationMaterial"]["certificate"]["rawBytes"]),
            "certificate-untrusted",
        ),
        (
            "no certificate at all",
            &|b| b["verificationMaterial"]["certificate"]["rawBytes"] = json!("AAAA"),
            "certificate-untrusted",
        ),
        (
            "another's certificate",
            &|b| {
                b["verificationMaterial"]["certificate"] =
                    other["verificationMaterial"]["certificate"].clone();
            },
            "signature-invalid",
        ),
        (
            "a root in the chain",
            &|b| {
                b["mediaType"] = json!("application/vnd.dev.sigstore.bundle+json;version=0.2");
                let material = b["verificationMaterial"].as_object_mut().unwrap();
                let leaf = material.remove("certificate").unwrap();
                material.insert("x509CertificateChain".into(), json!({"certificates": [leaf, foreign_root]}));
            },
            "certificate-chain-root",
        ),
        ("the payload's type", &|b| b["dsseEnvelope"]["payloadType"] = json!("text/plain"), "payload-type"),
        (
            "the payload",
            &|b| {
                let bytes = STANDARD.decode(b["dsseEnvelope"]["payload"].as_str().unwrap()).unwrap();
                let text = String::from_utf8(bytes).unwrap().replace("CycloneDX", "CycloneDY");
                b["dsseEnvelope"]["payload"] = json!(STANDARD.encode(text));
            },
            "signature-invalid",
        ),
        (
            "the subject",
            &|b| {
                let bytes = STANDARD.decode(b["dsseEnvelope"]["payload"].as_str().unwrap()).unwrap();
                let text = String::from_utf8(bytes).unwrap();
                let text = text.replace(Digest::of("another").hex(), Digest::of("evil").hex());
                b["dsseEnvelope"]["payload"] = json!(STANDARD.encode(text));
            },
            "signature-invalid",
        ),
    ];
    let mut table = Table::default();
    for (what, change, code) in cases {
        let mut bundle = good.clone();
        change(&mut bundle);
        assert_ne!(bundle, good, "{what}");
        table.refused(what, &bench.judge(&bundle, &honest), code);
    }
    let text = serde_json::to_string(&good).unwrap();
    let hidden = text.replacen(r#""tlogEntries":"#, r#""tlogEntries":[],"tlogEntries":"#, 1);
    table.refused("a key twice", &bench.run(hidden.as_bytes(), &honest), "bundle-malformed");
    let mut large = text.clone().into_bytes();
    large.resize(BUNDLE_LIMIT + 1, b' ');
    table.refused("a byte too many", &bench.run(&large, &honest), "bundle-too-large");
    table.refused("nothing", &bench.run(b"", &honest), "bundle-malformed");

    assert!(table.count >= 33, "{}", table.count);
    assert!(table.wrong.is_empty(), "{:#?}", table.wrong);
}

#[test]
fn statements_that_were_signed_as_they_are() {
    let bench = Bench::new();
    let honest = bench.honest();
    let honest = texts(&honest);
    let good = String::from_utf8(sbom(&digest())).unwrap();
    let predicate = |by: &str| {
        let at = good.find("\"predicate\":").unwrap();
        format!("{}\"predicate\":{by}}}", &good[..at])
    };
    let cases = [
        ("its type", good.replace("Statement/v1", "Statement/v9"), "statement-type"),
        ("no predicate type", good.replace(SBOM, ""), "predicate-type-missing"),
        ("a null predicate", predicate("null"), "predicate-null"),
        ("a predicate that is no object", predicate("[]"), "predicate-null"),
        (
            "a subject without a digest",
            good.replacen("\"sha256\":", "\"gitTree\":", 2),
            "statement-malformed",
        ),
        ("no JSON", "hello".to_owned(), "statement-malformed"),
        (
            "a key twice",
            good.replacen('{', "{\"predicateType\":\"https://example.com/x\",", 1),
            "statement-duplicate-key",
        ),
        ("another artifact", good.replace(digest().hex(), Digest::of("elsewhere").hex()), "subject-mismatch"),
    ];
    let mut table = Table::default();
    for (what, statement, code) in &cases {
        assert_ne!(*statement, good, "{what}");
        let bundle = bench.sign(statement.as_bytes());
        table.refused(what, &bench.judge(&bundle, &honest), code);
    }
    assert!(table.wrong.is_empty(), "{:#?}", table.wrong);
}

#[test]
fn who_is_believed() {
    let bench = Bench::new();
    let good = bench.sign(&sbom(&digest()));
    let mut table = Table::default();
    let write = |name: &str, json: &Value| {
        std::fs::write(bench.folder.path().join(name), serde_json::to_vec(json).unwrap()).unwrap();
    };
    let foreign = Bench::new().root();
    for (what, part, code) in [
        ("another authority", "certificateAuthorities", "certificate-untrusted"),
        ("another certificate log", "ctlogs", "sct-invalid"),
        ("another log", "tlogs", "log-proof-invalid"),
        ("another timestamp authority", "timestampAuthorities", "timestamp-invalid"),
    ] {
        let mut root = bench.root();
        root[part] = foreign[part].clone();
        write("root.json", &root);
        let mut args = bench.honest();
        args[1] = "root.json".to_owned();
        table.refused(what, &bench.judge(&good, &texts(&args)), code);
    }
    let mut log_less = bench.root();
    log_less["tlogs"] = json!([]);
    write("root.json", &log_less);
    let mut args = bench.honest();
    args[1] = "root.json".to_owned();
    let logged = bench.judge(&good, &texts(&args));
    table.refused("a log entry that nobody can check", &logged, "log-entry-unexpected");
    let args: Vec<String> = bench.honest().split_off(2);
    table.refused("nobody's instance", &bench.judge(&good, &texts(&args)), "instance-unknown");
    assert!(table.wrong.is_empty(), "{:#?}", table.wrong);

    // Log-less by its root: a timestamp is enough there, and nothing else is relaxed.
    let token = TokenSource::Given(bench.sandbox.github_token(&run()).unwrap());
    let signer = Signer::keyless(bench.services().without_rekor(), token, reqwest::Client::new()).unwrap();
    let unlogged = bench.runtime.block_on(signer.sign_statement(&sbom(&digest()))).unwrap();
    let mut args = bench.honest();
    args[1] = "root.json".to_owned();
    let verdict = bench.run(&unlogged, &texts(&args));
    assert_eq!(verdict.code, Some(0), "{}", verdict.stdout);
    let mut bare: Value = serde_json::from_slice(&unlogged).unwrap();
    *stamps(&mut bare) = json!([]);
    let mut table = Table::default();
    table.refused("log-less, no timestamp", &bench.judge(&bare, &texts(&args)), "timestamp-missing");
    let missing = bench.run(&unlogged, &texts(&bench.honest()));
    table.refused("a log is there, and no entry", &missing, "log-entry-missing");
    assert!(table.wrong.is_empty(), "{:#?}", table.wrong);
}

#[test]
fn genuine_evidence_that_the_policy_does_not_allow() {
    let bench = Bench::new();
    let root = bench.sandbox.ready().trusted_root.display().to_string();
    let issuer = bench.sandbox.ready().issuer.clone();
    let base = ["--trusted-root", &root, "--issuer", &issuer];
    let repo = ["--repo", "github.com/acme/widget"];
    let proven = ["--predicate", "slsa-provenance"];
    let honest = [&base[..], &repo, &proven].concat();
    let good = bench.sign(&provenance(&|_| {}));
    let pass = bench.judge(&good, &honest);
    assert_eq!(pass.code, Some(0), "{}\n{}", pass.stdout, pass.stderr);

    let mut table = Table::default();
    let subject = run().identity();
    let cases: &[(&str, &[&str], &str)] = &[
        (
            "another subject",
            &["--certificate-identity", "https://github.com/acme/gadget"],
            "identity-mismatch",
        ),
        (
            "a pattern that matches a part",
            &["--certificate-identity-regexp", "github.com/acme/widget/"],
            "identity-mismatch",
        ),
        (
            "a signer for other versions",
            &["--policy", "versions.toml", "--image-version", "1.2.3"],
            "identity-mismatch",
        ),
        (
            "another repository's workflows",
            &["--signer-repo", "github.com/acme/widgets"],
            "identity-mismatch",
        ),
        (
            "another workflow",
            &["--repo", "github.com/acme/widget", "--signer-workflow", ".github/workflows/test.yml"],
            "signer-workflow-mismatch",
        ),
        (
            "the workflow of another ref",
            &["--signer-workflow", "github.com/acme/widget/.github/workflows/release.yml@refs/tags/v1"],
            "signer-workflow-mismatch",
        ),
        ("a key where a key is demanded", &["--key", "key.pub"], "identity-mismatch"),
        ("the source repository", &["--policy", "source.toml"], "source-repository-mismatch"),
    ];
    std::fs::write(bench.folder.path().join("key.pub"), public(KEY)).unwrap();
    std::fs::write(bench.folder.path().join("other.pub"), public(OTHER_KEY)).unwrap();
    let policy = |name: &str, text: &str| {
        let text = format!(
            "schema = \"loadline/policy/v1\"\n[[identity]]\nsubject = \"{subject}\"\nissuer = \"{issuer}\"\n{text}"
        );
        std::fs::write(bench.folder.path().join(name), text).unwrap();
    };
    policy("versions.toml", "versions = \">=2\"\n");
    policy("source.toml", "[source]\nrepository = \"github.com/acme/gadget\"\n");
    for (what, args, code) in cases {
        let args = [&base[..], &proven, args].concat();
        table.refused(what, &bench.judge(&good, &args), code);
    }
    let no_issuer = ["--trusted-root", &root, "--issuer", "https://token.actions.githubusercontent.com"];
    let args = [&no_issuer[..], &repo, &proven].concat();
    table.refused("another issuer", &bench.judge(&good, &args), "issuer-mismatch");

    let rules: &[(&str, &[&str], &str)] = &[
        ("the top workflow", &["--workflow", ".github/workflows/other.yml"], "workflow-mismatch"),
        ("the ref", &["--ref", "refs/tags/v1.0.0"], "ref-mismatch"),
        ("a pattern of refs", &["--ref-regexp", "refs/tags/v.*"], "ref-mismatch"),
        ("the commit", &["--commit", OTHER_COMMIT], "commit-mismatch"),
        ("the repository's number", &["--repository-id", "2"], "repository-id-mismatch"),
        ("its age", &["--max-age", "0m"], "too-old"),
        (
            "who vouches for the time",
            &["--timestamp-authority", "https://tsa.invalid"],
            "timestamp-authority-mismatch",
        ),
        ("the build type", &["--build-type", "https://example.com/type"], "build-type-mismatch"),
        ("the builder", &["--builder", "https://example.com/builder"], "builder-mismatch"),
        ("a base image", &["--base-image", "pkg:docker/alpine@.*"], "base-image-not-allowed"),
    ];
    for (what, args, code) in rules {
        table.refused(what, &bench.judge(&good, &[&honest[..], args].concat()), code);
    }
    let allowed =
        ["--base-image", "pkg:docker/debian@12", "--commit", COMMIT, "--no-self-hosted", "--max-age", "1h"];
    let pass = bench.judge(&good, &[&honest[..], &allowed].concat());
    assert_eq!(pass.code, Some(0), "{}\n{}", pass.stdout, pass.stderr);

    let mut own = run();
    own.runner_environment = "self-hosted".to_owned();
    let hosted = bench.sign_as(
        &own,
        &provenance(&|p| {
            p["buildDefinition"]["internalParameters"]["github"]["runner_environment"] = json!("self-hosted");
        }),
    );
    let args = [&honest[..], &["--no-self-hosted"]].concat();
    table.refused("a self-hosted runner", &bench.judge(&hosted, &args), "self-hosted-runner");

    let lies: &[(&str, Change<'_>, &str)] = &[
        (
            "another repository",
            &|p| {
                let workflow = &mut p["buildDefinition"]["externalParameters"]["workflow"];
                workflow["repository"] = json!("https://github.com/acme/gadget");
            },
            "provenance-contradicts-certificate",
        ),
        (
            "another run",
            &|p| {
                p["runDetails"]["metadata"]["invocationId"] =
                    json!("https://github.com/acme/widget/actions/runs/7/attempts/1")
            },
            "provenance-contradicts-certificate",
        ),
        (
            "another builder",
            &|p| p["runDetails"]["builder"]["id"] = json!("https://github.com/actions/runner"),
            "provenance-contradicts-certificate",
        ),
        (
            "another event",
            &|p| p["buildDefinition"]["internalParameters"]["github"]["event_name"] = json!("schedule"),
            "provenance-contradicts-certificate",
        ),
        (
            "a commit that is not the workflow's",
            &|p| {
                let dependencies = p["buildDefinition"]["resolvedDependencies"].as_array_mut().unwrap();
                dependencies.push(json!({"name": "source",
                    "uri": "git+https://github.com/acme/widget@refs/tags/v1", "digest": {"gitCommit": OTHER_COMMIT}}));
            },
            "built-commit-differs",
        ),
        ("no build definition", &|p| *p = json!({"buildType": "x"}), "provenance-malformed"),
    ];
    for (what, change, code) in lies {
        table.refused(what, &bench.judge(&bench.sign(&provenance(change)), &honest), code);
    }
    assert!(table.count >= 25, "{}", table.count);
    assert!(table.wrong.is_empty(), "{:#?}", table.wrong);
    // Another predicate than the one demanded is about something else, and is not mentioned.
    let missing = bench.judge(&good, &[&base[..], &repo, &["--predicate", "cyclonedx"]].concat());
    assert_eq!((missing.code, missing.codes()), (Some(1), vec!["evidence-missing".to_owned()]));
}

fn public(key: &str) -> String {
    SigningKey::from_pem(loadline_core::Secret::new(key)).unwrap().public().unwrap().to_pem()
}

#[test]
fn keys() {
    let bench = Bench::new();
    std::fs::write(bench.folder.path().join("key.pub"), public(KEY)).unwrap();
    std::fs::write(bench.folder.path().join("other.pub"), public(OTHER_KEY)).unwrap();
    let root = bench.sandbox.ready().trusted_root.display().to_string();
    let base = ["--trusted-root", &root, "--predicate", "cyclonedx"];
    let with = |args: &[&'static str]| -> Vec<String> {
        base.iter().copied().chain(args.iter().copied()).map(str::to_owned).collect()
    };
    let judge = |bundle: &Value, args: &[&'static str]| bench.judge(bundle, &texts(&with(args)));
    let logged = bench.by_key(bench.services());
    assert_eq!(judge(&logged, &["--key", "key.pub"]).code, Some(0));
    assert_eq!(judge(&logged, &["--key", "other.pub", "--key", "key.pub"]).code, Some(0));
    let mut table = Table::default();
    table.refused("another key", &judge(&logged, &["--key", "other.pub"]), "signature-invalid");
    let nobody = judge(&logged, &["--repo", "github.com/acme/widget"]);
    table.refused("a key, and none was given", &nobody, "key-required");
    let mut alone = logged;
    alone["verificationMaterial"]["tlogEntries"] = json!([]);
    alone["verificationMaterial"]["timestampVerificationData"] = json!({});
    table.refused("a key without a log entry", &judge(&alone, &["--key", "key.pub"]), "log-entry-missing");
    assert_eq!(judge(&alone, &["--key", "key.pub", "--key-alone"]).code, Some(0));
    let other = judge(&alone, &["--key", "other.pub", "--key-alone"]);
    table.refused("a key alone, and another", &other, "signature-invalid");
    assert!(table.wrong.is_empty(), "{:#?}", table.wrong);
}

#[test]
fn how_evidence_adds_up() {
    let bench = Bench::new();
    let honest = bench.honest();
    let honest = texts(&honest);
    let good = bench.sign(&sbom(&digest()));
    let mut bad = good.clone();
    flip(&mut entry(&mut bad)["inclusionProof"]["rootHash"]);
    let lines = |bundles: &[&Value]| {
        let text: Vec<String> = bundles.iter().map(|bundle| serde_json::to_string(bundle).unwrap()).collect();
        text.join("\n").into_bytes()
    };
    // One good bundle is enough; what is wrong with the one beside it is told, as a note.
    let run = bench.run(&lines(&[&bad, &good, &bad]), &honest);
    assert_eq!(run.code, Some(0), "{}", run.stdout);
    let document = run.json();
    let findings = document["findings"].as_array().unwrap();
    assert!(
        findings.iter().any(|f| f["code"] == "log-proof-invalid" && f["severity"] == "note"),
        "{findings:?}"
    );
    let demand = &document["images"][0]["demands"][0];
    assert_eq!(demand["proven"][0]["source"], "bundle.json, line 2");
    // Only bad ones fail, with their reasons.
    let run = bench.run(&lines(&[&bad]), &honest);
    let expected = vec!["log-proof-invalid".to_owned(), "evidence-missing".to_owned()];
    assert_eq!((run.code, run.codes()), (Some(1), expected));
    // A source that cannot be asked, and nothing good elsewhere: unknown. With a good one: pass.
    let image = format!("127.0.0.1:9/acme/widget@{}", digest());
    for (bundle, offline, code) in [(&bad, false, 3), (&good, false, 3), (&good, true, 0)] {
        std::fs::write(bench.folder.path().join("bundle.json"), serde_json::to_vec(bundle).unwrap()).unwrap();
        let mut args = vec!["verify", "--bundle", "bundle.json", "--format", "json", &image];
        args.extend(&honest);
        if offline {
            args.push("--offline");
        }
        // Without the image's manifest its platforms are not known: never a pass.
        assert_eq!(run_in(bench.folder.path(), &args).code, Some(code), "offline: {offline}");
    }
}
