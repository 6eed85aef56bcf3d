//! A root file system in memory: names and metadata; content stays where it is until a layer is written.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::sync::{Arc, OnceLock};

use loadline_core::Digest;

use super::path;
use super::spool::SpooledLayer;

/// Extended attributes by name, such as `security.capability`.
pub(crate) type Xattrs = BTreeMap<String, Vec<u8>>;

/// Where a file's bytes are.
#[derive(Debug, Clone)]
pub(crate) enum Content {
    /// In a file of the build context.
    Disk {
        path: Arc<Path>,
        size: u64,
        /// What it was when the context's digest was made: what is copied must be that.
        digest: Arc<OnceLock<Digest>>,
    },
    /// In memory.
    Bytes(Arc<[u8]>),
    /// In a base image's layer, at this offset of its tar stream.
    Layer { layer: Arc<SpooledLayer>, offset: u64, size: u64 },
    /// In a form that cannot be read at an offset, such as a sparse file of old GNU tar.
    Unreadable(&'static str),
}

impl Content {
    /// The size in bytes.
    pub(crate) fn size(&self) -> u64 {
        match self {
            Self::Disk { size, .. } | Self::Layer { size, .. } => *size,
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Unreadable(_) => 0,
        }
    }

    /// A file of the build context as it is now, its digest not known yet.
    pub(crate) fn disk(path: &Path, size: u64) -> Self {
        Self::Disk { path: path.into(), size, digest: Arc::default() }
    }

    /// The digest that the bytes must have, where it is known.
    pub(crate) fn digest(&self) -> Option<&Digest> {
        match self {
            Self::Disk { digest, .. } => digest.get(),
            _ => None,
        }
    }

    /// What tells these bytes from all others while a build runs; nothing where a file's are not known.
    pub(crate) fn identity(&self) -> Option<String> {
        match self {
            Self::Disk { digest, .. } => digest.get().map(ToString::to_string),
            Self::Bytes(bytes) => Some(Digest::of(bytes).to_string()),
            Self::Layer { layer, offset, size } => {
                Some(format!("{} {offset} {size}", layer.name().display()))
            }
            Self::Unreadable(_) => None,
        }
    }

    /// Opens the bytes for reading; never more than [`Content::size`] come out, but a file that shrank
    /// since it was looked at gives fewer.
    pub(crate) fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        Ok(match self {
            Self::Disk { path, size, .. } => {
                let file = File::open(path)?;
                let now = file.metadata()?.len();
                if now != *size {
                    return Err(io::Error::other(format!(
                        "it had {size} bytes and now has {now}: it changed during the build"
                    )));
                }
                Box::new(file.take(*size))
            }
            Self::Bytes(bytes) => Box::new(&bytes[..]),
            Self::Layer { layer, offset, size } => {
                let mut file = layer.plain()?;
                file.seek(SeekFrom::Start(*offset))?;
                Box::new(file.take(*size))
            }
            Self::Unreadable(reason) => return Err(io::Error::new(io::ErrorKind::Unsupported, *reason)),
        })
    }

    /// All bytes, if they are no more than the limit.
    pub(crate) fn read(&self, limit: u64) -> io::Result<Vec<u8>> {
        if self.size() > limit {
            return Err(io::Error::other(format!(
                "it has {} bytes, more than the {limit} that are read",
                self.size()
            )));
        }
        let mut bytes = Vec::new();
        self.open()?.read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

/// What an entry is.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    Directory,
    File(Content),
    /// Where it points, as written.
    Symlink(Arc<str>),
    Device {
        block: bool,
        major: u32,
        minor: u32,
    },
    Fifo,
    Socket,
}

impl Kind {
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Directory => "a directory",
            Self::File(_) => "a file",
            Self::Symlink(_) => "a symbolic link",
            Self::Device { .. } => "a device",
            Self::Fifo => "a named pipe",
            Self::Socket => "a socket",
        }
    }
}

