//! Images that another tool leaves as a layout, or that are at a registry already: with tools that are pieces of shell.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::path::{Path, PathBuf};
use std::time::Duration;

use loadline_build::buildx::Listener;
use loadline_build::layout::{FromLayout, LayoutError, Options};
use loadline_build::{Assembler, BuildRequest, Built, ExistingError, FromRegistry};
use loadline_core::config::{Existing, LayoutTable, Preset};
use loadline_core::media_type::OCI_INDEX;
use loadline_core::{Digest, Platform, Reference};
use loadline_process::Environment;
use loadline_registry::index::IndexBuilder;
use loadline_registry::{Client, Descriptor, Http, HttpOptions, Repository};
use loadline_sandbox::Sandbox;

const PLATFORMS: [&str; 2] = ["linux/amd64", "linux/arm64"];

struct Bench {
    folder: tempfile::TempDir,
    runtime: tokio::runtime::Runtime,
    legs: Vec<Descriptor>,
}

fn client() -> Client {
    Client::new(Http::new(HttpOptions::default()), loadline_registry::Options::default())
}

impl Bench {
    /// A context with a layout of two platforms in it, as a tool would leave one.
    fn new() -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let mut bench = Self { folder: tempfile::tempdir().unwrap(), runtime, legs: Vec::new() };
        std::fs::create_dir(bench.path("context")).unwrap();
        std::fs::write(bench.path("context/Dockerfile"), "FROM scratch\nCOPY hello /\n").unwrap();
        std::fs::write(bench.path("context/hello"), "hello").unwrap();
        let to = Repository::layout(bench.path("made"));
        let assembler = Assembler::new(&client(), None).unwrap();
        for platform in PLATFORMS {
            let request = BuildRequest::new(bench.path("context"), platform.parse().unwrap());
            bench.legs.push(bench.runtime.block_on(assembler.assemble(&request, &to)).unwrap().manifest);
        }
        bench
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn index(&self, to: &Repository) -> Descriptor {
        let built = IndexBuilder::new().entries(self.legs.clone()).build().unwrap();
        self.runtime.block_on(to.push_manifest(OCI_INDEX, built.bytes.clone())).unwrap();
        Descriptor::of(OCI_INDEX, &built.bytes)
    }

    fn builder(&self, table: LayoutTable) -> FromLayout {
        let options = Options {
            image: "api".into(),
            table,
            directory: self.folder.path().to_owned(),
            platforms: PLATFORMS.map(|p| p.parse().unwrap()).to_vec(),
            scratch: Some(self.path("scratch")),
            time_limit: Duration::from_secs(20),
            listener: Listener::default(),
        };
        let environment = Environment::of_this_process().with("TOKEN", "hunter2").with("NAMED", "yes");
        FromLayout::new(&environment, options)
    }

    fn build(&self, builder: &FromLayout, platform: &str) -> Result<Built, LayoutError> {
        let mut request = BuildRequest::new(self.path("context"), platform.parse().unwrap());
        request.source_date_epoch = 7;
        self.runtime.block_on(builder.build(&request, &Repository::layout(self.path("destination"))))
    }

    fn command(&self, script: &str) -> LayoutTable {
        let command = ["sh", "-c", script, "sh", "{output}"].map(str::to_owned).to_vec();
        LayoutTable { command, ..LayoutTable::default() }
    }

    fn copy(&self) -> String {
        format!("cp -R {} \"$1\"", self.path("made").display())
    }

    #[track_caller]
    fn is_leg(&self, built: &Built, platform: &str) {
        let at = PLATFORMS.iter().position(|of| *of == platform).unwrap();
        assert_eq!(built.manifest.digest, self.legs[at].digest);
        assert_eq!(built.platform, platform.parse::<Platform>().unwrap());
        let there = Repository::layout(self.path("destination"));
        assert!(self.runtime.block_on(there.resolve(&built.manifest.digest.to_string())).unwrap().is_some());
    }
}

