//! What a tag points at, and which version that says it is.

use loadline_core::config::{Config, MovingTag, ReleaseVersion};
use loadline_registry::image::ImageConfig;
use loadline_registry::{Manifest, RegistryError, Repository};

use crate::plan::PlannedImage;
use crate::promote::Present;

/// The annotation and label that says an image's version.
pub(crate) const VERSION: &str = "org.opencontainers.image.version";

/// The largest image configuration that is read.
const CONFIG_LIMIT: u64 = 8 << 20;

/// What a tag points at now, its version too; none where there is no such tag.
pub(crate) async fn present(repository: &Repository, tag: &str) -> Result<Option<Present>, RegistryError> {
    let Some(found) = repository.resolve(tag).await? else { return Ok(None) };
    let manifest = repository.manifest(&found.digest.to_string()).await?;
    let version = version_of(repository, &manifest).await?;
    Ok(Some(Present { digest: found.digest, version }))
}

/// The version that an image says it is: the index's or manifest's annotation, else the first child's
/// label.
pub(crate) async fn version_of(
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
    let config: Option<ImageConfig> = serde_json::from_slice(&config).ok();
    Ok(config.and_then(|config| config.config.labels.get(VERSION).and_then(parse)))
}

/// What the configuration says of each of an image's moving tags: all entries of the same template. One tag may
/// follow several channels.
pub(crate) fn followers<'c>(
    config: &'c Config,
    image: &PlannedImage,
    version: &ReleaseVersion,
) -> Vec<Vec<&'c MovingTag>> {
    let Some(configured) = config.images.get(&image.name) else { return Vec::new() };
    let all = &configured.moving_tags;
    // The plan has one tag for each entry that follows this version, in their order.
    all.iter()
        .filter(|entry| entry.follows(version))
        .map(|entry| all.iter().filter(|other| other.template() == entry.template()).collect())
        .collect()
}
