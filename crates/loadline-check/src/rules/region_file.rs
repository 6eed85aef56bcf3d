//! The files of a shared region are there, enough of them, and can be read.

use camino::{Utf8Path, Utf8PathBuf};
use loadline_core::config::SharedRegion;
use loadline_core::{Code, Failure, Finding, Location, Outcome};
use loadline_dockerfile::{Encoding, encoding};

use crate::files;
use crate::tree::{ReadError, Tree};

/// A file that the configuration names is not there.
pub static ABSENT: Code = Code::new(
    "region-file-absent",
    "a file of a shared region does not exist",
    "A region is compared across all the files that the configuration names; one that is missing would make \
     the comparison pass with nothing to compare. Restore the file, or take it out of the region's `files`.",
);

/// A file in UTF-16.
pub static ENCODING: Code = Code::new(
    "region-file-encoding",
    "a file of a shared region is UTF-16",
    "BuildKit reads UTF-8 only, and the bytes of a UTF-16 file can never equal those of a UTF-8 one. Save \
     the file as UTF-8; a byte order mark at its beginning may stay, it is not part of any region.",
);

/// A file that could not be read.
pub static UNREADABLE: Code = Code::new(
    "region-file-unreadable",
    "a file of a shared region could not be read",
    "The file is there but the system refuses to read it, it is no regular file, it lies outside the \
     repository, or it is larger than 8 MiB. Nothing can be said about it, so the verdict is unknown.",
);

/// A pattern that matches too little.
pub static TOO_FEW: Code = Code::new(
    "region-too-few-files",
    "the files of a shared region come to fewer than two",
    "A region of one file is always equal to itself, so the check would pass whatever the file says. Usually \
     a pattern in `files` matches less than was meant, because files were moved or renamed.",
);

/// The files of a region, patterns resolved.
pub(crate) fn expand(tree: &dyn Tree, spec: &SharedRegion, outcome: &mut Outcome) -> Vec<Utf8PathBuf> {
    let paths = match files::expand(tree, &spec.files) {
        Ok(paths) => paths,
        Err(error) => {
            outcome.failures.push(Failure::new(&UNREADABLE, error.to_string()));
            return Vec::new();
        }
    };
    if paths.len() < 2 {
        let written = spec.files.iter().map(|f| format!("`{f}`")).collect::<Vec<_>>().join(", ");
        let message = match paths.first() {
            None => {
                format!("no file of the shared region `{}` was found: nothing matches {written}", spec.name)
            }
            Some(only) => format!("the shared region `{}` has one file only, `{only}`", spec.name),
        };
        outcome
            .findings
            .push(Finding::error(&TOO_FEW, message).help("mend `files` of the region, or remove the region"));
    }
    paths
}

/// A file's bytes, where they can be compared at all.
pub(crate) fn read(
    tree: &dyn Tree,
    spec: &SharedRegion,
    path: &Utf8Path,
    outcome: &mut Outcome,
) -> Option<Vec<u8>> {
    let name = &spec.name;
    match tree.read(path) {
        Ok(bytes) => match encoding(&bytes) {
            Encoding::Plain | Encoding::Utf8Bom => return Some(bytes),
            Encoding::Utf16Le | Encoding::Utf16Be => outcome.findings.push(
                Finding::error(
                    &ENCODING,
                    format!("`{path}` is UTF-16, so the shared region `{name}` cannot be in it"),
                )
                .at(Location::line(path, 1))
                .help("save the file as UTF-8"),
            ),
        },
        Err(ReadError::Absent { .. }) => outcome.findings.push(
            Finding::error(
                &ABSENT,
                format!("`{path}`, a file of the shared region `{name}`, does not exist"),
            )
            .at(Location::file(path))
            .help("restore the file, or take it out of the region's `files`"),
        ),
        Err(error) => {
            let message = format!("the shared region `{name}` cannot be examined: {error}");
            outcome.failures.push(Failure::new(&UNREADABLE, message));
        }
    }
    None
}
