//! `loadline release --rehearse`, end to end: the whole way, with nobody's secrets.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod support;

use std::os::unix::fs::PermissionsExt;

use support::{Project, Run, images, run_of};

/// Writes down what it was given, and fails: what comes after a build is tried with the builder that is built in.
const DOCKER: &str = r#"#!/bin/sh
here=$(dirname "$0")
env >> "$here/seen"
case "$1 $2" in
'buildx version') echo 'github.com/docker/buildx v0.29.1 a1b2c3' ;;
'buildx inspect') printf 'Name: default\nDriver: docker\n\nNodes:\nName: default\nPlatforms: linux/amd64, linux/arm64\n' ;;
*)
  echo "$@" >> "$here/seen"
  for argument; do
    case "$argument" in id=*,src=*) cat "${argument##*src=}" >> "$here/seen" ;; esac
  done
  cat "$DOCKER_CONFIG/config.json" >> "$here/seen"
  exit 1 ;;
esac
"#;

const TOKEN: &str = "hunter2";

fn rehearse(project: &Project, variables: &[(&str, &str)]) -> Run {
    let mut command = project.command(&["release", "--rehearse", "--format", "json"]);
    for (name, value) in variables {
        command.env(name, value);
    }
    run_of(&command.output().unwrap())
}

#[test]
fn the_whole_way_without_secrets_and_anew_each_time() {
    let project = Project::new();
    let first = rehearse(&project, &[]);
    assert_eq!(first.code, Some(0), "{}\n{}", first.stdout, first.stderr);
    let document = first.json();
    assert_eq!(document["steps"].as_array().unwrap().last().unwrap()["name"], "promote");
    assert!(document["version"].as_str().unwrap().starts_with("0.0.0-dev."), "{document}");
    let second = rehearse(&project, &[]);
    assert_eq!(second.code, Some(0), "{}\n{}", second.stdout, second.stderr);
    assert_eq!(images(&second.json()), images(&document));
    assert_eq!(second.json()["effects"], document["effects"], "nothing is taken from an earlier one");
    assert!(!project.sandbox().exists(), "the sandbox of the checkout is another");
    let status = project.command(&["--version"]).output().unwrap();
    assert!(status.status.success());
}

#[test]
fn the_gate_of_a_rehearsal_is_the_gate() {
    let project = Project::new();
    let bad = support::vulnerability("CVE-2026-1", "CRITICAL", "1:1.3");
    project.write_report("worker", "linux/amd64", &[bad]);
    let run = rehearse(&project, &[]);
    assert_eq!((run.code, run.codes()), (Some(1), vec!["vulnerability".to_owned()]), "{}", run.stderr);
}

#[test]
fn a_builder_sees_no_secret() {
    let project = Project::new();
    project.edit(
        "loadline.toml",
        "builder = \"assemble\"\ndockerfile = \"Dockerfile.worker\"",
        "dockerfile = \"Dockerfile.worker\"\nsecrets = [{ id = \"npm\", env = \"NPM_TOKEN\" }]\n\
         cache-from = [\"type=registry,ref=registry.example.com/acme/cache\"]\n\
         cache-to = [\"type=registry,ref=registry.example.com/acme/cache\"]",
    );
    project.commit("Build with a secret");
    project.write("target/fake/docker", DOCKER);
    let fake = project.path().join("target/fake");
    std::fs::set_permissions(fake.join("docker"), std::fs::Permissions::from_mode(0o755)).unwrap();
    project.write(
        "target/home/.docker/config.json",
        &format!(r#"{{"auths":{{"registry.example.com":{{"auth":"{TOKEN}"}}}},"currentContext":"away"}}"#),
    );
    let home = project.path().join("target/home").display().to_string();
    let path = format!("{}:{}", fake.display(), std::env::var("PATH").unwrap());
    let mut variables = vec![("PATH", path.as_str()), ("HOME", home.as_str())];
    let names = [
        "NPM_TOKEN",
        "SIGSTORE_ID_TOKEN",
        "ACTIONS_ID_TOKEN_REQUEST_URL",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
        "ACTIONS_RUNTIME_TOKEN",
        "GITHUB_TOKEN",
        "DOCKER_AUTH_CONFIG",
        "AWS_SECRET_ACCESS_KEY",
    ];
    variables.extend(names.map(|name| (name, TOKEN)));
    let run = rehearse(&project, &variables);
    assert_eq!(run.code, Some(3), "{}\n{}", run.stdout, run.stderr);
    let document = run.json();
    let stood_in = document["findings"].as_array().unwrap().iter().find(|f| f["code"] == "secret-stood-in");
    assert!(stood_in.unwrap()["message"].as_str().unwrap().contains("`npm` of `worker`"), "{document}");
    let seen = project.read("target/fake/seen");
    assert!(!seen.contains(TOKEN), "{seen}");
    assert!(seen.contains("loadline-rehearsal"), "the secret's stand-in: {seen}");
    assert!(seen.contains("\"currentContext\":\"away\""), "docker's engine is still found: {seen}");
    assert!(seen.contains("--cache-from") && !seen.contains("--cache-to"), "{seen}");
    assert!(!format!("{}{}", run.stdout, run.stderr).contains(TOKEN));
}

#[test]
fn a_rehearsal_is_no_sandbox_and_takes_no_trust() {
    let project = Project::new();
    for other in [&["--sandbox"][..], &["--trusted-root", "x.json"]] {
        let run = project.run(&[&["release", "--rehearse"], other].concat());
        assert_eq!(run.code, Some(2), "{}", run.stderr);
    }
}
