//! Rules over the Dockerfiles of a release set.

use std::collections::BTreeSet;
use std::rc::Rc;

use camino::{Utf8Path, Utf8PathBuf};
use loadline_core::config::Image;
use loadline_core::{Failure, Outcome};
use loadline_dockerfile::command::{Command, Run};
use loadline_dockerfile::{Dockerfile, Instruction, Stage};

use crate::parsed::Parsed;
use crate::rules::{
    base_unpinned, build_args, dockerfile_invalid, dockerfile_unlisted, dockerignore_open, image_contract,
    secret_in_dockerfile, tool_version_drift,
};
use crate::tree::Tree;

/// What to check.
pub struct ImagesRequest<'a> {
    /// Where files are read from.
    pub tree: &'a dyn Tree,
    /// The images of the set.
    pub images: &'a [ImageSpec<'a>],
    /// How base images must be pinned.
    pub pin: base_unpinned::Pin,
}

/// An image of the set, as far as its Dockerfile is concerned.
#[derive(Debug, Clone)]
pub struct ImageSpec<'a> {
    /// The image's name.
    pub name: &'a str,
    /// Its Dockerfile.
    pub dockerfile: &'a Utf8Path,
    /// The stage that is built; the last one if absent.
    pub target: Option<&'a str>,
    /// The names of the build arguments that are given.
    pub build_args: Vec<&'a str>,
    /// The names of the labels that are given.
    pub labels: Vec<&'a str>,
    /// The build context.
    pub context: &'a Utf8Path,
    /// What the image must be.
    pub contract: image_contract::Contract,
}

impl<'a> ImageSpec<'a> {
    /// An image as the configuration has it.
    pub fn new(name: &'a str, image: &'a Image) -> Self {
        Self {
            name,
            dockerfile: &image.dockerfile,
            target: image.target.as_deref(),
            build_args: image.build_args.keys().map(String::as_str).collect(),
            labels: image.labels.keys().map(String::as_str).collect(),
            context: &image.context,
            contract: image.contract.clone(),
        }
    }
}

/// An image's Dockerfile, read.
pub(crate) struct Loaded<'a> {
    pub(crate) spec: &'a ImageSpec<'a>,
    pub(crate) path: Utf8PathBuf,
    pub(crate) dockerfile: Rc<Dockerfile>,
}

/// A stage, and the instructions that make it.
pub(crate) type Stages<'d> = Vec<Stage<'d>>;

impl Loaded<'_> {
    /// The stages that building the target builds, in the order of the file. BuildKit skips the others.
    pub(crate) fn built<'d>(&self, stages: &'d Stages<'d>) -> Vec<&'d Stage<'d>> {
        let target = match self.spec.target {
            Some(name) => find(stages, name),
            None => stages.last(),
        };
        let mut wanted: BTreeSet<usize> = target.map(|stage| stage.index).into_iter().collect();
        // Stages refer to earlier ones only, so one walk backwards finds all.
        for stage in stages.iter().rev() {
            if wanted.contains(&stage.index) {
                let earlier = &stages[..stage.index];
                let found = references(stage).into_iter().filter_map(|(name, _)| find(earlier, &name));
                wanted.extend(found.map(|stage| stage.index));
            }
        }
        stages.iter().filter(|stage| wanted.contains(&stage.index)).collect()
    }
}

/// What a stage takes from elsewhere: its base, and what it copies or mounts from. A name may be a stage's
/// or an image's.
pub(crate) fn references<'d>(stage: &Stage<'d>) -> Vec<(String, &'d Instruction)> {
    let mut out = vec![(stage.base.image.clone(), stage.from)];
    for instruction in stage.instructions {
        match instruction.command() {
            Ok(Command::Copy(copy)) => out.extend(copy.from.map(|from| (from, instruction))),
            Ok(Command::Run(run)) => out.extend(mounts(&run).map(|from| (from, instruction))),
            _ => {}
        }
    }
    out
}

fn mounts(run: &Run) -> impl Iterator<Item = String> {
    run.mounts.iter().filter_map(|m| m.split(',').find_map(|p| p.strip_prefix("from="))).map(str::to_owned)
}

/// The stage that a name or number means, the last one of that name.
pub(crate) fn find<'s, 'd>(stages: &'s [Stage<'d>], name: &str) -> Option<&'s Stage<'d>> {
    let number = name.parse::<usize>().ok();
    let lower = name.to_lowercase();
    stages.iter().rfind(|s| s.name.as_deref() == Some(lower.as_str()) || number == Some(s.index))
}

/// Checks the Dockerfiles of a set.
pub fn check_images(request: &ImagesRequest<'_>) -> Outcome {
    check_parsed(request, &Parsed::default())
}

/// As [`check_images`], beside other rules that read the same Dockerfiles.
pub(crate) fn check_parsed(request: &ImagesRequest<'_>, parsed: &Parsed) -> Outcome {
    let mut outcome = Outcome::new();
    let mut loaded = Vec::new();
    for spec in request.images {
        let path: Utf8PathBuf = spec.dockerfile.components().filter(|c| c.as_str() != ".").collect();
        match request.tree.read(&path) {
            Ok(bytes) => {
                if let Some(dockerfile) = dockerfile_invalid::parse(spec, &path, &bytes, parsed, &mut outcome)
                {
                    loaded.push(Loaded { spec, path, dockerfile });
                }
            }
            Err(error) => {
                let message = format!("the image `{}` cannot be examined: {error}", spec.name);
                outcome.failures.push(Failure::new(&dockerfile_invalid::UNREADABLE, message));
            }
        }
    }
    let mut contexts = dockerignore_open::Contexts::default();
    for image in &loaded {
        let Ok(stages) = image.dockerfile.stages() else { continue };
        base_unpinned::check(image, &stages, request.pin, &mut outcome);
        build_args::check(image, &stages, &mut outcome);
        image_contract::check(image, &stages, &mut outcome);
        dockerignore_open::check(request.tree, &mut contexts, image, &stages, &mut outcome);
    }
    secret_in_dockerfile::check(&loaded, &mut outcome);
    tool_version_drift::check(&loaded, &mut outcome);
    dockerfile_unlisted::check(request, parsed, &mut outcome);
    outcome
}
