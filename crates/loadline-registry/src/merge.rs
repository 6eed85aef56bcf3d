//! Legs joined into one index, by bytes: what each leg's index lists is taken over as it is, BuildKit's
//! attestations with it.
//!
//! It costs one request a leg (which is also the look whether it is there), one more where a leg is a bare
//! manifest, whose platform its configuration says, one to push, and one a tag.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::future::try_join_all;
use loadline_core::Platform;
use loadline_core::media_type::DOCKER_MANIFEST;

use crate::descriptor::{Descriptor, PlatformObject};
use crate::error::{RegistryError, RegistryErrorKind};
use crate::image::ImageConfig;
use crate::index::{BuiltIndex, IndexBuilder};
use crate::manifest::Manifest;
use crate::repository::Repository;

/// The largest configuration that is read.
const CONFIG_LIMIT: u64 = 4 << 20;

/// What is to be joined.
#[derive(Debug, Clone, Copy)]
pub struct MergeRequest<'a> {
    /// The legs: digests or tags of the repository.
    pub legs: &'a [&'a str],
    /// Annotations of the index.
    pub annotations: &'a BTreeMap<String, String>,
    /// The tags that it gets; by digest it is there in any case.
    pub tags: &'a [&'a str],
}

/// Joins legs of a repository into an index there. The same legs make the same bytes, in whatever order.
///
/// # Errors
/// A leg is not there, two legs are for one platform, a leg says no platform, or the registry refused.
pub async fn merge(repository: &Repository, request: MergeRequest<'_>) -> Result<BuiltIndex, RegistryError> {
    let legs = request.legs.iter().map(|leg| entries(repository, leg));
    let entries: Vec<Descriptor> = try_join_all(legs).await?.into_iter().flatten().collect();
    let wrong = |message: String| repository.error("join the legs", RegistryErrorKind::Malformed { message });
    let mut platforms: BTreeMap<Platform, &Descriptor> = BTreeMap::new();
    for entry in entries.iter().filter(|entry| !entry.is_buildkit_attestation()) {
        let Some(platform) = entry.platform() else {
            return Err(wrong(format!("{} says no platform", entry.digest)));
        };
        // Windows images differ in the version of the system.
        let windows = entry.platform.as_ref().is_some_and(|platform| platform.os_version.is_some());
        if let Some(other) = platforms.insert(platform.clone(), entry)
            && other.digest != entry.digest
            && !windows
        {
            return Err(wrong(format!("{} and {} are both for {platform}", other.digest, entry.digest)));
        }
    }
    if platforms.is_empty() {
        return Err(wrong("there is no image among them".to_owned()));
    }
    let mut builder = IndexBuilder::new();
    if entries.iter().all(|entry| entry.media_type == DOCKER_MANIFEST) && request.annotations.is_empty() {
        builder = builder.docker();
    }
    builder = builder.entries(entries.iter().cloned());
    for (name, value) in request.annotations {
        builder = builder.annotation(name, value);
    }
    let built = builder.build().map_err(|error| wrong(error.to_string()))?;
    push(repository, &built, request.tags).await?;
    Ok(built)
}

/// What a leg brings: its index's entries, or itself.
async fn entries(repository: &Repository, leg: &str) -> Result<Vec<Descriptor>, RegistryError> {
    let manifest = repository.manifest(leg).await?;
    if manifest.is_index() {
        let index =
            manifest.as_index().map_err(|kind| repository.error(format!("read the leg {leg}"), kind))?;
        return Ok(index.manifests);
    }
    Ok(vec![bare(repository, manifest).await?])
}

async fn bare(repository: &Repository, manifest: Manifest) -> Result<Descriptor, RegistryError> {
    let asked = || format!("read the platform of {}", manifest.digest());
    let image = manifest.as_image().map_err(|kind| repository.error(asked(), kind))?;
    let bytes = repository.blob(&image.config, CONFIG_LIMIT).await?;
    let config: ImageConfig = serde_json::from_slice(&bytes).map_err(|error| {
        let message = format!("its configuration is none: {error}");
        repository.error(asked(), RegistryErrorKind::Malformed { message })
    })?;
    let mut descriptor = manifest.descriptor;
    descriptor.platform = Some(PlatformObject::from(&config.platform));
    Ok(descriptor)
}

async fn push(repository: &Repository, built: &BuiltIndex, tags: &[&str]) -> Result<(), RegistryError> {
    let bytes = Bytes::from(built.bytes.clone());
    // Sent without asking first: the answer would cost as much as the index.
    repository.put_manifest(built.media_type, bytes.clone()).await?;
    for tag in tags {
        repository.tag(tag, built.media_type, bytes.clone()).await?;
    }
    Ok(())
}
