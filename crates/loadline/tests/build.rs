//! `loadline build`: what is built, what is said of it, and what is refused before anything is.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod support;

use support::{PLATFORMS, Project, images};

const BUILD: [&str; 6] = ["build", "--sandbox", "--version", "1.0.0", "--format", "json"];

fn build(project: &Project, more: &[&str]) -> support::Run {
    project.run(&[&BUILD, more].concat())
}

#[test]
fn without_a_leg_every_leg_of_every_image_is_built() {
    let project = Project::new();
    let run = build(&project, &[]);
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    let document = run.json();
    assert_eq!(document["schema"], "loadline/build/v1");
    let legs = document["legs"].as_array().unwrap();
    assert_eq!(legs.len(), 4);
    // What is built alone is what a release builds, and a release finds it at the registry.
    let released = project.release(&["--version", "1.0.0"]);
    assert_eq!(released.code, Some(0), "{}", released.stderr);
    for image in released.json()["images"].as_array().unwrap() {
        for platform in image["platforms"].as_array().unwrap() {
            let built = legs
                .iter()
                .find(|leg| leg["image"] == image["name"] && leg["platform"] == platform["platform"]);
            assert_eq!(built.unwrap()["digest"], platform["digest"]);
        }
    }
    let one = build(&project, &["worker"]);
    assert_eq!(one.json()["legs"].as_array().unwrap().len(), 2);
    assert!(one.json()["legs"][0]["reference"].as_str().unwrap().contains("/acme/widget@sha256:"));
}

#[test]
fn what_cannot_be_built_is_said_before_anything_is() {
    let project = Project::new();
    for (args, wanted) in [
        (&["--leg", "server"][..], "IMAGE:PLATFORM"),
        (&["--leg", "server:linux/s390x"], "only for linux/amd64, linux/arm64"),
        (&["--leg", "sever:linux/amd64"], "it has server, worker"),
        (&["nobody"], "it has server, worker"),
        (&["--existing", "server=ghcr.io/a/b:1"], "names no digest"),
    ] {
        let run = build(&project, args);
        assert_eq!(run.code, Some(2), "{args:?}: {}\n{}", run.stdout, run.stderr);
        assert!(run.stdout.contains(wanted), "{args:?}: {}", run.stdout);
    }
    let load = project.run(&["build", "server", "--load", "x:y", "--version", "1.0.0", "--format", "json"]);
    assert_eq!(load.code, Some(2), "{}", load.stdout);
    assert!(load.stdout.contains("built by `assemble`"), "{}", load.stdout);
    assert!(!project.path().join("target/loadline-sandbox/data/registry/repositories/acme").exists());
}

#[test]
fn a_report_lies_beside_its_record() {
    let project = Project::new();
    let leg = ["--leg", "server:linux/amd64", "--record", "target/leg.json"];
    assert_eq!(build(&project, &leg).code, Some(0));
    let elsewhere = build(&project, &[&leg[..], &["--report", "reports/server-linux-amd64.json"]].concat());
    assert_eq!(elsewhere.code, Some(2), "{}", elsewhere.stdout);
    assert!(elsewhere.stdout.contains("beside the record"), "{}", elsewhere.stdout);
    let gone = build(&project, &[&leg[..], &["--report", "target/none.json"]].concat());
    assert_eq!(gone.code, Some(3), "{}", gone.stdout);
    assert_eq!(gone.codes(), ["input-unreadable"]);
}

/// Another tool's layout, and an image that another CI pushed, in one set with what is assembled.
#[test]
fn images_of_other_builders_are_released_beside_the_others() {
    let project = Project::new();
    let built = build(&project, &["worker"]);
    assert_eq!(built.code, Some(0), "{}", built.stderr);
    // What a tool would leave: the layout that the builds of this project go through.
    let digests: Vec<String> = built.json()["legs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|leg| leg["reference"].as_str().unwrap().to_owned())
        .collect();
    let text = project.read("loadline.toml");
    let (before, worker) = text.split_once("[image.worker]").unwrap();
    let worker = worker.replace("builder = \"assemble\"", "builder = \"existing\"");
    project.write("loadline.toml", &format!("{before}[image.worker]{worker}"));
    project.commit("Take the worker from elsewhere");
    let none = project.release(&["--version", "1.0.0"]);
    assert_ne!(none.code, Some(0), "nothing is named");
    let named: Vec<String> = PLATFORMS
        .iter()
        .zip(&digests)
        .map(|(platform, reference)| format!("worker:{platform}={reference}"))
        .collect();
    let mut args = vec!["--version", "1.0.1"];
    for existing in &named {
        args.extend(["--existing", existing]);
    }
    let run = project.release(&args);
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    assert_eq!(images(&run.json()).len(), 2);
    let released = run.json()["images"].clone();
    let worker = released.as_array().unwrap().iter().find(|image| image["name"] == "worker").unwrap().clone();
    for (platform, reference) in worker["platforms"].as_array().unwrap().iter().zip(&digests) {
        assert!(reference.ends_with(platform["digest"].as_str().unwrap()));
    }
    // The wrong way round: each is for the other platform.
    let swapped: Vec<String> = PLATFORMS
        .iter()
        .zip(digests.iter().rev())
        .map(|(platform, reference)| format!("worker:{platform}={reference}"))
        .collect();
    let run = project.release(&["--version", "1.0.2", "--existing", &swapped[0], "--existing", &swapped[1]]);
    assert_eq!(run.code, Some(2), "{}", run.stdout);
    assert_eq!(run.codes(), ["existing-wrong"]);
}
