//! `loadline release` against a registry and a Sigstore that are not its own: what stands in the way is
//! said, nothing is tagged, and a rerun goes on.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

mod support;

use loadline_core::Secret;
use loadline_registry::{self as registry, Client, Descriptor, Http, HttpOptions, Repository};
use loadline_sandbox::registry::{Challenge, Faults};
use loadline_sandbox::{GitHubRun, Options, Sandbox};
use support::{Project, Run, images};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const WORKFLOW: &str = ".github/workflows/release.yml";

/// A sandbox that stands for the world, and a project that releases to it.
struct World {
    project: Project,
    sandbox: Option<Sandbox>,
    runtime: Runtime,
    data: TempDir,
}

impl World {
    fn new(change: impl FnOnce(&mut Options)) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let data = tempfile::tempdir().unwrap();
        let mut options = Options::new(data.path());
        change(&mut options);
        let sandbox = runtime.block_on(Sandbox::start(options)).unwrap();
        let project = Project::new();
        let ready = sandbox.ready().clone();
        project.edit("loadline.toml", "registry.example.com", &ready.registry);
        project.edit("loadline.toml", "[verify]", &format!("[verify]\nissuer = \"{}\"", ready.issuer));
        project.commit("Release to the world");
        Self { project, sandbox: Some(sandbox), runtime, data }
    }

    fn sandbox(&self) -> &Sandbox {
        self.sandbox.as_ref().unwrap()
    }

    /// Ends what stands for the world, and starts it again on the same port, other options.
    fn again(&mut self, change: impl FnOnce(&mut Options)) {
        let sandbox = self.sandbox.take().unwrap();
        let address = sandbox.address();
        self.runtime.block_on(sandbox.stop());
        let mut options = Options::new(self.data.path());
        options.listen = address;
        change(&mut options);
        self.sandbox = Some(self.runtime.block_on(Sandbox::start(options)).unwrap());
    }

    fn token(&self, workflow: &str) -> Secret {
        let run = GitHubRun::new("acme/widget", "refs/heads/main", &self.project.head(), workflow);
        self.sandbox().github_token(&run).unwrap()
    }

    fn release(&self, workflow: &str, more: &[(&str, &str)]) -> Run {
        self.release_with(&self.token(workflow), more)
    }

    fn release_with(&self, token: &Secret, more: &[(&str, &str)]) -> Run {
        self.run_with(token, &["release"], more)
    }

    /// Any verb that signs.
    fn run_with(&self, token: &Secret, verb: &[&str], more: &[(&str, &str)]) -> Run {
        let ready = self.sandbox().ready();
        let root = ready.trusted_root.to_str().unwrap();
        let config = ready.signing_config.to_str().unwrap();
        let mut command = self.project.command(verb);
        command.args([
            "--version",
            "1.0.0",
            "--format",
            "json",
            "--trusted-root",
            root,
            "--signing-config",
            config,
        ]);
        command.env("SIGSTORE_ID_TOKEN", token.expose());
        for (name, value) in more {
            command.env(name, value);
        }
        support::run_of(&command.output().unwrap())
    }

    fn tags(&self) -> Vec<String> {
        let client = Client::new(Http::new(HttpOptions::default()), registry::Options::default());
        let name = format!("{}/acme/widget", self.sandbox().ready().registry).parse().unwrap();
        match self.runtime.block_on(Repository::at(&client, name).tags()) {
            Ok(tags) => tags,
            Err(error) if error.is_not_found() => Vec::new(),
            Err(error) => panic!("{error}"),
        }
    }
}

/// Tags of the release, without those that stand in for the referrers API.
fn released(world: &World) -> Vec<String> {
    world.tags().into_iter().filter(|tag| !tag.starts_with("sha256-")).collect()
}

#[test]
fn a_release_to_the_world_is_verified_by_others() {
    let world = World::new(|_| {});
    let run = world.release(WORKFLOW, &[]);
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    assert_eq!(released(&world), ["1.0.0", "1.0.0-server", "1.0.0-worker", "latest"]);
    let reference = format!("{}/acme/widget:latest", world.sandbox().ready().registry);
    let root = world.sandbox().ready().trusted_root.to_str().unwrap();
    let verify = world.project.run(&["verify", &reference, "--trusted-root", root]);
    assert_eq!(verify.code, Some(0), "{}", verify.stderr);
    let digest = &images(&run.json())["server"].0;
    assert!(verify.stdout.trim_end().ends_with(digest.as_str()), "{}", verify.stdout);
    assert!(
        verify.stderr.contains("slsa-provenance by https://github.com/acme/widget/"),
        "{}",
        verify.stderr
    );
}

