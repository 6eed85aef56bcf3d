//! A bill of materials for every leg, and the join of them for the index.

use std::path::PathBuf;

use jiff::Timestamp;
use loadline_core::predicate::cyclonedx::PREDICATE_TYPE;
use loadline_core::statement::{Statement, Subject as StatementSubject};
use loadline_core::{Outcome, Platform};
use loadline_registry::layers::{Compression, Layer, LayeredRootFs, Limits};
use loadline_registry::{Descriptor, Repository};
use loadline_sbom::{Part, Sbom, Subject, catalog, document, join};

use crate::error::ReleaseError;
use crate::event::Step;
use crate::leg::Leg;
use crate::plan::PlannedImage;
use crate::release::{Index, Progress, Release};
use crate::statement::Settled;
use crate::steps::build::blob_file;

/// Makes every statement about what is in the images.
pub(crate) async fn run(release: &Release<'_>, progress: &mut Progress) -> Result<Outcome, ReleaseError> {
    release.parts(Step::Sbom, progress.legs.len() + progress.indexes.len());
    let mut settled = Vec::new();
    for index in &progress.indexes {
        let Some(image) = release.planned(&index.image) else { continue };
        for statement in image_statements(release, image, index, progress).await? {
            settled.push((image.name.clone(), statement));
        }
    }
    progress.sboms = settled;
    Ok(Outcome::new())
}

async fn image_statements(
    release: &Release<'_>,
    image: &PlannedImage,
    index: &Index,
    progress: &Progress,
) -> Result<Vec<Settled>, ReleaseError> {
    let legs: Vec<&Leg> = progress.legs.iter().filter(|leg| leg.image == image.name).collect();
    let joined_name = format!("cyclonedx {}", image.name);
    // The join is made of the parts' documents: all of them are needed again unless it is there.
    let joined_there = release.is_settled(&joined_name)?;
    let mut documents: Vec<(&Leg, Sbom)> = Vec::new();
    let mut settled = Vec::new();
    for leg in &legs {
        let name = format!("cyclonedx {}", leg.name());
        let there = release.is_settled(&name)?;
        if !there || !joined_there {
            documents.push((leg, make(release, image, leg).await?));
        }
        let sbom = documents.iter().find(|(of, _)| std::ptr::eq(*of, *leg)).map(|(_, sbom)| sbom);
        settled.push(release.settle(name, PREDICATE_TYPE, vec![leg.manifest.clone()], || {
            statement(image, &leg.manifest, sbom)
        })?);
        release.part(Step::Sbom, leg.name(), there);
    }
    let created = created(release);
    let joined = match joined_there {
        true => None,
        false => {
            let parts: Vec<Part<'_>> = documents
                .iter()
                .map(|(leg, sbom)| Part { platform: &leg.platform, digest: &leg.manifest.digest, sbom })
                .collect();
            let subject = Subject {
                name: &image.name,
                repository: image.repositories.first(),
                digest: &index.descriptor.digest,
                platform: None,
                diff_ids: &[],
                created,
            };
            Some(join(&subject, &parts).map_err(|error| wrong(&image.name, &error))?)
        }
    };
    settled.push(release.settle(joined_name, PREDICATE_TYPE, vec![index.descriptor.clone()], || {
        statement(image, &index.descriptor, joined.as_ref())
    })?);
    release.part(Step::Sbom, &image.name, joined_there);
    Ok(settled)
}

/// A statement whose only subject is what the document looked at.
fn statement(
    image: &PlannedImage,
    subject: &Descriptor,
    sbom: Option<&Sbom>,
) -> Result<Statement<Sbom>, ReleaseError> {
    let sbom = sbom.cloned().ok_or_else(|| ReleaseError::Sbom {
        leg: image.name.clone(),
        reason: "its statement was saved and is gone".to_owned(),
    })?;
    let name = image.repositories.first().map(ToString::to_string).unwrap_or_default();
    Ok(Statement::new(vec![StatementSubject::new(name, &subject.digest)], PREDICATE_TYPE, sbom))
}

/// The document of one leg, from its layers.
async fn make(release: &Release<'_>, image: &PlannedImage, leg: &Leg) -> Result<Sbom, ReleaseError> {
    let layers = layers(release, image, leg).await?;
    let name = image.name.clone();
    let repository = image.repositories.first().cloned();
    let (digest, platform): (_, Platform) = (leg.manifest.digest.clone(), leg.platform.clone());
    let diff_ids = leg.diff_ids.clone();
    let created = created(release);
    let words = leg.name();
    let worked = tokio::task::spawn_blocking(move || {
        let rootfs = LayeredRootFs::new(layers, Limits::default());
        let catalogued = catalog(&rootfs).map_err(|error| error.to_string())?;
        let subject = Subject {
            name: &name,
            repository: repository.as_ref(),
            digest: &digest,
            platform: Some(&platform),
            diff_ids: &diff_ids,
            created,
        };
        document(&catalogued, &subject).map_err(|error| error.to_string())
    });
    let result = worked.await.map_err(|error| wrong(&words, &error))?;
    result.map_err(|reason| ReleaseError::Sbom { leg: words, reason })
}

/// The leg's layers as files: those of the layout it was built into, else fetched.
async fn layers(release: &Release<'_>, image: &PlannedImage, leg: &Leg) -> Result<Vec<Layer>, ReleaseError> {
    let layout = Repository::layout(release.scratch);
    let repositories = release.repositories(image);
    let digest = leg.manifest.digest.to_string();
    let from = if layout.resolve(&digest).await?.is_some() {
        &layout
    } else {
        repositories.first().unwrap_or(&layout)
    };
    let manifest = from.manifest(&digest).await?;
    let parsed = manifest.as_image().map_err(|kind| from.error("read the manifest", kind))?;
    let mut files = Vec::new();
    for layer in &parsed.layers {
        let path: PathBuf = match blob_file(from, &layer.digest) {
            Some(path) => path,
            None => {
                let folder = release.scratch.join("fetched");
                let path = folder.join(layer.digest.hex());
                // A file that is there is whole: legs of an image have layers in common, reruns all of them.
                if !path.is_file() {
                    std::fs::create_dir_all(&folder).map_err(|error| wrong(&leg.name(), &error))?;
                    from.blob_to_file(layer, &path).await?;
                }
                path
            }
        };
        let compression =
            Compression::of_media_type(&layer.media_type).map_err(|kind| from.error("read a layer", kind))?;
        files.push(Layer::file(path, compression));
    }
    Ok(files)
}

fn created(release: &Release<'_>) -> Timestamp {
    Timestamp::from_second(release.plan.committed_at).unwrap_or_default()
}

fn wrong(leg: &str, error: &dyn std::fmt::Display) -> ReleaseError {
    ReleaseError::Sbom { leg: leg.to_owned(), reason: error.to_string() }
}
