//! `loadline verify`: what a release left at a registry, verified by the real program.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod released;
mod support;

use loadline_core::Secret;
use loadline_sandbox::registry::Faults;
use released::Released;
use support::{PLATFORMS, Project, Run};

#[test]
fn what_was_released_is_verified_and_pinned() {
    let released = Released::new();
    let (tag, pinned) = &released.server;
    let run = released.json(&[tag, &released.worker.0]);
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    let document = run.json();
    assert_eq!(
        (&document["schema"], &document["verdict"]),
        (&"loadline/verification/v1".into(), &"pass".into())
    );
    assert_eq!(document["images"].as_array().unwrap().len(), 2);
    let image = &document["images"][0];
    assert_eq!((&image["reference"], &image["pinned"]), (&tag.as_str().into(), &pinned.as_str().into()));
    let demands = image["demands"].as_array().unwrap();
    assert_eq!(demands.len(), 4);
    for demand in demands {
        assert_eq!(demand["verdict"], "pass");
        assert!(PLATFORMS.contains(&demand["platform"].as_str().unwrap()));
        let proven = &demand["proven"][0];
        let signer = proven["signer"].as_str().unwrap();
        assert!(
            signer.starts_with("https://github.com/acme/widget/.github/workflows/release.yml@"),
            "{signer}"
        );
        assert_eq!(proven["set_only"], false);
    }

    let quiet = released.verify(&["--quiet", tag, &released.worker.0]);
    assert_eq!(quiet.code, Some(0));
    assert_eq!(quiet.stdout.lines().collect::<Vec<_>>(), [pinned.as_str(), &released.worker.1]);
    let human = released.verify(&[pinned]);
    assert_eq!((human.code, human.stdout.trim()), (Some(0), pinned.as_str()));
    assert!(
        human.stderr.contains("linux/arm64") && human.stderr.contains("pass cyclonedx"),
        "{}",
        human.stderr
    );
}

#[test]
fn who_signed_is_the_whole_question() {
    let released = Released::new();
    let tag = &released.server.0;
    let codes = |run: &Run| {
        assert_eq!(run.code, Some(1), "{}\n{}", run.stdout, run.stderr);
        let mut codes = run.codes();
        codes.sort();
        codes.dedup();
        codes
    };

    // Without --issuer it is GitHub's that must vouch.
    let root = released.sandbox.ready().trusted_root.display().to_string();
    let run = released.project.run(&["verify", "--trusted-root", &root, "--format", "json", tag]);
    assert_eq!(codes(&run), ["evidence-missing", "issuer-mismatch"]);
    // Without --trusted-root nobody believes the sandbox.
    let issuer = &released.sandbox.ready().issuer;
    let run = released.project.run(&["verify", "--issuer", issuer, "--format", "json", tag]);
    assert_eq!(codes(&run), ["evidence-missing", "instance-unknown"]);

    assert_eq!(codes(&released.json(&["--platform", "linux/s390x", tag])), ["platform-missing"]);

    released.project.edit("loadline.toml", "release.yml\"", "other.yml\"");
    assert_eq!(codes(&released.json(&[tag])), ["evidence-missing", "signer-workflow-mismatch"]);
    released.project.edit("loadline.toml", "other.yml\"", "release.yml\"\npredicates = [\"openvex\"]");
    assert_eq!(codes(&released.json(&[tag])), ["evidence-missing"]);
    released.project.edit("loadline.toml", "acme/widget\"\nrepository", "mallory/widget\"\nrepository");
    released.project.edit("loadline.toml", "openvex", "cyclonedx");
    assert_eq!(
        codes(&released.json(&[tag])),
        ["evidence-missing", "signer-workflow-mismatch", "source-repository-mismatch"]
    );
}

#[test]
fn a_registry_that_does_not_say_is_never_a_pass() {
    let released = Released::with(|options| {
        options.faults = Faults::parse(["GET referrers:403"], 0).unwrap();
    });
    let run = released.json(&[&released.server.0]);
    assert_eq!(run.code, Some(3), "{}", run.stdout);
    assert!(run.codes().iter().all(|code| code == "evidence-source-failed"), "{:?}", run.codes());
    assert_eq!(released.verify(&["--quiet", &released.server.0]).stdout, "");

    let none = format!("{}/acme/widget:9.9.9", released.sandbox.ready().registry);
    let run = released.json(&[&none]);
    assert_eq!((run.code, run.codes()), (Some(3), vec!["image-unreadable".to_owned()]));

    let Released { project, sandbox, runtime, server, .. } = released;
    let root = sandbox.ready().trusted_root.display().to_string();
    runtime.block_on(sandbox.stop());
    let run = project.run(&["verify", "--trusted-root", &root, "--format", "json", &server.0]);
    assert_eq!(run.code, Some(3), "{}", run.stdout);
}

#[test]
fn a_registry_that_wants_a_password_is_unknown_without_one() {
    let released = Released::with(|options| {
        options.auth = Some(("user".to_owned(), Secret::new("password")));
    });
    let run = released.json(&[&released.server.0]);
    assert_eq!(run.code, Some(3), "{}", run.stdout);
    let docker =
        serde_json::json!({"auths": {&released.sandbox.ready().registry: {"auth": "dXNlcjpwYXNzd29yZA=="}}});
    released.project.write(".docker/config.json", &docker.to_string());
    let run = released.json(&[&released.server.0]);
    assert_eq!(run.code, Some(0), "{}", run.stdout);
}

#[test]
fn a_policy_without_a_signer_is_wrong_usage() {
    let project = Project::new();
    project.edit("loadline.toml", "signer-workflow = \".github/workflows/release.yml\"", "");
    let run = project.run(&["verify", "127.0.0.1:1/acme/widget:1"]);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("signer-workflow"), "{}", run.stderr);
    assert_eq!(project.run(&["verify"]).code, Some(2));
    assert_eq!(project.run(&["verify", "Not A Reference"]).code, Some(2));
}
