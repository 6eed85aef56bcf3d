//! An image looked at: its tree, what BuildKit says of the build, and what evidence says of itself. Nothing is
//! verified here; [`verify_image`](crate::verify_image) does that.

mod attested;
mod hanging;
mod tags;

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt};
use loadline_core::predicate::build_story::BuildStory;
use loadline_core::{Digest, Failure, Finding, Outcome, Platform};
use loadline_registry::image::ImageConfig;
use loadline_registry::walk::{Belongings, Item, Role, belongings};
use loadline_registry::{Descriptor, Manifest, RegistryError, Repository};
use loadline_sigstore::UnverifiedSigner;

use crate::codes::{EVIDENCE_GONE, EVIDENCE_SOURCE_FAILED};

pub use tags::TagsHere;

/// The largest image configuration that is read.
const CONFIG_LIMIT: u64 = 4 << 20;
/// How many requests are under way at once.
const PARALLEL: usize = 8;

/// How an image is looked at.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// Only these platforms; all where there are none.
    pub platforms: &'a [Platform],
    /// How many tags are looked up to find those that lead here; none where it is 0.
    pub tags: usize,
}

/// An image as it lies there.
#[derive(Debug)]
pub struct Inspection {
    /// The index or the image: media type, digest, size of the manifest.
    pub descriptor: Descriptor,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// Whether it is an index.
    pub is_index: bool,
    /// The images: the index's children, or the image itself.
    pub images: Vec<InspectedImage>,
    /// What hangs on the index; on an image by itself, see there.
    pub evidence: Vec<Hanging>,
    /// The tags that lead here.
    pub tags: TagsHere,
    /// What could not be asked or is not there.
    pub outcome: Outcome,
}

/// One image for one platform.
#[derive(Debug)]
pub struct InspectedImage {
    /// Media type, digest and size of the manifest.
    pub descriptor: Descriptor,
    /// The platform, where the index or the configuration says one.
    pub platform: Option<Platform>,
    /// What kind of artifact it is, where it is no image.
    pub artifact_type: Option<String>,
    /// Annotations of the manifest.
    pub annotations: BTreeMap<String, String>,
    /// How many layers.
    pub layers: usize,
    /// The bytes of all layers, as they are stored.
    pub layer_bytes: u64,
    /// The configuration; none for artifacts and where it could not be read.
    pub config: Option<ImageConfig>,
    /// What BuildKit attests of it, unsigned.
    pub attested: Vec<Attested>,
    /// What hangs on it.
    pub evidence: Vec<Hanging>,
}

/// One of BuildKit's attestations.
#[derive(Debug, Clone, PartialEq)]
pub struct Attested {
    /// The digest of the statement.
    pub digest: Digest,
    /// The predicate's type.
    pub predicate_type: String,
    /// Its size in bytes.
    pub size: u64,
    /// What it tells of the build, where it is a provenance that could be read.
    pub story: Option<BuildStory>,
    /// Why it was not read, where it was not.
    pub note: Option<String>,
}

/// Evidence as it hangs on a digest, not verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hanging {
    /// The digest of the manifest around it.
    pub digest: Digest,
    /// What kind of artifact it says it is.
    pub artifact_type: String,
    /// What its statement is of, where it has one.
    pub predicate_type: Option<String>,
    /// Who is said to have signed.
    pub signer: Option<UnverifiedSigner>,
    /// Where it was found: `the referrers API`, `the fallback tag`, or cosign's tag.
    pub found: String,
    /// Its size in bytes.
    pub size: u64,
    /// When it was made, by its own word.
    pub created: Option<String>,
    /// Why it was not read, where it was not.
    pub note: Option<String>,
}

