//! What a build with buildx needs beside the request.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::progress::Progress;

/// What a build with buildx needs beside the request.
#[derive(Clone)]
pub struct Options {
    /// The builder instance; the one that `docker buildx use` chose where none is named.
    pub instance: Option<String>,
    /// The directory that relative paths in `cache_from`, `cache_to` and secrets count from.
    pub directory: PathBuf,
    /// What instructions may read while they run, and what is never in the image.
    pub secrets: Vec<SecretSource>,
    /// Caches to read, as buildx spells them: `type=registry,ref=…`, `type=gha`, `type=local,src=…`.
    pub cache_from: Vec<String>,
    /// Caches to write.
    pub cache_to: Vec<String>,
    /// The scope of a `gha` cache that names none: legs that share one would overwrite each other's.
    pub cache_scope: String,
    /// How much BuildKit's own provenance says.
    pub provenance: Provenance,
    /// The network of RUN instructions, as buildx spells it; the builder's own where none is named.
    pub network: Option<&'static str>,
    /// Agents and keys for RUN instructions, as buildx spells them: `default`, `ID=PATH`.
    pub ssh: Vec<String>,
    /// BuildKit's own bill of materials.
    pub sbom: Sbom,
    /// Whether files get the image's time too.
    pub rewrite_timestamp: bool,
    /// Where temporary files go; where the system puts them if nowhere is named.
    pub scratch: Option<PathBuf>,
    /// How long a build may take.
    pub time_limit: Duration,
    /// Who hears of progress.
    pub listener: Listener,
}

impl Options {
    /// The chosen instance, nothing secret, no cache, all of the provenance, 45 minutes, and nobody listens.
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            instance: None,
            directory: directory.into(),
            secrets: Vec::new(),
            cache_from: Vec::new(),
            cache_to: Vec::new(),
            cache_scope: "loadline".to_owned(),
            provenance: Provenance::default(),
            network: None,
            ssh: Vec::new(),
            sbom: Sbom::default(),
            rewrite_timestamp: false,
            scratch: None,
            time_limit: Duration::from_secs(45 * 60),
            listener: Listener::default(),
        }
    }
}

impl fmt::Debug for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Options")
            .field("instance", &self.instance)
            .field("directory", &self.directory)
            .field("secrets", &self.secrets)
            .field("cache_from", &self.cache_from)
            .field("cache_to", &self.cache_to)
            .field("provenance", &self.provenance)
            .finish_non_exhaustive()
    }
}

/// Who hears of a build's progress. It is called from the thread that reads: it must not block for long.
#[derive(Clone, Default)]
pub struct Listener(Option<Arc<Hear>>);

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_some() { "Listener" } else { "Listener(nobody)" })
    }
}

type Hear = dyn Fn(&Progress) + Send + Sync;

impl Listener {
    /// Calls this for everything that is heard.
    pub fn new(hear: impl Fn(&Progress) + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(hear)))
    }

    pub(crate) fn hear(&self, progress: &Progress) {
        if let Some(hear) = &self.0 {
            hear(progress);
        }
    }
}

/// Where a secret is from. Its value is read when a build begins, masked in all that the build says, and
/// handed on by name, never as an argument.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretSource {
    /// What instructions call it: `--mount=type=secret,id=…`.
    pub id: String,
    /// Where its value is.
    pub from: SecretFrom,
}

/// Where a secret's value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SecretFrom {
    /// In a variable of the environment.
    Variable(String),
    /// In a file.
    File(PathBuf),
}

/// BuildKit's own bill of materials, beside the one that is made of what was built.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Sbom {
    /// None.
    #[default]
    Off,
    /// By BuildKit's own generator.
    On,
    /// By the generator in this image.
    Generator(String),
}

impl Sbom {
    pub(super) fn argument(&self) -> Option<String> {
        match self {
            Self::Off => None,
            Self::On => Some("true".to_owned()),
            Self::Generator(image) => Some(format!("generator={image}")),
        }
    }
}

/// How much BuildKit's own provenance says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Provenance {
    /// Everything: build arguments, the steps, the Dockerfile's text. Whoever can pull the image can read it.
    #[default]
    Max,
    /// Without build arguments and steps.
    Min,
    /// None.
    Off,
}

impl Provenance {
    pub(super) const fn argument(self) -> &'static str {
        match self {
            Self::Max => "mode=max",
            Self::Min => "mode=min",
            Self::Off => "false",
        }
    }
}
