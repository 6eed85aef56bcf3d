//! The daemonless builder: Dockerfiles without RUN into images, byte for byte the same everywhere.
//!
//! It follows BuildKit in what instructions mean, in the order of a layer's entries, in the directories that
//! a layer repeats, and in the words of the history (`# buildkit` included, because readers look for it; the
//! entry's comment says who wrote it). It differs where bytes would otherwise depend on the machine:
//!
//! - every time in layers and configuration is the source date;
//! - files of a context are 0755 or 0644 by whether anyone may execute them, directories 0755; what comes
//!   from an image or an archive keeps its mode;
//! - a context's extended attributes stay behind, those of images are kept;
//! - hard links are copied as files of their own;
//! - `BUILDPLATFORM` is linux/amd64 unless the request says otherwise.
//!
//! And where BuildKit goes on in silence: an owner that the image's `/etc/passwd` does not know is an error
//! (BuildKit takes root); a source that climbs out of the context is an error (BuildKit
//! stays at its root); several
//! files onto one name are an error (BuildKit keeps the last).

mod archive;
mod base;
mod config;
pub(crate) mod context;
mod copy;
mod draft;
mod error;
mod expose;
mod layer;
mod pax;
mod plan;
mod spool;
mod stage;
pub(crate) mod tree;
mod unpack;
mod users;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use loadline_core::{Digest, Reference, media_type};
use loadline_dockerfile::{Dockerfile, MAX_BYTES, glob, ignore, path};
use loadline_registry::{BlobSource, Client, Descriptor, Repository};
use serde::Serialize;

pub use self::context::ContextError;
pub use self::copy::CopyError;
pub use self::error::{AssembleError, Place, Problem, Refusal};
pub use self::layer::LayerError;
pub use self::unpack::UnpackError;
pub use self::users::OwnerError;
pub use loadline_dockerfile::glob::PatternError;
pub use loadline_dockerfile::ignore::{Inherited, Patterns};

use self::base::{BaseImages, Loaded};
use self::context::Context;
use self::layer::{Layers, Written};
use self::plan::{Given, Root};
use self::spool::Spool;
use self::stage::{Bench, StageLayer};
use crate::built::{BaseImageUsed, Built, Inputs};
use crate::request::{BuildRequest, NamedContext};

/// The builder's name, in configuration and in what it builds.
pub const NAME: &str = "assemble";

/// The builder. It reads every base image's tag and every context once, for all legs that it builds, and
/// keeps what it fetched until it is dropped; clones share all of it. A file that changes after the context
/// was read is an error, so that the context's digest always speaks of what was copied.
#[derive(Debug, Clone)]
pub struct Assembler(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    images: BaseImages,
    spool: Arc<Spool>,
    layers: Layers,
    /// By directory and the ignore file that counts for it.
    contexts: Mutex<HashMap<ContextKey, Arc<Seen>>>,
}

type ContextKey = (PathBuf, Option<PathBuf>);

/// A context, and the digest of it.
#[derive(Debug)]
struct Seen {
    context: Arc<Context>,
    digest: Digest,
}

impl Assembler {
    /// A builder that fetches base images with this client, and spools layers in a directory of its own:
    /// inside the one given, or where the system puts temporary files.
    ///
    /// # Errors
    /// The directory cannot be made.
    pub fn new(client: &Client, spool: Option<&Path>) -> Result<Self, AssembleError> {
        let spool = Spool::new(spool).map_err(|source| AssembleError::Spool { source })?;
        Ok(Self(Arc::new(Shared {
            images: BaseImages::new(client.clone()),
            spool: Arc::new(spool),
            layers: Layers::default(),
            contexts: Mutex::default(),
        })))
    }

    /// Takes a base image's name (spelled out, as [`BaseImageUsed::name`] has it) to be this digest.
    pub fn pin(&self, name: &str, digest: Digest) {
        self.0.images.pin(name, digest);
    }

    /// What base images' names were read to so far.
    pub fn pins(&self) -> BTreeMap<String, Digest> {
        self.0.images.pins()
    }

