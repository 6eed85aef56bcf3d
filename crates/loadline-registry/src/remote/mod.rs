//! A repository at a registry (OCI distribution specification 1.1).

mod blobs;
mod manifests;
mod paging;
mod referrers;
mod source;
mod tags;
mod upload;

use loadline_core::RepositoryName;

pub(crate) use blobs::part_of;
pub(crate) use manifests::OnlyIf;
pub(crate) use referrers::{Collected, fallback_tag};

use crate::client::{Client, Request};
use crate::error::{RegistryError, RegistryErrorKind};

/// A repository at a registry.
#[derive(Debug, Clone)]
pub(crate) struct Remote {
    pub(crate) client: Client,
    pub(crate) name: RepositoryName,
}

impl Remote {
    /// A request to a path below the repository's own.
    pub(crate) fn request(&self, rest: &str, asked: impl Into<String>) -> Result<Request<'_>, RegistryError> {
        let asked = asked.into();
        match self.client.address(&self.name, rest) {
            Ok(url) => Ok(Request::new(&self.name, url, asked)),
            Err(error) => Err(RegistryError::new(
                &self.name,
                asked,
                RegistryErrorKind::Protocol { status: None, message: format!("no address: {error}") },
            )),
        }
    }
}
