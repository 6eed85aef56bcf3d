//! How often each service was asked, in the text format of OpenMetrics 1.0, for whoever wants to watch a sandbox.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

use crate::registry::RequestLine;
use crate::request_log::RequestLog;

/// Where the metrics are.
const PATH: &str = "/metrics";

/// Service, method and status.
type Kind = (&'static str, &'static str, u16);

/// The sizes of logs, by their names.
type Sizes = dyn Fn() -> Vec<(&'static str, u64)> + Send + Sync;

/// Counts requests.
#[derive(Debug, Clone, Default)]
pub(crate) struct Metrics(Arc<Mutex<BTreeMap<Kind, u64>>>);

impl Metrics {
    /// A log of requests that counts them, and hands them on.
    pub(crate) fn counting(&self, next: Option<RequestLog>) -> RequestLog {
        let metrics = self.clone();
        RequestLog::new(move |line| {
            metrics.count(line);
            if let Some(next) = &next {
                next.line(line);
            }
        })
    }

    fn count(&self, line: &RequestLine) {
        // Whatever clients send, there are only so many kinds.
        let method = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"];
        let method = method.into_iter().find(|known| *known == line.method).unwrap_or("other");
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *counts.entry((service(&line.path), method, line.status)).or_default() += 1;
    }

    fn text(&self, sizes: &Sizes) -> String {
        let mut text = "# TYPE loadline_sandbox_requests counter\n".to_owned();
        text.push_str("# HELP loadline_sandbox_requests Requests that were answered; status 0 was reset.\n");
        for ((service, method, status), count) in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter()
        {
            let labels = format!("service=\"{service}\",method=\"{method}\",status=\"{status}\"");
            let _ = writeln!(text, "loadline_sandbox_requests_total{{{labels}}} {count}");
        }
        text.push_str("# TYPE loadline_sandbox_log_entries gauge\n");
        text.push_str("# HELP loadline_sandbox_log_entries Entries in a transparency log.\n");
        for (log, size) in sizes() {
            let _ = writeln!(text, "loadline_sandbox_log_entries{{log=\"{log}\"}} {size}");
        }
        text.push_str("# EOF\n");
        text
    }

    /// The address that gives them.
    pub(crate) fn router(&self, sizes: Arc<Sizes>) -> Router {
        let metrics = self.clone();
        Router::new().route(
            PATH,
            get(move || async move {
                let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
                ([(header::CONTENT_TYPE, kind)], metrics.text(&*sizes)).into_response()
            }),
        )
    }
}

/// The service that a path belongs to.
fn service(path: &str) -> &'static str {
    let path = path.split('?').next().unwrap_or_default();
    let below =
        |prefix: &str| path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    match path {
        "/" => "tsa",
        "/token" => "registry",
        "/api/v2/signingCert" | "/api/v2/trustBundle" | "/api/v2/configuration" => "fulcio",
        _ if below("/v2") => "registry",
        _ if below("/oidc") => "issuer",
        _ if below("/ct/v1") => "ctlog",
        _ if below("/api/v2") => "rekor",
        _ if below("/api/v1/timestamp") => "tsa",
        _ if below("/tuf") => "tuf",
        _ => "other",
    }
}
