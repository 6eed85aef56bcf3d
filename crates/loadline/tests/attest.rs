//! `loadline attest`, against a sandbox: what is signed, where it hangs, and what happens when a service is down.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]
#![allow(clippy::disallowed_methods, reason = "programs that go on beside the test")]

mod attesting;
mod support;

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use attesting::{BUILT, COMMIT, FakeGitHub, Stage, WHO};
use base64::Engine as _;
use loadline_core::Digest;
use loadline_core::statement::{Statement, Subject};
use serde_json::{Value, json};
use support::Run;

const CYCLONEDX: &str = "https://cyclonedx.org/bom";
const SLSA: &str = "https://slsa.dev/provenance/v1";

#[track_caller]
fn good(run: &Run) -> Value {
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    run.json()
}

/// The statement inside a bundle.
fn statement(bundle: &Value) -> Value {
    let payload = bundle["dsseEnvelope"]["payload"].as_str().unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::STANDARD.decode(payload).unwrap()).unwrap()
}

const PREDICATE: [&str; 4] = ["--predicate", "predicate.json", "--type", "cyclonedx"];

#[test]
fn a_predicate_hangs_on_the_index_and_every_platform_and_a_rerun_does_nothing() {
    let stage = Stage::new();
    let args = [&PREDICATE[..], &["--bundle", "b.json", &stage.tagged]].concat();
    let document = good(&stage.attest(&args));
    let done = &document["attestations"][0];
    assert_eq!(done["image"], format!("{}@{}", stage.image(), stage.digests[0]));
    assert_eq!((done["bundle"].as_str(), done["attached"].as_u64()), (Some("signed"), Some(3)));
    assert_eq!(stage.log_size(), 1);
    for digest in &stage.digests {
        assert_eq!(stage.hangs_on(digest), [CYCLONEDX]);
        assert!(stage.verifies("b.json", WHO, &stage.issuer(), digest));
    }
    assert!(!stage.verifies("b.json", WHO, &stage.issuer(), &Digest::of("another")));
    let said = statement(&stage.json("b.json"));
    assert_eq!(said["predicate"], stage.json("predicate.json"));
    assert_eq!(said["subject"].as_array().unwrap().len(), 3);

    // Again, with the ledger and without it: found, nothing signed, nothing pushed.
    for ledger in [".loadline/attest", "elsewhere"] {
        let again = [&PREDICATE[..], &["--ledger", ledger, "--bundle", "c.json", &stage.tagged]].concat();
        let done = good(&stage.attest(&again))["attestations"][0].clone();
        assert_eq!((done["bundle"].as_str(), done["attached"].as_u64()), (Some("found"), Some(0)), "{done}");
        assert_eq!(stage.json("b.json"), stage.json("c.json"));
    }
    assert_eq!((stage.log_size(), stage.hangs_on(&stage.digests[0]).len()), (1, 1));
    // What somebody else signed with the same words is not ours.
    let other = stage.sandbox.token(&loadline_sandbox::TokenRequest::email("other@example.com")).unwrap();
    stage.write("token", other.expose());
    let again = [&PREDICATE[..], &["--ledger", "third", &stage.tagged]].concat();
    assert_eq!(good(&stage.attest(&again))["attestations"][0]["bundle"], "signed");
}

#[test]
fn one_platform_the_index_alone_or_what_a_statement_speaks_of() {
    let stage = Stage::new();
    good(&stage.attest(&[&PREDICATE[..], &["--platform", "linux/arm64", &stage.tagged]].concat()));
    let counts = |stage: &Stage| stage.digests.iter().map(|d| stage.hangs_on(d).len()).collect::<Vec<_>>();
    assert_eq!(counts(&stage), [0, 0, 1]);
    good(&stage.attest(&[&PREDICATE[..], &["--index", &stage.tagged]].concat()));
    assert_eq!(counts(&stage), [1, 0, 1]);
    let subject = |digest: &Digest| Subject::new("widget", digest);
    let about = |digests: &[&Digest]| {
        let subjects = digests.iter().map(|digest| subject(digest)).collect();
        serde_json::to_string(&Statement::new(subjects, "https://example.com/x/v1", json!({}))).unwrap()
    };
    stage.write("statement.json", &about(&[&Digest::of("elsewhere"), &stage.digests[1]]));
    good(&stage.attest(&["--statement", "statement.json", &stage.tagged]));
    assert_eq!(counts(&stage), [1, 1, 1]);

    stage.write("statement.json", &about(&[&Digest::of("elsewhere")]));
    let run = stage.attest(&["--statement", "statement.json", &stage.tagged]);
    assert_eq!((run.code, run.codes()), (Some(3), vec!["input-unreadable".to_owned()]));
    let run = stage.attest(&[&PREDICATE[..], &["--platform", "linux/s390x", &stage.tagged]].concat());
    assert_eq!(run.code, Some(3));
    assert!(run.stdout.contains("linux/amd64, linux/arm64"), "{}", run.stdout);
    assert_eq!(stage.log_size(), 3);
}

