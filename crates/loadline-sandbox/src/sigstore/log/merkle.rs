//! The Merkle tree of RFC 6962 section 2.1: roots, audit paths and consistency proofs at any size it ever had.
//!
//! The hashes of all complete subtrees are kept, 64 bytes an entry.

use aws_lc_rs::digest::{Context, SHA256};

/// SHA-256.
pub(crate) type Hash = [u8; 32];

/// The hash of a leaf.
pub(crate) fn leaf_hash(leaf: &[u8]) -> Hash {
    hash(&[&[0x00], leaf])
}

fn node_hash(left: &Hash, right: &Hash) -> Hash {
    hash(&[&[0x01], left, right])
}

fn hash(parts: &[&[u8]]) -> Hash {
    let mut context = Context::new(&SHA256);
    for part in parts {
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

/// A tree that only grows.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    /// `levels[k][i]` is the root of the complete subtree over leaves `i * 2^k .. (i + 1) * 2^k`.
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    /// How many leaves it has.
    pub(crate) fn size(&self) -> u64 {
        self.levels.first().map_or(0, |leaves| leaves.len() as u64)
    }

    /// Adds a leaf by its hash.
    pub(crate) fn push(&mut self, leaf: Hash) {
        let mut node = leaf;
        let mut level = 0;
        loop {
            if self.levels.len() == level {
                self.levels.push(Vec::new());
            }
            let nodes = &mut self.levels[level];
            nodes.push(node);
            let [.., left, right] = nodes.as_slice() else { return };
            if nodes.len() % 2 == 1 {
                return;
            }
            node = node_hash(left, right);
            level += 1;
        }
    }

    /// Takes the newest leaves away again, down to `size`: for a batch that did not reach the disk.
    pub(crate) fn truncate(&mut self, size: u64) {
        for (level, nodes) in self.levels.iter_mut().enumerate() {
            nodes.truncate(usize::try_from(size >> level).unwrap_or(usize::MAX));
        }
    }

    /// The root at `size`; none when the tree was never that large.
    pub(crate) fn root(&self, size: u64) -> Option<Hash> {
        match size {
            0 => Some(hash(&[])),
            _ if size > self.size() => None,
            _ => self.range(0, size),
        }
    }

    /// The audit path of leaf `index` at `size`, RFC 6962 section 2.1.1.
    pub(crate) fn inclusion(&self, index: u64, size: u64) -> Option<Vec<Hash>> {
        if index >= size || size > self.size() {
            return None;
        }
        let (mut start, mut end) = (0, size);
        let mut path = Vec::new();
        while end - start > 1 {
            let middle = start + split(end - start);
            if index < middle {
                path.push(self.range(middle, end)?);
                end = middle;
            } else {
                path.push(self.range(start, middle)?);
                start = middle;
            }
        }
        path.reverse();
        Some(path)
    }

    /// The proof that the tree at `new` continues that at `old`, RFC 6962 section 2.1.2.
    pub(crate) fn consistency(&self, old: u64, new: u64) -> Option<Vec<Hash>> {
        if old > new || new > self.size() {
            return None;
        }
        if old == 0 || old == new {
            return Some(Vec::new());
        }
        let (mut start, mut end) = (0, new);
        let mut path = Vec::new();
        // True while the subtree at hand is the whole old tree, whose root the verifier has.
        let mut known = true;
        while end != old {
            let middle = start + split(end - start);
            if old <= middle {
                path.push(self.range(middle, end)?);
                end = middle;
            } else {
                path.push(self.range(start, middle)?);
                start = middle;
                known = false;
            }
        }
        if !known {
            path.push(self.range(start, end)?);
        }
        path.reverse();
        Some(path)
    }

    /// `width` node hashes from `first` on, `level` levels above the leaves: what a hash tile holds.
    pub(crate) fn nodes(&self, level: usize, first: u64, width: usize) -> Option<&[Hash]> {
        let first = usize::try_from(first).ok()?;
        self.levels.get(level)?.get(first..first.checked_add(width)?)
    }

    fn node(&self, level: usize, index: u64) -> Option<Hash> {
        self.levels.get(level)?.get(usize::try_from(index).ok()?).copied()
    }

    /// The hash over leaves `start..end`; `start` is a multiple of the largest complete subtree inside.
    fn range(&self, start: u64, end: u64) -> Option<Hash> {
        let width = end - start;
        if width.is_power_of_two() {
            let level = width.trailing_zeros();
            return self.node(level as usize, start >> level);
        }
        let middle = start + split(width);
        Some(node_hash(&self.range(start, middle)?, &self.range(middle, end)?))
    }
}

/// The largest power of two smaller than `width`, which is at least 2.
fn split(width: u64) -> u64 {
    1 << (63 - (width - 1).leading_zeros())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sigstore_merkle::{verify_consistency_proof, verify_inclusion_proof};
    use sigstore_types::Sha256Hash;

    fn tree(size: u64) -> Tree {
        let mut tree = Tree::default();
        for index in 0..size {
            tree.push(leaf_hash(&index.to_be_bytes()));
        }
        tree
    }

    fn theirs(hashes: &[Hash]) -> Vec<Sha256Hash> {
        hashes.iter().copied().map(Sha256Hash::new).collect()
    }

    proptest! {
        #[test]
        fn proofs_convince_an_independent_verifier(size in 1..200_u64, a in 0..200_u64, b in 0..200_u64) {
            let tree = tree(size);
            let new = a % size + 1;
            let index = b % new;
            let root = Sha256Hash::new(tree.root(new).unwrap());
            let path = theirs(&tree.inclusion(index, new).unwrap());
            let leaf = Sha256Hash::new(leaf_hash(&index.to_be_bytes()));
            verify_inclusion_proof(&leaf, index, new, &path, &root).unwrap();

            let old = b % (new + 1);
            let proof = theirs(&tree.consistency(old, new).unwrap());
            let old_root = Sha256Hash::new(tree.root(old).unwrap());
            verify_consistency_proof(old, new, &proof, &old_root, &root).unwrap();
        }

        #[test]
        fn a_tree_cut_back_is_the_tree_it_was(size in 0..100_u64, cut in 0..100_u64) {
            let kept = cut.min(size);
            let mut cut_back = tree(size);
            cut_back.truncate(kept);
            prop_assert_eq!(cut_back.size(), kept);
            prop_assert_eq!(cut_back.root(kept), tree(kept).root(kept));
            cut_back.push(leaf_hash(b"next"));
            let mut fresh = tree(kept);
            fresh.push(leaf_hash(b"next"));
            prop_assert_eq!(cut_back.root(kept + 1), fresh.root(kept + 1));
        }
    }

    #[test]
    fn nothing_is_proven_beyond_the_tree() {
        let tree = tree(5);
        assert_eq!(tree.inclusion(5, 5), None);
        assert_eq!(tree.inclusion(0, 6), None);
        assert_eq!(tree.consistency(3, 6), None);
        assert_eq!(tree.root(6), None);
        // RFC 6962 section 2.1: the hash of an empty list is the hash of an empty string.
        assert_eq!(
            hex::encode(tree.root(0).unwrap()),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }
}