    /// Builds one leg and writes it to its destination by digest, without a tag.
    ///
    /// # Errors
    /// [`AssembleError::is_input`] tells what the input is to blame for from what the world is.
    pub async fn assemble(
        &self,
        request: &BuildRequest,
        destination: &Repository,
    ) -> Result<Built, AssembleError> {
        let shared = Arc::clone(&self.0);
        let request = Arc::new(request.clone());
        let (asked, roots) = {
            let request = Arc::clone(&request);
            blocking(move || read_and_plan(&request)).await?
        };
        let loads = roots.into_iter().map(|(root, line)| shared.load(root, line, &request));
        let loaded: BTreeMap<Root, Loaded> =
            futures_util::future::try_join_all(loads).await?.into_iter().flatten().collect();
        let finished = blocking(move || finish(&shared, &request, &asked, &loaded)).await?;
        finished.push(destination).await
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, AssembleError> + Send + 'static,
) -> Result<T, AssembleError> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| AssembleError::Stopped { reason: error.to_string() })?
}

impl Shared {
    /// Loads what a root stands for, if it is outside the Dockerfile.
    async fn load(
        self: &Arc<Self>,
        root: Root,
        line: u32,
        request: &BuildRequest,
    ) -> Result<Option<(Root, Loaded)>, AssembleError> {
        let Root::Outside { name, platform } = &root else { return Ok(None) };
        let loaded = match request.contexts.get(name) {
            Some(NamedContext::Directory(directory)) => {
                let (shared, directory) = (Arc::clone(self), request.context.join(directory));
                let seen = blocking(move || shared.context(&directory, None)).await?;
                Loaded::Directory(Arc::clone(&seen.context))
            }
            _ => {
                let image =
                    self.images.load(name, platform, &request.context, &request.contexts, &self.spool);
                let at = || Place { file: request.dockerfile_name.clone(), line };
                Loaded::Image(image.await.map_err(|problem| AssembleError::at(at(), problem))?)
            }
        };
        Ok(Some((root, loaded)))
    }

    /// The context as a Dockerfile sees it, read once for each ignore file.
    fn context(&self, directory: &Path, dockerfile: Option<&Path>) -> Result<Arc<Seen>, AssembleError> {
        let (file, patterns) = context::ignore_file(directory, dockerfile)?;
        let mut contexts = self.contexts.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (directory.to_owned(), file);
        if let Some(seen) = contexts.get(&key) {
            return Ok(Arc::clone(seen));
        }
        let context = context::read(directory, &patterns)?;
        let digest = context::digest(&context)?;
        let seen = Arc::new(Seen { context: Arc::new(context), digest });
        contexts.insert(key, Arc::clone(&seen));
        Ok(seen)
    }
}

/// A Dockerfile as read, and what `SOURCE_DATE_EPOCH` comes to.
struct Asked {
    bytes: Vec<u8>,
    source_date: i64,
}

fn given<'a>(request: &'a BuildRequest, contexts: &'a [&'a str]) -> Given<'a> {
    Given {
        file: &request.dockerfile_name,
        target: request.target.as_deref(),
        platform: &request.platform,
        build_platform: &request.build_platform,
        build_args: &request.build_args,
        contexts,
    }
}

fn parse(request: &BuildRequest, bytes: &[u8]) -> Result<Dockerfile, AssembleError> {
    Dockerfile::parse(bytes)
        .map_err(|source| AssembleError::Dockerfile { file: request.dockerfile_name.clone(), source })
}

/// Reads the Dockerfile, refuses what must be refused, and says which images are needed, and where.
fn read_and_plan(request: &BuildRequest) -> Result<(Asked, Vec<(Root, u32)>), AssembleError> {
    let unreadable = |source| AssembleError::Unreadable { file: request.dockerfile.clone(), source };
    let mut bytes = Vec::new();
    let file = std::fs::File::open(&request.dockerfile).map_err(unreadable)?;
    // One byte more than is read, so that the parser can say that it is too large.
    std::io::Read::read_to_end(&mut std::io::Read::take(file, MAX_BYTES as u64 + 1), &mut bytes)
        .map_err(unreadable)?;
    let dockerfile = parse(request, &bytes)?;
    let names: Vec<&str> = request.contexts.keys().map(String::as_str).collect();
    let given = given(request, &names);
    let source_date = match given.argument("SOURCE_DATE_EPOCH") {
        None => request.source_date_epoch,
        Some(value) => value.parse().map_err(|_| AssembleError::SourceDate { value: value.to_owned() })?,
    };
    let plan = plan::plan(&dockerfile, &given)?;
    let mut roots = BTreeMap::new();
    for stage in plan.stages.values() {
        roots.entry(stage.base.clone()).or_insert(stage.stage.from.line);
        for (instruction, command) in &stage.commands {
            if let loadline_dockerfile::Command::Copy(copy) = command
                && let Some(root) = copy.from.as_ref().and_then(|from| stage.from.get(from))
            {
                roots.entry(root.clone()).or_insert(instruction.line);
            }
        }
    }
    Ok((Asked { bytes, source_date }, roots.into_iter().collect()))
}

