//! The command lines of tools: pure functions, so that every argument can be looked at.

use std::path::Path;

use loadline_core::Platform;
use loadline_core::config::{LayoutTable, Preset};
use loadline_process::{Invocation, NETWORK};

use crate::request::BuildRequest;

/// What every tool may read of the environment, beside PATH and HOME.
const PASSED: &[&str] = &["TMPDIR", "DOCKER_CONFIG"];
const OF_KO: &[&str] = &[
    "KO_DEFAULTBASEIMAGE",
    "KO_CONFIG_PATH",
    "GOPATH",
    "GOCACHE",
    "GOMODCACHE",
    "GOPROXY",
    "GOPRIVATE",
    "GONOSUMDB",
    "GOSUMDB",
    "GOFLAGS",
    "GOTOOLCHAIN",
];
const OF_CONTAINERS: &[&str] = &[
    "REGISTRY_AUTH_FILE",
    "XDG_RUNTIME_DIR",
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "STORAGE_DRIVER",
    "STORAGE_OPTS",
    "CONTAINERS_CONF",
    "CONTAINERS_STORAGE_CONF",
    "CONTAINERS_REGISTRIES_CONF",
    "BUILDAH_ISOLATION",
    "BUILDAH_RUNTIME",
];
const OF_DOCKER: &[&str] = &[
    "DOCKER_HOST",
    "DOCKER_CONTEXT",
    "DOCKER_CERT_PATH",
    "DOCKER_TLS_VERIFY",
    "BUILDX_BUILDER",
    "BUILDX_CONFIG",
    "XDG_RUNTIME_DIR",
];

/// What a tool is run for.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    /// The image's name.
    pub image: &'a str,
    /// What the configuration says.
    pub table: &'a LayoutTable,
    /// What to build.
    pub request: &'a BuildRequest,
    /// What it is built for: one platform, or all that one run makes.
    pub platforms: &'a [Platform],
    /// The copy of the context.
    pub context: &'a Path,
    /// The Dockerfile's copy.
    pub dockerfile: &'a Path,
    /// Where the layout is wanted.
    pub output: &'a Path,
    /// Where the tool writes the image's id, where it does.
    pub id_file: &'a Path,
}

/// Whether one run makes one platform; else it makes all of them.
pub fn is_per_platform(table: &LayoutTable) -> bool {
    match table.preset {
        Some(Preset::Ko) => false,
        Some(_) => true,
        None => table.command.iter().any(|word| word.contains("{platform}")),
    }
}

/// Whether the tool keeps what it runs off the network and within limits.
pub fn is_limited(table: &LayoutTable) -> bool {
    table.preset.is_some_and(Preset::builds_dockerfiles)
}

/// How to get a tool.
pub fn how_to_get(preset: Option<Preset>) -> &'static str {
    match preset {
        Some(Preset::Ko) => {
            "install ko: `go install github.com/google/ko@latest`, or the action ko-build/setup-ko"
        }
        Some(Preset::Buildah) => "install buildah: the package buildah of most distributions",
        Some(Preset::Podman) => "install podman: the package podman of most distributions",
        Some(Preset::Devcontainer) => "install the devcontainer CLI: `npm install -g @devcontainers/cli`",
        None => "install it, or name it by its path in the context",
    }
}

/// The run that builds; none where there is nothing to run.
pub fn build(job: &Job<'_>) -> Option<Invocation> {
    let platforms = job.platforms.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let epoch = job.request.source_date_epoch.to_string();
    let run = match job.table.preset {
        Some(Preset::Ko) => ko(job, &platforms),
        Some(preset @ (Preset::Buildah | Preset::Podman)) => container_build(job, preset, &platforms),
        Some(Preset::Devcontainer) => devcontainer(job, &platforms),
        None => {
            let output = text(job.output);
            let mut words = job
                .table
                .command
                .iter()
                .map(|word| word.replace("{output}", &output).replace("{platform}", &platforms));
            Invocation::new(words.next()?, job.context).args(words)
        }
    };
    let named = job.table.environment.iter().map(String::as_str);
    Some(run.pass(PASSED.iter().chain(NETWORK).copied().chain(named)).variable("SOURCE_DATE_EPOCH", epoch))
}

/// The run that writes what was built as a layout, for tools that build into a store of their own.
pub fn export(job: &Job<'_>, id: &str) -> Option<Invocation> {
    let preset = job.table.preset.filter(|preset| preset.builds_dockerfiles())?;
    Some(
        Invocation::new(preset.name(), job.context)
            // No registry is spoken to: credentials, or a docker configuration that is not there, have no part in it.
            .pass(OF_CONTAINERS.iter().copied().filter(|name| *name != "REGISTRY_AUTH_FILE"))
            .args(["push", "--quiet", id])
            .arg(format!("oci:{}:leg", text(job.output))),
    )
}

/// `ko build` (ko.build/reference/ko_build).
fn ko(job: &Job<'_>, platforms: &str) -> Invocation {
    let mut run = Invocation::new("ko", job.context)
        .pass(OF_KO.iter().copied())
        // It wants one even where it pushes nothing.
        .variable("KO_DOCKER_REPO", format!("loadline.invalid/{}", job.image))
        .args(["build", "--push=false", "--bare", "--sbom=none"])
        .arg(format!("--platform={platforms}"))
        .arg(format!("--oci-layout-path={}", beside(job.output)));
    for (name, value) in &job.request.labels {
        run = run.arg(format!("--image-label={name}={value}"));
    }
    run.args(&job.table.arguments).arg(job.table.package.as_deref().unwrap_or("."))
}

