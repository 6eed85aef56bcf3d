//! `loadline check` and `loadline region`, run as programs in a checkout.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use insta::assert_snapshot;
use support::{Project, Run};

/// The project with its shared region changed in the worker.
fn drifted() -> Project {
    let project = Project::new();
    project.edit("Dockerfile.worker", "ENV PATH=/usr/bin\n", "ENV PATH=/usr/bin \n");
    project
}

fn codes(run: &Run) -> Vec<String> {
    let document = run.json();
    assert_eq!(document["schema"], "loadline/findings/v1");
    let all = document["findings"].as_array().unwrap();
    all.iter().map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_clean_project_passes_in_one_line() {
    let project = Project::new();
    let run = project.run(&["check"]);
    assert_eq!((run.code, run.stderr.as_str()), (Some(0), ""));
    assert_snapshot!(run.stdout, @"pass: 1 shared region and 2 images are as they should be");
    assert_eq!(project.run(&["check", "--format", "json"]).json()["verdict"], "pass");
}

#[test]
fn drift_is_shown_and_mended() {
    let project = drifted();
    let run = project.run(&["check"]);
    assert_eq!((run.code, run.stdout.as_str()), (Some(1), ""));
    assert_snapshot!(run.stderr, @r"
    error[shared-region-drift]: the shared region `base` in `Dockerfile.worker` differs from `Dockerfile.server`: 1 line changed, in nothing but trailing blanks
     --> Dockerfile.worker:6:1
      |
    6 | ENV PATH=/usr/bin 
      | ^^^^^^^^^^^^^^^^^^
      |
      = help: `loadline check --fix` copies the region of `Dockerfile.server` here
        --- Dockerfile.server
        +++ Dockerfile.worker
        @@ -3,5 +3,5 @@
         ARG TARGETARCH
         COPY rootfs/ /
         COPY bin/${TARGETARCH}/hello /usr/bin/hello
        -ENV PATH=/usr/bin
        +ENV PATH=/usr/bin 
         # --- END ---
        What cannot be seen (· blank, → tab, ␍ carriage return, <no newline> end of file):
          Dockerfile.server:6: ENV PATH=/usr/bin
          Dockerfile.worker:6: ENV PATH=/usr/bin·

    fail: 1 error
    ");

    let before = project.read("Dockerfile.worker");
    let dry = project.run(&["check", "--fix", "--dry-run"]);
    assert_eq!(dry.code, Some(1), "{}", dry.stderr);
    assert_snapshot!(dry.stdout, @r"
    would fix Dockerfile.worker
    --- Dockerfile.worker
    +++ Dockerfile.worker
    @@ -3,5 +3,5 @@
     ARG TARGETARCH
     COPY rootfs/ /
     COPY bin/${TARGETARCH}/hello /usr/bin/hello
    -ENV PATH=/usr/bin 
    +ENV PATH=/usr/bin
     # --- END ---
    What cannot be seen (· blank, → tab, ␍ carriage return, <no newline> end of file):
      Dockerfile.worker:6: ENV PATH=/usr/bin·
      Dockerfile.worker:6: ENV PATH=/usr/bin
    ");
    assert_eq!(project.read("Dockerfile.worker"), before);

    let fixed = project.run(&["check", "--fix"]);
    assert_eq!(fixed.code, Some(0), "{}", fixed.stderr);
    assert_snapshot!(fixed.stdout, @"fixed Dockerfile.worker");
    assert_eq!(project.run(&["check"]).code, Some(0));
    assert!(project.read("Dockerfile.worker").contains("ENV PATH=/usr/bin\n"));
}

#[test]
fn the_side_that_is_right_can_be_named() {
    let project = drifted();
    project.edit("Dockerfile.server", "ENV PATH=/usr/bin\n", "ENV PATH=/bin\n");
    let refused = project.run(&["check", "--fix", "--format", "json"]);
    let document = refused.json();
    assert_eq!((refused.code, document["schema"].as_str()), (Some(1), Some("loadline/fix/v1")));
    assert_eq!(document["findings"][0]["code"], "fix-both-changed");
    assert_eq!(document["edits"].as_array().map(Vec::len), Some(0));
    let fixed = project.run(&["check", "--fix", "--from", "Dockerfile.worker", "--format", "json"]);
    assert_eq!(fixed.code, Some(0), "{}", fixed.stdout);
    let document = fixed.json();
    assert_eq!(document["edits"][0]["file"], "Dockerfile.server");
    assert_eq!(document["edits"][0]["written"], true);
    assert!(project.read("Dockerfile.server").contains("ENV PATH=/usr/bin \n"));
}

#[test]
fn staged_looks_at_what_would_be_committed() {
    let project = drifted();
    assert_eq!(project.run(&["check"]).code, Some(1));
    assert_eq!(project.run(&["check", "--staged"]).code, Some(0));
    project.git(&["add", "Dockerfile.worker"]);
    project.edit("Dockerfile.worker", "ENV PATH=/usr/bin \n", "ENV PATH=/usr/bin\n");
    assert_eq!(project.run(&["check"]).code, Some(0));
    let staged = project.run(&["check", "--staged", "--format", "json"]);
    assert!(codes(&staged).contains(&"shared-region-drift".to_owned()));
    assert_eq!(staged.code, Some(1));
    // The line that is shown is the staged one.
    let run = project.run(&["check", "--staged"]);
    assert!(run.stderr.contains("ENV PATH=/usr/bin·"), "{}", run.stderr);
    // The configuration that counts is the staged one too.
    project.git(&["rm", "-q", "--cached", "loadline.toml"]);
    assert_eq!(project.run(&["check", "--staged"]).code, Some(2));
}

#[test]
fn without_a_configuration_markers_are_looked_for() {
    let project = Project::new();
    std::fs::remove_file(project.path().join("loadline.toml")).unwrap();
    let run = project.run(&["check"]);
    assert_eq!(run.code, Some(2));
    assert_snapshot!(run.stderr, @r"
    error[config-not-found]: there is nothing to check: no `loadline.toml`, and no Dockerfile that carries markers
     |
     = help: write a `loadline.toml`, or mark what two Dockerfiles share: `loadline region init FILE FILE`

    fail: 1 error
    ");
    for name in ["Dockerfile.server", "Dockerfile.worker"] {
        project.edit(name, "# --- BEGIN ---", "# --- SHARED-BASE-BEGIN ---");
        project.edit(name, "# --- END ---", "# --- SHARED-BASE-END ---");
    }
    let run = project.run(&["check"]);
    assert_eq!((run.code, run.stdout.as_str()), (Some(0), "pass: 1 shared region is the same everywhere\n"));
    project.edit("Dockerfile.worker", "COPY rootfs/ /\n", "");
    assert_eq!(codes(&project.run(&["check", "--format", "json"])), ["shared-region-drift"]);
    let shown = project.run(&["check"]).stderr;
    assert!(shown.contains("help: say which file is right: `loadline check --fix --from FILE`"), "{shown}");
    let fix = project.run(&["check", "--fix"]);
    assert_eq!(fix.code, Some(1));
    assert!(fix.stderr.contains("--from FILE"), "{}", fix.stderr);
    assert_eq!(project.run(&["check", "--fix", "--from", "Dockerfile.server"]).code, Some(0));
    assert_eq!(project.run(&["check"]).code, Some(0));
}

#[test]
fn paths_are_the_readers() {
    let project = Project::new();
    for name in ["Dockerfile.server", "Dockerfile.worker", "loadline.toml"] {
        let text = project.read(name);
        project.write(&format!("deploy/{name}"), &text);
    }
    project.edit("deploy/Dockerfile.worker", "USER 1000\n", "USER 1000\nLABEL \"x\n");
    let args = ["check", "--config", "deploy/loadline.toml", "--format", "json"];
    let document = project.run(&args).json();
    assert_eq!(document["findings"][0]["file"], "deploy/Dockerfile.worker", "{document:#}");
    let mut below = project.command(&["check"]);
    let output = below.current_dir(project.path().join("deploy")).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("--> Dockerfile.worker:"), "{text}");
}

#[test]
fn every_format_says_the_same() {
    let project = drifted();
    for (format, sign) in [
        ("github", "::error file=Dockerfile.worker,line=6"),
        ("sarif", "\"ruleId\": \"shared-region-drift\""),
        ("markdown", "shared-region-drift"),
    ] {
        let run = project.run(&["check", "--format", format]);
        assert_eq!(run.code, Some(1));
        assert!(run.stdout.contains(sign), "{format}: {}", run.stdout);
    }
}

#[test]
fn rules_are_listed_and_explained() {
    let project = Project::new();
    let list = project.run(&["check", "--list"]);
    assert_eq!(list.code, Some(0));
    assert!(list.stdout.lines().any(|line| line.starts_with("shared-region-drift ")));
    let rules = project.run(&["check", "--list", "--format", "json"]).json();
    assert_eq!(rules["schema"], "loadline/rules/v1");
    assert_eq!(rules["rules"].as_array().unwrap().len(), list.stdout.lines().count());
    assert_snapshot!(project.run(&["check", "--explain", "runner-unpinned"]).stdout, @r"
    runner-unpinned: a job runs on a `-latest` runner

    `ubuntu-latest` is another system whenever GitHub moves it: tools change their
    version or go away, and the release of an old tag is not built as it was. Name
    the system: `ubuntu-24.04`. Values of a matrix and of inputs are followed.
    ");
    let unknown = project.run(&["check", "--explain", "runer-unpinned"]);
    assert_eq!(unknown.code, Some(2));
    assert_eq!(unknown.stderr, "error: there is no rule `runer-unpinned`: did you mean `runner-unpinned`?\n");
}

#[test]
fn a_level_for_a_rule_that_does_not_exist_is_refused() {
    let project = Project::new();
    project.edit("loadline.toml", "[verify]", "[check.rules]\nbase-unpined = \"off\"\n\n[verify]");
    let run = project.run(&["check"]);
    assert_eq!(run.code, Some(2));
    assert_snapshot!(run.stderr, @r#"
    error[config-unknown-rule]: there is no rule `base-unpined`
      --> loadline.toml:27:16
       |
    27 | base-unpined = "off"
       |                ^^^^^
       |
       = help: did you mean `base-unpinned`?

    fail: 1 error
    "#);
}

#[test]
fn regions_are_shown_and_marked() {
    let project = Project::new();
    assert_snapshot!(project.run(&["region", "list"]).stdout, @r"
    base  Dockerfile.server:1  5 lines  143 bytes  sha256:f8a01cb4d6f3  canonical
    base  Dockerfile.worker:1  5 lines  143 bytes  sha256:f8a01cb4d6f3
    ");
    let document = project.run(&["region", "list", "--format", "json"]).json();
    assert_eq!(document["regions"][0]["digest"], document["regions"][1]["digest"]);
    std::fs::remove_file(project.path().join("loadline.toml")).unwrap();
    for name in ["a.Dockerfile", "b.Dockerfile"] {
        project.write(name, &format!("FROM debian:12\nENV A=1\nRUN true\nLABEL name={name}\n"));
    }
    let marked = project.run(&["region", "init", "--name", "os", "a.Dockerfile", "b.Dockerfile"]);
    assert_eq!(marked.code, Some(0), "{}", marked.stderr);
    assert_snapshot!(marked.stdout, @r##"
    [[shared-region]]
    name  = "os"
    begin = "# --- SHARED-OS-BEGIN ---"
    end   = "# --- SHARED-OS-END ---"
    files = ["a.Dockerfile", "b.Dockerfile"]
    "##);
    assert!(project.read("b.Dockerfile").starts_with("# --- SHARED-OS-BEGIN ---\nFROM debian:12\n"));
    assert_eq!(project.run(&["check"]).code, Some(0));
    assert_eq!(
        project.run(&["region", "init", "--name", "os", "a.Dockerfile", "b.Dockerfile"]).code,
        Some(2)
    );
}

#[test]
fn a_plain_git_hook_refuses_drift_and_takes_what_is_mended() {
    let project = Project::new();
    let hook = project.path().join(".git/hooks/pre-commit");
    let program = assert_cmd::cargo::cargo_bin!("loadline");
    std::fs::create_dir_all(hook.parent().unwrap()).unwrap();
    std::fs::write(&hook, format!("#!/bin/sh\nexec {} check --staged\n", program.display())).unwrap();
    std::fs::set_permissions(&hook, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let commit = || {
        let mut git = assert_cmd::Command::new("git");
        git.current_dir(project.path()).env_clear().env("PATH", std::env::var_os("PATH").unwrap());
        git.env("HOME", project.path()).env("GIT_CONFIG_GLOBAL", "/dev/null");
        // `-a` makes git use an index of its own while the hook runs.
        let args =
            ["-c", "user.name=n", "-c", "user.email=e@example.com", "commit", "-q", "-a", "-m", "Change"];
        git.args(args).output().unwrap()
    };
    project.edit("Dockerfile.server", "ENV PATH=/usr/bin\n", "ENV PATH=/bin\n");
    let refused = commit();
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("shared-region-drift"));
    assert_eq!(project.run(&["check", "--fix"]).code, Some(0));
    let taken = commit();
    assert!(taken.status.success(), "{}", String::from_utf8_lossy(&taken.stderr));
    project.git(&["diff", "--exit-code", "HEAD"]);
}

#[test]
fn what_the_check_refuses_is_not_released() {
    let unknown_rule = "[check.rules]\nbase-unpined = \"off\"\n\n[verify]";
    let changes: [(&str, &str, &str, &str, i32); 4] = [
        (
            "secret-in-dockerfile",
            "Dockerfile.worker",
            "USER 1000",
            "ENV AWS=AKIAABCDEFGHIJKLMNOP\nUSER 1000",
            1,
        ),
        ("runner-unpinned", ".github/workflows/release.yml", "ubuntu-24.04", "ubuntu-latest", 1),
        (
            "base-unpinned",
            "Dockerfile.worker",
            "USER 1000",
            "COPY --from=busybox /bin/sh /bin/\nUSER 1000",
            1,
        ),
        ("config-unknown-rule", "loadline.toml", "[verify]", unknown_rule, 2),
    ];
    for (code, file, from, to, exit) in changes {
        let project = Project::new();
        project.edit(file, from, to);
        project.commit("Change");
        let checked = project.run(&["check", "--format", "json"]);
        assert_eq!(checked.code, Some(exit), "{code}: {}", checked.stdout);
        assert!(codes(&checked).contains(&code.to_owned()), "{code}");
        let released = project.release(&["--version", "1.0.0"]);
        assert_eq!(released.code, Some(1), "{code}: {}", released.stdout);
        assert!(released.codes().contains(&code.to_owned()), "{code}: {:?}", released.codes());
        let document = released.json();
        assert_eq!(document["images"], serde_json::json!([]), "{code}");
        assert_eq!(document["effects"]["blobs_pushed"], 0, "{code}");
    }
    // A level that the configuration sets holds for both.
    let project = Project::new();
    project.edit("loadline.toml", "[verify]", "[check.rules]\nrunner-unpinned = \"warning\"\n\n[verify]");
    project.edit(".github/workflows/release.yml", "ubuntu-24.04", "ubuntu-latest");
    project.commit("Change");
    assert_eq!(project.run(&["check"]).code, Some(0));
    let released = project.release(&["--version", "1.0.0"]);
    assert_eq!(released.code, Some(0), "{}", released.stderr);
    let document = released.json();
    let mut found = document["findings"].as_array().unwrap().iter();
    assert!(found.any(|f| f["code"] == "runner-unpinned" && f["severity"] == "warning"), "{document:#}");
}
