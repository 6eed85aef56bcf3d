//! Mends drift: copies the canonical region over the others.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use loadline_core::config::SharedRegion;
use loadline_core::{Code, Failure, Finding, Location, Outcome};
use loadline_dockerfile::region;

use crate::check::{self, CheckRequest, Group, SharedFile};
use crate::git::Git;
use crate::rules::shared_region_drift;
use crate::tree::{ReadError, Tree, WorkTree};
use crate::write;

/// Both sides have uncommitted changes.
pub static BOTH_CHANGED: Code = Code::new(
    "fix-both-changed",
    "two files changed the same shared region since HEAD, in different ways",
    "Copying one over the other would lose work that is committed nowhere. Look at the diff, bring the changes \
     together by hand, or say which file is right: `loadline check --fix --from FILE`.",
);

/// A change was overwritten.
pub static DISCARDED: Code = Code::new(
    "fix-discards-change",
    "an uncommitted change of a shared region was overwritten by the canonical one",
    "The canonical file did not change since HEAD, the other one did: it was mended all the same, because the \
     canonical file decides. If the change was meant, make it in the canonical file, or run \
     `loadline check --fix --from FILE` with the file that has it.",
);

/// It is not known what to copy.
pub static NO_SOURCE: Code = Code::new(
    "fix-no-source",
    "it is not known which file's region to copy",
    "Without a configuration no file is canonical, and a file that `--from` names must be one of the region's. \
     Name one of them with `--from FILE`, or write the region into `loadline.toml`, its canonical file first.",
);

/// A file could not be written, or git not asked.
pub static FAILED: Code = Code::new(
    "fix-failed",
    "a fix could not be made",
    "The system refused to write a file, the file changed in the meantime, or git could not be asked what \
     changed since HEAD. Files are replaced whole or not at all, so nothing is half written; those named \
     before this one are mended.",
);

/// What to mend.
pub struct FixRequest<'a> {
    /// Where files are read from: the work tree.
    pub tree: &'a dyn Tree,
    /// The shared regions.
    pub regions: &'a [SharedRegion],
    /// The file to copy from, where the user said so; else the first file of each region.
    pub source: Option<&'a Utf8Path>,
    /// Whether the first file of a region is canonical because someone configured it so.
    pub configured: bool,
    /// Where to look for what changed since HEAD; `None` outside a repository.
    pub git: Option<&'a Git>,
}

/// A file to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// The path, relative to the root.
    pub file: Utf8PathBuf,
    /// What it was when it was examined.
    pub before: Vec<u8>,
    /// What it becomes.
    pub after: Vec<u8>,
    /// What changes, as a unified diff per region.
    pub diff: String,
}

/// What a fix would do, and what would still be wrong after it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FixPlan {
    /// The files to write, sorted.
    pub edits: Vec<Edit>,
    /// What is refused, what is lost, and what remains wrong.
    pub outcome: Outcome,
}

/// The tree with edits laid over it.
struct Overlay<'a> {
    tree: &'a dyn Tree,
    changed: BTreeMap<Utf8PathBuf, Vec<u8>>,
}

impl Tree for Overlay<'_> {
    fn read(&self, path: &Utf8Path) -> Result<Vec<u8>, ReadError> {
        match self.changed.get(path) {
            Some(bytes) => Ok(bytes.clone()),
            None => self.tree.read(path),
        }
    }

    fn files(&self) -> Result<Vec<Utf8PathBuf>, ReadError> {
        self.tree.files()
    }

    fn list(&self, directory: &Utf8Path) -> Result<Vec<Utf8PathBuf>, ReadError> {
        self.tree.list(directory)
    }

    fn top(&self) -> Utf8PathBuf {
        self.tree.top()
    }
}

