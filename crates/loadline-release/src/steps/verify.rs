//! Everything once more from the registry, as a consumer would.

use futures_util::future::join_all;
use loadline_core::config::ReleaseVersion;
use loadline_core::predicate::verification_summary;
use loadline_core::{Outcome, Platform};
use loadline_evidence::{Consumer, Limits, verify_image};

use crate::error::ReleaseError;
use crate::event::Step;
use crate::release::{Progress, Release};

/// Verifies every image at every repository. The verdict itself is signed only after this: where consumers
/// demand it, it is demanded when the set is pulled.
pub(crate) async fn run(release: &Release<'_>, progress: &mut Progress) -> Result<Outcome, ReleaseError> {
    let mut outcome = Outcome::new();
    release.parts(Step::Verify, progress.indexes.len());
    let demanded: Vec<String> = release
        .predicate_types
        .iter()
        .filter(|demanded| *demanded != verification_summary::PREDICATE_TYPE)
        .cloned()
        .collect();
    let demanded = &demanded;
    let images = progress.indexes.iter().map(|index| async move {
        let mut outcome = Outcome::new();
        let Some(image) = release.planned(&index.image) else { return outcome };
        let consumer = &release.consumer(demanded, &image.platforms);
        let repositories = release.repositories(image);
        let verified = repositories.iter().map(|at| verify_image(at, &index.descriptor.digest, consumer));
        for verification in join_all(verified).await {
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

impl Release<'_> {
    /// Who demands these predicates of these platforms.
    pub(crate) fn consumer<'c>(
        &'c self,
        predicate_types: &'c [String],
        platforms: &'c [Platform],
    ) -> Consumer<'c> {
        Consumer {
            verifier: &self.verifier,
            policy: self.policy,
            predicate_types,
            platforms,
            version: match &self.plan.parsed_version {
                ReleaseVersion::Semantic(version) => Some(version),
                ReleaseVersion::Commit(_) => None,
            },
            now: self.clock.now(),
            limits: Limits::default(),
        }
    }
}
