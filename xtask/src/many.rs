//! `bench`, the check: two files beside a script that does the same comparison, and a large repository.

use std::fs;
use std::time::Instant;

use camino::Utf8Path;
use loadline_process::{Environment, Invocation};

/// How many Dockerfiles the large repository has.
const FILES: usize = 2000;
/// How often each is run; the middle is reported.
const RUNS: usize = 15;

/// Times the hook's program: the two files of the fixture beside node, with and without a configuration, then
/// 2,000 Dockerfiles that share a region; and the most memory that it held.
pub(crate) fn measure(root: &Utf8Path, program: &Utf8Path) -> Result<Vec<String>, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let folder = Utf8Path::from_path(folder.path()).ok_or("the temporary folder's path is not UTF-8")?;
    let fixture = root.join("fixtures/two-images");
    let pair = folder.join("pair");
    let many = folder.join("many");
    fs::create_dir(&pair).map_err(|error| error.to_string())?;
    for name in ["Dockerfile.orchestrator", "Dockerfile.daemon"] {
        fs::copy(fixture.join(name), pair.join(name)).map_err(|error| error.to_string())?;
    }
    write(&many).map_err(|error| format!("{many}: {error}"))?;

    let environment = Environment::of_this_process();
    let (ours, pair_memory) = run(&environment, program, &[], &pair)?;
    let (configured, _) = run(&environment, program, &[], &fixture)?;
    let mut lines = vec![format!(
        "check: two files {ours:.1} ms, {configured:.1} ms with a configuration{}",
        held(pair_memory)
    )];
    if environment.find_program("node").is_some() {
        let script = root.join("xtask/peers/drift.mjs");
        let arguments = [script.as_str(), "Dockerfile.orchestrator", "Dockerfile.daemon"];
        let (node, memory) = run(&environment, "node".into(), &arguments, &pair)?;
        lines.push(format!("check: node {node:.1} ms, {:.0} times ours{}", node / ours, held(memory)));
    } else {
        lines.push("check: node is not installed".to_owned());
    }
    let (time, memory) = run(&environment, program, &[], &many)?;
    lines.push(format!("check: {FILES} Dockerfiles {time:.0} ms{}", held(memory)));
    let (time, memory) = run(&environment, program, &["--config", "images.toml"], &many)?;
    lines.push(format!("check: {FILES} Dockerfiles, each an image's, {time:.0} ms{}", held(memory)));
    Ok(lines)
}

fn held(kib: Option<u64>) -> String {
    kib.map_or_else(|| "; `time` is not installed".to_owned(), |kib| format!(", {} MiB", kib.div_ceil(1024)))
}

/// The middle time of a whole process in milliseconds, and the most memory of any run in KiB.
fn run(
    environment: &Environment,
    program: &Utf8Path,
    arguments: &[&str],
    folder: &Utf8Path,
) -> Result<(f64, Option<u64>), String> {
    let words = || arguments.iter().map(|word| (*word).to_owned());
    let checked = |invocation: Invocation| {
        invocation.run(environment).and_then(|output| output.checked()).map_err(|error| error.to_string())
    };
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let began = Instant::now();
        checked(Invocation::new(program.as_str(), folder.as_std_path()).args(words()))?;
        times.push(began.elapsed().as_secs_f64() * 1000.0);
    }
    times.sort_by(f64::total_cmp);
    let middle = times.get(RUNS / 2).copied().unwrap_or_default();
    if environment.find_program("time").is_none() {
        return Ok((middle, None));
    }
    let timed = Invocation::new("time", folder.as_std_path()).args(["-f", "%M"]).arg(program.as_str());
    let told = checked(timed.args(words()))?.stderr_text();
    Ok((middle, told.lines().last().and_then(|line| line.trim().parse().ok())))
}

/// A repository of many services, each with a Dockerfile of 90 lines that shares 58 of them.
fn write(folder: &Utf8Path) -> std::io::Result<()> {
    let mut shared =
        "# --- SHARED-BASE-BEGIN ---\nARG NODE_VERSION=22.1\nFROM debian:12 AS base\n".to_owned();
    for at in 0..18 {
        shared +=
            &format!("RUN apt-get install -y package-{at} && \\\n    echo done\nENV VAR_{at}=value-{at}\n");
    }
    shared += "# --- SHARED-BASE-END ---\n";
    let mut config = r##"[release]
source = "github.com/acme/widget"
repository = "registry.example.com/acme/widget"
platforms = ["linux/amd64"]
[[shared-region]]
name = "base"
begin = "# --- SHARED-BASE-BEGIN ---"
end = "# --- SHARED-BASE-END ---"
files = ["services/*/Dockerfile"]
[verify]
signer-workflow = ".github/workflows/release.yml"
[check]
workflows = "nothing"
"##
    .to_owned();
    for at in 0..FILES {
        let service = folder.join(format!("services/s{at}"));
        fs::create_dir_all(&service)?;
        let mut text = format!("{shared}FROM base AS app\nWORKDIR /app\nCOPY services/s{at} /app\n");
        for step in 0..15 {
            text += &format!("LABEL a{step}=b{at}\nRUN step {step}\n");
        }
        fs::write(service.join("Dockerfile"), text + "USER 1000\n")?;
        config += &format!("[image.s{at}]\ndockerfile = \"services/s{at}/Dockerfile\"\n");
    }
    fs::write(folder.join(".dockerignore"), "*\n!services\n")?;
    fs::write(folder.join("images.toml"), config)
}
