//! Why a file's images cannot be found or pinned.

use loadline_dockerfile::ParseError;
use thiserror::Error;

/// Why a file's images cannot be found.
#[derive(Debug, Error)]
pub enum ManifestError {
    /// It is too large.
    #[error("it has {size} bytes, more than the {limit} that are read")]
    TooLarge {
        /// Its size, in bytes.
        size: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// It is no YAML.
    #[error("line {line}, column {column}: it is no YAML: {reason}")]
    Yaml {
        /// The line, counted from 1.
        line: usize,
        /// The character in the line, counted from 1.
        column: usize,
        /// What is wrong.
        reason: String,
    },
    /// It is no Dockerfile.
    #[error(transparent)]
    Dockerfile(#[from] ParseError),
}

/// Why a file cannot be pinned. Nothing is changed then.
#[derive(Debug, Error)]
pub enum PinError {
    /// A mention is not from this text.
    #[error("line {line}: the file is not the one in which `{text}` was found")]
    OtherText {
        /// The line, counted from 1.
        line: u32,
        /// The reference.
        text: String,
    },
    /// A mention cannot be changed in place.
    #[error("line {line}: no digest can be written behind `{text}` as it stands")]
    Impossible {
        /// The line, counted from 1.
        line: u32,
        /// The reference.
        text: String,
    },
    /// What came of it does not read as it should.
    #[error("pinning would change more than the references; the file is left as it is")]
    Astray,
    /// What came of it does not read at all.
    #[error("pinning would break the file, which is left as it is: {0}")]
    Broken(#[from] ManifestError),
}
