//! Doing something at a registry: announced in the ledger before, recorded after, and not done again
//! while its result is there.

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::sync::Arc;

use loadline_core::Digest;
use loadline_registry::{RegistryError, Repository};
use tokio::sync::{Mutex, OnceCell};

use crate::error::ReleaseError;
use crate::release::Release;

impl Release<'_> {
    /// Makes sure that a manifest is in a repository. An earlier run's word for it is checked by asking:
    /// registries lose what nothing points at. Whether it was there already.
    pub(crate) async fn ensure_manifest<F>(
        &self,
        key: &str,
        repository: &Repository,
        digest: &Digest,
        push: F,
    ) -> Result<bool, ReleaseError>
    where
        F: Future<Output = Result<(), ReleaseError>>,
    {
        let recorded: Option<Digest> = self.ledger.result(key)?;
        if recorded.as_ref() == Some(digest) && repository.resolve(&digest.to_string()).await?.is_some() {
            return Ok(true);
        }
        self.ledger.intent(key)?;
        push.await?;
        self.ledger.done(key, digest)?;
        Ok(false)
    }
}

/// A repository and a digest in it.
type Place = (String, Digest);

/// What hangs on each subject, asked for once a run: whether evidence that an earlier run attached is still
/// found. That its manifest is there is not enough, since writers of fallback tags lose each other's entries.
#[derive(Debug, Default)]
pub(crate) struct Listings(Mutex<HashMap<Place, Arc<OnceCell<HashSet<Digest>>>>>);

impl Listings {
    /// Whether a manifest is among a subject's referrers.
    pub(crate) async fn has(
        &self,
        repository: &Repository,
        subject: &Digest,
        manifest: &Digest,
    ) -> Result<bool, RegistryError> {
        let place = (repository.to_string(), subject.clone());
        let cell = Arc::clone(self.0.lock().await.entry(place).or_default());
        let listed = cell
            .get_or_try_init(|| async {
                let referrers = repository.referrers(subject).await?;
                Ok(referrers.descriptors.into_iter().map(|descriptor| descriptor.digest).collect())
            })
            .await?;
        Ok(listed.contains(manifest))
    }
}
