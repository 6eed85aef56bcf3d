//! The rules over the repository.

use loadline_check::{CheckRequest, WorkTree, check};
use loadline_core::{Failure, Outcome};

use crate::codes::ROOT_NOT_UTF8;
use crate::event::Step;
use crate::release::Release;

/// Runs the rules that the configuration names.
pub(crate) fn run(release: &Release<'_>) -> Outcome {
    release.parts(Step::Check, 1);
    let Some(root) = release.root.to_str() else {
        let message = format!("the path {} is not UTF-8", release.root.display());
        return Failure::new(&ROOT_NOT_UTF8, message).help("move the checkout").into();
    };
    let regions = &release.config.shared_regions;
    let outcome = check(&CheckRequest { tree: &WorkTree::new(root), regions });
    release.part(Step::Check, format!("{} shared regions", regions.len()), false);
    outcome
}
