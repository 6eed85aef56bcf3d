//! What the registry says of a record.

use futures_util::stream::{self, StreamExt, TryStreamExt};
use loadline_core::Finding;
use loadline_registry::image::ImageConfig;
use loadline_registry::{Manifest, PlatformObject, RegistryError, Repository};

use super::codes::{LEG_CONTRADICTED, LEG_GONE};
use super::record::LegRecord;

/// The largest image configuration that is read, in bytes.
const CONFIG_LIMIT: u64 = 8 << 20;
/// How many legs are looked at at once.
const PARALLEL: usize = 16;

/// How closely legs are looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Depth {
    /// Enough to join them: one request for a leg that was pushed as an index of its own, two for any other.
    Join,
    /// Enough to vouch for them: all that a record says is held against what is there.
    Vouch,
}

/// Holds records against a repository: each digest is there, and what is there is what the record says.
///
/// # Errors
/// The registry could not be asked.
pub async fn examine(
    repository: &Repository,
    records: &[&LegRecord],
    depth: Depth,
) -> Result<Vec<Finding>, RegistryError> {
    let found: Vec<Vec<Finding>> = stream::iter(records)
        .map(|record| one(repository, record, depth))
        .buffered(PARALLEL)
        .try_collect()
        .await?;
    Ok(found.into_iter().flatten().collect())
}

async fn one(
    repository: &Repository,
    record: &LegRecord,
    depth: Depth,
) -> Result<Vec<Finding>, RegistryError> {
    if let (Depth::Join, Some(index)) = (depth, &record.index) {
        let Some(manifest) = repository.find_manifest(&index.to_string()).await? else {
            return Ok(vec![gone(repository, record, &index.to_string())]);
        };
        return index_of(repository, record, &manifest);
    }
    let digest = record.manifest.digest.to_string();
    let Some(manifest) = repository.find_manifest(&digest).await? else {
        return Ok(vec![gone(repository, record, &digest)]);
    };
    let mut findings = image_of(repository, record, &manifest).await?;
    if let Some(index) = &record.index {
        match repository.find_manifest(&index.to_string()).await? {
            Some(index) => findings.extend(index_of(repository, record, &index)?),
            None => findings.push(gone(repository, record, &index.to_string())),
        }
    }
    for attestation in &record.attestations {
        // In the joined index it is an attestation by its annotations alone: it must be one, and of this image.
        let of = attestation.annotations.get("vnd.docker.reference.digest");
        if !attestation.is_buildkit_attestation()
            || attestation.platform().is_some()
            || of.map(String::as_str) != Some(digest.as_str())
        {
            findings.push(contradicted(record, "what it lists as an attestation is not one of this image"));
        }
        match repository.resolve(&attestation.digest.to_string()).await? {
            None => findings.push(gone(repository, record, &attestation.digest.to_string())),
            Some(there) if there.size != attestation.size => {
                let what = format!("an attestation has {} bytes, not {}", there.size, attestation.size);
                findings.push(contradicted(record, &what));
            }
            Some(_) => {}
        }
    }
    Ok(findings)
}

/// The leg's own index lists exactly what the record does.
fn index_of(
    repository: &Repository,
    record: &LegRecord,
    manifest: &Manifest,
) -> Result<Vec<Finding>, RegistryError> {
    let index = match manifest.is_index() {
        true => manifest.as_index().map_err(|kind| repository.error("read a leg", kind))?,
        false => return Ok(vec![contradicted(record, "its index is no index")]),
    };
    let mut findings = Vec::new();
    let images: Vec<_> = index.images().collect();
    match images[..] {
        [image] if image.digest != record.manifest.digest || image.size != record.manifest.size => {
            findings.push(contradicted(record, &format!("its index lists the image {}", image.digest)));
        }
        [image] if image.platform().as_ref() != Some(&record.platform) => {
            let said = image.platform().map_or_else(|| "no platform".to_owned(), |said| said.to_string());
            findings.push(contradicted(record, &format!("its index says {said}")));
        }
        [_] => {}
        _ => findings.push(contradicted(record, &format!("its index lists {} images", images.len()))),
    }
    let listed: Vec<_> = index.attestations_of(&record.manifest.digest).map(|entry| &entry.digest).collect();
    let recorded: Vec<_> = record.attestations.iter().map(|entry| &entry.digest).collect();
    if listed != recorded {
        findings.push(contradicted(record, "its index lists other attestations"));
    }
    Ok(findings)
}

/// The manifest and its configuration are what the record says.
async fn image_of(
    repository: &Repository,
    record: &LegRecord,
    manifest: &Manifest,
) -> Result<Vec<Finding>, RegistryError> {
    let mut findings = Vec::new();
    let mut differs = |what: String| findings.push(contradicted(record, &what));
    if manifest.is_index() {
        differs("what is there is an index".to_owned());
        return Ok(findings);
    }
    let image = manifest.as_image().map_err(|kind| repository.error("read a leg", kind))?;
    if manifest.bytes.len() as u64 != record.manifest.size {
        differs(format!("the manifest has {} bytes, not {}", manifest.bytes.len(), record.manifest.size));
    }
    if manifest.media_type() != record.manifest.media_type {
        differs(format!(
            "the manifest is of type {}, not {}",
            manifest.media_type(),
            record.manifest.media_type
        ));
    }
    if image.config.digest != record.config {
        differs(format!("its configuration is {}, not {}", image.config.digest, record.config));
    }
    let bytes = repository.blob(&image.config, CONFIG_LIMIT).await?;
    match serde_json::from_slice::<ImageConfig>(&bytes) {
        Err(error) => differs(format!("its configuration is not JSON: {error}")),
        Ok(config) => {
            let said = PlatformObject::from(&config.platform).normalised();
            if said.as_ref() != Some(&record.platform) {
                let said = said.map_or_else(|| "no platform".to_owned(), |said| said.to_string());
                differs(format!("its configuration says {said}, not {}", record.platform));
            }
            if config.rootfs.diff_ids != record.diff_ids {
                differs("its configuration lists other layers".to_owned());
            }
        }
    }
    Ok(findings)
}

fn gone(repository: &Repository, record: &LegRecord, digest: &str) -> Finding {
    let message = format!("{} {}: {digest} is not in {repository}", record.image, record.platform);
    Finding::error(&LEG_GONE, message)
        .about(&record.manifest.digest)
        .help("build the leg again; registries remove what no tag points at after a while")
}

fn contradicted(record: &LegRecord, what: &str) -> Finding {
    let message = format!("the record of {} {} is not true: {what}", record.image, record.platform);
    Finding::error(&LEG_CONTRADICTED, message)
        .about(&record.manifest.digest)
        .help("build the leg again, and find out who changed its record on the way")
}
