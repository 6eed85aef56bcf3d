//! Asking the log itself whether it still includes an entry, and whether it is the log it was.
//!
//! A bundle's proof says what the log's tree was when the entry went in. A log that later forgets the entry,
//! or shows different trees to different readers, is caught by holding the proof against the log's tree of
//! now: the entry is in it, and the old tree is its beginning (RFC 6962, sections 2.1.1 and 2.1.2).

mod ask;
mod rekor_v1;
mod tiles;

use std::time::Duration;

use loadline_core::{Failure, Finding};
use sigstore_types::{Checkpoint, Sha256Hash, TransparencyLogEntry};
use thiserror::Error;

use crate::codes::{LOG_INCONSISTENT, LOG_UNREACHABLE};
use crate::trust::{TrustRoot, TrustRoots};
use crate::verify::{VerifyError, is_v2, read_bundle, signer_of};

/// Why a log does not bear an entry out.
#[derive(Debug, Error)]
pub enum OnlineError {
    /// The log could not be asked, or its answer could not be read: nothing is known.
    #[error("the log at {address} could not be asked: {reason}")]
    Unreachable {
        /// The address that was asked.
        address: String,
        /// Why.
        reason: String,
    },
    /// What the log shows now contradicts what it signed before.
    #[error("the log at {address} contradicts the bundle: {reason}")]
    Inconsistent {
        /// The log's address.
        address: String,
        /// How.
        reason: String,
    },
    /// The bundle has no entry to ask for, or names a log that no root knows.
    #[error("there is nothing to ask a log for: {reason}")]
    NoEntry {
        /// Why.
        reason: String,
    },
    /// It is no bundle.
    #[error(transparent)]
    Bundle(#[from] VerifyError),
}

impl OnlineError {
    /// What it comes to: a finding about the bundle, or a failure to find out.
    ///
    /// # Errors
    /// The failure, where the log could not be asked.
    pub fn judge(&self) -> Result<Finding, Failure> {
        match self {
            Self::Unreachable { .. } => Err(Failure::new(&LOG_UNREACHABLE, self.to_string())
                .help("run again when the log answers, or leave --log-online away")),
            Self::Inconsistent { .. } | Self::NoEntry { .. } => {
                Ok(Finding::error(&LOG_INCONSISTENT, format!("bundle refused: {self}")))
            }
            Self::Bundle(error) => Ok(error.finding()),
        }
    }
}

/// What a log showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Borne {
    /// How many entries its tree has now.
    pub tree_size: u64,
    /// Whether the tree of the bundle is the beginning of it; false where the bundle carries no tree, only the
    /// log's promise.
    pub consistent: bool,
}

/// How long one answer may take.
const TIME_LIMIT: Duration = Duration::from_secs(20);

/// Asks the log of a bundle that has verified whether it bears the entry out: by its current checkpoint, signed
/// by the log's key in the trust root, the proof that the entry is in that tree, and the proof that the
/// bundle's own tree is the beginning of it.
///
/// # Errors
/// [`OnlineError::Unreachable`] where the log did not say, all others are the bundle's or the log's fault.
pub async fn prove(
    bundle_json: &[u8],
    roots: &TrustRoots,
    client: &reqwest::Client,
) -> Result<Borne, OnlineError> {
    let bundle = read_bundle(bundle_json)?;
    let none = |reason: &str| OnlineError::NoEntry { reason: reason.to_owned() };
    let [entry] = bundle.verification_material.tlog_entries.as_slice() else {
        return Err(none("the bundle has no log entry, or several"));
    };
    let named = &entry.log_id.key_id;
    let found = roots.all().into_iter().find_map(|root| {
        let log = root.library().tlogs.iter().find(|log| log.log_id.key_id == *named)?;
        Some((root, log.base_url.trim_end_matches('/').to_owned()))
    });
    let (root, address) = found.ok_or_else(|| none("no trust root knows the log that the entry names"))?;
    let log = Log { address, root, client, id: named.to_string() };
    if is_v2(entry) { tiles::prove(&log, entry).await } else { rekor_v1::prove(&log, entry).await }
}

/// A log to be asked.
struct Log<'a> {
    address: String,
    root: &'a TrustRoot,
    client: &'a reqwest::Client,
    id: String,
}

impl Log<'_> {
    fn inconsistent(&self, reason: impl Into<String>) -> OnlineError {
        OnlineError::Inconsistent { address: self.address.clone(), reason: reason.into() }
    }

    fn unreachable(&self, reason: impl Into<String>) -> OnlineError {
        OnlineError::Unreachable { address: self.address.clone(), reason: reason.into() }
    }

    /// A checkpoint that this log's key signed.
    fn checkpoint(&self, text: &str) -> Result<Checkpoint, OnlineError> {
        let checkpoint = Checkpoint::from_text(text)
            .map_err(|error| self.unreachable(format!("its checkpoint cannot be read: {error}")))?;
        match signer_of(Some(&checkpoint), self.root) {
            Some(id) if id == self.id => Ok(checkpoint),
            _ => Err(self.inconsistent("its current checkpoint is not signed by its key in the trust root")),
        }
    }
}

/// The head that the bundle's proof ends in, where it has one.
fn old_head(entry: &TransparencyLogEntry) -> Option<(u64, Sha256Hash)> {
    let checkpoint = entry.inclusion_proof.as_ref()?.checkpoint.checkpoint()?;
    Some((checkpoint.tree_size(), *checkpoint.root_hash()))
}
