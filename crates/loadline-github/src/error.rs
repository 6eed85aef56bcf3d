//! Why GitHub did not do what was asked.

use std::error::Error;
use std::io;
use std::time::Duration;

use loadline_core::{Code, Failure};
use thiserror::Error;

use crate::codes::*;

/// Why a connection could not be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectionProblem {
    /// The name does not resolve.
    Dns,
    /// Nothing listens there.
    Refused,
    /// The certificate is not accepted. Trying again does not mend it.
    Tls,
    /// It broke.
    Broken,
}

impl ConnectionProblem {
    const fn words(self) -> &'static str {
        match self {
            Self::Dns => "its name does not resolve",
            Self::Refused => "it refuses connections",
            Self::Tls => "its TLS certificate is not accepted",
            Self::Broken => "the connection broke",
        }
    }
}

/// Why GitHub did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("cannot {asked} at {address}: {kind}")]
pub struct GitHubError {
    /// What was asked, in words: `list the attestations of sha256:…`.
    pub asked: String,
    /// The API's address.
    pub address: String,
    /// Why.
    pub kind: GitHubErrorKind,
}

/// Why, by kind.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum GitHubErrorKind {
    /// There was no connection.
    #[error("{}{}", problem.words(), parenthesis(detail))]
    Connection {
        /// What kind of trouble.
        problem: ConnectionProblem,
        /// What the system said.
        detail: String,
    },
    /// No answer in time.
    #[error("no whole answer within {} s", limit.as_secs())]
    TimedOut {
        /// The time limit.
        limit: Duration,
    },
    /// 401, or 403 for want of a permission.
    #[error("HTTP {status}, {said}{}", missing(permission))]
    Permission {
        /// The status.
        status: u16,
        /// What GitHub said.
        said: String,
        /// The permission that would help, as workflows write it.
        permission: Option<&'static str>,
    },
    /// 404.
    #[error("HTTP 404: there is no such repository, or it is not shown to this token")]
    NotFound,
    /// 429, or 403 with the limit used up.
    #[error("HTTP {status}, too many requests{}", after(retry_after))]
    RateLimited {
        /// The status.
        status: u16,
        /// How long to wait, where GitHub says so.
        retry_after: Option<Duration>,
    },
    /// Another refusal.
    #[error("HTTP {status}: {said}")]
    Refused {
        /// The status.
        status: u16,
        /// What GitHub said.
        said: String,
    },
    /// An answer over its size limit.
    #[error("{what} has more than {limit} bytes")]
    TooLarge {
        /// What.
        what: &'static str,
        /// The limit, in bytes.
        limit: usize,
    },
    /// An answer that makes no sense.
    #[error("its answer makes no sense: {reason}")]
    Answer {
        /// What is wrong with it.
        reason: String,
    },
}

fn parenthesis(detail: &str) -> String {
    if detail.is_empty() { String::new() } else { format!(" ({detail})") }
}

fn missing(permission: &Option<&'static str>) -> String {
    permission.map(|name| format!("; the job needs `permissions: {name}`")).unwrap_or_default()
}

fn after(wait: &Option<Duration>) -> String {
    wait.map(|wait| format!("; come back in {} s", wait.as_secs())).unwrap_or_default()
}

impl GitHubError {
    /// The documented code.
    pub const fn code(&self) -> &'static Code {
        match self.kind {
            GitHubErrorKind::Connection { .. } | GitHubErrorKind::TimedOut { .. } => &GITHUB_UNREACHABLE,
            GitHubErrorKind::Permission { .. } => &GITHUB_PERMISSION,
            GitHubErrorKind::NotFound => &GITHUB_NOT_FOUND,
            GitHubErrorKind::RateLimited { .. } => &GITHUB_RATE_LIMITED,
            GitHubErrorKind::Refused { status, .. } if status >= 500 => &GITHUB_UNREACHABLE,
            GitHubErrorKind::Refused { .. } => &GITHUB_REFUSED,
            GitHubErrorKind::TooLarge { .. } | GitHubErrorKind::Answer { .. } => &GITHUB_ANSWER,
        }
    }

    /// Whether trying again later may help.
    pub const fn is_transient(&self) -> bool {
        match self.kind {
            GitHubErrorKind::Connection { problem, .. } => !matches!(problem, ConnectionProblem::Tls),
            GitHubErrorKind::TimedOut { .. } | GitHubErrorKind::RateLimited { .. } => true,
            GitHubErrorKind::Refused { status, .. } => matches!(status, 408 | 425 | 500..=599),
            _ => false,
        }
    }

    /// How long GitHub asks to be left alone.
    pub const fn retry_after(&self) -> Option<Duration> {
        match self.kind {
            GitHubErrorKind::RateLimited { retry_after, .. } => retry_after,
            _ => None,
        }
    }

    /// Whether a permission is missing.
    pub const fn is_permission(&self) -> bool {
        matches!(self.kind, GitHubErrorKind::Permission { .. })
    }

    /// The failure that it is.
    pub fn failure(&self) -> Failure {
        Failure::new(self.code(), self.to_string())
    }
}

/// Tells transport errors apart. Their own words may hold addresses with credentials: left out.
pub(crate) fn classify(error: &(dyn Error + 'static), limit: Duration) -> GitHubErrorKind {
    let mut problem = ConnectionProblem::Broken;
    let mut last = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(error) = error.downcast_ref::<reqwest::Error>() {
            if error.is_timeout() {
                return GitHubErrorKind::TimedOut { limit };
            }
            if error.is_dns() {
                problem = ConnectionProblem::Dns;
            }
        }
        if error.downcast_ref::<io::Error>().map(io::Error::kind) == Some(io::ErrorKind::ConnectionRefused) {
            problem = ConnectionProblem::Refused;
        }
        last = error.to_string();
        if last.to_lowercase().contains("certificate") {
            problem = ConnectionProblem::Tls;
        }
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inside) => Some(inside),
            None => error.source(),
        };
    }
    let detail = if last.contains("://") { String::new() } else { said(&last) };
    GitHubErrorKind::Connection { problem, detail }
}

/// Words from outside, no more than fit a line.
pub(crate) fn said(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().filter(|c| !c.is_control()).take(300).collect()
}
