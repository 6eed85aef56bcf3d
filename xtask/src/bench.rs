//! `bench`: whole commands with hyperfine, and what runs in process with divan.
//!
//! Hyperfine and the peers are looked for, never fetched; what is not there is said. Ratios are of mean
//! times of whole processes on this machine at this moment: they say something about each other, little
//! about other machines.

use std::fs;

use camino::{Utf8Path, Utf8PathBuf};
use serde_json::Value;

use crate::cargo::{cargo, run};

/// A comparison: ours first, then peers that do the same work.
struct Comparison {
    name: &'static str,
    ours: String,
    peers: Vec<(&'static str, String)>,
}

/// Builds the program, times it beside its peers, and runs the benchmarks in process.
pub(crate) fn all(root: &Utf8Path) -> Result<Vec<String>, String> {
    let mut lines = Vec::new();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = |program: &str| std::env::split_paths(&path).any(|folder| folder.join(program).is_file());
    cargo(root, &["build", "--release", "--package", "loadline", "--locked"]).map_err(|e| e.to_string())?;
    lines.extend(crate::pipeline::measure(root, &root.join("target/release/loadline"))?);
    lines.extend(check(root)?);
    if found("hyperfine") {
        for comparison in comparisons(root) {
            lines.extend(compare(root, &comparison, &found)?);
        }
    } else {
        lines.push("skipped: whole commands; hyperfine is not installed".to_owned());
    }
    for package in crate::tidy::packages(root).map_err(|e| e.to_string())? {
        if package.join("benches").is_dir() {
            let name = package.file_name().unwrap_or_default();
            cargo(root, &["bench", "--package", name, "--benches", "--locked"]).map_err(|e| e.to_string())?;
            lines.push(format!("ran: benchmarks of {name}"));
        }
    }
    Ok(lines)
}

/// Builds the hook's program and times it.
pub(crate) fn check(root: &Utf8Path) -> Result<Vec<String>, String> {
    cargo(root, &["build", "--release", "--package", "loadline-hook", "--locked"])
        .map_err(|e| e.to_string())?;
    let target = std::env::var("CARGO_TARGET_DIR").map_or_else(|_| root.join("target"), Utf8PathBuf::from);
    crate::many::measure(root, &target.join("release/loadline-check"))
}

fn comparisons(root: &Utf8Path) -> Vec<Comparison> {
    let program = root.join("target/release/loadline");
    let fixture = root.join("fixtures/two-images");
    let config = fixture.join("loadline.toml");
    let region = "sed -n '/SHARED-BASE-BEGIN/,/SHARED-BASE-END/p'";
    vec![
        Comparison {
            name: "start",
            ours: format!("{program} --version"),
            peers: vec![
                ("cosign", "cosign version".to_owned()),
                ("crane", "crane version".to_owned()),
                ("oras", "oras version".to_owned()),
            ],
        },
        Comparison {
            name: "check of a shared region",
            ours: format!("{program} check --config {config}"),
            peers: vec![
                (
                    "bash",
                    format!(
                        "bash -c \"diff <({region} {fixture}/Dockerfile.orchestrator) <({region} {fixture}/Dockerfile.daemon)\""
                    ),
                ),
                (
                    "node",
                    format!(
                        "node {root}/xtask/peers/drift.mjs {fixture}/Dockerfile.orchestrator {fixture}/Dockerfile.daemon"
                    ),
                ),
            ],
        },
    ]
}

fn compare(
    root: &Utf8Path,
    comparison: &Comparison,
    found: &impl Fn(&str) -> bool,
) -> Result<Vec<String>, String> {
    let results = Utf8PathBuf::from(format!("target/bench-{}.json", comparison.name.replace(' ', "-")));
    let (there, absent): (Vec<_>, Vec<_>) = comparison.peers.iter().partition(|(program, _)| found(program));
    let mut arguments =
        vec!["--shell=none", "--warmup=3", "--style=basic", "--export-json", results.as_str()];
    arguments.push(&comparison.ours);
    arguments.extend(there.iter().map(|(_, command)| command.as_str()));
    run(root, "hyperfine", &arguments, &[]).map_err(|e| e.to_string())?;
    let text = fs::read_to_string(root.join(&results)).map_err(|e| format!("{results}: {e}"))?;
    let document: Value = serde_json::from_str(&text).map_err(|e| format!("{results}: {e}"))?;
    let means: Vec<f64> = document["results"]
        .as_array()
        .map(|list| list.iter().filter_map(|result| result["mean"].as_f64()).collect())
        .unwrap_or_default();
    let Some((ours, theirs)) = means.split_first() else {
        return Err(format!("{results} holds no mean times"));
    };
    let mut lines = vec![format!("{}: {:.1} ms", comparison.name, ours * 1000.0)];
    for ((program, _), mean) in there.iter().zip(theirs) {
        lines.push(format!(
            "{}: {program} {:.1} ms, {:.1} times ours",
            comparison.name,
            mean * 1000.0,
            mean / ours
        ));
    }
    lines
        .extend(absent.iter().map(|(program, _)| format!("{}: {program} is not installed", comparison.name)));
    Ok(lines)
}
