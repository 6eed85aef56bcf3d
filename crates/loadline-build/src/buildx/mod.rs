//! Building with `docker buildx build`: whatever BuildKit can build, one leg at a time.
//!
//! Before a build the builder instance is looked at, so that what cannot work is refused by name and not by
//! a stack trace after ten minutes. The build writes by digest, without a tag, or into an image layout where
//! the destination is one. Its outcome is the exit status and the metadata file; its progress is shown and
//! decides nothing. Then the leg is read back from where it lies: what is believed is what was pushed.
//!
//! BuildKit's attestations stay beside the image: [`crate::Built::attestations`] has their manifests.

mod error;
mod instance;
mod invocation;
mod metadata;
mod options;
mod progress;
mod provenance;
mod secrets;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use loadline_core::{Digest, Finding};
use loadline_dockerfile::MAX_BYTES;
use loadline_process::{Environment, Interrupt, Invocation, Mask, Output as Ended, Stream};
use loadline_registry::Repository;
use tokio::sync::Mutex;

pub use self::error::BuildxError;
pub use self::instance::Instance;
pub use self::invocation::{Output, invocation};
pub use self::metadata::{Metadata, MetadataError, parse};
pub use self::options::{Listener, Options, Provenance, Sbom, SecretFrom, SecretSource};
pub use self::progress::{FailedStage, Progress, Reader};
pub use self::provenance::{Material, bases, materials};
pub use self::secrets::{ReadSecret, SecretError};

use crate::built::{Built, Inputs};
use crate::codes::BUILDX_CACHE_IGNORED;
use crate::copy_leg::copy_leg;
use crate::request::{BaseAnnotation, BuildRequest, NamedContext};
use crate::written::{self, ReadLeg};

/// The builder's name, in configuration and in what it builds.
pub const NAME: &str = "buildx";

/// How long `docker buildx version` may take.
const VERSION_LIMIT: Duration = Duration::from_secs(30);
/// How long looking at an instance may take: it is started where it does not run yet.
const INSPECT_LIMIT: Duration = Duration::from_secs(180);

/// The builder. Clones, and those made by [`Buildx::with`], look at each builder instance once together.
#[derive(Debug, Clone)]
pub struct Buildx {
    shared: Arc<Shared>,
    options: Arc<Options>,
}

#[derive(Debug)]
struct Shared {
    environment: Environment,
    /// Instances by the name they were asked for by.
    known: Mutex<BTreeMap<Option<String>, Arc<Instance>>>,
}

impl Buildx {
    /// A builder that starts from this environment.
    pub fn new(environment: &Environment, options: Options) -> Self {
        let shared = Shared { environment: environment.clone(), known: Mutex::default() };
        Self { shared: Arc::new(shared), options: Arc::new(options) }
    }

    /// The same builder with other options.
    #[must_use]
    pub fn with(&self, options: Options) -> Self {
        Self { shared: Arc::clone(&self.shared), options: Arc::new(options) }
    }

    /// The builder instance that builds, once docker, buildx and it are known to be there.
    ///
    /// # Errors
    /// docker, buildx or the instance is not there, or cannot be used.
    pub async fn instance(&self) -> Result<Arc<Instance>, BuildxError> {
        let mut known = self.shared.known.lock().await;
        if let Some(instance) = known.get(&self.options.instance) {
            return Ok(Arc::clone(instance));
        }
        let instance = Arc::new(self.look().await?);
        known.insert(self.options.instance.clone(), Arc::clone(&instance));
        Ok(instance)
    }

    async fn look(&self) -> Result<Instance, BuildxError> {
        let docker = |limit| invocation::docker(&self.options.directory).time_limit(limit);
        let version = self.run(docker(VERSION_LIMIT).args(["buildx", "version"])).await?;
        if !version.success() {
            return Err(BuildxError::NoBuildx { said: first_line(&version) });
        }
        instance::check_version(&version.stdout_text())?;
        let mut inspect = docker(INSPECT_LIMIT).args(["buildx", "inspect", "--bootstrap"]);
        if let Some(name) = &self.options.instance {
            inspect = inspect.arg(name);
        }
        let ended = self.run(inspect).await?;
        let instance = self.options.instance.clone();
        if !ended.success() {
            let said = first_line(&ended);
            return Err(match instance {
                Some(instance) if said.contains("no builder") => BuildxError::NoInstance { instance, said },
                other => {
                    BuildxError::Unreachable { instance: other.unwrap_or_else(|| "default".to_owned()), said }
                }
            });
        }
        Ok(Instance::parse(&ended.stdout_text()))
    }

