//! How a fault strikes an answer, or a body on its way in.

use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, LOCATION, RETRY_AFTER};
use axum::http::{HeaderMap, Response, StatusCode};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use loadline_core::Digest;

use super::errors::{Code, Refusal};
use super::respond::{DIGEST, set};
use super::serve::Connection;

/// Long enough for the first half to leave before the reset throws away what is still queued.
const HALF_WAY: Duration = Duration::from_millis(30);

/// A status in place of an answer.
pub(super) fn status(status: u16, retry_after: Option<&str>) -> Response<Body> {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let code = match status {
        StatusCode::TOO_MANY_REQUESTS => Code::TooManyRequests,
        StatusCode::UNAUTHORIZED => Code::Unauthorized,
        StatusCode::FORBIDDEN => Code::Denied,
        StatusCode::SERVICE_UNAVAILABLE | StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => {
            Code::Unavailable
        }
        _ => Code::Unknown,
    };
    let mut refusal = Refusal::new(status, code, "this fault was asked for");
    if let Some(value) = retry_after {
        refusal = refusal.header(RETRY_AFTER, value);
    }
    refusal.into_response()
}

/// The client is sent elsewhere.
pub(super) fn redirect(to: &str) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::TEMPORARY_REDIRECT;
    if let Ok(value) = HeaderValue::from_str(to) {
        response.headers_mut().insert(LOCATION, value);
    }
    response
}

/// An answer with the head that was meant for it, and a body that goes on for as long as somebody reads.
pub(super) fn endless(response: Response<Body>) -> Response<Body> {
    let (mut parts, _) = response.into_parts();
    parts.headers.remove(CONTENT_LENGTH);
    let spaces = Bytes::from(vec![b' '; 64 << 10]);
    let body = stream::repeat_with(move || Ok::<_, io::Error>(spaces.clone()));
    Response::from_parts(parts, Body::from_stream(body))
}

/// A request's body that breaks off half way.
pub(super) fn half_of_request(headers: &HeaderMap, body: Body) -> Body {
    let declared = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    // Without a length, the first piece is all that comes.
    let half = declared.map_or(1, |len| len / 2);
    Body::from_stream(half_of(body, half, None))
}

/// An answer whose body breaks off half way: reset where there is a connection to reset, else closed.
pub(super) fn half_of_answer(response: Response<Body>, reset: Option<Connection>) -> Response<Body> {
    let (parts, body) = response.into_parts();
    let len = parts.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let len = len.or_else(|| axum::body::HttpBody::size_hint(&body).exact()).unwrap_or(2);
    let mut response = Response::from_parts(parts, Body::from_stream(half_of(body, len / 2, reset)));
    // Said in full, so that the client can tell that the rest is missing.
    response.headers_mut().insert(CONTENT_LENGTH, len.max(1).into());
    response
}

/// No answer: the connection is reset.
pub(super) fn no_answer(connection: Option<Connection>) -> Response<Body> {
    if let Some(connection) = connection {
        connection.reset();
    }
    let broken = stream::once(async { Err::<Bytes, _>(io::Error::from(io::ErrorKind::ConnectionReset)) });
    Response::new(Body::from_stream(broken))
}

fn half_of(
    body: Body,
    half: u64,
    reset: Option<Connection>,
) -> impl futures_util::Stream<Item = io::Result<Bytes>> {
    stream::unfold((body.into_data_stream(), half, reset), |(mut body, left, reset)| async move {
        if left > 0
            && let Some(Ok(mut piece)) = body.next().await
        {
            piece.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            let left = left - piece.len() as u64;
            return Some((Ok(piece), (body, left, reset)));
        }
        tokio::time::sleep(HALF_WAY).await;
        if let Some(connection) = &reset {
            connection.reset();
        }
        Some((Err(io::Error::from(io::ErrorKind::ConnectionReset)), (body, 0, reset)))
    })
}

/// An answer whose content is not what its digest says. JSON stays JSON, so that only a client that
/// compares digests notices.
pub(super) fn falsified(response: Response<Body>, head: bool) -> Response<Body> {
    let (mut parts, body) = response.into_parts();
    let len = parts.headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let len = len.or_else(|| axum::body::HttpBody::size_hint(&body).exact());
    if head || len == Some(0) || !parts.status.is_success() {
        let mut response = Response::from_parts(parts, body);
        if response.headers().contains_key(DIGEST) {
            set(&mut response, DIGEST, &Digest::of(b"another content").to_string());
        }
        return response;
    }
    let json = parts
        .headers
        .get(CONTENT_TYPE)
        .is_some_and(|value: &HeaderValue| value.to_str().is_ok_and(|text| text.contains("json")));
    if json {
        if let Some(len) = len {
            parts.headers.insert(CONTENT_LENGTH, (len + 1).into());
        }
        let more = stream::once(async { Ok::<_, axum::Error>(Bytes::from_static(b"\n")) });
        return Response::from_parts(parts, Body::from_stream(body.into_data_stream().chain(more)));
    }
    if let Some(len) = len {
        parts.headers.insert(CONTENT_LENGTH, len.into());
    }
    let changed = body.into_data_stream().enumerate().map(|(index, piece)| match piece {
        Ok(piece) if index == 0 && !piece.is_empty() => {
            let mut bytes = piece.to_vec();
            bytes[0] ^= 1;
            Ok(Bytes::from(bytes))
        }
        other => other,
    });
    Response::from_parts(parts, Body::from_stream(changed))
}
