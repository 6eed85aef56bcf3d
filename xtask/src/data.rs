//! `data`: checks over real data, which is not in the repository: `tests/data.rs` of every crate that
//! has one, ignored by default.

use std::io;

use camino::{Utf8Path, Utf8PathBuf};
use thiserror::Error;

use crate::cargo::StepError;

/// Why the checks did not pass.
#[derive(Debug, Error)]
pub(crate) enum DataError {
    /// The folder is not there.
    #[error("there is no folder `{path}`: {source}")]
    Folder { path: Utf8PathBuf, source: io::Error },
    /// The crates cannot be listed.
    #[error(transparent)]
    Crates(#[from] crate::tidy::TidyError),
    /// A crate's checks failed.
    #[error(transparent)]
    Step(#[from] StepError),
}

/// Runs the checks over the data in a folder; without one it says that they were skipped.
pub(crate) fn run(root: &Utf8Path, folder: Option<&Utf8Path>) -> Result<Vec<String>, DataError> {
    let with_checks: Vec<String> = crate::tidy::packages(root)?
        .iter()
        .filter(|package| package.join("tests/data.rs").is_file())
        .filter_map(|package| package.file_name().map(str::to_owned))
        .collect();
    let Some(folder) = folder else {
        return Ok(vec![format!(
            "skipped: the checks over real data of {} crates; name the folder, `cargo xtask data DIR`, or set LOADLINE_DATA",
            with_checks.len()
        )]);
    };
    let fail = |source| DataError::Folder { path: folder.to_owned(), source };
    let folder = folder.canonicalize_utf8().map_err(fail)?;
    folder.read_dir_utf8().map_err(fail)?;
    let mut lines = Vec::new();
    for name in with_checks {
        let arguments = ["test", "--package", &name, "--test", "data", "--", "--ignored"];
        crate::cargo::cargo_with(root, &arguments, &[("LOADLINE_DATA", folder.as_str())])?;
        lines.push(format!("passed: {name} over {folder}"));
    }
    Ok(lines)
}