#[test]
fn a_dry_run_shows_the_statement_and_does_nothing() {
    let stage = Stage::new();
    let run = stage.attest(&[&PREDICATE[..], &["--dry-run", &stage.tagged]].concat());
    assert_eq!(run.json()["predicateType"], CYCLONEDX);
    assert_eq!(run.code, Some(0));
    assert_eq!((stage.log_size(), stage.hangs_on(&stage.digests[0]).len()), (0, 0));
    let run = stage.attest(&["--dry-run", &stage.tagged]);
    assert_eq!(
        run.code,
        Some(3),
        "without a predicate and a pipeline there is nothing to say: {}",
        run.stdout
    );
}

/// The variables of a job under GitHub Actions, its workflow called by another, its identity the ambient one.
fn actions(stage: &Stage) -> Vec<(&'static str, String)> {
    let claims = [
        ("repository", "acme/widget"),
        ("repository_id", "12"),
        ("repository_owner_id", "34"),
        ("event_name", "workflow_dispatch"),
        ("runner_environment", "github-hosted"),
        ("ref", "refs/heads/main"),
        ("sha", COMMIT),
        ("workflow_sha", COMMIT),
        ("job_workflow_ref", "acme/ci/.github/workflows/build.yml@refs/heads/main"),
    ];
    let claims = claims.map(|(name, value)| format!("claim.{name}={value}")).join("&");
    vec![
        ("GITHUB_SERVER_URL", "https://github.com".into()),
        ("GITHUB_REPOSITORY", "acme/widget".into()),
        ("GITHUB_WORKFLOW_REF", "acme/widget/.github/workflows/release.yml@refs/heads/main".into()),
        ("GITHUB_RUN_ID", "7".into()),
        ("GITHUB_RUN_ATTEMPT", "2".into()),
        ("GITHUB_SHA", COMMIT.into()),
        ("ACTIONS_ID_TOKEN_REQUEST_URL", format!("{}/github/token?{claims}", stage.sandbox.ready().issuer)),
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "runner".into()),
    ]
}

#[test]
fn under_github_actions_provenance_says_what_the_run_and_buildkit_knew() {
    let stage = Stage::new();
    let variables = actions(&stage);
    let variables: Vec<(&str, &str)> =
        variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let args = ["--bundle", "b.json", &stage.tagged];
    good(&stage.attest_in(&args, &variables));
    let said = statement(&stage.json("b.json"));
    assert_eq!(said["predicateType"], SLSA);
    let definition = &said["predicate"]["buildDefinition"];
    assert_eq!(definition["buildType"], "https://actions.github.io/buildtypes/workflow/v1");
    let external = &definition["externalParameters"];
    assert_eq!(
        external["workflow"],
        json!({"repository": "https://github.com/acme/widget", "ref": "refs/heads/main", "path": ".github/workflows/release.yml"})
    );
    assert_eq!(external["buildArgs"], json!({"VERSION": "1"}));
    assert_eq!(
        (&external["dockerfile"], &external["target"]),
        (&json!("Dockerfile.widget"), &json!("production"))
    );
    assert_eq!(
        definition["internalParameters"]["github"],
        json!({"event_name": "workflow_dispatch", "repository_id": "12", "repository_owner_id": "34", "runner_environment": "github-hosted"})
    );
    let dependencies = definition["resolvedDependencies"].as_array().unwrap();
    let commits: Vec<_> = dependencies
        .iter()
        .filter_map(|one| Some((one["name"].as_str()?, one["digest"]["gitCommit"].as_str()?)))
        .collect();
    assert_eq!(commits, [("source", BUILT), ("workflow", COMMIT)]);
    let bases: Vec<_> = dependencies.iter().filter(|one| one["name"] == "base").collect();
    assert_eq!(bases.len(), 2);
    assert_eq!(bases[0]["digest"]["sha256"], Digest::of("linux/amd64").hex());
    // The job's own workflow, which the token alone knows; not the one at the top.
    let builder = "https://github.com/acme/ci/.github/workflows/build.yml@refs/heads/main";
    assert_eq!(said["predicate"]["runDetails"]["builder"]["id"], builder);
    assert_eq!(
        said["predicate"]["runDetails"]["metadata"]["invocationId"],
        "https://github.com/acme/widget/actions/runs/7/attempts/2"
    );
    let issuer = format!("{}/github", stage.sandbox.ready().issuer);
    assert!(stage.verifies("b.json", builder, &issuer, &stage.digests[2]));
    // The same run again says the same, and does nothing.
    let again = good(&stage.attest_in(&[&args[..], &["--ledger", "other"]].concat(), &variables));
    assert_eq!(again["attestations"][0]["bundle"], "found");
    assert_eq!(stage.log_size(), 1);
}

