//! Files that say what runs: their images looked for, judged where they stand, and pinned.

use std::collections::BTreeMap;
use std::path::Path;

use camino::{Utf8Path, Utf8PathBuf};
use loadline_core::{Digest, Failure, Finding, Location, Outcome, Reference, Severity, Verdict};
use loadline_manifests::{
    Found, MANIFEST_FILE_LIMIT, MANIFEST_IMAGE_BUILT, MANIFEST_IMAGE_INVALID, MANIFEST_IMAGE_UNPINNED,
    MANIFEST_IMAGE_UNPROVEN, MANIFEST_IMAGE_UNRESOLVED, MANIFEST_PIN_IMPOSSIBLE, MANIFEST_UNKNOWN,
    MANIFEST_UNREADABLE, Mention, Named, PinError, find, is_marked, may_be_manifest, pin,
};

use crate::files;
use crate::verbs::verify::Verified;
use crate::world::World;

/// The name of standard input.
pub(crate) const STREAM: &str = "-";
/// In a folder, files larger than this are not searched for marked lines.
const MARKED_LIMIT: u64 = 1 << 20;
/// More files than this are not gone through in a folder.
const FILES: usize = 10_000;

/// A file and the images that it mentions.
pub(crate) struct Manifest {
    path: Utf8PathBuf,
    text: String,
    found: Found,
}

impl Manifest {
    /// Whether it came from standard input, and goes to standard output.
    pub(crate) fn is_stream(&self) -> bool {
        self.path == STREAM
    }

    /// What is in it, pinned if that was asked for.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The images that it names; not those that nobody can name before it is used.
    pub(crate) fn references(&self) -> impl Iterator<Item = &Reference> {
        self.found.mentions.iter().filter_map(|mention| match &mention.named {
            Named::Image(reference) => Some(reference),
            _ => None,
        })
    }

    fn location(&self, mention: &Mention) -> Location {
        Location::span(self.path.clone(), &self.text, mention.span.clone())
    }
}

/// Reads files, and in folders whatever may mention images. What cannot be read is a failure: it could
/// name anything.
pub(crate) fn read(world: &World, paths: &[Utf8PathBuf], outcome: &mut Outcome) -> Vec<Manifest> {
    let mut manifests = Vec::new();
    for path in paths {
        if path == STREAM || !world.folder.join(path).is_dir() {
            match one(world, path) {
                Ok(manifest) if manifest.found.kinds.is_empty() => outcome.failures.push(
                    Failure::new(&MANIFEST_UNKNOWN, format!("{path}: nothing says what kind of file it is"))
                        .help("compose files, Kubernetes manifests, kustomizations, Helm values, workflows and Dockerfiles are known; in others mark the lines by a comment, `loadline: image`"),
                ),
                Ok(manifest) => manifests.push(manifest),
                Err(failure) => outcome.failures.push(failure),
            }
            continue;
        }
        let before = manifests.len();
        match walk(world, path) {
            Ok(names) => {
                for name in names {
                    match one(world, &name) {
                        Ok(manifest) if manifest.found.mentions.is_empty() => {}
                        Ok(manifest) => manifests.push(manifest),
                        Err(failure) => outcome.failures.push(failure),
                    }
                }
            }
            Err(failure) => outcome.failures.push(failure),
        }
        if manifests.len() == before && outcome.failures.is_empty() {
            let message = format!("{path}: no file in it names an image");
            outcome.failures.push(Failure::new(&MANIFEST_UNKNOWN, message).help("name the files themselves"));
        }
    }
    manifests
}

fn one(world: &World, path: &Utf8Path) -> Result<Manifest, Failure> {
    let unreadable = |reason: String| Failure::new(&MANIFEST_UNREADABLE, format!("{path}: {reason}"));
    let limit = MANIFEST_FILE_LIMIT as u64;
    let bytes = if path == STREAM {
        world.read_input(limit + 1).map_err(|error| unreadable(error.to_string()))?
    } else {
        files::read(world, path.as_std_path(), limit).map_err(|failure| unreadable(failure.message))?
    };
    let text = String::from_utf8(bytes).map_err(|_| unreadable("it is not UTF-8".to_owned()))?;
    let found = find(path.as_str(), &text).map_err(|error| unreadable(error.to_string()))?;
    Ok(Manifest { path: path.to_owned(), text, found })
}

/// The files of a folder that may mention images, in order. Links to folders are not followed.
fn walk(world: &World, folder: &Utf8Path) -> Result<Vec<Utf8PathBuf>, Failure> {
    let unreadable = |path: &Utf8Path, reason: String| {
        Failure::new(&MANIFEST_UNREADABLE, format!("cannot go through {path}: {reason}"))
    };
    let mut names = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        let failed = |error: std::io::Error| unreadable(&folder, error.to_string());
        for entry in std::fs::read_dir(world.folder.join(&folder)).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let path = folder.join(&name);
            if entry.file_type().map_err(failed)?.is_dir() {
                if name != ".git" && name != "node_modules" {
                    folders.push(path);
                }
            } else if may_be_manifest(&name) || has_marks(world, &path) {
                names.push(path);
            }
        }
        if names.len() > FILES || folders.len() > FILES {
            return Err(unreadable(&folder, format!("there are more than {FILES} files in it")));
        }
    }
    names.sort();
    Ok(names)
}

