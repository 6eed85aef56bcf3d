//! Every way in which a build does not come to be, told apart.

use std::time::{Duration, Instant};

use base64::Engine as _;
use loadline_build::buildx::{BuildxError, Progress, SecretFrom, SecretSource};

use crate::fake::{Fake, INSPECT, VERSION, run};

#[track_caller]
fn refused(fake: &Fake, code: &str, says: &[&str]) -> BuildxError {
    let error = fake.build().unwrap_err();
    assert_eq!(error.code().name, code, "{error}");
    let failure = error.failure();
    let whole = format!("{} {}", failure.message, failure.help.unwrap_or_default());
    for text in says {
        assert!(whole.contains(text), "`{text}` in `{whole}`");
    }
    error
}

#[test]
fn no_docker() {
    refused(&Fake::without_docker(), "buildx-no-docker", &["no `docker` in PATH", "assemble"]);
}

#[test]
fn no_buildx() {
    let fake = Fake::new("echo 'docker: unknown command: docker buildx' >&2; exit 1", INSPECT, "exit 0");
    refused(&fake, "buildx-missing", &["unknown command: docker buildx", "docker-buildx-plugin"]);
    assert_eq!(fake.calls(), ["buildx version"]);
}

#[test]
fn an_old_buildx() {
    let fake = Fake::new("echo 'github.com/docker/buildx v0.10.4 c513d34'", INSPECT, "exit 0");
    refused(&fake, "buildx-too-old", &["v0.10.4", "0.13"]);
}

#[test]
fn no_such_instance() {
    let mut fake = Fake::new(VERSION, "echo 'ERROR: no builder \"farm\" found' >&2; exit 1", "exit 0");
    fake.options.instance = Some("farm".into());
    refused(&fake, "buildx-no-instance", &["`farm`", "docker buildx create --name farm"]);
    assert_eq!(fake.calls()[1], "buildx inspect --bootstrap farm");
}

#[test]
fn an_engine_that_is_down() {
    let says = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock.";
    let exits = Fake::new(VERSION, &format!("echo 'ERROR: {says}' >&2; exit 1"), "exit 0");
    refused(&exits, "buildx-unreachable", &[says]);
    let prints =
        Fake::new(VERSION, &format!("printf 'Name: default\\nDriver: \\nError: {says}\\n'"), "exit 0");
    refused(&prints, "buildx-unreachable", &[says, "builder-instance"]);
}

#[test]
fn a_driver_that_cannot_push_by_digest() {
    let fake = Fake::new(VERSION, &INSPECT.replace("docker-container", "docker"), "exit 0");
    let client = loadline_registry::Client::new(
        loadline_registry::Http::new(loadline_registry::HttpOptions::default()),
        loadline_registry::Options::default(),
    );
    let somewhere = loadline_registry::Repository::at(&client, "registry.example/a/b".parse().unwrap());
    let error = run(fake.builder().build(&fake.request(), &somewhere)).unwrap_err();
    assert_eq!(error.code().name, "buildx-no-push-by-digest");
    assert!(error.help().unwrap().contains("--driver docker-container"));
    assert_eq!(fake.calls().len(), 2, "no build was begun");
}

#[test]
fn a_builder_without_the_platform() {
    let fake = Fake::new(VERSION, &INSPECT.replace(", linux/arm64", ""), "exit 0");
    refused(&fake, "buildx-no-platform", &["linux/arm64", "only for linux/amd64", "binfmt"]);
    assert_eq!(fake.calls().len(), 2, "no build was begun");
}

#[test]
fn a_secret_that_is_not_set() {
    let mut fake = Fake::new(VERSION, INSPECT, "exit 0");
    fake.options.secrets =
        vec![SecretSource { id: "npm".into(), from: SecretFrom::Variable("NPM_TOKEN".into()) }];
    refused(&fake, "buildx-secret", &["`npm`", "NPM_TOKEN"]);
    assert_eq!(fake.calls().len(), 2, "no build was begun");
}

