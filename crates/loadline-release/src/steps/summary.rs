//! The verdict, signed: a verification summary on every index and child.

use loadline_core::predicate::verification_summary::PREDICATE_TYPE;
use loadline_core::{Digest, Outcome};
use loadline_evidence::summary::{self, Verified};

use crate::effect::Listings;
use crate::error::ReleaseError;
use crate::event::Step;
use crate::release::{Progress, Release};
use crate::steps::attest::subjects_of;

/// Signs and attaches one summary an image. It runs only after everything else has passed.
pub(crate) async fn run(release: &Release<'_>, progress: &mut Progress) -> Result<Outcome, ReleaseError> {
    let mut outcome = Outcome::new();
    release.parts(Step::Summary, progress.indexes.len());
    let policy = release.policy_digest();
    let listings = Listings::default();
    for index in &progress.indexes {
        let Some(image) = release.planned(&index.image) else { continue };
        let name = format!("summary {}", image.name);
        let descriptors: Vec<_> = index.subjects().cloned().collect();
        let statement = release.settle(name, PREDICATE_TYPE, descriptors, || {
            let evidence: Vec<Digest> = progress
                .statements
                .iter()
                .filter(|(name, _)| *name == image.name)
                .map(|(_, digest)| digest.clone())
                .collect();
            let resource =
                image.repositories.first().map(|name| name.at(&index.descriptor.digest).to_string());
            let verified = Verified {
                verifier: release.builder_id,
                at: &release.clock.now().to_string(),
                resource: resource.as_deref().unwrap_or_default(),
                policy: &format!("https://{}", release.plan.source),
                policy_digest: &policy,
                evidence: &evidence,
            };
            Ok(summary::statement(subjects_of(image, index), &verified))
        })?;
        let (bundle, note) = release.sign(&statement).await?;
        outcome.findings.extend(note);
        let unchanged = release.attach(image, &statement, &bundle, &listings).await?;
        release.part(Step::Summary, &image.name, unchanged);
    }
    Ok(outcome)
}
