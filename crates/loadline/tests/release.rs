//! `loadline release --sandbox`, end to end: the real program over a real checkout.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod support;

use serde_json::Value;
use support::{PLATFORMS, Project, images, vulnerability};

#[test]
fn a_release_is_tagged_verified_and_done_once() {
    let project = Project::new();
    let first = project.release(&["--version", "1.2.3"]);
    assert_eq!(first.code, Some(0), "{}\n{}", first.stdout, first.stderr);
    let document = first.json();
    assert_eq!(document["schema"], "loadline/release/v1");
    assert_eq!(document["verdict"], "pass");
    let released = images(&document);
    assert_eq!(released["server"].1, ["1.2.3-server", "1.2.3", "latest"]);
    assert_eq!(released["worker"].1, ["1.2.3-worker"]);
    for image in document["images"].as_array().unwrap() {
        let platforms: Vec<_> =
            image["platforms"].as_array().unwrap().iter().map(|p| p["platform"].as_str().unwrap()).collect();
        assert_eq!(platforms, PLATFORMS);
    }
    assert_eq!(document["effects"]["tags_moved"], 4);
    let steps: Vec<_> =
        document["steps"].as_array().unwrap().iter().map(|step| step["name"].as_str().unwrap()).collect();
    assert_eq!(
        steps,
        [
            "preflight",
            "check",
            "build",
            "merge",
            "sbom",
            "attest",
            "verify",
            "gate",
            "summary",
            "pull",
            "promote"
        ]
    );

    let second = project.release(&["--version", "1.2.3"]);
    assert_eq!(second.code, Some(0), "{}", second.stderr);
    let again = second.json();
    assert_eq!(again["images"], document["images"]);
    for effect in ["blobs_pushed", "manifests_pushed", "tags_moved"] {
        assert_eq!(again["effects"][effect], 0, "{effect}");
    }
}

#[test]
fn the_sandbox_names_each_content_its_own_version() {
    let project = Project::new();
    let first = project.release(&[]).json();
    let version = first["version"].as_str().unwrap().to_owned();
    assert!(version.starts_with("0.0.0-dev."), "{version}");
    project.write("rootfs/etc/motd", "new");
    project.write_reports(&[]);
    let second = project.release(&[]);
    assert_eq!(second.code, Some(0), "{}", second.stderr);
    let second = second.json();
    assert!(second["version"].as_str().unwrap().starts_with(&version));
    assert_ne!(second["version"], first["version"]);
    assert_ne!(images(&second)["server"].0, images(&first)["server"].0);
}

#[test]
fn the_same_version_with_other_content_is_refused() {
    let project = Project::new();
    assert_eq!(project.release(&["--version", "1.0.0"]).code, Some(0));
    project.write("rootfs/etc/motd", "new");
    project.write_reports(&[]);
    let run = project.release(&["--version", "1.0.0"]);
    assert_eq!(run.code, Some(1));
    assert_eq!(run.codes(), ["version-content-differs"]);
}

#[test]
fn a_version_tag_that_is_taken_refuses_another_digest() {
    let project = Project::new();
    assert_eq!(project.release(&["--version", "1.0.0"]).code, Some(0));
    // The ledger is lost, the registry is not.
    std::fs::remove_dir_all(project.sandbox().join("releases")).unwrap();
    project.write("rootfs/etc/motd", "new");
    project.write_reports(&[]);
    let run = project.release(&["--version", "1.0.0"]);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert!(run.codes().iter().all(|code| code == "version-tag-taken"), "{:?}", run.codes());
    assert_eq!(run.json()["effects"]["tags_moved"], 0);
}