#[test]
fn a_registry_without_the_referrers_api_gets_fallback_tags() {
    let world = World::new(|options| options.no_referrers = true);
    let run = world.release(WORKFLOW, &[]);
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    let tags: Vec<_> = world.tags().into_iter().filter(|tag| tag.starts_with("sha256-")).collect();
    assert_eq!(tags.len(), 6, "two indexes and four children");
    let again = world.release(WORKFLOW, &[]);
    assert_eq!(again.code, Some(0), "{}", again.stderr);
    assert_eq!(again.json()["effects"]["manifests_pushed"], 0);

    // Another writer loses our entries: the next run mends the tag.
    let client = Client::new(Http::new(HttpOptions::default()), registry::Options::default());
    let name = format!("{}/acme/widget", world.sandbox().ready().registry).parse().unwrap();
    let repository = Repository::at(&client, name);
    let lost = tags.first().unwrap();
    let empty = loadline_registry::index::IndexBuilder::new().build().unwrap();
    world.runtime.block_on(repository.tag(lost, empty.media_type, empty.bytes)).unwrap();
    let mended = world.release(WORKFLOW, &[]);
    assert_eq!(mended.code, Some(0), "{}\n{}", mended.stdout, mended.stderr);
    let index = world.runtime.block_on(repository.manifest(lost)).unwrap().as_index().unwrap();
    assert!(!index.manifests.is_empty());
}

#[test]
fn a_registry_that_fails_leaves_nothing_tagged_and_a_rerun_goes_on() {
    let faults = |text: &str| Faults::parse([text], 1).unwrap();
    let mut world = World::new(|options| options.faults = faults("PUT manifests:503"));
    let run = world.release(WORKFLOW, &[]);
    assert_eq!(run.code, Some(3), "{}\n{}", run.stdout, run.stderr);
    assert_eq!(released(&world), [""; 0]);
    world.again(|_| {});
    let run = world.release(WORKFLOW, &[]);
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    assert_eq!(released(&world).len(), 4);
}

#[test]
fn a_promotion_that_is_cut_off_tells_which_tags_are_written() {
    // Tags are written in one order: the last of four fails, again and again.
    let faults = Faults::parse(["PUT manifests/latest:503"], 1).unwrap();
    let mut world = World::new(|options| options.faults = faults);
    let run = world.release(WORKFLOW, &[]);
    assert_eq!(run.code, Some(3), "{}\n{}", run.stdout, run.stderr);
    let document = run.json();
    assert_eq!(document["effects"]["tags_moved"], 3);
    assert_eq!(images(&document)["server"].1, ["1.0.0-server", "1.0.0"]);
    assert_eq!(released(&world), ["1.0.0", "1.0.0-server", "1.0.0-worker"]);
    world.again(|_| {});
    let run = world.release(WORKFLOW, &[]);
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    assert_eq!(run.json()["effects"]["tags_moved"], 1);
}

#[test]
fn a_registry_that_is_down_is_named() {
    let mut world = World::new(|_| {});
    let registry = world.sandbox().ready().registry.clone();
    let sandbox = world.sandbox.take().unwrap();
    let token = sandbox
        .github_token(&GitHubRun::new("acme/widget", "refs/heads/main", &"a".repeat(40), WORKFLOW))
        .unwrap();
    let ready = sandbox.ready().clone();
    world.runtime.block_on(sandbox.stop());
    let mut command = world.project.command(&["release", "--version", "1.0.0", "--format", "json"]);
    command.args(["--trusted-root", ready.trusted_root.to_str().unwrap()]);
    command.args(["--signing-config", ready.signing_config.to_str().unwrap()]);
    let run = support::run_of(&command.env("SIGSTORE_ID_TOKEN", token.expose()).output().unwrap());
    assert_eq!(run.code, Some(3), "{}", run.stdout);
    let message = run.json()["failures"][0]["message"].as_str().unwrap().to_owned();
    assert!(message.contains(&registry) && message.contains("refused"), "{message}");
}

