//! Doing something at a registry: announced in the ledger before, recorded after, and not done again
//! while its result is there.

use std::future::Future;

use loadline_core::Digest;
use loadline_registry::Repository;

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