#[test]
fn latest_never_goes_back() {
    let project = Project::new();
    assert_eq!(project.release(&["--version", "2.0.0"]).code, Some(0));
    project.write("rootfs/etc/motd", "patch");
    project.write_reports(&[]);
    let run = project.release(&["--version", "1.9.9"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let document = run.json();
    assert_eq!(images(&document)["server"].1, ["1.9.9-server", "1.9.9"]);
    let notes: Vec<_> = document["findings"].as_array().unwrap().iter().map(|f| f["code"].clone()).collect();
    assert!(notes.contains(&Value::from("moving-tag-ahead")), "{notes:?}");
}

#[test]
fn drift_stops_before_anything_is_built() {
    let project = Project::new();
    project.edit("Dockerfile.worker", "ENV PATH=/usr/bin", "ENV PATH=/bin");
    let run = project.release(&["--version", "1.0.0"]);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert_eq!(run.codes(), ["shared-region-drift"]);
    let document = run.json();
    let detail = document["findings"][0]["detail"].as_str().unwrap();
    assert!(detail.contains("-ENV PATH=/usr/bin") && detail.contains("+ENV PATH=/bin"), "{detail}");
    assert_eq!(document["images"], serde_json::json!([]));
    assert_eq!(document["effects"]["blobs_pushed"], 0);
}

#[test]
fn run_under_assemble_is_refused_with_its_line() {
    let project = Project::new();
    project.edit("Dockerfile.worker", "USER 1000", "RUN true\nUSER 1000");
    let run = project.release(&["--version", "1.0.0"]);
    assert_eq!(run.code, Some(2), "{}", run.stdout);
    let finding = &run.json()["findings"][0];
    assert_eq!(finding["file"], "Dockerfile.worker");
    assert_eq!(finding["line"], 9);
    assert!(finding["help"].as_str().unwrap().contains("buildx"), "{finding}");
}

#[test]
fn a_vulnerability_over_the_line_is_not_tagged() {
    let project = Project::new();
    project.write_report("server", "linux/arm64", &[vulnerability("CVE-2026-1", "HIGH", "1:1.3")]);
    let run = project.release(&["--version", "1.0.0"]);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert_eq!(run.codes(), ["vulnerability"]);
    let document = run.json();
    assert!(document["findings"][0]["message"].as_str().unwrap().contains("CVE-2026-1"));
    assert_eq!(document["effects"]["tags_moved"], 0);
    assert_eq!(images(&document)["server"].1, [""; 0]);

    // Below the line, or without a fix where only fixed ones count, it stops nothing.
    let below = [vulnerability("CVE-2026-1", "MEDIUM", "1:1.3"), vulnerability("CVE-2026-2", "HIGH", "")];
    project.write_report("server", "linux/arm64", &below);
    let run = project.release(&["--version", "1.0.1"]);
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
}

#[test]
fn a_missing_report_is_unknown_and_one_about_another_image_fails() {
    let project = Project::new();
    std::fs::remove_file(project.path().join("reports/worker-linux-arm64.json")).unwrap();
    let run = project.release(&["--version", "1.0.0"]);
    assert_eq!(run.code, Some(3), "{}", run.stderr);
    assert_eq!(run.codes(), ["report-missing"]);

    let other = project.read("reports/worker-linux-amd64.json");
    project.write("reports/worker-linux-arm64.json", &other);
    let run = project.release(&["--version", "1.0.1"]);
    assert_eq!(run.code, Some(1), "{}", run.stderr);
    assert_eq!(run.codes(), ["report-mismatch"]);
    assert_eq!(run.json()["effects"]["tags_moved"], 0);
}

#[test]
fn a_garbled_configuration_is_shown_with_its_line() {
    let project = Project::new();
    project.edit("loadline.toml", "dockerfile = \"Dockerfile.worker\"", "dockerfil = \"Dockerfile.worker\"");
    let run = project.run(&["release", "--sandbox"]);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("loadline.toml:") && run.stderr.contains("dockerfile"), "{}", run.stderr);
}

#[test]
fn a_plan_says_what_would_be_done_and_does_nothing() {
    let project = Project::new();
    let run = project.run(&["release", "--plan", "--version", "1.2.3", "--format", "json"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let plan = run.json();
    assert_eq!(plan["schema"], "loadline/plan/v1");
    assert_eq!(plan["images"][0]["repositories"][0], "registry.example.com/acme/widget");
    assert!(!project.sandbox().exists());
}

#[test]
fn without_a_version_the_way_out_is_named() {
    let project = Project::new();
    let run = project.run(&["release"]);
    assert_eq!(run.code, Some(2));
    assert!(run.stderr.contains("--version"), "{}", run.stderr);
    project.git(&["tag", "v3.1.4"]);
    let run = project.run(&["release", "--plan", "--format", "json"]);
    assert_eq!(run.json()["version"], "3.1.4");
    assert_eq!(run.json()["git_ref"], "refs/tags/v3.1.4");
}

#[test]
fn a_tag_must_be_at_head() {
    let project = Project::new();
    project.git(&["tag", "v1.0.0"]);
    project.write("README", "more");
    project.commit("Move on");
    let run = project.run(&["release", "--plan", "--tag", "v1.0.0", "--format", "json"]);
    assert_eq!(run.code, Some(2));
    assert_eq!(run.codes(), ["version-invalid"]);
    assert!(run.stdout.contains("git checkout v1.0.0"), "{}", run.stdout);
}

#[test]
fn a_set_that_is_named_after_commits_has_one_tag_a_commit() {
    let project = Project::new();
    project.edit("loadline.toml", "platforms = [", "version = \"commit\"\nplatforms = [");
    project.edit("loadline.toml", "moving-tags = [\"latest\"]\n", "");
    project.edit("loadline.toml", "[\"{version}-server\", \"{version}\"]", "[\"{commit.short}-{image}\"]");
    let run = project.release(&[]);
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    let document = run.json();
    assert_eq!(document["version"], project.head());
    assert_eq!(images(&document)["server"].1, [format!("{}-server", &project.head()[..7])]);
}

#[test]
fn an_image_goes_to_several_registries_or_none() {
    let project = Project::new();
    project.edit(
        "loadline.toml",
        "repository = \"registry.example.com/acme/widget\"",
        "repository = [\"registry.example.com/acme/widget\", \"mirror.example.com/acme/widget\"]",
    );
    let run = project.release(&["--version", "1.0.0"]);
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    assert_eq!(run.json()["effects"]["tags_moved"], 8);
    let log = std::fs::read_to_string(project.sandbox().join("requests.log")).unwrap();
    for registry in ["registry.example.com", "mirror.example.com"] {
        for tag in ["1.0.0", "1.0.0-server", "1.0.0-worker", "latest"] {
            let line = format!("PUT /v2/{registry}/acme/widget/manifests/{tag} 201");
            assert!(log.contains(&line), "{line}");
        }
    }
}

#[test]
fn a_port_that_is_taken_is_said_and_nothing_is_lost() {
    let project = Project::new();
    assert_eq!(project.release(&["--version", "1.0.0"]).code, Some(0));
    let port: u16 = std::fs::read_to_string(project.sandbox().join("port")).unwrap().trim().parse().unwrap();
    let _other = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let run = project.release(&["--version", "1.0.0"]);
    assert_eq!(run.code, Some(3));
    assert_eq!(run.codes(), ["sandbox-port-taken"]);
    assert!(run.stdout.contains("port"), "{}", run.stdout);
    drop(_other);
    let run = project.release(&["--version", "1.0.0"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    assert_eq!(run.json()["effects"]["blobs_pushed"], 0);
}

#[test]
fn a_half_written_ledger_line_is_set_aside() {
    let project = Project::new();
    assert_eq!(project.release(&["--version", "1.0.0"]).code, Some(0));
    let ledger = project.sandbox().join("releases/1.0.0/ledger.jsonl");
    let mut text = std::fs::read_to_string(&ledger).unwrap();
    text.push_str("{\"schema\":\"loadl");
    std::fs::write(&ledger, text).unwrap();
    let run = project.release(&["--version", "1.0.0"]);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    let document = run.json();
    assert!(document["findings"].to_string().contains("ledger-torn"));
    assert_eq!(document["effects"]["manifests_pushed"], 0);
}

/// The levels that the signed verdicts of a release claim.
fn claimed_levels(project: &Project) -> Vec<Value> {
    let folder = project.sandbox().join("releases/1.0.0/statements");
    std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
        .map(|text| serde_json::from_str::<Value>(&text).unwrap())
        .filter(|statement| statement["predicateType"] == "https://slsa.dev/verification_summary/v1")
        .map(|statement| statement["predicate"]["verifiedLevels"].clone())
        .collect()
}

#[test]
fn a_level_is_claimed_only_for_what_was_verified() {
    let project = Project::new();
    assert_eq!(project.release(&["--version", "1.0.0"]).code, Some(0));
    assert_eq!(claimed_levels(&project), vec![serde_json::json!(["SLSA_BUILD_LEVEL_1"]); 2]);
    let project = Project::new();
    project.edit("loadline.toml", "[verify]", "[verify]\npredicates = [\"cyclonedx\"]");
    let run = project.release(&["--version", "1.0.0"]);
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    assert_eq!(claimed_levels(&project), vec![serde_json::json!(["SLSA_BUILD_LEVEL_UNEVALUATED"]); 2]);
}

#[test]
fn consumers_may_demand_the_verdict_itself() {
    let project = Project::new();
    project.edit(
        "loadline.toml",
        "[verify]",
        "[verify]\npredicates = [\"slsa-provenance\", \"https://slsa.dev/verification_summary/v1\"]",
    );
    let run = project.release(&["--version", "1.0.0"]);
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
}

#[test]
fn a_gate_is_as_strict_as_the_configuration_says() {
    let project = Project::new();
    project.write_report("server", "linux/arm64", &[vulnerability("CVE-2026-1", "UNKNOWN", "1:1.3")]);
    assert_eq!(project.release(&["--version", "1.0.0"]).code, Some(0), "a warning, unless more is asked for");
    project.edit("loadline.toml", "fail-on = \"high\"", "fail-on = \"high\"\nunknown-severity = \"block\"");
    let run = project.release(&["--version", "1.0.1"]);
    assert_eq!((run.code, run.codes()), (Some(1), vec!["vulnerability".to_owned()]), "{}", run.stderr);

    // An ignore without a reason or an end covers what it names, unless it must have them.
    let project = Project::new();
    project.write_report("server", "linux/arm64", &[vulnerability("CVE-2026-1", "HIGH", "1:1.3")]);
    project.write(".trivyignore.yaml", "vulnerabilities:\n  - id: CVE-2026-1\n");
    let gate = "fail-on = \"high\"\nignore-file = \".trivyignore.yaml\"";
    project.edit("loadline.toml", "fail-on = \"high\"", gate);
    let run = project.release(&["--version", "1.0.0"]);
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    for (at, key) in ["require-statement", "require-expiry"].into_iter().enumerate() {
        project.edit("loadline.toml", gate, &format!("{gate}\n{key} = true"));
        let run = project.release(&["--version", &format!("1.1.{at}")]);
        assert_eq!(run.code, Some(1), "{key}: {}\n{}", run.stdout, run.stderr);
        assert!(run.codes().contains(&"vulnerability".to_owned()), "{key}: {:?}", run.codes());
        project.edit("loadline.toml", &format!("\n{key} = true"), "");
    }
}

/// A release under a `[verify]` with more in it.
fn release_that_demands(project: &Project, version: &str, head: &str, tables: &str) -> support::Run {
    let config = project.read("loadline.toml");
    let config = config.split("\n[verify]").next().unwrap().to_owned();
    let workflow = "signer-workflow = \".github/workflows/release.yml\"";
    project.write("loadline.toml", &format!("{config}\n[verify]\n{workflow}\n{head}\n{tables}\n"));
    project.release(&["--version", version])
}

#[track_caller]
fn is_refused(run: &support::Run, code: &str) {
    assert_eq!(run.code, Some(1), "{}\n{}", run.stdout, run.stderr);
    assert!(run.codes().iter().any(|found| found == code), "{code}: {:?}", run.codes());
    assert_eq!(run.json()["effects"]["tags_moved"], 0, "{code}");
}

#[test]
fn what_consumers_demand_is_demanded_before_a_tag_is_written() {
    let project = Project::new();
    let own_type = "types = [{ pattern = \"https://actions\\\\.github\\\\.io/.*\" }]";
    for (number, (head, tables, code)) in [
        ("ref = \"refs/tags/v1.0.0\"", "", "ref-mismatch"),
        ("", "[verify.build]\ntypes = [\"https://example.com/type\"]", "build-type-mismatch"),
        ("", "[verify.build]\nbuilders = [\"https://example.com/builder\"]", "builder-mismatch"),
    ]
    .into_iter()
    .enumerate()
    {
        let run = release_that_demands(&project, &format!("1.0.{number}"), head, tables);
        is_refused(&run, code);
    }
    // An identity of other versions only may not sign this one.
    let config = project.read("loadline.toml");
    let bare = config.split("\n[verify]").next().unwrap();
    let identity = |versions: &str| {
        let table = format!(
            "[[verify.identity]]\nsigner-repository = \"github.com/acme/widget\"\nversions = \"{versions}\"\n"
        );
        project.write("loadline.toml", &format!("{bare}\n{table}"));
    };
    identity("<2");
    is_refused(&project.release(&["--version", "2.0.0"]), "evidence-missing");
    let run = project.release(&["--version", "1.9.0"]);
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);

    let head = "ref = { pattern = \"refs/heads/.*\" }\nrepository-id = 4711\nmax-age = \"1h\"\nof-index = \"everything\"\n\
        timestamp-authorities = [\"https://tsa.example\"]";
    let tables = format!(
        "[verify.build]\n{own_type}\nbuilders = [{{ pattern = \"https://github.com/acme/widget/.*\" }}]\nbase-images = []\nself-hosted = false"
    );
    let run = release_that_demands(&project, "2.1.0", head, &tables);
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    assert_eq!(run.json()["effects"]["tags_moved"], 4);
}
