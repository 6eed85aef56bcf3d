//! What to run, from what to build: a pure function, so that every argument can be looked at.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use loadline_core::RepositoryName;
use loadline_process::{Invocation, NETWORK};

use super::options::{Options, SecretFrom};
use super::secrets::ReadSecret;
use crate::request::{BuildRequest, NamedContext};

/// What to install when there is no docker.
pub(super) const HINT: &str = "install the docker client and its buildx plugin";

/// What the docker client, buildx and the helpers that they start read of the environment.
const PASSED: &[&str] = &[
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "DOCKER_CONFIG",
    "DOCKER_CERT_PATH",
    "DOCKER_TLS_VERIFY",
    "DOCKER_API_VERSION",
    "BUILDX_BUILDER",
    "BUILDX_CONFIG",
    "KUBECONFIG",
    "SSH_AUTH_SOCK",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "USER",
    "TMPDIR",
    "GOOGLE_APPLICATION_CREDENTIALS",
    "CLOUDSDK_CONFIG",
    "AWS_PROFILE",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
];
/// What a cache of type `gha` talks to GitHub with. Without the token buildx leaves such a cache out and
/// says nothing.
const GHA: &[&str] = &["ACTIONS_CACHE_URL", "ACTIONS_RESULTS_URL", "ACTIONS_CACHE_SERVICE_V2", GHA_TOKEN];
/// The variable without which there is no `gha` cache.
pub(super) const GHA_TOKEN: &str = "ACTIONS_RUNTIME_TOKEN";

/// Where the leg goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// To these repositories, by digest, without a tag.
    Push(Vec<RepositoryName>),
    /// Into an image layout, which is made.
    Layout(PathBuf),
    /// Into the engine's own store, under this tag, for running it here.
    Load(String),
}

/// `docker`, in a directory, with what it may read of the environment.
pub(super) fn docker(directory: &Path) -> Invocation {
    Invocation::new("docker", directory).pass(PASSED.iter().chain(NETWORK).copied()).hint(HINT)
}

/// The build of one leg. Paths in the request must be whole.
pub fn invocation(
    request: &BuildRequest,
    options: &Options,
    secrets: &[ReadSecret],
    output: &Output,
    metadata_file: &Path,
) -> Invocation {
    let mut run = docker(&options.directory).time_limit(options.time_limit).args(["buildx", "build"]);
    if let Some(instance) = &options.instance {
        run = run.arg("--builder").arg(instance);
    }
    run = run.arg("--platform").arg(request.platform.to_string());
    run = run.arg("--file").arg(text(&request.dockerfile));
    if let Some(target) = &request.target {
        run = run.arg("--target").arg(target);
    }
    const EPOCH: &str = "SOURCE_DATE_EPOCH";
    if !request.build_args.iter().any(|(name, _)| name == EPOCH) {
        run = run.arg("--build-arg").arg(format!("{EPOCH}={}", request.source_date_epoch));
    }
    for (name, value) in &request.build_args {
        run = run.arg("--build-arg").arg(format!("{name}={value}"));
    }
    for (name, value) in &request.labels {
        run = run.arg("--label").arg(format!("{name}={value}"));
    }
    for (name, value) in &request.annotations {
        // An engine's own store has no place for annotations.
        if !matches!(output, Output::Load(_)) {
            run = run.arg("--annotation").arg(format!("manifest:{name}={value}"));
        }
    }
    for (name, context) in &request.contexts {
        run = run.arg("--build-context").arg(format!("{name}={}", spelled(context, &request.context)));
    }
    run = with_secrets(run, secrets);
    run = with_caches(run, options);
    if let Some(network) = options.network {
        run = run.arg("--network").arg(network);
        if network == "host" {
            // The instance must allow it too; this is the client's half.
            run = run.args(["--allow", "network.host"]);
        }
    }
    for agent in &options.ssh {
        run = run.arg("--ssh").arg(agent);
    }
    // An engine's own store of images holds one image, without attestations.
    let (provenance, sbom) = match output {
        Output::Load(_) => ("false", None),
        _ => (options.provenance.argument(), options.sbom.argument()),
    };
    if let Some(sbom) = sbom {
        run = run.arg("--sbom").arg(sbom);
    }
    run.arg("--provenance")
        .arg(provenance)
        .arg("--output")
        .arg(written(output, options.rewrite_timestamp))
        .arg("--metadata-file")
        .arg(text(metadata_file))
        .args(["--progress", "rawjson"])
        .arg(text(&request.context))
}

fn with_secrets(mut run: Invocation, secrets: &[ReadSecret]) -> Invocation {
    for secret in secrets {
        let id = format!("id={}", secret.id);
        let (from, more) = match &secret.from {
            SecretFrom::Variable(name) => (format!("env={name}"), Some(name)),
            SecretFrom::File(path) => (format!("src={}", text(path)), None),
        };
        run = run.arg("--secret").arg(format!("{},{}", field(&id), field(&from)));
        run = match more {
            Some(name) => run.secret_variable(name, &secret.value),
            None => run.secret(&secret.value),
        };
    }
    run
}

