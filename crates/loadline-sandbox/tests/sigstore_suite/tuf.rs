//! The TUF repository: what a client that knows the first root gets out of it, start after start.

use std::fs;

use jiff::Timestamp;
use loadline_core::Clock;
use loadline_sandbox::{Options, Sandbox};
use serde_json::Value;
use sigstore_trust_root::{SigningConfig, TrustedRoot, TufBootstrap, TufConfig};
use tempfile::TempDir;

use crate::{get, get_json, sandbox};

fn first_root(folder: &TempDir) -> Vec<u8> {
    fs::read(folder.path().join("tuf_root.json")).unwrap()
}

fn client(sandbox: &Sandbox, root: &[u8]) -> TufConfig {
    TufConfig::custom(sandbox.ready().tuf.clone(), TufBootstrap::trusted(root))
}

async fn fetch(config: TufConfig, at: &str) -> Result<TrustedRoot, String> {
    let at: Timestamp = at.parse().unwrap();
    TrustedRoot::from_tuf_at(config, at).await.map_err(|error| error.to_string())
}

async fn start(folder: &TempDir, at: &str) -> Sandbox {
    let mut options = Options::new(folder.path());
    options.clock = Clock::Fixed(at.parse().unwrap());
    Sandbox::start(options).await.unwrap()
}

async fn versions(sandbox: &Sandbox) -> [u64; 4] {
    let base = &sandbox.ready().tuf;
    let version = |file: &Value| file["signed"]["version"].as_u64().unwrap();
    let root = get_json(format!("{base}/root.json")).await;
    let timestamp = get_json(format!("{base}/timestamp.json")).await;
    let snapshot = timestamp["signed"]["meta"]["snapshot.json"]["version"].as_u64().unwrap();
    let file = get_json(format!("{base}/{snapshot}.snapshot.json")).await;
    assert_eq!(version(&file), snapshot);
    let targets = file["signed"]["meta"]["targets.json"]["version"].as_u64().unwrap();
    [version(&root), version(&timestamp), snapshot, targets]
}

#[tokio::test]
async fn a_client_gets_the_trust_root_and_the_signing_config_that_were_written() {
    let (folder, sandbox) = sandbox().await;
    let config = client(&sandbox, &first_root(&folder)).without_cache();
    let fetched = TrustedRoot::from_tuf(config.clone()).await.unwrap();
    let written =
        TrustedRoot::from_json(&fs::read_to_string(&sandbox.ready().trusted_root).unwrap()).unwrap();
    assert_eq!(serde_json::to_value(&fetched).unwrap(), serde_json::to_value(&written).unwrap());
    let fetched = SigningConfig::from_tuf(config).await.unwrap();
    let written = SigningConfig::from_file(&sandbox.ready().signing_config).unwrap();
    assert_eq!(serde_json::to_value(&fetched).unwrap(), serde_json::to_value(&written).unwrap());
    assert_eq!(get(format!("{}/2.root.json", sandbox.ready().tuf)).await.0, 404);
}

#[tokio::test]
async fn another_sandboxs_root_is_not_believed() {
    let (_folder, sandbox) = sandbox().await;
    let (other, _stranger) = crate::sandbox().await;
    let error =
        TrustedRoot::from_tuf(client(&sandbox, &first_root(&other)).without_cache()).await.unwrap_err();
    assert!(error.to_string().contains("threshold") || error.to_string().contains("signature"), "{error}");
}

#[tokio::test]
async fn a_client_with_a_cache_follows_over_restarts_and_years() {
    let folder = tempfile::tempdir().unwrap();
    let cache = tempfile::tempdir().unwrap();
    let first = start(&folder, "2030-01-01T00:00:00Z").await;
    let (root, port) = (first_root(&folder), first.address().port());
    let cached = |sandbox: &Sandbox| client(sandbox, &root).with_cache_dir(cache.path().to_owned());
    fetch(cached(&first), "2030-01-01T00:00:01Z").await.unwrap();
    assert_eq!(versions(&first).await, [1, 1, 1, 1]);
    first.stop().await;

    // Another port is another address, which the targets say.
    let second = start(&folder, "2030-01-02T00:00:00Z").await;
    assert_ne!(second.address().port(), port);
    assert_eq!(versions(&second).await, [1, 2, 2, 2]);
    let fetched = fetch(cached(&second), "2030-01-02T00:00:01Z").await.unwrap();
    let fetched = serde_json::to_string(&fetched).unwrap();
    assert!(fetched.contains(&second.ready().rekor), "{fetched}");
    let error = fetch(cached(&second), "2033-01-01T00:00:00Z").await.unwrap_err();
    assert!(error.contains("expired"), "{error}");
    let address = second.address();
    second.stop().await;

    // Nothing new to say, on the same port: as it was. More than half of the time is over: renewed.
    let again = |at: &'static str| {
        let mut options = Options::new(folder.path());
        options.listen = address;
        options.clock = Clock::Fixed(at.parse().unwrap());
        Sandbox::start(options)
    };
    let third = again("2030-02-01T00:00:00Z").await.unwrap();
    assert_eq!(versions(&third).await, [1, 2, 2, 2]);
    third.stop().await;
    let fourth = again("2036-01-01T00:00:00Z").await.unwrap();
    assert_eq!(versions(&fourth).await, [2, 3, 3, 3]);
    fetch(cached(&fourth), "2036-01-01T00:00:01Z").await.unwrap();
    assert_eq!(first_root(&folder), root, "trust begins where it began");
    fourth.stop().await;
}

#[tokio::test]
async fn a_lost_key_or_a_damaged_file_is_refused() {
    let (folder, sandbox) = sandbox().await;
    sandbox.stop().await;
    let timestamp = folder.path().join("sigstore/tuf/timestamp.json");
    let whole = fs::read(&timestamp).unwrap();
    fs::write(&timestamp, b"{}").unwrap();
    let error = Sandbox::start(Options::new(folder.path())).await.unwrap_err();
    assert_eq!(error.code().name, "sandbox-data-damaged", "{error}");
    fs::write(&timestamp, whole).unwrap();

    // The key of everything but the root can be made anew: the root says so.
    fs::remove_file(folder.path().join("sigstore/keys/tuf-online.pk8")).unwrap();
    let sandbox = Sandbox::start(Options::new(folder.path())).await.unwrap();
    let config = client(&sandbox, &first_root(&folder)).without_cache();
    TrustedRoot::from_tuf(config).await.unwrap();
    sandbox.stop().await;

    fs::remove_file(folder.path().join("sigstore/keys/tuf-root.pk8")).unwrap();
    let error = Sandbox::start(Options::new(folder.path())).await.unwrap_err();
    assert_eq!(error.code().name, "sandbox-data-damaged", "{error}");
}
