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
mod leg;
mod metadata;
mod options;
mod progress;
mod provenance;
mod secrets;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use loadline_core::Digest;
use loadline_dockerfile::MAX_BYTES;
use loadline_process::{Environment, Interrupt, Invocation, Mask, Output as Ended, Stream};
use loadline_registry::Repository;
use tokio::sync::Mutex;

pub use self::error::BuildxError;
pub use self::instance::Instance;
pub use self::invocation::{Output, invocation};
pub use self::metadata::{Metadata, MetadataError, parse};
pub use self::options::{Listener, Options, Provenance, SecretFrom, SecretSource};
pub use self::progress::{FailedStage, Progress, Reader};
pub use self::provenance::{Material, bases, materials};
pub use self::secrets::{ReadSecret, SecretError};

use self::leg::ReadLeg;
use crate::built::{Built, Inputs};
use crate::copy_leg::copy_leg;
use crate::request::BuildRequest;

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
        let version = self.run(docker(VERSION_LIMIT).args(["buildx", "version"]), None).await?;
        if !version.success() {
            return Err(BuildxError::NoBuildx { said: first_line(&version) });
        }
        instance::check_version(&version.stdout_text())?;
        let mut inspect = docker(INSPECT_LIMIT).args(["buildx", "inspect", "--bootstrap"]);
        if let Some(name) = &self.options.instance {
            inspect = inspect.arg(name);
        }
        let ended = self.run(inspect, None).await?;
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
    pub async fn build(&self, request: &BuildRequest, destination: &Repository) -> Result<Built, BuildxError> {
        let instance = self.instance().await?;
        instance.fits(&request.platform, destination.name().is_some())?;
        let request = with_whole_paths(request);
        let dockerfile = read_dockerfile(&request.dockerfile)?;
        let secrets = secrets::read(&self.options.secrets, &self.options.directory, &self.shared.environment)?;
        let work = tempfile::tempdir().map_err(BuildxError::Temporary)?;
        let metadata_file = work.path().join("metadata.json");
        let layout = work.path().join("layout");
        let output = match destination.name() {
            Some(name) => Output::Push(vec![name.clone()]),
            None => Output::Layout(layout.clone()),
        };
        self.tell_of_ignored_caches();
        let run = invocation(&request, &self.options, &secrets, &output, &metadata_file);
        let mask = Mask::new(secrets.iter().map(|secret| &secret.value));
        let mut reader = Reader::new(mask);
        let listener = self.options.listener.clone();
        let (ended, reader) = self
            .run_with(run, move |stream, line| {
                if stream == Stream::Stderr {
                    reader.line(line, &mut |progress| listener.hear(&progress));
                }
                &reader
            })
            .await?;
        drop((ended, reader));
        unreachable_end()
    }
}
