//! Headers that several answers share.

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, ETAG, HeaderName, HeaderValue, IF_NONE_MATCH};
use axum::http::{HeaderMap, Response, StatusCode};
use loadline_core::Digest;

/// The digest of the content that the answer is about.
pub(super) const DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");

/// An answer without a body.
pub(super) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    if status != StatusCode::NO_CONTENT {
        response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
    response
}

/// Sets a header; a value that is no header value is left out.
pub(super) fn set(response: &mut Response<Body>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// Names the content by its digest, twice: in docker's header, and as the entity tag.
pub(super) fn name_content(response: &mut Response<Body>, digest: &Digest) {
    set(response, DIGEST, &digest.to_string());
    set(response, ETAG, &format!("\"{digest}\""));
}

/// Whether the client has this content already (`If-None-Match`).
pub(super) fn has_it(headers: &HeaderMap, digest: &Digest) -> bool {
    lists(headers, &IF_NONE_MATCH, digest)
}

/// Whether a header of entity tags names this digest, or `*`.
pub(super) fn lists(headers: &HeaderMap, header: &HeaderName, digest: &Digest) -> bool {
    let digest = digest.to_string();
    headers.get_all(header).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        value
            .split(',')
            .map(str::trim)
            .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"') == digest)
    })
}