#[test]
fn a_foreign_identity_signs_nothing_that_passes() {
    let world = World::new(|_| {});
    let run = world.release(".github/workflows/other.yml", &[]);
    assert_eq!(run.code, Some(1), "{}\n{}", run.stdout, run.stderr);
    assert!(run.codes().contains(&"signer-workflow-mismatch".to_owned()), "{:?}", run.codes());
    assert_eq!(released(&world), [""; 0]);
}

#[test]
fn what_is_not_committed_is_not_released() {
    let world = World::new(|_| {});
    world.project.write("rootfs/etc/motd", "new");
    let run = world.release(WORKFLOW, &[]);
    assert_eq!(run.code, Some(1), "{}\n{}", run.stdout, run.stderr);
    assert_eq!(run.codes(), ["uncommitted-changes"]);
    assert_eq!(run.json()["effects"]["blobs_pushed"], 0);
}

#[test]
fn a_commit_that_the_certificate_does_not_know_must_be_allowed() {
    let world = World::new(|_| {});
    world.project.write("rootfs/etc/motd", "new");
    world.project.write_reports(&[]);
    let token = world.token(WORKFLOW);
    world.project.commit("Move on");
    let run = world.release_with(&token, &[]);
    assert_eq!(run.code, Some(1), "{}\n{}", run.stdout, run.stderr);
    assert!(run.codes().contains(&"built-commit-differs".to_owned()), "{:?}", run.codes());
    assert_eq!(released(&world), [""; 0]);
}

#[test]
fn a_bundle_that_was_tampered_with_is_refused() {
    let faults = Faults::parse(["PUT manifests:503;after=6"], 1).unwrap();
    let mut world = World::new(|options| options.faults = faults);
    // It stops while it attaches: bundles are saved, not all of them pushed.
    let run = world.release(WORKFLOW, &[]);
    assert_eq!(run.code, Some(3), "{}\n{}", run.stdout, run.stderr);
    let folder = world.project.path().join(".loadline/releases/1.0.0/bundles");
    let mut tampered = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let mut bundle: serde_json::Value = serde_json::from_str(&text).unwrap();
        let signature = bundle["dsseEnvelope"]["signatures"][0]["sig"].as_str().unwrap().to_owned();
        let turned: String = signature.chars().rev().collect();
        bundle["dsseEnvelope"]["signatures"][0]["sig"] = turned.into();
        std::fs::write(&path, bundle.to_string()).unwrap();
        tampered += 1;
    }
    assert!(tampered > 0);
    world.again(|_| {});
    let run = world.release(WORKFLOW, &[]);
    assert_eq!(run.code, Some(1), "{}\n{}", run.stdout, run.stderr);
    assert!(run.codes().contains(&"evidence-missing".to_owned()), "{:?}", run.codes());
    assert_eq!(released(&world), [""; 0]);
}

