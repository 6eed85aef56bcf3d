//! What buildx wrote, read back from where it lies: the image, and the attestations beside it.

use loadline_core::{Digest, Platform};
use loadline_registry::image::ImageConfig;
use loadline_registry::{Descriptor, Manifest, Repository};
use serde::Deserialize;
use serde_json::Value;

use super::error::BuildxError;
use super::provenance::{Material, materials};

/// The largest image configuration that is read, in bytes.
const CONFIG_LIMIT: u64 = 8 << 20;
/// The largest provenance that is read, in bytes. It is kept whatever its size; it is only not looked into.
const PROVENANCE_LIMIT: u64 = 32 << 20;
/// Predicate types that begin so are provenance.
const PROVENANCE: &str = "https://slsa.dev/provenance/";

/// A leg as it lies in a registry or layout.
#[derive(Debug)]
pub(super) struct ReadLeg {
    pub(super) manifest: Descriptor,
    pub(super) attestations: Vec<Descriptor>,
    pub(super) config: Descriptor,
    pub(super) layers: Vec<Descriptor>,
    pub(super) diff_ids: Vec<Digest>,
    /// What went in, where BuildKit's provenance is there and says so.
    pub(super) materials: Option<Vec<Material>>,
}

/// Reads a leg back: one request for the index, one for the manifest, one for the configuration, and two for
/// the provenance.
pub(super) async fn read(
    from: &Repository,
    digest: &Digest,
    platform: &Platform,
) -> Result<ReadLeg, BuildxError> {
    let top = from.manifest(&digest.to_string()).await.map_err(BuildxError::ReadBack)?;
    let (manifest, entry, attestations) = image_in(from, top, platform).await?;
    let wrong = |kind| BuildxError::ReadBack(from.error("read the leg", kind));
    let image = manifest.as_image().map_err(wrong)?;
    let bytes = from.blob(&image.config, CONFIG_LIMIT).await.map_err(BuildxError::ReadBack)?;
    let config: ImageConfig = serde_json::from_slice(&bytes)
        .map_err(|error| contradiction(format!("its configuration is not JSON: {error}")))?;
    let said = loadline_registry::PlatformObject::from(&config.platform).normalised();
    if said.as_ref() != Some(platform) {
        let said = said.map_or_else(|| "no platform".to_owned(), |said| said.to_string());
        return Err(contradiction(format!("its configuration says {said}, not {platform}")));
    }
    if config.rootfs.diff_ids.len() != image.layers.len() {
        let (ids, layers) = (config.rootfs.diff_ids.len(), image.layers.len());
        return Err(contradiction(format!("its configuration lists {ids} layers, its manifest {layers}")));
    }
    let mut materials = None;
    for attestation in &attestations {
        if let Some(found) = provenance_in(from, attestation).await? {
            materials = Some(found);
            break;
        }
    }
    Ok(ReadLeg {
        manifest: entry.with_platform(platform),
        attestations,
        config: image.config,
        layers: image.layers,
        diff_ids: config.rootfs.diff_ids,
        materials,
    })
}

fn contradiction(what: String) -> BuildxError {
    BuildxError::Contradiction { what }
}

/// The one image in what was written: itself, or the only one of an index, with its attestations.
async fn image_in(
    from: &Repository,
    top: Manifest,
    platform: &Platform,
) -> Result<(Manifest, Descriptor, Vec<Descriptor>), BuildxError> {
    if !top.is_index() {
        let entry = top.descriptor.clone();
        return Ok((top, entry, Vec::new()));
    }
    let index = top.as_index().map_err(|kind| BuildxError::ReadBack(from.error("read the leg", kind)))?;
    let images: Vec<&Descriptor> = index.images().collect();
    let [image] = images[..] else {
        return Err(contradiction(format!("it is an index of {} images, and one leg has one", images.len())));
    };
    if image.platform().as_ref() != Some(platform) {
        let said = image.platform().map_or_else(|| "no platform".to_owned(), |said| said.to_string());
        return Err(contradiction(format!("it is for {said}, not for {platform}")));
    }
    let attestations: Vec<Descriptor> = index.attestations_of(&image.digest).cloned().collect();
    let others = index.manifests.len() - 1 - attestations.len();
    if others > 0 {
        return Err(contradiction(format!("{others} of its attestations speak of another image")));
    }
    let manifest = from.manifest(&image.digest.to_string()).await.map_err(BuildxError::ReadBack)?;
    Ok((manifest, image.clone(), attestations))
}

#[derive(Deserialize)]
struct Statement {
    predicate: Value,
}

/// What an attestation manifest says went in; none where it holds no provenance that can be read.
async fn provenance_in(
    from: &Repository,
    attestation: &Descriptor,
) -> Result<Option<Vec<Material>>, BuildxError> {
    let manifest = from.manifest(&attestation.digest.to_string()).await.map_err(BuildxError::ReadBack)?;
    let parsed =
        manifest.as_image().map_err(|kind| BuildxError::ReadBack(from.error("read an attestation", kind)))?;
    let is_provenance = |layer: &&Descriptor| {
        layer.size <= PROVENANCE_LIMIT
            && layer.annotations.get("in-toto.io/predicate-type").is_some_and(|of| of.starts_with(PROVENANCE))
    };
    let Some(layer) = parsed.layers.iter().find(is_provenance) else { return Ok(None) };
    let bytes = from.blob(layer, PROVENANCE_LIMIT).await.map_err(BuildxError::ReadBack)?;
    Ok(serde_json::from_slice::<Statement>(&bytes).ok().map(|statement| materials(&statement.predicate)))
}
