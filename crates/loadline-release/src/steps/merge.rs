//! Joining each image's legs into an index, by digest.

use bytes::Bytes;
use loadline_core::Outcome;
use loadline_registry::Descriptor;
use loadline_registry::index::IndexBuilder;

use crate::current;
use crate::error::ReleaseError;
use crate::event::{Event, Step};
use crate::plan::PlannedImage;
use crate::release::{Index, Progress, Release};

/// The labels that are annotations of the index too: registries read a multi-platform image's
/// description there.
pub(crate) const ANNOTATED: &str = "org.opencontainers.image.";

/// Builds and pushes every index.
pub(crate) async fn run(release: &Release<'_>, progress: &mut Progress) -> Result<Outcome, ReleaseError> {
    release.parts(Step::Merge, release.plan.images.len());
    for image in &release.plan.images {
        let index = join(image, progress, release.key_of(image)?)?;
        let digest = index.descriptor.digest.clone();
        let mut unchanged = true;
        for (repository, name) in release.repositories(image).iter().zip(&image.repositories) {
            let bytes = Bytes::from(index.bytes.clone());
            let push = async {
                repository.push_manifest(&index.descriptor.media_type, bytes).await?;
                Ok(())
            };
            let key = format!("merge {name} {}", image.name);
            unchanged &= release.ensure_manifest(&key, repository, &digest, push).await?;
        }
        release.part(Step::Merge, &image.name, unchanged);
        release.listener.hear(&Event::IndexMerged { image: image.name.clone(), digest });
        progress.indexes.push(index);
    }
    Ok(Outcome::new())
}

/// The index of an image's legs: the same bytes whenever the legs are the same.
fn join(image: &PlannedImage, progress: &Progress, key: Option<String>) -> Result<Index, ReleaseError> {
    let children: Vec<_> = progress
        .legs
        .iter()
        .filter(|leg| leg.image == image.name)
        .map(|leg| (leg.platform.clone(), leg.manifest.clone().with_platform(&leg.platform)))
        .collect();
    let attestations =
        progress.legs.iter().filter(|leg| leg.image == image.name).flat_map(|leg| leg.attestations.clone());
    let mut builder =
        IndexBuilder::new().entries(children.iter().map(|(_, child)| child.clone())).entries(attestations);
    for (label, value) in image.labels.iter().filter(|(label, _)| label.starts_with(ANNOTATED)) {
        builder = builder.annotation(label, value);
    }
    if let Some(key) = key {
        builder = builder.annotation(current::ANNOTATION, key);
    }
    let built = builder.build().map_err(|source| ReleaseError::Json { what: "the index", source })?;
    let descriptor = Descriptor::new(built.media_type, built.digest, built.bytes.len() as u64);
    Ok(Index { image: image.name.clone(), descriptor, bytes: built.bytes, children })
}
