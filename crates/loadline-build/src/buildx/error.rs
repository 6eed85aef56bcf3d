//! Why buildx could not build a leg. Nothing of it is known to be the input's fault: a stage fails for a typing
//! error and for a mirror that is down alike, and only people can tell.

use std::io;
use std::path::PathBuf;

use loadline_core::{Code, Digest, Failure, Platform};
use loadline_process::ProcessError;
use loadline_registry::RegistryError;
use thiserror::Error;

use super::metadata::MetadataError;
use super::progress::FailedStage;
use super::secrets::SecretError;
use crate::codes;
use crate::written::WrittenError;

/// Why buildx could not build a leg.
#[derive(Debug, Error)]
pub enum BuildxError {
    /// There is no `docker` in PATH.
    #[error("there is no `docker` in PATH")]
    NoDocker,
    /// The docker client has no buildx.
    #[error("`docker buildx` is not there: {said}")]
    NoBuildx {
        /// What docker said.
        said: String,
    },
    /// The buildx plugin is too old.
    #[error("buildx is of version {version}; {oldest} is the oldest that serves")]
    TooOld {
        /// The version there is.
        version: String,
        /// The oldest that serves.
        oldest: String,
    },
    /// There is no such builder instance.
    #[error("there is no builder instance `{instance}`: {said}")]
    NoInstance {
        /// Its name.
        instance: String,
        /// What buildx said.
        said: String,
    },
    /// The builder instance, or the engine behind it, cannot be reached.
    #[error("the builder instance `{instance}` cannot be used: {said}")]
    Unreachable {
        /// Its name.
        instance: String,
        /// What buildx said.
        said: String,
    },
    /// The instance's driver cannot push by digest.
    #[error(
        "the builder instance `{instance}` has the driver `docker`, which cannot push by digest: nothing could be built without a tag"
    )]
    NoPushByDigest {
        /// Its name.
        instance: String,
    },
    /// The instance cannot build for the platform.
    #[error("the builder instance `{instance}` cannot build for {platform}, only for {}", available.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    NoPlatform {
        /// Its name.
        instance: String,
        /// The platform.
        platform: Platform,
        /// Those it has.
        available: Vec<Platform>,
    },
    /// A secret is not there.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The Dockerfile cannot be read.
    #[error("the Dockerfile {} cannot be read: {source}", file.display())]
    Dockerfile {
        /// The Dockerfile.
        file: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// A stage failed.
    #[error("{} failed: {}{}", .0.stage, .0.error, quoted("it printed", &.0.log))]
    Stage(FailedStage),
    /// The build failed, and no stage is known to have.
    #[error("`docker buildx build` ended with {status}{}", quoted("it said", said))]
    Failed {
        /// How it ended.
        status: String,
        /// The last lines that it printed.
        said: Vec<String>,
    },
    /// docker could not be run to its end.
    #[error(transparent)]
    Process(ProcessError),
    /// buildx ended well and left no metadata file, or none that can be read.
    #[error("buildx ended well, but its metadata file cannot be read: {0}")]
    NoMetadata(#[source] io::Error),
    /// The metadata file is not understood.
    #[error(transparent)]
    Metadata(#[from] MetadataError),
    /// What was built cannot be copied to where it goes.
    #[error("what was built cannot be copied: {0}")]
    Copy(#[source] RegistryError),
    /// What was built is not what was asked for.
    #[error("what buildx wrote is not the leg that was asked for: {0}")]
    Written(#[from] WrittenError),
    /// The base image was another one by the time it was built on.
    #[error(
        "it says that it is built on {base} of {said}, but it was built on {built}: the tag moved in between"
    )]
    BaseMoved {
        /// The base's name.
        base: String,
        /// The digest that its labels and annotations have.
        said: Digest,
        /// The digest that BuildKit built on.
        built: Digest,
    },
    /// Waiting for docker stopped.
    #[error("waiting for docker stopped: {0}")]
    Stopped(String),
    /// There is no place for temporary files.
    #[error("no temporary directory can be made: {0}")]
    Temporary(#[source] io::Error),
}

fn quoted(what: &str, lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    lines.iter().fold(format!("; {what}:"), |text, line| text + "\n    " + line)
}

impl BuildxError {
    /// The documented code.
    pub fn code(&self) -> &'static Code {
        match self {
            Self::NoDocker => &codes::BUILDX_NO_DOCKER,
            Self::NoBuildx { .. } => &codes::BUILDX_MISSING,
            Self::TooOld { .. } => &codes::BUILDX_TOO_OLD,
            Self::NoInstance { .. } => &codes::BUILDX_NO_INSTANCE,
            Self::Unreachable { .. } => &codes::BUILDX_UNREACHABLE,
            Self::NoPushByDigest { .. } => &codes::BUILDX_NO_PUSH_BY_DIGEST,
            Self::NoPlatform { .. } => &codes::BUILDX_NO_PLATFORM,
            Self::Secret(_) => &codes::BUILDX_SECRET,
            Self::Stage(_) => &codes::BUILDX_STAGE_FAILED,
            Self::Dockerfile { .. } | Self::Failed { .. } => &codes::BUILDX_FAILED,
            Self::Process(_) | Self::Temporary(_) | Self::Stopped(_) | Self::BaseMoved { .. } => {
                &codes::BUILDX_UNFINISHED
            }
            Self::NoMetadata(_) | Self::Metadata(_) | Self::Copy(_) | Self::Written(_) => {
                &codes::BUILDX_RESULT
            }
        }
    }

    /// The next step.
    pub fn help(&self) -> Option<String> {
        Some(match self {
            Self::NoDocker => "install docker with buildx, or build Dockerfiles without RUN with `builder = \"assemble\"`".to_owned(),
            Self::NoBuildx { .. } => "install buildx: the package docker-buildx-plugin or docker-buildx, or the action docker/setup-buildx-action".to_owned(),
            Self::TooOld { oldest, .. } => format!("install buildx {oldest} or newer"),
            Self::NoInstance { instance, .. } => format!(
                "make it with `docker buildx create --name {instance} --driver docker-container`; `docker buildx ls` shows those there are"
            ),
            Self::Unreachable { .. } => "start the engine, or name another instance under `builder-instance`".to_owned(),
            Self::NoPushByDigest { .. } => "make an instance that can with `docker buildx create --name loadline --driver docker-container --bootstrap`, and set `builder-instance = \"loadline\"`; with GitHub Actions use docker/setup-buildx-action".to_owned(),
            Self::NoPlatform { .. } => "register emulation (`docker run --privileged tonistiigi/binfmt --install all`, or docker/setup-qemu-action), or build this leg on a machine that has the platform".to_owned(),
            Self::Secret(SecretError::Unset { variable, .. }) => format!("set {variable} for this step"),
            Self::BaseMoved { .. } => "run again, or pin the base by its digest".to_owned(),
            Self::Stage(_) => "mend what the stage printed, then run again".to_owned(),
            _ => return None,
        })
    }

    /// A failure to report.
    pub fn failure(&self) -> Failure {
        let failure = Failure::new(self.code(), self.to_string());
        match self.help() {
            Some(help) => failure.help(help),
            None => failure,
        }
    }
}

impl From<ProcessError> for BuildxError {
    fn from(error: ProcessError) -> Self {
        match error {
            ProcessError::NotFound { .. } => Self::NoDocker,
            other => Self::Process(other),
        }
    }
}
