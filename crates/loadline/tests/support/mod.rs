//! A small project of two images in a git checkout of its own, and the real program run inside it.

#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use loadline_build::{Assembler, BuildRequest};
use loadline_core::Platform;
use loadline_registry::{Client, Http, HttpOptions, Options, Repository};
use serde_json::{Value, json};
use tempfile::TempDir;

pub const PLATFORMS: [&str; 2] = ["linux/amd64", "linux/arm64"];

const CONFIG: &str = r##"
[release]
source = "github.com/acme/widget"
repository = "registry.example.com/acme/widget"
platforms = ["linux/amd64", "linux/arm64"]

[[shared-region]]
name = "base"
begin = "# --- BEGIN ---"
end = "# --- END ---"
files = ["Dockerfile.server", "Dockerfile.worker"]

[image.server]
builder = "assemble"
dockerfile = "Dockerfile.server"
tags = ["{version}-server", "{version}"]
moving-tags = ["latest"]
[image.server.gate]
fail-on = "high"
only-fixed = true

[image.worker]
builder = "assemble"
dockerfile = "Dockerfile.worker"

[verify]
signer-workflow = ".github/workflows/release.yml"
"##;

const SHARED: &str = "# --- BEGIN ---
FROM scratch AS base
ARG TARGETARCH
COPY rootfs/ /
COPY bin/${TARGETARCH}/hello /usr/bin/hello
ENV PATH=/usr/bin
# --- END ---
";

const STATUS: &str = "Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.36-9
Source: glibc

Package: zlib1g
Status: install ok installed
Architecture: amd64
Version: 1:1.2.13
";

/// What `[verify]` names as the workflow that signs.
const WORKFLOW: &str =
    "on: push\npermissions: {}\njobs:\n  release:\n    runs-on: ubuntu-24.04\n    steps: []\n";

/// The project and the folder it is in.
pub struct Project {
    folder: TempDir,
}

/// What a run of the program left.
pub struct Run {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    /// The document on standard output.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}\n{}", self.stdout, self.stderr))
    }

    /// The codes of all findings and failures in the document on standard output, of this severity or above.
    pub fn codes(&self) -> Vec<String> {
        let document = self.json();
        let errors = |list: &Value| -> Vec<String> {
            let list = list.as_array().cloned().unwrap_or_default();
            list.iter()
                .filter(|finding| finding["severity"] != "note" && finding["severity"] != "warning")
                .map(|finding| finding["code"].as_str().unwrap().to_owned())
                .collect()
        };
        [errors(&document["findings"]), errors(&document["failures"])].concat()
    }
}

