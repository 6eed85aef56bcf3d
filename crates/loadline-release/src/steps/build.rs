//! Building every leg and pushing it by digest, without a tag.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::try_join_all;
use loadline_build::{Assembler, BuildRequest, Builder, Built};
use loadline_core::config::{self, TimeLimit};
use loadline_core::{Digest, Outcome, Platform};
use loadline_registry::{BlobSource, Descriptor, Layout, Repository};

use crate::error::ReleaseError;
use crate::event::{Event, Step};
use crate::leg::{Leg, Material};
use crate::plan::PlannedImage;
use crate::release::{Progress, Release};

/// Builds every leg that the ledger does not have, into a layout beside it, and pushes it from there.
pub(crate) async fn run(release: &Release<'_>, progress: &mut Progress) -> Result<Outcome, ReleaseError> {
    release.parts(Step::Build, release.plan.legs());
    let assembler = Assembler::new(&release.client, None).map_err(|error| ReleaseError::Build {
        leg: "the daemonless builder".to_owned(),
        source: Box::new(error.into()),
    })?;
    let layout = Repository::layout(release.scratch);
    for image in &release.plan.images {
        let builder = match image.builder {
            config::Builder::Assemble => Builder::Assemble(assembler.clone()),
            config::Builder::Buildx => {
                return Err(ReleaseError::Builder {
                    image: image.name.clone(),
                    builder: image.builder.name(),
                });
            }
        };
        let limit = Duration::from_secs(image.time_limit_seconds);
        let legs = try_join_all(image.platforms.iter().map(|platform| {
            let leg = one(release, image, platform, &builder, &layout);
            async move {
                let step = format!("the build of {} {platform}", image.name);
                tokio::time::timeout(limit, leg)
                    .await
                    .map_err(|_| ReleaseError::TimedOut { step, limit: TimeLimit(limit).to_string() })?
            }
        }))
        .await?;
        progress.legs.extend(legs);
    }
    Ok(Outcome::new())
}

/// One leg: as an earlier run built it where its content is still to be had, else built now.
async fn one(
    release: &Release<'_>,
    image: &PlannedImage,
    platform: &Platform,
    builder: &Builder,
    layout: &Repository,
) -> Result<Leg, ReleaseError> {
    let key = format!("leg {} {platform}", image.name);
    let repositories = release.repositories(image);
    let known: Option<Leg> = release.ledger.result(&key)?;
    let (leg, known) = match known {
        Some(leg) if is_there(&leg, layout, &repositories).await? => (leg, true),
        _ => {
            let leg = build(release, image, platform, builder, layout).await?;
            release.ledger.settle(&key, &leg)?;
            (leg, false)
        }
    };
    let mut unchanged = known;
    for (repository, name) in repositories.iter().zip(&image.repositories) {
        let key = format!("push {name} {}", leg.name());
        let push = push(layout, repository, &leg.manifest);
        unchanged &= release.ensure_manifest(&key, repository, &leg.manifest.digest, push).await?;
    }
    release.part(Step::Build, leg.name(), unchanged);
    release.listener.hear(&Event::LegBuilt {
        image: leg.image.clone(),
        platform: platform.clone(),
        digest: leg.manifest.digest.clone(),
    });
    Ok(leg)
}

/// Whether a leg can be taken as it is: it is in the layout, or in all repositories.
async fn is_there(leg: &Leg, layout: &Repository, repositories: &[Repository]) -> Result<bool, ReleaseError> {
    let digest = leg.manifest.digest.to_string();
    if layout.resolve(&digest).await?.is_some() {
        return Ok(true);
    }
    for repository in repositories {
        if repository.resolve(&digest).await?.is_none() {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn build(
    release: &Release<'_>,
    image: &PlannedImage,
    platform: &Platform,
    builder: &Builder,
    layout: &Repository,
) -> Result<Leg, ReleaseError> {
    let request = request(release, image, platform);
    let built = builder.build(&request, layout).await.map_err(|source| ReleaseError::Build {
        leg: format!("{} {platform}", image.name),
        source: Box::new(source),
    })?;
    Ok(leg(image, built))
}

pub(crate) fn request(release: &Release<'_>, image: &PlannedImage, platform: &Platform) -> BuildRequest {
    let mut request = BuildRequest::new(release.root.join(&image.context), platform.clone());
    request.dockerfile = release.root.join(&image.dockerfile);
    request.dockerfile_name = image.dockerfile.to_string();
    request.target = image.target.clone();
    request.build_args = image.build_args.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    request.labels = image.labels.iter().map(|(k, v)| (k.clone(), v.clone())).collect::<BTreeMap<_, _>>();
    request.source_date_epoch = release.plan.source_date_epoch;
    request
}

fn leg(image: &PlannedImage, built: Built) -> Leg {
    let mut materials = vec![
        Material { name: "dockerfile".to_owned(), uri: None, digest: built.inputs.dockerfile },
        Material { name: "context".to_owned(), uri: None, digest: built.inputs.context },
    ];
    materials.extend(built.inputs.bases.into_iter().map(|base| Material {
        name: "base".to_owned(),
        uri: Some(if base.name.contains("://") { base.name } else { format!("oci://{}", base.name) }),
        digest: base.digest,
    }));
    Leg {
        image: image.name.clone(),
        platform: built.platform,
        manifest: built.manifest,
        config: built.config.digest,
        diff_ids: built.diff_ids,
        materials,
    }
}

/// Pushes a leg from the layout: what its manifest names, then the manifest.
async fn push(layout: &Repository, to: &Repository, manifest: &Descriptor) -> Result<(), ReleaseError> {
    let manifest = layout.manifest(&manifest.digest.to_string()).await?;
    let wrong = |kind| ReleaseError::Registry(layout.error("read the manifest that was built", kind));
    let image = manifest.as_image().map_err(wrong)?;
    for blob in image.layers.iter().chain([&image.config]) {
        to.push_blob(source(layout, blob).await?).await?;
    }
    to.push_manifest(manifest.media_type(), manifest.bytes.clone()).await?;
    Ok(())
}

/// A blob of a layout, as its file.
async fn source(layout: &Repository, blob: &Descriptor) -> Result<BlobSource, ReleaseError> {
    match blob_file(layout, &blob.digest) {
        Some(path) => Ok(BlobSource::File { path, digest: blob.digest.clone(), size: blob.size }),
        None => Ok(BlobSource::Bytes(layout.blob(blob, blob.size).await?)),
    }
}

/// Where a layout keeps a blob, if it is there; none for a registry.
pub(crate) fn blob_file(repository: &Repository, digest: &Digest) -> Option<PathBuf> {
    let path = Layout::new(repository.directory()?).blob_path(digest);
    path.is_file().then_some(path)
}