/// Whether any line of a file is marked, whatever the file is called.
fn has_marks(world: &World, path: &Utf8Path) -> bool {
    let is_small = std::fs::symlink_metadata(world.folder.join(path))
        .is_ok_and(|data| data.is_file() && data.len() <= MARKED_LIMIT);
    is_small
        && files::read(world, path.as_std_path(), MARKED_LIMIT)
            .is_ok_and(|bytes| std::str::from_utf8(&bytes).is_ok_and(is_marked))
}

/// Judges every mention by what came of its image. With `write`, those that are proven are pinned in their
/// files first; how many in which file comes back.
pub(crate) fn judge(
    world: &World,
    manifests: &mut [Manifest],
    verified: &[Verified],
    write: bool,
    outcome: &mut Outcome,
) -> Vec<(Utf8PathBuf, usize)> {
    let proven: BTreeMap<&Reference, &Verified> = verified.iter().map(|one| (&one.reference, one)).collect();
    let mut pinned = Vec::new();
    for manifest in manifests {
        let before = manifest.found.clone();
        if write {
            match write_pins(world, manifest, &proven, outcome) {
                Ok(0) => {}
                Ok(count) => pinned.push((manifest.path.clone(), count)),
                Err(failure) => outcome.failures.push(failure),
            }
        }
        // Pinning keeps the mentions' number and order; what is said of them is said of where they stand now.
        for (mention, now) in before.mentions.iter().zip(&manifest.found.mentions) {
            let is_written = mention.named != now.named;
            outcome
                .findings
                .extend(said(mention, is_written, write, &proven).map(|f| f.at(manifest.location(now))));
        }
    }
    pinned
}

fn verdict(reference: &Reference, proven: &BTreeMap<&Reference, &Verified>) -> (Verdict, Option<Digest>) {
    match proven.get(reference).map(|one| &one.verification) {
        Some(Ok(verification)) => (verification.outcome.verdict(), Some(verification.digest.clone())),
        _ => (Verdict::Unknown, None),
    }
}

/// What is wrong with a mention; failures to examine its image are told with the image.
fn said(
    mention: &Mention,
    is_written: bool,
    write: bool,
    proven: &BTreeMap<&Reference, &Verified>,
) -> Option<Finding> {
    let text = &mention.text;
    let reference = match &mention.named {
        Named::Image(reference) => reference,
        Named::Built => {
            let message = format!("`{text}` is what the build beside it is called, and is not verified");
            return Some(Finding::note(&MANIFEST_IMAGE_BUILT, message));
        }
        Named::Unresolved(reason) => {
            let finding =
                Finding::error(&MANIFEST_IMAGE_UNRESOLVED, format!("{reason}: what it means is not known"));
            return Some(finding.help("verify the file after its variables were filled in"));
        }
        Named::Invalid(reason) => return Some(Finding::error(&MANIFEST_IMAGE_INVALID, reason.clone())),
    };
    match verdict(reference, proven).0 {
        Verdict::Fail => Some(
            Finding::error(&MANIFEST_IMAGE_UNPROVEN, format!("`{text}` does not satisfy the policy"))
                .help("see what is wrong with its evidence"),
        ),
        _ if reference.digest.is_some() || is_written => None,
        Verdict::Pass if write => Some(
            Finding::error(
                &MANIFEST_PIN_IMPOSSIBLE,
                format!("`{text}` is proven, and no digest can be written behind it as it stands"),
            )
            .help("write it on one line, plain or in quotes"),
        ),
        _ => Some(
            Finding::error(&MANIFEST_IMAGE_UNPINNED, format!("`{text}` is named without its digest"))
                .help("write the digest behind it, or let --pin do so"),
        ),
    }
}

/// Writes the digests of proven images into their file. How many.
fn write_pins(
    world: &World,
    manifest: &mut Manifest,
    proven: &BTreeMap<&Reference, &Verified>,
    outcome: &mut Outcome,
) -> Result<usize, Failure> {
    let mut pins: Vec<(Mention, Digest)> = Vec::new();
    for mention in &manifest.found.mentions {
        if let Named::Image(reference) = &mention.named
            && reference.digest.is_none()
            && let (Verdict::Pass, Some(digest)) = verdict(reference, proven)
        {
            pins.push((mention.clone(), digest));
        }
    }
    // One that stands oddly keeps none of the others from being pinned.
    let is_possible = |one: &(Mention, Digest)| {
        !matches!(
            pin(manifest.path.as_str(), &manifest.text, &[(&one.0, &one.1)]),
            Err(PinError::Impossible { .. })
        )
    };
    pins.retain(is_possible);
    if pins.is_empty() {
        return Ok(0);
    }
    let borrowed: Vec<_> = pins.iter().map(|(mention, digest)| (mention, digest)).collect();
    let text = match pin(manifest.path.as_str(), &manifest.text, &borrowed) {
        Ok(text) => text,
        Err(error) => {
            outcome.findings.push(
                Finding::new(&MANIFEST_PIN_IMPOSSIBLE, Severity::Error, error.to_string())
                    .at(Location::file(manifest.path.clone())),
            );
            return Ok(0);
        }
    };
    let found = find(manifest.path.as_str(), &text)
        .map_err(|error| Failure::new(&MANIFEST_UNREADABLE, format!("{}: {error}", manifest.path)))?;
    if !manifest.is_stream() {
        files::write(world, Path::new(manifest.path.as_str()), text.as_bytes())?;
    }
    manifest.text = text;
    manifest.found = found;
    Ok(pins.len())
}
