//! Where legs are built, one at a time and by whichever builder: for a whole release, and for `loadline build`,
//! which builds on one machine what another joins.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use camino::Utf8PathBuf;
use futures_util::future::{Either, select};
use loadline_build::buildx::{self, Listener as Ears, Options, Provenance, Sbom, SecretFrom, SecretSource};
use loadline_build::layout::{self, FromLayout};
use loadline_build::{
    Assembler, BaseAnnotation, BuildRequest, Builder, Buildx, Built, FromRegistry, NamedContext,
};
use loadline_core::config::{self, BuildProvenance, BuildSecret, ContextSource, TimeLimit};
use loadline_core::{Digest, Finding, Platform};
use loadline_process::Environment;
use loadline_registry::{Client, Repository};
use tokio::sync::Mutex;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};

use crate::error::ReleaseError;
use crate::event::{Event, Listener};
use crate::leg::{Base, Leg, Material};
use crate::legs::codes::BASE_UNRESOLVED;
use crate::plan::{Plan, PlannedImage};

/// The labels that are annotations too: registries read a multi-platform image's description there.
pub(crate) const ANNOTATED: &str = "org.opencontainers.image.";
/// The annotation that names the base.
pub(crate) const BASE_NAME: &str = "org.opencontainers.image.base.name";
/// The annotation with the base's digest.
pub(crate) const BASE_DIGEST: &str = "org.opencontainers.image.base.digest";

/// What legs are built with.
pub struct Workshop<'a> {
    plan: &'a Plan,
    root: &'a Path,
    client: Client,
    listener: &'a dyn Listener,
    assembler: Assembler,
    buildx: Buildx,
    layout: FromLayout,
    work: Work,
    /// Base images, by name, and what their names led to.
    bases: Mutex<HashMap<String, Option<Digest>>>,
}

/// A leg that was built, and what is worth telling of it.
pub type BuiltLeg = (Leg, Vec<Finding>);

impl<'a> Workshop<'a> {
    /// A workshop with a folder of its own in `scratch` for what it throws away. What a run that was killed left
    /// there goes first.
    ///
    /// # Errors
    /// The folder cannot be made.
    pub fn open(
        plan: &'a Plan,
        root: &'a Path,
        client: &Client,
        environment: &Environment,
        scratch: &Path,
        listener: &'a dyn Listener,
    ) -> Result<Self, ReleaseError> {
        let work = Work::open(scratch)
            .map_err(|source| ReleaseError::Scratch { folder: scratch.to_owned(), source })?;
        let assembler = Assembler::new(client, Some(work.folder())).map_err(|error| ReleaseError::Build {
            leg: "the daemonless builder".to_owned(),
            source: Box::new(error.into()),
        })?;
        let nothing = layout::Options {
            image: String::new(),
            table: config::LayoutTable::default(),
            directory: root.to_owned(),
            platforms: Vec::new(),
            scratch: None,
            time_limit: Duration::ZERO,
            listener: Ears::default(),
        };
        Ok(Self {
            plan,
            root,
            client: client.clone(),
            listener,
            assembler,
            buildx: Buildx::new(environment, Options::new(root)),
            layout: FromLayout::new(environment, nothing),
            work,
            bases: Mutex::default(),
        })
    }

    /// Builds one leg and writes it to its destination by digest, without a tag.
    ///
    /// # Errors
    /// It could not be built, or took too long.
    pub async fn build(
        &self,
        image: &PlannedImage,
        platform: &Platform,
        destination: &Repository,
    ) -> Result<BuiltLeg, ReleaseError> {
        let (sender, heard) = mpsc::unbounded_channel();
        let builder = self.builder(image, platform, sender);
        let build = async {
            let (request, note) = self.request(image, platform).await;
            let base =
                request.base.as_ref().map(|base| Base { name: name_of(base), digest: base.digest.clone() });
            let built = builder
                .build(&request, destination)
                .await
                .map_err(|source| failed(image, platform, source))?;
            let (mut leg, mut notes) = leg(image, built);
            leg.base = base;
            notes.extend(note);
            Ok((leg, notes))
        };
        self.within(image, platform, heard, build).await
    }

    /// Builds one leg into the engine's own store of images, under a tag, for running it on this machine.
    ///
    /// # Errors
    /// The image's builder has no engine, or it could not be built.
    pub async fn load(
        &self,
        image: &PlannedImage,
        platform: &Platform,
        tag: &str,
    ) -> Result<Vec<Finding>, ReleaseError> {
        let (sender, heard) = mpsc::unbounded_channel();
        let buildx = self.buildx.with(self.buildx_options(image, platform, sender));
        let build = async {
            let (request, note) = self.request(image, platform).await;
            let loaded = buildx.load(&request, tag).await;
            let mut notes = loaded.map_err(|source| failed(image, platform, source.into()))?;
            notes.extend(note);
            Ok(notes)
        };
        self.within(image, platform, heard, build).await
    }

