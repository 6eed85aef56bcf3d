//! `loadline status`, end to end: what is at the registry, and whether it is what would be built now.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod support;

use serde_json::Value;
use support::{Project, Run, images};

fn status(project: &Project, more: &[&str]) -> Run {
    project.run(&[&["status", "--sandbox", "--format", "json"], more].concat())
}

fn of<'d>(document: &'d Value, image: &str) -> &'d Value {
    document["images"].as_array().unwrap().iter().find(|one| one["name"] == image).unwrap()
}

fn reasons(document: &Value, image: &str) -> String {
    of(document, image)["reasons"].to_string()
}

fn released(config: impl FnOnce(&Project)) -> Project {
    let project = Project::new();
    config(&project);
    project.commit("Configure");
    let run = project.release(&["--version", "1.0.0"]);
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    project
}

#[test]
fn an_image_is_current_until_the_next_commit() {
    let project = released(|project| project.write("README", "one"));
    let run = status(&project, &[]);
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    let document = run.json();
    assert_eq!(document["schema"], "loadline/status/v1");
    // The server by its moving tag, the worker, which has none, by its newest version's.
    let (server, worker) = (of(&document, "server"), of(&document, "worker"));
    assert_eq!((&server["tag"], &worker["tag"]), (&"latest".into(), &"1.0.0-worker".into()));
    for image in [server, worker] {
        assert_eq!((&image["state"], &image["version"]), (&"current".into(), &"1.0.0".into()));
        assert_eq!(image["evidence"], "present");
    }
    // What is not committed is not in the image; what is committed is of another commit.
    project.write("README", "two");
    let run = status(&project, &[]);
    assert_eq!(run.code, Some(1), "{}\n{}", run.stdout, run.stderr);
    assert!(reasons(&run.json(), "server").contains("not committed"), "{}", run.stdout);
    project.commit("Two");
    let run = status(&project, &["server"]);
    assert_eq!((run.code, run.codes()), (Some(1), vec!["image-stale".to_owned()]));
    let document = run.json();
    assert_eq!(document["images"].as_array().unwrap().len(), 1);
    assert!(reasons(&document, "server").contains(&project.head()[..12]), "{document}");
}

#[test]
fn listed_inputs_count_instead_of_the_commit() {
    let inputs = |project: &Project| {
        project.edit(
            "loadline.toml",
            "[image.server]\n",
            "[image.server]\ninputs = [\"rootfs\", \"bin/**\"]\n",
        );
    };
    let project = released(inputs);
    project.write("README", "more");
    project.commit("Say more");
    let run = status(&project, &["server"]);
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    let document = status(&project, &[]).json();
    assert_eq!(
        (&of(&document, "server")["state"], &of(&document, "worker")["state"]),
        (&"current".into(), &"stale".into())
    );
    for (file, text) in [("rootfs/etc/motd", "new"), ("Dockerfile.server", "FROM scratch\n")] {
        let before = project.path().join(file).exists().then(|| project.read(file));
        project.write(file, text);
        let run = status(&project, &["server"]);
        assert_eq!(run.code, Some(1), "{file}: {}", run.stdout);
        assert!(reasons(&run.json(), "server").contains("its inputs changed"), "{}", run.stdout);
        match before {
            Some(text) => project.write(file, &text),
            None => std::fs::remove_file(project.path().join(file)).unwrap(),
        }
    }
    assert_eq!(status(&project, &["server"]).code, Some(0));
    project.edit("loadline.toml", "fail-on = \"high\"", "fail-on = \"low\"");
    let run = status(&project, &["server"]);
    assert!(reasons(&run.json(), "server").contains("the configuration changed"), "{}", run.stdout);
    project.edit("loadline.toml", "\"bin/**\"", "\"bin/**\", \"no/such\"");
    let run = status(&project, &["server"]);
    assert_eq!(run.code, Some(3), "{}", run.stdout);
    assert_eq!(run.codes(), ["key-unknown"]);
    assert_eq!(of(&run.json(), "server")["state"], "unknown");
}

