//! One line for each request that the Sigstore services answer; the registry writes its own.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::body::HttpBody;
use axum::extract::Request;
use axum::middleware::{self, Next};
use axum::response::Response;

use crate::registry::{self, RequestLine};

/// Takes a line for every request; called from the request's task, so it must not wait.
#[derive(Clone)]
pub struct RequestLog(Arc<dyn Fn(&RequestLine) + Send + Sync>);

impl RequestLog {
    /// A log that calls this for every request.
    pub fn new(hook: impl Fn(&RequestLine) + Send + Sync + 'static) -> Self {
        Self(Arc::new(hook))
    }

    /// Hands it a line.
    pub(crate) fn line(&self, line: &RequestLine) {
        (self.0)(line);
    }

    /// The same log, for the registry.
    pub(crate) fn for_registry(&self) -> registry::Log {
        let hook = Arc::clone(&self.0);
        registry::Log::new(move |line| hook(line))
    }

    /// The router, with a line for each of its requests.
    pub(crate) fn around(&self, router: Router) -> Router {
        let hook = Arc::clone(&self.0);
        router.layer(middleware::from_fn(move |request, next| answer(Arc::clone(&hook), request, next)))
    }
}

impl fmt::Debug for RequestLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequestLog")
    }
}

async fn answer(hook: Arc<dyn Fn(&RequestLine) + Send + Sync>, request: Request, next: Next) -> Response {
    let method = request.method().to_string();
    let path = request.uri().path_and_query().map(ToString::to_string).unwrap_or_default();
    let began = Instant::now();
    let response = next.run(request).await;
    hook(&RequestLine {
        method,
        path,
        status: response.status().as_u16(),
        bytes: response.body().size_hint().exact(),
        took: began.elapsed(),
        reason: None,
        fault: None,
    });
    response
}
