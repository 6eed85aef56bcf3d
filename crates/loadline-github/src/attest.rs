//! Adding a bundle to a repository's attestations.

use http::header::CONTENT_TYPE;
use http::{Method, Request};
use loadline_core::Digest;
use octocrab::OctoBody;
use serde::Deserialize;

use crate::client::GitHub;
use crate::error::{GitHubError, GitHubErrorKind};
use crate::repository::RepositorySlug;

/// What adding needs.
const PERMISSION: &str = "attestations: write";
/// The largest answer to an addition: it is a number.
const ANSWER_LIMIT: usize = 64 << 10;

impl GitHub {
    /// Adds a bundle, its JSON byte for byte, to a repository's attestations; GitHub finds its subjects in it.
    /// The number that GitHub gives it.
    ///
    /// # Errors
    /// A token that may not, a bundle that GitHub does not take, GitHub out of reach.
    pub async fn attest(&self, repository: &RepositorySlug, bundle: &[u8]) -> Result<u64, GitHubError> {
        let asked = format!("add an attestation to {repository}");
        let wrong = |reason: String| self.error(&asked, GitHubErrorKind::Answer { reason });
        let mut body = Vec::with_capacity(bundle.len() + 12);
        body.extend_from_slice(b"{\"bundle\":");
        body.extend_from_slice(bundle);
        body.push(b'}');
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.route(repository, "").as_str())
            .header(CONTENT_TYPE, "application/json")
            .body(OctoBody::from(body))
            .map_err(|error| wrong(error.to_string()))?;
        let answer = self.call(&asked, request, ANSWER_LIMIT, PERMISSION).await?;
        #[derive(Deserialize)]
        struct Added {
            id: u64,
        }
        let added: Added =
            serde_json::from_slice(&answer.bytes).map_err(|error| wrong(format!("no id: {error}")))?;
        Ok(added.id)
    }

    /// Asks whether the token may add attestations, without adding one: what is sent holds no bundle, and GitHub
    /// looks at permissions before it looks at that.
    ///
    /// # Errors
    /// A permission is missing ([`GitHubError::is_permission`]), or GitHub could not be asked.
    pub async fn may_attest(&self, repository: &RepositorySlug) -> Result<(), GitHubError> {
        let asked = format!("see whether attestations may be added to {repository}");
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.route(repository, "").as_str())
            .header(CONTENT_TYPE, "application/json")
            .body(OctoBody::from(b"{}".to_vec()))
            .map_err(|error| self.error(&asked, GitHubErrorKind::Answer { reason: error.to_string() }))?;
        match self.call(&asked, request, ANSWER_LIMIT, PERMISSION).await {
            Ok(_) => Ok(()),
            Err(error) => match error.kind {
                // What was sent is nothing, and that was all there was to say against it.
                GitHubErrorKind::Refused { status: 400 | 422, .. } => Ok(()),
                _ => Err(error),
            },
        }
    }

    /// Whether a repository has a bundle of this digest already that is the same, as the caller sees it.
    ///
    /// # Errors
    /// As [`GitHub::attestations`].
    pub async fn has(
        &self,
        repository: &RepositorySlug,
        digest: &Digest,
        predicate_type: &str,
        is_same: impl Fn(&[u8]) -> bool,
    ) -> Result<bool, GitHubError> {
        let limits = crate::list::Limits::default();
        let listing = self.attestations(repository, digest, Some(predicate_type), &limits).await?;
        if let Some(error) = listing.errors.into_iter().next() {
            // What could not be read may be the very one.
            if !listing.bundles.iter().any(|listed| is_same(&listed.bytes)) {
                return Err(error);
            }
            return Ok(true);
        }
        Ok(listing.bundles.iter().any(|listed| is_same(&listed.bytes)))
    }
}
