//! The builders behind one call.

use loadline_core::{Code, Failure, Finding};
use loadline_registry::Repository;
use thiserror::Error;

use crate::assemble::{self, AssembleError, Assembler};
use crate::buildx::{self, Buildx, BuildxError};
use crate::built::Built;
use crate::request::BuildRequest;

/// A builder, ready to build legs.
#[derive(Debug, Clone)]
pub enum Builder {
    /// The daemonless one.
    Assemble(Assembler),
    /// docker's.
    Buildx(Buildx),
}

/// Why a leg could not be built.
#[derive(Debug, Error)]
pub enum BuildError {
    /// By the daemonless builder.
    #[error(transparent)]
    Assemble(#[from] AssembleError),
    /// By docker's.
    #[error(transparent)]
    Buildx(#[from] BuildxError),
}

impl Builder {
    /// The name that the configuration knows it by.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Assemble(_) => assemble::NAME,
            Self::Buildx(_) => buildx::NAME,
        }
    }

    /// Builds one leg and writes it to its destination by digest, without a tag.
    ///
    /// # Errors
    /// [`BuildError::is_input`] tells what the input is to blame for from what the world is.
    pub async fn build(&self, request: &BuildRequest, destination: &Repository) -> Result<Built, BuildError> {
        match self {
            Self::Assemble(assembler) => Ok(assembler.assemble(request, destination).await?),
            Self::Buildx(buildx) => Ok(buildx.build(request, destination).await?),
        }
    }
}

impl BuildError {
    /// The documented code.
    pub fn code(&self) -> &'static Code {
        match self {
            Self::Assemble(error) => error.code(),
            Self::Buildx(error) => error.code(),
        }
    }

    /// Whether the input is at fault (exit 2), and not the machine, the network or a registry (exit 3).
    pub fn is_input(&self) -> bool {
        match self {
            Self::Assemble(error) => error.is_input(),
            // Why a stage failed only people can tell.
            Self::Buildx(_) => false,
        }
    }

    /// Findings, where the input is at fault.
    pub fn findings(&self) -> Vec<Finding> {
        match self {
            Self::Assemble(error) => error.findings(),
            Self::Buildx(_) => Vec::new(),
        }
    }

    /// A failure, where the input is not at fault.
    pub fn failure(&self) -> Option<Failure> {
        match self {
            Self::Assemble(error) => error.failure(),
            Self::Buildx(error) => Some(error.failure()),
        }
    }
}
