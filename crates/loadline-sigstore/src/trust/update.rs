//! Fresh roots through TUF.

use std::path::PathBuf;

use jiff::Timestamp;
use sigstore_trust_root::{SigstoreInstance, TrustedRoot};

use crate::trust::root::{Instance, TrustError, TrustRoot, tuf_expiry};

/// Where TUF metadata is kept between runs.
#[derive(Debug, Clone)]
pub enum Cache {
    /// Nowhere.
    None,
    /// In this directory; what is in it is verified anew each time.
    Directory(PathBuf),
    /// In this directory, and no connection is made at all.
    Offline(PathBuf),
}

/// Fetches an instance's root through TUF, from the TUF root that is built in. `now` is what expiry is
/// measured against. Set time limits on the client: a mirror that answers slowly would hold it for ever.
///
/// # Errors
/// What could not be fetched or verified, expired metadata among it, and as [`TrustRoot::from_json`].
pub async fn fetch(
    instance: Instance,
    client: reqwest::Client,
    cache: Cache,
    now: Timestamp,
) -> Result<TrustRoot, TrustError> {
    let library: SigstoreInstance = instance.library();
    let (config, how) = match cache {
        Cache::None => (library.tuf_config().with_http_client(client).without_cache(), "fetched"),
        Cache::Directory(path) => {
            (library.tuf_config().with_http_client(client).with_cache_dir(path), "fetched")
        }
        Cache::Offline(path) => (library.tuf_config().with_cache_dir(path).offline(), "from the cache"),
    };
    let failed = |reason: String| TrustError::Fetch {
        instance: instance.name().to_owned(),
        address: library.tuf_url().to_owned(),
        reason,
    };
    let root = TrustedRoot::from_tuf_at(config, now).await.map_err(|error| failed(error.to_string()))?;
    let json = serde_json::to_vec(&root).map_err(|error| failed(error.to_string()))?;
    let mut root = TrustRoot::from_json(format!("{} ({how})", instance.name()), &json)?;
    root.set_expires(tuf_expiry(library.tuf_root()));
    Ok(root)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_empty_cache_without_a_network_is_an_error_that_says_where() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::Offline(directory.path().to_owned());
        let now = "2026-11-01T00:00:00Z".parse().unwrap();
        let error = fetch(Instance::PublicGood, reqwest::Client::new(), cache, now).await.unwrap_err();
        assert!(
            matches!(&error, TrustError::Fetch { address, .. } if address.starts_with("https://")),
            "{error}"
        );
    }
}
