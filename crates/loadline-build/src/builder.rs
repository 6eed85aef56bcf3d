//! The builders behind one call.

use loadline_core::{Code, Failure, Finding};
use loadline_registry::Repository;
use thiserror::Error;

use crate::assemble::{self, AssembleError, Assembler};
use crate::buildx::{self, Buildx, BuildxError};
use crate::built::Built;
use crate::existing::{self, ExistingError, FromRegistry};
use crate::layout::{self, FromLayout, LayoutError};
use crate::request::BuildRequest;

/// A builder, ready to build legs.
#[derive(Debug, Clone)]
pub enum Builder {
    /// The daemonless one.
    Assemble(Assembler),
    /// docker's.
    Buildx(Buildx),
    /// Another tool's layout.
    Layout(FromLayout),
    /// What is at a registry already.
    Existing(FromRegistry),
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
    /// By another tool.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// It is not at the registry as it is to be.
    #[error(transparent)]
    Existing(#[from] ExistingError),
}

impl Builder {
    /// The name that the configuration knows it by.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Assemble(_) => assemble::NAME,
            Self::Buildx(_) => buildx::NAME,
            Self::Layout(_) => layout::NAME,
            Self::Existing(_) => existing::NAME,
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
            Self::Layout(layout) => Ok(layout.build(request, destination).await?),
            Self::Existing(existing) => Ok(existing.build(request, destination).await?),
        }
    }
}

impl BuildError {
    /// The documented code.
    pub fn code(&self) -> &'static Code {
        match self {
            Self::Assemble(error) => error.code(),
            Self::Buildx(error) => error.code(),
            Self::Layout(error) => error.code(),
            Self::Existing(error) => error.code(),
        }
    }

    /// Whether the input is at fault (exit 2), and not the machine, the network or a registry (exit 3).
    pub fn is_input(&self) -> bool {
        match self {
            Self::Assemble(error) => error.is_input(),
            // Why a stage or a tool failed only people can tell.
            Self::Buildx(_) | Self::Layout(_) => false,
            Self::Existing(error) => error.is_input(),
        }
    }

    /// Findings, where the input is at fault.
    pub fn findings(&self) -> Vec<Finding> {
        match self {
            Self::Assemble(error) => error.findings(),
            Self::Buildx(_) | Self::Layout(_) => Vec::new(),
            Self::Existing(error) => error.finding().into_iter().collect(),
        }
    }

    /// A failure, where the input is not at fault.
    pub fn failure(&self) -> Option<Failure> {
        match self {
            Self::Assemble(error) => error.failure(),
            Self::Buildx(error) => Some(error.failure()),
            Self::Layout(error) => Some(error.failure()),
            Self::Existing(error) => error.failure(),
        }
    }
}
