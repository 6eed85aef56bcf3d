//! What all calls to registries share: the HTTP client, credentials, tokens, bounds and counters.

mod auth;
mod challenge;
mod connection;
mod send;

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use loadline_core::{Clock, Digest, RepositoryName};
use loadline_process::Environment;
use url::Url;

use crate::MANIFEST_LIMIT;
use crate::credentials::{Credential, Credentials};
use crate::http_client::Http;

pub(crate) use send::{Access, Answer, Body, Request};

/// Hosts that are spoken to by http, with commas between them.
const INSECURE: &str = "LOADLINE_INSECURE_REGISTRIES";

/// How often and how long a call is tried anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// How many times in all.
    pub attempts: u32,
    /// The wait after the first failure; it doubles each time.
    pub first: Duration,
    /// The longest wait. A registry that asks for a longer one is not waited for.
    pub longest: Duration,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { attempts: 5, first: Duration::from_millis(250), longest: Duration::from_secs(60) }
    }
}

/// What a client is made with.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where credentials are looked for (DOCKER_CONFIG, HOME, REGISTRY_AUTH_FILE, …), and what helpers get.
    pub environment: Environment,
    /// Credentials by registry host; they go before all others.
    pub credentials: BTreeMap<String, Credential>,
    /// Never uses a credential: sees what everyone sees.
    pub anonymous: bool,
    /// Hosts (with their port, where it is not the usual one) that are spoken to by http. Loopback always is.
    pub insecure: Vec<String>,
    /// Loopback hosts that speak https all the same.
    pub secure_loopback: Vec<String>,
    /// Names of further variables that credential helpers get.
    pub helper_variables: Vec<String>,
    /// How often a call is tried anew.
    pub backoff: Backoff,
    /// How long the answer to a small request may take in all. Blobs get more, by their size.
    pub time_limit: Duration,
    /// The largest manifest that is read, in bytes.
    pub manifest_limit: u64,
    /// Blobs larger than this are sent in pieces of this size, in bytes, so that a broken connection costs one
    /// piece. Some registries stand behind proxies that take requests of 100 MB at most.
    pub piece: u64,
    /// The clock that dates in `Retry-After` are compared with.
    pub clock: Clock,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            environment: Environment::empty(),
            credentials: BTreeMap::new(),
            anonymous: false,
            insecure: Vec::new(),
            secure_loopback: Vec::new(),
            helper_variables: Vec::new(),
            backoff: Backoff::default(),
            time_limit: Duration::from_secs(30),
            manifest_limit: MANIFEST_LIMIT,
            piece: 64 << 20,
            clock: Clock::System,
        }
    }
}

/// What a client has done so far. Numbers only grow; two snapshots give what lies between them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// HTTP requests sent, those for tokens and repeated ones included, redirects not.
    pub requests: u64,
    /// Blobs sent or mounted; those that were there already are not counted.
    pub blobs_pushed: u64,
    /// Manifests sent by digest; those that were there already are not counted.
    pub manifests_pushed: u64,
    /// Tags written, those of the referrers' fallback included.
    pub tags_written: u64,
    /// Bytes of bodies sent.
    pub bytes_sent: u64,
    /// Bytes of bodies received.
    pub bytes_received: u64,
}

impl std::ops::Sub for Counters {
    type Output = Self;

    /// What was done between an earlier snapshot and this one.
    fn sub(self, earlier: Self) -> Self {
        Self {
            requests: self.requests.saturating_sub(earlier.requests),
            blobs_pushed: self.blobs_pushed.saturating_sub(earlier.blobs_pushed),
            manifests_pushed: self.manifests_pushed.saturating_sub(earlier.manifests_pushed),
            tags_written: self.tags_written.saturating_sub(earlier.tags_written),
            bytes_sent: self.bytes_sent.saturating_sub(earlier.bytes_sent),
            bytes_received: self.bytes_received.saturating_sub(earlier.bytes_received),
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) requests: AtomicU64,
    pub(crate) blobs_pushed: AtomicU64,
    pub(crate) manifests_pushed: AtomicU64,
    pub(crate) tags_written: AtomicU64,
    pub(crate) bytes_sent: AtomicU64,
    pub(crate) bytes_received: AtomicU64,
}

impl Tally {
    pub(crate) fn add(counter: &AtomicU64, n: u64) {
        counter.fetch_add(n, Ordering::Relaxed);
    }
}

/// A lock of its own for each key, so that concurrent calls for one thing do it once.
pub(crate) type Slots<K, V> = Mutex<HashMap<K, Arc<tokio::sync::Mutex<V>>>>;

/// A client for registries. Clones share all they hold.
#[derive(Clone)]
pub struct Client(Arc<Shared>);

pub(crate) struct Shared {
    http: Http,
    pub(crate) options: Options,
    credentials: Credentials,
    auth: auth::Auth,
    pub(crate) tally: Tally,
    /// Blobs known to be at a repository, so that a second push of `{}` asks nothing.
    blobs: Slots<(RepositoryName, Digest), bool>,
    /// One writer at a time for each fallback tag.
    fallback: Slots<(RepositoryName, Digest), ()>,
    /// Whether a registry has the referrers API, once it is known.
    referrers_api: Mutex<HashMap<String, bool>>,
}

impl Client {
    /// A client on an HTTP client that is there already, or on an [`Http`] that is built when first needed.
    ///
    /// Hosts in the variable LOADLINE_INSECURE_REGISTRIES of the options' environment are spoken to by http too.
    pub fn new(http: impl Into<Http>, mut options: Options) -> Self {
        let hosts = options.environment.get(INSECURE).unwrap_or_default();
        let hosts = hosts.split([',', ' ']).filter(|host| !host.is_empty()).map(str::to_owned);
        options.insecure.extend(hosts.collect::<Vec<_>>());
        let credentials = Credentials::new(&options);
        Self(Arc::new(Shared {
            http: http.into(),
            options,
            credentials,
            auth: auth::Auth::default(),
            tally: Tally::default(),
            blobs: Mutex::default(),
            fallback: Mutex::default(),
            referrers_api: Mutex::default(),
        }))
    }

