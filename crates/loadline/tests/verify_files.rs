//! `loadline verify -f`: the images that files name, judged where they stand and pinned in place.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

mod released;
mod support;

use released::Released;
use serde_json::Value;
use support::Run;

fn compose(released: &Released, more: &str) -> String {
    format!(
        "# what runs here\nservices:\n  server:\n    image: {}  # the one\n  worker:\n    image: '{}'\n{more}",
        released.server.0, released.worker.0
    )
}

/// Code, file and line of every error.
fn errors(run: &Run) -> Vec<(String, String, u64)> {
    let document = run.json();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut all: Vec<_> = document["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["severity"] == "error")
        .map(|finding| {
            (text(&finding["code"]), text(&finding["file"]), finding["line"].as_u64().unwrap_or(0))
        })
        .collect();
    all.sort();
    all
}

fn said(code: &str, file: &str, line: u64) -> (String, String, u64) {
    (code.to_owned(), file.to_owned(), line)
}

#[test]
fn what_a_file_names_is_verified_and_pinned_in_place() {
    let released = Released::new();
    let text = compose(&released, "  own: {build: ., image: acme/own}\n");
    released.project.write("compose.yaml", &text);
    let run = released.json(&["-f", "compose.yaml"]);
    assert_eq!(run.code, Some(1), "{}\n{}", run.stdout, run.stderr);
    assert_eq!(
        errors(&run),
        [
            said("manifest-image-unpinned", "compose.yaml", 4),
            said("manifest-image-unpinned", "compose.yaml", 6)
        ]
    );
    assert_eq!(run.json()["images"].as_array().unwrap().len(), 2);
    assert_eq!(released.project.read("compose.yaml"), text, "nothing is written without --pin");

    let run = released.json(&["-f", "compose.yaml", "--pin"]);
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    assert!(run.stderr.contains("pinned 2 in compose.yaml"), "{}", run.stderr);
    let digest = |pinned: &str| pinned.split_once('@').unwrap().1.to_owned();
    let wanted = text
        .replace("  # the one", &format!("@{}  # the one", digest(&released.server.1)))
        .replace("-worker'", &format!("-worker@{}'", digest(&released.worker.1)));
    assert_eq!(released.project.read("compose.yaml"), wanted);

    let run = released.json(&["-f", "compose.yaml"]);
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    let run = released.json(&["-f", "compose.yaml", "--pin"]);
    assert_eq!((run.code, released.project.read("compose.yaml")), (Some(0), wanted));
}

#[test]
fn what_is_not_proven_is_not_pinned_and_is_told_at_its_line() {
    let released = Released::new();
    let tag = &released.server.0;
    released.project.write(
        "k8s/app.yaml",
        &format!(
            "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n  - image: {tag}\n  - image: $(IMAGE)\n  - image: Bad\n"
        ),
    );
    released.project.write("k8s/Dockerfile", &format!("FROM {tag} AS a\nFROM scratch\n"));
    released.project.write("k8s/settings.yaml", "image: not/looked:at\n");
    released.project.edit("loadline.toml", "release.yml\"", "other.yml\"");
    let before = released.project.read("k8s/app.yaml");
    let run = released.json(&["-f", "k8s", "--pin"]);
    assert_eq!(run.code, Some(1), "{}\n{}", run.stdout, run.stderr);
    let files: Vec<_> = errors(&run).into_iter().filter(|(code, ..)| code.starts_with("manifest-")).collect();
    assert_eq!(
        files,
        [
            said("manifest-image-invalid", "k8s/app.yaml", 7),
            said("manifest-image-unproven", "k8s/Dockerfile", 1),
            said("manifest-image-unproven", "k8s/app.yaml", 5),
            said("manifest-image-unresolved", "k8s/app.yaml", 6),
        ]
    );
    assert!(run.codes().contains(&"signer-workflow-mismatch".to_owned()));
    assert_eq!(released.project.read("k8s/app.yaml"), before);
}

#[test]
fn what_cannot_be_read_or_asked_is_never_a_pass() {
    let released = Released::new();
    let pinned = &released.server.1;
    released.project.write("good.yaml", &format!("services: {{a: {{image: '{pinned}'}}}}\n"));
    assert_eq!(released.json(&["-f", "good.yaml"]).code, Some(0));
    for (name, text, code) in [
        ("template.yaml", "services:\n  {{- range }}\n", "manifest-unreadable"),
        ("other.yaml", "a: b\n", "manifest-unknown"),
    ] {
        released.project.write(name, text);
        let run = released.json(&["-f", "good.yaml", "-f", name]);
        assert_eq!((run.code, run.codes()), (Some(3), vec![code.to_owned()]), "{}", run.stderr);
    }
    let run = released.json(&["-f", "missing.yaml"]);
    assert_eq!((run.code, run.codes()), (Some(3), vec!["manifest-unreadable".to_owned()]));
    released.project.write("empty/readme.txt", "");
    let run = released.json(&["-f", "empty"]);
    assert_eq!((run.code, run.codes()), (Some(3), vec!["manifest-unknown".to_owned()]));

    let none = format!("{}@sha256:{}", pinned.split_once('@').unwrap().0, "0".repeat(64));
    released.project.write("none.yaml", &format!("services: {{a: {{image: '{none}'}}}}\n"));
    let run = released.json(&["-f", "none.yaml", "--pin"]);
    assert_eq!((run.code, run.codes()), (Some(3), vec!["image-unreadable".to_owned()]));
    assert_eq!(released.verify(&["--pin", pinned]).code, Some(2), "there is no file to pin");
}

#[test]
fn findings_in_files_reach_code_scanning() {
    let released = Released::new();
    released.project.write("compose.yaml", &compose(&released, ""));
    let run = released.verify(&["-f", "compose.yaml", "--format", "sarif"]);
    assert_eq!(run.code, Some(1));
    let sarif = run.json();
    let place = &sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"];
    assert_eq!(place["artifactLocation"]["uri"], "compose.yaml", "{sarif:#}");
    assert_eq!(place["region"]["startLine"], 4);
}

/// Runs the program with a text on standard input.
fn piped(released: &Released, args: &[&str], input: &str) -> Run {
    let root = released.sandbox.ready().trusted_root.display().to_string();
    let issuer = released.sandbox.ready().issuer.clone();
    let all = [&["verify", "--trusted-root", &root, "--issuer", &issuer], args].concat();
    let output = released.project.command(&all).write_stdin(input).output().unwrap();
    support::run_of(&output)
}

#[test]
fn what_a_program_renders_is_verified_and_pinned_on_its_way() {
    let released = Released::new();
    let pod = |image: &str| {
        format!(
            "# Source: chart/templates/pod.yaml\napiVersion: v1\nkind: Pod\nspec:\n  containers: [{{image: \"{image}\"}}]\n"
        )
    };
    let run = piped(&released, &["-f", "-", "--format", "json"], &pod(&released.server.0));
    assert_eq!((run.code, errors(&run)), (Some(1), vec![said("manifest-image-unpinned", "-", 5)]));

    let run = piped(&released, &["-f", "-", "--pin"], &pod(&released.server.0));
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let pinned = released.server.1.split_once('@').unwrap().1;
    assert_eq!(run.stdout, pod(&format!("{}@{pinned}", released.server.0)), "the manifest, and nothing else");

    // What is not proven never reaches the cluster.
    released.project.edit("loadline.toml", "release.yml\"", "other.yml\"");
    let run = piped(&released, &["-f", "-", "--pin"], &pod(&released.server.0));
    assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""));
    let run = piped(&released, &["-f", "-", "--pin", "--format", "json"], "");
    assert_eq!(run.code, Some(2), "a document and the manifest cannot both go there");
    let run = piped(&released, &["-f", "-", "--format", "json"], "");
    assert_eq!((run.code, run.codes()), (Some(3), vec!["manifest-unknown".to_owned()]));
}