#[test]
fn a_failing_stage_shows_its_last_lines_without_the_secret() {
    let line = |text: &str| base64::engine::general_purpose::STANDARD.encode(text);
    let (one, two) = (line("installing with hun"), line("ter2\nE404 not found\n"));
    let build = format!(
        r#"cat >&2 <<'END'
{{"vertexes":[{{"digest":"sha256:a","name":"[deps 2/4] RUN npm ci","started":"x"}}]}}
{{"logs":[{{"vertex":"sha256:a","stream":1,"data":"{one}"}}]}}
{{"logs":[{{"vertex":"sha256:a","stream":1,"data":"{two}"}}]}}
{{"vertexes":[{{"digest":"sha256:a","name":"[deps 2/4] RUN npm ci","started":"x","completed":"y","error":"process \"npm ci\" did not complete successfully: exit code: 1"}}]}}
Dockerfile:4
END
echo "ERROR: failed with $NPM_TOKEN" >&2; exit 1"#
    );
    let mut fake = Fake::new(VERSION, INSPECT, &build);
    fake.environment = fake.environment.clone().with("NPM_TOKEN", "hunter2").with("OTHER", "x");
    fake.options.secrets =
        vec![SecretSource { id: "npm".into(), from: SecretFrom::Variable("NPM_TOKEN".into()) }];
    let error = refused(
        &fake,
        "buildx-stage-failed",
        &["[deps 2/4] RUN npm ci failed", "exit code: 1", "installing with ***", "E404 not found"],
    );
    let said = format!("{error} {error:?} {:?} {:?}", fake.heard(), fake.calls());
    assert!(!said.contains("hunter2"), "{said}");
    assert!(fake.heard().contains(&Progress::Line { line: "ERROR: failed with ***".into() }));
    assert!(fake.calls()[2].contains("--secret id=npm,env=NPM_TOKEN"));
}

#[test]
fn a_build_that_fails_outside_of_any_stage() {
    let fake =
        Fake::new(VERSION, INSPECT, "echo 'ERROR: failed to read dockerfile: no such file' >&2; exit 1");
    refused(&fake, "buildx-failed", &["exit status: 1", "failed to read dockerfile"]);
}

#[test]
fn a_build_without_its_metadata_file() {
    refused(&Fake::new(VERSION, INSPECT, "exit 0"), "buildx-result", &["metadata file"]);
    refused(&Fake::new(VERSION, INSPECT, "echo '{}' > $meta"), "buildx-result", &["containerimage.digest"]);
    refused(&Fake::new(VERSION, INSPECT, "echo 'no' > $meta"), "buildx-result", &["cannot be read"]);
}

#[test]
fn a_dockerfile_that_is_not_there() {
    let fake = Fake::new(VERSION, INSPECT, "exit 0");
    std::fs::remove_file(fake.path("context/Dockerfile")).unwrap();
    refused(&fake, "buildx-failed", &["context/Dockerfile"]);
}

#[test]
fn a_build_that_takes_too_long_is_ended() {
    let mut fake = Fake::new(VERSION, INSPECT, "sleep 60");
    fake.options.time_limit = Duration::from_millis(300);
    let began = Instant::now();
    refused(&fake, "buildx-unfinished", &["did not end within 300 ms"]);
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[test]
fn a_build_that_nobody_waits_for_is_ended() {
    let fake = Fake::new(VERSION, INSPECT, "echo $$ > pid; exec sleep 60");
    run(async {
        let (builder, request, destination) = (fake.builder(), fake.request(), fake.destination());
        let build = builder.build(&request, &destination);
        assert!(tokio::time::timeout(Duration::from_secs(3), build).await.is_err());
    });
    let pid = std::fs::read_to_string(fake.path("pid")).unwrap();
    let gone = || !std::path::Path::new("/proc").join(pid.trim()).exists();
    let began = Instant::now();
    while !gone() && began.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(gone(), "process {pid} is still there");
}

#[test]
fn an_ignored_cache_is_said() {
    let mut fake = Fake::new(VERSION, INSPECT, "exit 1");
    fake.options.cache_from = vec!["type=gha".into(), "type=registry,ref=a/b".into()];
    assert!(fake.build().is_err());
    let heard = fake.heard();
    let said = |p: &Progress| matches!(p, Progress::Line { line } if line.contains("`type=gha` is ignored"));
    assert_eq!(heard.iter().filter(|p| said(p)).count(), 1, "{heard:?}");
}
