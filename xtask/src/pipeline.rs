//! `bench`, the pipeline: a whole release of the fixture in a fresh sandbox, step by step.

use std::fs;

use camino::Utf8Path;
use loadline_process::{Environment, Invocation};
use serde_json::Value;

/// How many releases are run; the one with the middle total is reported.
const RUNS: usize = 5;

/// Releases the fixture from a clone of this checkout, each time into a new sandbox, and tells what the
/// middle run took; then what a rerun took, and the most memory that a run held.
pub(crate) fn measure(root: &Utf8Path, program: &Utf8Path) -> Result<Vec<String>, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let clone = folder.path().join("clone");
    let environment = Environment::of_this_process();
    let run = |invocation: Invocation| -> Result<(String, String), String> {
        let output = invocation.run(&environment).and_then(|output| output.checked());
        output.map(|output| (output.stdout_text(), output.stderr_text())).map_err(|error| error.to_string())
    };
    let words = ["clone", "--quiet", root.as_str(), &clone.to_string_lossy()].map(str::to_owned);
    run(Invocation::new("git", root.as_std_path()).args(words))?;

    let timed = environment.find_program("time").is_some();
    let release = || {
        let arguments = [
            "release",
            "--sandbox",
            "--quiet",
            "--version",
            "1.0.0",
            "--format",
            "json",
            "--config",
            "fixtures/two-images/loadline.toml",
        ];
        let invocation = match timed {
            true => Invocation::new("time", &clone).args(["-f", "%M"]).arg(program.as_str()),
            false => Invocation::new(program.as_str(), &clone),
        };
        let (document, told) = run(invocation.args(arguments))?;
        let document: Value = serde_json::from_str(&document).map_err(|error| error.to_string())?;
        let memory: Option<u64> = told.lines().last().and_then(|line| line.trim().parse().ok());
        Ok::<_, String>((document, memory))
    };
    let mut runs = Vec::new();
    let mut memory = None;
    for _ in 0..RUNS {
        let _ = fs::remove_dir_all(clone.join("target"));
        let (document, peak) = release()?;
        memory = memory.max(peak);
        runs.push(document);
    }
    let (again, _) = release()?;
    runs.sort_by_key(total);

    let mut lines = Vec::new();
    if let Some(middle) = runs.get(RUNS / 2) {
        lines.push(format!(
            "release: {} ms, {} requests (the middle of {RUNS} runs)",
            total(middle),
            requests(middle)
        ));
        for step in middle["steps"].as_array().into_iter().flatten() {
            let name = step["name"].as_str().unwrap_or_default();
            lines.push(format!("release: {name:9} {:>5} ms {:>4} requests", step["ms"], step["requests"]));
        }
        let effects = &middle["effects"];
        lines.push(format!(
            "release: {} blobs and {} manifests pushed, {} tags written",
            effects["blobs_pushed"], effects["manifests_pushed"], effects["tags_moved"]
        ));
    }
    lines.push(format!("release: again {} ms, {} requests", total(&again), requests(&again)));
    match memory {
        Some(kib) => lines
            .push(format!("release: {:.1} MiB at most, the sandbox's servers among them", kib_to_mib(kib))),
        None => lines.push("release: memory was not measured; `time` is not installed".to_owned()),
    }
    let size = fs::metadata(program).map_err(|error| error.to_string())?.len();
    lines.push(format!("program: {:.1} MiB", kib_to_mib(size / 1024)));
    Ok(lines)
}

fn total(document: &Value) -> u64 {
    sum(document, "ms")
}

fn requests(document: &Value) -> u64 {
    sum(document, "requests")
}

fn sum(document: &Value, member: &str) -> u64 {
    document["steps"].as_array().into_iter().flatten().filter_map(|step| step[member].as_u64()).sum()
}

#[allow(clippy::cast_precision_loss, reason = "sizes far below 2^52")]
fn kib_to_mib(kib: u64) -> f64 {
    kib as f64 / 1024.0
}