/// Plans a fix; nothing is written.
pub fn plan(request: &FixRequest<'_>) -> FixPlan {
    let mut overlay = Overlay { tree: request.tree, changed: BTreeMap::new() };
    let mut before = BTreeMap::new();
    let mut diffs: BTreeMap<Utf8PathBuf, String> = BTreeMap::new();
    let mut outcome = Outcome::new();
    if let Some(source) = request.source {
        source_is_known(request, source, &mut outcome);
    }
    // Regions may lie inside one another, so that mending one changes another: once more, then it is over.
    for pass in 0..2 {
        for spec in request.regions {
            // What is wrong with files and markers comes out of the check at the end.
            let groups = check::groups(&overlay, std::slice::from_ref(spec), &mut Outcome::new());
            for group in &groups {
                let notes = if pass == 0 { &mut outcome } else { &mut Outcome::new() };
                let Some((source, bytes)) = decide(request, group, notes) else { continue };
                for file in group.files.iter().filter(|file| file.shared() != bytes) {
                    let mended = splice(file, &bytes);
                    if let Some(diff) = difference(spec, file, &mended) {
                        diffs.entry(file.path.clone()).or_default().push_str(&diff);
                    }
                    note_discarded(request, group, source, file, notes);
                    before.entry(file.path.clone()).or_insert_with(|| file.bytes.clone());
                    overlay.changed.insert(file.path.clone(), mended);
                }
            }
        }
    }
    outcome.merge(check::check(&CheckRequest { tree: &overlay, regions: request.regions }));
    let edits = overlay
        .changed
        .into_iter()
        .filter_map(|(file, after)| {
            let before = before.remove(&file)?;
            let diff = diffs.remove(&file).unwrap_or_default();
            (before != after).then_some(Edit { file, before, after, diff })
        })
        .collect();
    FixPlan { edits, outcome }
}

/// Writes what was planned: each file whole or not at all. Gives back the files that were written; what
/// could not be is a failure.
pub fn apply(tree: &WorkTree, plan: &FixPlan) -> (Vec<Utf8PathBuf>, Outcome) {
    let mut written = Vec::new();
    let mut outcome = Outcome::new();
    for edit in &plan.edits {
        match write::replace(tree, &edit.file, &edit.before, &edit.after) {
            Ok(()) => written.push(edit.file.clone()),
            Err(error) => outcome.failures.push(Failure::new(&FAILED, error.to_string())),
        }
    }
    (written, outcome)
}

fn source_is_known(request: &FixRequest<'_>, source: &Utf8Path, outcome: &mut Outcome) {
    let listed = |spec: &SharedRegion| {
        crate::files::expand(request.tree, &spec.files).is_ok_and(|files| files.iter().any(|f| f == source))
    };
    if !request.regions.iter().any(listed) {
        let message = format!("`{source}` is not among the files of any shared region");
        outcome.findings.push(Finding::error(&NO_SOURCE, message).help("name one of the region's files"));
    }
}

/// The file to copy from and the bytes that every file of the region gets; nothing where there is no drift,
/// or no way to decide.
fn decide<'g>(
    request: &FixRequest<'_>,
    group: &'g Group<'_>,
    outcome: &mut Outcome,
) -> Option<(&'g SharedFile, Vec<u8>)> {
    let drifts = group.files.windows(2).any(|pair| pair[0].shared() != pair[1].shared());
    if !drifts {
        return None;
    }
    let source = match request.source {
        Some(named) => group.files.iter().find(|file| file.path == named)?,
        None if !request.configured => {
            let names: Vec<_> = group.files.iter().map(|file| format!("`{}`", file.path)).collect();
            let message = format!(
                "the shared region `{}` differs, and nothing says which of {} is right",
                group.spec.name,
                names.join(", ")
            );
            let help = "name the right one: `loadline check --fix --from FILE`";
            outcome.findings.push(Finding::error(&NO_SOURCE, message).help(help));
            return None;
        }
        None => group.files.iter().find(|file| Some(&file.path) == group.canonical.as_ref())?,
    };
    if request.source.is_none() && conflicts(request, group, source, outcome) {
        return None;
    }
    let mut bytes = source.shared().to_vec();
    // An end marker that ends its file without a newline cannot stand before other lines as it is: then the
    // source gets the newline too.
    let followed = group.files.iter().any(|file| file.region.span.end < file.bytes.len());
    if !bytes.ends_with(b"\n") && followed {
        let crlf = bytes.windows(2).any(|pair| pair == b"\r\n");
        bytes.extend_from_slice(if crlf { b"\r\n" } else { b"\n" });
    }
    Some((source, bytes))
}

