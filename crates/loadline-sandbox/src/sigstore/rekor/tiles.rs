//! Tiles and entry bundles: the log read as static files (C2SP tlog-tiles).

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::Rekor;
use crate::sigstore::log::Record;
use crate::sigstore::status::Status;

/// Hashes in a full tile, entries in a full bundle.
const WIDTH: u64 = 256;
/// Levels of a tree of 2^64 leaves.
const LEVELS: u64 = 8;

/// What a path below `tile/LEVEL/` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tile {
    index: u64,
    width: u64,
}

/// `N` in groups of three digits, `x` before all but the last; `.p/W` behind it for a partial one.
fn parse(path: &str) -> Option<Tile> {
    let (index, width) = match path.split_once(".p/") {
        Some((index, width)) => {
            let width = plain(width).filter(|width| (1..WIDTH).contains(width))?;
            (index, width)
        }
        None => (path, WIDTH),
    };
    let groups: Vec<_> = index.split('/').collect();
    let mut value: u64 = 0;
    for (position, group) in groups.iter().enumerate() {
        let digits = match position + 1 == groups.len() {
            true => group,
            false => group.strip_prefix('x')?,
        };
        if digits.len() != 3 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        value = value.checked_mul(1000)?.checked_add(digits.parse().ok()?)?;
    }
    // The shortest form only: no leading group of zeros.
    if groups.len() > 1 && groups.first() == Some(&"x000") {
        return None;
    }
    Some(Tile { index: value, width })
}

fn plain(text: &str) -> Option<u64> {
    let is_plain = text == "0" || (!text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit()));
    text.parse().ok().filter(|_| is_plain)
}

/// `GET /api/v2/tile/LEVEL/N`, `GET /api/v2/tile/entries/N`.
pub(super) async fn tile(
    State(rekor): State<Arc<Rekor>>,
    Path((level, rest)): Path<(String, String)>,
) -> Result<Response, Status> {
    let missing = || Status::not_found(format!("no tile {level}/{rest} in this log"));
    let tile = parse(&rest).ok_or_else(missing)?;
    let first = tile.index.checked_mul(WIDTH).ok_or_else(missing)?;
    let width = usize::try_from(tile.width).map_err(|_| missing())?;
    let bytes = if level == "entries" {
        let entries = rekor.log.entries(first, width).ok_or_else(missing)?;
        let entries = entries.map_err(|error| Status::internal(error.to_string()))?;
        bundle(&entries).ok_or_else(|| Status::internal("an entry is too long for its bundle"))?
    } else {
        let level = plain(&level).filter(|level| *level < LEVELS).ok_or_else(missing)?;
        let nodes = usize::try_from(level * 8).ok().and_then(|level| rekor.log.nodes(level, first, width));
        nodes.ok_or_else(missing)?.concat()
    };
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::CACHE_CONTROL, "max-age=31536000, immutable"),
    ];
    Ok((headers, bytes).into_response())
}

/// Entries one after the other, each after its length in two bytes.
fn bundle(entries: &[Record]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for Record { leaf: entry, .. } in entries {
        out.extend_from_slice(&u16::try_from(entry.len()).ok()?.to_be_bytes());
        out.extend_from_slice(entry);
    }
    Some(out)
}

/// `GET /api/v2/checkpoint`.
pub(super) async fn checkpoint(State(rekor): State<Arc<Rekor>>) -> Response {
    let (_, _, checkpoint) = rekor.log.head();
    let headers = [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::CACHE_CONTROL, "no-cache")];
    (headers, checkpoint.to_string()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_tiles() {
        let tile = |index, width| Some(Tile { index, width });
        assert_eq!(parse("000"), tile(0, 256));
        assert_eq!(parse("x001/x234/067"), tile(1_234_067, 256));
        assert_eq!(parse("067.p/1"), tile(67, 1));
        for bad in ["", "0", "1234", "x001", "001/002", "x000/001", "001.p/0", "001.p/256", "001.p/01", "-01"]
        {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