#[test]
fn a_registry_that_wants_a_password_says_whose_is_missing() {
    let world = World::new(|options| options.auth = Some(("ci".to_owned(), Secret::new("hunter2"))));
    let run = world.release(WORKFLOW, &[]);
    assert_eq!(run.code, Some(3), "{}\n{}", run.stdout, run.stderr);
    assert_eq!(run.codes(), ["registry-unauthorised"]);
    // docker's own file: base64 of ci:hunter2.
    let registry = world.sandbox().ready().registry.clone();
    let config = format!(r#"{{"auths":{{"{registry}":{{"auth":"Y2k6aHVudGVyMg=="}}}}}}"#);
    world.project.write(".loadline/docker/config.json", &config);
    let folder = world.project.path().join(".loadline/docker");
    let run = world.release(WORKFLOW, &[("DOCKER_CONFIG", folder.to_str().unwrap())]);
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    assert!(!format!("{}{}", run.stdout, run.stderr).contains("hunter2"));
}

#[test]
fn a_full_disk_is_said_before_anything_happens() {
    let world = World::new(|_| {});
    let ready = world.sandbox().ready();
    let mut command = world.project.command(&["release", "--version", "1.0.0", "--format", "json"]);
    command.args(["--ledger", "/dev/full", "--trusted-root", ready.trusted_root.to_str().unwrap()]);
    command.args(["--signing-config", ready.signing_config.to_str().unwrap()]);
    command.env("SIGSTORE_ID_TOKEN", world.token(WORKFLOW).expose());
    let run = support::run_of(&command.output().unwrap());
    assert_eq!(run.code, Some(3), "{}\n{}", run.stdout, run.stderr);
    assert_eq!(run.codes(), ["ledger-unusable"]);
    assert_eq!(released(&world), [""; 0]);
}

#[test]
fn without_an_identity_the_way_out_is_named() {
    let project = Project::new();
    let run = project.run(&["release", "--version", "1.0.0", "--format", "json"]);
    assert_eq!(run.code, Some(3), "{}", run.stdout);
    assert_eq!(run.codes(), ["signer-unknown"]);
    assert!(run.json()["failures"][0]["help"].as_str().unwrap().contains("--sandbox"));
}

/// The password of the registry, as docker keeps it: base64 of ci:hunter2.
fn with_password(world: &World) -> String {
    let registry = world.sandbox().ready().registry.clone();
    let config = format!(r#"{{"auths":{{"{registry}":{{"auth":"Y2k6aHVudGVyMg=="}}}}}}"#);
    world.project.write("target/docker/config.json", &config);
    world.project.path().join("target/docker").display().to_string()
}

#[test]
fn what_is_to_be_public_is_pulled_without_credentials_before_it_is_tagged() {
    for challenge in [Challenge::Bearer, Challenge::Basic] {
        let private = |options: &mut Options| {
            options.auth = Some(("ci".to_owned(), Secret::new("hunter2")));
            options.challenge = challenge;
        };
        let mut world = World::new(private);
        world.project.edit("loadline.toml", "platforms = [", "public = true\nplatforms = [");
        world.project.commit("Be public");
        let docker = with_password(&world);
        let run = world.release(WORKFLOW, &[("DOCKER_CONFIG", &docker)]);
        assert_eq!(run.code, Some(1), "{}\n{}", run.stdout, run.stderr);
        assert_eq!(run.codes(), ["image-not-public"], "once for the repository, not for each image");
        let document = run.json();
        assert_eq!(document["steps"].as_array().unwrap().last().unwrap()["name"], "pull");
        let finding = document["findings"].as_array().unwrap().last().unwrap().clone();
        assert!(finding["help"].as_str().unwrap().contains("`acme/widget` public"), "{finding}");

        world.again(|options| {
            private(options);
            options.anonymous_pull = true;
        });
        let run = world.release(WORKFLOW, &[("DOCKER_CONFIG", &docker)]);
        assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
        assert_eq!(run.json()["effects"]["manifests_pushed"], 0, "nothing is made a second time");
    }
}

#[test]
fn an_image_may_be_public_where_the_set_is_not() {
    let private = |options: &mut Options| options.auth = Some(("ci".to_owned(), Secret::new("hunter2")));
    let world = World::new(private);
    world.project.edit("loadline.toml", "[image.worker]\n", "[image.worker]\npublic = true\n");
    world.project.commit("Let everyone have the worker");
    let docker = with_password(&world);
    let run = world.release(WORKFLOW, &[("DOCKER_CONFIG", &docker)]);
    assert_eq!((run.code, run.codes()), (Some(1), vec!["image-not-public".to_owned()]), "{}", run.stderr);
    world.project.edit("loadline.toml", "public = true", "public = [\"ghcr.io\"]");
    let run = world.project.run(&["release", "--plan", "--version", "1.0.0", "--format", "json"]);
    assert_eq!((run.code, run.codes()), (Some(2), vec!["config-unknown-value".to_owned()]));
}

/// A set that is held, and whose images are in two repositories of one registry, which stand for two registries. Then
/// the second loses all evidence of one kind about the server.
fn mirrored(predicate_type: &str) -> (World, Run) {
    let mut world = World::new(|_| {});
    let registry = world.sandbox().ready().registry.clone();
    world.project.edit(
        "loadline.toml",
        &format!("repository = \"{registry}/acme/widget\""),
        &format!("repository = [\"{registry}/acme/widget\", \"{registry}/mirror/widget\"]"),
    );
    world.project.commit("Go to two places");
    let token = world.token(WORKFLOW);
    let held = world.run_with(&token, &["release", "--hold"], &[]);
    assert_eq!(held.code, Some(0), "{}\n{}", held.stdout, held.stderr);
    let document = held.json();
    let server =
        document["images"].as_array().unwrap().iter().find(|image| image["name"] == "server").unwrap();
    let children = server["platforms"].as_array().unwrap().iter().map(|child| &child["digest"]);
    let mut lost = Vec::new();
    for subject in std::iter::once(&server["digest"]).chain(children) {
        let subject = subject.as_str().unwrap().parse().unwrap();
        let referrers = world.runtime.block_on(mirror(&world).referrers(&subject)).unwrap().descriptors;
        let kind = |bundle: &Descriptor| bundle.annotations["dev.sigstore.bundle.predicateType"].clone();
        let of_kind = referrers.iter().filter(|bundle| kind(bundle) == predicate_type);
        lost.extend(of_kind.map(|bundle| format!("GET mirror/widget/manifests/{}:404", bundle.digest)));
    }
    assert_eq!(lost.len(), 3, "index and children: {lost:?}");
    world.again(|options| options.faults = Faults::parse(&lost, 1).unwrap());
    let token = world.token(WORKFLOW);
    let run = world.run_with(&token, &["promote"], &[]);
    (world, run)
}

fn mirror(world: &World) -> Repository {
    let client = Client::new(Http::new(HttpOptions::default()), registry::Options::default());
    Repository::at(&client, format!("{}/mirror/widget", world.sandbox().ready().registry).parse().unwrap())
}

/// Nothing is tagged in either repository, and the release stopped at this step.
fn nothing_is_tagged(world: &World, run: &Run, step: &str) {
    assert_ne!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    assert_eq!(released(world), [""; 0], "{}", run.stdout);
    let tags = world.runtime.block_on(mirror(world).tags()).unwrap_or_default();
    assert_eq!(tags, [""; 0]);
    assert_eq!(run.json()["steps"].as_array().unwrap().last().unwrap()["name"], step, "{}", run.stdout);
}

#[test]
fn evidence_that_one_of_several_registries_loses_holds_up_all() {
    let (world, run) = mirrored("https://slsa.dev/provenance/v1");
    nothing_is_tagged(&world, &run, "verify");
}

#[test]
fn what_its_users_would_not_get_is_not_tagged() {
    // The signed verdict, of which nothing depends but what users may demand.
    let (world, run) = mirrored("https://slsa.dev/verification_summary/v1");
    nothing_is_tagged(&world, &run, "pull");
}

#[test]
fn a_repository_of_its_own_for_each_image_in_several_registries() {
    let world = World::new(|_| {});
    let registry = world.sandbox().ready().registry.clone();
    world.project.edit(
        "loadline.toml",
        "[image.worker]\n",
        &format!("[image.worker]\nrepository = [\"{registry}/acme/worker\", \"{registry}/mirror/worker\"]\ntags = [\"{{version}}\", \"v{{version}}\"]\nmoving-tags = [\"latest\"]\n"),
    );
    world.project.commit("Keep the worker apart");
    let run = world.release(WORKFLOW, &[]);
    assert_eq!(run.code, Some(0), "{}\n{}", run.stdout, run.stderr);
    assert_eq!(run.json()["effects"]["tags_moved"], 3 + 2 * 3);
    let client = Client::new(Http::new(HttpOptions::default()), registry::Options::default());
    let digest = &images(&run.json())["worker"].0;
    for place in ["acme/worker", "mirror/worker"] {
        let repository = Repository::at(&client, format!("{registry}/{place}").parse().unwrap());
        world.runtime.block_on(async {
            for tag in ["1.0.0", "v1.0.0", "latest"] {
                let found = repository.resolve(tag).await.unwrap().unwrap();
                assert_eq!(&found.digest.to_string(), digest, "{place}:{tag}");
            }
            let referrers = repository.referrers(&digest.parse().unwrap()).await.unwrap();
            assert_eq!(referrers.descriptors.len(), 3, "provenance, bill of materials, verdict at {place}");
        });
    }
}
