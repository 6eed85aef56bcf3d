//! The certificate transparency log: RFC 6962, over HTTP and for our own Fulcio.

mod http;
pub(crate) mod wire;

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use const_oid::ObjectIdentifier;
use loadline_core::Clock;

use super::keys::{KeyError, SigningKey, sha256};
use super::log::{Hash, Kind, Log, LogError};
use wire::{Signed, TooLong};

/// Marks a precertificate, RFC 6962 section 3.1.
pub(crate) const POISON: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.11129.2.4.3");

/// A certificate that did not get its timestamp.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CtError {
    /// The log failed.
    #[error(transparent)]
    Log(#[from] LogError),
    /// The timestamp could not be signed.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The certificate does not fit into a log entry.
    #[error(transparent)]
    TooLong(#[from] TooLong),
    /// The log's own entry cannot be read back.
    #[error("the log's entry {index} cannot be read back")]
    Unreadable {
        /// Which.
        index: u64,
    },
}

/// A promise of the log: the parts of a `SignedCertificateTimestamp`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Timestamp {
    /// Milliseconds since 1970.
    pub(crate) milliseconds: u64,
    /// ECDSA in ASN.1.
    pub(crate) signature: Vec<u8>,
}

/// The log.
pub(crate) struct CtLog {
    pub(crate) key: Arc<SigningKey>,
    pub(crate) log: Log,
    clock: Clock,
    /// The root that our own Fulcio's certificates end in, for `get-roots`.
    root: Vec<u8>,
}

impl CtLog {
    pub(crate) fn open(
        folder: &Path,
        key: SigningKey,
        root: Vec<u8>,
        clock: Clock,
    ) -> Result<Self, LogError> {
        // The same certificate again is the same entry, whatever the time.
        let kind = Kind {
            key: |leaf| sha256(leaf.get(10..).unwrap_or_default()),
            seal: Box::new(|_, _| Ok(String::new())),
        };
        Ok(Self { key: Arc::new(key), log: Log::open(folder, kind)?, clock, root })
    }

    /// Logs it, and gives the timestamp to embed. What is logged already gets its old time again.
    pub(crate) async fn add(
        &self,
        signed: &Signed,
        submitted: Option<&[u8]>,
        chain: &[Vec<u8>],
    ) -> Result<Timestamp, CtError> {
        let now = u64::try_from(self.clock.now().as_millisecond()).unwrap_or(0);
        let leaf = wire::leaf(now, signed)?;
        let extra = wire::extra_data(submitted, chain)?;
        let milliseconds = match self.log.append(leaf, extra).await {
            Ok(_) => now,
            Err(LogError::Duplicate { index }) => self.time_of(index)?,
            Err(error) => return Err(error.into()),
        };
        let signature = self.key.sign(&wire::signature_input(milliseconds, signed)?)?;
        Ok(Timestamp { milliseconds, signature })
    }

    /// The extension value that carries a timestamp: a `SignedCertificateTimestampList`.
    pub(crate) fn list(&self, timestamp: &Timestamp) -> Result<Vec<u8>, TooLong> {
        wire::timestamp_list(&self.key.id(), timestamp.milliseconds, &timestamp.signature)
    }

    fn time_of(&self, index: u64) -> Result<u64, CtError> {
        let unreadable = CtError::Unreadable { index };
        match self.log.entries(index, 1) {
            Some(Ok(entries)) => {
                let leaf = entries.first().and_then(|record| wire::parse_leaf(&record.leaf));
                leaf.map(|(time, _)| time).ok_or(unreadable)
            }
            _ => Err(unreadable),
        }
    }

    /// The log's addresses, `/ct/v1/…`.
    pub(crate) fn router(self: &Arc<Self>) -> Router {
        http::router(Arc::clone(self))
    }

    fn head(&self) -> (u64, Hash) {
        let (size, root, _) = self.log.head();
        (size, root)
    }
}
