//! GitHub's attestations as a place to put evidence.

use loadline_core::Digest;
use loadline_github::{GitHub, GitHubError, RepositorySlug};

use crate::existing::carries;

/// A repository at GitHub whose attestations take bundles.
#[derive(Debug, Clone)]
pub struct GitHubDestination {
    /// GitHub.
    pub client: GitHub,
    /// The repository.
    pub repository: RepositorySlug,
}

impl GitHubDestination {
    /// Adds a bundle, unless one with the same statement that `is_good` is there already. Whether it was added.
    ///
    /// # Errors
    /// GitHub refused, or could not be reached.
    pub async fn add(
        &self,
        subject: &Digest,
        predicate_type: &str,
        statement: &[u8],
        bundle: &[u8],
        is_good: impl Fn(&[u8]) -> bool,
    ) -> Result<bool, GitHubError> {
        let same = |listed: &[u8]| carries(listed, statement) && is_good(listed);
        if self.client.has(&self.repository, subject, predicate_type, same).await? {
            return Ok(false);
        }
        self.client.attest(&self.repository, bundle).await?;
        Ok(true)
    }
}
