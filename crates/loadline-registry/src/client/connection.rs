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
    let mut source: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = source {
        if error.is::<rustls::Error>() {
            return ConnectionProblem::Tls;
        }
        if let Some(error) = error.downcast_ref::<io::Error>() {
            if error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) {
                return ConnectionProblem::Tls;
            }
            match error.kind() {
                io::ErrorKind::ConnectionRefused => found = ConnectionProblem::Refused,
                io::ErrorKind::ConnectionReset
                | io::ErrorKind::ConnectionAborted
                | io::ErrorKind::BrokenPipe
                | io::ErrorKind::UnexpectedEof => found = ConnectionProblem::Reset,
                _ => {}
            }
        }
        source = error.source();
    }
    found
}

fn innermost(error: &reqwest::Error) -> String {
    let mut message = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        message = error.to_string();
        source = error.source();
    }
    message
}
