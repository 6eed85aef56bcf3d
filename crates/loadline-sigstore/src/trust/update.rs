//! Fresh roots through TUF.

use std::io::Read as _;
use std::path::PathBuf;

use jiff::Timestamp;
use sigstore_trust_root::{SigstoreInstance, TrustedRoot, TufBootstrap, TufConfig};

use crate::trust::root::{Instance, ROOT_LIMIT, TrustError, TrustRoot, tuf_expiry};

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

/// A TUF repository that hands out a trust root, and the root of trust in it.
#[derive(Debug, Clone)]
pub struct Mirror {
    /// What messages call the instance.
    pub name: String,
    /// The repository's address.
    pub address: String,
    /// Its TUF root metadata, believed.
    pub root: Vec<u8>,
}

impl Mirror {
    /// Where an instance publishes its root; the TUF root is the one built in.
    pub fn of(instance: Instance) -> Self {
        let library: SigstoreInstance = instance.library();
        Self {
            name: instance.name().to_owned(),
            address: library.tuf_url().to_owned(),
            root: library.tuf_root().to_vec(),
        }
    }

    /// Fetches the root through TUF. `now` is what expiry is measured against. Set time limits on the client:
    /// a repository that answers slowly would hold it for ever.
    ///
    /// # Errors
    /// What could not be fetched or verified, expired metadata among it, and as [`TrustRoot::from_json`].
    pub async fn fetch(
        &self,
        client: reqwest::Client,
        cache: &Cache,
        now: Timestamp,
    ) -> Result<TrustRoot, TrustError> {
        let config = TufConfig::custom(&self.address, TufBootstrap::trusted(&self.root));
        let (config, how) = match cache {
            Cache::None => (config.with_http_client(client).without_cache(), "fetched"),
            Cache::Directory(path) => {
                (config.with_http_client(client).with_cache_dir(path.clone()), "fetched")
            }
            Cache::Offline(path) => (config.with_cache_dir(path.clone()).offline(), "from the cache"),
        };
        let failed = |reason: String| TrustError::Fetch {
            instance: self.name.clone(),
            address: self.address.clone(),
            reason,
        };
        let root = TrustedRoot::from_tuf_at(config, now).await.map_err(|error| failed(error.to_string()))?;
        let json = serde_json::to_vec(&root).map_err(|error| failed(error.to_string()))?;
        let mut root = TrustRoot::from_json(format!("{} ({how})", self.name), &json)?;
        root.set_expires(newest_expiry(cache).or_else(|| tuf_expiry(&self.root)));
        Ok(root)
    }
}

/// When the newest TUF root that is known runs out.
fn newest_expiry(cache: &Cache) -> Option<Timestamp> {
    let (Cache::Directory(path) | Cache::Offline(path)) = cache else { return None };
    let mut json = Vec::new();
    let file = std::fs::File::open(path.join("root.json")).ok()?;
    file.take(ROOT_LIMIT as u64).read_to_end(&mut json).ok()?;
    tuf_expiry(&json)
}

/// Fetches an instance's root through TUF, as [`Mirror::fetch`].
///
/// # Errors
/// As [`Mirror::fetch`].
pub async fn fetch(
    instance: Instance,
    client: reqwest::Client,
    cache: Cache,
    now: Timestamp,
) -> Result<TrustRoot, TrustError> {
    Mirror::of(instance).fetch(client, &cache, now).await
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