#[test]
fn under_gitlab_the_build_type_is_our_own() {
    let stage = Stage::new();
    let job = loadline_sandbox::GitLabJob::new("acme/widget", "main", COMMIT);
    let token = stage.sandbox.gitlab_token(&job).unwrap();
    let variables = [
        ("GITLAB_CI", "true"),
        ("CI_PROJECT_URL", "https://gitlab.com/acme/widget"),
        ("CI_COMMIT_BRANCH", "main"),
        ("CI_COMMIT_SHA", COMMIT),
        ("CI_JOB_URL", "https://gitlab.com/acme/widget/-/jobs/1"),
        ("SIGSTORE_ID_TOKEN", token.expose()),
    ];
    good(&stage.attest_in(&["--bundle", "b.json", &stage.tagged], &variables));
    let said = statement(&stage.json("b.json"));
    assert_eq!(
        said["predicate"]["buildDefinition"]["buildType"],
        "https://loadline.dev/buildtypes/release/v1"
    );
    assert_eq!(said["predicate"]["runDetails"]["builder"]["id"], job.identity());
    let issuer = format!("{}/gitlab", stage.sandbox.ready().issuer);
    assert!(stage.verifies("b.json", &job.identity(), &issuer, &stage.digests[0]));
}

#[test]
fn too_large_is_a_finding_before_anything_is_signed() {
    let stage = Stage::new();
    let components: Vec<_> = (0..18_000)
        .map(|n| json!({"type": "file", "name": format!("/usr/lib/{n}"), "note": "x".repeat(1000)}))
        .collect();
    stage.write("predicate.json", &json!({"bomFormat": "CycloneDX", "components": components}).to_string());
    let run = stage.attest(&[&PREDICATE[..], &[&stage.tagged]].concat());
    assert_eq!((run.code, run.codes()), (Some(1), vec!["statement-too-large".to_owned()]), "{}", run.stderr);
    assert_eq!((stage.log_size(), stage.hangs_on(&stage.digests[0]).len()), (0, 0));
    let human: Vec<String> = stage.trust();
    let human: Vec<&str> = human.iter().map(String::as_str).collect();
    let tagged = stage.tagged.clone();
    let args = [&["attest", "--identity-token", "token"], &human[..], &PREDICATE[..], &[&tagged]].concat();
    let text = String::from_utf8(stage.command(&args, &[]).output().unwrap().stderr).unwrap();
    assert!(text.contains("components (18,000 of them)") && text.contains("file components"), "{text}");
}

#[test]
fn what_github_takes_at_most_is_signed_and_verifies() {
    let stage = Stage::new();
    let note = "x".repeat(16_777_216 - json!({"bomFormat": "CycloneDX", "note": ""}).to_string().len());
    stage.write("predicate.json", &json!({"bomFormat": "CycloneDX", "note": note}).to_string());
    let args = [&PREDICATE[..], &["--bundle", "b.json", &stage.tagged]].concat();
    assert_eq!(good(&stage.attest(&args))["attestations"][0]["attached"], 3);
    assert_eq!(statement(&stage.json("b.json"))["predicate"].to_string().len(), 16_777_216);
    assert!(stage.verifies("b.json", WHO, &stage.issuer(), &stage.digests[0]));
}

#[test]
fn a_service_that_is_down_is_waited_for_then_exit_3_and_a_rerun_leaves_one_log_entry() {
    for service in ["caUrls", "tsaUrls", "rekorTlogUrls"] {
        let stage = Stage::new();
        let config = stage.without(service);
        let root = stage.sandbox.ready().trusted_root.display().to_string();
        let tagged = stage.tagged.clone();
        let mut args = vec!["attest", "--format", "json", "--identity-token", "token", "--patience", "2s"];
        args.extend(["--trusted-root", &root, "--signing-config", &config]);
        args.extend(PREDICATE);
        args.push(&tagged);
        let began = Instant::now();
        let run = support::run_of(&stage.command(&args, &[]).output().unwrap());
        let took = began.elapsed();
        assert_eq!((run.code, run.codes()), (Some(3), vec!["signing-unreachable".to_owned()]), "{service}");
        assert!(run.stdout.contains("refuses connections"), "{}", run.stdout);
        assert!(run.stderr.contains("trying again"), "{service}: {}", run.stderr);
        assert!(took >= Duration::from_secs(2) && took < Duration::from_secs(15), "{service}: {took:?}");
        assert_eq!((stage.log_size(), stage.hangs_on(&stage.digests[0]).len()), (0, 0), "{service}");
        // Nobody waits where nobody said so.
        let impatient: Vec<&str> = args.iter().map(|arg| if *arg == "2s" { "0s" } else { arg }).collect();
        let run = support::run_of(&stage.command(&impatient, &[]).output().unwrap());
        assert!(run.code == Some(3) && !run.stderr.contains("trying again"), "{}", run.stderr);

        good(&stage.attest(&[&PREDICATE[..], &[&tagged]].concat()));
        assert_eq!((stage.log_size(), stage.hangs_on(&stage.digests[0]).len()), (1, 1), "{service}");
    }
}

