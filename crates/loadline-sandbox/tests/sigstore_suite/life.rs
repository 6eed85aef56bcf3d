//! How a sandbox starts, ends, and is taken up again.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};

use loadline_core::{Clock, Failure};
use loadline_sandbox::request_log::RequestLog;
use loadline_sandbox::{Options, Sandbox, SandboxError};
use serde_json::Value;

use crate::{get, run, sandbox};

fn options(folder: &tempfile::TempDir) -> Options {
    Options::new(folder.path())
}

#[tokio::test]
async fn a_taken_port_is_said_with_the_way_out() {
    let (_folder, first) = sandbox().await;
    let other = tempfile::tempdir().unwrap();
    let mut options = options(&other);
    options.listen = first.address();
    let error = Sandbox::start(options).await.unwrap_err();
    assert!(matches!(error, SandboxError::PortTaken { address } if address == first.address()));
    let failure = Failure::from(&error);
    assert_eq!(failure.code.name, "sandbox-port-taken");
    assert!(failure.message.contains("choose another port"), "{}", failure.message);
    assert_eq!(fs::read_dir(other.path()).unwrap().count(), 0, "nothing was begun");
}

#[tokio::test]
async fn a_folder_belongs_to_one_sandbox_at_a_time() {
    let (folder, first) = sandbox().await;
    let error = Sandbox::start(options(&folder)).await.unwrap_err();
    assert_eq!(error.code().name, "sandbox-data-in-use");
    first.stop().await;
    Sandbox::start(options(&folder)).await.unwrap();
}

#[tokio::test]
async fn a_folder_of_a_newer_format_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("format"), "loadline-sandbox 2\n").unwrap();
    let error = Sandbox::start(options(&folder)).await.unwrap_err();
    assert_eq!(error.code().name, "sandbox-data-format");
    assert!(error.to_string().contains("loadline-sandbox 2"), "{error}");
    assert!(!folder.path().join("sigstore").exists());
}

#[tokio::test]
async fn a_damaged_log_or_key_is_refused_with_the_reason() {
    let (folder, first) = sandbox().await;
    first.stop().await;
    let entries = folder.path().join("sigstore/rekor/entries");
    let whole = fs::read(&entries).unwrap();
    fs::write(&entries, &whole[..whole.len() - 1]).unwrap();
    let error = Sandbox::start(options(&folder)).await.unwrap_err();
    assert_eq!(error.code().name, "sandbox-data-damaged");
    assert!(error.to_string().contains("1 entries were acknowledged"), "{error}");
    assert_eq!(fs::read(&entries).unwrap().len(), whole.len() - 1, "nothing was made worse");

    // A record that a kill left unfinished is no damage.
    let mut torn = whole.clone();
    torn.extend_from_slice(&[0, 0, 1, 0, 9, 9]);
    fs::write(&entries, torn).unwrap();
    let again = Sandbox::start(options(&folder)).await.unwrap();
    let repaired = again.repaired();
    assert_eq!((repaired.len(), repaired[0].bytes), (1, 6));
    again.stop().await;

    fs::write(folder.path().join("sigstore/keys/rekor.pk8"), b"garbage").unwrap();
    let error = Sandbox::start(options(&folder)).await.unwrap_err();
    assert_eq!(error.code().name, "sandbox-data-damaged");
}

#[tokio::test]
async fn keys_and_trust_root_stay_from_start_to_start() {
    let (folder, first) = sandbox().await;
    let port = first.address();
    let root = fs::read(&first.ready().trusted_root).unwrap();
    let config = fs::read(&first.ready().trust_config).unwrap();
    first.stop().await;
    let mut options = options(&folder);
    options.listen = port;
    let second = Sandbox::start(options).await.unwrap();
    assert_eq!(fs::read(&second.ready().trusted_root).unwrap(), root);
    assert_eq!(fs::read(&second.ready().trust_config).unwrap(), config);
    for entry in fs::read_dir(folder.path().join("sigstore/keys")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "pk8") {
            assert_eq!(
                fs::metadata(&path).unwrap().permissions().mode() & 0o777,
                0o600,
                "{}",
                path.display()
            );
        }
    }
}

