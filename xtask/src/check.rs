//! `check`: everything that must hold before a change is taken in, in the order in which it is cheapest
//! to fail.

use camino::Utf8Path;

use crate::cargo::{StepError, cargo};

/// Runs all steps; the first that fails ends it.
pub(crate) fn run(root: &Utf8Path) -> Result<Vec<String>, String> {
    let step = |name: &str, outcome: Result<(), StepError>| {
        outcome.map(|()| eprintln!("check: {name} passed")).map_err(|error| format!("{name}: {error}"))
    };
    step("format", cargo(root, &["fmt", "--all", "--check"]))?;
    crate::tidy_lines(root)?;
    eprintln!("check: tidy passed");
    step(
        "clippy",
        cargo(root, &["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"]),
    )?;
    crate::codegen::run(root, crate::codegen::Mode::Check).map_err(|error| error.to_string())?;
    eprintln!("check: codegen passed");
    step("tests", cargo(root, &["test", "--workspace", "--locked", "--no-fail-fast"]))?;
    Ok(vec!["check: all passed".to_owned()])
}
