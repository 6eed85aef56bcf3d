//! Legs that are built one by one, with records that travel as files, then joined and released: `build --leg`,
//! `merge --legs`, `release --legs`; and what becomes of a record that is not true.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod support;

use serde_json::{Value, json};
use support::{PLATFORMS, Project, Run, images, vulnerability};

const IMAGES: [&str; 2] = ["server", "worker"];

struct Legs(Project);

impl Legs {
    /// A project whose four legs were built, each with a record below `target/legs`.
    fn built() -> Self {
        Self::of(Project::new())
    }

    fn of(project: Project) -> Self {
        let legs = Self(project);
        for image in IMAGES {
            for platform in PLATFORMS {
                let run = legs.build(image, platform, &[]);
                assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
            }
        }
        legs
    }

    fn build(&self, image: &str, platform: &str, more: &[&str]) -> Run {
        let leg = format!("{image}:{platform}");
        let record = file(image, platform);
        std::fs::create_dir_all(self.0.path().join("target/legs")).unwrap();
        let common = [
            "build",
            "--sandbox",
            "--version",
            "1.0.0",
            "--format",
            "json",
            "--leg",
            &leg,
            "--record",
            &record,
        ];
        self.0.run(&[&common, more].concat())
    }

    fn merge(&self, more: &[&str]) -> Run {
        let common =
            ["merge", "--sandbox", "--version", "1.0.0", "--format", "json", "--legs", "target/legs"];
        self.0.run(&[&common, more].concat())
    }

    fn release(&self) -> Run {
        self.0.release(&["--version", "1.0.0", "--legs", "target/legs"])
    }

    fn record(&self, image: &str, platform: &str) -> Value {
        serde_json::from_str(&self.0.read(&file(image, platform))).unwrap()
    }

    /// Changes one record on its way.
    fn tamper(&self, change: impl FnOnce(&mut Value)) {
        let mut record = self.record("worker", "linux/arm64");
        change(&mut record);
        self.0.write(&file("worker", "linux/arm64"), &record.to_string());
    }

    /// Both verbs refuse, with this code, and nothing has a tag.
    #[track_caller]
    fn refused(&self, code: &str) {
        let release = self.release();
        assert_eq!(release.code, Some(1), "{}\n{}", release.stdout, release.stderr);
        assert!(release.codes().iter().all(|found| found == code), "{:?}", release.codes());
        assert!(!release.codes().is_empty());
        assert_eq!(
            release.json()["effects"],
            json!({"blobs_pushed": 0, "manifests_pushed": 0, "tags_moved": 0})
        );
    }
}

fn file(image: &str, platform: &str) -> String {
    format!("target/legs/{image}-{}.json", platform.replace('/', "-"))
}

#[test]
fn legs_of_other_machines_are_released_as_if_they_were_built_here() {
    let legs = Legs::built();
    let record = legs.record("server", "linux/arm64");
    assert_eq!(record["schema"], "loadline/leg/v1");
    assert_eq!(record["commit"], legs.0.head());
    assert_eq!(record["platform"], "linux/arm64");
    assert_eq!(record["builder"], "assemble");
    let merged = legs.merge(&[]);
    assert_eq!(merged.code, Some(0), "{}\n{}", merged.stdout, merged.stderr);
    let run = legs.release();
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    // The index that merge makes is the one that a release makes.
    for (image, (digest, _)) in images(&run.json()) {
        let document = merged.json();
        let of = document["images"].as_array().unwrap().iter().find(|of| of["name"] == image).unwrap();
        assert_eq!(of["digest"], digest);
        assert_eq!(of["platforms"].as_array().unwrap().len(), 2);
    }
    // Two requests a leg, since assemble pushes bare manifests, and one for the index: no more.
    assert_eq!(merged.json()["requests"], 4 * 2 + 2);
    assert!(
        !legs.0.sandbox().join("releases/1.0.0/layout/blobs").exists(),
        "nothing was built by the release"
    );
    let again = legs.release();
    assert_eq!(again.code, Some(0), "{}\n{}", again.stdout, again.stderr);
    assert_eq!(images(&again.json()), images(&run.json()));
    // The same set, built here, is the same set.
    let here = Project::new();
    let alone = here.release(&["--version", "1.0.0"]);
    assert_eq!(images(&alone.json()), images(&run.json()), "{}", alone.stderr);
}

#[test]
fn a_record_that_is_there_and_true_is_kept() {
    let legs = Legs::built();
    let before = legs.0.read(&file("server", "linux/amd64"));
    let run = legs.build("server", "linux/amd64", &[]);
    assert_eq!(run.json()["legs"][0]["unchanged"], true);
    assert_eq!(legs.0.read(&file("server", "linux/amd64")), before);
    let reference = run.json()["legs"][0]["reference"].as_str().unwrap().to_owned();
    assert!(
        reference.ends_with(legs.record("server", "linux/amd64")["manifest"]["digest"].as_str().unwrap())
    );
}

#[test]
fn a_set_that_is_not_whole_is_refused() {
    let legs = Legs::built();
    std::fs::remove_file(legs.0.path().join(file("worker", "linux/arm64"))).unwrap();
    legs.refused("leg-missing");
    let merged = legs.merge(&[]);
    assert_eq!((merged.code, merged.codes()), (Some(1), vec!["leg-missing".to_owned()]));
    let server = legs.merge(&["--image", "server"]);
    assert_eq!(server.code, Some(0), "the other image is whole: {}", server.stdout);
}