    /// Builds one leg and writes it to its destination by digest, without a tag: pushed by BuildKit itself
    /// to a registry, copied where the destination is a layout.
    ///
    /// # Errors
    /// See [`BuildxError`]: each way to fail has its own code.
    pub async fn build(
        &self,
        request: &BuildRequest,
        destination: &Repository,
    ) -> Result<Built, BuildxError> {
        let instance = self.instance().await?;
        instance.fits(&request.platform, destination.name().is_some())?;
        let request = with_whole_paths(request);
        let dockerfile = read_dockerfile(&request.dockerfile)?;
        let work = self.work()?;
        let layout = work.path().join("layout");
        let output = match destination.name() {
            Some(name) => Output::Push(vec![name.clone()]),
            None => Output::Layout(layout.clone()),
        };
        let metadata_file = self.carry_out(&request, &output, work.path()).await?;
        let metadata = parse(&read_metadata(&metadata_file)?)?;
        let leg = if destination.name().is_some() {
            written::alone(destination, &metadata.digest, &request.platform).await?
        } else {
            let written = Repository::layout(&layout);
            let leg = written::alone(&written, &metadata.digest, &request.platform).await?;
            let manifests = std::iter::once(&leg.manifest).chain(&leg.attestations);
            copy_leg(&written, destination, manifests).await.map_err(BuildxError::Copy)?;
            ReadLeg { index: None, ..leg }
        };
        let built = built(&request, dockerfile, leg, &metadata, self.ignored_caches());
        if let Some(base) = &request.base {
            same_base(base, &built)?;
        }
        Ok(built)
    }

    /// Builds one leg into the engine's own store of images, under a tag, for running it on this machine. Any
    /// driver can do that; nothing is pushed.
    ///
    /// # Errors
    /// See [`BuildxError`].
    pub async fn load(&self, request: &BuildRequest, tag: &str) -> Result<Vec<Finding>, BuildxError> {
        self.instance().await?.fits(&request.platform, false)?;
        let request = with_whole_paths(request);
        read_dockerfile(&request.dockerfile)?;
        let work = self.work()?;
        self.carry_out(&request, &Output::Load(tag.to_owned()), work.path()).await?;
        Ok(self.ignored_caches())
    }

    fn work(&self) -> Result<tempfile::TempDir, BuildxError> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("loadline-buildx-");
        match &self.options.scratch {
            Some(scratch) => std::fs::create_dir_all(scratch).and_then(|()| builder.tempdir_in(scratch)),
            None => builder.tempdir(),
        }
        .map_err(BuildxError::Temporary)
    }

    /// Runs the build, and gives the file that buildx wrote down what it built in.
    async fn carry_out(
        &self,
        request: &BuildRequest,
        output: &Output,
        work: &Path,
    ) -> Result<PathBuf, BuildxError> {
        let secrets =
            secrets::read(&self.options.secrets, &self.options.directory, &self.shared.environment)?;
        let metadata_file = work.join("metadata.json");
        for ignored in self.ignored_caches() {
            self.options.listener.hear(&Progress::Line { line: ignored.message });
        }
        let run = invocation(request, &self.options, &secrets, output, &metadata_file);
        let mask = Mask::new(secrets.iter().map(|secret| &secret.value));
        let (ended, reader) = self.follow(run, Some(Reader::new(mask))).await?;
        if ended.success() {
            return Ok(metadata_file);
        }
        Err(match reader.as_ref().and_then(Reader::failed) {
            Some(stage) => BuildxError::Stage(stage),
            None => BuildxError::Failed {
                status: ended.status.to_string(),
                said: reader.map(|reader| reader.last_lines()).unwrap_or_default(),
            },
        })
    }

    /// buildx leaves a `gha` cache out without a word where there is nothing to reach it by.
    fn ignored_caches(&self) -> Vec<Finding> {
        let options = &self.options;
        if self.shared.environment.get(invocation::GHA_TOKEN).is_some() {
            return Vec::new();
        }
        let caches = options.cache_from.iter().chain(&options.cache_to);
        let ignored = |cache: &String| {
            let message = format!("the cache `{cache}` is ignored: {} is not set", invocation::GHA_TOKEN);
            Finding::note(&BUILDX_CACHE_IGNORED, message).help(
                "outside of GitHub Actions use another kind of cache, inside hand the variable on to this step",
            )
        };
        caches.filter(|cache| invocation::is_github(cache)).map(ignored).collect()
    }

    async fn run(&self, run: Invocation) -> Result<Ended, BuildxError> {
        Ok(self.follow(run, None).await?.0)
    }

    /// Runs a program to its end off the async threads. One that nobody waits for any longer is ended.
    async fn follow(
        &self,
        run: Invocation,
        mut reader: Option<Reader>,
    ) -> Result<(Ended, Option<Reader>), BuildxError> {
        let (environment, listener) = (self.shared.environment.clone(), self.options.listener.clone());
        let interrupt = Interrupt::new();
        let guard = InterruptOnDrop(interrupt.clone());
        let task = tokio::task::spawn_blocking(move || {
            let mut hear = |stream, line: &str| {
                if let (Some(reader), Stream::Stderr) = (&mut reader, stream) {
                    reader.line(line, &mut |progress| listener.hear(&progress));
                }
            };
            let ended = run.run_with(&environment, Some(&interrupt), &mut hear);
            (ended, reader)
        });
        let (ended, reader) = task.await.map_err(|error| BuildxError::Stopped(error.to_string()))?;
        drop(guard);
        Ok((ended?, reader))
    }
}

