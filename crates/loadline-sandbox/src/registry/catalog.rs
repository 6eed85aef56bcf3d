//! The repositories there are (`GET /v2/_catalog`, outside the distribution specification, but every
//! client knows it).

use std::path::Path;
use std::sync::Arc;

use axum::body::Body;
use axum::http::Response;

use super::blocking;
use super::errors::Refusal;
use super::names::Name;
use super::query::Query;
use super::state::State;
use super::store::{Store, StoreError};
use super::tags;

/// `GET /v2/_catalog`
pub(super) async fn list(state: &State, query: &Query) -> Result<Response<Body>, Refusal> {
    let store = Arc::clone(&state.store);
    let names = blocking(move || names(&store)).await?;
    let names = names.into_iter().map(|name| name.as_str().to_owned()).collect();
    let page = tags::Page::of(names, query, state.page)?;
    Ok(page.answer("/v2/_catalog", |names| serde_json::json!({ "repositories": names })))
}

/// All repositories that something was pushed to, sorted by bytes.
pub(super) fn names(store: &Store) -> Result<Vec<Name>, StoreError> {
    let mut found = Vec::new();
    walk(store, &store.repositories(), "", &mut found)?;
    found.sort_unstable();
    Ok(found)
}

fn walk(store: &Store, folder: &Path, prefix: &str, found: &mut Vec<Name>) -> Result<(), StoreError> {
    for component in store.list(folder)? {
        if component.starts_with('_') {
            continue;
        }
        let path = if prefix.is_empty() { component.clone() } else { format!("{prefix}/{component}") };
        let Ok(name) = Name::parse(&path) else { continue };
        if store.knows(&name) {
            found.push(name);
        }
        walk(store, &folder.join(&component), &path, found)?;
    }
    Ok(())
}