fn with_caches(mut run: Invocation, options: &Options) -> Invocation {
    let mut github = false;
    for (flag, caches) in [("--cache-from", &options.cache_from), ("--cache-to", &options.cache_to)] {
        for cache in caches {
            github |= is_github(cache);
            run = run.arg(flag).arg(scoped(cache, &options.cache_scope));
        }
    }
    if github { run.pass(GHA.iter().copied()) } else { run }
}

/// Whether a cache is GitHub's.
pub(super) fn is_github(cache: &str) -> bool {
    cache.split(',').any(|part| part.trim() == "type=gha")
}

/// A cache with a scope of its own, where it is of the kind that has one and names none.
fn scoped<'a>(cache: &'a str, scope: &str) -> Cow<'a, str> {
    if is_github(cache) && !cache.split(',').any(|part| part.trim().starts_with("scope=")) {
        Cow::Owned(format!("{cache},scope={scope}"))
    } else {
        Cow::Borrowed(cache)
    }
}

fn spelled(context: &NamedContext, root: &Path) -> String {
    match context {
        NamedContext::Directory(path) => text(path),
        NamedContext::OciLayout { directory, target } => {
            let directory = text(&root.join(directory));
            match target {
                None => format!("oci-layout://{directory}"),
                Some(digest) if digest.contains(':') => format!("oci-layout://{directory}@{digest}"),
                Some(tag) => format!("oci-layout://{directory}:{tag}"),
            }
        }
        NamedContext::Image(reference) => format!("docker-image://{reference}"),
    }
}

fn written(output: &Output, rewrite_timestamp: bool) -> String {
    let mut text = match output {
        Output::Push(repositories) => {
            let names: Vec<String> = repositories.iter().map(ToString::to_string).collect();
            let names = format!("name={}", names.join(","));
            format!("type=image,{},push-by-digest=true,name-canonical=true,push=true", field(&names))
        }
        Output::Layout(directory) => {
            format!("type=oci,tar=false,{}", field(&format!("dest={}", text(directory))))
        }
        Output::Load(tag) => format!("type=docker,{}", field(&format!("name={tag}"))),
    };
    if rewrite_timestamp {
        text.push_str(",rewrite-timestamp=true");
    }
    text
}