    /// Waits for a build within the image's time limit, and tells what is heard of it.
    async fn within<T>(
        &self,
        image: &PlannedImage,
        platform: &Platform,
        mut heard: UnboundedReceiver<buildx::Progress>,
        build: impl Future<Output = Result<T, ReleaseError>>,
    ) -> Result<T, ReleaseError> {
        let limit = Duration::from_secs(image.time_limit_seconds);
        let built = {
            let build = std::pin::pin!(tokio::time::timeout(limit, build));
            match select(build, std::pin::pin!(self.tell(image, platform, &mut heard))).await {
                Either::Left((built, _)) => built,
                Either::Right((never, _)) => match never {},
            }
        };
        while let Ok(progress) = heard.try_recv() {
            self.listener.hear(&event(image, platform, progress));
        }
        built.map_err(|_| ReleaseError::TimedOut {
            step: format!("the build of {} {platform}", image.name),
            limit: TimeLimit(limit).to_string(),
        })?
    }

    /// Tells what is heard of a build, for as long as it is waited for.
    async fn tell(
        &self,
        image: &PlannedImage,
        platform: &Platform,
        heard: &mut UnboundedReceiver<buildx::Progress>,
    ) -> Infallible {
        while let Some(progress) = heard.recv().await {
            self.listener.hear(&event(image, platform, progress));
        }
        std::future::pending().await
    }

    fn builder(
        &self,
        image: &PlannedImage,
        platform: &Platform,
        sender: UnboundedSender<buildx::Progress>,
    ) -> Builder {
        match (&image.layout, &image.existing) {
            (Some(table), _) if image.builder == config::Builder::Layout => {
                Builder::Layout(self.layout.with(layout::Options {
                    image: image.name.clone(),
                    table: table.clone(),
                    directory: self.root.to_owned(),
                    platforms: image.platforms.clone(),
                    scratch: Some(self.work.folder().to_owned()),
                    time_limit: Duration::from_secs(image.time_limit_seconds),
                    listener: ears(sender),
                }))
            }
            (_, Some(existing)) if image.builder == config::Builder::Existing => {
                Builder::Existing(FromRegistry::new(&self.client, existing.clone()))
            }
            _ if image.builder == config::Builder::Assemble => Builder::Assemble(self.assembler.clone()),
            _ => Builder::Buildx(self.buildx.with(self.buildx_options(image, platform, sender))),
        }
    }

    async fn request(&self, image: &PlannedImage, platform: &Platform) -> (BuildRequest, Option<Finding>) {
        let mut request = request(self.plan, self.root, image, platform);
        let mut note = None;
        if image.builder == config::Builder::Buildx && !request.labels.contains_key(BASE_NAME) {
            let (base, told) = self.base(&request).await;
            note = told;
            if let Some(base) = base {
                let pairs = [(BASE_NAME, name_of(&base)), (BASE_DIGEST, base.digest.to_string())];
                for (name, value) in pairs {
                    request.labels.insert(name.to_owned(), value.clone());
                    request.annotations.insert(name.to_owned(), value);
                }
                request.base = Some(base);
            }
        }
        (request, note)
    }

    /// What an image is built on: the name, and the digest that it leads to, asked for once.
    async fn base(&self, request: &BuildRequest) -> (Option<BaseAnnotation>, Option<Finding>) {
        let Some(reference) = loadline_build::base_name(request) else { return (None, None) };
        if let Some(digest) = reference.digest.clone() {
            return (Some(BaseAnnotation { reference, digest }), None);
        }
        let name = reference.to_string();
        let mut bases = self.bases.lock().await;
        let mut note = None;
        if !bases.contains_key(&name) {
            let repository = Repository::at(&self.client, reference.repository.clone());
            let resolved = repository.resolve(reference.tag.as_deref().unwrap_or("latest")).await;
            let why = match &resolved {
                Ok(Some(_)) => None,
                Ok(None) => Some("it is not there".to_owned()),
                Err(error) => Some(error.to_string()),
            };
            note = why.map(|why| {
                Finding::note(
                    &BASE_UNRESOLVED,
                    format!("the base {name} cannot be resolved from here: {why}"),
                )
            });
            bases.insert(name.clone(), resolved.ok().flatten().map(|descriptor| descriptor.digest));
        }
        let digest = bases.get(&name).cloned().flatten();
        (digest.map(|digest| BaseAnnotation { reference, digest }), note)
    }

    fn buildx_options(
        &self,
        image: &PlannedImage,
        platform: &Platform,
        sender: UnboundedSender<buildx::Progress>,
    ) -> Options {
        let mut options = Options::new(self.root);
        options.time_limit = Duration::from_secs(image.time_limit_seconds);
        options.cache_scope = format!("{}-{}", image.name, platform.slug());
        options.listener = ears(sender);
        options.scratch = Some(self.work.folder().to_owned());
        let Some(planned) = &image.buildx else { return options };
        options.instance.clone_from(&planned.instance);
        options.provenance = match planned.provenance {
            BuildProvenance::Max => Provenance::Max,
            BuildProvenance::Min => Provenance::Min,
            BuildProvenance::Off => Provenance::Off,
        };
        options.network = planned.network.map(config::Network::name);
        options.ssh.clone_from(&planned.ssh);
        options.sbom = match planned.sbom.as_deref() {
            None | Some("off") => Sbom::Off,
            Some("on") => Sbom::On,
            Some(generator) => Sbom::Generator(generator.to_owned()),
        };
        options.rewrite_timestamp = planned.rewrite_timestamp;
        options.secrets = planned.secrets.iter().map(secret_source).collect();
        if let Some(caches) = planned.caches.iter().find(|caches| caches.platform == *platform) {
            options.cache_from.clone_from(&caches.from);
            options.cache_to.clone_from(&caches.to);
        }
        options
    }
}

