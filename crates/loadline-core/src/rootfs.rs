//! An image's root file system as something to read, wherever it comes from.

use std::io::{self, Read};

use thiserror::Error;

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A regular file with its content.
    File,
    /// A directory.
    Directory,
    /// A symbolic link and where it points, as written.
    Symlink(String),
    /// A hard link and the path it names.
    Hardlink(String),
    /// A device, a FIFO: nothing to read.
    Other,
}

/// One visible entry of a root file system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The path without a leading `/` or `./`, never with a `..` in it.
    pub path: String,
    /// What it is.
    pub kind: EntryKind,
    /// The size in bytes; 0 for what is not a file.
    pub size: u64,
    /// The permission bits.
    pub mode: u32,
    /// The layer it comes from, counted from 0 at the base.
    pub layer: usize,
}

/// Why a root file system could not be read.
#[derive(Debug, Error)]
pub enum RootFsError {
    /// A layer's bytes could not be read or are no tar.
    #[error("layer {layer} cannot be read: {source}")]
    Layer {
        /// The layer, counted from 0 at the base.
        layer: usize,
        /// What went wrong.
        source: io::Error,
    },
    /// A layer has an entry that leaves the root.
    #[error("layer {layer} has an entry outside the root file system: `{path}`")]
    UnsafePath {
        /// The layer, counted from 0 at the base.
        layer: usize,
        /// The path as written.
        path: String,
    },
    /// A limit was hit.
    #[error("the root file system has more than {limit} {what}")]
    Limit {
        /// What was counted.
        what: &'static str,
        /// How many are allowed.
        limit: u64,
    },
}

/// What is called for each entry, with a reader over its content (empty for what is not a file).
/// It need not read all of it.
pub type Visitor<'a> = dyn FnMut(&Entry, &mut dyn Read) -> io::Result<()> + 'a;

/// A root file system.
pub trait RootFs {
    /// Calls the visitor once for each *visible* entry: whiteouts are honoured, and where layers hold
    /// the same path only the uppermost is seen. The order is not that of paths.
    fn visit(&self, visitor: &mut Visitor<'_>) -> Result<(), RootFsError>;
}