/// The name of the image that a Dockerfile's target is built on in the end; none for `scratch`, for what is no
/// image at a registry, and for a Dockerfile that is not understood, which its own builder will complain of.
pub(crate) fn base_name(request: &BuildRequest) -> Option<Reference> {
    let mut bytes = Vec::new();
    let file = std::fs::File::open(&request.dockerfile).ok()?;
    std::io::Read::read_to_end(&mut std::io::Read::take(file, MAX_BYTES as u64 + 1), &mut bytes).ok()?;
    let dockerfile = Dockerfile::parse(&bytes).ok()?;
    let names: Vec<&str> = request.contexts.keys().map(String::as_str).collect();
    let Root::Outside { name, .. } = plan::root_of(&dockerfile, &given(request, &names)).ok()? else {
        return None;
    };
    match request.contexts.get(&name) {
        Some(NamedContext::Image(reference)) => Some(reference.clone()),
        Some(_) => None,
        None => name.parse().ok(),
    }
}

/// An image that is ready to be written: all its blobs in files.
struct Finished {
    config: Vec<u8>,
    layers: Vec<FinishedLayer>,
    annotations: BTreeMap<String, String>,
    diff_ids: Vec<Digest>,
    request: Arc<BuildRequest>,
    inputs: Inputs,
}

struct FinishedLayer {
    descriptor: Descriptor,
    file: PathBuf,
    /// Where it is already.
    from: Option<Repository>,
}

fn finish(
    shared: &Shared,
    request: &Arc<BuildRequest>,
    asked: &Asked,
    loaded: &BTreeMap<Root, Loaded>,
) -> Result<Finished, AssembleError> {
    let dockerfile = parse(request, &asked.bytes)?;
    let names: Vec<&str> = request.contexts.keys().map(String::as_str).collect();
    let given = given(request, &names);
    let plan = plan::plan(&dockerfile, &given)?;
    let seen = shared.context(&request.context, Some(&request.dockerfile))?;
    let ran = stage::run(&Bench {
        given: &given,
        plan: &plan,
        escape: dockerfile.directives.escape,
        context: &seen.context,
        loaded,
        spool: &shared.spool,
        source_date: asked.source_date,
    })?;
    let mut config = ran.state.config;
    let new: Vec<Arc<layer::Entries>> = ran
        .state
        .layers
        .iter()
        .filter_map(|layer| match layer {
            StageLayer::New(entries) => Some(Arc::clone(entries)),
            StageLayer::Base(..) => None,
        })
        .collect();
    let mut written = shared.layers.write(&new, asked.source_date, &shared.spool)?.into_iter();
    let mut layers = Vec::new();
    let mut diff_ids = Vec::new();
    for layer in &ran.state.layers {
        match layer {
            StageLayer::Base(image, at) => {
                let layer = &image.layers[*at];
                diff_ids.push(image.config.rootfs.diff_ids[*at].clone());
                layers.push(FinishedLayer {
                    descriptor: layer.descriptor.clone(),
                    file: layer.file.clone(),
                    from: Some(image.repository.clone()),
                });
            }
            StageLayer::New(_) => {
                let Some(Written { file, digest, size, diff_id }) = written.next() else {
                    return Err(AssembleError::Stopped { reason: "a layer was not written".to_owned() });
                };
                diff_ids.push(diff_id);
                let descriptor = Descriptor::new(media_type::OCI_LAYER_GZIP, digest, size);
                layers.push(FinishedLayer { descriptor, file, from: None });
            }
        }
    }
    config.set_platform(&request.platform);
    config.config.labels.extend(request.labels.clone());
    config.config.on_build.clear();
    config.created = Some(config::date(asked.source_date));
    config.rootfs.diff_ids.clone_from(&diff_ids);
    let config = config.write().map_err(|error| AssembleError::Stopped { reason: error.to_string() })?;
    Ok(Finished {
        config,
        layers,
        annotations: request.annotations.clone(),
        diff_ids,
        request: Arc::clone(request),
        inputs: inputs(request, asked, &plan, &seen.digest, &ran.used_args, loaded),
    })
}