fn failed(image: &PlannedImage, platform: &Platform, source: loadline_build::BuildError) -> ReleaseError {
    ReleaseError::Build { leg: format!("{} {platform}", image.name), source: Box::new(source) }
}

/// The base as annotations name it: with its tag, without the digest that stands beside it.
fn name_of(base: &BaseAnnotation) -> String {
    let mut reference = base.reference.clone();
    if reference.tag.is_some() {
        reference.digest = None;
    }
    reference.to_string()
}

fn ears(sender: UnboundedSender<buildx::Progress>) -> Ears {
    Ears::new(move |progress| {
        // Nobody listens any longer once the build is given up.
        let _ = sender.send(progress.clone());
    })
}

fn secret_source(secret: &BuildSecret) -> SecretSource {
    let from = match (&secret.env, &secret.file) {
        (Some(variable), _) => SecretFrom::Variable(variable.clone()),
        (None, file) => SecretFrom::File(file.clone().unwrap_or_default().into()),
    };
    SecretSource { id: secret.id.clone(), from }
}

/// What to build, as the plan has it.
pub(crate) fn request(plan: &Plan, root: &Path, image: &PlannedImage, platform: &Platform) -> BuildRequest {
    let mut request = BuildRequest::new(root.join(&image.context), platform.clone());
    request.dockerfile = root.join(&image.dockerfile);
    request.dockerfile_name = image.dockerfile.to_string();
    request.target = image.target.clone();
    request.build_args = image.build_args.iter().map(|(name, value)| (name.clone(), value.clone())).collect();
    request.labels = image.labels.iter().map(|(k, v)| (k.clone(), v.clone())).collect::<BTreeMap<_, _>>();
    request.source_date_epoch = source_date_epoch(plan, image);
    let described = image.labels.iter().filter(|(name, _)| name.starts_with(ANNOTATED));
    // What assemble makes has been the same bytes from the beginning: it gets what is asked for alone.
    let described = described.filter(|_| image.builder != config::Builder::Assemble);
    for (name, value) in described.chain(&image.annotations) {
        request.annotations.insert(name.clone(), value.clone());
    }
    for (name, context) in &image.contexts {
        let beside = |path: &Utf8PathBuf| root.join(path);
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

/// The time that an image says it is of. What other builders make has its own times inside, so that 1970 would
/// only look broken: unless told otherwise it says the commit's.
pub(crate) fn source_date_epoch(plan: &Plan, image: &PlannedImage) -> i64 {
    match image.builder {
        config::Builder::Assemble => plan.source_date_epoch,
        _ if plan.source_date_epoch == 0 => plan.committed_at,
        _ => plan.source_date_epoch,
    }
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

fn leg(image: &PlannedImage, built: Built) -> BuiltLeg {
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
    let leg = Leg {
        image: image.name.clone(),
        platform: built.platform,
        manifest: built.manifest,
        attestations: built.attestations,
        config: built.config.digest,
        diff_ids: built.diff_ids,
        materials,
        index: built.index,
        base: None,
    };
    (leg, built.notes)
}

/// A folder for what builds throw away. It lies where the release keeps its own files, and not where the system
/// keeps temporary ones: what a killed run leaves is found there, and removed by the next.
struct Work {
    folder: PathBuf,
    /// Held for as long as the folder is used: another run leaves it alone.
    _lock: File,
}

impl Work {
    fn open(all: &Path) -> std::io::Result<Self> {
        fs::create_dir_all(all)?;
        // One after the other until one is free: builds of several legs may run beside each other.
        for number in 0_u32.. {
            let lock = File::create(all.join(format!("{number}.lock")))?;
            if lock.try_lock().is_err() {
                continue;
            }
            let folder = all.join(number.to_string());
            match fs::remove_dir_all(&folder) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            fs::create_dir(&folder)?;
            return Ok(Self { folder, _lock: lock });
        }
        Err(std::io::Error::other("there are too many builds"))
    }

    fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        // The next run removes what cannot be removed now.
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_run_left_goes_and_what_another_uses_stays() {
        let scratch = tempfile::tempdir().unwrap();
        let left = scratch.path().join("0");
        fs::create_dir_all(left.join("loadline-assemble-x")).unwrap();
        let one = Work::open(scratch.path()).unwrap();
        assert_eq!(one.folder(), left);
        assert_eq!(fs::read_dir(&left).unwrap().count(), 0);
        fs::write(one.folder().join("mine"), "").unwrap();
        let two = Work::open(scratch.path()).unwrap();
        assert_ne!(two.folder(), one.folder());
        assert!(one.folder().join("mine").exists());
        drop(one);
        assert!(!left.exists());
    }
}
