//! Pulling and deleting blobs (distribution specification, "Pulling blobs", "Deleting blobs").

use std::io::SeekFrom;
use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HeaderValue, IF_RANGE, RANGE,
};
use axum::http::{HeaderMap, Method, Response, StatusCode};
use bytes::{Bytes, BytesMut};
use futures_util::stream;
use loadline_core::{Digest, digest::Hasher};
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};

use super::auth::{Access, Action};
use super::blocking;
use super::errors::{Code, Refusal};
use super::names::Name;
use super::ranges::{Asked, asked};
use super::respond::{empty, has_it, lists, name_content, set};
use super::state::State;
use super::store::{Kind, Store, StoreError};

const BLOCK: usize = 256 << 10;

/// `GET` and `HEAD /v2/<name>/blobs/<digest>`
pub(super) async fn pull(
    state: &State,
    name: &Name,
    digest: &Digest,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response<Body>, Refusal> {
    let (store, of, wanted) = (Arc::clone(&state.store), name.clone(), digest.clone());
    let found = blocking(move || {
        if !store.has(&of, Kind::Blob, &wanted) {
            return Ok(None);
        }
        let Some(len) = store.content_len(&wanted)? else { return Ok(None) };
        Ok::<_, StoreError>(Some((store.content(&wanted), len)))
    })
    .await?;
    let Some((path, len)) = found else { return Err(unknown(name, digest)) };

    if has_it(headers, digest) {
        let mut response = empty(StatusCode::NOT_MODIFIED);
        name_content(&mut response, digest);
        return Ok(response);
    }
    let range = if method == Method::GET { wanted_range(headers, digest, len) } else { Asked::All };
    let (status, first, count) = match range {
        Asked::All => (StatusCode::OK, 0, len),
        Asked::Part { first, last } => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
        Asked::Nothing => {
            return Err(Refusal::new(
                StatusCode::RANGE_NOT_SATISFIABLE,
                Code::SizeInvalid,
                format!("the blob has {len} bytes"),
            )
            .header(CONTENT_RANGE, &format!("bytes */{len}")));
        }
    };
    let body = if method == Method::HEAD {
        Body::empty()
    } else {
        let failed = |source| StoreError { action: "read", path: path.clone(), source };
        let mut file = File::open(&path).await.map_err(failed)?;
        if first > 0 {
            file.seek(SeekFrom::Start(first)).await.map_err(failed)?;
        }
        let check = (count == len).then(|| (Hasher::new(digest.algorithm()), digest.clone()));
        content(Reading { file, left: count, check }).await.map_err(failed)?
    };
    let mut response = Response::new(body);
    *response.status_mut() = status;
    name_content(&mut response, digest);
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, count.into());
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    headers.insert(ACCEPT_RANGES, HeaderValue::from_static("bytes"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("max-age=31536000, immutable"));
    if status == StatusCode::PARTIAL_CONTENT {
        set(&mut response, CONTENT_RANGE, &format!("bytes {first}-{}/{len}", first + count - 1));
    }
    Ok(response)
}

/// `DELETE /v2/<name>/blobs/<digest>`: the repository has the blob no longer; the bytes go with the
/// next garbage collection.
pub(super) async fn delete(state: &State, name: &Name, digest: &Digest) -> Result<Response<Body>, Refusal> {
    let (store, of, wanted) = (Arc::clone(&state.store), name.clone(), digest.clone());
    let removed = blocking(move || {
        let _writing = store.writing();
        store.remove(&store.link(&of, Kind::Blob, &wanted))
    })
    .await?;
    if removed { Ok(empty(StatusCode::ACCEPTED)) } else { Err(unknown(name, digest)) }
}

/// Whether any repository that the client may pull from has the blob.
pub(super) fn locate(store: &Store, digest: &Digest, access: &Access) -> Result<bool, StoreError> {
    for name in super::catalog::names(store)? {
        if access.allows(&name, Action::Pull) && store.has(&name, Kind::Blob, digest) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn wanted_range(headers: &HeaderMap, digest: &Digest, len: u64) -> Asked {
    if headers.contains_key(IF_RANGE) && !lists(headers, &IF_RANGE, digest) {
        return Asked::All;
    }
    headers.get(RANGE).and_then(|value| value.to_str().ok()).map_or(Asked::All, |range| asked(range, len))
}

fn unknown(name: &Name, digest: &Digest) -> Refusal {
    Refusal::missing(Code::BlobUnknown, format!("{} has no blob {digest}", name.as_str()))
        .detail(serde_json::json!({ "digest": digest }))
}

/// A file on its way out. A whole blob is hashed as it goes, and one whose bytes rotted on disk ends
/// in a broken connection or a 500, never in a body that looks complete.
struct Reading {
    file: File,
    left: u64,
    check: Option<(Hasher, Digest)>,
}

impl Reading {
    async fn next(&mut self) -> std::io::Result<Bytes> {
        let want = usize::try_from(self.left).unwrap_or(BLOCK).min(BLOCK);
        let mut block = BytesMut::with_capacity(want);
        while block.len() < want {
            let room = want - block.len();
            if (&mut self.file).take(room as u64).read_buf(&mut block).await? == 0 {
                return Err(rotten("it is shorter than it was"));
            }
        }
        self.left -= want as u64;
        if let Some((hasher, _)) = &mut self.check {
            hasher.update(&block);
        }
        if self.left == 0
            && let Some((hasher, digest)) = self.check.take()
            && hasher.finish() != digest
        {
            return Err(rotten("its bytes have another digest: push it again to mend it"));
        }
        Ok(block.freeze())
    }
}

fn rotten(why: &str) -> std::io::Error {
    std::io::Error::new(std::io::ErrorKind::InvalidData, why)
}

async fn content(mut reading: Reading) -> std::io::Result<Body> {
    // What fits into one block is checked before the first header goes out.
    if reading.left == 0 {
        return Ok(Body::empty());
    }
    let first = reading.next().await?;
    if reading.left == 0 {
        return Ok(Body::from(first));
    }
    let rest = stream::try_unfold((Some(first), reading), |(first, mut reading)| async move {
        if let Some(first) = first {
            return Ok(Some((first, (None, reading))));
        }
        if reading.left == 0 {
            return Ok::<_, std::io::Error>(None);
        }
        let block = reading.next().await?;
        Ok(Some((block, (None, reading))))
    });
    Ok(Body::from_stream(rest))
}
