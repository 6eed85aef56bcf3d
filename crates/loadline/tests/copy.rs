//! `loadline copy`: a released image with all its evidence, by the real program, verified where it arrived.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod released;
mod support;

use loadline_sandbox::{Options, Sandbox};
use released::Released;
use support::Run;

/// A registry somewhere else.
struct Elsewhere {
    sandbox: Sandbox,
    _data: tempfile::TempDir,
}

impl Elsewhere {
    fn new(released: &Released, change: impl FnOnce(&mut Options)) -> Self {
        let data = tempfile::tempdir().unwrap();
        let mut options = Options::new(data.path());
        change(&mut options);
        let sandbox = released.runtime.block_on(Sandbox::start(options)).unwrap();
        Self { sandbox, _data: data }
    }

    fn name(&self, rest: &str) -> String {
        format!("{}/{rest}", self.sandbox.ready().registry)
    }
}

fn copy(released: &Released, args: &[&str]) -> Run {
    released.project.run(&[&["copy", "--format", "json"], args].concat())
}

#[test]
fn a_copy_is_verified_where_it_arrived() {
    let released = Released::new();
    for no_referrers in [false, true] {
        let elsewhere = Elsewhere::new(&released, |options| options.no_referrers = no_referrers);
        let to = elsewhere.name("mirror/widget");
        let run = copy(&released, &[&released.server.0, &to]);
        assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
        let document = run.json();
        assert_eq!((&document["schema"], &document["verdict"]), (&"loadline/copy/v1".into(), &"pass".into()));
        assert_eq!(document["tag"], serde_json::json!({"name": "1.0.0", "end": "written"}));
        assert!(document["missing"].as_array().unwrap().is_empty());
        let roles = |role: &str| {
            let manifests = document["manifests"].as_array().unwrap();
            manifests.iter().filter(|manifest| manifest["role"] == role).count()
        };
        assert_eq!((roles("index"), roles("image")), (1, 2));
        assert!(roles("evidence") >= 5, "provenance and summary on the index, all on the children");

        let verified = released.json(&[&format!("{to}:1.0.0")]);
        assert_eq!(verified.code, Some(0), "{}", verified.stdout);
        assert_eq!(verified.json()["images"][0]["demands"].as_array().unwrap().len(), 4);

        let again = copy(&released, &[&released.server.0, &to]).json();
        assert_eq!(again["tag"]["end"], "already-there");
        assert!(again["manifests"].as_array().unwrap().iter().all(|manifest| manifest["sent"] == false));
        assert_eq!((&again["blobs"]["sent"], &again["blobs"]["mounted"]), (&0.into(), &0.into()));
    }
}

#[test]
fn through_a_stick_to_a_site_without_a_network() {
    let released = Released::new();
    let digest = released.server.1.rsplit_once('@').unwrap().1.to_owned();
    let run = released.project.run(&["copy", &released.server.0, "oci:usb"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(run.stdout.trim(), format!("oci:usb@{digest}"));
    let elsewhere = Elsewhere::new(&released, |_| {});
    let to = elsewhere.name("inside/widget:9");
    let run = copy(&released, &["oci:usb", &to]);
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    assert_eq!(run.json()["digest"], digest.as_str());
    assert_eq!(released.json(&[&to]).code, Some(0));
}

#[test]
fn tags_that_lead_elsewhere_are_not_taken() {
    let released = Released::new();
    let elsewhere = Elsewhere::new(&released, |_| {});
    for tag in ["1.0.0", "stable"] {
        let to = elsewhere.name(&format!("widget:{tag}"));
        assert_eq!(copy(&released, &[&released.worker.0, &to]).code, Some(0));
    }
    let to = elsewhere.name("widget:1.0.0");
    for args in [&[&released.server.0, &to][..], &[&released.server.0, &to, &"--move-tag".to_owned()]] {
        let args: Vec<&str> = args.iter().map(|arg| arg.as_str()).collect();
        let run = copy(&released, &args);
        assert_eq!((run.code, run.codes()), (Some(1), vec!["copy-tag-taken".to_owned()]), "{}", run.stdout);
        assert_eq!(run.json()["tag"]["end"], "refused");
        assert_eq!(run.json()["manifests"].as_array().unwrap().len(), 0);
    }
    let to = elsewhere.name("widget:stable");
    assert_eq!(copy(&released, &[&released.server.0, &to]).code, Some(1));
    let moved = copy(&released, &[&released.server.0, &to, "--move-tag"]);
    assert_eq!((moved.code, &moved.json()["tag"]["end"]), (Some(0), &"moved".into()), "{}", moved.stdout);
}

#[test]
fn one_platform_by_itself_gets_no_tag_by_itself() {
    let released = Released::new();
    let elsewhere = Elsewhere::new(&released, |_| {});
    let to = elsewhere.name("widget");
    let run = copy(&released, &[&released.server.0, &to, "--platform", "linux/arm64"]);
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    let document = run.json();
    assert!(document.get("tag").is_none());
    assert!(document["manifests"].as_array().unwrap().iter().all(|manifest| manifest["role"] != "index"));
    let run = copy(&released, &[&released.server.0, &to, "--platform", "linux/s390x"]);
    assert_eq!((run.code, run.codes()), (Some(3), vec!["registry-not-found".to_owned()]));
}

#[test]
fn wrong_usage_is_said_before_anything_is_asked() {
    let released = Released::new();
    let run = copy(&released, &[&released.server.0, &released.server.1]);
    assert_eq!((run.code, run.codes()), (Some(2), vec!["argument-invalid".to_owned()]), "{}", run.stderr);
    assert_eq!(released.project.run(&["copy", &released.server.0]).code, Some(2));
    assert_eq!(released.project.run(&["copy", "oci:", "oci:x"]).code, Some(2));
}
