//! Signing every statement and hanging it where consumers look.

use futures_util::stream::{self, StreamExt};
use loadline_core::predicate::slsa_provenance::PREDICATE_TYPE;
use loadline_core::statement::Subject;
use loadline_core::{Outcome, Verdict};
use loadline_evidence::provenance::{self, ImageBuild, LegBuild};

use crate::effect::Listings;
use crate::error::ReleaseError;
use crate::event::Step;
use crate::plan::PlannedImage;
use crate::release::{Index, Progress, Release};
use crate::statement::Settled;
use crate::workshop::source_date_epoch;

/// How many statements are signed at once: enough to hide the round trips, few enough for public services.
const PARALLEL: usize = 4;

/// Signs and attaches provenance and bills of materials of every image.
pub(crate) async fn run(release: &Release<'_>, progress: &mut Progress) -> Result<Outcome, ReleaseError> {
    let mut outcome = Outcome::new();
    let mut all = Vec::new();
    for index in &progress.indexes {
        let image = release.planned(&index.image);
        let Some(image) = image else { continue };
        all.push((image, provenance_of(release, image, index, progress)?));
        let sboms = progress.sboms.iter().filter(|(name, _)| *name == image.name);
        all.extend(sboms.map(|(_, statement)| (image, statement.clone())));
    }
    release.parts(Step::Attest, all.len());
    outcome.findings.extend(release.fit(all.iter().map(|(_, statement)| statement)));
    if outcome.verdict() != Verdict::Pass {
        return Ok(outcome);
    }
    let listings = &Listings::default();
    let mut attested = stream::iter(&all)
        .map(|(image, statement)| async move {
            let (bundle, note) = release.sign(statement).await?;
            let unchanged = release.attach(image, statement, &bundle, listings).await?;
            release.part(Step::Attest, &statement.name, unchanged);
            Ok::<_, ReleaseError>(note)
        })
        .buffered(PARALLEL);
    while let Some(note) = attested.next().await {
        outcome.findings.extend(note?);
    }
    drop(attested);
    progress.statements = all.into_iter().map(|(image, s)| (image.name.clone(), s.digest)).collect();
    Ok(outcome)
}

/// One statement an image: its subjects are the index and the children.
fn provenance_of(
    release: &Release<'_>,
    image: &PlannedImage,
    index: &Index,
    progress: &Progress,
) -> Result<Settled, ReleaseError> {
    let plan = release.plan;
    let name = format!("provenance {}", image.name);
    let subjects: Vec<_> = index.subjects().cloned().collect();
    release.settle(name, PREDICATE_TYPE, subjects, || {
        let legs = progress.legs.iter().filter(|leg| leg.image == image.name);
        let build = ImageBuild {
            image: &image.name,
            version: &plan.version,
            source: &plan.source,
            git_ref: plan.git_ref.as_deref(),
            commit: &plan.commit,
            dirty: plan.dirty.as_ref(),
            dockerfile: image.dockerfile.as_str(),
            target: image.target.as_deref(),
            build_args: &image.build_args,
            legs: legs
                .map(|leg| LegBuild {
                    platform: &leg.platform,
                    materials: leg
                        .materials
                        .iter()
                        .map(|material| {
                            (material.name.clone(), material.uri.clone(), material.digest.clone())
                        })
                        .collect(),
                })
                .collect(),
            builder: image.builder.name(),
            source_date_epoch: source_date_epoch(plan, image),
            workflow: release.workflow,
            builder_id: release.builder_id,
            started_on: &release.began_at(),
        };
        Ok(provenance::statement(subjects_of(image, index), &build))
    })
}

/// The index and its children as subjects, named by the image's first repository.
pub(crate) fn subjects_of(image: &PlannedImage, index: &Index) -> Vec<Subject> {
    let name = image.repositories.first().map(ToString::to_string).unwrap_or_default();
    index.subjects().map(|subject| Subject::new(&name, &subject.digest)).collect()
}