#[test]
fn values_actions_mounts_and_marked_lines_are_files_too() {
    let released = Released::new();
    let (server, tag) = released.server.0.rsplit_once(':').unwrap();
    let image = &released.server.0;
    let project = &released.project;
    project
        .write("deploy/values.yaml", &format!("image:\n  repository: {server}\n  tag: \"{tag}\" # kept\n"));
    project.write(
        "deploy/ci.yml",
        &format!("on: push\njobs:\n  a:\n    container: {image}\n    steps:\n    - uses: docker://{image}\n"),
    );
    project.write("deploy/Dockerfile", &format!("FROM scratch\nRUN --mount=from={image},target=/x true\n"));
    project.write("deploy/run.sh", &format!("#!/bin/sh\ndocker run --rm {image} # loadline: image\n"));
    project.write("deploy/other.sh", "docker run acme/not:marked\n");
    project.write(
        "deploy/kustomization.yaml",
        &format!("images:\n- name: x\n  newName: {server}\n  newTag: {tag}\n"),
    );
    let names = ["Dockerfile", "ci.yml", "kustomization.yaml", "run.sh", "values.yaml"];
    let run = released.json(&["-f", "deploy"]);
    let mut files: Vec<_> = errors(&run).into_iter().map(|(_, file, line)| (file, line)).collect();
    files.sort();
    let wanted = [
        ("Dockerfile", 2),
        ("ci.yml", 4),
        ("ci.yml", 6),
        ("kustomization.yaml", 4),
        ("run.sh", 2),
        ("values.yaml", 3),
    ];
    assert_eq!(files, wanted.map(|(name, line)| (format!("deploy/{name}"), line)));

    let run = released.json(&["-f", "deploy", "--pin"]);
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    let digest = released.server.1.split_once('@').unwrap().1;
    for name in names {
        assert!(project.read(&format!("deploy/{name}")).contains(digest), "{name}");
    }
    assert_eq!(
        project.read("deploy/values.yaml"),
        format!("image:\n  repository: {server}\n  tag: \"{tag}@{digest}\" # kept\n")
    );
    assert_eq!(released.json(&["-f", "deploy"]).code, Some(0));
}

