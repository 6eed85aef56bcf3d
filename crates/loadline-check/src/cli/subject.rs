//! What is checked: a configuration and a tree, or a tree in which regions are discovered.

use camino::{Utf8Path, Utf8PathBuf};
use loadline_core::config::{self, Config, Loaded, PathKind, SharedRegion};
use loadline_core::{Failure, Finding, Location, Outcome};
use loadline_report::Format;

use super::show::{Show, normal};
use super::{Answer, End, Inputs};
use crate::discover::{discover, is_dockerfile};
use crate::git::{Git, Index};
use crate::rules::region_file;
use crate::tree::{Tree, WorkTree};
use crate::{files, levels};

/// The configuration's name where none is given.
pub(crate) const CONFIG: &str = "loadline.toml";

/// What is checked.
pub(crate) struct Subject {
    /// The files as they lie on disk.
    pub(crate) work: WorkTree,
    /// The index, where that is what is checked.
    index: Option<Index>,
    loaded: Option<Loaded>,
    /// The configuration's file, from the root on.
    name: Utf8PathBuf,
    discovered: Vec<SharedRegion>,
    /// What was found on the way here.
    pub(crate) found: Outcome,
}

impl Subject {
    /// Finds the configuration, or the regions where there is none.
    pub(crate) fn open(
        config: Option<&Utf8Path>,
        staged: bool,
        inputs: &Inputs<'_>,
        format: Format,
    ) -> Result<Self, Answer> {
        let (root, name) = match config {
            Some(file) => {
                let full = normal(&inputs.folder.join(file));
                let root = full.parent().unwrap_or(Utf8Path::new("/")).to_owned();
                (root, full.file_name().unwrap_or(CONFIG).to_owned())
            }
            None => (find(inputs.folder), CONFIG.to_owned()),
        };
        let work = WorkTree::new(root.clone());
        let mut subject = Self {
            work,
            index: None,
            loaded: None,
            name: Utf8PathBuf::from(&name),
            discovered: Vec::new(),
            found: Outcome::new(),
        };
        let show = Show::at(&root, &subject.work, inputs, format);
        if staged {
            let git = Git::new(root.clone(), inputs.environment.clone());
            match git.index() {
                Ok(index) => subject.index = Some(index),
                Err(error) => {
                    let message = format!("git's index cannot be read: {error}");
                    let failure = Failure::new(&region_file::UNREADABLE, message)
                        .help("run it inside a git repository, or without `--staged`");
                    return Err(show.finish(failure.into()));
                }
            }
        }
        let read = match &subject.index {
            Some(index) => staged_config(index, &name),
            None => config_file(&root, &name),
        };
        match read {
            Some(Ok(loaded)) => {
                let wrong = levels::unknown(&loaded);
                if !wrong.is_empty() {
                    return Err(show.outcome(wrong.into(), End::Usage));
                }
                subject.found.findings.extend(loaded.warnings.clone());
                subject.loaded = Some(loaded);
            }
            Some(Err(findings)) => return Err(show.outcome(findings.into(), End::Usage)),
            None if config.is_some() => {
                let message = format!("there is no `{}`", config.unwrap_or(Utf8Path::new(CONFIG)));
                let finding = Finding::error(&config::codes::NOT_FOUND, message).at(Location::file(name));
                let help = if staged { "stage it with `git add`" } else { "name the right file" };
                return Err(show.outcome(vec![finding.help(help)].into(), End::Usage));
            }
            None => {}
        }
        subject.prefetch();
        if subject.loaded.is_none() {
            let (regions, found) = discover(subject.tree());
            subject.discovered = regions;
            subject.found.merge(found);
            if subject.discovered.is_empty() && subject.found == Outcome::new() {
                let message =
                    "there is nothing to check: no `loadline.toml`, and no Dockerfile that carries markers";
                let help = "write a `loadline.toml`, or mark what two Dockerfiles share: `loadline region init FILE FILE`";
                let finding = Finding::error(&config::codes::NOT_FOUND, message).help(help);
                return Err(show.outcome(vec![finding].into(), End::Usage));
            }
        }
        Ok(subject)
    }

