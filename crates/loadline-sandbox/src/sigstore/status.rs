//! Errors as the gRPC gateways of Fulcio and Rekor give them: `{"code","message","details"}`.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// A gRPC status, and what it becomes in HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Status {
    code: u8,
    http: StatusCode,
    message: String,
}

impl Status {
    /// 3, 400: the request cannot be right.
    pub(crate) fn invalid_argument(message: impl Into<String>) -> Self {
        Self { code: 3, http: StatusCode::BAD_REQUEST, message: message.into() }
    }

    /// 5, 404: it is not there.
    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self { code: 5, http: StatusCode::NOT_FOUND, message: message.into() }
    }

    /// 6, 409: it is there already.
    pub(crate) fn already_exists(message: impl Into<String>) -> Self {
        Self { code: 6, http: StatusCode::CONFLICT, message: message.into() }
    }

    /// 13, 500: our own fault.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self { code: 13, http: StatusCode::INTERNAL_SERVER_ERROR, message: message.into() }
    }
}

impl IntoResponse for Status {
    fn into_response(self) -> Response {
        let body = json!({"code": self.code, "message": self.message, "details": []});
        (self.http, Json(body)).into_response()
    }
}
