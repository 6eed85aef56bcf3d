//! GitHub's attestations as a place to put evidence.

use loadline_core::Digest;
use loadline_github::{GitHub, GitHubError, RepositorySlug};
use serde::Deserialize;
use serde_json::Value;

/// A repository at GitHub whose attestations take bundles.
#[derive(Debug, Clone)]
pub struct GitHubDestination {
    /// GitHub.
    pub client: GitHub,
    /// The repository.
    pub repository: RepositorySlug,
}

impl GitHubDestination {
    /// Adds a bundle, unless it is there already. Whether it was added.
    ///
    /// # Errors
    /// GitHub refused, or could not be reached.
    pub async fn add(
        &self,
        subject: &Digest,
        predicate_type: &str,
        bundle: &[u8],
    ) -> Result<bool, GitHubError> {
        let same = |listed: &[u8]| same_signature(listed, bundle);
        if self.client.has(&self.repository, subject, predicate_type, same).await? {
            return Ok(false);
        }
        self.client.attest(&self.repository, bundle).await?;
        Ok(true)
    }
}

/// Whether two bundles hold the same signature over the same statement, however their JSON is written.
fn same_signature(one: &[u8], other: &[u8]) -> bool {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Bundle {
        dsse_envelope: Value,
    }
    let read = |bundle: &[u8]| serde_json::from_slice::<Bundle>(bundle).ok();
    match (read(one), read(other)) {
        (Some(one), Some(other)) => one.dsse_envelope == other.dsse_envelope,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_signature_counts_not_the_spelling() {
        let ours = br#"{"mediaType":"m","dsseEnvelope":{"payload":"a","signatures":[{"sig":"s"}]}}"#;
        let spelt = br#"{ "dsseEnvelope": {"signatures":[{"sig":"s"}], "payload":"a"} }"#;
        let other = br#"{"dsseEnvelope":{"payload":"a","signatures":[{"sig":"t"}]}}"#;
        assert!(same_signature(spelt, ours));
        assert!(!same_signature(other, ours));
        assert!(!same_signature(b"nonsense", b"nonsense"));
    }
}
