//! The rules over the repository: those of `loadline check`, so that what it refuses is not released.

use loadline_check::{Repository, WorkTree, examine};
use loadline_core::{Failure, Outcome};

use crate::codes::ROOT_NOT_UTF8;
use crate::event::Step;
use crate::release::Release;

/// Runs the rules that the configuration asks for.
pub(crate) fn run(release: &Release<'_>) -> Outcome {
    release.parts(Step::Check, 1);
    let Some(root) = release.root.to_str() else {
        let message = format!("the path {} is not UTF-8", release.root.display());
        return Failure::new(&ROOT_NOT_UTF8, message).help("move the checkout").into();
    };
    let regions = &release.config.shared_regions;
    let tree = WorkTree::new(root);
    let repository = Repository { tree: &tree, config: Some(release.config), regions, workflows: None };
    let outcome = examine(&repository);
    let count = |n: usize, one: &str| if n == 1 { format!("1 {one}") } else { format!("{n} {one}s") };
    let looked_at =
        format!("{}, {}", count(regions.len(), "shared region"), count(release.config.images.len(), "image"));
    release.part(Step::Check, looked_at, false);
    outcome
}
