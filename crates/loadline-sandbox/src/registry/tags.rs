//! Tags: where they lie, and their listing in pages (distribution specification, "Listing tags").

use std::path::PathBuf;
use std::sync::Arc;

use axum::body::Body;
use axum::http::Response;
use axum::http::header::{CONTENT_TYPE, HeaderValue, LINK};
use loadline_core::Digest;
use serde_json::Value;

use super::blocking;
use super::errors::{Code, Refusal};
use super::names::Name;
use super::query::{Query, next_link};
use super::respond::set;
use super::state::State;
use super::store::{Store, StoreError};

/// `GET /v2/<name>/tags/list`
pub(super) async fn list(state: &State, name: &Name, query: &Query) -> Result<Response<Body>, Refusal> {
    let (store, of) = (Arc::clone(&state.store), name.clone());
    let tags = blocking(move || {
        if !store.knows(&of) {
            return Ok(None);
        }
        store.list(&folder(&store, &of)).map(Some)
    })
    .await?;
    let tags = tags.ok_or_else(|| unknown_name(name))?;
    let page = Page::of(tags, query, state.page)?;
    let path = format!("/v2/{}/tags/list", name.as_str());
    Ok(page.answer(&path, |tags| serde_json::json!({ "name": name.as_str(), "tags": tags })))
}

/// Where a repository's tags lie.
pub(super) fn folder(store: &Store, name: &Name) -> PathBuf {
    store.repository(name).join("_tags")
}

/// What a tag points at. The tag is checked against the grammar by the caller.
pub(super) fn read(store: &Store, name: &Name, tag: &str) -> Result<Option<Digest>, StoreError> {
    let path = folder(store, name).join(tag);
    let Some(bytes) = store.read(&path)? else { return Ok(None) };
    let digest = std::str::from_utf8(&bytes).ok().and_then(|text| text.trim().parse().ok());
    digest.map(Some).ok_or_else(|| StoreError {
        action: "understand",
        path,
        source: std::io::Error::new(
            std::io::ErrorKind::InvalidData,
            "it holds no digest: push the tag again",
        ),
    })
}

/// Points a tag at a digest.
pub(super) fn write(store: &Store, name: &Name, tag: &str, digest: &Digest) -> Result<(), StoreError> {
    store.write(&folder(store, name).join(tag), digest.to_string().as_bytes())
}

/// Removes a tag; whether it was there.
pub(super) fn remove(store: &Store, name: &Name, tag: &str) -> Result<bool, StoreError> {
    store.remove(&folder(store, name).join(tag))
}

/// Removes every tag that points at a digest.
pub(super) fn remove_all(store: &Store, name: &Name, digest: &Digest) -> Result<(), StoreError> {
    for tag in store.list(&folder(store, name))? {
        if read(store, name, &tag).ok().flatten().as_ref() == Some(digest) {
            remove(store, name, &tag)?;
        }
    }
    Ok(())
}

pub(super) fn unknown_name(name: &Name) -> Refusal {
    Refusal::missing(Code::NameUnknown, format!("there is no repository `{}`", name.as_str()))
        .detail(serde_json::json!({ "name": name.as_str() }))
}

/// A page of a sorted list.
pub(super) struct Page {
    entries: Vec<String>,
    /// The `n` of the request, and the last entry, when more entries follow.
    next: Option<(usize, String)>,
}

impl Page {
    /// The entries after `last`, at most `n` and never more than `most`.
    pub(super) fn of(mut entries: Vec<String>, query: &Query, most: usize) -> Result<Self, Refusal> {
        if let Some(last) = query.get("last") {
            let skip = entries.partition_point(|entry| entry.as_str() <= last);
            entries.drain(..skip);
        }
        let count = match query.get("n") {
            None => most,
            Some(text) if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) => {
                text.parse().unwrap_or(most).min(most)
            }
            Some(text) => {
                return Err(Refusal::bad(
                    Code::Unsupported,
                    format!("`n={}` is no number of entries", text.chars().take(40).collect::<String>()),
                ));
            }
        };
        let more = entries.len() > count;
        entries.truncate(count);
        // A page of none has no last entry, and, as the specification says, no link either.
        let next = entries.last().filter(|_| more).map(|last| (count, last.clone()));
        Ok(Self { entries, next })
    }

    pub(super) fn answer(self, path: &str, body: impl FnOnce(&[String]) -> Value) -> Response<Body> {
        let mut response = Response::new(Body::from(body(&self.entries).to_string()));
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some((count, last)) = &self.next {
            set(&mut response, LINK, &next_link(path, &[("n", &count.to_string()), ("last", last)]));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(query: &str) -> (Vec<String>, Option<(usize, String)>) {
        let tags = ["A", "a", "b", "c", "d"].map(str::to_owned).to_vec();
        let page = Page::of(tags, &Query::parse(query), 4).unwrap();
        (page.entries, page.next)
    }

    #[test]
    fn pages_are_cut_after_last_and_capped() {
        assert_eq!(page("").0, ["A", "a", "b", "c"]);
        assert_eq!(page("n=10000").1, Some((4, "c".into())));
        assert_eq!(page("n=2&last=a"), (vec!["b".into(), "c".into()], Some((2, "c".into()))));
        assert_eq!(page("last=aa").0, ["b", "c", "d"]);
        assert_eq!(page("last=c").1, None);
        assert_eq!(page("n=0"), (vec![], None));
        assert_eq!(page("last=zzz").0.len(), 0);
        assert!(Page::of(vec![], &Query::parse("n=-1"), 4).is_err());
        assert_eq!(page("n=99999999999999999999999").0.len(), 4);
    }
}
