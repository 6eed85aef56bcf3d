//! `cargo xtask`: checks, code generation, benchmarks and the release of this repository.
//!
//! It stays small: it runs cargo and the `loadline` library, and prints.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a command line that prints is what this is")]

mod bench;
mod cargo;
mod check;
mod codegen;
mod codes;
mod data;
mod fixture_reports;
mod hello;
mod many;
mod pipeline;
mod release;
mod tidy;

use std::ffi::OsString;
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
    /// Formats, lints, tests, and checks that all is tidy and up to date: what must hold before a change is taken in
    Check,
    /// Says who imports whom against the floors, which files are too large, which codes are amiss
    Tidy,
    /// Writes the files that are made from code: JSON Schemas, the references of codes and command line
    Codegen {
        /// Compares them only
        #[arg(long)]
        check: bool,
    },
    /// Runs the checks over real data in a folder; says so when it is skipped
    Data {
        /// The folder; without it, what LOADLINE_DATA says
        folder: Option<Utf8PathBuf>,
    },
    /// Times whole commands (hyperfine, where it is installed) beside the peers it finds, and benchmarks in process
    Bench {
        /// The hook's program alone: two files beside a node script, and 2,000 Dockerfiles
        #[arg(long)]
        check: bool,
    },
    /// Writes the two programs that the images of fixtures/two-images carry
    Hello,
    /// Binds the scan reports of fixtures/two-images to its images, after their files changed
    FixtureReports,
    /// Runs `loadline release` on this repository's own images
    #[command(disable_help_flag = true)]
    Release {
        /// The arguments of `loadline release`; `--help` lists them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let root = root();
    match arguments.command {
        Command::Check => say(check::run(&root)),
        Command::Tidy => say(tidy_lines(&root)),
        Command::Codegen { check } => {
            let mode = if check { codegen::Mode::Check } else { codegen::Mode::Write };
            say(codegen::run(&root, mode).map_err(|error| error.to_string()))
        }
        Command::Data { folder } => {
            let folder = folder.or_else(|| std::env::var("LOADLINE_DATA").ok().map(Utf8PathBuf::from));
            say(data::run(&root, folder.as_deref()).map_err(|error| error.to_string()))
        }
        Command::Bench { check: true } => say(bench::check(&root)),
        Command::Bench { check: false } => say(bench::all(&root)),
        Command::Hello => say(hello::write(&root).map_err(|error| error.to_string())),
        Command::FixtureReports => say(fixture_reports::bind(&root).map_err(|error| error.to_string())),
        Command::Release { arguments } => release::run(&root, arguments),
    }
}

/// The repository's root: above this package.
fn root() -> Utf8PathBuf {
    // Cargo says where it runs this; what was compiled in is where it was built, which may be another checkout.
    let package =
        std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned());
    let package = Utf8Path::new(&package);
    package.parent().unwrap_or(package).to_owned()
}

/// What `tidy` has to say; its problems are an error.
fn tidy_lines(root: &Utf8Path) -> Result<Vec<String>, String> {
    let report = tidy::look(root).map_err(|error| error.to_string())?;
    for note in &report.notes {
        println!("worth a look: {note}");
    }
    if report.problems.is_empty() {
        return Ok(vec!["tidy: floors, sizes, codes and pages are as they should be".to_owned()]);
    }
    for problem in &report.problems {
        println!("{problem}");
    }
    Err(format!("tidy: {} problems", report.problems.len()))
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
