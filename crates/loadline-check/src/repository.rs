//! All rules that a configuration asks for, over one tree.

use loadline_core::Outcome;
use loadline_core::config::{Config, SharedRegion, Workflows};

use crate::cached::Cached;
use crate::check::{CheckRequest, check};
use crate::images::{ImageSpec, ImagesRequest, check_images};
use crate::rules::shared_region_drift::DRIFT;
use crate::tree::Tree;
use crate::{ignores, levels, rules, workflows};

/// What to examine.
pub struct Repository<'a> {
    /// Where files are read from.
    pub tree: &'a dyn Tree,
    /// The configuration; without one, shared regions alone are looked at.
    pub config: Option<&'a Config>,
    /// The shared regions: the configuration's, or those that were discovered.
    pub regions: &'a [SharedRegion],
    /// Which workflows to look at, where it is not what the configuration says.
    pub workflows: Option<Workflows>,
}

/// Examines a repository: shared regions, Dockerfiles, pins, workflows. Ignores in comments and the levels
/// that the configuration sets are applied.
pub fn examine(repository: &Repository<'_>) -> Outcome {
    let tree = Cached::new(repository.tree);
    let mut outcome = check(&CheckRequest { tree: &tree, regions: repository.regions });
    if repository.config.is_none() {
        for finding in outcome.findings.iter_mut().filter(|f| std::ptr::eq(f.code, &DRIFT)) {
            // Nobody said which file the others follow.
            finding.help = Some("say which file is right: `loadline check --fix --from FILE`".to_owned());
        }
    }
    if let Some(config) = repository.config {
        let images: Vec<ImageSpec<'_>> =
            config.images.iter().map(|(name, image)| ImageSpec::new(name, image)).collect();
        let request = ImagesRequest { tree: &tree, images: &images, pin: config.check.pin_bases };
        outcome.merge(check_images(&request));
        rules::pin_drift::check(&tree, &config.pins, &mut outcome);
    }
    let which = repository.workflows.or(repository.config.map(|config| config.check.workflows));
    let looked_at = match which {
        None | Some(Workflows::Nothing) => Vec::new(),
        Some(which) => workflows::check(&tree, which, repository.config, &mut outcome),
    };
    let mut files = looked_at;
    if let Some(config) = repository.config {
        files.extend(config.images.values().map(|image| image.dockerfile.clone()));
    }
    ignores::apply(&tree, files, &mut outcome);
    if let Some(config) = repository.config {
        levels::apply(&config.check.rules, &mut outcome);
    }
    outcome
}
