//! Manifests by tag and by digest (distribution specification, "Pulling manifests", "Pushing
//! Manifests", "Deleting tags", "Deleting Manifests").

use std::sync::Arc;

use axum::body::Body;
use axum::http::header::{
    CONTENT_LENGTH, CONTENT_TYPE, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH, LOCATION,
};
use axum::http::{HeaderMap, Method, Response, StatusCode};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt as _;
use loadline_core::reference::check_tag;
use loadline_core::{Digest, media_type};

use super::errors::{Code, Refusal};
use super::names::{By, Name};
use super::query::Query;
use super::respond::{DIGEST, empty, has_it, lists, name_content, set};
use super::state::State;
use super::store::{At as _, Kind, Store, StoreError};
use super::uploads::drain;
use super::validate::{Checked, check, invalid};
use super::{blocking, referrers, tags};

/// The largest manifest that is taken, in bytes: what the specification says a registry should take at
/// least, and what clients read at most.
pub const MAX_MANIFEST: usize = 4 << 20;
/// Tags that one push by digest may set (`?tag=`).
const MAX_TAGS: usize = 64;

const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
const TAG: HeaderName = HeaderName::from_static("oci-tag");

/// `GET` and `HEAD /v2/<name>/manifests/<reference>`
pub(super) async fn pull(
    state: &State,
    name: &Name,
    by: &By,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Response<Body>, Refusal> {
    let (store, of, wanted) = (Arc::clone(&state.store), name.clone(), by.clone());
    let found = blocking(move || read(&store, &of, &wanted)).await?;
    let (digest, media_type, bytes) = found.ok_or_else(|| unknown(name, by))?;
    if has_it(headers, &digest) {
        let mut response = empty(StatusCode::NOT_MODIFIED);
        name_content(&mut response, &digest);
        return Ok(response);
    }
    let len = bytes.len();
    let mut response = Response::new(if method == Method::HEAD { Body::empty() } else { Body::from(bytes) });
    name_content(&mut response, &digest);
    set(&mut response, CONTENT_TYPE, &media_type);
    response.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from(len));
    Ok(response)
}

