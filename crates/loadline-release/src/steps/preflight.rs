//! What can be known before anything is built.

use futures_util::stream::{self, StreamExt, TryStreamExt};
use loadline_core::{Finding, Outcome};

use crate::codes::{KEY_UNKNOWN, UNCOMMITTED_CHANGES, VERSION_TAG_TAKEN};
use crate::current::KeySource;
use crate::error::ReleaseError;
use crate::event::Step;
use crate::plan::PlannedImage;
use crate::promote::{no_order, order};
use crate::release::{PARALLEL, Release};
use crate::tagged;

/// Asks every repository for every tag. A version tag that is taken is only told here: a release that comes
/// out with the same digest is the same release, and promotion decides. A moving tag of which nobody could
/// tell whether it would go back ends the release before an hour of building does.
pub(crate) async fn run(release: &Release<'_>) -> Result<Outcome, ReleaseError> {
    let mut outcome = Outcome::new();
    if let Some(dirty) = release.plan.dirty.as_ref().filter(|_| !release.allow_dirty) {
        let message = format!("there are changes that commit {} does not have", release.plan.commit);
        let finding = Finding::error(&UNCOMMITTED_CHANGES, message).about(dirty);
        outcome.findings.push(finding.help("commit them, ignore them, or say --allow-dirty"));
        return Ok(outcome);
    }
    release.parts(Step::Preflight, release.plan.images.len());
    // Once tags are being written, they are this release's own.
    if release.ledger.promoting() {
        return Ok(outcome);
    }
    let images = stream::iter(&release.plan.images).map(|image| async move {
        let mut found = of_image(release, image).await?;
        found.findings.extend(settle_key(release, image).await?);
        release.part(Step::Preflight, &image.name, false);
        Ok::<_, ReleaseError>(found)
    });
    let found: Vec<Outcome> = images.buffered(PARALLEL).try_collect().await?;
    for image in found {
        outcome.merge(image);
    }
    outcome.merge(release.look_at_github().await?);
    Ok(outcome)
}

/// Settles what an image is made from, before it is made: merge writes it into the index.
async fn settle_key(release: &Release<'_>, image: &PlannedImage) -> Result<Option<Finding>, ReleaseError> {
    let name = key_name(&image.name);
    if release.ledger.result::<Option<String>>(&name)?.is_some() {
        return Ok(None);
    }
    let Some(configured) = release.config.images.get(&image.name) else { return Ok(None) };
    let source = KeySource {
        config: release.config,
        configuration: &release.plan.configuration,
        root: release.root,
        commit: &release.plan.commit,
        dirty: release.plan.dirty.as_ref(),
        environment: release.environment,
        client: &release.client,
    };
    let (key, warning) = match source.key(&image.name, configured).await {
        Ok(key) => (Some(key.text()), None),
        Err(error) => (None, Some(Finding::warning(&KEY_UNKNOWN, error.to_string()))),
    };
    release.ledger.settle(&name, &key)?;
    Ok(warning)
}

/// What the ledger calls the key of an image.
fn key_name(image: &str) -> String {
    format!("key {image}")
}

impl Release<'_> {
    /// What an image is made from, as its index carries it; none where that could not be told.
    pub(crate) fn key_of(&self, image: &PlannedImage) -> Result<Option<String>, ReleaseError> {
        Ok(self.ledger.result::<Option<String>>(&key_name(&image.name))?.flatten())
    }
}

async fn of_image(release: &Release<'_>, image: &PlannedImage) -> Result<Outcome, ReleaseError> {
    let version = &release.plan.parsed_version;
    let followers = &tagged::followers(release.config, image, version);
    let repositories = release.repositories(image);
    let version_tags = stream::iter(repositories.iter().zip(&image.repositories))
        .flat_map(|(repository, name)| stream::iter(&image.tags).map(move |tag| (repository, name, tag)))
        .map(|(repository, name, tag)| async move {
            let Some(taken) = repository.resolve(tag).await? else { return Ok(Outcome::new()) };
            let finding = Finding::note(
                &VERSION_TAG_TAKEN,
                format!("{name}:{tag} is there already; this release must come out as {}", taken.digest),
            );
            Ok::<_, ReleaseError>(Outcome::from(vec![finding.about(&taken.digest)]))
        })
        .buffered(PARALLEL);
    let mut outcome = Outcome::new();
    for found in version_tags.try_collect::<Vec<_>>().await? {
        outcome.merge(found);
    }
    let moving_tags = stream::iter(repositories.iter().zip(&image.repositories))
        .flat_map(|(repository, name)| {
            stream::iter(image.moving_tags.iter().zip(followers))
                .map(move |(tag, followed)| (repository, name, tag, followed))
        })
        .map(|(repository, name, tag, followed)| async move {
            let Some(present) = tagged::present(repository, tag).await? else { return Ok(None) };
            Ok::<_, ReleaseError>(match order(&present, version, followed) {
                Some(_) => None,
                None => Some(no_order(&format!("{name}:{tag}"), &present, version)),
            })
        })
        .buffered(PARALLEL);
    outcome.failures.extend(moving_tags.try_collect::<Vec<_>>().await?.into_iter().flatten());
    Ok(outcome)
}