#[test]
fn what_was_signed_and_not_pushed_is_not_signed_again() {
    let stage = Stage::with(|options| options.read_only = false);
    let args = [&PREDICATE[..], &["--bundle", "b.json", &stage.tagged]].concat();
    good(&stage.attest(&args));
    // The registry forgets what hung there, as it does for whoever was ended between signing and pushing.
    let repository = stage.repository();
    let url = |digest: &Digest| {
        format!("http://{}/v2/acme/widget/manifests/{digest}", stage.sandbox.ready().registry)
    };
    for digest in &stage.digests {
        let referrers = stage.runtime.block_on(repository.referrers(digest)).unwrap();
        for one in referrers.descriptors {
            let gone = reqwest::Client::new().delete(url(&one.digest)).send();
            assert!(stage.runtime.block_on(gone).unwrap().status().is_success());
        }
        assert!(stage.hangs_on(digest).is_empty());
    }
    let again = good(&stage.attest(&args));
    assert_eq!(again["attestations"][0]["bundle"], "saved");
    assert_eq!((stage.log_size(), stage.hangs_on(&stage.digests[1]).len()), (1, 1));
}

#[test]
fn a_fixed_token_that_has_expired_ends_it_at_once() {
    let stage = Stage::new();
    stage.write("token", &stage.email_token(-60));
    let began = Instant::now();
    let run = stage.attest(&[&PREDICATE[..], &["--patience", "10m", &stage.tagged]].concat());
    assert_eq!((run.code, run.codes()), (Some(3), vec!["signing-token".to_owned()]), "{}", run.stdout);
    assert!(run.stdout.contains("expired at") && run.stdout.contains("give a fresh one"), "{}", run.stdout);
    assert!(began.elapsed() < Duration::from_secs(20));
    assert_eq!(stage.log_size(), 0);
}

