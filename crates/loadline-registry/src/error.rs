//! What can go wrong at a registry or in a layout, told apart.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use loadline_core::{Digest, Failure};
use loadline_process::ProcessError;
use thiserror::Error;

use crate::codes;

/// What went wrong, where, and what was asked. Boxed, so that results stay small.
#[derive(Debug)]
pub struct RegistryError(Box<Inner>);

#[derive(Debug)]
struct Inner {
    place: String,
    asked: String,
    kind: RegistryErrorKind,
    retry_after: Option<Duration>,
}

/// What went wrong.
#[derive(Debug, Error)]
pub enum RegistryErrorKind {
    /// There is no such thing, or it is not shown to us.
    #[error("not found")]
    NotFound,
    /// The registry wants a credential, and there is none or it refused the one there is.
    #[error("not authorised: {missing}")]
    Unauthorised {
        /// Which credential was missing or refused.
        missing: String,
    },
    /// The registry knows who asks and refuses.
    #[error("denied: {message}")]
    Denied {
        /// What the registry said.
        message: String,
    },
    /// The registry has had enough requests.
    #[error("rate limited{}", after(*retry_after))]
    RateLimited {
        /// When the registry wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// No answer, or not all of it, within the time limit.
    #[error("no answer within {} s", limit.as_secs_f32())]
    TimedOut {
        /// The time limit.
        limit: Duration,
    },
    /// The content has another digest than it should.
    #[error("the content has the digest {actual}, not {expected}")]
    DigestMismatch {
        /// The digest asked for.
        expected: Digest,
        /// The digest of what came; for content that ended early or went on too long, what is known.
        actual: String,
    },
    /// More bytes, pages or entries than are allowed.
    #[error("{what} is larger than {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// How much is allowed, with its unit.
        limit: String,
    },
    /// The registry or this program cannot do it.
    #[error("not supported: {message}")]
    Unsupported {
        /// What is not supported.
        message: String,
    },
    /// There was no connection, or it broke.
    #[error("{problem}: {message}")]
    Connection {
        /// What kind of break.
        problem: ConnectionProblem,
        /// What the system said.
        message: String,
    },
    /// The registry answered in a way that the specification does not foresee.
    #[error("{}{message}", status.map(|status| format!("status {status}: ")).unwrap_or_default())]
    Protocol {
        /// The HTTP status, where it was that.
        status: Option<u16>,
        /// What was wrong with the answer.
        message: String,
    },
    /// A document is not what it should be.
    #[error("{message}")]
    Malformed {
        /// What is wrong with it.
        message: String,
    },
    /// The credential could not be asked for: a broken configuration file or a failing helper.
    #[error("no credential could be had from {source_name}: {message}")]
    Credential {
        /// The file or helper.
        source_name: String,
        /// What went wrong.
        message: String,
        /// The helper's own error, where a helper was run.
        #[source]
        source: Option<Box<ProcessError>>,
    },
    /// A file could not be read or written.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What kind of connection problem it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Error)]
pub enum ConnectionProblem {
    /// The name could not be resolved.
    #[error("the host's name could not be resolved")]
    Dns,
    /// Nothing listens there.
    #[error("the connection was refused")]
    Refused,
    /// The TLS handshake failed: a certificate mostly. Never retried.
    #[error("no TLS connection")]
    Tls,
    /// The connection broke, or the answer ended early.
    #[error("the connection broke")]
    Reset,
    /// Redirects without end, or from https to http.
    #[error("redirected astray")]
    Redirect,
    /// Anything else below HTTP.
    #[error("no connection")]
    Other,
}

fn after(retry_after: Option<Duration>) -> String {
    retry_after.map(|after| format!(", to be asked again after {} s", after.as_secs())).unwrap_or_default()
}

impl RegistryError {
    /// An error at a place (registry and repository, or a layout's folder) about what was asked.
    pub fn new(place: impl fmt::Display, asked: impl Into<String>, kind: RegistryErrorKind) -> Self {
        Self(Box::new(Inner { place: place.to_string(), asked: asked.into(), kind, retry_after: None }))
    }

    pub(crate) fn with_retry_after(mut self, retry_after: Option<Duration>) -> Self {
        self.0.retry_after = retry_after;
        self
    }

    /// When the registry wants to be asked again, if it said.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// What went wrong.
    pub fn kind(&self) -> &RegistryErrorKind {
        &self.0.kind
    }