/// Whether the source and a file that would be overwritten both changed since HEAD.
fn conflicts(
    request: &FixRequest<'_>,
    group: &Group<'_>,
    source: &SharedFile,
    outcome: &mut Outcome,
) -> bool {
    let Some(git) = request.git else { return false };
    let mut found = false;
    let changed = |file: &SharedFile, outcome: &mut Outcome| match changed(git, group.spec, file) {
        Ok(changed) => Some(changed),
        Err(message) => {
            let help = "say which file is right: `loadline check --fix --from FILE`";
            outcome.failures.push(Failure::new(&FAILED, message).help(help));
            None
        }
    };
    let Some(source_changed) = changed(source, outcome) else { return true };
    for file in group.files.iter().filter(|file| file.shared() != source.shared()) {
        match changed(file, outcome) {
            None => found = true,
            Some(true) if source_changed => {
                let message = format!(
                    "the shared region `{}` changed since HEAD in `{}` and in `{}`: nothing was copied",
                    group.spec.name, source.path, file.path
                );
                let help = format!(
                    "bring the changes together, or say which file is right: `loadline check --fix --from {}`",
                    source.path
                );
                let location = Location::line(&file.path, file.region.first_line);
                outcome.findings.push(Finding::error(&BOTH_CHANGED, message).at(location).help(help));
                found = true;
            }
            Some(_) => {}
        }
    }
    found
}

fn note_discarded(
    request: &FixRequest<'_>,
    group: &Group<'_>,
    source: &SharedFile,
    file: &SharedFile,
    outcome: &mut Outcome,
) {
    let Some(git) = request.git else { return };
    if file.path == source.path || request.source.is_some() || changed(git, group.spec, file) != Ok(true) {
        return;
    }
    let message = format!(
        "`{}` had an uncommitted change in the shared region `{}`, which that of `{}` replaces",
        file.path, group.spec.name, source.path
    );
    let help = format!("if it was meant, put it back and run `loadline check --fix --from {}`", file.path);
    outcome.findings.push(Finding::note(&DISCARDED, message).at(Location::file(&file.path)).help(help));
}

/// Whether a file's region is not what it is in HEAD. A file that HEAD does not have did not change.
fn changed(git: &Git, spec: &SharedRegion, file: &SharedFile) -> Result<bool, String> {
    let head = match git.has_head() {
        Ok(false) => return Ok(false),
        Ok(true) => git.head(&file.path),
        Err(error) => Err(error),
    };
    let head =
        head.map_err(|error| format!("what changed in `{}` since HEAD is not known: {error}", file.path))?;
    Ok(head.is_some_and(|bytes| match region::find(&bytes, &spec.begin, &spec.end) {
        Ok(region) => &bytes[region.span] != file.shared(),
        Err(_) => true,
    }))
}

fn splice(file: &SharedFile, shared: &[u8]) -> Vec<u8> {
    let span = &file.region.span;
    [&file.bytes[..span.start], shared, &file.bytes[span.end..]].concat()
}

fn difference(spec: &SharedRegion, file: &SharedFile, mended: &[u8]) -> Option<String> {
    let region = region::find(mended, &spec.begin, &spec.end).ok()?;
    let after = SharedFile { path: file.path.clone(), bytes: mended.to_vec(), region };
    shared_region_drift::compare(file, &after).map(|diff| diff.text)
}