#[test]
fn what_was_never_released_is_absent() {
    let project = Project::new();
    let run = status(&project, &[]);
    assert_eq!(run.code, Some(1), "{}\n{}", run.stdout, run.stderr);
    let document = run.json();
    for image in ["server", "worker"] {
        assert_eq!(of(&document, image)["state"], "absent", "{document}");
        assert_eq!(of(&document, image).get("digest"), None);
    }
}

#[test]
fn a_version_that_is_named_is_looked_at() {
    let project = released(|project| project.write("README", "one"));
    let first = project.head();
    project.write("rootfs/etc/motd", "new");
    project.write_reports(&[]);
    project.commit("New");
    let run = project.release(&["--version", "1.1.0"]);
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    let document = status(&project, &[]).json();
    assert_eq!(of(&document, "worker")["tag"], "1.1.0-worker", "the newest");
    assert_eq!(of(&document, "server")["digest"].as_str().unwrap(), images(&run.json())["server"].0);
    let old = status(&project, &["--version", "1.0.0"]);
    assert_eq!(old.code, Some(1), "{}", old.stdout);
    assert!(reasons(&old.json(), "worker").contains(&first[..12]), "{}", old.stdout);
}

#[test]
fn a_registry_that_cannot_be_asked_is_unknown() {
    let project = Project::new();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    project.edit("loadline.toml", "registry.example.com", &format!("127.0.0.1:{port}"));
    let run = project.run(&["status", "--format", "json"]);
    assert_eq!(run.code, Some(3), "{}\n{}", run.stdout, run.stderr);
    assert_eq!(of(&run.json(), "server")["state"], "unknown");
    let human = project.run(&["status", "nothing"]);
    assert_eq!(human.code, Some(2), "{}", human.stderr);
}

#[test]
fn people_read_one_line_an_image() {
    let project = released(|project| project.write("README", "one"));
    project.write("README", "two");
    project.commit("Two");
    let run = project.run(&["status", "--sandbox"]);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    let lines: Vec<_> = run.stdout.lines().collect();
    assert!(lines[0].starts_with("stale    server  127.0.0.1:"), "{}", run.stdout);
    assert!(lines[0].ends_with("version 1.0.0  with evidence"), "{}", run.stdout);
    assert!(lines[1].trim_start().starts_with("it is of commit "), "{}", run.stdout);
}

#[test]
fn only_what_is_stale_is_built() {
    let project = released(|project| {
        project.edit(
            "loadline.toml",
            "[image.server]\n",
            "[image.server]\ninputs = [\"rootfs\", \"bin/**\"]\n",
        );
    });
    let build = || {
        let run =
            project.run(&["build", "--if-stale", "--sandbox", "--version", "1.0.0", "--format", "json"]);
        assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
        let document = run.json();
        let names = |member: &str, key: &str| -> Vec<String> {
            let list = document[member].as_array().cloned().unwrap_or_default();
            list.iter().map(|one| one[key].as_str().unwrap().to_owned()).collect()
        };
        (names("legs", "image"), names("current", "name"))
    };
    assert_eq!(build(), (vec![], vec!["server".to_owned(), "worker".to_owned()]));
    // The worker lists no inputs: every commit is another worker.
    project.write("README", "more");
    project.commit("Say more");
    assert_eq!(build(), (vec!["worker".to_owned(); 2], vec!["server".to_owned()]));
    project.write("rootfs/etc/motd", "new");
    assert_eq!(build().1, [""; 0]);
    // What cannot be told is not current, and nothing is built on a guess.
    project.edit("loadline.toml", "\"bin/**\"", "\"bin/**\", \"no/such\"");
    let run = project.run(&["build", "--if-stale", "--sandbox", "--version", "1.0.0", "--format", "json"]);
    assert_eq!((run.code, run.codes()), (Some(3), vec!["key-unknown".to_owned()]), "{}", run.stdout);
}