fn inputs(
    request: &BuildRequest,
    asked: &Asked,
    plan: &plan::Plan<'_>,
    context: &Digest,
    used_args: &[String],
    loaded: &BTreeMap<Root, Loaded>,
) -> Inputs {
    let arguments: BTreeMap<&String, &String> =
        request.build_args.iter().map(|(name, value)| (name, value)).collect();
    let used: BTreeSet<&String> = used_args.iter().collect();
    let bases: BTreeSet<BaseImageUsed> = loaded
        .values()
        .filter_map(|loaded| match loaded {
            Loaded::Image(image) => Some(image.used.clone()),
            Loaded::Directory(_) => None,
        })
        .collect();
    let unused = |name: &&&String| {
        !used.contains(**name)
            && !plan::is_proxy(name)
            && !plan.globals.contains_key(**name)
            && **name != "SOURCE_DATE_EPOCH"
    };
    Inputs {
        dockerfile: Some(Digest::of(&asked.bytes)),
        context: Some(context.clone()),
        target: request.target.clone(),
        stages: plan
            .stages
            .iter()
            .map(|(index, planned)| planned.stage.name.clone().unwrap_or_else(|| index.to_string()))
            .collect(),
        build_args: arguments
            .iter()
            .filter(|(name, _)| used.contains(**name))
            .map(|(name, value)| ((*name).clone(), (*value).clone()))
            .collect(),
        unused_build_args: arguments.keys().filter(unused).map(|name| (*name).clone()).collect(),
        labels: request.labels.clone(),
        source_date_epoch: asked.source_date,
        bases: bases.into_iter().collect(),
    }
}

/// An image manifest in one fixed order of members.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ManifestDocument<'a> {
    schema_version: u32,
    media_type: &'static str,
    config: &'a Descriptor,
    layers: Vec<&'a Descriptor>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    annotations: &'a BTreeMap<String, String>,
}

impl Finished {
    async fn push(self, destination: &Repository) -> Result<Built, AssembleError> {
        let config = Descriptor::of(media_type::OCI_CONFIG, &self.config);
        let manifest = ManifestDocument {
            schema_version: 2,
            media_type: media_type::OCI_MANIFEST,
            config: &config,
            layers: self.layers.iter().map(|layer| &layer.descriptor).collect(),
            annotations: &self.annotations,
        };
        let manifest = serde_json::to_vec(&manifest)
            .map_err(|error| AssembleError::Stopped { reason: error.to_string() })?;
        let mut seen = BTreeSet::new();
        let pushes = self.layers.iter().filter(|layer| seen.insert(layer.descriptor.digest.clone())).map(
            |layer| async {
                let source = BlobSource::File {
                    path: layer.file.clone(),
                    digest: layer.descriptor.digest.clone(),
                    size: layer.descriptor.size,
                };
                // A registry can take a blob over from another of its own repositories only.
                let from = layer.from.as_ref().and_then(Repository::name).filter(|from| {
                    destination.name().is_some_and(|to| to.registry() == from.registry() && to != *from)
                });
                destination.push_blob_or_mount(source, from).await
            },
        );
        let layers = futures_util::future::try_join_all(pushes);
        let configuration = destination.push_blob(BlobSource::Bytes(Bytes::from(self.config)));
        futures_util::future::try_join(layers, configuration).await.map_err(AssembleError::Push)?;
        let descriptor =
            Descriptor::of(media_type::OCI_MANIFEST, &manifest).with_platform(&self.request.platform);
        destination.push_manifest(media_type::OCI_MANIFEST, manifest).await.map_err(AssembleError::Push)?;
        Ok(Built {
            builder: NAME,
            platform: self.request.platform.clone(),
            manifest: descriptor,
            attestations: Vec::new(),
            config,
            layers: self.layers.into_iter().map(|layer| layer.descriptor).collect(),
            diff_ids: self.diff_ids,
            inputs: self.inputs,
            index: None,
            notes: Vec::new(),
        })
    }
}
