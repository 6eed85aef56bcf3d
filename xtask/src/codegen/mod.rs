//! `codegen`: files that are made from code, so that they cannot drift from it. The JSON Schemas of
//! `loadline.toml` and of every document, the references of `loadline.toml`, of all
//! codes, and of the command line.

mod cli;
mod codes;
mod configuration;
mod schemas;

use std::fs;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use thiserror::Error;

/// Whether files are written or compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Write,
    Check,
}

/// Why the files are not what they should be.
#[derive(Debug, Error)]
pub(crate) enum CodegenError {
    /// A file cannot be written.
    #[error("`{path}` cannot be written: {source}")]
    Write { path: Utf8PathBuf, source: io::Error },
    /// Files differ from what the code says.
    #[error("not up to date, run `cargo xtask codegen`: {}", join(.0))]
    Stale(Vec<Utf8PathBuf>),
}

fn join(paths: &[Utf8PathBuf]) -> String {
    paths.iter().map(|path| path.as_str()).collect::<Vec<_>>().join(", ")
}

/// A file that is made: its path from the root, and its text.
struct Made {
    path: Utf8PathBuf,
    text: String,
}

/// Makes all files, and writes or compares them.
pub(crate) fn run(root: &Utf8Path, mode: Mode) -> Result<Vec<String>, CodegenError> {
    let mut made = schemas::all();
    made.push(configuration::page());
    made.push(codes::page());
    made.push(cli::page());
    let mut lines = Vec::new();
    let mut stale = Vec::new();
    for Made { path, text } in made {
        let full = root.join(&path);
        if fs::read(&full).is_ok_and(|there| there == text.as_bytes()) {
            continue;
        }
        if mode == Mode::Check {
            stale.push(path);
            continue;
        }
        let fail = |source| CodegenError::Write { path: path.clone(), source };
        if let Some(folder) = full.parent() {
            fs::create_dir_all(folder).map_err(fail)?;
        }
        fs::write(&full, text).map_err(fail)?;
        lines.push(format!("written: {path}"));
    }
    if stale.is_empty() { Ok(lines) } else { Err(CodegenError::Stale(stale)) }
}

/// What stands at the top of a page that is made.
const MADE: &str = "<!-- Made by `cargo xtask codegen`. -->\n\n";