#[test]
fn one_run_makes_all_platforms_and_is_made_once() {
    let bench = Bench::new();
    let runs = bench.path("runs");
    let builder = bench.builder(bench.command(&format!("echo run >> {}; {}", runs.display(), bench.copy())));
    for platform in PLATFORMS {
        let built = bench.build(&builder, platform).unwrap();
        bench.is_leg(&built, platform);
        assert_eq!(built.builder, "layout");
        assert!(built.inputs.context.is_some(), "what it saw is known by digest");
        assert_eq!(built.notes[0].code.name, "layout-unlimited");
    }
    assert_eq!(std::fs::read_to_string(runs).unwrap(), "run\n");
}

#[test]
fn a_command_with_a_platform_runs_for_each() {
    let bench = Bench::new();
    let runs = bench.path("runs");
    let mut table = bench.command(&format!("echo \"$2\" >> {}; {}", runs.display(), bench.copy()));
    table.command.push("{platform}".into());
    let builder = bench.builder(table);
    for platform in PLATFORMS {
        bench.is_leg(&bench.build(&builder, platform).unwrap(), platform);
    }
    assert_eq!(std::fs::read_to_string(runs).unwrap(), "linux/amd64\nlinux/arm64\n");
}

#[test]
fn it_sees_the_context_that_it_was_given_and_no_variable_that_is_not_named() {
    let bench = Bench::new();
    std::fs::create_dir(bench.path("context/.git")).unwrap();
    std::fs::write(bench.path("context/.dockerignore"), "secret\n").unwrap();
    std::fs::write(bench.path("context/secret"), "x").unwrap();
    let seen = bench.path("seen");
    let script = format!("(ls -A; env; pwd) > {}; echo changed > hello; {}", seen.display(), bench.copy());
    let table = LayoutTable { environment: vec!["NAMED".into()], ..bench.command(&script) };
    bench.build(&bench.builder(table), "linux/amd64").unwrap();
    let seen = std::fs::read_to_string(seen).unwrap();
    let lines: Vec<&str> = seen.lines().collect();
    assert!(
        lines.contains(&"hello") && lines.contains(&"NAMED=yes") && lines.contains(&"SOURCE_DATE_EPOCH=7"),
        "{seen}"
    );
    assert!(!lines.contains(&"secret") && !lines.contains(&".git") && !seen.contains("hunter2"), "{seen}");
    assert_eq!(std::fs::read_to_string(bench.path("context/hello")).unwrap(), "hello", "its copy is its own");
    assert!(std::fs::read_dir(bench.path("scratch")).unwrap().next().is_none(), "nothing is left behind");
}

#[test]
fn a_layout_that_is_there_is_taken_from_its_path() {
    let bench = Bench::new();
    bench.index(&Repository::layout(bench.path("made")));
    let builder = bench.builder(LayoutTable { path: Some("made".into()), ..LayoutTable::default() });
    let built = bench.build(&builder, "linux/arm64").unwrap();
    bench.is_leg(&built, "linux/arm64");
    assert!(built.notes.is_empty(), "nothing was run");
}

#[test]
fn each_way_to_fail_says_what_it_is() {
    let bench = Bench::new();
    let code = |table: LayoutTable, platform: &str| {
        let error = bench.build(&bench.builder(table), platform).unwrap_err();
        (error.code().name, error.to_string())
    };
    let (name, message) = code(bench.command("echo no rule to make it >&2; exit 4"), "linux/amd64");
    assert!(name == "layout-failed" && message.contains("no rule to make it"), "{message}");
    let (name, message) = code(bench.command("true"), "linux/amd64");
    assert!(name == "layout-result" && message.contains("is no OCI layout"), "{message}");
    let (name, message) = code(bench.command(&bench.copy()), "linux/s390x");
    assert!(name == "layout-result" && message.contains("linux/amd64"), "{message}");
    let missing = LayoutTable {
        command: vec!["no-such-tool-here".into(), "{output}".into()],
        ..LayoutTable::default()
    };
    assert_eq!(code(missing, "linux/amd64").0, "layout-no-tool");
    let ko = LayoutTable { preset: Some(Preset::Ko), package: Some(".".into()), ..LayoutTable::default() };
    let builder = bench.builder(ko);
    let nowhere = Environment::empty().with("PATH", "/nowhere");
    let request = BuildRequest::new(bench.path("context"), "linux/amd64".parse().unwrap());
    let options = Options {
        image: "api".into(),
        table: LayoutTable { preset: Some(Preset::Ko), package: Some(".".into()), ..LayoutTable::default() },
        directory: bench.folder.path().to_owned(),
        platforms: Vec::new(),
        scratch: None,
        time_limit: Duration::from_secs(20),
        listener: Listener::default(),
    };
    drop(builder);
    let to = Repository::layout(bench.path("destination"));
    let error = bench.runtime.block_on(FromLayout::new(&nowhere, options).build(&request, &to)).unwrap_err();
    assert!(error.failure().help.unwrap().contains("go install github.com/google/ko"), "{error}");
}

