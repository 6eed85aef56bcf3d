//! Everything once more from the registry, as a consumer would.

use futures_util::future::join_all;
use loadline_core::Outcome;
use loadline_core::config::ReleaseVersion;
use loadline_evidence::{Consumer, Limits, verify_image};

use crate::error::ReleaseError;
use crate::event::Step;
use crate::release::{Progress, Release};

/// Verifies every image at every repository.
pub(crate) async fn run(release: &Release<'_>, progress: &mut Progress) -> Result<Outcome, ReleaseError> {
    let mut outcome = Outcome::new();
    release.parts(Step::Verify, progress.indexes.len());
    let version = match &release.plan.parsed_version {
        ReleaseVersion::Semantic(version) => Some(version),
        ReleaseVersion::Commit(_) => None,
    };
    let images = progress.indexes.iter().map(|index| async move {
        let mut outcome = Outcome::new();
        let Some(image) = release.planned(&index.image) else { return outcome };
        let consumer = Consumer {
            verifier: &release.verifier,
            policy: release.policy,
            predicate_types: release.predicate_types,
            platforms: &image.platforms,
            version,
            now: release.clock.now(),
            limits: Limits::default(),
        };
        for repository in release.repositories(image) {
            let verification = verify_image(&repository, &index.descriptor.digest, &consumer).await;
            outcome.merge(verification.outcome);
        }
        release.part(Step::Verify, &index.image, false);
        outcome
    });
    for verified in join_all(images).await {
        outcome.merge(verified);
    }
    Ok(outcome)
}
