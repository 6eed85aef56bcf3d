//! Tags for the whole set, last: version tags first, moving tags after.

use bytes::Bytes;
use futures_util::stream::{self, StreamExt, TryStreamExt};
use loadline_core::config::MovingTag;
use loadline_core::{Outcome, Verdict};
use loadline_registry::{RegistryError, Repository};

use crate::error::ReleaseError;
use crate::event::{Event, Step};
use crate::ledger::Record;
use crate::promote::{Decision, Present, Question, TagKind, TagWrite, decide};
use crate::release::{Index, PARALLEL, Progress, Release, WrittenTag};
use crate::tagged;

struct Tag<'a> {
    index: &'a Index,
    repository: Repository,
    place: usize,
    tag: String,
    reference: String,
    /// The entries of the configuration that a moving tag follows by; none for a version tag.
    followed: Option<Vec<&'a MovingTag>>,
}

/// Decides about every tag, and writes all of them or none.
pub(crate) async fn run(release: &Release<'_>, progress: &mut Progress) -> Result<Outcome, ReleaseError> {
    // What is written is told even when the next tag fails, so the report grows with each of them.
    let indexes = progress.indexes.clone();
    let tags = tags(release, &indexes);
    release.parts(Step::Promote, tags.len());
    let found: Vec<Option<Present>> =
        stream::iter(&tags).map(present).buffered(PARALLEL).try_collect().await?;
    let completed = release.ledger.completed();
    let mut outcome = Outcome::new();
    let mut writes = Vec::new();
    for (tag, present) in tags.iter().zip(&found) {
        let question = Question {
            reference: &tag.reference,
            kind: tag.followed.as_deref().map_or(TagKind::Version, TagKind::Moving),
            wanted: &tag.index.descriptor.digest,
            version: &release.plan.parsed_version,
            present: present.as_ref(),
            completed,
        };
        match decide(&question) {
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
        let writes: Vec<_> = writes.iter().map(|(tag, previous)| tag.write(previous.clone())).collect();
        release.ledger.write(Record::Promoting { tags: writes.len(), writes })?;
    }
    for (tag, previous) in writes {
        let write = tag.write(previous);
        let key = format!("tag {}", tag.reference);
        release.ledger.intent(&key)?;
        let bytes = Bytes::from(tag.index.bytes.clone());
        tag.repository.tag(&tag.tag, &tag.index.descriptor.media_type, bytes).await?;
        progress.tags.push(tag.written());
        progress.moved += 1;
        release.ledger.done(&key, &write)?;
        release.part(Step::Promote, &tag.reference, false);
        let TagWrite { reference, digest, previous } = write;
        release.listener.hear(&Event::TagWritten { reference, digest, previous });
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

    fn write(&self, previous: Option<loadline_core::Digest>) -> TagWrite {
        let digest = self.index.descriptor.digest.clone();
        TagWrite { reference: self.reference.clone(), digest, previous }
    }
}

/// Every tag of the set, version tags of all images and repositories before any moving tag.
fn tags<'a>(release: &'a Release<'_>, indexes: &'a [Index]) -> Vec<Tag<'a>> {
    let mut version = Vec::new();
    let mut moving = Vec::new();
    for index in indexes {
        let Some(image) = release.planned(&index.image) else { continue };
        let followers = tagged::followers(release.config, image, &release.plan.parsed_version);
        for (place, (repository, name)) in
            release.repositories(image).into_iter().zip(&image.repositories).enumerate()
        {
            let make = |tag: &String, followed| Tag {
                index,
                repository: repository.clone(),
                place,
                tag: tag.clone(),
                reference: format!("{name}:{tag}"),
                followed,
            };
            version.extend(image.tags.iter().map(|tag| make(tag, None)));
            let each = image.moving_tags.iter().enumerate();
            moving.extend(
                each.map(|(at, tag)| make(tag, Some(followers.get(at).cloned().unwrap_or_default()))),
            );
        }
    }
    version.extend(moving);
    version
}

/// What a tag points at now. Its version is asked for only where the decision needs it.
async fn present(tag: &Tag<'_>) -> Result<Option<Present>, RegistryError> {
    let Some(found) = tag.repository.resolve(&tag.tag).await? else { return Ok(None) };
    if found.digest == tag.index.descriptor.digest || tag.followed.is_none() {
        return Ok(Some(Present { digest: found.digest, version: None }));
    }
    tagged::present(&tag.repository, &found.digest.to_string()).await
}