#[test]
fn a_tool_that_does_not_end_is_ended() {
    let bench = Bench::new();
    let builder = bench.builder(bench.command("sleep 60"));
    let options = Options {
        image: "api".into(),
        table: bench.command("sleep 60"),
        directory: bench.folder.path().to_owned(),
        platforms: Vec::new(),
        scratch: None,
        time_limit: Duration::from_millis(300),
        listener: Listener::default(),
    };
    let error = bench.build(&builder.with(options), "linux/amd64").unwrap_err();
    assert_eq!(error.code().name, "layout-unfinished", "{error}");
}

async fn sandbox(folder: &Path) -> Sandbox {
    Sandbox::start(loadline_sandbox::Options::new(folder.join("data"))).await.unwrap()
}

#[test]
fn what_is_at_a_registry_is_taken_by_digest_and_for_its_platform() {
    let bench = Bench::new();
    let sandbox = bench.runtime.block_on(sandbox(bench.folder.path()));
    let name = |path: &str| format!("{}/{path}", sandbox.ready().registry);
    let repository = |path: &str| Repository::at(&client(), name(path).parse().unwrap());
    let made = Repository::layout(bench.path("made"));
    bench.runtime.block_on(loadline_build::copy_leg(&made, &repository("other/ci"), &bench.legs)).unwrap();
    let index = bench.index(&repository("other/ci"));
    let reference =
        |digest: &Digest| -> Reference { format!("{}@{digest}", name("other/ci")).parse().unwrap() };
    let take = |existing: Existing, platform: &str| {
        let request = BuildRequest::new(bench.path("context"), platform.parse().unwrap());
        bench
            .runtime
            .block_on(FromRegistry::new(&client(), existing).build(&request, &repository("mine/api")))
    };
    for (at, platform) in PLATFORMS.iter().enumerate() {
        let built = take(Existing::Whole(reference(&index.digest)), platform).unwrap();
        assert_eq!(built.manifest.digest, bench.legs[at].digest);
        let mine = repository("mine/api");
        assert!(bench.runtime.block_on(mine.resolve(&built.manifest.digest.to_string())).unwrap().is_some());
    }
    let one = |platform: &str, digest: &Digest| {
        Existing::Platforms([(platform.parse().unwrap(), reference(digest))].into_iter().collect())
    };
    let arm64 = &bench.legs[1].digest;
    assert_eq!(take(one("linux/arm64", arm64), "linux/arm64").unwrap().manifest.digest, *arm64);
    // Another platform's image, nothing for the platform, nothing there.
    let wrong = take(one("linux/amd64", arm64), "linux/amd64").unwrap_err();
    assert!(
        matches!(wrong, ExistingError::Wrong { .. }) && wrong.to_string().contains("linux/arm64"),
        "{wrong}"
    );
    assert!(matches!(take(one("linux/arm64", arm64), "linux/amd64"), Err(ExistingError::NotNamed { .. })));
    let gone = take(Existing::Whole(reference(&Digest::of("gone"))), "linux/amd64").unwrap_err();
    assert!(matches!(gone, ExistingError::Missing { .. }) && gone.is_input(), "{gone}");
    bench.runtime.block_on(sandbox.stop());
}
