//! Rekor v2: the log as static files (C2SP tlog-tiles, <https://c2sp.org/tlog-tiles>). The reader makes the
//! proofs itself, out of the tree's hashes.

use std::collections::HashMap;

use sigstore_merkle::{hash_children, hash_leaf, verify_consistency_proof, verify_inclusion_proof};
use sigstore_types::{Sha256Hash, TransparencyLogEntry};

use super::{Borne, Log, OnlineError, old_head};

/// Levels of the tree in one tile, and the hashes in the lowest row of a full one.
const HEIGHT: u32 = 8;
const WIDTH: u64 = 1 << HEIGHT;
const HASH: usize = 32;

pub(super) async fn prove(log: &Log<'_>, entry: &TransparencyLogEntry) -> Result<Borne, OnlineError> {
    let now = log.checkpoint(&log.get_text("/api/v2/checkpoint").await?)?;
    let (old_size, old_root) =
        old_head(entry).ok_or_else(|| log.inconsistent("the bundle carries no checkpoint of it"))?;
    let (size, root) = (now.tree_size(), *now.root_hash());
    if size < old_size {
        // A mirror that lags behind looks the same as a log that was cut: nothing is known.
        return Err(log.unreachable(format!(
            "it shows {size} entries and has signed a tree of {old_size} before: asked again, it may have caught up"
        )));
    }
    let mut tiles = Tiles { log, size, known: HashMap::new() };
    let index = entry.log_index.get();
    if index >= size {
        return Err(log.inconsistent(format!("it has {size} entries, and this is entry {index}")));
    }
    let leaf = hash_leaf(entry.canonicalized_body.as_bytes());
    let proof = tiles.all(&inclusion(index, 0, size)).await?;
    verify_inclusion_proof(&leaf, index, size, &proof, &root)
        .map_err(|error| log.inconsistent(format!("its tree does not include entry {index}: {error}")))?;
    let proof = tiles.all(&consistency(old_size, size)).await?;
    verify_consistency_proof(old_size, size, &proof, &old_root, &root).map_err(|error| {
        log.inconsistent(format!("the bundle's tree of {old_size} entries is not its beginning: {error}"))
    })?;
    Ok(Borne { tree_size: size, consistent: true })
}

/// A part of the tree: its leaves from `start` up to `end`.
type Span = (u64, u64);

/// The largest power of two below `size`.
const fn split(size: u64) -> u64 {
    1 << (63 - (size - 1).leading_zeros())
}

/// The subtrees whose hashes prove that a leaf is in the tree over `start..end`, from the leaf up (RFC 6962,
/// section 2.1.1).
fn inclusion(index: u64, start: u64, end: u64) -> Vec<Span> {
    if end - start <= 1 {
        return Vec::new();
    }
    let middle = start + split(end - start);
    let (mut path, sibling) = if index < middle {
        (inclusion(index, start, middle), (middle, end))
    } else {
        (inclusion(index, middle, end), (start, middle))
    };
    path.push(sibling);
    path
}

/// The subtrees whose hashes prove that the tree of `old` leaves begins the one of `new` (RFC 6962, section
/// 2.1.2).
fn consistency(old: u64, new: u64) -> Vec<Span> {
    fn subproof(old: u64, start: u64, end: u64, whole: bool) -> Vec<Span> {
        if old == end {
            return if whole { Vec::new() } else { vec![(start, end)] };
        }
        let middle = start + split(end - start);
        let (mut path, sibling) = if old <= middle {
            (subproof(old, start, middle, whole), (middle, end))
        } else {
            (subproof(old, middle, end, false), (start, middle))
        };
        path.push(sibling);
        path
    }
    if old == 0 || old == new { Vec::new() } else { subproof(old, 0, new, true) }
}

/// The tree's hashes, read tile by tile.
struct Tiles<'a> {
    log: &'a Log<'a>,
    size: u64,
    known: HashMap<(u32, u64), Vec<Sha256Hash>>,
}

