//! Pushing blobs (distribution specification, "Pushing blobs"): in one request, in two, streamed, in
//! chunks, or mounted from another repository.

use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, CONTENT_RANGE, HeaderName, LOCATION, RANGE};
use axum::http::{HeaderMap, Response, StatusCode};
use loadline_core::Digest;

use super::auth::{Access, Action};
use super::blobs::locate;
use super::blocking;
use super::errors::{Code, Refusal};
use super::names::{Name, parse_digest};
use super::query::Query;
use super::ranges;
use super::respond::{DIGEST, empty, set};
use super::state::State;
use super::store::{Kind, StoreError};
use super::uploads::{Held, Session, drain};

const UPLOAD_ID: HeaderName = HeaderName::from_static("docker-upload-uuid");

/// `POST /v2/<name>/blobs/uploads/`
pub(super) async fn begin(
    state: &State,
    name: &Name,
    query: &Query,
    access: &Access,
    body: Body,
) -> Result<Response<Body>, Refusal> {
    if let Some(mount) = query.get("mount") {
        drain(body).await;
        // Arguments that are wrong fall back to an upload, as the specification wants it.
        if let Ok(digest) = mount.parse::<Digest>()
            && mounted(state, name, &digest, query.get("from"), access).await?
        {
            return Ok(created(name, &digest));
        }
        return started(state, name).await;
    }
    let Some(digest) = query.get("digest") else {
        drain(body).await;
        return started(state, name).await;
    };
    let digest = match parse_digest(digest) {
        Ok(digest) => digest,
        Err(refusal) => {
            drain(body).await;
            return Err(refusal);
        }
    };
    let held = state.uploads.single().await?;
    let held = state.uploads.pour(held, body).await?;
    state.uploads.finish(held, name, &digest).await?;
    Ok(created(name, &digest))
}

/// `PATCH /v2/<name>/blobs/uploads/<id>`
pub(super) async fn append(
    state: &State,
    name: &Name,
    id: &str,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response<Body>, Refusal> {
    let held = receive(state, name, id, headers, body).await?;
    Ok(standing(StatusCode::ACCEPTED, name, &held))
}

/// `PUT /v2/<name>/blobs/uploads/<id>?digest=<digest>`
pub(super) async fn finish(
    state: &State,
    name: &Name,
    id: &str,
    query: &Query,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response<Body>, Refusal> {
    let digest = query
        .get("digest")
        .ok_or_else(|| Refusal::bad(Code::DigestInvalid, "the last request of an upload names its `digest`"))
        .and_then(parse_digest);
    let digest = match digest {
        Ok(digest) => digest,
        Err(refusal) => {
            drain(body).await;
            return Err(refusal);
        }
    };
    let held = receive(state, name, id, headers, body).await?;
    state.uploads.finish(held, name, &digest).await?;
    Ok(created(name, &digest))
}

/// `GET /v2/<name>/blobs/uploads/<id>`
pub(super) async fn status(state: &State, name: &Name, id: &str) -> Result<Response<Body>, Refusal> {
    let held = state.uploads.take(name, id).await?;
    Ok(standing(StatusCode::NO_CONTENT, name, &held))
}

/// `DELETE /v2/<name>/blobs/uploads/<id>`
pub(super) async fn cancel(state: &State, name: &Name, id: &str) -> Result<Response<Body>, Refusal> {
    let held = state.uploads.take(name, id).await?;
    state.uploads.cancel(held).await?;
    Ok(empty(StatusCode::NO_CONTENT))
}

async fn receive(
    state: &State,
    name: &Name,
    id: &str,
    headers: &HeaderMap,
    body: Body,
) -> Result<Held, Refusal> {
    let held = match state.uploads.take(name, id).await {
        Ok(held) => held,
        Err(refusal) => {
            drain(body).await;
            return Err(refusal);
        }
    };
    let Some(header) = headers.get(CONTENT_RANGE) else {
        return state.uploads.pour(held, body).await;
    };
    let before = held.len;
    let range = header.to_str().ok().and_then(ranges::chunk).filter(|(first, _)| *first == before);
    let Some((first, last)) = range else {
        drain(body).await;
        return Err(out_of_order(name, &held));
    };
    let expected = last - first + 1;
    let declared = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    if declared.is_some_and(|declared| declared != expected) {
        drain(body).await;
        return Err(wrong_length(expected, declared.unwrap_or_default()));
    }
    let held = state.uploads.pour(held, body).await?;
    let arrived = held.len - before;
    if arrived != expected {
        Session::rewind(held, before).await?;
        return Err(wrong_length(expected, arrived));
    }
    Ok(held)
}

async fn mounted(
    state: &State,
    name: &Name,
    digest: &Digest,
    from: Option<&str>,
    access: &Access,
) -> Result<bool, Refusal> {
    let from = match from {
        Some(from) => match Name::parse(from) {
            Ok(from) if access.allows(&from, Action::Pull) => Some(from),
            _ => return Ok(false),
        },
        None => None,
    };
    let (store, name, digest) = (Arc::clone(&state.store), name.clone(), digest.clone());
    let access = access.clone();
    blocking(move || {
        let _writing = store.writing();
        let there = match from {
            Some(from) => store.has(&from, Kind::Blob, &digest),
            None => locate(&store, &digest, &access)?,
        };
        if !there || store.content_len(&digest)?.is_none() {
            return Ok(false);
        }
        store.write(&store.link(&name, Kind::Blob, &digest), b"")?;
        Ok::<_, StoreError>(true)
    })
    .await
}

async fn started(state: &State, name: &Name) -> Result<Response<Body>, Refusal> {
    let id = state.uploads.begin(name).await?;
    Ok(at(StatusCode::ACCEPTED, name, &id, 0))
}

fn standing(status: StatusCode, name: &Name, held: &Held) -> Response<Body> {
    at(status, name, &held.id, held.len)
}

fn at(status: StatusCode, name: &Name, id: &str, len: u64) -> Response<Body> {
    let mut response = empty(status);
    set(&mut response, LOCATION, &location(name, id));
    set(&mut response, RANGE, &range(len));
    set(&mut response, UPLOAD_ID, id);
    response
}

fn location(name: &Name, id: &str) -> String {
    format!("/v2/{}/blobs/uploads/{id}", name.as_str())
}

// An upload without a byte is written `0-0`, as docker's registry does: there is no way to write none.
fn range(len: u64) -> String {
    format!("0-{}", len.saturating_sub(1))
}

fn created(name: &Name, digest: &Digest) -> Response<Body> {
    let mut response = empty(StatusCode::CREATED);
    set(&mut response, LOCATION, &format!("/v2/{}/blobs/{digest}", name.as_str()));
    set(&mut response, DIGEST, &digest.to_string());
    response
}

fn out_of_order(name: &Name, held: &Held) -> Refusal {
    Refusal::new(
        StatusCode::RANGE_NOT_SATISFIABLE,
        Code::BlobUploadInvalid,
        format!("the next chunk begins at byte {}", held.len),
    )
    .header(LOCATION, &location(name, &held.id))
    .header(RANGE, &range(held.len))
    .header(UPLOAD_ID, &held.id)
}

fn wrong_length(expected: u64, found: u64) -> Refusal {
    Refusal::bad(
        Code::SizeInvalid,
        format!("Content-Range speaks of {expected} bytes, but there are {found}: send the chunk again"),
    )
}
