//! `cargo xtask`: checks, code generation, benchmarks and the release of this repository.
//!
//! It stays small: it runs cargo and the `loadline` library, and prints.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line that prints is what this is")]

mod hello;

use std::process::ExitCode;

use camino::{Utf8Path, Utf8PathBuf};
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(
    name = "cargo xtask",
    about = "Checks, code generation, benchmarks and the release of this repository"
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Writes the two programs that the images of fixtures/two-images carry
    Hello,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match arguments.command {
        Command::Hello => say(hello::write(&root()).map_err(|error| error.to_string())),
    }
}

/// The repository's root: above this package.
fn root() -> Utf8PathBuf {
    let package = Utf8Path::new(env!("CARGO_MANIFEST_DIR"));
    package.parent().unwrap_or(package).to_owned()
}

/// Prints what was done, or what went wrong.
fn say(outcome: Result<Vec<String>, String>) -> ExitCode {
    match outcome {
        Ok(lines) => {
            for line in lines {
                println!("{line}");
            }
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}
