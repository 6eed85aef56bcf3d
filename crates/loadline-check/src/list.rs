//! What shared regions there are.

use camino::Utf8PathBuf;
use loadline_core::config::SharedRegion;
use loadline_core::{Digest, Outcome};

use crate::check;
use crate::tree::Tree;

/// A shared region in one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The region's name.
    pub region: String,
    /// The file, relative to the root.
    pub file: Utf8PathBuf,
    /// Whether the others follow this file.
    pub canonical: bool,
    /// The begin marker's line, counted from 1.
    pub first_line: u32,
    /// The end marker's line.
    pub last_line: u32,
    /// The lines between the markers.
    pub lines: u32,
    /// The bytes that are compared, marker lines included.
    pub bytes: usize,
    /// Their digest: equal digests, equal regions.
    pub digest: Digest,
}

/// Every region in every file where it is found, and what is wrong with the others.
pub fn list(tree: &dyn Tree, regions: &[SharedRegion]) -> (Vec<Row>, Outcome) {
    let mut outcome = Outcome::new();
    let groups = check::groups(tree, regions, &mut outcome);
    let rows = groups.iter().flat_map(|group| {
        group.files.iter().map(|file| Row {
            region: group.spec.name.clone(),
            file: file.path.clone(),
            canonical: group.canonical.as_ref() == Some(&file.path),
            first_line: file.region.first_line,
            last_line: file.region.last_line,
            lines: file.region.body_lines(),
            bytes: file.shared().len(),
            digest: Digest::of(file.shared()),
        })
    });
    (rows.collect(), outcome)
}