#[test]
fn legs_of_another_commit_or_configuration_are_refused() {
    let legs = Legs::built();
    legs.0.edit("loadline.toml", "only-fixed = true", "only-fixed = false");
    legs.0.commit("Configure otherwise");
    legs.refused("leg-foreign");
    let message = legs.merge(&[]).json()["findings"][0]["message"].to_string();
    assert!(message.contains("commit") && message.contains("configuration"), "{message}");
    assert_eq!(legs.merge(&[]).codes()[0], "leg-foreign");
}

#[test]
fn a_record_that_was_changed_on_its_way_is_refused() {
    type Change = fn(&mut Value);
    let legs = Legs::built();
    let original = legs.0.read(&file("worker", "linux/arm64"));
    let other = format!("sha256:{}", "a".repeat(64));
    let changes: [(&str, Change); 5] = [
        ("leg-gone", |record| record["manifest"]["digest"] = json!(format!("sha256:{}", "a".repeat(64)))),
        ("leg-contradicted", |record| record["config"] = json!(format!("sha256:{}", "a".repeat(64)))),
        ("leg-contradicted", |record| record["diff_ids"][0] = json!(format!("sha256:{}", "a".repeat(64)))),
        ("leg-contradicted", |record| record["manifest"]["size"] = json!(7)),
        ("leg-foreign", |record| record["commit"] = json!("0".repeat(40))),
    ];
    for (code, change) in changes {
        legs.0.write(&file("worker", "linux/arm64"), &original);
        legs.tamper(change);
        legs.refused(code);
    }
    // The leg of another platform under this one's name: its configuration tells.
    let amd64 = legs.record("worker", "linux/amd64");
    legs.0.write(&file("worker", "linux/arm64"), &original);
    legs.tamper(|record| record["manifest"]["digest"] = amd64["manifest"]["digest"].clone());
    legs.refused("leg-contradicted");
    assert_eq!(legs.merge(&[]).codes()[0], "leg-contradicted");
    // Two that differ, and one that is of nothing here.
    legs.0.write(&file("worker", "linux/arm64"), &original);
    legs.0.write(
        "target/legs/other/leg.json",
        &original.replace("\"arm64\"", "\"arm64\", \"variant\": \"v9\""),
    );
    legs.refused("leg-twice");
    legs.0.write("target/legs/other/leg.json", &original.replace("\"worker\"", "\"wörker\""));
    legs.refused("leg-unexpected");
    legs.0.write("target/legs/other/leg.json", &original.replace("leg/v1", "leg/v9"));
    let run = legs.release();
    assert_eq!(run.code, Some(2), "{}", run.stdout);
    assert_eq!(run.json()["findings"][0]["code"], "leg-unreadable");
    // Mended, all is well; nothing of what was tried is left.
    std::fs::remove_dir_all(legs.0.path().join("target/legs/other")).unwrap();
    let run = legs.release();
    assert_eq!(run.code, Some(0), "{other}: {}\n{}", run.stdout, run.stderr);
}

#[test]
fn a_leg_is_scanned_where_it_was_built() {
    let project = Project::new();
    // What lies where the configuration looks for reports would not pass: those with the records count.
    let clean: Vec<String> = IMAGES
        .iter()
        .flat_map(|image| PLATFORMS.map(|of| format!("{image}-{}.json", of.replace('/', "-"))))
        .map(|name| project.read(&format!("reports/{name}")))
        .collect();
    project.write_reports(&[vulnerability("CVE-2026-0001", "CRITICAL", "2")]);
    project.commit("Find something");
    let legs = Legs::of(project);
    let mut clean = clean.iter();
    for image in IMAGES {
        for platform in PLATFORMS {
            let name = format!("{image}-{}.json", platform.replace('/', "-"));
            legs.0.write(&format!("target/legs/report-{name}"), clean.next().unwrap());
            let run = legs.build(image, platform, &["--report", &format!("target/legs/report-{name}")]);
            assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
            assert_eq!(run.json()["legs"][0]["unchanged"], true, "it is not built again for its report");
        }
    }
    let bound = legs.record("server", "linux/amd64")["report"].clone();
    assert_eq!(bound["subject"], legs.record("server", "linux/amd64")["manifest"]["digest"]);
    let run = legs.release();
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    // A report that was changed on its way.
    let name = "target/legs/report-server-linux-amd64.json";
    legs.0.write(name, &legs.0.read(name).replace("debian", "Debian"));
    legs.refused("leg-report");
}

#[test]
fn the_matrix_of_a_workflow_is_one_line() {
    let project = Project::new();
    let plan = ["release", "--plan", "--version", "1.0.0", "--format", "github-matrix"];
    let run = project.run(&plan);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(run.stdout.lines().count(), 1);
    let jobs = run.json()["include"].as_array().unwrap().clone();
    assert_eq!(jobs.len(), 4);
    let job = |image: &str, platform: &str, runner: &str| {
        let slug = format!("{image}-{}", platform.replace('/', "-"));
        json!({"image": image, "platform": platform, "runner": runner, "slug": slug})
    };
    assert_eq!(jobs[0], job("server", "linux/amd64", "ubuntu-24.04"));
    assert_eq!(jobs[3], job("worker", "linux/arm64", "ubuntu-24.04-arm"));
    let text = project.read("loadline.toml");
    project.write(
        "loadline.toml",
        &format!("{text}\n[runners]\n\"linux/arm64\" = [\"self-hosted\", \"arm\"]\n"),
    );
    let jobs = project.run(&plan).json()["include"].clone();
    assert_eq!(jobs[1]["runner"], json!(["self-hosted", "arm"]));
    project.edit("loadline.toml", "\"linux/amd64\", \"linux/arm64\"", "\"linux/riscv64\"");
    let run = project.run(&plan);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("[runners]"), "{}", run.stderr);
    let unplanned = project.run(&["release", "--format", "github-matrix"]);
    assert_eq!(unplanned.code, Some(2));
}
