//! Images that another tool makes: it is run in a copy of the context and leaves an OCI layout, or a layout is
//! there already. The leg of each platform is read out of it, checked, and copied to where it goes.
//!
//! The tool's directory is a copy of the context, and what it may read of the environment is listed; a preset
//! that can keeps instructions off the network and within limits, and one that cannot is told of as a note.

mod context;
mod error;
pub mod preset;

use std::collections::{HashMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use loadline_core::config::LayoutTable;
use loadline_core::{Digest, Finding, Platform};
use loadline_process::{Environment, Interrupt, Invocation, ProcessError};
use loadline_registry::{Layout, Repository};
use tokio::sync::{Mutex, OnceCell};

pub use self::error::LayoutError;
use self::preset::Job;
use crate::buildx::{Listener, Progress};
use crate::built::{Built, Inputs};
use crate::codes::LAYOUT_UNLIMITED;
use crate::copy_leg::copy_leg;
use crate::request::BuildRequest;
use crate::written::{self, ReadLeg};

/// The builder's name, in configuration and in what it builds.
pub const NAME: &str = "layout";

/// How many of the last lines of a tool are kept.
const LINES: usize = 20;
/// The most bytes of an image's id.
const ID_LIMIT: u64 = 4096;

/// What the builder is told of an image.
#[derive(Debug, Clone)]
pub struct Options {
    /// The image's name.
    pub image: String,
    /// How its layout comes about.
    pub table: LayoutTable,
    /// The folder that the path of a layout counts from.
    pub directory: PathBuf,
    /// All platforms that are wanted of one run.
    pub platforms: Vec<Platform>,
    /// Where temporary files go; where the system puts them if nowhere is named.
    pub scratch: Option<PathBuf>,
    /// How long the tool may take.
    pub time_limit: Duration,
    /// Who hears what it prints.
    pub listener: Listener,
}

/// The builder. Clones run a tool once for all the legs that one run makes.
#[derive(Debug, Clone)]
pub struct FromLayout {
    shared: Arc<Shared>,
    options: Arc<Options>,
}

#[derive(Debug, Default)]
struct Shared {
    environment: Environment,
    made: Mutex<HashMap<Key, Arc<OnceCell<Made>>>>,
}

/// The image, and the platform where each has a run of its own.
type Key = (String, Option<Platform>);

/// What a run left.
#[derive(Debug)]
struct Made {
    layout: PathBuf,
    /// The digest of what the tool saw; none where nothing was run.
    context: Option<Digest>,
    dockerfile: Option<Digest>,
    /// Holds the files for as long as they are needed.
    _work: Option<tempfile::TempDir>,
}

impl FromLayout {
    /// A builder whose tools start from this environment.
    pub fn new(environment: &Environment, options: Options) -> Self {
        let shared = Shared { environment: environment.clone(), made: Mutex::default() };
        Self { shared: Arc::new(shared), options: Arc::new(options) }
    }

    /// The same builder for another image, or another listener.
    #[must_use]
    pub fn with(&self, options: Options) -> Self {
        Self { shared: Arc::clone(&self.shared), options: Arc::new(options) }
    }

    /// Takes one leg and writes it to its destination by digest, without a tag.
    ///
    /// # Errors
    /// See [`LayoutError`].
    pub async fn build(
        &self,
        request: &BuildRequest,
        destination: &Repository,
    ) -> Result<Built, LayoutError> {
        let own_run = preset::is_per_platform(&self.options.table);
        let key = (self.options.image.clone(), own_run.then(|| request.platform.clone()));
        let cell = Arc::clone(self.shared.made.lock().await.entry(key).or_default());
        let made = cell.get_or_try_init(|| self.make(request, own_run)).await?;
        let no_layout = |source| LayoutError::NoLayout { directory: made.layout.clone(), source };
        let tops = Layout::new(&made.layout).entries().map_err(no_layout)?;
        let from = Repository::layout(&made.layout);
        let leg = written::pick(&from, tops, &request.platform)
            .await
            .map_err(|source| LayoutError::Written { directory: made.layout.clone(), source })?;
        let manifests = std::iter::once(&leg.manifest).chain(&leg.attestations);
        copy_leg(&from, destination, manifests).await.map_err(LayoutError::Copy)?;
        Ok(self.built(request, leg, made))
    }

    fn built(&self, request: &BuildRequest, leg: ReadLeg, made: &Made) -> Built {
        let bases = leg.materials.as_deref().unwrap_or_default();
        Built {
            builder: NAME,
            platform: request.platform.clone(),
            manifest: leg.manifest,
            attestations: leg.attestations,
            config: leg.config,
            layers: leg.layers,
            diff_ids: leg.diff_ids,
            inputs: Inputs {
                dockerfile: made.dockerfile.clone(),
                context: made.context.clone(),
                target: request.target.clone(),
                stages: Vec::new(),
                build_args: request.build_args.iter().cloned().collect(),
                unused_build_args: Vec::new(),
                labels: request.labels.clone(),
                source_date_epoch: request.source_date_epoch,
                bases: crate::buildx::bases(bases, &request.platform),
            },
            index: None,
            notes: self.note().into_iter().collect(),
        }
    }

    /// What the tool is not kept from.
    fn note(&self) -> Option<Finding> {
        let table = &self.options.table;
        let tool = match table.preset {
            Some(preset) => preset.name(),
            None => table.command.first()?,
        };
        (!preset::is_limited(table)).then(|| {
            let message = format!(
                "`{tool}`, which builds {}, is kept neither off the network nor within limits of memory, processors and processes",
                self.options.image
            );
            Finding::note(&LAYOUT_UNLIMITED, message)
                .help("limit the machine that it runs on, or build with the preset `buildah` or `podman`")
        })
    }

    async fn make(&self, request: &BuildRequest, own_run: bool) -> Result<Made, LayoutError> {
        let table = &self.options.table;
        if table.preset.is_none() && table.command.is_empty() {
            let layout = self.options.directory.join(table.path.clone().unwrap_or_default());
            return Ok(Made { layout, context: None, dockerfile: None, _work: None });
        }
        let work = self.work()?;
        let [context, output, dockerfile, id_file] =
            ["context", "layout", "Dockerfile", "id"].map(|name| work.path().join(name));
        let (seen, of_dockerfile) = self.prepare(request, &context, &dockerfile).await?;
        let one = [request.platform.clone()];
        let job = Job {
            image: &self.options.image,
            table,
            request,
            platforms: if own_run { &one } else { &self.options.platforms },
            context: &context,
            dockerfile: &dockerfile,
            output: &output,
            id_file: &id_file,
        };
        if let Some(run) = preset::build(&job) {
            self.run(run).await?;
        }
        if table.preset.is_some_and(|preset| preset.builds_dockerfiles()) {
            let program = table.preset.map(|preset| preset.name().to_owned()).unwrap_or_default();
            let id = read_id(&id_file).map_err(|source| LayoutError::NoImage { program, source })?;
            if let Some(run) = preset::export(&job, &id) {
                self.run(run).await?;
            }
        }
        let layout = match &table.path {
            Some(path) => context.join(path),
            None => output,
        };
        Ok(Made { layout, context: Some(seen), dockerfile: of_dockerfile, _work: Some(work) })
    }

    fn work(&self) -> Result<tempfile::TempDir, LayoutError> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("loadline-layout-");
        match &self.options.scratch {
            Some(scratch) => std::fs::create_dir_all(scratch).and_then(|()| builder.tempdir_in(scratch)),
            None => builder.tempdir(),
        }
        .map_err(LayoutError::Temporary)
    }

    /// Copies the context, and the Dockerfile beside it: ignore files often exclude it, and it may lie outside.
    async fn prepare(
        &self,
        request: &BuildRequest,
        context: &Path,
        dockerfile: &Path,
    ) -> Result<(Digest, Option<Digest>), LayoutError> {
        let (from, to) = (request.context.clone(), context.to_owned());
        let reads = preset::is_limited(&self.options.table);
        let source = reads.then(|| request.dockerfile.clone());
        let copy = dockerfile.to_owned();
        let done = tokio::task::spawn_blocking(move || {
            let digest = context::copy(&from, source.as_deref(), &to)?;
            let of_dockerfile = match &source {
                None => None,
                Some(file) => {
                    let bytes = std::fs::read(file).map_err(LayoutError::Temporary)?;
                    std::fs::write(&copy, &bytes).map_err(LayoutError::Temporary)?;
                    Some(Digest::of(&bytes))
                }
            };
            Ok((digest, of_dockerfile))
        });
        let stopped = |error: tokio::task::JoinError| LayoutError::Stopped {
            program: "copying the context".to_owned(),
            reason: error.to_string(),
        };
        done.await.map_err(stopped)?
    }

    /// Runs a tool to its end off the async threads. One that nobody waits for any longer is ended.
    async fn run(&self, run: Invocation) -> Result<(), LayoutError> {
        let run = run.time_limit(self.options.time_limit);
        let (environment, listener) = (self.shared.environment.clone(), self.options.listener.clone());
        let program = run.program.clone();
        let command = run.to_string();
        let interrupt = Interrupt::new();
        let guard = InterruptOnDrop(interrupt.clone());
        let task = tokio::task::spawn_blocking(move || {
            let mut last: VecDeque<String> = VecDeque::new();
            let ended = run.run_with(&environment, Some(&interrupt), &mut |_, line| {
                let line: String = line.chars().filter(|c| !c.is_control()).take(2000).collect();
                if line.trim().is_empty() {
                    return;
                }
                if last.len() == LINES {
                    last.pop_front();
                }
                last.push_back(line.clone());
                listener.hear(&Progress::Line { line });
            });
            (ended, last)
        });
        let (ended, last) = task
            .await
            .map_err(|error| LayoutError::Stopped { program: program.clone(), reason: error.to_string() })?;
        drop(guard);
        match ended {
            Ok(ended) if ended.success() => Ok(()),
            Ok(ended) => Err(LayoutError::Failed {
                command: command.chars().take(300).collect(),
                status: ended.status.to_string(),
                said: last.into(),
            }),
            Err(ProcessError::NotFound { .. }) => {
                Err(LayoutError::NoTool { program, help: preset::how_to_get(self.options.table.preset) })
            }
            Err(error) => Err(LayoutError::Process(error)),
        }
    }
}

struct InterruptOnDrop(Interrupt);

impl Drop for InterruptOnDrop {
    fn drop(&mut self) {
        self.0.interrupt();
    }
}

fn read_id(file: &Path) -> std::io::Result<String> {
    use std::io::Read as _;
    let mut text = String::new();
    std::fs::File::open(file)?.take(ID_LIMIT).read_to_string(&mut text)?;
    let id = text.trim();
    let plain = !id.is_empty() && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b':');
    if plain { Ok(id.to_owned()) } else { Err(std::io::Error::other(format!("`{id}` is no id"))) }
}
