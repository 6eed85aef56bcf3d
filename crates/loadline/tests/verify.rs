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
    let run = released.project.run(&["verify", "--issuer", issuer, "--no-github", "--format", "json", tag]);
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

#[test]
fn what_is_demanded_comes_from_a_file_from_arguments_or_from_the_configuration() {
    let released = Released::new();
    let issuer = &released.sandbox.ready().issuer;
    let root = released.sandbox.ready().trusted_root.display().to_string();
    let (tag, project) = (&released.server.0, &released.project);
    // The roots of a policy file count from its folder; those of arguments from here.
    let policy = format!(
        "schema = \"loadline/policy/v1\"\n[[identity]]\nsigner-workflow = \".github/workflows/release.yml\"\n\
         issuer = \"{issuer}\"\n[source]\nrepository = \"github.com/acme/widget\"\n[evidence]\n\
         predicates = [\"cyclonedx\"]\nlog-online = true\n[trust]\nroots = [\"root.json\"]\n"
    );
    project.write("policies/widget.toml", &policy);
    std::fs::copy(&root, project.path().join("policies/root.json")).unwrap();
    let run = project.run(&["verify", "--policy", "policies/widget.toml", "--format", "json", tag]);
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    assert_eq!(run.json()["images"][0]["demands"].as_array().unwrap().len(), 2, "an SBOM a platform");
    let run = project.run(&[
        "verify",
        "--policy",
        "policies/widget.toml",
        "--ref",
        "refs/tags/v9",
        "--format",
        "json",
        tag,
    ]);
    assert_eq!(
        (run.code, run.codes().contains(&"ref-mismatch".to_owned())),
        (Some(1), true),
        "{}",
        run.stdout
    );

    // Arguments alone: any workflow of the repository, any good signature.
    let args = ["verify", "--trusted-root", &root, "--issuer", issuer, "--format", "json"];
    let alone = |more: &[&str]| project.run(&[&args[..], more, &[tag]].concat());
    project.edit("loadline.toml", "signer-workflow", "broken");
    assert_eq!(alone(&["--repo", "github.com/acme/widget"]).code, Some(0));
    assert_eq!(alone(&["--repo", "github.com/acme/gadget"]).code, Some(1));
    let subject = "https://github\\.com/acme/widget/.*";
    assert_eq!(alone(&["--certificate-identity-regexp", subject, "--log-online"]).code, Some(0));
    // The configuration is not read where a signer is named; where none is, it is, and is wrong here.
    assert_eq!(alone(&[]).code, Some(2));

    for (text, says) in [
        ("schema = \"loadline/policy/v1\"", "who signs"),
        ("schema = \"loadline/policy/v1\"\nidentiti = 1", "identiti"),
        ("schema = \"loadline/policy/v7\"", "loadline/policy/v7"),
        ("schema = ", "line 1"),
    ] {
        project.write("bad.toml", text);
        let run = project.run(&["verify", "--policy", "bad.toml", tag]);
        assert_eq!(run.code, Some(2), "{text}: {}", run.stderr);
        assert!(run.stderr.contains("policy-invalid") && run.stderr.contains(says), "{text}: {}", run.stderr);
    }
    let conflict = project.run(&["verify", "--policy", "bad.toml", "--config", "loadline.toml", tag]);
    assert_eq!(conflict.code, Some(2));
}

#[test]
fn the_verdict_says_its_reasons_in_every_format() {
    let released = Released::new();
    let (project, tag) = (&released.project, &released.server.0);
    project.edit(
        "loadline.toml",
        "release.yml\"",
        "release.yml\"\npredicates = [\"cyclonedx\", \"openvex\"]",
    );
    let human = released.verify(&[tag]);
    assert_eq!((human.code, human.stdout.as_str()), (Some(1), ""));
    let lines: Vec<&str> = human.stderr.lines().collect();
    let at = lines.iter().position(|line| line.contains("FAIL openvex")).expect(&human.stderr);
    assert!(lines[at + 1].contains("evidence-missing: found no openvex"), "{}", human.stderr);
    assert!(lines.iter().any(|line| line.contains("pass cyclonedx by https://github.com/acme/widget/")));
    let markdown = released.verify(&["--format", "markdown", tag]);
    assert!(
        markdown.stdout.contains("| **fail** |") && markdown.stdout.contains("| pass |"),
        "{}",
        markdown.stdout
    );
    let sarif = released.verify(&["--format", "sarif", tag]).json();
    assert_eq!(sarif["runs"][0]["results"][0]["ruleId"], "evidence-missing");
    let document = released.json(&[tag]).json();
    let demands = document["images"][0]["demands"].as_array().unwrap();
    let failed: Vec<_> = demands.iter().filter(|demand| demand["verdict"] == "fail").collect();
    assert_eq!((demands.len(), failed.len()), (4, 2));
    assert!(failed.iter().all(|demand| demand["findings"][0]["code"] == "evidence-missing"), "{failed:?}");
}

