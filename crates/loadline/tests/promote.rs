//! `loadline promote`, end to end: tags that were held, and moving tags that go back.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod support;

use std::collections::BTreeMap;

use loadline_registry::{self as registry, Client, Http, HttpOptions, Repository};
use loadline_sandbox::{Options, Sandbox};
use serde_json::Value;
use support::{Project, Run, images};

/// Releases a version of its own content, so that no two have one digest.
fn release(project: &Project, version: &str) -> Run {
    project.write("rootfs/etc/motd", &format!("this is {version}"));
    project.write_reports(&[]);
    let run = project.release(&["--version", version]);
    assert_eq!(run.code, Some(0), "{version}: {}\n{}", run.stdout, run.stderr);
    run
}

fn digest(run: &Run, image: &str) -> String {
    images(&run.json())[image].0.clone()
}

fn rollback(project: &Project, version: &str, more: &[&str]) -> Run {
    project.run(&[&["promote", "--rollback", version, "--sandbox", "--format", "json"], more].concat())
}

/// What every tag at the project's sandbox points at, or what `change` does to it there.
fn at_registry<T>(project: &Project, act: impl AsyncFnOnce(Repository) -> T) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut options = Options::new(project.sandbox().join("data"));
    let port: u16 = project.read("target/loadline-sandbox/port").trim().parse().unwrap();
    options.listen.set_port(port);
    runtime.block_on(async {
        let sandbox = Sandbox::start(options).await.unwrap();
        let client = Client::new(Http::new(HttpOptions::default()), registry::Options::default());
        let name = format!("{}/acme/widget", sandbox.ready().registry).parse().unwrap();
        let result = act(Repository::at(&client, name)).await;
        sandbox.stop().await;
        result
    })
}

fn tags(project: &Project) -> BTreeMap<String, String> {
    at_registry(project, async |repository| {
        let mut tags = BTreeMap::new();
        for tag in repository.tags().await.unwrap() {
            let digest = repository.resolve(&tag).await.unwrap().unwrap().digest;
            tags.insert(tag, digest.to_string());
        }
        tags
    })
}

