//! What refers to a manifest (distribution specification, "Listing Referrers").

use std::path::PathBuf;
use std::sync::Arc;

use axum::body::Body;
use axum::http::Response;
use axum::http::header::{CONTENT_TYPE, HeaderName, HeaderValue, LINK};
use loadline_core::{Digest, media_type};
use serde_json::json;

use super::errors::{Code, Refusal};
use super::names::Name;
use super::query::{Query, next_link};
use super::respond::set;
use super::state::State;
use super::store::{Kind, Store, StoreError};
use super::validate::Referrer;
use super::{blocking, manifests};

const FILTERS: HeaderName = HeaderName::from_static("oci-filters-applied");

/// `GET /v2/<name>/referrers/<digest>`; the subject need not exist.
pub(super) async fn list(
    state: &State,
    name: &Name,
    subject: &Digest,
    query: &Query,
) -> Result<Response<Body>, Refusal> {
    if state.no_referrers {
        return Err(Refusal::missing(Code::Unsupported, "this registry has no referrers API"));
    }
    let filter = query.get("artifactType").filter(|text| !text.is_empty()).map(str::to_owned);
    let last = query.get("last").map(str::to_owned);
    let (store, of, on) = (Arc::clone(&state.store), name.clone(), subject.clone());
    let (filter_by, most) = (filter.clone(), state.page);
    let page = blocking(move || page(&store, &of, &on, filter_by.as_deref(), last.as_deref(), most)).await?;

    let body = json!({ "schemaVersion": 2, "mediaType": media_type::OCI_INDEX, "manifests": page.referrers });
    let mut response = Response::new(Body::from(body.to_string()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type::OCI_INDEX));
    if filter.is_some() {
        response.headers_mut().insert(FILTERS, HeaderValue::from_static("artifactType"));
    }
    if let Some(last) = &page.next {
        let path = format!("/v2/{}/referrers/{subject}", name.as_str());
        let mut parameters = vec![("last", last.as_str())];
        if let Some(filter) = &filter {
            parameters.push(("artifactType", filter));
        }
        set(&mut response, LINK, &next_link(&path, &parameters));
    }
    Ok(response)
}

struct Page {
    referrers: Vec<Referrer>,
    next: Option<String>,
}

/// At most so many referrers, and never more bytes than a manifest may have: clients read it as one.
fn page(
    store: &Store,
    name: &Name,
    subject: &Digest,
    filter: Option<&str>,
    last: Option<&str>,
    most: usize,
) -> Result<Page, StoreError> {
    let folder = folder(store, name, subject);
    let mut page = Page { referrers: Vec::new(), next: None };
    let mut bytes = 256;
    let mut before = None;
    for entry in store.list(&folder)? {
        if last.is_some_and(|last| entry.as_str() <= last) {
            continue;
        }
        let Some(text) = store.read(&folder.join(&entry))? else { continue };
        let Ok(referrer) = serde_json::from_slice::<Referrer>(&text) else { continue };
        // Written before its manifest is linked, and removed after: the link decides.
        if !store.has(name, Kind::Manifest, &referrer.digest)
            || filter.is_some_and(|wanted| referrer.artifact_type.as_deref() != Some(wanted))
        {
            continue;
        }
        bytes += text.len() + 1;
        let full = page.referrers.len() >= most || bytes > manifests::MAX_MANIFEST;
        if full && !page.referrers.is_empty() {
            page.next = before;
            break;
        }
        page.referrers.push(referrer);
        before = Some(entry);
    }
    Ok(page)
}

/// Notes a referrer of a subject.
pub(super) fn add(
    store: &Store,
    name: &Name,
    subject: &Digest,
    referrer: &Referrer,
) -> Result<(), StoreError> {
    let path = folder(store, name, subject).join(entry(&referrer.digest));
    let text = serde_json::to_vec(referrer).map_err(|error| StoreError {
        action: "write",
        path: path.clone(),
        source: error.into(),
    })?;
    store.write(&path, &text)
}

/// Forgets a referrer of a subject.
pub(super) fn remove(
    store: &Store,
    name: &Name,
    subject: &Digest,
    referrer: &Digest,
) -> Result<(), StoreError> {
    store.remove(&folder(store, name, subject).join(entry(referrer))).map(|_| ())
}

fn folder(store: &Store, name: &Name, subject: &Digest) -> PathBuf {
    store.repository(name).join("_referrers").join(subject.algorithm().name()).join(subject.hex())
}

fn entry(digest: &Digest) -> String {
    format!("{}-{}", digest.algorithm().name(), digest.hex())
}