/// An entry and its metadata. Times are not kept: every entry of a layer has the source date.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    /// Permission bits, the three special ones with them.
    pub(crate) mode: u32,
    pub(crate) uid: u64,
    pub(crate) gid: u64,
    pub(crate) xattrs: Option<Arc<Xattrs>>,
}

impl Node {
    pub(crate) fn directory(owner: (u64, u64)) -> Self {
        Self { kind: Kind::Directory, mode: 0o755, uid: owner.0, gid: owner.1, xattrs: None }
    }

    pub(crate) fn file(content: Content, mode: u32) -> Self {
        Self { kind: Kind::File(content), mode, uid: 0, gid: 0, xattrs: None }
    }

    pub(crate) fn is_directory(&self) -> bool {
        matches!(self.kind, Kind::Directory)
    }
}

/// Why a path could not be followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Lost {
    /// More symbolic links than the kernel would follow.
    Loop,
    /// `..` above the root, where that is not allowed.
    Outside {
        /// The link that leads outside, if it is one.
        link: Option<String>,
    },
}

/// What `..` at the root means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AboveRoot {
    /// The root again, as in a running container.
    Stays,
    /// It leaves the context, and is refused.
    Refused,
}

const MAX_LINKS: usize = 255;

/// A root file system. Paths have no leading `/`; the root is the empty path and always a directory.
#[derive(Debug, Clone, Default)]
pub(crate) struct Tree {
    /// Keyed by the path with NUL for `/`, so that a directory is followed by all that is beneath it and
    /// layers come out in the order of a walk.
    nodes: BTreeMap<String, Node>,
}

fn key(path: &str) -> String {
    path.replace('/', "\0")
}

impl Tree {
    /// The entry itself, links not followed. The root has no entry of its own unless a layer set one.
    pub(crate) fn get(&self, path: &str) -> Option<&Node> {
        self.nodes.get(&key(path))
    }

    /// Whether the path is a directory, the root included.
    pub(crate) fn is_directory(&self, path: &str) -> bool {
        path.is_empty() || self.get(path).is_some_and(Node::is_directory)
    }

    /// Sets an entry. What was beneath it stays only if both are directories.
    pub(crate) fn set(&mut self, path: &str, node: Node) {
        if !node.is_directory() && self.is_directory(path) {
            self.remove_beneath(path);
        }
        self.nodes.insert(key(path), node);
    }

    /// Removes an entry and all beneath it.
    pub(crate) fn remove(&mut self, path: &str) {
        self.remove_beneath(path);
        self.nodes.remove(&key(path));
    }

    /// Removes all beneath a directory.
    pub(crate) fn remove_beneath(&mut self, directory: &str) {
        let doomed: Vec<String> = self.beneath(directory).map(|(path, _)| path).collect();
        for path in doomed {
            self.nodes.remove(&key(&path));
        }
    }