struct InterruptOnDrop(Interrupt);

impl Drop for InterruptOnDrop {
    fn drop(&mut self) {
        self.0.interrupt();
    }
}

fn first_line(ended: &Ended) -> String {
    let said = ended.stderr_text();
    let line = said.lines().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
    line.trim().trim_start_matches("ERROR: ").to_owned()
}

/// docker runs in another directory than this process: relative paths would mean something else there.
fn with_whole_paths(request: &BuildRequest) -> BuildRequest {
    let whole = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut request = request.clone();
    request.context = whole(&request.context);
    request.dockerfile = whole(&request.dockerfile);
    for context in request.contexts.values_mut() {
        if let NamedContext::Directory(path) = context {
            *path = whole(path);
        }
    }
    request
}

fn read_dockerfile(file: &Path) -> Result<Digest, BuildxError> {
    let limit = MAX_BYTES as u64;
    let unreadable = |source| BuildxError::Dockerfile { file: file.to_owned(), source };
    let bytes = read_file(file, limit).map_err(unreadable)?;
    Ok(Digest::of(&bytes))
}

fn read_metadata(file: &Path) -> Result<Vec<u8>, BuildxError> {
    read_file(file, metadata::LIMIT).map_err(BuildxError::NoMetadata)
}

fn read_file(file: &Path, limit: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(file)?.take(limit + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(io::Error::other(format!("it has more than {limit} bytes")));
    }
    Ok(bytes)
}

/// What the labels say of the base is true only if BuildKit built on the same.
fn same_base(said: &BaseAnnotation, built: &Built) -> Result<(), BuildxError> {
    let name = said.reference.to_string();
    let used = built.inputs.bases.iter().find(|used| used.name == name);
    match used {
        Some(used) if used.digest != said.digest && used.manifest.as_ref() != Some(&said.digest) => {
            Err(BuildxError::BaseMoved { base: name, said: said.digest.clone(), built: used.digest.clone() })
        }
        _ => Ok(()),
    }
}

fn built(
    request: &BuildRequest,
    dockerfile: Digest,
    leg: ReadLeg,
    metadata: &Metadata,
    notes: Vec<Finding>,
) -> Built {
    let materials = leg.materials.as_deref().unwrap_or(&metadata.materials);
    Built {
        builder: NAME,
        platform: request.platform.clone(),
        manifest: leg.manifest,
        attestations: leg.attestations,
        config: leg.config,
        layers: leg.layers,
        diff_ids: leg.diff_ids,
        inputs: Inputs {
            dockerfile: Some(dockerfile),
            context: None,
            target: request.target.clone(),
            stages: Vec::new(),
            build_args: request.build_args.iter().cloned().collect(),
            unused_build_args: Vec::new(),
            labels: request.labels.clone(),
            source_date_epoch: request.source_date_epoch,
            bases: bases(materials, &request.platform),
        },
        index: leg.index,
        notes,
    }
}
