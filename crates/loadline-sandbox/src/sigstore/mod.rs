//! A private Sigstore: OIDC issuer, Fulcio, certificate transparency log, Rekor and time stamp authority.
//!
//! Signatures and proofs are real; what is not real is who may ask: the issuer gives any identity to anyone.
//! All services share one address. Their paths do not meet, and clients that join a path to a base address
//! do so in different ways, of which only a base without a path survives all.

mod authority;
mod certificate;
mod ct;
mod fulcio;
mod github;
mod gitlab;
mod issuer;
mod keys;
mod log;
mod pem;
mod public_key;
mod rekor;
mod status;
mod trust_root;
mod tsa;
mod tuf;

use std::fs;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use loadline_core::{Clock, Secret};

pub use authority::AuthorityError;
use authority::{Authority, Purpose};
pub use certificate::CertificateError;
use ct::CtLog;
use fulcio::Fulcio;
pub use github::GitHubRun;
pub use gitlab::GitLabJob;
use issuer::Issuers;
pub use issuer::{Shape, TokenError, TokenRequest};
pub use keys::KeyError;
use keys::SigningKey;
pub(crate) use keys::write_public;
pub use log::{Cut, JournalError, LogError};
use rekor::Rekor;
pub use rekor::RekorError;
use tsa::Tsa;
pub(crate) use tuf::PATH as TUF_PATH;
use tuf::Tuf;
pub use tuf::TufError;

/// The organisation in every certificate of the sandbox.
pub const ORGANISATION: &str = "loadline sandbox";

/// The largest request body that any of the services reads, in bytes: room for a statement of 16 MiB in
/// base64, which a `dsse` entry carries whole.
const BODY_LIMIT: usize = 24 << 20;

/// A private Sigstore that could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum SigstoreError {
    /// An authority's key or certificate.
    #[error(transparent)]
    Authority(#[from] AuthorityError),
    /// A service's key.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The certificate transparency log.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The transparency log.
    #[error(transparent)]
    Rekor(#[from] RekorError),
    /// The TUF repository.
    #[error(transparent)]
    Tuf(#[from] TufError),
    /// A folder or a file.
    #[error("{}: {source}", path.display())]
    File {
        /// The folder or file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// The services, open.
pub(crate) struct Services {
    /// The address of all of them, without a slash at its end.
    pub(crate) base: String,
    pub(crate) issuers: Arc<Issuers>,
    pub(crate) fulcio: Arc<Fulcio>,
    pub(crate) ct: Arc<CtLog>,
    pub(crate) rekor: Arc<Rekor>,
    pub(crate) tsa: Arc<Tsa>,
    folder: PathBuf,
    tuf_keys: tuf::Keys,
    clock: Clock,
}

/// The files that tell clients about the services.
pub(crate) struct Files {
    pub(crate) trusted_root: PathBuf,
    pub(crate) signing_config: PathBuf,
    pub(crate) trust_config: PathBuf,
    /// The same, for clients that fetch it.
    pub(crate) tuf: Arc<Tuf>,
}

impl Services {
    /// Opens what is in `folder`, makes what is not there yet, for services at `http://HOST:PORT`.
    ///
    /// The host is the log's origin too, so it should stay the same from start to start.
    pub(crate) fn open(folder: &Path, host: IpAddr, port: u16, clock: Clock) -> Result<Self, SigstoreError> {
        let keys = folder.join("keys");
        let file = |path: &Path| {
            let path = path.to_owned();
            move |source| SigstoreError::File { path, source }
        };
        fs::create_dir_all(&keys).map_err(file(&keys))?;
        let now = clock.now();
        let base = format!("http://{}", SocketAddr::from((host, port)));
        let key = |name: &str| SigningKey::open(&keys.join(format!("{name}.pk8")));

        let issuers = Arc::new(Issuers::new(&base, key, clock)?);
        let authority = Authority::open(&keys, Purpose::Fulcio, now)?;
        let ct = CtLog::open(&folder.join("ctlog"), key("ctlog")?, authority.root.clone(), clock)?;
        let ct = Arc::new(ct);
        let fulcio = Fulcio { authority, issuers: Arc::clone(&issuers), log: Arc::clone(&ct), clock };
        let rekor = Rekor::open(&folder.join("rekor"), key("rekor")?, host.to_string())?;
        let tsa = Tsa { authority: Authority::open(&keys, Purpose::TimeStamping, now)?, clock };
        let tuf_keys = tuf::Keys { root: key("tuf-root")?, online: key("tuf-online")? };
        Ok(Self {
            base,
            issuers,
            fulcio: Arc::new(fulcio),
            ct,
            rekor: Arc::new(rekor),
            tsa: Arc::new(tsa),
            folder: folder.to_owned(),
            tuf_keys,
            clock,
        })
    }

    /// All addresses of all services.
    pub(crate) fn router(&self) -> Router {
        self.issuers
            .router()
            .merge(self.fulcio.router())
            .merge(self.ct.router())
            .merge(self.rekor.router())
            .merge(self.tsa.router())
            .layer(DefaultBodyLimit::max(BODY_LIMIT))
    }

    /// Hands out a token.
    pub(crate) fn token(&self, request: &TokenRequest) -> Result<Secret, TokenError> {
        self.issuers.get(request.shape).token(request)
    }

    /// Writes the files that tell clients about the services into `folder`.
    pub(crate) fn write_files(&self, folder: &Path) -> Result<Files, SigstoreError> {
        let trusted_root = trust_root::trusted_root(self);
        let signing_config = trust_root::signing_config(self);
        let trust_config = trust_root::trust_config(&trusted_root, &signing_config);
        let text = |value: &serde_json::Value| format!("{value:#}\n").into_bytes();
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.join(name);
            match write_public(&path, bytes) {
                Ok(()) => Ok(path),
                Err(source) => Err(SigstoreError::File { path, source }),
            }
        };
        // The names that cosign, sigstore-python and sigstore-js ask for.
        let targets =
            [("trusted_root.json", text(&trusted_root)), ("signing_config.v0.2.json", text(&signing_config))];
        let tuf = Tuf::open(&self.folder.join("tuf"), &self.tuf_keys, &targets, self.clock.now())?;
        write("tuf_root.json", tuf.first_root())?;
        Ok(Files {
            trusted_root: write("trusted_root.json", &text(&trusted_root))?,
            signing_config: write("signing_config.json", &text(&signing_config))?,
            trust_config: write("trust_config.json", &text(&trust_config))?,
            tuf: Arc::new(tuf),
        })
    }

    /// What the logs had to cut off when they were opened.
    pub(crate) fn cuts(&self) -> Vec<Cut> {
        [&self.ct.log, &self.rekor.log].into_iter().filter_map(|log| log.cut.clone()).collect()
    }

    /// Says how many entries each log has.
    pub(crate) fn sizes(&self) -> Arc<dyn Fn() -> Vec<(&'static str, u64)> + Send + Sync> {
        let (ct, rekor) = (Arc::clone(&self.ct), Arc::clone(&self.rekor));
        Arc::new(move || vec![("ct", ct.log.head().0), ("rekor", rekor.log.head().0)])
    }

    /// Lets the logs finish, and closes them.
    pub(crate) fn close(&self) {
        self.ct.log.close();
        self.rekor.log.close();
    }
}