fn records(project: &Project, ledger: &str) -> Vec<Value> {
    let text = project.read(&format!("target/loadline-sandbox/{ledger}/ledger.jsonl"));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn with_moving_tags(server: &str) -> Project {
    let project = Project::new();
    project.edit("loadline.toml", "moving-tags = [\"latest\"]", &format!("moving-tags = {server}"));
    project.commit("Move other tags");
    project
}

#[test]
fn moving_tags_follow_their_channel_and_series() {
    let project = with_moving_tags(
        r#"["latest", "{major}", "{major}.{minor}", { tag = "beta", channel = "beta" }, { tag = "edge", channel = "stable" }, { tag = "edge", channel = "beta" }]"#,
    );
    let of = |version: &str| digest(&release(&project, version), "server");
    let first = of("1.0.0");
    let second = of("1.1.0");
    let now = tags(&project);
    for (tag, expected) in
        [("1.0", &first), ("1.1", &second), ("1", &second), ("latest", &second), ("edge", &second)]
    {
        assert_eq!(&now[tag], expected, "{tag}");
    }
    assert!(!now.contains_key("beta"));

    // A pre-release moves its own channel's tags, and what follows both.
    let beta = of("2.0.0-beta.1");
    let now = tags(&project);
    assert_eq!((&now["beta"], &now["edge"]), (&beta, &beta));
    assert_eq!((&now["latest"], &now["1"]), (&second, &second));
    assert!(!now.contains_key("2") && !now.contains_key("2.0"), "{now:?}");

    // An older line's patch moves its own series, leaves the rest alone, says so, and is no failure.
    let patch = release(&project, "1.0.1");
    let document = patch.json();
    let patch = digest(&patch, "server");
    let now = tags(&project);
    assert_eq!(&now["1.0"], &patch);
    assert_eq!((&now["latest"], &now["1"], &now["1.1"]), (&second, &second, &second));
    assert_eq!((&now["edge"], &now["beta"]), (&beta, &beta));
    let ahead: Vec<&str> = document["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["code"] == "moving-tag-ahead")
        .map(|finding| {
            assert_eq!(finding["severity"], "note");
            finding["message"].as_str().unwrap()
        })
        .collect();
    for (tag, stays) in [("latest", "1.1.0"), ("1", "1.1.0"), ("edge", "2.0.0-beta.1")] {
        let said = ahead.iter().any(|message| message.contains(&format!(":{tag} stays at {stays},")));
        assert!(said, "{tag}: {ahead:?}");
    }

    // The ledger has the way back of each tag, before the first is written.
    let records = records(&project, "releases/1.1.0");
    let promoting = records.iter().position(|record| record["record"] == "promoting").unwrap();
    let written = records.iter().position(|record| {
        record["record"] == "intent" && record["key"].as_str().unwrap().starts_with("tag ")
    });
    assert!(promoting < written.unwrap());
    let writes = records[promoting]["writes"].as_array().unwrap();
    let latest = writes.iter().find(|w| w["reference"].as_str().unwrap().ends_with(":latest")).unwrap();
    assert_eq!(
        (latest["digest"].as_str(), latest["previous"].as_str()),
        (Some(second.as_str()), Some(first.as_str()))
    );
}

#[test]
fn a_moving_tag_of_unknown_version_ends_a_release_before_it_builds() {
    let project = Project::new();
    let first = release(&project, "1.0.0");
    // Somebody moves `latest` by hand to what says no version: one platform's evidence, say.
    at_registry(&project, async |repository| {
        let empty = registry::index::IndexBuilder::new().build().unwrap();
        repository.tag("latest", empty.media_type, empty.bytes).await.unwrap();
    });
    project.write("rootfs/etc/motd", "new");
    project.write_reports(&[]);
    let run = project.release(&["--version", "1.1.0"]);
    assert_eq!(run.code, Some(3), "{}\n{}", run.stdout, run.stderr);
    assert_eq!(run.codes(), ["moving-tag-unknown"]);
    assert_eq!(run.json()["steps"].as_array().unwrap().len(), 1, "it is known before anything is built");
    assert_eq!(tags(&project)["1.0.0"], digest(&first, "server"));
}

#[test]
fn a_held_set_gets_its_tags_by_promote() {
    let project = Project::new();
    let held = project.release(&["--version", "1.0.0", "--hold"]);
    assert_eq!(held.code, Some(0), "{}\n{}", held.stdout, held.stderr);
    let document = held.json();
    assert_eq!((&document["verdict"], &document["held"]), (&Value::from("pass"), &Value::from(true)));
    assert_eq!(document["effects"]["tags_moved"], 0);
    assert!(tags(&project).is_empty(), "{:?}", tags(&project));
    let promote =
        |version: &str| project.run(&["promote", "--sandbox", "--version", version, "--format", "json"]);
    let run = promote("1.0.0");
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    let promoted = run.json();
    assert_eq!(promoted["schema"], "loadline/release/v1");
    assert_eq!(promoted.get("held"), None);
    assert_eq!(promoted["effects"]["tags_moved"], 4);
    for effect in ["blobs_pushed", "manifests_pushed"] {
        assert_eq!(promoted["effects"][effect], 0, "{effect}");
    }
    assert_eq!(tags(&project).len(), 4);
    let again = promote("1.0.0");
    assert_eq!((again.code, &again.json()["effects"]["tags_moved"]), (Some(0), &Value::from(0)));

    let never = promote("2.0.0");
    assert_eq!(never.code, Some(1), "{}", never.stdout);
    assert_eq!(never.codes(), ["version-not-ready"]);
    assert_eq!(never.json()["steps"], serde_json::json!([]));
    // Begun, but stopped by the gate: there is nothing to promote.
    project.write("rootfs/etc/motd", "new");
    let stopped = project.release(&["--version", "3.0.0"]);
    assert_eq!(stopped.code, Some(1), "{}", stopped.stdout);
    let early = promote("3.0.0");
    assert_eq!(early.codes(), ["version-not-ready"]);
    assert!(early.stdout.contains("did not get as far as its tags"), "{}", early.stdout);
    assert_eq!(tags(&project).len(), 4);
}

#[test]
fn a_rollback_moves_the_whole_set_back_and_is_recorded() {
    let project = Project::new();
    project.edit(
        "loadline.toml",
        "[image.worker]\n",
        "[image.worker]\nmoving-tags = [\"latest-worker\", \"{major}-worker\"]\n",
    );
    project.commit("Move worker's tags");
    let old = release(&project, "1.0.0");
    let new = release(&project, "1.1.0");
    let before = tags(&project);
    assert_eq!(before["latest"], digest(&new, "server"));

    // A plan verifies and writes nothing.
    let plan = rollback(&project, "1.0.0", &["--plan"]);
    assert_eq!(plan.code, Some(0), "{}\n{}", plan.stdout, plan.stderr);
    let document = plan.json();
    assert_eq!(document["schema"], "loadline/rollback/v1");
    assert_eq!(document["planned"], true);
    assert_eq!(document["tags"].as_array().unwrap().len(), 3);
    assert_eq!(tags(&project), before);
    assert!(!project.sandbox().join("rollbacks").exists());

    let run = rollback(&project, "1.0.0", &[]);
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    let document = run.json();
    for tag in document["tags"].as_array().unwrap() {
        let image = tag["image"].as_str().unwrap();
        assert_eq!(tag["moved"], true);
        assert_eq!(tag["digest"].as_str().unwrap(), digest(&old, image));
        assert_eq!(tag["previous"].as_str().unwrap(), digest(&new, image));
    }
    let now = tags(&project);
    assert_eq!(now["latest"], digest(&old, "server"));
    assert_eq!((&now["latest-worker"], &now["1-worker"]), (&digest(&old, "worker"), &digest(&old, "worker")));
    assert_eq!(now["1.1.0"], digest(&new, "server"), "version tags stay");
    let kinds = |records: &[Value]| -> Vec<String> {
        records.iter().map(|record| record["record"].as_str().unwrap().to_owned()).collect()
    };
    let ledger = records(&project, "rollbacks/1.0.0");
    assert_eq!(
        kinds(&ledger),
        ["rolling-back", "intent", "done", "intent", "done", "intent", "done", "rolled-back"]
    );
    assert_eq!(ledger[0]["writes"][0]["previous"].as_str().unwrap(), digest(&new, "server"));

    // Again, it changes nothing; and the newer version's release, run again, does not undo it.
    let again = rollback(&project, "1.0.0", &[]);
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    assert!(again.json()["tags"].as_array().unwrap().iter().all(|tag| tag["moved"] == false));
    assert_eq!(records(&project, "rollbacks/1.0.0").len(), ledger.len());
    let rerun = project.release(&["--version", "1.1.0"]);
    assert_eq!(rerun.code, Some(0), "{}\n{}", rerun.stdout, rerun.stderr);
    assert_eq!(rerun.json()["effects"]["tags_moved"], 0);
    assert!(rerun.stdout.contains("moving-tag-left"), "{}", rerun.stdout);
    assert_eq!(tags(&project), now);

    // The next release goes on from there, and back it goes once more: the ledger only grows.
    let next = release(&project, "1.2.0");
    assert_eq!(tags(&project)["latest"], digest(&next, "server"));
    assert_eq!(rollback(&project, "1.0.0", &[]).code, Some(0));
    assert_eq!(tags(&project)["latest"], digest(&old, "server"));
    assert_eq!(records(&project, "rollbacks/1.0.0").len(), 2 * ledger.len());
}

#[test]
fn a_rollback_killed_after_each_record_ends_in_the_same_place() {
    let project = Project::new();
    project.edit("loadline.toml", "[image.worker]\n", "[image.worker]\nmoving-tags = [\"latest-worker\"]\n");
    project.commit("Move worker's tag");
    let old = release(&project, "1.0.0");
    let new = release(&project, "1.1.0");
    let at = |run: &Run| (digest(run, "server"), digest(run, "worker"));
    let ledger = project.sandbox().join("rollbacks");
    // rolling-back, and intent and done for each of two tags, and rolled-back.
    for record in 1..=6 {
        let killed = rollback(&project, "1.0.0", &["--kill-after-record", &record.to_string()]);
        assert_eq!(killed.code, None, "record {record}: {}\n{}", killed.stdout, killed.stderr);
        let run = rollback(&project, "1.0.0", &[]);
        assert_eq!(run.code, Some(0), "record {record}: {}\n{}", run.stdout, run.stderr);
        let now = tags(&project);
        assert_eq!((now["latest"].clone(), now["latest-worker"].clone()), at(&old), "record {record}");
        let records = records(&project, "rollbacks/1.0.0");
        assert_eq!(records.last().unwrap()["record"], "rolled-back", "record {record}");
        let begun = records.iter().filter(|one| one["record"] == "rolling-back").count();
        assert_eq!(begun, 1, "record {record}");
        // And forward again, for the next kill.
        std::fs::remove_dir_all(&ledger).unwrap();
        assert_eq!(rollback(&project, "1.1.0", &[]).code, Some(0));
        let now = tags(&project);
        assert_eq!((now["latest"].clone(), now["latest-worker"].clone()), at(&new));
        std::fs::remove_dir_all(&ledger).unwrap();
    }
}

#[test]
fn a_set_that_is_not_whole_is_not_gone_back_to() {
    let project = Project::new();
    release(&project, "1.0.0");
    let new = release(&project, "1.1.0");
    let stays = |run: &Run, code: &str| {
        assert_eq!(run.code, Some(1), "{}\n{}", run.stdout, run.stderr);
        assert!(run.codes().contains(&code.to_owned()), "{code}: {:?}", run.codes());
        assert_eq!(run.json()["tags"], serde_json::json!([]));
        assert_eq!(tags(&project)["latest"], digest(&new, "server"));
    };
    stays(&rollback(&project, "0.9.0", &[]), "version-incomplete");

    // An image that the version did not have yet: its own configuration is the way out.
    let config = project.read("loadline.toml");
    project.write(
        "new.toml",
        &config.replace(
            "[verify]",
            "[image.extra]\nbuilder = \"assemble\"\ndockerfile = \"Dockerfile.worker\"\n[verify]",
        ),
    );
    stays(&rollback(&project, "1.0.0", &["--config", "new.toml"]), "version-incomplete");

    // One of an image's version tags was moved to something else.
    at_registry(&project, async |repository| {
        let other = repository.manifest("1.1.0").await.unwrap();
        repository.tag("1.0.0", other.media_type(), other.bytes.clone()).await.unwrap();
    });
    stays(&rollback(&project, "1.0.0", &[]), "version-differs");
    // All of them were: then the image does not say that it is of this version.
    at_registry(&project, async |repository| {
        let other = repository.manifest("1.1.0").await.unwrap();
        repository.tag("1.0.0-server", other.media_type(), other.bytes.clone()).await.unwrap();
    });
    stays(&rollback(&project, "1.0.0", &[]), "version-differs");
}

#[test]
fn a_set_that_is_not_proven_any_longer_is_not_gone_back_to() {
    let project = Project::new();
    release(&project, "1.0.0");
    let new = release(&project, "1.1.0");
    // Another workflow signs now: what the old one signed counts no more.
    project.edit("loadline.toml", "release.yml", "other.yml");
    let run = rollback(&project, "1.0.0", &[]);
    assert_eq!(run.code, Some(1), "{}\n{}", run.stdout, run.stderr);
    assert!(run.codes().contains(&"signer-workflow-mismatch".to_owned()), "{:?}", run.codes());
    project.edit("loadline.toml", "other.yml", "release.yml");
    // A platform is demanded that the old set does not have.
    project.edit("loadline.toml", "\"linux/arm64\"]", "\"linux/arm64\", \"linux/arm/v7\"]");
    let run = rollback(&project, "1.0.0", &[]);
    assert_eq!(run.code, Some(1), "{}\n{}", run.stdout, run.stderr);
    assert!(run.codes().contains(&"platform-missing".to_owned()), "{:?}", run.codes());
    assert_eq!(tags(&project)["latest"], digest(&new, "server"));
}

#[test]
fn what_nothing_follows_is_wrong_usage() {
    let project = Project::new();
    release(&project, "1.0.0");
    let run = rollback(&project, "1.0.0-beta.1", &[]);
    assert_eq!((run.code, run.codes()), (Some(2), vec!["rollback-empty".to_owned()]));
    let run = rollback(&project, "v1.0.0", &[]);
    assert_eq!((run.code, run.codes()), (Some(2), vec!["version-invalid".to_owned()]));
}
