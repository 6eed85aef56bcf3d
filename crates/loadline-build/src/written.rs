//! What a builder wrote, read back from where it lies: the image, and the attestations beside it. What is
//! believed of a leg is what is there, not what its builder said.

use loadline_core::{Digest, Platform};
use loadline_registry::image::ImageConfig;
use loadline_registry::{Descriptor, Manifest, PlatformObject, RegistryError, RegistryErrorKind, Repository};
use serde::Deserialize;
use serde_json::Value;
use thiserror::Error;

use crate::buildx::{Material, materials};

/// The largest image configuration that is read, in bytes.
const CONFIG_LIMIT: u64 = 8 << 20;
/// The largest provenance that is read, in bytes. It is kept whatever its size; it is only not looked into.
const PROVENANCE_LIMIT: u64 = 32 << 20;
/// Predicate types that begin so are provenance.
const PROVENANCE: &str = "https://slsa.dev/provenance/";
/// How deep indexes may be nested in a layout.
const DEPTH: usize = 4;
/// How many images are looked at in what another tool left.
const IMAGES: usize = 256;

/// Why what was written is not a leg.
#[derive(Debug, Error)]
pub enum WrittenError {
    /// It could not be read.
    #[error("it cannot be read back: {0}")]
    Registry(#[from] RegistryError),
    /// It is not what was asked for.
    #[error("{0}")]
    Contradiction(String),
}

/// A leg as it lies in a registry or layout.
#[derive(Debug, Clone)]
pub(crate) struct ReadLeg {
    /// The index that it was found in, where it was written as one of its own.
    pub(crate) index: Option<Digest>,
    pub(crate) manifest: Descriptor,
    pub(crate) attestations: Vec<Descriptor>,
    pub(crate) config: Descriptor,
    pub(crate) layers: Vec<Descriptor>,
    pub(crate) diff_ids: Vec<Digest>,
    /// What went in, where BuildKit's provenance is there and says so.
    pub(crate) materials: Option<Vec<Material>>,
}

/// Reads a leg back that is alone in what was written: one request for the index, one for the manifest, one
/// for the configuration, and two for the provenance.
pub(crate) async fn alone(
    from: &Repository,
    digest: &Digest,
    platform: &Platform,
) -> Result<ReadLeg, WrittenError> {
    let top = from.manifest(&digest.to_string()).await?;
    if !top.is_index() {
        let entry = top.descriptor.clone();
        return read(from, &top, entry, Vec::new(), platform).await;
    }
    let index = top.as_index().map_err(|kind| unread(from, kind))?;
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
    let manifest = from.manifest(&image.digest.to_string()).await?;
    let leg = read(from, &manifest, image.clone(), attestations, platform).await?;
    Ok(ReadLeg { index: Some(digest.clone()), ..leg })
}

/// An image somewhere in what another tool left, and what is attested of it.
struct Leaf {
    entry: Descriptor,
    attestations: Vec<Descriptor>,
}

/// Reads the leg of a platform out of what another tool left: images, and indexes of them.
pub(crate) async fn pick(
    from: &Repository,
    tops: Vec<Descriptor>,
    platform: &Platform,
) -> Result<ReadLeg, WrittenError> {
    let leaves = leaves(from, tops).await?;
    let mut said = Vec::new();
    let mut fitting: Vec<(Leaf, Manifest)> = Vec::new();
    for leaf in leaves {
        let known = leaf.entry.platform();
        if let Some(known) = &known
            && known != platform
        {
            said.push(known.to_string());
            continue;
        }
        let manifest = from.manifest(&leaf.entry.digest.to_string()).await?;
        let of = match known {
            Some(known) => Some(known),
            // Layouts of one image mostly do not say what it is for; its configuration does.
            None => config_of(from, &manifest).await?.1,
        };
        if of.as_ref() == Some(platform) {
            // A layout may list an index and its images too.
            match fitting.iter_mut().find(|(other, _)| other.entry.digest == leaf.entry.digest) {
                Some((other, _)) if other.attestations.is_empty() => *other = leaf,
                Some(_) => {}
                None => fitting.push((leaf, manifest)),
            }
        } else {
            said.push(of.map_or_else(|| "no platform".to_owned(), |of| of.to_string()));
        }
    }
    match fitting.len() {
        1 => {}
        0 if said.is_empty() => return Err(contradiction("there is no image in it".to_owned())),
        0 => {
            let said = said.join(", ");
            return Err(contradiction(format!("it has no image for {platform}, only for {said}")));
        }
        n => return Err(contradiction(format!("it has {n} images for {platform}: which one is meant?"))),
    }
    let Some((leaf, manifest)) = fitting.pop() else {
        return Err(contradiction("there is no image in it".to_owned()));
    };
    read(from, &manifest, leaf.entry, leaf.attestations, platform).await
}

/// Every image beneath these entries.
async fn leaves(from: &Repository, tops: Vec<Descriptor>) -> Result<Vec<Leaf>, WrittenError> {
    let mut leaves = Vec::new();
    let mut pending: Vec<(Leaf, usize)> =
        tops.into_iter().map(|entry| (Leaf { entry, attestations: Vec::new() }, 0)).collect();
    while let Some((leaf, depth)) = pending.pop() {
        if leaf.entry.is_buildkit_attestation() {
            continue;
        }
        let is_index = leaf.entry.media_type.ends_with("index.v1+json")
            || leaf.entry.media_type.ends_with("manifest.list.v2+json");
        if !is_index {
            leaves.push(leaf);
            if leaves.len() > IMAGES {
                return Err(contradiction(format!("it has more than {IMAGES} images")));
            }
            continue;
        }
        if depth == DEPTH {
            return Err(contradiction(format!("its indexes are nested deeper than {DEPTH}")));
        }
        let index = from.manifest(&leaf.entry.digest.to_string()).await?;
        let index = index.as_index().map_err(|kind| unread(from, kind))?;
        for entry in index.images() {
            let attestations = index.attestations_of(&entry.digest).cloned().collect();
            pending.push((Leaf { entry: entry.clone(), attestations }, depth + 1));
        }
    }
    Ok(leaves)
}

async fn config_of(
    from: &Repository,
    manifest: &Manifest,
) -> Result<(ImageConfig, Option<Platform>), WrittenError> {
    let image = manifest.as_image().map_err(|kind| unread(from, kind))?;
    let bytes = from.blob(&image.config, CONFIG_LIMIT).await?;
    let config: ImageConfig = serde_json::from_slice(&bytes)
        .map_err(|error| contradiction(format!("its configuration is not JSON: {error}")))?;
    let platform = PlatformObject::from(&config.platform).normalised();
    Ok((config, platform))
}

async fn read(
    from: &Repository,
    manifest: &Manifest,
    entry: Descriptor,
    attestations: Vec<Descriptor>,
    platform: &Platform,
) -> Result<ReadLeg, WrittenError> {
    let image = manifest.as_image().map_err(|kind| unread(from, kind))?;
    let (config, said) = config_of(from, manifest).await?;
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
        index: None,
        manifest: entry.with_platform(platform),
        attestations,
        config: image.config,
        layers: image.layers,
        diff_ids: config.rootfs.diff_ids,
        materials,
    })
}

fn unread(from: &Repository, kind: RegistryErrorKind) -> WrittenError {
    WrittenError::Registry(from.error("read the leg", kind))
}

fn contradiction(what: String) -> WrittenError {
    WrittenError::Contradiction(what)
}

#[derive(Deserialize)]
struct Statement {
    predicate: Value,
}

/// What an attestation manifest says went in; none where it holds no provenance that can be read.
async fn provenance_in(
    from: &Repository,
    attestation: &Descriptor,
) -> Result<Option<Vec<Material>>, WrittenError> {
    let manifest = from.manifest(&attestation.digest.to_string()).await?;
    let parsed = manifest.as_image().map_err(|kind| unread(from, kind))?;
    let is_provenance = |layer: &&Descriptor| {
        layer.size <= PROVENANCE_LIMIT
            && layer.annotations.get("in-toto.io/predicate-type").is_some_and(|of| of.starts_with(PROVENANCE))
    };
    let Some(layer) = parsed.layers.iter().find(is_provenance) else { return Ok(None) };
    let bytes = from.blob(layer, PROVENANCE_LIMIT).await?;
    Ok(serde_json::from_slice::<Statement>(&bytes).ok().map(|statement| materials(&statement.predicate)))
}
