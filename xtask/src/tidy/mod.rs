//! `tidy`: what no compiler checks. Who imports whom, how large files are, that every code of a
//! finding is there once, is in its room's table and says what to do, and that every page is found.

mod codes;
mod floors;
mod pages;
mod sizes;

use std::fs;
use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use thiserror::Error;

/// Why the repository could not be looked at.
#[derive(Debug, Error)]
pub(crate) enum TidyError {
    /// A file or folder could not be read.
    #[error("`{path}` cannot be read: {source}")]
    Read { path: Utf8PathBuf, source: io::Error },
    /// A Cargo.toml is none.
    #[error("`{path}` is not a Cargo.toml: {source}")]
    Manifest { path: Utf8PathBuf, source: Box<toml::de::Error> },
}

/// What was seen: problems, and things worth a look that are none.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) problems: Vec<String>,
    pub(crate) notes: Vec<String>,
}

/// Looks at the whole repository.
pub(crate) fn look(root: &Utf8Path) -> Result<Report, TidyError> {
    let mut report = Report::default();
    floors::look(root, &mut report)?;
    sizes::look(root, &mut report)?;
    codes::look(root, &mut report)?;
    pages::look(root, &mut report)?;
    Ok(report)
}

/// The crates' folders, in order, and `xtask`.
pub(crate) fn packages(root: &Utf8Path) -> Result<Vec<Utf8PathBuf>, TidyError> {
    let mut packages: Vec<_> =
        entries(&root.join("crates"))?.into_iter().filter(|path| path.join("Cargo.toml").is_file()).collect();
    packages.push(root.join("xtask"));
    Ok(packages)
}

/// The Rust files below a folder, in order.
fn sources(folder: &Utf8Path) -> Result<Vec<Utf8PathBuf>, TidyError> {
    let mut files = Vec::new();
    if folder.is_dir() {
        for path in entries(folder)? {
            if path.is_dir() {
                files.extend(sources(&path)?);
            } else if path.extension() == Some("rs") {
                files.push(path);
            }
        }
    }
    Ok(files)
}

fn entries(folder: &Utf8Path) -> Result<Vec<Utf8PathBuf>, TidyError> {
    let fail = |source| TidyError::Read { path: folder.to_owned(), source };
    let mut paths = Vec::new();
    for entry in folder.read_dir_utf8().map_err(fail)? {
        paths.push(entry.map_err(fail)?.into_path());
    }
    paths.sort();
    Ok(paths)
}

pub(crate) fn read(path: &Utf8Path) -> Result<String, TidyError> {
    fs::read_to_string(path).map_err(|source| TidyError::Read { path: path.to_owned(), source })
}

/// A Rust file without the tests at its end.
fn without_tests(text: &str) -> &str {
    text.find("\n#[cfg(test)]\nmod ").map_or(text, |at| &text[..at])
}
