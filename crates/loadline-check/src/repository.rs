//! All rules that a configuration asks for, over one tree.

use loadline_core::Outcome;
use loadline_core::config::{Config, SharedRegion, Workflows};

use crate::cached::Cached;
use crate::check::{self, CheckRequest};
use crate::images::{self, ImageSpec, ImagesRequest};
use crate::parsed::Parsed;
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
    let parsed = Parsed::default();
    let mut outcome =
        check::check_parsed(&CheckRequest { tree: &tree, regions: repository.regions }, &parsed);
    if repository.config.is_none() {
        for finding in outcome.findings.iter_mut().filter(|f| std::ptr::eq(f.code, &DRIFT)) {
            // Nobody said which file the others follow.
            finding.help = Some("say which file is right: `loadline check --fix --from FILE`".to_owned());
        }
    }
    if let Some(config) = repository.config {
        let images: Vec<ImageSpec<'_>> = config
            .images
            .iter()
            .filter(|(_, image)| !image.dockerfile.as_str().is_empty())
            .map(|(name, image)| ImageSpec::new(name, image))
            .collect();
        let request = ImagesRequest { tree: &tree, images: &images, pin: config.check.pin_bases };
        outcome.merge(images::check_parsed(&request, &parsed));
        rules::pin_drift::check(&tree, &config.pins, &mut outcome);
    }
    let which = repository.workflows.or(repository.config.map(|config| config.check.workflows));
    let looked_at = match which {
        None | Some(Workflows::Nothing) => Vec::new(),
        Some(which) => workflows::check(&tree, which, repository.config, &mut outcome),
    };
    let mut files = looked_at;
    if let Some(config) = repository.config {
        let dockerfiles = config.images.values().map(|image| image.dockerfile.clone());
        files.extend(dockerfiles.filter(|file| !file.as_str().is_empty()));
    }
    ignores::apply(&tree, files, &mut outcome);
    if let Some(config) = repository.config {
        levels::apply(&config.check.rules, &mut outcome);
        // The check's command line refuses them before, with their place; a release comes here.
        outcome.findings.extend(levels::misnamed(&config.check.rules).map(|(_, finding)| finding));
    }
    outcome
}
