//! Building every leg and pushing it by digest, without a tag.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::path::PathBuf;
use std::time::Duration;

use camino::Utf8PathBuf;
use futures_util::future::{Either, select, try_join_all};
use loadline_build::buildx::{self, Listener, Options, Provenance, SecretFrom, SecretSource};
use loadline_build::{Assembler, BuildRequest, Builder, Buildx, Built, NamedContext, copy_leg};
use loadline_core::config::{self, BuildProvenance, BuildSecret, ContextSource, TimeLimit};
use loadline_core::{Digest, Outcome, Platform};
use loadline_registry::{Layout, Repository};
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use crate::error::ReleaseError;
use crate::event::{Event, Step};
use crate::leg::{Leg, Material};
use crate::plan::{Plan, PlannedImage};
use crate::release::{Progress, Release};
use crate::steps::merge::ANNOTATED;

/// Builds every leg that the ledger does not have: into a layout beside it and pushed from there, or straight
/// to the image's first repository by builders that push by themselves.
pub(crate) async fn run(release: &Release<'_>, progress: &mut Progress) -> Result<Outcome, ReleaseError> {
    release.parts(Step::Build, release.plan.legs());
    let assembler = Assembler::new(&release.client, None).map_err(|error| ReleaseError::Build {
        leg: "the daemonless builder".to_owned(),
        source: Box::new(error.into()),
    })?;
    let buildx = Buildx::new(release.environment, Options::new(release.root));
    let layout = Repository::layout(release.scratch);
    for image in &release.plan.images {
        let limit = Duration::from_secs(image.time_limit_seconds);
        let legs = try_join_all(image.platforms.iter().map(|platform| {
            let (sender, mut heard) = mpsc::unbounded_channel();
            let builder = match image.builder {
                config::Builder::Assemble => Builder::Assemble(assembler.clone()),
                config::Builder::Buildx | config::Builder::Layout | config::Builder::Existing => {
                    Builder::Buildx(buildx.with(buildx_options(release, image, platform, sender)))
                }
            };
            let layout = &layout;
            async move {
                let step = format!("the build of {} {platform}", image.name);
                let leg = one(release, image, platform, &builder, layout);
                let built = {
                    let leg = std::pin::pin!(tokio::time::timeout(limit, leg));
                    match select(leg, std::pin::pin!(tell(release, image, platform, &mut heard))).await {
                        Either::Left((built, _)) => built,
                        Either::Right((never, _)) => match never {},
                    }
                };
                while let Ok(progress) = heard.try_recv() {
                    release.listener.hear(&event(image, platform, progress));
                }
                built.map_err(|_| ReleaseError::TimedOut { step, limit: TimeLimit(limit).to_string() })?
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
            // A registry that stands in may be out of a builder's reach: what is built comes by way of a layout.
            let pushes = matches!(builder, Builder::Buildx(_)) && !release.plan.stand_in;
            let leg = match repositories.first().filter(|_| pushes) {
                Some(first) => {
                    release.ledger.intent(&key)?;
                    let leg = build(release, image, platform, builder, first).await?;
                    release.ledger.done(&key, &leg)?;
                    leg
                }
                None => {
                    let leg = build(release, image, platform, builder, layout).await?;
                    release.ledger.settle(&key, &leg)?;
                    leg
                }
            };
            (leg, false)
        }
    };
    let mut unchanged = known;
    for (repository, name) in repositories.iter().zip(&image.repositories) {
        let key = format!("push {name} {}", leg.name());
        let push = push(&leg, layout, &repositories, repository);
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

/// Whether a leg can be taken as it is: it is in the layout, or in the first repository, from where it is
/// copied to the others. Another build of it would have another digest.
async fn is_there(leg: &Leg, layout: &Repository, repositories: &[Repository]) -> Result<bool, ReleaseError> {
    if has(layout, leg).await? {
        return Ok(true);
    }
    match repositories.first() {
        Some(first) => has(first, leg).await,
        None => Ok(false),
    }
}

async fn has(repository: &Repository, leg: &Leg) -> Result<bool, ReleaseError> {
    for manifest in leg.manifests() {
        if repository.resolve(&manifest.digest.to_string()).await?.is_none() {
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
    destination: &Repository,
) -> Result<Leg, ReleaseError> {
    let request = request(release, image, platform);
    let built = builder.build(&request, destination).await.map_err(|source| ReleaseError::Build {
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
    request.source_date_epoch = source_date_epoch(release.plan, image);
    for (name, value) in image.labels.iter().filter(|(name, _)| name.starts_with(ANNOTATED)) {
        if image.builder == config::Builder::Buildx {
            request.annotations.insert(name.clone(), value.clone());
        }
    }
    for (name, context) in &image.contexts {
        let beside = |path: &Utf8PathBuf| release.root.join(path);
        let context = match context {
            ContextSource::Directory(path) => NamedContext::Directory(beside(path)),
            ContextSource::OciLayout { directory, target } => {
                NamedContext::OciLayout { directory: beside(directory), target: target.clone() }
            }
            ContextSource::Image(reference) => NamedContext::Image(reference.clone()),
        };
        request.contexts.insert(name.clone(), context);
    }
    request
}

/// The time that an image says it is of. What BuildKit makes has its own times inside, so that 1970 would only
/// look broken: unless told otherwise it says the commit's.
pub(crate) fn source_date_epoch(plan: &Plan, image: &PlannedImage) -> i64 {
    match image.builder {
        config::Builder::Buildx if plan.source_date_epoch == 0 => plan.committed_at,
        _ => plan.source_date_epoch,
    }
}

fn buildx_options(
    release: &Release<'_>,
    image: &PlannedImage,
    platform: &Platform,
    sender: UnboundedSender<buildx::Progress>,
) -> Options {
    let mut options = Options::new(release.root);
    options.time_limit = Duration::from_secs(image.time_limit_seconds);
    options.cache_scope = format!("{}-{}", image.name, platform.slug());
    options.listener = Listener::new(move |progress| {
        // Nobody listens any longer once the build is given up.
        let _ = sender.send(progress.clone());
    });
    let Some(planned) = &image.buildx else { return options };
    options.instance.clone_from(&planned.instance);
    options.provenance = match planned.provenance {
        BuildProvenance::Max => Provenance::Max,
        BuildProvenance::Min => Provenance::Min,
        BuildProvenance::Off => Provenance::Off,
    };
    let secret = |secret: &BuildSecret| {
        let from = match (&secret.env, &secret.file) {
            (Some(variable), _) => SecretFrom::Variable(variable.clone()),
            (None, file) => SecretFrom::File(file.clone().unwrap_or_default().into()),
        };
        SecretSource { id: secret.id.clone(), from }
    };
    options.secrets = planned.secrets.iter().map(secret).collect();
    if let Some(caches) = planned.caches.iter().find(|caches| caches.platform == *platform) {
        options.cache_from.clone_from(&caches.from);
        options.cache_to.clone_from(&caches.to);
    }
    options
}

/// Tells what is heard of a build, for as long as it is waited for.
async fn tell(
    release: &Release<'_>,
    image: &PlannedImage,
    platform: &Platform,
    heard: &mut UnboundedReceiver<buildx::Progress>,
) -> Infallible {
    while let Some(progress) = heard.recv().await {
        release.listener.hear(&event(image, platform, progress));
    }
    std::future::pending().await
}

fn event(image: &PlannedImage, platform: &Platform, progress: buildx::Progress) -> Event {
    let (image, platform) = (image.name.clone(), platform.clone());
    match progress {
        buildx::Progress::Begun { stage } => Event::StageBegun { image, platform, stage },
        buildx::Progress::Ended { stage, cached, error } => {
            Event::StageEnded { image, platform, stage, cached, error }
        }
        buildx::Progress::Log { stage, line } => {
            Event::BuildOutput { image, platform, stage: Some(stage), line }
        }
        buildx::Progress::Warning { message: line } | buildx::Progress::Line { line } => {
            Event::BuildOutput { image, platform, stage: None, line }
        }
    }
}

fn leg(image: &PlannedImage, built: Built) -> Leg {
    let mut materials: Vec<Material> =
        [("dockerfile", built.inputs.dockerfile), ("context", built.inputs.context)]
            .into_iter()
            .filter_map(|(name, digest)| Some(Material { name: name.to_owned(), uri: None, digest: digest? }))
            .collect();
    materials.extend(built.inputs.bases.into_iter().map(|base| Material {
        name: "base".to_owned(),
        uri: Some(if base.name.contains("://") { base.name } else { format!("oci://{}", base.name) }),
        digest: base.digest,
    }));
    Leg {
        image: image.name.clone(),
        platform: built.platform,
        manifest: built.manifest,
        attestations: built.attestations,
        config: built.config.digest,
        diff_ids: built.diff_ids,
        materials,
    }
}

/// Brings a leg to a repository, from wherever it lies: the layout, or the repository it was pushed to.
async fn push(
    leg: &Leg,
    layout: &Repository,
    repositories: &[Repository],
    to: &Repository,
) -> Result<(), ReleaseError> {
    let digest = leg.manifest.digest.to_string();
    let from = match repositories.first() {
        Some(first) if layout.resolve(&digest).await?.is_none() => first,
        _ => layout,
    };
    // A builder that pushes by itself has done so before this was announced: what it left is what is asked for.
    if from.name().is_some() && from.name() == to.name() {
        return Ok(());
    }
    Ok(copy_leg(from, to, leg.manifests()).await?)
}

/// Where a layout keeps a blob, if it is there; none for a registry.
pub(crate) fn blob_file(repository: &Repository, digest: &Digest) -> Option<PathBuf> {
    let path = Layout::new(repository.directory()?).blob_path(digest);
    path.is_file().then_some(path)
}