/// `buildah build` and `podman build`, which have their options in common.
fn container_build(job: &Job<'_>, preset: Preset, platforms: &str) -> Invocation {
    let request = job.request;
    let table = job.table;
    let mut run = Invocation::new(preset.name(), job.context)
        .pass(OF_CONTAINERS.iter().copied())
        .args(["build", "--format=oci"])
        .arg(format!("--platform={platforms}"))
        .arg(format!("--file={}", text(job.dockerfile)))
        .arg(format!("--iidfile={}", text(job.id_file)))
        .arg(format!("--timestamp={}", request.source_date_epoch));
    if let Some(target) = &request.target {
        run = run.arg(format!("--target={target}"));
    }
    for (name, value) in &request.build_args {
        run = run.arg(format!("--build-arg={name}={value}"));
    }
    for (name, value) in &request.labels {
        run = run.arg(format!("--label={name}={value}"));
    }
    for (name, value) in &request.annotations {
        run = run.arg(format!("--annotation={name}={value}"));
    }
    if !table.network {
        run = run.arg("--network=none");
    }
    if let Some(memory) = &table.memory {
        run = run.arg(format!("--memory={memory}"));
    }
    if let Some(cpus) = table.cpus.as_deref().and_then(|cpus| cpus.parse::<f64>().ok()) {
        // A share of each tenth of a second (cgroups, cpu.max).
        run = run.arg("--cpu-period=100000").arg(format!("--cpu-quota={:.0}", cpus * 100_000.0));
    }
    if let Some(processes) = &table.processes {
        run = run.arg(format!("--ulimit=nproc={processes}:{processes}"));
    }
    run.args(&table.arguments).arg(text(job.context))
}

/// `devcontainer build`, which drives docker's buildx.
fn devcontainer(job: &Job<'_>, platforms: &str) -> Invocation {
    let mut run = Invocation::new("devcontainer", job.context)
        .pass(OF_DOCKER.iter().copied())
        .args(["build", "--workspace-folder"])
        .arg(text(job.context))
        .arg("--platform")
        .arg(platforms)
        .arg("--output")
        .arg(format!("type=oci,tar=false,dest={}", text(job.output)));
    for (name, value) in &job.request.labels {
        run = run.arg("--label").arg(format!("{name}={value}"));
    }
    run.args(&job.table.arguments)
}

/// A path from the context to what lies beside it: ko takes the layout's for a repository's name, in which a
/// capital letter of a temporary folder has no place.
fn beside(path: &Path) -> String {
    match path.file_name() {
        Some(name) => format!("../{}", name.to_string_lossy()),
        None => text(path),
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(table: &LayoutTable, platforms: &[&str]) -> Invocation {
        let mut request = BuildRequest::new("/src", platforms[0].parse().unwrap());
        request.labels.insert("a".into(), "b c".into());
        request.build_args = vec![("X".into(), "1".into())];
        request.source_date_epoch = 7;
        let platforms: Vec<Platform> = platforms.iter().map(|p| p.parse().unwrap()).collect();
        build(&Job {
            image: "api",
            table,
            request: &request,
            platforms: &platforms,
            context: Path::new("/work/context"),
            dockerfile: Path::new("/work/Dockerfile"),
            output: Path::new("/work/layout"),
            id_file: Path::new("/work/id"),
        })
        .unwrap()
    }

    fn preset(preset: Preset) -> LayoutTable {
        LayoutTable { preset: Some(preset), package: Some("./cmd/api".into()), ..LayoutTable::default() }
    }

    #[test]
    fn each_preset_writes_a_layout_and_pushes_nothing() {
        let ko = args(&preset(Preset::Ko), &["linux/amd64", "linux/arm64"]);
        assert_eq!(ko.program, "ko");
        for wanted in ["--push=false", "--platform=linux/amd64,linux/arm64", "--oci-layout-path=../layout"] {
            assert!(ko.args.iter().any(|arg| arg == wanted), "{wanted}: {:?}", ko.args);
        }
        assert_eq!(ko.args.last().unwrap(), "./cmd/api");
        assert!(!is_per_platform(&preset(Preset::Ko)));
        let dev = args(&preset(Preset::Devcontainer), &["linux/arm64"]);
        assert!(dev.args.contains(&"type=oci,tar=false,dest=/work/layout".to_owned()), "{:?}", dev.args);
        assert!(!dev.args.contains(&"--push".to_owned()));
    }

    #[test]
    fn dockerfiles_are_built_without_a_network_and_within_limits() {
        let mut table = preset(Preset::Buildah);
        (table.memory, table.cpus, table.processes) =
            (Some("2g".into()), Some("1.5".into()), Some("64".into()));
        let run = args(&table, &["linux/arm64"]);
        for wanted in [
            "--network=none",
            "--memory=2g",
            "--cpu-quota=150000",
            "--ulimit=nproc=64:64",
            "--platform=linux/arm64",
            "--build-arg=X=1",
            "--label=a=b c",
            "--timestamp=7",
        ] {
            assert!(run.args.iter().any(|arg| arg == wanted), "{wanted}: {:?}", run.args);
        }
        table.network = true;
        assert!(!args(&table, &["linux/arm64"]).args.contains(&"--network=none".to_owned()));
    }

    #[test]
    fn a_command_is_told_where_and_what_for() {
        let command = ["./build.sh", "--for={platform}", "{output}"].map(str::to_owned).to_vec();
        let table = LayoutTable { command, environment: vec!["TOKEN".into()], ..LayoutTable::default() };
        let run = args(&table, &["linux/arm/v7"]);
        assert_eq!(run.args, ["--for=linux/arm/v7", "/work/layout"]);
        assert!(is_per_platform(&table) && !is_limited(&table));
        assert!(run.pass.contains(&"TOKEN".to_owned()) && !run.pass.contains(&"GITHUB_TOKEN".to_owned()));
        assert_eq!(run.variables["SOURCE_DATE_EPOCH"], "7");
    }
}
