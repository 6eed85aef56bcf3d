//! The verdict, signed: a verification summary on every index and child.

use futures_util::stream::{self, StreamExt, TryStreamExt};
use loadline_core::predicate::slsa_provenance;
use loadline_core::predicate::verification_summary::PREDICATE_TYPE;
use loadline_core::{Digest, Finding, Outcome};
use loadline_evidence::summary::{self, Verified};

use crate::effect::Listings;
use crate::error::ReleaseError;
use crate::event::Step;
use crate::plan::PlannedImage;
use crate::release::{Index, Progress, Release};
use crate::steps::attest::subjects_of;

/// How many summaries are signed at once: enough to hide the round trips, few enough for public services.
const PARALLEL: usize = 4;

/// What a verified provenance stands for. It is made by the workflow that it speaks of, not by the platform that
/// ran it, so that level 2, which demands that it cannot be forged by its own steps, is not ours to claim.
const WITH_PROVENANCE: &str = "SLSA_BUILD_LEVEL_1";
/// Where no provenance was demanded, nothing was evaluated (SLSA 1.0, verification summary, `SlsaResult`).
const WITHOUT_PROVENANCE: &str = "SLSA_BUILD_LEVEL_UNEVALUATED";

/// Signs and attaches one summary an image. It runs only after everything else has passed.
pub(crate) async fn run(release: &Release<'_>, progress: &mut Progress) -> Result<Outcome, ReleaseError> {
    release.parts(Step::Summary, progress.indexes.len());
    let listings = &Listings::default();
    let progress = &*progress;
    let notes: Vec<Option<Finding>> = stream::iter(&progress.indexes)
        .map(|index| async move {
            match release.planned(&index.image) {
                Some(image) => one(release, image, index, progress, listings).await,
                None => Ok(None),
            }
        })
        .buffered(PARALLEL)
        .try_collect()
        .await?;
    Ok(Outcome::from(notes.into_iter().flatten().collect::<Vec<_>>()))
}

async fn one(
    release: &Release<'_>,
    image: &PlannedImage,
    index: &Index,
    progress: &Progress,
    listings: &Listings,
) -> Result<Option<Finding>, ReleaseError> {
    let name = format!("summary {}", image.name);
    let descriptors: Vec<_> = index.subjects().cloned().collect();
    let policy = release.policy_digest();
    let statement = release.settle(name, PREDICATE_TYPE, descriptors, || {
        let evidence: Vec<Digest> = progress
            .statements
            .iter()
            .filter(|(name, _)| *name == image.name)
            .map(|(_, digest)| digest.clone())
            .collect();
        let resource = image.repositories.first().map(|name| name.at(&index.descriptor.digest).to_string());
        let verified = Verified {
            verifier: release.builder_id,
            at: &release.clock.now().to_string(),
            resource: resource.as_deref().unwrap_or_default(),
            policy: &format!("https://{}", release.plan.source),
            policy_digest: &policy,
            evidence: &evidence,
            levels: &[level(release.predicate_types)],
        };
        Ok(summary::statement(subjects_of(image, index), &verified))
    })?;
    let (bundle, note) = release.sign(&statement).await?;
    let unchanged = release.attach(image, &statement, &bundle, listings).await?;
    release.part(Step::Summary, &image.name, unchanged);
    Ok(note)
}

/// The level that was verified: of the build track, and only where provenance was.
fn level(demanded: &[String]) -> &'static str {
    match demanded.iter().any(|demanded| demanded == slsa_provenance::PREDICATE_TYPE) {
        true => WITH_PROVENANCE,
        false => WITHOUT_PROVENANCE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_claimed_only_where_provenance_was_verified() {
        let of = |demanded: &[&str]| level(&demanded.iter().map(|d| (*d).to_owned()).collect::<Vec<_>>());
        assert_eq!(of(&[slsa_provenance::PREDICATE_TYPE]), "SLSA_BUILD_LEVEL_1");
        assert_eq!(of(&["https://cyclonedx.org/bom"]), "SLSA_BUILD_LEVEL_UNEVALUATED");
        assert_eq!(of(&[]), "SLSA_BUILD_LEVEL_UNEVALUATED");
    }
}