#[test]
fn ctrl_c_ends_the_waiting() {
    let stage = Stage::new();
    let config = stage.without("caUrls");
    let root = stage.sandbox.ready().trusted_root.display().to_string();
    let mut child = std::process::Command::new(assert_cmd::cargo::cargo_bin!("loadline"))
        .current_dir(stage.path())
        .env_clear()
        .env("HOME", stage.path())
        .args(["attest", "--identity-token", "token", "--patience", "10m"])
        .args(["--trusted-root", &root, "--signing-config", &config])
        .args(PREDICATE)
        .arg(stage.tagged.clone())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    // It says that it waits; then it is told to stop.
    let mut line = String::new();
    let mut lines = std::io::BufReader::new(child.stderr.take().unwrap());
    while !line.contains("trying again") {
        line.clear();
        assert_ne!(std::io::BufRead::read_line(&mut lines, &mut line).unwrap(), 0, "it ended by itself");
    }
    let pid = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn two_writers_of_one_fallback_tag_lose_nothing() {
    let stage = Stage::with(|options| options.no_referrers = true);
    let names: Vec<String> = (0..6).map(|n| format!("https://example.com/p{n}/v1")).collect();
    let tagged = stage.tagged.clone();
    let running: Vec<_> = names
        .iter()
        .map(|name| stage.start(&["--predicate", "predicate.json", "--type", name, &tagged]))
        .collect();
    for child in running {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    for digest in &stage.digests {
        assert_eq!(stage.hangs_on(digest), names);
    }
    let repository = stage.repository();
    let tag = format!("sha256-{}", stage.digests[0].hex());
    let index = stage.runtime.block_on(repository.manifest(&tag)).unwrap();
    let index: Value = serde_json::from_slice(&index.bytes).unwrap();
    for entry in index["manifests"].as_array().unwrap() {
        assert_eq!(entry["artifactType"], "application/vnd.dev.sigstore.bundle.v0.3+json");
        assert_eq!(entry["annotations"]["dev.sigstore.bundle.content"], "dsse-envelope");
    }
}

#[test]
fn a_long_lived_key_signs_too_and_cosigns_encrypted_form_takes_its_password() {
    let stage = Stage::new();
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/attesting");
    let signed = |args: &[&str], variables: &[(&str, &str)]| {
        stage.attest_in(
            &[&PREDICATE[..], &["--bundle", "b.json", "--ledger", "l"], args, &[&stage.tagged]].concat(),
            variables,
        )
    };
    let (plain, encrypted) = (format!("{fixtures}/key.pem"), format!("{fixtures}/cosign.key"));
    assert_eq!(good(&signed(&["--key", &plain], &[]))["attestations"][0]["bundle"], "signed");
    assert!(stage.json("b.json")["verificationMaterial"]["publicKey"].is_object());
    assert_eq!(good(&signed(&["--key", &plain], &[]))["attestations"][0]["bundle"], "found");
    let pem = std::fs::read_to_string(&plain).unwrap();
    assert_eq!(good(&signed(&["--key", "env:PEM"], &[("PEM", &pem)]))["attestations"][0]["bundle"], "found");

    let right = [("COSIGN_PASSWORD", "only-for-tests")];
    let run = stage.attest_in(
        &[&PREDICATE[..], &["--ledger", "m", "--bundle", "c.json", "--key", &encrypted, &stage.tagged]]
            .concat(),
        &right,
    );
    assert_eq!(good(&run)["attestations"][0]["bundle"], "signed");
    let root = stage.sandbox.ready().trusted_root.display().to_string();
    let digest = stage.digests[0].to_string();
    let public = format!("{fixtures}/cosign.pub");
    let verify = |bundle: &str| {
        let args = ["verify-bundle", "--bundle", bundle, "--key", &public, "--trusted-root", &root, &digest];
        stage.command(&args, &[]).output().unwrap().status.code()
    };
    assert_eq!((verify("c.json"), verify("b.json")), (Some(0), Some(1)));
    // What another signer's run kept is not taken for one's own.
    let run = stage.attest(&[&PREDICATE[..], &["--ledger", "m", &stage.tagged]].concat());
    assert_eq!(good(&run)["attestations"][0]["bundle"], "signed");
    for wrong in ["", "only-for-test"] {
        let run = signed(&["--key", &encrypted], &[("COSIGN_PASSWORD", wrong)]);
        assert_eq!((run.code, run.codes()), (Some(3), vec!["signing-key".to_owned()]), "{}", run.stdout);
        assert!(run.stdout.contains("COSIGN_PASSWORD"), "{}", run.stdout);
    }
}

/// A stage whose issuer is one to log in at.
struct LoggingIn {
    stage: Stage,
    issuer: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl LoggingIn {
    fn new() -> Self {
        let stage = Stage::new();
        let (issuer, asked) = attesting::login(&stage, "the-code");
        let config = &stage.sandbox.ready().signing_config;
        let mut config: Value = serde_json::from_slice(&std::fs::read(config).unwrap()).unwrap();
        config["oidcUrls"][0]["url"] = issuer.clone().into();
        stage.write("config.json", &config.to_string());
        Self { stage, issuer, asked }
    }

    /// Attests the index and a platform by someone who types this.
    fn attest(&self, how: &[&str], variables: &[(&str, &str)], typed: &str) -> Run {
        let root = self.stage.sandbox.ready().trusted_root.display().to_string();
        let child = format!("{}@{}", self.stage.image(), self.stage.digests[1]);
        let mut args = vec!["attest", "--format", "json", "--trusted-root", &root];
        args.extend(["--signing-config", "config.json"]);
        args.extend(how);
        args.extend(PREDICATE);
        args.extend([self.stage.tagged.as_str(), child.as_str()]);
        let mut command = self.stage.command(&args, variables);
        support::run_of(&command.write_stdin(format!("{typed}\n")).output().unwrap())
    }

    /// A program for BROWSER that leaves the address that it is to open in a file, and ends with a status.
    fn browser(&self, status: u8) -> String {
        use std::os::unix::fs::PermissionsExt as _;
        let script =
            format!("#!/bin/sh\nprintf %s \"$1\" >opened.part && mv opened.part opened; exit {status}\n");
        self.stage.write("browser", &script);
        let path = self.stage.path().join("browser");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        path.display().to_string()
    }

    /// Once the browser was given an address: what it shows in the end, when it follows the address as changed.
    fn browse(&self, change: fn(String) -> String) -> tokio::task::JoinHandle<String> {
        let opened = self.stage.path().join("opened");
        self.stage.runtime.spawn(async move {
            let address = loop {
                match std::fs::read_to_string(&opened) {
                    Ok(address) => break address,
                    Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            };
            reqwest::get(change(address)).await.unwrap().text().await.unwrap()
        })
    }

    fn codes_sent(&self) -> usize {
        self.asked.lock().unwrap().iter().filter(|body| body.contains("code=the-code")).count()
    }
}

#[test]
fn a_person_logs_in_once_for_several_signatures() {
    let login = LoggingIn::new();
    let typed = |code: &str| login.attest(&["--interactive"], &[], code);
    let wrong = typed("another");
    assert_eq!(
        (wrong.code, wrong.codes()),
        (Some(3), vec!["signing-refused".to_owned()]),
        "{}",
        wrong.stdout
    );
    assert!(wrong.stderr.contains(&format!("{}/auth?", login.issuer)), "{}", wrong.stderr);
    assert!(wrong.stderr.contains("code_challenge_method=S256"), "{}", wrong.stderr);
    assert_eq!(typed("").code, Some(3));
    let document = good(&typed("the-code"));
    assert_eq!(document["attestations"].as_array().unwrap().len(), 2);
    assert_eq!(login.stage.log_size(), 2);
    assert_eq!(login.codes_sent(), 1);
}

#[test]
fn a_browser_brings_the_login_back_by_itself() {
    let login = LoggingIn::new();
    let browser = login.browser(0);
    let page = login.browse(|address| address);
    let run = login.attest(&["--interactive"], &[("BROWSER", &browser)], "");
    let document = good(&run);
    assert_eq!(document["attestations"].as_array().unwrap().len(), 2);
    assert_eq!((login.stage.log_size(), login.codes_sent()), (2, 1));
    assert!(run.stderr.contains("redirect_uri=http%3A%2F%2F127.0.0.1%3A"), "{}", run.stderr);
    let page = login.stage.runtime.block_on(page).unwrap();
    assert!(page.contains("see the terminal"), "{page}");
}

#[test]
fn a_callback_of_another_login_is_refused() {
    let login = LoggingIn::new();
    let browser = login.browser(0);
    let page = login.browse(|address| address.replace("&state=", "&state=x"));
    let run = login.attest(&["--interactive"], &[("BROWSER", &browser)], "the-code");
    assert_eq!((run.code, run.codes()), (Some(3), vec!["signing-token".to_owned()]), "{}", run.stdout);
    assert!(run.stdout.contains("does not belong to this login"), "{}", run.stdout);
    assert_eq!((login.stage.log_size(), login.codes_sent()), (0, 0));
    let page = login.stage.runtime.block_on(page).unwrap();
    assert!(page.contains("refused"), "{page}");
}

#[test]
fn a_browser_that_brings_nothing_back_is_not_waited_for_for_ever() {
    let login = LoggingIn::new();
    let browser = login.browser(0);
    let how = ["--interactive=browser", "--login-limit", "1s"];
    for variables in [&[("BROWSER", browser.as_str())][..], &[]] {
        let run = login.attest(&how, variables, "the-code");
        assert_eq!((run.code, run.codes()), (Some(3), vec!["signing-token".to_owned()]), "{}", run.stdout);
        assert!(run.stdout.contains("nobody logged in within 1 s"), "{}", run.stdout);
    }
    assert_eq!(login.codes_sent(), 0);
    assert_eq!(login.attest(&["--login-limit", "1s"], &[], "").code, Some(2));
}

#[test]
fn without_a_browser_that_works_the_code_is_typed() {
    let login = LoggingIn::new();
    let broken = login.browser(3);
    let run = login.attest(&["--interactive"], &[("BROWSER", &broken)], "the-code");
    good(&run);
    assert!(run.stderr.contains("type the code"), "{}", run.stderr);
    assert!(login.stage.path().join("opened").exists());
    let missing = ("BROWSER", "/nowhere/browser");
    let run = login.attest(&["--interactive", "--ledger", "b"], &[missing], "the-code");
    good(&run);
    assert!(
        !run.stderr.contains("127.0.0.1%3A"),
        "no address is shown that nothing listens at: {}",
        run.stderr
    );
    std::fs::remove_file(login.stage.path().join("opened")).unwrap();
    let works = login.browser(0);
    good(&login.attest(&["--interactive=code", "--ledger", "c"], &[("BROWSER", &works)], "the-code"));
    assert!(!login.stage.path().join("opened").exists());
    assert_eq!(login.codes_sent(), 3);
}

#[test]
fn github_gets_each_bundle_once_where_the_job_may() {
    let stage = Stage::new();
    let github = FakeGitHub::start(&stage, true);
    github.asked.lock().unwrap().limited = 1;
    let args = [
        &["--identity-token", "token", "--patience", "20s"],
        &PREDICATE[..],
        &["--bundle", "b.json", &stage.tagged],
    ]
    .concat();
    let run = stage.attest_in(&args, &github.variables());
    assert_eq!(good(&run)["attestations"][0]["added_to_github"], true);
    assert!(run.stderr.contains("too many requests"), "{}", run.stderr);
    assert!(!run.stderr.contains("a-token-of-github"));
    {
        let asked = github.asked.lock().unwrap();
        assert_eq!(asked.posted, [stage.json("b.json")]);
        assert!(asked.tokens.iter().all(|token| token == "Bearer a-token-of-github"), "{:?}", asked.tokens);
    }
    let again = good(&stage.attest_in(&[&args[..], &["--ledger", "other"]].concat(), &github.variables()));
    assert_eq!(again["attestations"][0]["added_to_github"], false);
    assert_eq!(github.asked.lock().unwrap().posted.len(), 1);
    // Off is off.
    let off = good(&stage.attest_in(&[&args[..], &["--github", "off"]].concat(), &github.variables()));
    assert_eq!(off["attestations"][0]["added_to_github"], Value::Null);
}

#[test]
fn a_missing_permission_is_named_and_only_where_demanded_does_it_end_things() {
    let stage = Stage::new();
    let github = FakeGitHub::start(&stage, false);
    let args = [&["--identity-token", "token"], &PREDICATE[..], &[&stage.tagged]].concat();
    let run = stage.attest_in(&[&args[..], &["--github", "on"]].concat(), &github.variables());
    assert_eq!((run.code, run.codes()), (Some(3), vec!["github-permission".to_owned()]), "{}", run.stdout);
    assert!(run.stdout.contains("attestations: write"), "{}", run.stdout);
    assert_eq!(stage.log_size(), 0, "it is known before anything is signed");
    let document = good(&stage.attest_in(&args, &github.variables()));
    assert_eq!(document["findings"][0]["code"], "github-permission");
    assert_eq!(document["findings"][0]["severity"], "warning");
    assert_eq!(document["attestations"][0]["added_to_github"], Value::Null);
    assert_eq!(stage.hangs_on(&stage.digests[0]), [CYCLONEDX]);
    // Without a token there is nothing to be asked with.
    let run = stage.attest_in(&[&args[..], &["--github", "on"]].concat(), &[]);
    assert_eq!((run.code, run.codes()), (Some(3), vec!["signer-unknown".to_owned()]));
}

#[test]
fn services_and_trust_that_do_not_belong_together_push_nothing() {
    let (stage, other) = (Stage::new(), Stage::new());
    let root = other.sandbox.ready().trusted_root.display().to_string();
    let config = stage.sandbox.ready().signing_config.display().to_string();
    let tagged = stage.tagged.clone();
    let mut args = vec!["attest", "--format", "json", "--identity-token", "token"];
    args.extend(["--trusted-root", &root, "--signing-config", &config]);
    args.extend(PREDICATE);
    args.push(&tagged);
    let run = support::run_of(&stage.command(&args, &[]).output().unwrap());
    assert_eq!(run.code, Some(3), "{}", run.stdout);
    assert!(run.stdout.contains("nothing was pushed"), "{}", run.stdout);
    assert!(stage.hangs_on(&stage.digests[0]).is_empty());
}

#[test]
fn wrong_usage_is_two() {
    let stage = Stage::new();
    let tagged = stage.tagged.clone();
    for args in [
        &["--predicate", "predicate.json", &tagged][..],
        &["--type", "cyclonedx", &tagged],
        &["--predicate", "predicate.json", "--type", "cyclonedy", &tagged],
        &["--predicate", "predicate.json", "--type", "cyclonedx", "--statement", "s", &tagged],
        &["--index", "--platform", "linux/amd64", &tagged],
        &["--key", "k", &tagged],
        &[],
    ] {
        assert_eq!(stage.attest(args).code, Some(2), "{args:?}");
    }
    let two = [&PREDICATE[..], &["--bundle", "b.json", &tagged, &tagged]].concat();
    assert_eq!(stage.attest(&two).code, Some(2));
}

/// A release of the small project into the stage's registry, as a job of its workflow under GitHub Actions.
struct Releasing {
    stage: Stage,
    github: FakeGitHub,
    project: support::Project,
}

impl Releasing {
    fn new(permitted: bool) -> Self {
        let stage = Stage::new();
        let github = FakeGitHub::start(&stage, permitted);
        let project = support::Project::new();
        let repository = format!("{}/acme/released", stage.sandbox.ready().registry);
        project.edit("loadline.toml", "registry.example.com/acme/widget", &repository);
        project.write(".gitignore", "/target/\n/.loadline/\n");
        project.commit("Release elsewhere");
        Self { stage, github, project }
    }

    fn run(&self, signing_config: &str, args: &[&str]) -> Run {
        let ready = self.stage.sandbox.ready();
        let head = self.project.head();
        let claims = format!(
            "claim.repository=acme/widget&claim.ref=refs/heads/main&claim.sha={head}&claim.workflow_sha={head}\
             &claim.job_workflow_sha={head}&claim.repository_id=12&claim.repository_owner_id=34\
             &claim.run_id=7&claim.run_attempt=2\
             &claim.workflow_ref=acme/widget/.github/workflows/release.yml@refs/heads/main\
             &claim.job_workflow_ref=acme/widget/.github/workflows/release.yml@refs/heads/main"
        );
        let url = format!("{}/github/token?{claims}", ready.issuer);
        let issuer = format!("{}/github", ready.issuer);
        let text = self.project.read("loadline.toml");
        if !text.contains("issuer =") {
            self.project.write(
                "loadline.toml",
                &text.replace("[verify]", &format!("[verify]\nissuer = \"{issuer}\"")),
            );
            self.project.commit("Name the issuer");
            return self.run(signing_config, args);
        }
        let root = ready.trusted_root.display().to_string();
        let fixed = [
            "release",
            "--version",
            "1.0.0",
            "--format",
            "json",
            "--trusted-root",
            &root,
            "--signing-config",
            signing_config,
        ];
        let mut command = self.project.command(&[&fixed, args].concat());
        for (name, value) in self.github.variables() {
            command.env(name, value);
        }
        for (name, value) in actions(&self.stage) {
            command.env(name, value);
        }
        command.env("ACTIONS_ID_TOKEN_REQUEST_URL", url).env("GITHUB_SHA", &head);
        command.env("GITHUB_WORKFLOW_REF", "acme/widget/.github/workflows/release.yml@refs/heads/main");
        support::run_of(&command.output().unwrap())
    }

    fn posted(&self) -> Vec<Value> {
        self.github.asked.lock().unwrap().posted.clone()
    }
}

#[test]
fn a_release_rides_out_an_outage_goes_on_and_puts_each_bundle_at_github_once() {
    let releasing = Releasing::new(true);
    let down = releasing.stage.path().join(releasing.stage.without("rekorTlogUrls"));
    let events = releasing.stage.path().join("events.jsonl").display().to_string();
    let run = releasing.run(&down.display().to_string(), &["--patience", "1s", "--events", &events]);
    assert_eq!((run.code, run.codes()), (Some(3), vec!["signing-failed".to_owned()]), "{}", run.stdout);
    assert_eq!((releasing.stage.log_size(), releasing.posted().len()), (0, 0));
    let events = std::fs::read_to_string(events).unwrap();
    assert!(events.contains(r#""event":"waiting""#) && events.contains("refuses connections"), "{events}");

    let config = releasing.stage.sandbox.ready().signing_config.display().to_string();
    let run = releasing.run(&config, &[]);
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    // Of each image a provenance, three bills of materials and a verdict.
    assert_eq!((releasing.stage.log_size(), releasing.posted().len()), (10, 10));
    let provenance: Vec<Value> = releasing
        .posted()
        .iter()
        .map(statement)
        .filter(|statement| statement["predicateType"] == SLSA)
        .collect();
    assert_eq!(provenance.len(), 2);
    for said in &provenance {
        let definition = &said["predicate"]["buildDefinition"];
        assert_eq!(definition["buildType"], "https://actions.github.io/buildtypes/workflow/v1");
        assert_eq!(definition["internalParameters"]["github"]["repository_id"], "12");
        assert_eq!(
            said["predicate"]["runDetails"]["builder"]["id"],
            "https://github.com/acme/widget/.github/workflows/release.yml@refs/heads/main"
        );
    }
    let again = releasing.run(&config, &[]);
    assert_eq!(again.code, Some(0), "{}\n{}", again.stdout, again.stderr);
    assert_eq!((releasing.stage.log_size(), releasing.posted().len()), (10, 10));
}

#[test]
fn a_release_says_in_preflight_that_it_may_not_add_attestations() {
    let releasing = Releasing::new(false);
    let config = releasing.stage.sandbox.ready().signing_config.display().to_string();
    let run = releasing.run(&config, &["--github", "on"]);
    assert_eq!((run.code, run.codes()), (Some(3), vec!["github-permission".to_owned()]), "{}", run.stdout);
    let steps = run.json()["steps"].as_array().unwrap().len();
    assert_eq!(steps, 1, "nothing was built: {}", run.stdout);
    let run = releasing.run(&config, &[]);
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    assert!(run.stdout.contains("attestations: write"), "{}", run.stdout);
}
