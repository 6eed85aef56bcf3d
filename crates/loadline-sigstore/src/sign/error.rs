//! Why something was not signed: which service, at which address, and what it said.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use loadline_core::{Code, Failure};
use thiserror::Error;
use url::Url;

use crate::codes::*;
use crate::sign::{Signer, reach};

/// A service that signing needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Service {
    /// Hands out identity tokens.
    Issuer,
    /// Issues certificates.
    Fulcio,
    /// Logs signatures.
    Rekor,
    /// Signs times (RFC 3161).
    Tsa,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Issuer => "the token issuer",
            Self::Fulcio => "Fulcio",
            Self::Rekor => "Rekor",
            Self::Tsa => "the timestamp authority",
        })
    }
}

/// Why something was not signed.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SignError {
    /// The services do not fit together, or are not named.
    #[error("the signing configuration cannot be used: {reason}")]
    Config {
        /// What is wrong.
        reason: String,
    },
    /// What is to be signed is no statement.
    #[error("not signed, it is no in-toto statement: {reason}")]
    Statement {
        /// What is wrong.
        reason: String,
    },
    /// What is to be signed is too large for a bundle that can be verified.
    #[error("not signed, it has {size} bytes and a bundle has room for {limit}: make the predicate smaller")]
    TooLarge {
        /// Its size, in bytes.
        size: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// There is no usable token.
    #[error("no identity token from {origin}: {reason}")]
    Token {
        /// Where it was to come from.
        origin: String,
        /// What is wrong.
        reason: String,
    },
    /// The token has expired.
    #[error("the identity token from {origin} expired at {at}: give a fresh one")]
    TokenExpired {
        /// Where it came from.
        origin: String,
        /// When it expired.
        at: Timestamp,
    },
    /// The key cannot be used.
    #[error("the signing key cannot be used: {reason}")]
    Key {
        /// What is wrong.
        reason: String,
    },
    /// A service could not be reached.
    #[error("{service} at {address} could not be reached: {reason}")]
    Unreachable {
        /// The service.
        service: Service,
        /// Its address.
        address: String,
        /// Why.
        reason: String,
    },
    /// A service refused.
    #[error("{service} at {address} refused with HTTP {status}: {reason}")]
    Refused {
        /// The service.
        service: Service,
        /// Its address.
        address: String,
        /// The HTTP status.
        status: u16,
        /// What it said.
        reason: String,
    },
    /// A service did not answer in time.
    #[error("{service} at {address} did not answer within {} s", after.as_secs())]
    Timeout {
        /// The service.
        service: Service,
        /// Its address.
        address: String,
        /// The time limit.
        after: Duration,
    },
    /// A service answered with something that makes no sense.
    #[error("{service} at {address} answered with something that makes no sense: {reason}")]
    Answer {
        /// The service.
        service: Service,
        /// Its address.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The signature could not be made.
    #[error("the signature could not be made: {reason}")]
    Crypto {
        /// Why.
        reason: String,
    },
}

impl SignError {
    /// The documented code.
    pub const fn code(&self) -> &'static Code {
        match self {
            Self::Config { .. } => &SIGNING_CONFIG,
            Self::Statement { .. } => &STATEMENT_MALFORMED,
            Self::TooLarge { .. } => &BUNDLE_TOO_LARGE,
            Self::Token { .. } | Self::TokenExpired { .. } => &SIGNING_TOKEN,
            Self::Key { .. } | Self::Crypto { .. } => &SIGNING_KEY,
            Self::Unreachable { .. } => &SIGNING_UNREACHABLE,
            Self::Refused { .. } => &SIGNING_REFUSED,
            Self::Timeout { .. } => &SIGNING_TIMEOUT,
            Self::Answer { .. } => &SIGNING_ANSWER,
        }
    }

    /// Whether trying again later may help: services that are down, slow, or busy. TLS certificates do
    /// not mend themselves, and neither do refusals.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { reason, .. } => !reason.starts_with(reach::TLS),
            Self::Timeout { .. } => true,
            Self::Refused { status, .. } => matches!(status, 408 | 425 | 429 | 500..=599),
            _ => false,
        }
    }

    /// The failure that it is.
    pub fn failure(&self) -> Failure {
        Failure::new(self.code(), self.to_string())
    }

    pub(crate) fn crypto(error: sigstore_crypto::Error) -> Self {
        Self::Crypto { reason: error.to_string() }
    }

    pub(crate) fn key_in_rekor_v1() -> Self {
        Self::Config {
            reason:
                "Rekor v1 logs certificates only: name a Rekor v2 log, or a timestamp authority and no log"
                    .to_owned(),
        }
    }
}

/// An address for people: without credentials.
pub(crate) fn shown(address: &str) -> String {
    match Url::parse(address) {
        Ok(mut url) => {
            let _ = url.set_username("");
            let _ = url.set_password(None);
            url.set_query(None);
            url.to_string()
        }
        Err(_) => "an address that is no URL".to_owned(),
    }
}

/// A service's words, no more than fit a line.
pub(crate) fn said(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(300) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

impl Signer {
    pub(crate) async fn fulcio_error(&self, address: &str, error: sigstore_sign::fulcio::Error) -> SignError {
        use sigstore_sign::fulcio::Error;
        match error {
            Error::Http(reason) => self.unreachable(Service::Fulcio, address, &reason).await,
            Error::Status { status, message } => refused(Service::Fulcio, address, status, &message),
            Error::Signing(reason) => SignError::Crypto { reason },
            other => answer(Service::Fulcio, address, &other.to_string()),
        }
    }

    pub(crate) async fn rekor_error(&self, address: &str, error: sigstore_rekor::Error) -> SignError {
        use sigstore_rekor::Error;
        match error {
            Error::Http(reason) => self.unreachable(Service::Rekor, address, &reason).await,
            Error::Status { status, message } => refused(Service::Rekor, address, status, &message),
            other => answer(Service::Rekor, address, &other.to_string()),
        }
    }

    pub(crate) async fn tsa_error(&self, address: &str, error: sigstore_tsa::Error) -> SignError {
        let sigstore_tsa::Error::Http(reason) = error else {
            return answer(Service::Tsa, address, &error.to_string());
        };
        // The library keeps the status in its message only.
        let status = reason
            .strip_prefix("TSA returned status ")
            .and_then(|rest| rest.split(' ').next()?.parse::<u16>().ok());
        match status {
            Some(status) => refused(Service::Tsa, address, status, &reason),
            None => self.unreachable(Service::Tsa, address, &reason).await,
        }
    }

    /// The library keeps of a transport error its words only: asks the address once more to tell a name
    /// that does not resolve, a refused connection and a bad TLS certificate apart.
    async fn unreachable(&self, service: Service, address: &str, words: &str) -> SignError {
        let reason = reach::ask(&self.http, address).await.unwrap_or_else(|| said(words));
        SignError::Unreachable { service, address: shown(address), reason }
    }
}

fn refused(service: Service, address: &str, status: u16, message: &str) -> SignError {
    SignError::Refused { service, address: shown(address), status, reason: said(message) }
}

fn answer(service: Service, address: &str, reason: &str) -> SignError {
    SignError::Answer { service, address: shown(address), reason: said(reason) }
}
