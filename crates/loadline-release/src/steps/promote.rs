//! Tags for the whole set, last: version tags first, moving tags after.

use bytes::Bytes;
use loadline_core::config::ReleaseVersion;
use loadline_core::{Outcome, Verdict};
use loadline_registry::{Manifest, RegistryError, Repository};

use crate::error::ReleaseError;
use crate::event::{Event, Step};
use crate::ledger::Record;
use crate::promote::{Decision, Present, TagKind, decide};
use crate::release::{Index, Progress, Release, WrittenTag};

/// The annotation and label that says an image's version.
const VERSION: &str = "org.opencontainers.image.version";

struct Tag<'a> {
    index: &'a Index,
    repository: Repository,
    place: usize,
    tag: String,
    reference: String,
    kind: TagKind,
}

/// Decides about every tag, and writes all of them or none.
pub(crate) async fn run(release: &Release<'_>, progress: &mut Progress) -> Result<Outcome, ReleaseError> {
    // What is written is told even when the next tag fails, so the report grows with each of them.
    let indexes = progress.indexes.clone();
    let tags = tags(release, &indexes);
    release.parts(Step::Promote, tags.len());
    let mut outcome = Outcome::new();
    let mut writes = Vec::new();
    for tag in &tags {
        let present = present(tag).await?;
        let digest = &tag.index.descriptor.digest;
        match decide(&tag.reference, tag.kind, digest, &release.plan.parsed_version, present.as_ref()) {
            Decision::Write { previous } => writes.push((tag, previous)),
            Decision::Keep => {
                progress.tags.push(tag.written());
                release.part(Step::Promote, &tag.reference, true);
            }
            Decision::Leave(finding) => outcome.findings.push(finding),
            Decision::Refuse(finding) => outcome.findings.push(finding),
            Decision::Unknown(failure) => outcome.failures.push(failure),
        }
    }
    if outcome.verdict() != Verdict::Pass {
        return Ok(outcome);
    }
    if !writes.is_empty() && !release.ledger.promoting() {
        release.ledger.write(Record::Promoting { tags: writes.len() })?;
    }
    for (tag, previous) in writes {
        let digest = tag.index.descriptor.digest.clone();
        let key = format!("tag {}", tag.reference);
        release.ledger.intent(&key)?;
        let bytes = Bytes::from(tag.index.bytes.clone());
        tag.repository.tag(&tag.tag, &tag.index.descriptor.media_type, bytes).await?;
        progress.tags.push(tag.written());
        progress.moved += 1;
        release.ledger.done(&key, &serde_json::json!({"digest": digest, "previous": previous}))?;
        release.part(Step::Promote, &tag.reference, false);
        release.listener.hear(&Event::TagWritten { reference: tag.reference.clone(), digest, previous });
    }
    if !release.ledger.completed() {
        release.ledger.write(Record::Completed { plan: release.plan.digest() })?;
    }
    Ok(outcome)
}

impl Tag<'_> {
    fn written(&self) -> WrittenTag {
        WrittenTag { image: self.index.image.clone(), repository: self.place, tag: self.tag.clone() }
    }
}

/// Every tag of the set, version tags of all images and repositories before any moving tag.
fn tags<'a>(release: &Release<'_>, indexes: &'a [Index]) -> Vec<Tag<'a>> {
    let mut version = Vec::new();
    let mut moving = Vec::new();
    for index in indexes {
        let Some(image) = release.plan.images.iter().find(|image| image.name == index.image) else {
            continue;
        };
        for (place, (repository, name)) in
            release.repositories(image).into_iter().zip(&image.repositories).enumerate()
        {
            let make = |tag: &String, kind| Tag {
                index,
                repository: repository.clone(),
                place,
                tag: tag.clone(),
                reference: format!("{name}:{tag}"),
                kind,
            };
            version.extend(image.tags.iter().map(|tag| make(tag, TagKind::Version)));
            moving.extend(image.moving_tags.iter().map(|tag| make(tag, TagKind::Moving)));
        }
    }
    version.extend(moving);
    version
}

/// What a tag points at now. Its version is asked for only where the decision needs it.
async fn present(tag: &Tag<'_>) -> Result<Option<Present>, RegistryError> {
    let Some(found) = tag.repository.resolve(&tag.tag).await? else { return Ok(None) };
    let same = found.digest == tag.index.descriptor.digest;
    let version = if same || tag.kind == TagKind::Version {
        None
    } else {
        let manifest = tag.repository.manifest(&found.digest.to_string()).await?;
        version_of(&tag.repository, &manifest).await?
    };
    Ok(Some(Present { digest: found.digest, version }))
}

/// The version that an image says it is: the index's or manifest's annotation, else the first child's
/// label.
async fn version_of(
    repository: &Repository,
    manifest: &Manifest,
) -> Result<Option<ReleaseVersion>, RegistryError> {
    let parse = |text: &String| ReleaseVersion::semantic(text.trim_start_matches('v')).ok();
    let child;
    let image = if manifest.is_index() {
        let Ok(index) = manifest.as_index() else { return Ok(None) };
        if let Some(version) = index.annotations.get(VERSION).and_then(parse) {
            return Ok(Some(version));
        }
        let Some(first) = index.images().next() else { return Ok(None) };
        child = repository.manifest(&first.digest.to_string()).await?;
        &child
    } else {
        manifest
    };
    let Ok(image) = image.as_image() else { return Ok(None) };
    if let Some(version) = image.annotations.get(VERSION).and_then(parse) {
        return Ok(Some(version));
    }
    let config = repository.blob(&image.config, CONFIG_LIMIT).await?;
    let config: Option<loadline_registry::image::ImageConfig> = serde_json::from_slice(&config).ok();
    Ok(config.and_then(|config| config.config.labels.get(VERSION).and_then(parse)))
}

/// The largest image configuration that is read.
const CONFIG_LIMIT: u64 = 8 << 20;