/// `PUT /v2/<name>/manifests/<reference>`. With `If-Match` or `If-None-Match: *` the tag is moved only
/// from what the client believes it to be (412 otherwise).
pub(super) async fn push(
    state: &State,
    name: &Name,
    by: &By,
    query: &Query,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response<Body>, Refusal> {
    let bytes = read_body(headers, body).await?;
    let tags = wanted_tags(by, query)?;
    let digest = match by {
        By::Tag(_) => Digest::of(&bytes),
        By::Digest(digest) if digest.matches(&bytes) => digest.clone(),
        By::Digest(digest) => {
            return Err(Refusal::bad(
                Code::DigestInvalid,
                format!("the manifest's digest is {}, not {digest}", Digest::of(&bytes)),
            ));
        }
    };
    let content_type = headers.get(CONTENT_TYPE).map(|value| value.to_str().unwrap_or("?"));
    let checked = check(&bytes, content_type, &digest)?;
    let subject = checked.subject.clone();
    let conditions = Conditions::of(headers);

    let (store, of) = (Arc::clone(&state.store), name.clone());
    let (put_digest, put_tags) = (digest.clone(), tags.clone());
    blocking(move || put(&store, &of, &put_digest, &put_tags, &bytes, &checked, &conditions)).await?;

    let mut response = empty(StatusCode::CREATED);
    set(&mut response, LOCATION, &format!("/v2/{}/manifests/{digest}", name.as_str()));
    set(&mut response, DIGEST, &digest.to_string());
    if let Some(subject) = subject.filter(|_| !state.no_referrers) {
        set(&mut response, SUBJECT, &subject.to_string());
    }
    if let By::Digest(_) = by {
        for tag in &tags {
            if let Ok(value) = HeaderValue::from_str(tag) {
                response.headers_mut().append(TAG, value);
            }
        }
    }
    Ok(response)
}

/// `DELETE /v2/<name>/manifests/<reference>`: a tag alone, or a manifest with every tag on it.
pub(super) async fn delete(state: &State, name: &Name, by: &By) -> Result<Response<Body>, Refusal> {
    let (store, of, wanted) = (Arc::clone(&state.store), name.clone(), by.clone());
    let removed = blocking(move || {
        let _writing = store.writing();
        let _turn = store.turn(&of);
        match &wanted {
            By::Tag(tag) if check_tag(tag).is_err() => Ok(false),
            By::Tag(tag) => tags::remove(&store, &of, tag),
            By::Digest(digest) => remove(&store, &of, digest),
        }
    })
    .await?;
    if removed { Ok(empty(StatusCode::ACCEPTED)) } else { Err(unknown(name, by)) }
}

type Found = (Digest, String, Vec<u8>);

fn read(store: &Store, name: &Name, by: &By) -> Result<Option<Found>, StoreError> {
    let digest = match by {
        By::Tag(tag) if check_tag(tag).is_err() => return Ok(None),
        By::Tag(tag) => match tags::read(store, name, tag)? {
            Some(digest) => digest,
            None => return Ok(None),
        },
        By::Digest(digest) => digest.clone(),
    };
    let Some(media_type) = store.read(&store.link(name, Kind::Manifest, &digest))? else { return Ok(None) };
    let path = store.content(&digest);
    let bytes = std::fs::read(&path).at("read", &path)?;
    if !digest.matches(&bytes) {
        let source = std::io::Error::new(
            std::io::ErrorKind::InvalidData,
            "its bytes have another digest: push it again to mend it",
        );
        return Err(StoreError { action: "trust", path, source });
    }
    let media_type = String::from_utf8(media_type).unwrap_or_else(|_| media_type::OCI_MANIFEST.to_owned());
    Ok(Some((digest, media_type, bytes)))
}

fn put(
    store: &Store,
    name: &Name,
    digest: &Digest,
    tags: &[String],
    bytes: &[u8],
    checked: &Checked,
    conditions: &Conditions,
) -> Result<(), Refusal> {
    let _writing = store.writing();
    let _turn = store.turn(name);
    for tag in tags {
        conditions.hold(tags::read(store, name, tag)?.as_ref())?;
    }
    all_there(store, name, checked)?;
    store.put_content(digest, bytes)?;
    // Each step is invisible without the next: a kill in between leaves nothing half said.
    if let Some(subject) = &checked.subject {
        referrers::add(store, name, subject, &checked.referrer)?;
    }
    store.write(&store.link(name, Kind::Manifest, digest), checked.media_type.as_bytes())?;
    for tag in tags {
        tags::write(store, name, tag, digest)?;
    }
    Ok(())
}

/// Tags first, so that no tag ever points at a manifest that is gone.
fn remove(store: &Store, name: &Name, digest: &Digest) -> Result<bool, StoreError> {
    if !store.has(name, Kind::Manifest, digest) {
        return Ok(false);
    }
    tags::remove_all(store, name, digest)?;
    let path = store.content(digest);
    if let Some(bytes) = store.read(&path)?
        && let Ok(checked) = check(&bytes, None, digest)
        && let Some(subject) = &checked.subject
    {
        referrers::remove(store, name, subject, digest)?;
    }
    store.remove(&store.link(name, Kind::Manifest, digest))
}

/// Every blob and manifest that is spoken of must be in the repository, with the size that is said.
fn all_there(store: &Store, name: &Name, checked: &Checked) -> Result<(), Refusal> {
    let mut refusal: Option<Refusal> = None;
    for needed in &checked.needed {
        let linked = if needed.manifest {
            store.has(name, Kind::Manifest, &needed.digest)
        } else {
            // An index may list what is no manifest: build caches do.
            store.has(name, Kind::Blob, &needed.digest) || store.has(name, Kind::Manifest, &needed.digest)
        };
        let len = if linked { store.content_len(&needed.digest)? } else { None };
        match len {
            Some(len) if len == needed.size => {}
            Some(len) => {
                return Err(invalid(format!(
                    "{} has {len} bytes, but the manifest says {}",
                    needed.digest, needed.size
                )));
            }
            None => {
                let missing = Refusal::missing(
                    Code::ManifestBlobUnknown,
                    format!("the manifest needs {}, which {} does not have", needed.digest, name.as_str()),
                )
                .detail(serde_json::json!({ "digest": needed.digest }));
                refusal = Some(match refusal {
                    Some(before) => before.and(missing),
                    None => missing,
                });
            }
        }
    }
    refusal.map_or(Ok(()), Err)
}

fn wanted_tags(by: &By, query: &Query) -> Result<Vec<String>, Refusal> {
    let tags: Vec<String> = match by {
        By::Tag(tag) => vec![tag.clone()],
        By::Digest(_) => query.all("tag").map(str::to_owned).collect(),
    };
    if tags.len() > MAX_TAGS {
        return Err(Refusal::new(
            StatusCode::URI_TOO_LONG,
            Code::Unsupported,
            format!("at most {MAX_TAGS} tags a push"),
        ));
    }
    for tag in &tags {
        check_tag(tag).map_err(|error| invalid(error.to_string()))?;
    }
    Ok(tags)
}

async fn read_body(headers: &HeaderMap, body: Body) -> Result<Bytes, Refusal> {
    let too_large = || {
        Refusal::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            Code::SizeInvalid,
            format!("a manifest has at most {MAX_MANIFEST} bytes"),
        )
    };
    let declared = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if declared.is_some_and(|len| len > MAX_MANIFEST) {
        drain(body).await;
        return Err(too_large());
    }
    let mut bytes = BytesMut::with_capacity(declared.unwrap_or(16 << 10));
    let mut stream = body.into_data_stream();
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|_| invalid("the manifest broke off"))?;
        if bytes.len() + piece.len() > MAX_MANIFEST {
            drain(Body::from_stream(stream)).await;
            return Err(too_large());
        }
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes.freeze())
}

fn unknown(name: &Name, by: &By) -> Refusal {
    let what = match by {
        By::Tag(tag) => format!("tag `{}`", tag.chars().take(140).collect::<String>()),
        By::Digest(digest) => format!("manifest {digest}"),
    };
    Refusal::missing(Code::ManifestUnknown, format!("{} has no {what}", name.as_str()))
}

/// What the client believes about the tag that it writes (RFC 9110, section 13).
struct Conditions(HeaderMap);

impl Conditions {
    fn of(headers: &HeaderMap) -> Self {
        let mut kept = HeaderMap::new();
        for name in [IF_MATCH, IF_NONE_MATCH] {
            for value in headers.get_all(&name) {
                kept.append(name.clone(), value.clone());
            }
        }
        Self(kept)
    }

    fn hold(&self, current: Option<&Digest>) -> Result<(), Refusal> {
        let matches = |header| current.is_some_and(|digest| lists(&self.0, header, digest));
        let fails = (self.0.contains_key(IF_MATCH) && !matches(&IF_MATCH))
            || (self.0.contains_key(IF_NONE_MATCH) && matches(&IF_NONE_MATCH));
        if !fails {
            return Ok(());
        }
        let now = current.map_or_else(|| "nothing".to_owned(), ToString::to_string);
        Err(Refusal::new(
            StatusCode::PRECONDITION_FAILED,
            Code::Denied,
            format!("the tag points at {now}: read it again"),
        ))
    }
}
