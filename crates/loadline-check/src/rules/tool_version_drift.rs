//! One tool, one version: `ARG X_VERSION` has the same default in all Dockerfiles of the set.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;
use loadline_core::{Code, Finding, Location, Outcome};
use loadline_dockerfile::command::Command;

use crate::images::Loaded;

/// The versions differ.
pub static DRIFT: Code = Code::new(
    "tool-version-drift",
    "Dockerfiles of one set pin one tool to different versions",
    "An `ARG NAME_VERSION=…` says which version of a tool an image gets. Where two images of a set disagree, \
     one was updated and the other forgotten: the same script runs on different tools, and a vulnerability \
     that was mended in one image stays in the other. Give both the same version, or the ARG another name.",
);

/// Compares the defaults of ARGs whose names end with `_VERSION` across files.
pub(crate) fn check(images: &[Loaded<'_>], outcome: &mut Outcome) {
    let mut found: BTreeMap<String, Vec<(&Utf8PathBuf, u32, String)>> = BTreeMap::new();
    for image in images {
        for instruction in &image.dockerfile.instructions {
            let Ok(Command::Arg(args)) = instruction.command() else { continue };
            for arg in args {
                let Some(value) = arg.default else { continue };
                // A value that is made of others is compared where they are.
                if is_version(&arg.name) && !value.contains('$') {
                    let value = value.trim_matches(['"', '\'']).to_owned();
                    found.entry(arg.name).or_default().push((&image.path, instruction.line, value));
                }
            }
        }
    }
    for (name, places) in found {
        let Some((first, first_line, value)) = places.first() else { continue };
        let mut told: Vec<&Utf8PathBuf> = Vec::new();
        for (path, line, other) in places.iter().filter(|(path, _, other)| path != first && other != value) {
            if told.contains(path) {
                continue;
            }
            told.push(path);
            let message =
                format!("`{name}` is `{value}` in `{first}` (line {first_line}) and `{other}` in `{path}`");
            let location = Location::line(*path, *line);
            let help = "give both the same version, or the ARG another name where two are meant";
            outcome.findings.push(Finding::warning(&DRIFT, message).at(location).help(help));
        }
    }
}

fn is_version(name: &str) -> bool {
    // The release's own version differs from build to build and is given, not pinned.
    name.ends_with("_VERSION") && !matches!(name, "PACKAGE_VERSION" | "APP_VERSION" | "IMAGE_VERSION")
}