    /// What it has done so far.
    pub fn counters(&self) -> Counters {
        let tally = &self.0.tally;
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Counters {
            requests: get(&tally.requests),
            blobs_pushed: get(&tally.blobs_pushed),
            manifests_pushed: get(&tally.manifests_pushed),
            tags_written: get(&tally.tags_written),
            bytes_sent: get(&tally.bytes_sent),
            bytes_received: get(&tally.bytes_received),
        }
    }

    pub(crate) fn options(&self) -> &Options {
        &self.0.options
    }

    pub(crate) fn tally(&self) -> &Tally {
        &self.0.tally
    }

    pub(crate) fn blob_slot(&self, name: &RepositoryName, digest: &Digest) -> Arc<tokio::sync::Mutex<bool>> {
        slot(&self.0.blobs, (name.clone(), digest.clone()))
    }

    pub(crate) fn forget_blobs(&self, name: &RepositoryName) {
        let mut blobs = self.0.blobs.lock().unwrap_or_else(PoisonError::into_inner);
        blobs.retain(|(repository, _), _| repository != name);
    }

    pub(crate) fn fallback_slot(
        &self,
        name: &RepositoryName,
        subject: &Digest,
    ) -> Arc<tokio::sync::Mutex<()>> {
        slot(&self.0.fallback, (name.clone(), subject.clone()))
    }

    pub(crate) fn has_referrers_api(&self, registry: &str) -> Option<bool> {
        self.0.referrers_api.lock().unwrap_or_else(PoisonError::into_inner).get(registry).copied()
    }

    pub(crate) fn note_referrers_api(&self, registry: &str, has: bool) {
        let mut known = self.0.referrers_api.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(registry.to_owned(), has);
    }

    /// The address of a path below a repository's own at its registry.
    pub(crate) fn address(&self, name: &RepositoryName, rest: &str) -> Result<Url, url::ParseError> {
        let host = match name.registry() {
            // What is called docker.io lives elsewhere.
            "docker.io" => "registry-1.docker.io",
            other => other,
        };
        let scheme = if self.is_plain(host) { "http" } else { "https" };
        Url::parse(&format!("{scheme}://{host}/v2/{}/{rest}", name.path()))
    }

    /// Whether a host is spoken to by http.
    fn is_plain(&self, host: &str) -> bool {
        let listed = |hosts: &[String]| hosts.iter().any(|listed| listed == host);
        if listed(&self.0.options.secure_loopback) {
            return false;
        }
        is_loopback(host) || listed(&self.0.options.insecure)
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("counters", &self.counters()).finish_non_exhaustive()
    }
}

fn slot<K: std::hash::Hash + Eq, V: Default>(slots: &Slots<K, V>, key: K) -> Arc<tokio::sync::Mutex<V>> {
    Arc::clone(slots.lock().unwrap_or_else(PoisonError::into_inner).entry(key).or_default())
}

/// Whether a host, with or without a port, is this machine itself.
fn is_loopback(host: &str) -> bool {
    let bare = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((v6, _)) => v6,
        None => host.rsplit_once(':').map_or(host, |(bare, _)| bare),
    };
    bare == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_and_listed_hosts_are_spoken_to_by_http() {
        let options = Options {
            insecure: vec!["registry.lan:5000".into()],
            secure_loopback: vec!["127.0.0.1:5443".into()],
            ..Options::default()
        };
        let client = Client::new(Http::new(crate::HttpOptions::default()), options);
        for (name, expected) in [
            ("debian", "https://registry-1.docker.io/v2/library/debian/tags/list"),
            ("localhost:5000/a", "http://localhost:5000/v2/a/tags/list"),
            ("127.0.0.1:5000/a", "http://127.0.0.1:5000/v2/a/tags/list"),
            ("127.0.0.1:5443/a", "https://127.0.0.1:5443/v2/a/tags/list"),
            ("[::1]:5000/a", "http://[::1]:5000/v2/a/tags/list"),
            ("registry.lan:5000/a", "http://registry.lan:5000/v2/a/tags/list"),
            ("registry.lan/a", "https://registry.lan/v2/a/tags/list"),
            ("localhost.evil.example/a", "https://localhost.evil.example/v2/a/tags/list"),
        ] {
            let url = client.address(&name.parse().unwrap(), "tags/list").unwrap();
            assert_eq!(url.as_str(), expected);
        }
    }

    #[test]
    fn a_variable_lists_hosts_too_and_no_pattern_among_them() {
        let environment = Environment::empty().with(INSECURE, "a.lan:5000, b.lan,*");
        let options = Options { environment, ..Options::default() };
        let client = Client::new(Http::new(crate::HttpOptions::default()), options);
        assert!(client.is_plain("a.lan:5000") && client.is_plain("b.lan"));
        assert!(!client.is_plain("a.lan") && !client.is_plain("c.lan"));
    }
}