    /// One question to git for all files that rules will read, instead of one for each.
    fn prefetch(&self) {
        let Some(index) = &self.index else { return };
        let Ok(all) = index.files() else { return };
        let mut wanted: Vec<Utf8PathBuf> = all
            .into_iter()
            .filter(|file| {
                let is = |name: &str| file.as_str().ends_with(name);
                is_dockerfile(file) || is(".dockerignore") || is(".gitignore")
            })
            .collect();
        let workflows = index.top().join(".github/workflows");
        wanted.extend(index.list(&workflows).unwrap_or_default());
        for region in self.regions() {
            wanted.extend(files::expand(index, &region.files).unwrap_or_default());
        }
        if let Some(config) = self.config() {
            let dockerfiles = config.images.values().map(|image| image.dockerfile.clone());
            wanted.extend(dockerfiles.filter(|file| !file.as_str().is_empty()));
            wanted
                .extend(config.pins.iter().flat_map(|pin| pin.places.iter().map(|place| place.file.clone())));
        }
        // Where it fails, reading each file asks again and says why.
        let _ = index.prefetch(&wanted);
    }

    pub(crate) fn tree(&self) -> &dyn Tree {
        match &self.index {
            Some(index) => index,
            None => &self.work,
        }
    }

    pub(crate) fn config(&self) -> Option<&Config> {
        self.loaded.as_ref().map(|loaded| &loaded.config)
    }

    pub(crate) fn regions(&self) -> &[SharedRegion] {
        self.config().map_or(self.discovered.as_slice(), |config| &config.shared_regions)
    }

    /// The file that findings without a place belong to: the configuration, else a file that has a region.
    pub(crate) fn anchor(&self) -> &Utf8Path {
        let marked = self.discovered.first().and_then(|region| region.files.first());
        match (&self.loaded, marked) {
            (None, Some(marked)) => marked,
            _ => &self.name,
        }
    }

    /// What was looked at, in words.
    pub(crate) fn summary(&self) -> String {
        let count = |n: usize, one: &str| if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") };
        let regions = count(self.regions().len(), "shared region");
        match self.config() {
            Some(config) => {
                format!("{regions} and {} are as they should be", count(config.images.len(), "image"))
            }
            None if self.discovered.len() == 1 => format!("{regions} is the same everywhere"),
            None => format!("{regions} are the same everywhere"),
        }
    }
}

/// The nearest folder upwards that has a configuration, not above the repository's top; where none has,
/// the top.
fn find(folder: &Utf8Path) -> Utf8PathBuf {
    for above in folder.ancestors() {
        if above.join(CONFIG).is_file() || above.join(".git").exists() {
            return above.to_owned();
        }
    }
    folder.to_owned()
}

fn config_file(root: &Utf8Path, name: &str) -> Option<Result<Loaded, Vec<Finding>>> {
    let path = root.join(name);
    if !path.exists() {
        return None;
    }
    // Named from the root on: that is how findings name files.
    let look = |file: &Utf8Path| {
        let metadata = root.join(file).metadata().ok()?;
        match (metadata.is_file(), metadata.is_dir()) {
            (true, _) => Some(PathKind::File),
            (_, true) => Some(PathKind::Directory),
            _ => None,
        }
    };
    let name = Utf8Path::new(name);
    Some(
        config::read_file(&path)
            .map_err(|findings| shorten(findings, &path, name))
            .and_then(|text| config::load(name, &text, &look)),
    )
}

fn staged_config(index: &Index, name: &str) -> Option<Result<Loaded, Vec<Finding>>> {
    let name = Utf8Path::new(name);
    let bytes = index.read(name).ok()?;
    let Ok(text) = String::from_utf8(bytes) else {
        let message = format!("`{name}` is not UTF-8");
        let finding = Finding::error(&config::codes::UNREADABLE, message).at(Location::file(name));
        return Some(Err(vec![finding]));
    };
    Some(config::load(name, &text, &|file| index.kind(file)))
}

/// Findings name the file by its name, not by its whole path.
fn shorten(findings: Vec<Finding>, path: &Utf8Path, name: &Utf8Path) -> Vec<Finding> {
    let rename = |mut finding: Finding| {
        if let Some(location) = finding.location.as_mut().filter(|location| location.file == path) {
            location.file = name.to_owned();
        }
        finding.message = finding.message.replace(path.as_str(), name.as_str());
        finding
    };
    findings.into_iter().map(rename).collect()
}
