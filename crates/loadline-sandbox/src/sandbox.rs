//! The sandbox as a whole: one data folder, one listener, a registry and a Sigstore behind it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};

use loadline_core::{Clock, Secret};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::data::Data;
use crate::metrics::Metrics;
use crate::registry::{self, Challenge, Faults, Registry, RegistryError};
use crate::request_log::RequestLog;
use crate::sigstore::{Cut, GitHubRun, GitLabJob, Services, Shape, SigstoreError, TokenError, TokenRequest};

/// A sandbox that does not start.
#[derive(Debug, thiserror::Error)]
pub enum SandboxError {
    /// Something listens there already.
    #[error(
        "the sandbox cannot listen on {address}: the port is taken. End what listens there (another sandbox?), or choose another port; 0 takes any that is free"
    )]
    PortTaken {
        /// Where.
        address: SocketAddr,
    },
    /// The address cannot be listened on for another reason.
    #[error("the sandbox cannot listen on {address}: {source}")]
    Listen {
        /// Where.
        address: SocketAddr,
        /// What the operating system said.
        source: io::Error,
    },
    /// The data folder cannot be used.
    #[error("sandbox data {}: {source}", path.display())]
    Data {
        /// The folder or file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Another sandbox has the data folder.
    #[error("sandbox data {}: another sandbox uses it. End that one, or use another folder", folder.display())]
    InUse {
        /// The folder.
        folder: PathBuf,
    },
    /// A newer version, or something else, wrote the data folder.
    #[error(
        "sandbox data {}: its format is {found:?}, which this version does not know. Use the version that wrote it, or another folder",
        folder.display()
    )]
    Format {
        /// The folder.
        folder: PathBuf,
        /// What its format file says.
        found: String,
    },
    /// There is no data where some should be.
    #[error("{} holds no sandbox data: name the folder that `sandbox serve --data` was given", folder.display())]
    Missing {
        /// The folder.
        folder: PathBuf,
    },
    /// The registry does not open.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The Sigstore part does not open.
    #[error(transparent)]
    Sigstore(#[from] SigstoreError),
    /// The task that opens the data was lost.
    #[error("the sandbox was interrupted while it opened its data")]
    Interrupted,
}

/// How a sandbox is to be.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where keys, logs and blobs are kept, and taken up again.
    pub data: PathBuf,
    /// Where to listen; port 0 takes any that is free.
    pub listen: SocketAddr,
    /// The registry answers as those do that have no referrers API.
    pub no_referrers: bool,
    /// The registry refuses whatever changes something.
    pub read_only: bool,
    /// The registry's one user and the password, where authentication is wanted.
    pub auth: Option<(String, Secret)>,
    /// Whether everyone may pull, where authentication is wanted: a public repository.
    pub anonymous_pull: bool,
    /// What the registry tells a client without credentials.
    pub challenge: Challenge,
    /// What goes wrong in the registry, for tests.
    pub faults: Faults,
    /// What time it is for certificates, tokens and time stamps.
    pub clock: Clock,
    /// Takes one line a request.
    pub log: Option<RequestLog>,
    /// Counts requests, and gives the counts at `/metrics` as OpenMetrics.
    pub open_metrics: bool,
}

impl Options {
    /// A sandbox on loopback, on any free port, open to everyone, by the machine's clock.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            no_referrers: false,
            read_only: false,
            auth: None,
            anonymous_pull: false,
            challenge: Challenge::default(),
            faults: Faults::default(),
            clock: Clock::System,
            log: None,
            open_metrics: false,
        }
    }
}

/// Where everything is: the line that `loadline sandbox serve` prints when it is ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ready {
    /// The registry, `HOST:PORT`.
    pub registry: String,
    /// The OIDC issuer, as tokens and certificates name it.
    pub issuer: String,
    /// Base URL of Fulcio.
    pub fulcio: String,
    /// Base URL of the transparency log (Rekor v2).
    pub rekor: String,
    /// Base URL of the certificate transparency log.
    pub ctlog: String,
    /// Base URL of the time stamp authority.
    pub tsa: String,
    /// `GET token_url?sub=…&aud=sigstore&claim.NAME=VALUE` hands out an identity token.
    pub token_url: String,
    /// File: the trust root.
    pub trusted_root: PathBuf,
    /// File: the signing config, v0.2.
    pub signing_config: PathBuf,
    /// File: a ClientTrustConfig, v0.1.
    pub trust_config: PathBuf,
    /// Base URL of the TUF repository; its first root is `tuf_root.json` in the data folder.
    pub tuf: String,
}

/// A running sandbox. Dropped, it ends at once; [`Sandbox::stop`] lets requests finish.
pub struct Sandbox {
    ready: Ready,
    address: SocketAddr,
    registry: Registry,
    services: Services,
    data: Data,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<io::Result<()>>,
}

impl std::fmt::Debug for Sandbox {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sandbox").field("ready", &self.ready).finish_non_exhaustive()
    }
}