    /// What went wrong, to keep.
    pub fn into_kind(self) -> RegistryErrorKind {
        self.0.kind
    }

    /// The registry and repository, or the layout's folder.
    pub fn place(&self) -> &str {
        &self.0.place
    }

    /// What was asked: `read the manifest v1`.
    pub fn asked(&self) -> &str {
        &self.0.asked
    }

    /// Whether there is no such thing.
    pub fn is_not_found(&self) -> bool {
        matches!(self.kind(), RegistryErrorKind::NotFound)
    }

    /// Whether the registry answered, and what it holds is wrong or missing: a finding, not a failure to ask.
    pub fn is_about_content(&self) -> bool {
        matches!(
            self.kind(),
            RegistryErrorKind::NotFound
                | RegistryErrorKind::DigestMismatch { .. }
                | RegistryErrorKind::TooLarge { .. }
                | RegistryErrorKind::Malformed { .. }
        )
    }

    /// The HTTP status, where the registry's answer was the problem.
    pub fn status(&self) -> Option<u16> {
        match self.kind() {
            RegistryErrorKind::Protocol { status, .. } => *status,
            _ => None,
        }
    }

    /// Whether the same call may succeed a moment later. Never for what the registry refused, and never for
    /// TLS: a wrong certificate does not get better.
    pub fn is_transient(&self) -> bool {
        match self.kind() {
            RegistryErrorKind::RateLimited { .. } | RegistryErrorKind::TimedOut { .. } => true,
            RegistryErrorKind::Connection { problem, .. } => {
                !matches!(problem, ConnectionProblem::Tls | ConnectionProblem::Redirect)
            }
            RegistryErrorKind::Protocol { status: Some(status), .. } => {
                matches!(status, 408 | 500 | 502 | 503 | 504)
            }
            _ => false,
        }
    }
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { place, asked, kind, .. } = &*self.0;
        write!(f, "cannot {asked} at {place}: {kind}")
    }
}

impl std::error::Error for RegistryError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.0.kind)
    }
}

impl From<&RegistryError> for Failure {
    fn from(error: &RegistryError) -> Self {
        let (code, help) = match error.kind() {
            RegistryErrorKind::NotFound => (&codes::NOT_FOUND, "check the name and the tag or digest"),
            RegistryErrorKind::Unauthorised { .. } => {
                (&codes::UNAUTHORISED, "log in to the registry, or set a credential for it")
            }
            RegistryErrorKind::Denied { .. } => {
                (&codes::DENIED, "give the account the right to do this, or use another")
            }
            RegistryErrorKind::RateLimited { .. } => {
                (&codes::RATE_LIMITED, "wait, or log in for a higher limit")
            }
            RegistryErrorKind::TimedOut { .. } => (&codes::TIMED_OUT, "try again, or allow more time"),
            RegistryErrorKind::DigestMismatch { .. } => (
                &codes::DIGEST_MISMATCH,
                "the registry or something before it changed the content: do not use it",
            ),
            RegistryErrorKind::TooLarge { .. } => (&codes::TOO_LARGE, "look at what is stored there"),
            RegistryErrorKind::Unsupported { .. } => (&codes::UNSUPPORTED, "use another registry or format"),
            RegistryErrorKind::Connection { problem: ConnectionProblem::Tls, .. } => {
                (&codes::UNREACHABLE, "give the registry's certificate authority, or mend its certificate")
            }
            RegistryErrorKind::Connection { .. } => {
                (&codes::UNREACHABLE, "check that the registry runs and can be reached")
            }
            RegistryErrorKind::Protocol { status: Some(507), .. } => {
                (&codes::STORAGE_FULL, "make room at the registry, then run again")
            }
            RegistryErrorKind::Protocol { .. } | RegistryErrorKind::Malformed { .. } => {
                (&codes::PROTOCOL, "look at the registry's own log")
            }
            RegistryErrorKind::Credential { .. } => {
                (&codes::CREDENTIAL, "mend the configuration file or the credential helper")
            }
            RegistryErrorKind::Io { .. } => {
                (&codes::FILE, "check the file, its permissions and the disk's space")
            }
        };
        Self::new(code, error.to_string()).help(help)
    }
}

impl From<RegistryError> for Failure {
    fn from(error: RegistryError) -> Self {
        Self::from(&error)
    }
}