#[tokio::test]
async fn the_ready_line_is_the_documented_one() {
    let (_folder, sandbox) = sandbox().await;
    let ready = serde_json::to_value(sandbox.ready()).unwrap();
    let names: Vec<_> = ready.as_object().unwrap().keys().map(String::as_str).collect();
    let mut expected = [
        "registry",
        "issuer",
        "fulcio",
        "rekor",
        "ctlog",
        "tsa",
        "token_url",
        "trusted_root",
        "signing_config",
        "trust_config",
        "tuf",
    ];
    assert_eq!(names.iter().collect::<std::collections::BTreeSet<_>>(), {
        expected.sort_unstable();
        expected.iter().collect()
    });
    assert_eq!(ready["registry"], sandbox.address().to_string());
    assert_eq!(get(format!("http://{}/v2/", sandbox.ready().registry)).await.0, 200);
    let config: Value = serde_json::from_slice(&fs::read(&sandbox.ready().trust_config).unwrap()).unwrap();
    assert_eq!(config["mediaType"], "application/vnd.dev.sigstore.clienttrustconfig.v0.1+json");
    let root: Value = serde_json::from_slice(&fs::read(&sandbox.ready().trusted_root).unwrap()).unwrap();
    assert_eq!(config["trustedRoot"], root);
}

#[tokio::test]
async fn the_clock_is_an_input() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(&folder);
    let moment: jiff::Timestamp = "2031-02-03T04:05:06Z".parse().unwrap();
    options.clock = Clock::Fixed(moment);
    let sandbox = Sandbox::start(options).await.unwrap();
    let token = sandbox.github_token(&run()).unwrap();
    let claims: Value = jsonwebtoken::dangerous::insecure_decode_claims(token.expose()).unwrap();
    assert_eq!(claims["exp"], moment.as_second() + 600);
    let root: Value = serde_json::from_slice(&fs::read(&sandbox.ready().trusted_root).unwrap()).unwrap();
    assert_eq!(root["tlogs"][0]["publicKey"]["validFor"]["start"], "2031-02-03T04:05:06Z");
}

#[tokio::test]
async fn every_request_gives_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let lines = Arc::new(Mutex::new(Vec::new()));
    let mut options = options(&folder);
    let sink = Arc::clone(&lines);
    options.log = Some(RequestLog::new(move |line| sink.lock().unwrap().push(line.to_string())));
    let sandbox = Sandbox::start(options).await.unwrap();
    get(format!("{}/api/v2/checkpoint", sandbox.ready().rekor)).await;
    get(format!("http://{}/v2/", sandbox.ready().registry)).await;
    let lines = lines.lock().unwrap();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(lines[0].starts_with("GET /api/v2/checkpoint 200 "), "{lines:?}");
    assert!(lines[1].starts_with("GET /v2/ 200 "), "{lines:?}");
}

#[tokio::test]
async fn metrics_count_every_request_where_they_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = options(&folder);
    options.open_metrics = true;
    let sandbox = Sandbox::start(options).await.unwrap();
    let base = &sandbox.ready().rekor;
    for path in
        ["/v2/", "/v2/", "/v2/a/tags/list", "/api/v2/checkpoint", "/tuf/root.json", "/tuf/9.root.json"]
    {
        get(format!("{base}{path}")).await;
    }
    let (status, text) = get(format!("{base}/metrics")).await;
    let text = String::from_utf8(text).unwrap();
    assert_eq!(status, 200);
    for line in [
        "loadline_sandbox_requests_total{service=\"registry\",method=\"GET\",status=\"200\"} 2",
        "loadline_sandbox_requests_total{service=\"registry\",method=\"GET\",status=\"404\"} 1",
        "loadline_sandbox_requests_total{service=\"rekor\",method=\"GET\",status=\"200\"} 1",
        "loadline_sandbox_requests_total{service=\"tuf\",method=\"GET\",status=\"404\"} 1",
        "loadline_sandbox_log_entries{log=\"ct\"} 0",
        "loadline_sandbox_log_entries{log=\"rekor\"} 1",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    assert!(text.ends_with("# EOF\n"));
    let (_folder, without) = crate::sandbox().await;
    assert_eq!(get(format!("{}/metrics", without.ready().rekor)).await.0, 404);
}
