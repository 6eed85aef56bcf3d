//! From a request to its answer: count, fault, permission, and the room that knows.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use axum::body::{Body, HttpBody as _};
use axum::extract::{ConnectInfo, Request, State as Extracted};
use axum::http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue};
use axum::http::{Method, Response, StatusCode};

use super::auth::Access;
use super::errors::{Code, Reason, Refusal};
use super::faults::Effect;
use super::log::RequestLine;
use super::names::Target;
use super::query::Query;
use super::respond::empty;
use super::serve::Connection;
use super::state::State;
use super::uploads::drain;
use super::{blobs, catalog, inject, manifests, push, referrers, tags};

const API: HeaderName = HeaderName::from_static("docker-distribution-api-version");

/// Answers any request.
pub(super) async fn answer(Extracted(state): Extracted<Arc<State>>, request: Request) -> Response<Body> {
    let began = Instant::now();
    state.requests.fetch_add(1, Ordering::Relaxed);
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let line = request.uri().path_and_query().map_or_else(|| path.clone(), ToString::to_string);
    let struck = state.faults.strike(method.as_str(), &path);
    if let Some(delay) = struck.delay {
        tokio::time::sleep(delay).await;
    }
    let connection = request.extensions().get::<ConnectInfo<Connection>>().map(|info| info.0.clone());
    let mut gone = false;
    let mut response = match struck.effect {
        None => serve(&state, request).await,
        Some(Effect::Status { status, retry_after }) => {
            drain(request.into_body()).await;
            inject::status(status, retry_after.as_deref())
        }
        Some(Effect::Truncate) => inject::half_of_answer(serve(&state, request).await, None),
        Some(Effect::WrongDigest) => inject::falsified(serve(&state, request).await, method == Method::HEAD),
        Some(Effect::Endless) => inject::endless(serve(&state, request).await),
        Some(Effect::Redirect(to)) => {
            drain(request.into_body()).await;
            inject::redirect(&to)
        }
        Some(Effect::Lost) => {
            serve(&state, request).await;
            gone = true;
            inject::no_answer(connection)
        }
        Some(Effect::Reset) if !request.body().is_end_stream() => {
            let (parts, body) = request.into_parts();
            let half = inject::half_of_request(&parts.headers, body);
            serve(&state, Request::from_parts(parts, half)).await;
            gone = true;
            inject::no_answer(connection)
        }
        Some(Effect::Reset) => {
            let response = serve(&state, request).await;
            if method == Method::HEAD || response.body().is_end_stream() {
                gone = true;
                inject::no_answer(connection)
            } else {
                inject::half_of_answer(response, connection)
            }
        }
        Some(Effect::Delay(_)) => empty(StatusCode::INTERNAL_SERVER_ERROR),
    };
    response.headers_mut().insert(API, HeaderValue::from_static("registry/2.0"));
    if let Some(log) = &state.log {
        let declared =
            response.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
        log.line(&RequestLine {
            method: method.to_string(),
            path: line,
            status: if gone { 0 } else { response.status().as_u16() },
            bytes: declared.or_else(|| response.body().size_hint().exact()),
            took: began.elapsed(),
            reason: response.extensions().get::<Reason>().map(|reason| reason.0.clone()),
            fault: struck.text,
        });
    }
    response
}

async fn serve(state: &State, request: Request) -> Response<Body> {
    match route(state, request).await {
        Ok(response) => response,
        Err(refusal) => refusal.into_response(),
    }
}

async fn route(state: &State, request: Request) -> Result<Response<Body>, Refusal> {
    let (parts, body) = request.into_parts();
    let (method, headers) = (&parts.method, &parts.headers);
    let query = Query::parse(parts.uri.query().unwrap_or_default());
    if parts.uri.path() == "/token" {
        return match (&state.auth, method) {
            (Some(auth), &Method::GET | &Method::POST) => auth.token(method, headers, query, body).await,
            (Some(_), _) => Err(not_that(method)),
            (None, _) => Err(Refusal::missing(Code::Unsupported, "this registry wants no token")),
        };
    }
    let target = Target::parse(parts.uri.path());
    let allowed = match &state.auth {
        Some(auth) => auth.check(headers, method, target.as_ref().ok(), &query),
        None => Ok(Access::All),
    };
    let changes = !matches!(*method, Method::GET | Method::HEAD);
    let (target, access) = match (target, allowed) {
        (_, Err(refusal)) | (Err(refusal), Ok(_)) => {
            drain(body).await;
            return Err(refusal);
        }
        (Ok(_), Ok(_)) if changes && state.read_only => {
            drain(body).await;
            return Err(Refusal::new(
                StatusCode::METHOD_NOT_ALLOWED,
                Code::Unsupported,
                "this registry is read-only",
            ));
        }
        (Ok(target), Ok(access)) => (target, access),
    };
    match (&target, method) {
        (Target::Base, &Method::GET | &Method::HEAD) => {
            let mut response = Response::new(Body::from("{}"));
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            Ok(response)
        }
        (Target::Catalog, &Method::GET) => catalog::list(state, &query).await,
        (Target::Tags(name), &Method::GET) => tags::list(state, name, &query).await,
        (Target::Referrers(name, digest), &Method::GET) => referrers::list(state, name, digest, &query).await,
        (Target::Manifest(name, by), &Method::GET | &Method::HEAD) => {
            manifests::pull(state, name, by, method, headers).await
        }
        (Target::Manifest(name, by), &Method::PUT) => {
            manifests::push(state, name, by, &query, headers, body).await
        }
        (Target::Manifest(name, by), &Method::DELETE) => manifests::delete(state, name, by).await,
        (Target::Blob(name, digest), &Method::GET | &Method::HEAD) => {
            blobs::pull(state, name, digest, method, headers).await
        }
        (Target::Blob(name, digest), &Method::DELETE) => blobs::delete(state, name, digest).await,
        (Target::Uploads(name), &Method::POST) => push::begin(state, name, &query, &access, body).await,
        (Target::Upload(name, id), &Method::GET) => push::status(state, name, id).await,
        (Target::Upload(name, id), &Method::PATCH) => push::append(state, name, id, headers, body).await,
        (Target::Upload(name, id), &Method::PUT) => {
            push::finish(state, name, id, &query, headers, body).await
        }
        (Target::Upload(name, id), &Method::DELETE) => push::cancel(state, name, id).await,
        _ => {
            drain(body).await;
            Err(not_that(method))
        }
    }
}

fn not_that(method: &Method) -> Refusal {
    Refusal::new(StatusCode::METHOD_NOT_ALLOWED, Code::Unsupported, format!("{method} is not possible here"))
}
