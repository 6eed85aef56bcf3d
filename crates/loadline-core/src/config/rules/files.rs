//! Files and directories that the configuration names are there.

use camino::Utf8Path;

use crate::config::model::{Config, SharedRegion};
use crate::config::read::Reader;
use crate::config::{PathKind, codes};

pub(super) fn check(reader: &mut Reader<'_>, config: &Config, look: &dyn Fn(&Utf8Path) -> Option<PathKind>) {
    for (index, region) in config.shared_regions.iter().enumerate() {
        for (at, file) in region.files.iter().enumerate() {
            // What a pattern matches is for the check to say, in the tree that it looks at.
            if SharedRegion::is_pattern(file) {
                continue;
            }
            let place = format!("shared-region[{index}].files[{at}]");
            demand(reader, look, file, PathKind::File, &place, "file of the region");
        }
    }
    for (name, image) in &config.images {
        let place = |key| format!("image.{name}.{key}");
        demand(reader, look, &image.dockerfile, PathKind::File, &place("dockerfile"), "Dockerfile");
        demand(reader, look, &image.context, PathKind::Directory, &place("context"), "build context");
        if let Some(file) = &image.gate.ignore_file {
            demand(reader, look, file, PathKind::File, &place("gate.ignore-file"), "file of ignores");
        }
    }
}

fn demand(
    reader: &mut Reader<'_>,
    look: &dyn Fn(&Utf8Path) -> Option<PathKind>,
    path: &Utf8Path,
    wanted: PathKind,
    place: &str,
    what: &str,
) {
    // An empty path stands in for one that already has a finding, or that a builder has no use for.
    if path.as_str().is_empty() || look(path) == Some(wanted) {
        return;
    }
    let message = match (look(path), wanted) {
        (Some(PathKind::Directory), _) => format!("the {what} `{path}` is a directory"),
        (Some(PathKind::File), _) => format!("the {what} `{path}` is not a directory"),
        (None, _) => format!("the {what} `{path}` does not exist"),
    };
    reader.error(&codes::MISSING_FILE, place, message, "paths are relative to the directory of this file");
}
