//! Why an image could not be assembled.

use std::fmt;
use std::io;
use std::path::PathBuf;

use loadline_core::reference::ReferenceError;
use loadline_core::{Code, Digest, Failure, Finding, Location, Platform};
use loadline_dockerfile::ParseError;
use loadline_dockerfile::expand::ExpandError;
use loadline_registry::RegistryError;
use thiserror::Error;

use super::context::ContextError;
use super::copy::CopyError;
use super::glob::PatternError;
use super::layer::LayerError;
use super::unpack::UnpackError;
use super::users::OwnerError;
use crate::codes;

/// A line of the Dockerfile, by the name that messages call it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The Dockerfile.
    pub file: String,
    /// The line, counted from 1.
    pub line: u32,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// An instruction that `assemble` does not carry out, and what to do instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Where it is.
    pub at: Place,
    /// What it is, such as `RUN`.
    pub what: String,
    /// The way out.
    pub help: &'static str,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: assemble does not carry out {}: {}", self.at, self.what, self.help)
    }
}

/// Why an image could not be assembled.
#[derive(Debug, Error)]
pub enum AssembleError {
    /// The Dockerfile could not be read.
    #[error("the Dockerfile {} cannot be read: {source}", file.display())]
    Unreadable {
        /// The Dockerfile.
        file: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// The Dockerfile breaks the rules that BuildKit has too.
    #[error("{file}:{}: {}", source.line, source.problem)]
    Dockerfile {
        /// The Dockerfile, as messages call it.
        file: String,
        /// What is wrong.
        source: ParseError,
    },
    /// Instructions that need another builder; all of them, found before any work was done.
    #[error("{}", refusals.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Refused {
        /// Each of them; never empty.
        refusals: Vec<Refusal>,
    },
    /// The target is not a stage.
    #[error("{file} has no stage `{target}`{}", if stages.is_empty() { ": none of its stages has a name".to_owned() } else { format!(": it has {}", stages.join(", ")) })]
    Target {
        /// The Dockerfile.
        file: String,
        /// What was asked for.
        target: String,
        /// The names that there are.
        stages: Vec<String>,
    },
    /// Something wrong in one line.
    #[error("{at}: {problem}")]
    At {
        /// The line.
        at: Place,
        /// What is wrong there.
        problem: Box<Problem>,
    },
    /// The context could not be read.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// A layer could not be written.
    #[error(transparent)]
    Layer(#[from] LayerError),
    /// The destination did not take the image.
    #[error("the image cannot be written to its destination: {0}")]
    Push(#[source] RegistryError),
    /// The build argument `SOURCE_DATE_EPOCH` is no number.
    #[error(
        "the build argument SOURCE_DATE_EPOCH is `{value}`: it must be a whole number of seconds since 1970"
    )]
    SourceDate {
        /// The value.
        value: String,
    },
    /// The spool directory could not be made.
    #[error("no temporary directory can be made: {source}; set TMPDIR to a place with room")]
    Spool {
        /// What went wrong.
        source: io::Error,
    },
    /// The work stopped in the middle.
    #[error("the assembly stopped before it was done: {reason}")]
    Stopped {
        /// Why.
        reason: String,
    },
}

