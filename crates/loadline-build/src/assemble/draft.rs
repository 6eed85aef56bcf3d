//! A stage's root file system while its instructions run, and the layer that the current one makes.

use std::collections::BTreeSet;

use super::layer::Entries;
use super::path;
use super::tree::{AboveRoot, Kind, Lost, Node, Tree};

/// A tree, and which of its entries the current instruction wrote.
#[derive(Debug, Clone, Default)]
pub(crate) struct Draft {
    pub(crate) tree: Tree,
    written: BTreeSet<String>,
}

/// What stands in the way of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InTheWay {
    pub(crate) path: String,
    pub(crate) what: &'static str,
}

impl Draft {
    pub(crate) fn new(tree: Tree) -> Self {
        Self { tree, written: BTreeSet::new() }
    }

    /// Writes an entry, whatever was there.
    pub(crate) fn put(&mut self, path: &str, node: Node) {
        if !node.is_directory() && self.tree.is_directory(path) {
            let prefix = format!("{path}/");
            self.written.retain(|written| !written.starts_with(&prefix));
        }
        self.tree.set(path, node);
        self.written.insert(path.to_owned());
    }

    /// Makes a directory and those above it, where they are missing. The path has no links in it.
    pub(crate) fn make_directories(&mut self, directory: &str, owner: (u64, u64)) -> Result<(), InTheWay> {
        let all: Vec<String> = path::parents(directory)
            .chain((!directory.is_empty()).then_some(directory))
            .map(str::to_owned)
            .collect();
        for path in all {
            match self.tree.get(&path) {
                Some(node) if node.is_directory() => {}
                Some(node) => return Err(InTheWay { what: node.kind.word(), path }),
                None => self.put(&path, Node::directory(owner)),
            }
        }
        Ok(())
    }

    /// Where a path leads in this root, links followed to the end.
    pub(crate) fn resolve(&self, path: &str) -> Result<String, Lost> {
        self.tree.resolve(path, true, AboveRoot::Stays)
    }

    /// The layer of what was written since the last call: the entries, and the directories above them as
    /// BuildKit has them in its layers, with the metadata they already had.
    pub(crate) fn take_layer(&mut self) -> Entries {
        let mut paths = Tree::default();
        for path in &self.written {
            for parent in path::parents(path).chain([path.as_str()]) {
                if paths.get(parent).is_none()
                    && let Some(node) = self.tree.get(parent)
                {
                    paths.set(parent, node.clone());
                }
            }
        }
        self.written.clear();
        paths.beneath("").map(|(path, node)| (path, node.clone())).collect()
    }

    /// Lays a finished layer over the tree, as `COPY --link` does.
    pub(crate) fn lay_over(&mut self, entries: &Entries) {
        for (path, node) in entries {
            if !matches!(node.kind, Kind::Directory) || !self.tree.is_directory(path) {
                self.tree.remove(path);
            }
            self.tree.set(path, node.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::{paths, tree};
    use super::*;

    #[test]
    fn a_layer_has_what_was_written_and_what_holds_it() {
        let mut base = tree(&[("usr/bin/sh", "file"), ("opt", "dir")]);
        let mut special = Node::directory((5, 6));
        special.mode = 0o1777;
        base.set("usr", special);
        let mut draft = Draft::new(base);
        draft.make_directories("usr/bin/deep/er", (1, 2)).unwrap();
        let layer = draft.take_layer();
        let seen: Vec<(&str, u32, u64)> = layer.iter().map(|(p, n)| (p.as_str(), n.mode, n.uid)).collect();
        assert_eq!(
            seen,
            [
                ("usr", 0o1777, 5),
                ("usr/bin", 0o755, 0),
                ("usr/bin/deep", 0o755, 1),
                ("usr/bin/deep/er", 0o755, 1)
            ]
        );
        assert!(draft.take_layer().is_empty());
        let error = draft.make_directories("usr/bin/sh/x", (0, 0)).unwrap_err();
        assert_eq!(error, InTheWay { path: "usr/bin/sh".into(), what: "a file" });
    }

    #[test]
    fn a_linked_layer_replaces_links_by_directories() {
        let mut draft = Draft::new(tree(&[("usr/bin/sh", "file"), ("bin", "link usr/bin")]));
        draft.lay_over(&vec![
            ("bin".into(), Node::directory((0, 0))),
            ("bin/new".into(), tree(&[("x", "file")]).get("x").unwrap().clone()),
        ]);
        assert_eq!(paths(&draft.tree), ["bin", "bin/new", "usr", "usr/bin", "usr/bin/sh"]);
    }
}
