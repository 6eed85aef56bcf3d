//! What can be known before anything is built.

use loadline_core::{Finding, Outcome};

use crate::codes::{UNCOMMITTED_CHANGES, VERSION_TAG_TAKEN};
use crate::error::ReleaseError;
use crate::event::Step;
use crate::release::Release;

/// Asks every repository for every version tag. One that is taken is only told here: a release that
/// comes out with the same digest is the same release, and promotion decides.
pub(crate) async fn run(release: &Release<'_>) -> Result<Outcome, ReleaseError> {
    let mut outcome = Outcome::new();
    if let Some(dirty) = release.plan.dirty.as_ref().filter(|_| !release.allow_dirty) {
        let message = format!("there are changes that commit {} does not have", release.plan.commit);
        let finding = Finding::error(&UNCOMMITTED_CHANGES, message).about(dirty);
        outcome.findings.push(finding.help("commit them, ignore them, or say --allow-dirty"));
        return Ok(outcome);
    }
    let images = &release.plan.images;
    release.parts(Step::Preflight, images.len());
    for image in images {
        for (repository, name) in release.repositories(image).iter().zip(&image.repositories) {
            for tag in &image.tags {
                let taken = repository.resolve(tag).await?;
                let Some(taken) = taken.filter(|_| !release.ledger.promoting()) else { continue };
                let finding = Finding::note(
                    &VERSION_TAG_TAKEN,
                    format!("{name}:{tag} is there already; this release must come out as {}", taken.digest),
                );
                outcome.findings.push(finding.about(&taken.digest));
            }
        }
        release.part(Step::Preflight, &image.name, false);
    }
    Ok(outcome)
}
