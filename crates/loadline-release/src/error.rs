//! What ends a release early: findings about its inputs, or failures of the world.

use loadline_build::BuildError;
use loadline_core::{Failure, Finding};
use loadline_evidence::AttachError;
use loadline_registry::RegistryError;
use loadline_sigstore::SignError;
use thiserror::Error;

use crate::codes;
use crate::ledger::LedgerError;
use crate::store::StoreError;

/// What ends a release early.
#[derive(Debug, Error)]
pub enum ReleaseError {
    /// The ledger cannot be used.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A file beside the ledger cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A registry refused or could not be reached.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A leg could not be built.
    #[error("{leg}: {source}")]
    Build {
        /// The leg.
        leg: String,
        /// Why.
        source: Box<BuildError>,
    },
    /// A bundle could not be attached.
    #[error(transparent)]
    Attach(#[from] AttachError),
    /// A statement could not be signed.
    #[error("{statement} cannot be signed: {source}")]
    Sign {
        /// The statement, in words.
        statement: String,
        /// Why.
        source: SignError,
    },
    /// GitHub refused or could not be reached.
    #[error(transparent)]
    GitHub(#[from] loadline_github::GitHubError),
    /// A bill of materials could not be made.
    #[error("the bill of materials of {leg} cannot be made: {reason}")]
    Sbom {
        /// The leg.
        leg: String,
        /// Why.
        reason: String,
    },
    /// A document could not be written as JSON.
    #[error("{what} cannot be written: {source}")]
    Json {
        /// The document, in words.
        what: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// There is no place for what builds throw away.
    #[error("there is no place to build in: {}: {source}", folder.display())]
    Scratch {
        /// The folder.
        folder: std::path::PathBuf,
        /// What went wrong.
        source: std::io::Error,
    },
    /// A step took too long.
    #[error("{step} did not end within {limit}")]
    TimedOut {
        /// The step, in words.
        step: String,
        /// Its time limit.
        limit: String,
    },
}

/// An early end as data: either the inputs are wrong, or the world stood in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The inputs are wrong: exit code 2.
    Usage(Vec<Finding>),
    /// The world stood in the way: exit code 3.
    Failed(Failure),
}

impl From<ReleaseError> for Ended {
    fn from(error: ReleaseError) -> Self {
        let message = error.to_string();
        let again = "run again: the release goes on from where it stood";
        Self::Failed(match error {
            ReleaseError::Build { source, leg } => match source.failure() {
                None => return Self::Usage(source.findings()),
                Some(mut failure) => {
                    failure.message = format!("{leg}: {}", failure.message);
                    failure
                }
            },
            ReleaseError::Registry(source) | ReleaseError::Attach(AttachError::Registry(source)) => {
                Failure::from(&source)
            }
            ReleaseError::Ledger(_) | ReleaseError::Store(_) | ReleaseError::Scratch { .. } => {
                Failure::new(&codes::LEDGER_UNUSABLE, message)
                    .help("mend what the message names, then run again")
            }
            ReleaseError::GitHub(source) => source.failure().help(again),
            ReleaseError::Sign { .. } => Failure::new(&codes::SIGNING_FAILED, message).help(again),
            ReleaseError::Sbom { .. } | ReleaseError::Attach(_) | ReleaseError::Json { .. } => {
                Failure::new(&codes::SBOM_FAILED, message).help(again)
            }
            ReleaseError::TimedOut { .. } => {
                Failure::new(&codes::STEP_TIMED_OUT, message).help("raise `timeout`, then run again")
            }
        })
    }
}
