//! Joining legs into one index: the same bytes whenever the legs are the same, whoever joins them.

use loadline_core::Platform;
use loadline_core::media_type::DOCKER_MANIFEST;
use loadline_registry::Descriptor;
use loadline_registry::index::IndexBuilder;

use crate::current;
use crate::error::ReleaseError;
use crate::leg::Leg;
use crate::plan::PlannedImage;
use crate::workshop::{ANNOTATED, BASE_DIGEST, BASE_NAME};

/// An index as it goes to a registry.
#[derive(Debug, Clone)]
pub struct Joined {
    /// The index's descriptor.
    pub descriptor: Descriptor,
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// The children.
    pub children: Vec<(Platform, Descriptor)>,
}

/// The index of an image's legs. BuildKit's attestations and the children's annotations are kept as they are; the
/// image's own description is annotated to the index, and what all legs are built on. `key` is what the image is
/// made from, as text.
///
/// # Errors
/// Never in practice: all its members can be written as JSON.
pub fn join<'l>(
    image: &PlannedImage,
    legs: impl IntoIterator<Item = &'l Leg>,
    key: Option<&str>,
) -> Result<Joined, ReleaseError> {
    let legs: Vec<&Leg> = legs.into_iter().collect();
    let children: Vec<_> = legs
        .iter()
        .map(|leg| (leg.platform.clone(), leg.manifest.clone().with_platform(&leg.platform)))
        .collect();
    let mut builder = IndexBuilder::new()
        .entries(children.iter().map(|(_, child)| child.clone()))
        .entries(legs.iter().flat_map(|leg| leg.attestations.clone()));
    if legs.iter().all(|leg| leg.manifest.media_type == DOCKER_MANIFEST) {
        builder = builder.docker();
    }
    let described = image.labels.iter().filter(|(label, _)| label.starts_with(ANNOTATED));
    for (name, value) in described.chain(&image.annotations) {
        builder = builder.annotation(name, value);
    }
    // Legs that are built on one index say so alike; where they do not, the index is built on nothing in common.
    if let Some(base) = legs.first().and_then(|leg| leg.base.as_ref())
        && legs.iter().all(|leg| leg.base.as_ref() == Some(base))
        && !image.labels.contains_key(BASE_NAME)
    {
        builder = builder.annotation(BASE_NAME, &base.name).annotation(BASE_DIGEST, base.digest.to_string());
    }
    if let Some(key) = key {
        builder = builder.annotation(current::ANNOTATION, key);
    }
    let built = builder.build().map_err(|source| ReleaseError::Json { what: "the index", source })?;
    let descriptor = Descriptor::new(built.media_type, built.digest, built.bytes.len() as u64);
    Ok(Joined { descriptor, bytes: built.bytes, children })
}