    /// All entries beneath a directory, each directory before its content, names in byte order.
    pub(crate) fn beneath<'a>(
        &'a self,
        directory: &str,
    ) -> impl Iterator<Item = (String, &'a Node)> + use<'a> {
        let prefix = if directory.is_empty() { String::new() } else { format!("{}\0", key(directory)) };
        let start = prefix.clone();
        self.nodes
            .range(start..)
            .take_while(move |(key, _)| key.starts_with(&prefix))
            .filter(|(key, _)| !key.is_empty())
            .map(|(key, node)| (key.replace('\0', "/"), node))
    }

    /// How many entries there are.
    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Follows a path as the kernel would inside this root: symbolic links on the way, and at its end if
    /// asked. What does not exist is taken as it is written.
    pub(crate) fn resolve(&self, path: &str, follow_last: bool, above: AboveRoot) -> Result<String, Lost> {
        let mut pending: Vec<String> = path
            .split('/')
            .rev()
            .filter(|part| !part.is_empty() && *part != ".")
            .map(str::to_owned)
            .collect();
        let mut at = String::new();
        let mut links = 0;
        let mut inside_link: Option<String> = None;
        while let Some(part) = pending.pop() {
            if part == ".." {
                if at.is_empty() && above == AboveRoot::Refused {
                    return Err(Lost::Outside { link: inside_link });
                }
                at.truncate(path::parent(&at).len());
                continue;
            }
            let next = path::join(&at, &part);
            match self.get(&next).map(|node| &node.kind) {
                Some(Kind::Symlink(target)) if follow_last || !pending.is_empty() => {
                    links += 1;
                    if links > MAX_LINKS {
                        return Err(Lost::Loop);
                    }
                    if target.starts_with('/') {
                        at.clear();
                    }
                    inside_link = Some(next);
                    pending.extend(
                        target
                            .split('/')
                            .rev()
                            .filter(|part| !part.is_empty() && *part != ".")
                            .map(str::to_owned),
                    );
                }
                _ => at = next,
            }
        }
        Ok(at)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn tree(entries: &[(&str, &str)]) -> Tree {
        let mut tree = Tree::default();
        for (path, what) in entries {
            let node = match what.split_once(' ').unwrap_or((what, "")) {
                ("dir", _) => Node::directory((0, 0)),
                ("link", target) => {
                    Node { kind: Kind::Symlink(target.into()), mode: 0o777, ..Node::directory((0, 0)) }
                }
                ("file", text) => Node::file(Content::Bytes(text.as_bytes().into()), 0o644),
                other => panic!("{other:?}"),
            };
            for parent in path::parents(path) {
                if tree.get(parent).is_none() {
                    tree.set(parent, Node::directory((0, 0)));
                }
            }
            tree.set(path, node);
        }
        tree
    }

    pub(crate) fn paths(tree: &Tree) -> Vec<String> {
        tree.beneath("").map(|(path, _)| path).collect()
    }

    #[test]
    fn the_order_is_that_of_a_walk() {
        let tree =
            tree(&[("a/z", "file"), ("a-b", "file"), ("a.b", "file"), ("b", "file"), ("a/b/c", "file")]);
        assert_eq!(paths(&tree), ["a", "a/b", "a/b/c", "a/z", "a-b", "a.b", "b"]);
        let beneath: Vec<String> = tree.beneath("a").map(|(path, _)| path).collect();
        assert_eq!(beneath, ["a/b", "a/b/c", "a/z"]);
    }

    #[test]
    fn links_are_followed_inside_the_root() {
        let tree = tree(&[
            ("usr/bin/sh", "file"),
            ("bin", "link usr/bin"),
            ("abs", "link /usr/bin"),
            ("up", "link ../../usr"),
            ("loop", "link loop"),
            ("usr/lib/x", "link ../bin/sh"),
        ]);
        let stays = |path| tree.resolve(path, true, AboveRoot::Stays);
        assert_eq!(stays("bin/sh"), Ok("usr/bin/sh".into()));
        assert_eq!(stays("abs/new"), Ok("usr/bin/new".into()));
        assert_eq!(stays("up/bin"), Ok("usr/bin".into()));
        assert_eq!(stays("usr/lib/x"), Ok("usr/bin/sh".into()));
        assert_eq!(stays("bin/../etc"), Ok("usr/etc".into()));
        assert_eq!(stays("not/there/../x"), Ok("not/x".into()));
        assert_eq!(stays("loop/x"), Err(Lost::Loop));
        assert_eq!(tree.resolve("bin", false, AboveRoot::Stays), Ok("bin".into()));
        assert_eq!(
            tree.resolve("up/bin", true, AboveRoot::Refused),
            Err(Lost::Outside { link: Some("up".into()) })
        );
        assert_eq!(tree.resolve("../x", true, AboveRoot::Refused), Err(Lost::Outside { link: None }));
    }

    #[test]
    fn a_file_in_a_directorys_place_hides_what_was_beneath() {
        let mut tree = tree(&[("a/b/c", "file"), ("ab", "file")]);
        tree.set("a", Node::file(Content::Bytes(Arc::from(&b""[..])), 0o644));
        assert_eq!(paths(&tree), ["a", "ab"]);
    }
}