/// What is wrong in one line of the Dockerfile.
#[derive(Debug, Error)]
pub enum Problem {
    /// A text could not be expanded.
    #[error(transparent)]
    Expand(#[from] ExpandError),
    /// A file could not be copied.
    #[error(transparent)]
    Copy(#[from] CopyError),
    /// An owner could not be told.
    #[error(transparent)]
    Owner(#[from] OwnerError),
    /// `--chmod` that is no octal number.
    #[error("`--chmod={mode}` is not understood here: write an octal number from 0 to 7777")]
    Mode {
        /// The value, variables expanded.
        mode: String,
    },
    /// A pattern that is none.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// `FROM` of nothing.
    #[error("the image name `{written}` expands to nothing: set the ARG it is made of before the first FROM")]
    BlankBase {
        /// As written.
        written: String,
    },
    /// `--from` of the stage itself or one after it, or no such stage.
    #[error(
        "--from={from} is no stage before this one: stages are counted from 0, and come before the stage that copies from them"
    )]
    LaterStage {
        /// As written.
        from: String,
    },
    /// A platform that is none.
    #[error("`--platform={written}` is no platform: write os/architecture, such as linux/amd64")]
    Platform {
        /// The value, variables expanded.
        written: String,
    },
    /// A base image's name that is none.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// A named context that cannot be a base image.
    #[error(
        "the named context `{name}` is a directory, which cannot be a base image: copy from it with --from={name}"
    )]
    DirectoryAsBase {
        /// Its name.
        name: String,
    },
    /// A base image could not be fetched.
    #[error("the image {name} cannot be read: {source}")]
    Fetch {
        /// Its name.
        name: String,
        /// What went wrong.
        source: Box<RegistryError>,
    },
    /// A base image is not there for the platform.
    #[error("the image {name} is not there for {wanted}, only for {}; build for one of these, or write FROM --platform", available.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "))]
    NoSuchPlatform {
        /// Its name.
        name: String,
        /// The platform wanted.
        wanted: Platform,
        /// Those there are.
        available: Vec<Platform>,
    },
    /// A base image contradicts itself, or is none.
    #[error("the image {name} cannot be built on: {reason}")]
    BadImage {
        /// Its name.
        name: String,
        /// Why.
        reason: String,
    },
    /// A layer of a base image is no layer.
    #[error("layer {digest} of the image {name} cannot be read: {source}")]
    BadLayer {
        /// The image.
        name: String,
        /// The layer.
        digest: Digest,
        /// What went wrong.
        source: UnpackError,
    },
    /// A base image with triggers.
    #[error(
        "the image {name} has ONBUILD triggers ({first} …), which assemble does not run: build with `builder = \"buildx\"`, or on an image without them"
    )]
    Triggers {
        /// The image.
        name: String,
        /// The first of them.
        first: String,
    },
    /// `EXPOSE` of something that is no port.
    #[error(
        "`{port}` is no port: write a number, or a range such as 8000-8010, and /tcp, /udp or /sctp after it"
    )]
    Port {
        /// As written, variables expanded.
        port: String,
    },
    /// An empty text where there must be one.
    #[error("{what} is empty once its variables are expanded")]
    Blank {
        /// What it is.
        what: &'static str,
    },
    /// A `STOPSIGNAL` that is none.
    #[error("`{signal}` is no signal: write its name, such as SIGTERM, or its number")]
    Signal {
        /// As written, variables expanded.
        signal: String,
    },
}

impl AssembleError {
    pub(super) fn at(at: Place, problem: impl Into<Problem>) -> Self {
        Self::At { at, problem: Box::new(problem.into()) }
    }

    /// The documented code.
    pub fn code(&self) -> &'static Code {
        match self {
            Self::Refused { .. } => &codes::ASSEMBLE_REFUSED,
            Self::Unreadable { .. }
            | Self::Dockerfile { .. }
            | Self::Target { .. }
            | Self::SourceDate { .. } => &codes::ASSEMBLE_DOCKERFILE,
            Self::Context(_) => &codes::ASSEMBLE_CONTEXT,
            Self::At { problem, .. } => match problem.as_ref() {
                Problem::Fetch { .. } => &codes::ASSEMBLE_UNFINISHED,
                Problem::NoSuchPlatform { .. }
                | Problem::BadImage { .. }
                | Problem::BadLayer { .. }
                | Problem::Triggers { .. } => &codes::ASSEMBLE_BASE,
                Problem::Copy(_) => &codes::ASSEMBLE_COPY,
                _ => &codes::ASSEMBLE_DOCKERFILE,
            },
            Self::Layer(_) | Self::Push(_) | Self::Spool { .. } | Self::Stopped { .. } => {
                &codes::ASSEMBLE_UNFINISHED
            }
        }
    }

    /// Whether the input is at fault (exit 2), and not the machine, the network or a registry (exit 3).
    pub fn is_input(&self) -> bool {
        !std::ptr::eq(self.code(), &codes::ASSEMBLE_UNFINISHED)
    }

    /// Findings, where the input is at fault: one for each line that is.
    pub fn findings(&self) -> Vec<Finding> {
        if !self.is_input() {
            return Vec::new();
        }
        let at = |place: &Place| Location::line(place.file.as_str(), place.line);
        match self {
            Self::Refused { refusals } => refusals
                .iter()
                .map(|refusal| {
                    let message = format!("assemble does not carry out {}", refusal.what);
                    Finding::error(self.code(), message).at(at(&refusal.at)).help(refusal.help)
                })
                .collect(),
            Self::At { at: place, problem } => {
                vec![Finding::error(self.code(), problem.to_string()).at(at(place))]
            }
            Self::Dockerfile { file, source } => {
                let message = source.problem.to_string();
                vec![Finding::error(self.code(), message).at(Location::line(file.as_str(), source.line))]
            }
            other => vec![Finding::error(self.code(), other.to_string())],
        }
    }

    /// A failure, where the input is not at fault.
    pub fn failure(&self) -> Option<Failure> {
        (!self.is_input()).then(|| Failure::new(self.code(), self.to_string()))
    }
}