#[test]
fn images_of_others_are_held_to_what_the_configuration_says_of_them() {
    let released = Released::new();
    let (tag, pinned) = released.unsigned("library/redis");
    let registry = released.sandbox.ready().registry.clone();
    let text = format!("services:\n  cache: {{image: {tag}}}\n  own: {{image: '{}'}}\n", released.server.1);
    released.project.write("compose.yaml", &text);
    let run = released.json(&["-f", "compose.yaml"]);
    assert!(errors(&run).contains(&said("manifest-image-unproven", "compose.yaml", 2)), "{}", run.stdout);

    let config = released.project.read("loadline.toml");
    let with = |more: &str| released.project.write("loadline.toml", &format!("{config}\n{more}"));
    let table = format!("[[third-party]]\nimages = [\"{registry}/library/*\"]\n");
    with(&format!("{table}only-pinned = \"they publish no evidence\"\n"));
    let run = released.json(&["-f", "compose.yaml"]);
    assert_eq!((run.code, errors(&run)), (Some(1), vec![said("manifest-image-unpinned", "compose.yaml", 2)]));
    let run = released.json(&["-f", "compose.yaml", "--pin"]);
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    assert!(run.stdout.contains("they publish no evidence"), "nobody takes it for proven: {}", run.stdout);
    let digest = pinned.split_once('@').unwrap().1;
    assert!(released.project.read("compose.yaml").contains(&format!("{tag}@{digest}")));
    assert_eq!(released.json(&["-f", "compose.yaml"]).code, Some(0));
    // Asked about by hand, it is asked about in full.
    assert_eq!(released.json(&[&pinned]).code, Some(1));

    // Others who sign, under their own name: here the one that signed, and one that did not.
    released.project.edit(
        "loadline.toml",
        "signer-workflow = \".github/workflows/release.yml\"",
        "signer-workflow = \".github/workflows/nobody.yml\"",
    );
    let config = released.project.read("loadline.toml").split("[[third-party]]").next().unwrap().to_owned();
    released.project.write("one.yaml", &format!("services: {{own: {{image: '{}'}}}}\n", released.server.1));
    for (workflow, code) in [("release.yml", 0), ("other.yml", 1)] {
        let issuer = &released.sandbox.ready().issuer;
        let table = format!(
            "[[third-party]]\nimages = [\"{registry}/acme/*\"]\nsource = \"github.com/acme/widget\"\n[third-party.verify]\nsigner-workflow = \".github/workflows/{workflow}\"\nissuer = \"{issuer}\"\n"
        );
        released.project.write("loadline.toml", &format!("{config}\n{table}"));
        let run = released.json(&["-f", "one.yaml"]);
        assert_eq!(run.code, Some(code), "{workflow}: {}\n{}", run.stdout, run.stderr);
    }
}
