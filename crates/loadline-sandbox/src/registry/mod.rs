//! An embedded OCI registry (distribution specification 1.1), on disk, that a kill at any moment does
//! not hurt.
//!
//! It is as strict as the specification lets it be, because tests that pass against a lenient registry
//! prove little: manifests are checked, what they speak of must be there, digests are compared on the
//! way in and on the way out. [`Faults`] make it as bad as real registries are at times.

mod auth;
mod blobs;
mod catalog;
mod dispatch;
mod errors;
mod faults;
mod gc;
mod inject;
mod log;
mod manifests;
mod names;
mod push;
mod query;
mod ranges;
mod referrers;
mod respond;
mod serve;
mod state;
mod store;
mod tags;
mod uploads;
mod validate;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::any;
use loadline_core::{Clock, Secret};
use thiserror::Error;

pub use auth::Challenge;
pub use faults::{FaultError, Faults};
pub use gc::Collected;
pub use log::{Log, RequestLine};
pub use manifests::MAX_MANIFEST;
pub use serve::{Connection, serve};
pub use store::StoreError;

use errors::Refusal;

/// How a registry behaves. [`Config::new`] gives one that is open to everyone and has no fault.
#[derive(Debug, Clone)]
pub struct Config {
    /// Where everything lies; made when it is not there.
    pub data: PathBuf,
    /// Answers as registries do that have no referrers API: 404, and no `OCI-Subject`.
    pub no_referrers: bool,
    /// The one user, where authentication is wanted.
    pub auth: Option<(String, Secret)>,
    /// Whether everyone may pull, where authentication is wanted.
    pub anonymous_pull: bool,
    /// What a client without credentials is told.
    pub challenge: Challenge,
    /// Refuses whatever changes something (405).
    pub read_only: bool,
    /// What goes wrong, for tests.
    pub faults: Faults,
    /// Says when tokens end and what is old.
    pub clock: Clock,
    /// The largest blob that is taken, in bytes.
    pub max_blob: u64,
    /// The most tags, repositories or referrers in one answer.
    pub page: usize,
    /// Takes one line a request.
    pub log: Option<Log>,
}

impl Config {
    /// A registry in this folder, open to everyone, by the machine's clock.
    pub fn new(data: impl Into<PathBuf>) -> Self {
        Self {
            data: data.into(),
            no_referrers: false,
            auth: None,
            anonymous_pull: false,
            challenge: Challenge::default(),
            read_only: false,
            faults: Faults::default(),
            clock: Clock::System,
            max_blob: 64 << 30,
            page: 1000,
            log: None,
        }
    }
}

/// Why a registry cannot be opened.
#[derive(Debug, Error)]
pub enum RegistryError {
    /// A later version wrote the folder.
    #[error(
        "{path} says format {found}, but this version reads {known}: use a newer loadline, or another folder"
    )]
    NewerFormat {
        /// The file that says it.
        path: PathBuf,
        /// The format found.
        found: u32,
        /// The newest format known.
        known: u32,
    },
    /// The file that names the format names none.
    #[error("{path} names no registry format, but `{text}`: use another folder")]
    Format {
        /// The file.
        path: PathBuf,
        /// What it says.
        text: String,
    },
    /// The folder holds something else.
    #[error("{path} is not empty and no registry (it has `{entry}`): use another folder")]
    Foreign {
        /// The folder.
        path: PathBuf,
        /// Something in it.
        entry: String,
    },
    /// Another process serves the folder.
    #[error("{path} is served by another process: end it first, or use another folder")]
    InUse {
        /// The folder.
        path: PathBuf,
    },
    /// The system refused a file.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A registry. Clones are the same one; the folder is free again when the last one, and the last
/// router, is gone.
#[derive(Debug, Clone)]
pub struct Registry {
    state: Arc<state::State>,
}

impl Registry {
    /// Opens the registry in a folder, or makes one there.
    ///
    /// # Errors
    ///
    /// See [`RegistryError`]; nothing in the folder has been changed then.
    pub fn open(config: Config) -> Result<Self, RegistryError> {
        let store = Arc::new(store::Store::open(&config.data)?);
        let auth = config
            .auth
            .map(|(user, password)| auth::Auth::new(user, password, config.clock, config.challenge))
            .map(|auth| auth.map(|auth| auth.open_to_pulls(config.anonymous_pull)))
            .transpose()
            .map_err(|source| StoreError { action: "make a key for", path: config.data, source })?;
        let state = state::State {
            uploads: uploads::Uploads::new(Arc::clone(&store), config.max_blob),
            store,
            auth,
            faults: config.faults,
            log: config.log,
            no_referrers: config.no_referrers,
            read_only: config.read_only,
            clock: config.clock,
            page: config.page.max(1),
            requests: AtomicU64::new(0),
        };
        Ok(Self { state: Arc::new(state) })
    }

    /// The registry's routes: `/v2/` and, for its tokens, `/token`. Serve them with [`serve()`].
    pub fn router(&self) -> Router {
        Router::new()
            .route("/v2", any(dispatch::answer))
            .route("/v2/", any(dispatch::answer))
            .route("/v2/{*path}", any(dispatch::answer))
            .route("/token", any(dispatch::answer))
            .with_state(Arc::clone(&self.state))
    }

    /// How many requests have come so far.
    pub fn requests(&self) -> u64 {
        self.state.requests.load(Ordering::Relaxed)
    }

    /// Removes what no repository needs and nothing has touched for `age`: blobs that no manifest of their
    /// repository speaks of, content that no repository has, uploads that nobody goes on with. With
    /// `dry_run` it only says what that is. Writers wait meanwhile; an `age` of an hour spares what a push
    /// that is under way has sent already.
    ///
    /// # Errors
    ///
    /// The first file that the system refused; what was collected before it stays collected.
    pub fn collect(&self, age: Duration, dry_run: bool) -> Result<Collected, StoreError> {
        gc::collect(&self.state.store, self.state.clock, age, dry_run)
    }

    /// How many requests a fault has struck so far.
    pub fn faults_struck(&self) -> u64 {
        self.state.faults.struck()
    }
}

/// Does the disk's work where it holds up nobody.
async fn blocking<T, E>(work: impl FnOnce() -> Result<T, E> + Send + 'static) -> Result<T, Refusal>
where
    T: Send + 'static,
    E: Into<Refusal> + Send + 'static,
{
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(Into::into),
        Err(error) => Err(Refusal::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            errors::Code::Unknown,
            format!("the registry failed within: {error}"),
        )),
    }
}
