//! What the registry answers when it says no (distribution specification, "Error Codes").

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use axum::http::{Response, StatusCode};
use serde::Serialize;
use serde_json::{Value, json};

use super::store::StoreError;

/// The specification's error codes, and the two that docker's registry adds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub(super) enum Code {
    BlobUnknown,
    BlobUploadInvalid,
    BlobUploadUnknown,
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
    NameInvalid,
    NameUnknown,
    SizeInvalid,
    Unauthorized,
    Denied,
    Unsupported,
    #[serde(rename = "TOOMANYREQUESTS")]
    TooManyRequests,
    Unavailable,
    Unknown,
}

#[derive(Debug, Serialize)]
struct Entry {
    code: Code,
    message: String,
    #[serde(skip_serializing_if = "Value::is_null")]
    detail: Value,
}

/// A refusal: a status and the `errors` of its body.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    errors: Vec<Entry>,
    headers: Vec<(HeaderName, HeaderValue)>,
}

/// Why a request was refused, carried on the response so that the log can say it.
#[derive(Debug, Clone)]
pub(super) struct Reason(pub(super) String);

impl Refusal {
    pub(super) fn new(status: StatusCode, code: Code, message: impl Into<String>) -> Self {
        Self {
            status,
            errors: vec![Entry { code, message: message.into(), detail: Value::Null }],
            headers: Vec::new(),
        }
    }

    pub(super) fn bad(code: Code, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(super) fn missing(code: Code, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    /// Adds the machine-readable detail to the last error.
    pub(super) fn detail(mut self, detail: Value) -> Self {
        if let Some(entry) = self.errors.last_mut() {
            entry.detail = detail;
        }
        self
    }

    /// Adds another error of the same request.
    pub(super) fn and(mut self, other: Self) -> Self {
        self.errors.extend(other.errors);
        self
    }

    /// Adds a header; a value that is no header value is left out.
    pub(super) fn header(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }

    pub(super) fn into_response(self) -> Response<Body> {
        let reason = self.errors.iter().map(|entry| entry.message.as_str()).collect::<Vec<_>>().join("; ");
        let body = json!({ "errors": self.errors }).to_string();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = self.status;
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in self.headers {
            response.headers_mut().append(name, value);
        }
        response.extensions_mut().insert(Reason(reason));
        response
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        let full = matches!(
            error.source.kind(),
            std::io::ErrorKind::StorageFull
                | std::io::ErrorKind::QuotaExceeded
                | std::io::ErrorKind::FileTooLarge
        );
        let status = if full { StatusCode::INSUFFICIENT_STORAGE } else { StatusCode::INTERNAL_SERVER_ERROR };
        Self::new(status, Code::Unknown, error.to_string())
    }
}