/// One field of the comma-separated values that buildx takes (RFC 4180).
fn field(text: &str) -> Cow<'_, str> {
    if text.contains([',', '"', '\n', '\r']) {
        Cow::Owned(format!("\"{}\"", text.replace('"', "\"\"")))
    } else {
        Cow::Borrowed(text)
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use loadline_core::{Digest, Secret};

    use super::super::options::{Provenance, Sbom};
    use super::*;

    fn request() -> BuildRequest {
        let mut request = BuildRequest::new("/src", "linux/arm64".parse().unwrap());
        request.target = Some("production".into());
        request.build_args = vec![("A".into(), "1 2".into()), ("B".into(), String::new())];
        request.labels.insert("org.opencontainers.image.version".into(), "1.0.0".into());
        request.annotations.insert("org.opencontainers.image.version".into(), "1.0.0".into());
        request.source_date_epoch = 7;
        request
    }

    fn args(
        request: &BuildRequest,
        options: &Options,
        secrets: &[ReadSecret],
        output: &Output,
    ) -> Vec<String> {
        invocation(request, options, secrets, output, Path::new("/tmp/m.json")).args
    }

    #[track_caller]
    fn has(args: &[String], pair: [&str; 2]) {
        assert!(args.windows(2).any(|window| window == pair), "{pair:?} in {args:?}");
    }

    #[test]
    fn a_leg_is_pushed_by_digest() {
        let mut options = Options::new("/src");
        options.instance = Some("farm".into());
        let names = ["ghcr.io/a/b", "docker.io/a/b"].map(|name| name.parse().unwrap());
        let args = args(&request(), &options, &[], &Output::Push(names.to_vec()));
        assert_eq!(args[..2], ["buildx", "build"]);
        assert_eq!(args.last().unwrap(), "/src");
        has(&args, ["--builder", "farm"]);
        has(&args, ["--platform", "linux/arm64"]);
        has(&args, ["--file", "/src/Dockerfile"]);
        has(&args, ["--target", "production"]);
        has(&args, ["--build-arg", "SOURCE_DATE_EPOCH=7"]);
        has(&args, ["--build-arg", "A=1 2"]);
        has(&args, ["--build-arg", "B="]);
        has(&args, ["--label", "org.opencontainers.image.version=1.0.0"]);
        has(&args, ["--annotation", "manifest:org.opencontainers.image.version=1.0.0"]);
        has(&args, ["--provenance", "mode=max"]);
        has(&args, ["--progress", "rawjson"]);
        has(&args, ["--metadata-file", "/tmp/m.json"]);
        let output =
            "type=image,\"name=ghcr.io/a/b,docker.io/a/b\",push-by-digest=true,name-canonical=true,push=true";
        has(&args, ["--output", output]);
    }

    #[test]
    fn a_leg_goes_into_a_layout() {
        let mut options = Options::new("/src");
        options.provenance = Provenance::Off;
        let mut request = request();
        request.build_args.push(("SOURCE_DATE_EPOCH".into(), "9".into()));
        let args = args(&request, &options, &[], &Output::Layout("/tmp/a,b".into()));
        has(&args, ["--output", "type=oci,tar=false,\"dest=/tmp/a,b\""]);
        has(&args, ["--provenance", "false"]);
        has(&args, ["--build-arg", "SOURCE_DATE_EPOCH=9"]);
        assert_eq!(args.iter().filter(|arg| arg.starts_with("SOURCE_DATE_EPOCH")).count(), 1);
        assert!(!args.contains(&"--builder".to_owned()));
    }

    #[test]
    fn secrets_go_by_name_and_never_as_arguments() {
        let secret = |from| ReadSecret { id: "npm".into(), from, value: Secret::new("hunter2") };
        let secrets =
            [secret(SecretFrom::Variable("NPM_TOKEN".into())), secret(SecretFrom::File("/run/x".into()))];
        let run = invocation(
            &request(),
            &Options::new("/src"),
            &secrets,
            &Output::Layout("/l".into()),
            Path::new("/m"),
        );
        has(&run.args, ["--secret", "id=npm,env=NPM_TOKEN"]);
        has(&run.args, ["--secret", "id=npm,src=/run/x"]);
        assert!(!run.args.iter().any(|arg| arg.contains("hunter2")));
        assert_eq!(run.variables["NPM_TOKEN"], "hunter2");
        assert_eq!(run.secrets.len(), 2);
        assert!(!format!("{run:?} {run}").contains("hunter2"));
    }

    #[test]
    fn a_cache_of_github_gets_its_variables_and_a_scope() {
        let mut options = Options::new("/src");
        options.cache_scope = "daemon-linux-arm64".into();
        options.cache_from = vec!["type=gha".into(), "type=gha,scope=mine".into()];
        options.cache_to = vec!["type=registry,ref=ghcr.io/a/cache,mode=max".into()];
        let output = Output::Layout("/l".into());
        let run = invocation(&request(), &options, &[], &output, Path::new("/m"));
        has(&run.args, ["--cache-from", "type=gha,scope=daemon-linux-arm64"]);
        has(&run.args, ["--cache-from", "type=gha,scope=mine"]);
        has(&run.args, ["--cache-to", "type=registry,ref=ghcr.io/a/cache,mode=max"]);
        assert!(run.pass.iter().any(|name| name == GHA_TOKEN));
        options.cache_from.clear();
        let run = invocation(&request(), &options, &[], &output, Path::new("/m"));
        assert!(!run.pass.iter().any(|name| name == GHA_TOKEN));
    }

    #[test]
    fn network_ssh_and_a_bill_of_materials_are_handed_on() {
        let mut options = Options::new("/src");
        options.network = Some("host");
        options.ssh = vec!["default".into(), "git=/run/agent".into()];
        options.sbom = Sbom::Generator("docker/scout-sbom-indexer:1".into());
        options.rewrite_timestamp = true;
        let layout = Output::Layout("/l".into());
        let given = args(&request(), &options, &[], &layout);
        has(&given, ["--network", "host"]);
        has(&given, ["--allow", "network.host"]);
        has(&given, ["--ssh", "default"]);
        has(&given, ["--ssh", "git=/run/agent"]);
        has(&given, ["--sbom", "generator=docker/scout-sbom-indexer:1"]);
        has(&given, ["--output", "type=oci,tar=false,dest=/l,rewrite-timestamp=true"]);
        options.network = Some("none");
        options.sbom = Sbom::On;
        let given = args(&request(), &options, &[], &layout);
        has(&given, ["--network", "none"]);
        has(&given, ["--sbom", "true"]);
        assert!(!given.contains(&"--allow".to_owned()));
    }

    #[test]
    fn what_is_run_here_has_a_tag_and_nothing_beside_it() {
        let mut options = Options::new("/src");
        options.sbom = Sbom::On;
        let args = args(&request(), &options, &[], &Output::Load("api:try".into()));
        has(&args, ["--output", "type=docker,name=api:try"]);
        has(&args, ["--provenance", "false"]);
        assert!(!args.contains(&"--sbom".to_owned()) && !args.contains(&"--annotation".to_owned()));
        assert!(!args.iter().any(|arg| arg.contains("push")));
    }

    #[test]
    fn contexts_are_spelled_as_buildx_does() {
        let digest = Digest::of("x").to_string();
        let layout = |target: Option<&str>| NamedContext::OciLayout {
            directory: "l".into(),
            target: target.map(Into::into),
        };
        let root = Path::new("/src");
        assert_eq!(spelled(&NamedContext::Directory("/d".into()), root), "/d");
        assert_eq!(spelled(&layout(None), root), "oci-layout:///src/l");
        assert_eq!(spelled(&layout(Some("1")), root), "oci-layout:///src/l:1");
        assert_eq!(spelled(&layout(Some(&digest)), root), format!("oci-layout:///src/l@{digest}"));
        let image = NamedContext::Image("debian:13".parse().unwrap());
        assert_eq!(spelled(&image, root), "docker-image://docker.io/library/debian:13");
    }
}
