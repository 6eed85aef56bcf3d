//! Images that are at a registry already, by digest: another CI built them. The leg of each platform is looked
//! up, checked, and copied where it goes, unless it is there.

use std::io;

use loadline_core::{Code, Failure, Finding, Reference};
use loadline_registry::{Client, RegistryError, Repository};
use thiserror::Error;

use crate::built::{Built, Inputs};
use crate::codes;
use crate::copy_leg::copy_leg;
use crate::request::BuildRequest;
use crate::written::{self, WrittenError};

/// The builder's name, in configuration and in what it builds.
pub const NAME: &str = "existing";

/// Why an image that is to be there could not be taken.
#[derive(Debug, Error)]
pub enum ExistingError {
    /// Nothing is named for the platform.
    #[error("no existing image is named for {platform}")]
    NotNamed {
        /// The platform.
        platform: loadline_core::Platform,
    },
    /// It is not there.
    #[error("{reference} is not there")]
    Missing {
        /// The image.
        reference: String,
    },
    /// It is not what it is to be.
    #[error("{reference} does not have the leg: {what}")]
    Wrong {
        /// The image.
        reference: String,
        /// What is wrong.
        what: String,
    },
    /// A registry could not be asked.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// There is no place for it.
    #[error("{0}")]
    Io(#[from] io::Error),
}

impl ExistingError {
    /// The documented code.
    pub fn code(&self) -> &'static Code {
        match self {
            Self::NotNamed { .. } | Self::Missing { .. } => &codes::EXISTING_MISSING,
            Self::Wrong { .. } => &codes::EXISTING_WRONG,
            Self::Registry(_) | Self::Io(_) => &codes::EXISTING_UNREAD,
        }
    }

    /// Whether what was named is at fault.
    pub fn is_input(&self) -> bool {
        matches!(self, Self::NotNamed { .. } | Self::Missing { .. } | Self::Wrong { .. })
    }

    /// A finding, where what was named is at fault.
    pub fn finding(&self) -> Option<Finding> {
        self.is_input().then(|| {
            Finding::error(self.code(), self.to_string())
                .help("name an index or image that is there, by its digest, under `existing`")
        })
    }

    /// A failure, where it is not.
    pub fn failure(&self) -> Option<Failure> {
        match self {
            Self::Registry(error) => Some(Failure::from(error)),
            Self::Io(_) => Some(Failure::new(self.code(), self.to_string())),
            _ => None,
        }
    }
}

/// The builder.
#[derive(Debug, Clone)]
pub struct FromRegistry {
    client: Client,
    existing: loadline_core::config::Existing,
}

impl FromRegistry {
    /// A builder that takes what the configuration names.
    pub fn new(client: &Client, existing: loadline_core::config::Existing) -> Self {
        Self { client: client.clone(), existing }
    }

    /// Takes one leg and writes it to its destination by digest, without a tag.
    ///
    /// # Errors
    /// See [`ExistingError`].
    pub async fn build(
        &self,
        request: &BuildRequest,
        destination: &Repository,
    ) -> Result<Built, ExistingError> {
        let platform = &request.platform;
        let named = self.existing.of(platform);
        let reference = named.ok_or_else(|| ExistingError::NotNamed { platform: platform.clone() })?;
        let Some(digest) = &reference.digest else {
            return Err(ExistingError::Missing { reference: reference.to_string() });
        };
        let from = Repository::at(&self.client, reference.repository.clone());
        let missing = || ExistingError::Missing { reference: reference.to_string() };
        let top = from.find_manifest(&digest.to_string()).await?.ok_or_else(missing)?;
        let picked = written::pick(&from, vec![top.descriptor.clone()], platform).await;
        let leg = picked.map_err(|error| match error {
            WrittenError::Contradiction(what) => wrong(reference, what),
            WrittenError::Registry(error) if error.is_not_found() => {
                wrong(reference, format!("a part of it is gone: {error}"))
            }
            WrittenError::Registry(error) => ExistingError::Registry(error),
        })?;
        if from.name() != destination.name() {
            let manifests = std::iter::once(&leg.manifest).chain(&leg.attestations);
            copy_leg(&from, destination, manifests).await?;
        }
        let materials = leg.materials.as_deref().unwrap_or_default();
        Ok(Built {
            builder: NAME,
            platform: platform.clone(),
            manifest: leg.manifest,
            attestations: leg.attestations,
            config: leg.config,
            layers: leg.layers,
            diff_ids: leg.diff_ids,
            inputs: Inputs {
                dockerfile: None,
                context: None,
                target: None,
                stages: Vec::new(),
                build_args: std::collections::BTreeMap::new(),
                unused_build_args: Vec::new(),
                labels: std::collections::BTreeMap::new(),
                source_date_epoch: request.source_date_epoch,
                bases: crate::buildx::bases(materials, platform),
            },
            index: None,
            notes: Vec::new(),
        })
    }
}

fn wrong(reference: &Reference, what: String) -> ExistingError {
    ExistingError::Wrong { reference: reference.to_string(), what }
}
