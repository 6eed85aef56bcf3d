//! Carrying a leg from one place to another.

use loadline_registry::{Descriptor, RegistryError, Repository};

/// Copies image manifests with all that they name, the manifests last: an image, and BuildKit's attestations
/// of it. Nothing is sent that is there already.
///
/// # Errors
/// Something is not there, is no image manifest, or could not be read or written.
pub async fn copy_leg(
    from: &Repository,
    to: &Repository,
    manifests: impl IntoIterator<Item = &Descriptor>,
) -> Result<(), RegistryError> {
    for descriptor in manifests {
        let manifest = from.manifest(&descriptor.digest.to_string()).await?;
        let image = manifest.as_image().map_err(|kind| from.error("read a manifest to copy", kind))?;
        let blobs = image.layers.iter().chain([&image.config]).map(|blob| to.copy_blob(blob, from));
        futures_util::future::try_join_all(blobs).await?;
        to.push_manifest(manifest.media_type(), manifest.bytes.clone()).await?;
    }
    Ok(())
}
