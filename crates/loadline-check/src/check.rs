//! All rules over one tree.

use camino::Utf8PathBuf;
use loadline_core::Outcome;
use loadline_core::config::SharedRegion;

use crate::parsed::Parsed;
use crate::rules::{region_file, region_markers, shared_region_context, shared_region_drift};
use crate::tree::Tree;

/// What to check.
pub struct CheckRequest<'a> {
    /// Where files are read from.
    pub tree: &'a dyn Tree,
    /// The shared regions; file names may be patterns.
    pub regions: &'a [SharedRegion],
}

/// A file that has a shared region, read.
#[derive(Debug, Clone)]
pub struct SharedFile {
    /// The path, relative to the root.
    pub path: Utf8PathBuf,
    /// The whole file.
    pub bytes: Vec<u8>,
    /// Where the region is.
    pub region: loadline_dockerfile::Region,
}

impl SharedFile {
    /// The bytes that must be equal in all files of the region.
    pub fn shared(&self) -> &[u8] {
        &self.bytes[self.region.span.clone()]
    }
}

/// A shared region with those of its files in which it could be found, in the order of the configuration.
#[derive(Debug, Clone)]
pub struct Group<'a> {
    /// The region as configured.
    pub spec: &'a SharedRegion,
    /// The files.
    pub files: Vec<SharedFile>,
    /// The first file of all, whether the region was found in it or not: the one that others follow.
    pub canonical: Option<Utf8PathBuf>,
}

/// Checks a tree against all rules.
pub fn check(request: &CheckRequest<'_>) -> Outcome {
    check_parsed(request, &Parsed::default())
}

/// As [`check`], beside other rules that read the same Dockerfiles.
pub(crate) fn check_parsed(request: &CheckRequest<'_>, parsed: &Parsed) -> Outcome {
    let mut outcome = Outcome::new();
    let groups = groups(request.tree, request.regions, &mut outcome);
    region_markers::crossed(&groups, &mut outcome);
    for group in &groups {
        shared_region_drift::check(group, &mut outcome);
        shared_region_context::check(group, parsed, &mut outcome);
    }
    outcome
}

/// Reads the files of every region and finds the region in them; what is wrong on the way goes into the
/// outcome.
pub fn groups<'a>(tree: &dyn Tree, regions: &'a [SharedRegion], outcome: &mut Outcome) -> Vec<Group<'a>> {
    regions.iter().map(|spec| group(tree, spec, outcome)).collect()
}

fn group<'a>(tree: &dyn Tree, spec: &'a SharedRegion, outcome: &mut Outcome) -> Group<'a> {
    let paths = region_file::expand(tree, spec, outcome);
    let canonical = paths.first().cloned();
    let mut files = Vec::with_capacity(paths.len());
    for path in paths {
        let Some(bytes) = region_file::read(tree, spec, &path, outcome) else { continue };
        let Some(region) = region_markers::find(spec, &path, &bytes, outcome) else { continue };
        files.push(SharedFile { path, bytes, region });
    }
    Group { spec, files, canonical }
}