impl Sandbox {
    /// Starts a sandbox, or takes up the one in the data folder again. It runs on the current runtime.
    pub async fn start(mut options: Options) -> Result<Self, SandboxError> {
        let address = options.listen;
        let listener = TcpListener::bind(address).await.map_err(|source| match source.kind() {
            io::ErrorKind::AddrInUse => SandboxError::PortTaken { address },
            _ => SandboxError::Listen { address, source },
        })?;
        let address = listener.local_addr().map_err(|source| SandboxError::Listen { address, source })?;
        let metrics = options.open_metrics.then(Metrics::default);
        if let Some(metrics) = &metrics {
            options.log = Some(metrics.counting(options.log.take()));
        }
        let opened = tokio::task::spawn_blocking(move || open(options, address));
        let Opened { data, registry, services, ready, log, tuf } =
            opened.await.map_err(|_| SandboxError::Interrupted)??;

        let (stop, stopped) = oneshot::channel();
        let mut sigstore = services.router().merge(tuf);
        if let Some(metrics) = metrics {
            sigstore = sigstore.merge(metrics.router(services.sizes()));
        }
        if let Some(log) = log {
            sigstore = log.around(sigstore);
        }
        let router = registry.router().merge(sigstore);
        let server = tokio::spawn(registry::serve(listener, router, async move {
            let _ = stopped.await;
        }));
        Ok(Self { ready, address, registry, services, data, stop: Some(stop), server })
    }

    /// Where everything is.
    pub fn ready(&self) -> &Ready {
        &self.ready
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The registry: how many requests came, and how many a fault has struck.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The data folder.
    pub fn data(&self) -> &Path {
        self.data.folder()
    }

    /// What an interrupted run had left unfinished in the logs, and this start cut off.
    pub fn repaired(&self) -> Vec<Cut> {
        self.services.cuts()
    }

    /// Hands out an identity token.
    pub fn token(&self, request: &TokenRequest) -> Result<Secret, TokenError> {
        self.services.token(request)
    }

    /// Hands out the identity token of a GitHub workflow run.
    pub fn github_token(&self, run: &GitHubRun) -> Result<Secret, TokenError> {
        self.token(&run.token_request())
    }

    /// Hands out the identity token of a GitLab job.
    pub fn gitlab_token(&self, job: &GitLabJob) -> Result<Secret, TokenError> {
        self.token(&job.token_request())
    }

    /// Ends it: takes no more requests, lets those under way finish, for five seconds at most.
    pub async fn stop(mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        let _ = (&mut self.server).await;
        self.services.close();
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.server.abort();
        // The logs go first, so that nobody finds the folder free while they are still written to.
        self.services.close();
    }
}

/// What is behind the listener.
struct Opened {
    data: Data,
    registry: Registry,
    services: Services,
    ready: Ready,
    log: Option<RequestLog>,
    tuf: axum::Router,
}

fn open(options: Options, address: SocketAddr) -> Result<Opened, SandboxError> {
    let data = Data::open(&options.data)?;
    let mut config = registry::Config::new(data.folder().join("registry"));
    config.no_referrers = options.no_referrers;
    config.read_only = options.read_only;
    config.auth = options.auth;
    config.anonymous_pull = options.anonymous_pull;
    config.challenge = options.challenge;
    config.faults = options.faults;
    config.clock = options.clock;
    config.log = options.log.as_ref().map(RequestLog::for_registry);
    let registry = Registry::open(config)?;
    let host = host(address.ip());
    let services = Services::open(&data.folder().join("sigstore"), host, address.port(), options.clock)?;
    let files = services.write_files(data.folder())?;
    let base = services.base.clone();
    let issuer = services.issuers.get(Shape::Any);
    let tuf = format!("{base}{}", crate::sigstore::TUF_PATH);
    let ready = Ready {
        registry: base.trim_start_matches("http://").to_owned(),
        issuer: issuer.url.clone(),
        fulcio: base.clone(),
        rekor: base.clone(),
        ctlog: base.clone(),
        tsa: base,
        token_url: format!("{}/token", issuer.url),
        trusted_root: files.trusted_root,
        signing_config: files.signing_config,
        trust_config: files.trust_config,
        tuf,
    };
    Ok(Opened { data, registry, services, ready, log: options.log, tuf: files.tuf.router() })
}

/// Removes from the registry in a data folder what no repository needs and nothing has touched for `age`; with
/// `dry_run` only says what that is. See [`Registry::collect`].
///
/// # Errors
///
/// No sandbox's data is there, a sandbox is using it, it is of a newer format, or the system refused a file.
pub fn collect(
    data: &Path,
    clock: Clock,
    age: std::time::Duration,
    dry_run: bool,
) -> Result<registry::Collected, SandboxError> {
    let data = Data::existing(data)?;
    let mut config = registry::Config::new(data.folder().join("registry"));
    config.clock = clock;
    let collected = Registry::open(config)?.collect(age, dry_run);
    Ok(collected.map_err(RegistryError::from)?)
}

/// The host that clients on this machine reach it by.
fn host(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(Ipv4Addr::UNSPECIFIED) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(Ipv6Addr::UNSPECIFIED) => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}