/// Looks at an image and at all that belongs to it. The tag, where it was found by one, is known to lead here.
///
/// # Errors
/// The image itself could not be read. What else could not be is in the outcome.
pub async fn inspect(
    repository: &Repository,
    image: Manifest,
    asked: Option<&str>,
    look: Look<'_>,
) -> Result<Inspection, RegistryError> {
    let (descriptor, is_index) = (image.descriptor.clone(), image.is_index());
    let (own, _) = image.as_referrer().map_err(|kind| repository.error("read the manifest", kind))?;
    let found = belongings(repository, image, look.platforms).await;
    let mut outcome = Outcome::new();
    report(&found, &mut outcome);
    let root = descriptor.digest.clone();
    let items: Vec<&Item> = found
        .items
        .iter()
        .filter(|item| item.role == Role::Image && (!is_index || item.of.as_ref() == Some(&root)))
        .collect();
    let (images, evidence, tags) = tokio::join!(
        stream::iter(items).map(|item| one(repository, item, &found)).buffered(PARALLEL).collect::<Vec<_>>(),
        hanging::on(repository, &found),
        tags::here(repository, &root, asked, found.tags.as_ref(), look.tags),
    );
    let mut of: BTreeMap<String, Vec<Hanging>> = BTreeMap::new();
    for (subject, hanging, failure) in evidence {
        outcome.failures.extend(failure);
        of.entry(subject.to_string()).or_default().push(hanging);
    }
    let mut inspected = Vec::new();
    for (mut image, failures) in images {
        outcome.failures.extend(failures);
        image.evidence = of.remove(&image.descriptor.digest.to_string()).unwrap_or_default();
        inspected.push(image);
    }
    let evidence = if is_index { of.remove(&root.to_string()).unwrap_or_default() } else { Vec::new() };
    let annotations = own.annotations;
    Ok(Inspection { descriptor, annotations, is_index, images: inspected, evidence, tags, outcome })
}

fn report(found: &Belongings, outcome: &mut Outcome) {
    for lost in &found.lost {
        let message = format!("{} is listed with {}, and is not there", lost.digest, lost.of);
        outcome.findings.push(Finding::warning(&EVIDENCE_GONE, message).about(&lost.of));
    }
    outcome.failures.extend(found.failures.iter().map(failure));
}

fn failure(error: &RegistryError) -> Failure {
    Failure::new(&EVIDENCE_SOURCE_FAILED, error.to_string()).help("run again when the registry answers")
}

async fn one(repository: &Repository, item: &Item, found: &Belongings) -> (InspectedImage, Vec<Failure>) {
    let mut failures = Vec::new();
    let digest = item.manifest.digest();
    let mut image = InspectedImage {
        descriptor: item.manifest.descriptor.clone(),
        platform: item.entry.as_ref().and_then(Descriptor::platform),
        artifact_type: None,
        annotations: BTreeMap::new(),
        layers: 0,
        layer_bytes: 0,
        config: None,
        attested: Vec::new(),
        evidence: Vec::new(),
    };
    let Ok(manifest) = item.manifest.as_image() else { return (image, failures) };
    image.layers = manifest.layers.len();
    image.layer_bytes = manifest.layers.iter().map(|layer| layer.size).sum();
    let is_image = manifest.artifact_type.is_none() && manifest.config.media_type.contains("image");
    image.artifact_type = (!is_image).then(|| manifest.artifact_type().to_owned());
    let config = async {
        match is_image {
            true => Some(repository.blob(&manifest.config, CONFIG_LIMIT).await),
            false => None,
        }
    };
    let attestations = found.items.iter().filter(|other| speaks_of(other, digest));
    let attested = attested::read(repository, attestations.collect());
    let (config, (attested, lacking)) = tokio::join!(config, attested);
    failures.extend(lacking.iter().map(failure));
    image.attested = attested;
    match config {
        Some(Ok(bytes)) => image.config = serde_json::from_slice(&bytes).ok(),
        Some(Err(error)) => failures.push(failure(&error)),
        None => {}
    }
    image.platform = image.platform.or_else(|| {
        let config = image.config.as_ref()?;
        loadline_registry::PlatformObject::from(&config.platform).normalised()
    });
    image.annotations = manifest.annotations;
    (image, failures)
}

/// Whether an item is BuildKit's attestation of the image of this digest.
fn speaks_of(item: &Item, digest: &Digest) -> bool {
    item.role == Role::Attestation
        && item.entry.as_ref().is_some_and(|entry| {
            entry.annotations.get("vnd.docker.reference.digest").is_some_and(|of| *of == digest.to_string())
        })
}