impl Tiles<'_> {
    async fn all(&mut self, spans: &[Span]) -> Result<Vec<Sha256Hash>, OnlineError> {
        let mut hashes = Vec::with_capacity(spans.len());
        for &span in spans {
            hashes.push(self.hash(span).await?);
        }
        Ok(hashes)
    }

    /// The hash over a span: of its whole subtrees, from the right to the left.
    async fn hash(&mut self, (start, end): Span) -> Result<Sha256Hash, OnlineError> {
        let mut parts = Vec::new();
        let mut at = start;
        while at < end {
            let widest = 63 - (end - at).leading_zeros();
            let level = if at == 0 { widest } else { widest.min(at.trailing_zeros()) };
            parts.push(self.node(level, at >> level).await?);
            at += 1 << level;
        }
        let last = parts.pop().ok_or_else(|| self.log.inconsistent("an empty tree was asked for"))?;
        Ok(parts.iter().rev().fold(last, |right, left| hash_children(left, &right)))
    }

    /// A node of the tree: a whole subtree of 2^level leaves.
    async fn node(&mut self, level: u32, index: u64) -> Result<Sha256Hash, OnlineError> {
        let (tile_level, within) = (level / HEIGHT, level % HEIGHT);
        let first = index << within;
        let tile = self.tile(tile_level, first / WIDTH).await?;
        let (from, count) = ((first % WIDTH) as usize, 1_usize << within);
        let row = tile.get(from..from + count);
        let mut row = row.map(<[_]>::to_vec).ok_or_else(|| self.log.unreachable("a tile is too short"))?;
        while row.len() > 1 {
            row = row.chunks_exact(2).map(|pair| hash_children(&pair[0], &pair[1])).collect();
        }
        row.first().copied().ok_or_else(|| self.log.unreachable("a tile is empty"))
    }

    async fn tile(&mut self, level: u32, index: u64) -> Result<&[Sha256Hash], OnlineError> {
        if !self.known.contains_key(&(level, index)) {
            let there = self.size >> (level * HEIGHT);
            let width = there.saturating_sub(index * WIDTH).min(WIDTH);
            let path = path(level, index, width);
            let bytes = self.log.get(&path).await?;
            if bytes.len() as u64 != width * HASH as u64 {
                let reason = format!("{path} has {} bytes, {width} hashes were expected", bytes.len());
                return Err(self.log.unreachable(reason));
            }
            let hashes = bytes.chunks_exact(HASH).map(|chunk| {
                let mut hash = [0; HASH];
                hash.copy_from_slice(chunk);
                Sha256Hash::new(hash)
            });
            self.known.insert((level, index), hashes.collect());
        }
        Ok(self.known.get(&(level, index)).map_or(&[], Vec::as_slice))
    }
}

/// Where a tile is: its index in groups of three digits, and its width where it is not full.
fn path(level: u32, index: u64, width: u64) -> String {
    let mut groups = format!("{:03}", index % 1000);
    let mut rest = index / 1000;
    while rest > 0 {
        groups = format!("x{:03}/{groups}", rest % 1000);
        rest /= 1000;
    }
    let partial = if width < WIDTH { format!(".p/{width}") } else { String::new() };
    format!("/api/v2/tile/{level}/{groups}{partial}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(leaves: &[Sha256Hash]) -> Sha256Hash {
        match leaves {
            [one] => *one,
            _ => {
                let middle = split(leaves.len() as u64) as usize;
                hash_children(&root(&leaves[..middle]), &root(&leaves[middle..]))
            }
        }
    }

    #[test]
    fn the_spans_are_the_ones_that_proofs_are_made_of() {
        let leaves: Vec<Sha256Hash> = (0..70_u32).map(|n| hash_leaf(&n.to_be_bytes())).collect();
        let hashes = |spans: Vec<Span>| -> Vec<Sha256Hash> {
            spans.iter().map(|&(start, end)| root(&leaves[start as usize..end as usize])).collect()
        };
        for size in 1..=70_u64 {
            let whole = root(&leaves[..size as usize]);
            for index in 0..size {
                let proof = hashes(inclusion(index, 0, size));
                verify_inclusion_proof(&leaves[index as usize], index, size, &proof, &whole).unwrap();
            }
            for old in 1..=size {
                let before = root(&leaves[..old as usize]);
                let proof = hashes(consistency(old, size));
                verify_consistency_proof(old, size, &proof, &before, &whole).unwrap();
                let lie = hash_leaf(b"another tree");
                assert!(verify_consistency_proof(old, size, &proof, &lie, &whole).is_err());
            }
        }
    }

    #[test]
    fn tiles_have_paths() {
        assert_eq!(path(0, 0, 256), "/api/v2/tile/0/000");
        assert_eq!(path(1, 67, 5), "/api/v2/tile/1/067.p/5");
        assert_eq!(path(0, 1_234_067, 256), "/api/v2/tile/0/x001/x234/067");
        assert_eq!(path(0, 1_000, 256), "/api/v2/tile/0/x001/000");
    }
}
