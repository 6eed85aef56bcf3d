//! Cargo and other developers' tools, started on the developer's own terminal.

use std::io;
use std::process::Command;

use camino::Utf8Path;
use thiserror::Error;

/// Why a step did not pass.
#[derive(Debug, Error)]
pub(crate) enum StepError {
    /// The program could not be started.
    #[error("`{program}` cannot be started: {source}")]
    Start { program: String, source: io::Error },
    /// The program said no.
    #[error("`{command}` failed with {status}")]
    Failed { command: String, status: String },
}

/// Runs a program to its end with the terminal as its own: its output, colours and progress go where
/// a developer looks, and it takes the time it takes. Products run through `loadline-process`, which
/// captures, limits and masks; none of that helps someone who waits for a compiler.
#[allow(clippy::disallowed_methods, reason = "a developer's own terminal, see above")]
pub(crate) fn run(
    root: &Utf8Path,
    program: &str,
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> Result<(), StepError> {
    let mut command = Command::new(program);
    command.args(arguments).envs(variables.iter().copied()).current_dir(root);
    let status =
        command.status().map_err(|source| StepError::Start { program: program.to_owned(), source })?;
    if status.success() {
        return Ok(());
    }
    Err(StepError::Failed {
        command: format!("{program} {}", arguments.join(" ")),
        status: status.to_string(),
    })
}

/// Runs cargo: the one that runs this, where cargo says which.
pub(crate) fn cargo(root: &Utf8Path, arguments: &[&str]) -> Result<(), StepError> {
    cargo_with(root, arguments, &[])
}

/// Runs cargo with variables added to its environment.
pub(crate) fn cargo_with(
    root: &Utf8Path,
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> Result<(), StepError> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    run(root, &cargo, arguments, variables)
}
