//! Building every leg and pushing it by digest, without a tag; or taking what other machines built.

use std::path::PathBuf;

use futures_util::future::try_join_all;
use loadline_build::copy_leg;
use loadline_core::config;
use loadline_core::{Digest, Finding, Outcome, Platform};
use loadline_registry::{Layout, Repository};

use crate::error::ReleaseError;
use crate::event::{Event, Step};
use crate::leg::Leg;
use crate::legs::codes::LEG_FOREIGN;
use crate::legs::{Depth, LegSet, examine};
use crate::plan::PlannedImage;
use crate::release::{Progress, Release};
use crate::workshop::Workshop;

/// Builds every leg that the ledger does not have: into a layout beside it and pushed from there, or straight
/// to the image's first repository by builders that push by themselves.
pub(crate) async fn run(release: &Release<'_>, progress: &mut Progress) -> Result<Outcome, ReleaseError> {
    release.parts(Step::Build, release.plan.legs());
    if let Some(set) = &release.legs {
        return take(release, progress, set).await;
    }
    let workshop = Workshop::open(
        release.plan,
        release.root,
        &release.client,
        release.environment,
        // Beside the layout, in which nothing else may be.
        &release.scratch.with_file_name("work"),
        release.listener,
    )?;
    let layout = Repository::layout(release.scratch);
    let mut outcome = Outcome::new();
    for image in &release.plan.images {
        let legs = image.platforms.iter().map(|platform| one(release, image, platform, &workshop, &layout));
        for (leg, notes) in try_join_all(legs).await? {
            progress.legs.push(leg);
            for note in notes {
                // What holds for all legs of an image is told once.
                if !outcome.findings.iter().any(|told: &Finding| told.message == note.message) {
                    outcome.findings.push(note);
                }
            }
        }
    }
    Ok(outcome)
}

/// Takes the legs that other machines built, once the set is known to be whole, of this commit and
/// configuration, and at the registry as its records say.
async fn take(release: &Release<'_>, progress: &mut Progress, set: &LegSet) -> Result<Outcome, ReleaseError> {
    let images: Vec<&PlannedImage> = release.plan.images.iter().collect();
    let mut findings = set.check(release.plan, &images);
    if findings.iter().any(|finding| finding.severity == loadline_core::Severity::Error) {
        return Ok(Outcome::from(findings));
    }
    for image in &images {
        let records: Vec<_> =
            image.platforms.iter().filter_map(|platform| set.of_leg(&image.name, platform)).collect();
        let Some(repository) = release.repositories(image).into_iter().next() else { continue };
        let examined: Vec<_> = records.iter().map(|read| &read.record).collect();
        findings.extend(examine(&repository, &examined, Depth::Vouch).await?);
    }
    for (image, platform) in legs(release) {
        let Some(read) = set.of_leg(&image.name, platform) else { continue };
        let leg = read.record.leg();
        let known: Option<Leg> = release.ledger.result(&key(image, platform))?;
        if let Some(known) = known.filter(|known| known.manifest.digest != leg.manifest.digest) {
            let message = format!(
                "{} was released as {} so far; the record in {} is of another build",
                leg.name(),
                known.manifest.digest,
                read.file.display()
            );
            let finding = Finding::error(&LEG_FOREIGN, message).about(&leg.manifest.digest);
            findings.push(finding.help("name the records that this release was begun with"));
        }
    }
    if findings.iter().any(|finding| finding.severity == loadline_core::Severity::Error) {
        return Ok(Outcome::from(findings));
    }
    let layout = Repository::layout(release.scratch);
    for (image, platform) in legs(release) {
        let Some(read) = set.of_leg(&image.name, platform) else { continue };
        let leg = read.record.leg();
        let known: Option<Leg> = release.ledger.result(&key(image, platform))?;
        if known.is_none() {
            release.ledger.settle(&key(image, platform), &leg)?;
        }
        spread(release, image, &leg, &layout, known.is_some()).await?;
        progress.legs.push(leg);
    }
    Ok(Outcome::from(findings))
}

