//! What every request has at hand.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use loadline_core::Clock;

use super::auth::Auth;
use super::faults::Faults;
use super::log::Log;
use super::store::Store;
use super::uploads::Uploads;

/// One registry, shared by all its requests.
#[derive(Debug)]
pub(super) struct State {
    pub(super) store: Arc<Store>,
    pub(super) uploads: Uploads,
    pub(super) auth: Option<Auth>,
    pub(super) faults: Faults,
    pub(super) log: Option<Log>,
    pub(super) no_referrers: bool,
    pub(super) read_only: bool,
    pub(super) clock: Clock,
    /// The most tags, repositories or referrers that one answer lists.
    pub(super) page: usize,
    pub(super) requests: AtomicU64,
}