#[test]
fn base_images_are_demanded_of_a_release_and_of_what_is_pulled() {
    let base = Released::new();
    let project = Project::new();
    for dockerfile in ["Dockerfile.server", "Dockerfile.worker"] {
        project.edit(dockerfile, "FROM scratch AS base", &format!("FROM {} AS base", base.server.0));
    }
    project.write_reports(&[]);
    let name = base.server.0.replacen(":1.0.0", "@1.0.0", 1);
    let config = project.read("loadline.toml");
    let demand = |images: &str| {
        project.write("loadline.toml", &format!("{config}\n[verify.build]\nbase-images = [{images}]\n"));
    };
    for images in ["\"pkg:docker/debian@13\"", ""] {
        demand(images);
        let run = project.release(&["--version", "1.0.0"]);
        assert_eq!(run.code, Some(1), "{}\n{}", run.stdout, run.stderr);
        assert!(run.codes().contains(&"base-image-not-allowed".to_owned()), "{:?}", run.codes());
        assert_eq!(run.json()["effects"]["tags_moved"], 0);
        std::fs::remove_dir_all(project.sandbox().join("releases")).unwrap();
    }
    demand(&format!("\"pkg:docker/{name}\""));
    let run = project.release(&["--version", "1.0.0"]);
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
}

#[test]
fn the_configuration_demands_of_what_is_pulled_what_it_says() {
    let released = Released::new();
    let tag = &released.server.0;
    let config = released.project.read("loadline.toml");
    for (more, code) in [
        ("ref = \"refs/heads/main\"", None),
        ("ref = \"refs/tags/v1.0.0\"", Some("ref-mismatch")),
        ("repository-id = 1", None),
        ("repository-id = 2", Some("repository-id-mismatch")),
        ("timestamp-authorities = [\"https://tsa.example\"]", Some("timestamp-authority-mismatch")),
        ("max-age = \"1w\"", None),
        ("max-age = \"0m\"", Some("too-old")),
        ("[verify.build]\ntypes = [\"https://example.com/type\"]", Some("build-type-mismatch")),
        ("[verify.build]\nbuilders = [\"https://example.com/builder\"]", Some("builder-mismatch")),
        ("[verify.build]\nself-hosted = false\nbase-images = []", None),
    ] {
        released.project.write("loadline.toml", &format!("{config}\n{more}\n"));
        let run = released.json(&[tag]);
        match code {
            None => assert_eq!(run.code, Some(0), "{more}: {}\n{}", run.stdout, run.stderr),
            Some(code) => {
                assert_eq!(run.code, Some(1), "{more}: {}", run.stdout);
                assert!(run.codes().contains(&code.to_owned()), "{more}: {:?}", run.codes());
            }
        }
    }
    released.project.write("loadline.toml", &format!("{config}\n[verify.build]\nbase-image = []\n"));
    let run = released.json(&[tag]);
    assert_eq!((run.code, run.codes()), (Some(2), vec!["config-unknown-key".to_owned()]), "{}", run.stdout);
    assert!(run.stdout.contains("did you mean `base-images`?"), "{}", run.stdout);
    released.project.write("loadline.toml", &format!("{config}\nref = {{ pattern = \"(\" }}\n"));
    let run = released.json(&[tag]);
    assert_eq!((run.code, run.codes()), (Some(2), vec!["policy-invalid".to_owned()]), "{}", run.stdout);
}