fn legs<'r>(release: &'r Release<'_>) -> impl Iterator<Item = (&'r PlannedImage, &'r Platform)> {
    let images = release.plan.images.iter();
    images.flat_map(|image| image.platforms.iter().map(move |platform| (image, platform)))
}

fn key(image: &PlannedImage, platform: &Platform) -> String {
    format!("leg {} {platform}", image.name)
}

/// One leg: as an earlier run built it where its content is still to be had, else built now.
async fn one(
    release: &Release<'_>,
    image: &PlannedImage,
    platform: &Platform,
    workshop: &Workshop<'_>,
    layout: &Repository,
) -> Result<(Leg, Vec<Finding>), ReleaseError> {
    let key = key(image, platform);
    let repositories = release.repositories(image);
    let known: Option<Leg> = release.ledger.result(&key)?;
    let (leg, notes, known) = match known {
        Some(leg) if is_there(&leg, layout, &repositories).await? => (leg, Vec::new(), true),
        _ => {
            // A registry that stands in may be out of a builder's reach: what is built comes by way of a layout.
            let pushes = image.builder == config::Builder::Buildx && !release.plan.stand_in;
            match repositories.first().filter(|_| pushes) {
                Some(first) => {
                    release.ledger.intent(&key)?;
                    let (leg, notes) = workshop.build(image, platform, first).await?;
                    release.ledger.done(&key, &leg)?;
                    (leg, notes, false)
                }
                None => {
                    let (leg, notes) = workshop.build(image, platform, layout).await?;
                    release.ledger.settle(&key, &leg)?;
                    (leg, notes, false)
                }
            }
        }
    };
    spread(release, image, &leg, layout, known).await?;
    Ok((leg, notes))
}

/// Makes sure that a leg is in all of the image's repositories, and tells that it is.
async fn spread(
    release: &Release<'_>,
    image: &PlannedImage,
    leg: &Leg,
    layout: &Repository,
    known: bool,
) -> Result<(), ReleaseError> {
    let repositories = release.repositories(image);
    let mut unchanged = known;
    for (repository, name) in repositories.iter().zip(&image.repositories) {
        let key = format!("push {name} {}", leg.name());
        let push = push(leg, layout, &repositories, repository);
        unchanged &= release.ensure_manifest(&key, repository, &leg.manifest.digest, push).await?;
    }
    release.part(Step::Build, leg.name(), unchanged);
    release.listener.hear(&Event::LegBuilt {
        image: leg.image.clone(),
        platform: leg.platform.clone(),
        digest: leg.manifest.digest.clone(),
    });
    Ok(())
}

/// Whether a leg can be taken as it is: it is in the layout, or in the first repository, from where it is
/// copied to the others. Another build of it would have another digest.
async fn is_there(leg: &Leg, layout: &Repository, repositories: &[Repository]) -> Result<bool, ReleaseError> {
    if has(layout, leg).await? {
        return Ok(true);
    }
    match repositories.first() {
        Some(first) => has(first, leg).await,
        None => Ok(false),
    }
}

async fn has(repository: &Repository, leg: &Leg) -> Result<bool, ReleaseError> {
    for manifest in leg.manifests() {
        if repository.resolve(&manifest.digest.to_string()).await?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Brings a leg to a repository, from wherever it lies: the layout, or the repository it was pushed to.
async fn push(
    leg: &Leg,
    layout: &Repository,
    repositories: &[Repository],
    to: &Repository,
) -> Result<(), ReleaseError> {
    let digest = leg.manifest.digest.to_string();
    let from = match repositories.first() {
        Some(first) if layout.resolve(&digest).await?.is_none() => first,
        _ => layout,
    };
    // A builder that pushes by itself has done so before this was announced: what it left is what is asked for.
    if from.name().is_some() && from.name() == to.name() {
        return Ok(());
    }
    Ok(copy_leg(from, to, leg.manifests()).await?)
}

/// Where a layout keeps a blob, if it is there; none for a registry.
pub(crate) fn blob_file(repository: &Repository, digest: &Digest) -> Option<PathBuf> {
    let path = Layout::new(repository.directory()?).blob_path(digest);
    path.is_file().then_some(path)
}