impl Project {
    /// The project, committed, with scan reports that find nothing.
    pub fn new() -> Self {
        let project = Self { folder: tempfile::tempdir().unwrap() };
        project.write("loadline.toml", CONFIG);
        project.write(".gitignore", "/target/\n");
        project.write(".dockerignore", "target\n.git\n.env\nreports\n");
        project.write(".github/workflows/release.yml", WORKFLOW);
        project.write(
            "Dockerfile.server",
            &format!("{SHARED}FROM base\nEXPOSE 3000\nENTRYPOINT [\"/usr/bin/hello\"]\n"),
        );
        project.write(
            "Dockerfile.worker",
            &format!("{SHARED}FROM base\nUSER 1000\nENTRYPOINT [\"/usr/bin/hello\"]\n"),
        );
        project.write("rootfs/var/lib/dpkg/status", STATUS);
        project.write("rootfs/etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n");
        project.write("bin/amd64/hello", "not really a program for amd64");
        project.write("bin/arm64/hello", "not really a program for arm64");
        project.git(&["init", "-q", "-b", "main"]);
        project.write_reports(&[]);
        project.commit("Begin");
        project
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path().join(name)).unwrap()
    }

    /// Replaces text in a file that must have it.
    pub fn edit(&self, name: &str, from: &str, to: &str) {
        let text = self.read(name);
        assert!(text.contains(from), "{name} has no `{from}`");
        self.write(name, &text.replace(from, to));
    }

    pub fn git(&self, args: &[&str]) {
        let output = Command::new("git")
            .current_dir(self.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1")
            .env("GIT_AUTHOR_DATE", "1700000000 +0000")
            .env("GIT_COMMITTER_DATE", "1700000000 +0000")
            .args(["-c", "user.name=n", "-c", "user.email=e@example.com"])
            .args(args)
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// The commit at HEAD.
    pub fn head(&self) -> String {
        let head = self.read(".git/refs/heads/main");
        head.trim().to_owned()
    }

    pub fn commit(&self, message: &str) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", message]);
    }

    /// Scan reports of both images for both platforms, bound to what assemble makes of them now.
    pub fn write_reports(&self, vulnerabilities: &[Value]) {
        for image in ["server", "worker"] {
            for platform in PLATFORMS {
                self.write_report(image, platform, vulnerabilities);
            }
        }
    }

    pub fn write_report(&self, image: &str, platform: &str, vulnerabilities: &[Value]) {
        let platform: Platform = platform.parse().unwrap();
        let report = json!({
            "SchemaVersion": 2,
            "ArtifactName": image,
            "ArtifactType": "container_image",
            "Metadata": {"DiffIDs": self.diff_ids(image, &platform)},
            "Results": [{"Target": "debian", "Class": "os-pkgs", "Type": "debian", "Vulnerabilities": vulnerabilities}],
        });
        self.write(&format!("reports/{image}-{}.json", platform.slug()), &report.to_string());
    }

    fn diff_ids(&self, image: &str, platform: &Platform) -> Vec<String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let layout = tempfile::tempdir().unwrap();
        let mut request = BuildRequest::new(self.path(), platform.clone());
        request.dockerfile = self.path().join(format!("Dockerfile.{image}"));
        let client = Client::new(Http::new(HttpOptions::default()), Options::default());
        let destination = Repository::layout(layout.path());
        let built = runtime
            .block_on(Assembler::new(&client, None).unwrap().assemble(&request, &destination))
            .unwrap();
        built.diff_ids.iter().map(ToString::to_string).collect()
    }

    /// Runs the program in the project.
    pub fn run(&self, args: &[&str]) -> Run {
        let output = self.command(args).output().unwrap();
        run_of(&output)
    }

    /// Runs the program in the project, and watches how much memory it takes: KiB at its peak.
    #[allow(clippy::disallowed_methods, reason = "what is measured is a process of its own")]
    pub fn run_watched(&self, args: &[&str]) -> (Run, u64) {
        let child = std::process::Command::new(assert_cmd::cargo::cargo_bin!("loadline"))
            .current_dir(self.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.path())
            .args(args)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let status = format!("/proc/{}/status", child.id());
        let watcher = std::thread::spawn(move || {
            let mut peak = 0;
            // Until it is gone: a process that has ended has no memory left to tell of.
            while let Ok(text) = std::fs::read_to_string(&status) {
                let Some(line) = text.lines().find_map(|line| line.strip_prefix("VmHWM:")) else { break };
                peak = line.trim().trim_end_matches(" kB").parse().unwrap();
                std::thread::sleep(std::time::Duration::from_millis(2));
            }
            peak
        });
        let output = child.wait_with_output().unwrap();
        (run_of(&output), watcher.join().unwrap())
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(assert_cmd::cargo::cargo_bin!("loadline"));
        command
            .current_dir(self.path())
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            .env("HOME", self.path())
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .args(args);
        command
    }

    /// A release in the sandbox, as a document.
    pub fn release(&self, args: &[&str]) -> Run {
        self.run(&[&["release", "--sandbox", "--format", "json"], args].concat())
    }

    /// Everything below the sandbox's folder.
    pub fn sandbox(&self) -> PathBuf {
        self.path().join("target/loadline-sandbox")
    }
}

/// Runs the program in any folder.
pub fn run_in(folder: &Path, args: &[&str]) -> Run {
    let output = Command::new(assert_cmd::cargo::cargo_bin!("loadline"))
        .current_dir(folder)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", folder)
        .args(args)
        .output()
        .unwrap();
    run_of(&output)
}

pub fn run_of(output: &Output) -> Run {
    Run {
        code: output.status.code(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Name to digest and tags of every released image.
pub fn images(document: &Value) -> BTreeMap<String, (String, Vec<String>)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    document["images"]
        .as_array()
        .unwrap()
        .iter()
        .map(|image| {
            let tags = image["tags"].as_array().unwrap().iter().map(text).collect();
            (text(&image["name"]), (text(&image["digest"]), tags))
        })
        .collect()
}

/// A vulnerability as Trivy writes it.
pub fn vulnerability(id: &str, severity: &str, fixed: &str) -> Value {
    json!({
        "VulnerabilityID": id, "PkgID": "zlib1g@1:1.2.13", "PkgName": "zlib1g",
        "PkgIdentifier": {"PURL": "pkg:deb/debian/zlib1g@1%3A1.2.13?arch=amd64&distro=debian-12"},
        "InstalledVersion": "1:1.2.13", "FixedVersion": fixed, "Status": "affected", "Severity": severity,
    })
}
