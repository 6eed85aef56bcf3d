//! What a broken connection was: refused, unresolved, untrusted or cut.

use std::error::Error;
use std::io;
use std::time::Duration;

use crate::error::{ConnectionProblem, RegistryErrorKind};

/// Tells the HTTP client's errors apart. Its own text may hold an address with a token in it: the address is
/// left out.
pub(crate) fn classify(error: reqwest::Error, limit: Duration) -> RegistryErrorKind {
    let error = error.without_url();
    if error.is_timeout() {
        return RegistryErrorKind::TimedOut { limit };
    }
    let problem = problem(&error);
    RegistryErrorKind::Connection { problem, message: innermost(&error) }
}

fn problem(error: &reqwest::Error) -> ConnectionProblem {
    if error.is_redirect() {
        return ConnectionProblem::Redirect;
    }
    if error.is_dns() {
        return ConnectionProblem::Dns;
    }
    let mut found = if error.is_connect() { ConnectionProblem::Other } else { ConnectionProblem::Reset };
    for error in chain(error) {
        if error.is::<rustls::Error>() {
            return ConnectionProblem::Tls;
        }
        match error.downcast_ref::<io::Error>().map(io::Error::kind) {
            Some(io::ErrorKind::ConnectionRefused) => found = ConnectionProblem::Refused,
            Some(
                io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::UnexpectedEof,
            ) => found = ConnectionProblem::Reset,
            _ => {}
        }
    }
    found
}

type AnyError = dyn Error + 'static;

/// An error and all that is behind it.
fn chain(error: &AnyError) -> impl Iterator<Item = &AnyError> {
    std::iter::successors(Some(error), |error| behind(*error))
}

/// What an `io::Error` wraps is not its source but its inside.
fn behind(error: &AnyError) -> Option<&AnyError> {
    match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
        Some(inside) => Some(inside as &AnyError),
        None => error.source(),
    }
}

fn innermost(error: &reqwest::Error) -> String {
    chain(error).last().map(ToString::to_string).unwrap_or_default()
}
