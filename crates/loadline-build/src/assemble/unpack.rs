//! Tar streams into trees: base images' layers with their whiteouts, and archives that `ADD` unpacks.

use std::io::{self, Read};
use std::sync::Arc;

use tar::EntryType;
use thiserror::Error;

use super::path;
use super::tree::{AboveRoot, Content, Kind, Node, Tree, Xattrs};

/// How many entries one archive may have.
const MAX_ENTRIES: usize = 4_000_000;

/// Why a tar stream could not be read.
#[derive(Debug, Error)]
pub enum UnpackError {
    /// It is no tar stream, or it is cut off.
    #[error("it is no readable tar archive: {0}")]
    Tar(#[from] io::Error),
    /// An entry would lie outside the root.
    #[error("its entry `{path}` lies outside the root: an archive like that is not unpacked")]
    Outside {
        /// The path as written.
        path: String,
    },
    /// A hard link to something that is not there.
    #[error("its entry `{path}` is a hard link to `{target}`, which is not there")]
    DanglingLink {
        /// The path as written.
        path: String,
        /// Where it points.
        target: String,
    },
    /// A limit was hit.
    #[error("it has more than {limit} entries")]
    TooMany {
        /// How many are allowed.
        limit: usize,
    },
}

/// One entry as an archive has it.
pub(crate) struct Found {
    /// From the root, cleaned.
    pub(crate) path: String,
    pub(crate) what: What,
}

pub(crate) enum What {
    Node(Node),
    /// A second name of an earlier entry.
    Hardlink(String),
}

/// Calls back for each entry of a tar stream; `place` says where the content at an offset is.
pub(crate) fn read(
    stream: impl Read,
    place: impl Fn(u64, u64) -> Content,
    mut each: impl FnMut(Found) -> Result<(), UnpackError>,
) -> Result<(), UnpackError> {
    let mut archive = tar::Archive::new(stream);
    for (number, entry) in archive.entries()?.enumerate() {
        if number >= MAX_ENTRIES {
            return Err(UnpackError::TooMany { limit: MAX_ENTRIES });
        }
        let mut entry = entry?;
        let written = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if path::climbs(&written) {
            return Err(UnpackError::Outside { path: written });
        }
        let link = entry.link_name_bytes().map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        let header = entry.header();
        let kind_of = header.entry_type();
        let fields = header.as_old();
        let mode = if is_blank(&fields.mode) { 0 } else { header.mode()? };
        let mut uid = if is_blank(&fields.uid) { 0 } else { header.uid()? };
        let mut gid = if is_blank(&fields.gid) { 0 } else { header.gid()? };
        let device = (header.device_major().ok().flatten(), header.device_minor().ok().flatten());
        let mut xattrs = Xattrs::new();
        if let Some(records) = entry.pax_extensions()? {
            for record in records {
                let record = record?;
                let Ok(key) = record.key() else { continue };
                let number = || record.value().ok().and_then(|value| value.parse().ok());
                match key {
                    "uid" => uid = number().unwrap_or(uid),
                    "gid" => gid = number().unwrap_or(gid),
                    _ => {
                        if let Some(name) = key.strip_prefix("SCHILY.xattr.") {
                            xattrs.insert(name.to_owned(), record.value_bytes().to_owned());
                        }
                    }
                }
            }
        }
        let kind = match kind_of {
            EntryType::Directory => Kind::Directory,
            EntryType::Regular | EntryType::Continuous => {
                // Old tar marks a directory by its name alone.
                if written.ends_with('/') {
                    Kind::Directory
                } else {
                    Kind::File(place(entry.raw_file_position(), entry.size()))
                }
            }
            EntryType::GNUSparse => {
                Kind::File(Content::Unreadable("it is a sparse file of GNU tar, which is not read"))
            }
            EntryType::Symlink => Kind::Symlink(link.unwrap_or_default().into()),
            EntryType::Link => {
                let target = path::from_root(&link.unwrap_or_default());
                each(Found { path: path::from_root(&written), what: What::Hardlink(target) })?;
                continue;
            }
            EntryType::Char | EntryType::Block => Kind::Device {
                block: kind_of == EntryType::Block,
                major: device.0.unwrap_or(0),
                minor: device.1.unwrap_or(0),
            },
            EntryType::Fifo => Kind::Fifo,
            // Global headers and what nobody knows: nothing of the file system.
            _ => continue,
        };
        let xattrs = (!xattrs.is_empty()).then(|| Arc::new(xattrs));
        let node = Node { kind, mode: mode & 0o7777, uid, gid, xattrs };
        each(Found { path: path::from_root(&written), what: What::Node(node) })?;
    }
    Ok(())
}

/// Whether a number is left out, which other readers take as 0.
fn is_blank(field: &[u8]) -> bool {
    field.iter().all(|byte| matches!(byte, 0 | b' '))
}

/// Lays a layer over a tree (OCI image-spec, layer.md: whiteouts hide what lower layers have, never what
/// this one brings).
pub(crate) fn apply_layer(
    tree: &mut Tree,
    stream: impl Read,
    place: impl Fn(u64, u64) -> Content,
) -> Result<(), UnpackError> {
    let mut brought: std::collections::BTreeSet<String> = std::collections::BTreeSet::new();
    read(stream, place, |found| {
        let name = path::name(&found.path).to_owned();
        // A parent that is a link is followed, as containerd does when it unpacks.
        let directory = tree
            .resolve(path::parent(&found.path), true, AboveRoot::Stays)
            .map_err(|_| UnpackError::Outside { path: found.path.clone() })?;
        let at = path::join(&directory, &name);
        if name == ".wh..wh..opq" {
            let hidden: Vec<String> = tree
                .beneath(&directory)
                .map(|(path, _)| path)
                .filter(|path| !brought.contains(path))
                .collect();
            for path in hidden {
                // A directory that this layer brought something into stays.
                if tree.get(&path).is_some()
                    && !tree.beneath(&path).any(|(beneath, _)| brought.contains(&beneath))
                {
                    tree.remove(&path);
                }
            }
            return Ok(());
        }
        if let Some(hidden) = name.strip_prefix(".wh.") {
            // Bookkeeping of aufs, which no layer means.
            if !hidden.starts_with(".wh.") && !hidden.is_empty() {
                let path = path::join(&directory, hidden);
                if !brought.contains(&path) {
                    tree.remove(&path);
                }
            }
            return Ok(());
        }
        let node = match found.what {
            What::Node(node) => node,
            What::Hardlink(target) => tree
                .get(&target)
                .filter(|node| !node.is_directory())
                .cloned()
                .ok_or_else(|| UnpackError::DanglingLink { path: found.path.clone(), target })?,
        };
        for parent in path::parents(&at) {
            if !tree.is_directory(parent) {
                tree.remove(parent);
                tree.set(parent, Node::directory((0, 0)));
            }
        }
        if !at.is_empty() {
            brought.insert(at.clone());
        }
        tree.set(&at, node);
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::super::tree::tests::paths;
    use super::*;

    fn archive(entries: &[(&str, EntryType, &str)]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, kind, text) in entries {
            let mut header = tar::Header::new_ustar();
            header.set_entry_type(*kind);
            header.set_mode(if *kind == EntryType::Directory { 0o755 } else { 0o644 });
            header.set_uid(7);
            header.set_gid(8);
            let link = matches!(kind, EntryType::Symlink | EntryType::Link);
            if link {
                header.set_link_name_literal(text).unwrap();
            }
            let bytes = if link { &b""[..] } else { text.as_bytes() };
            header.set_size(bytes.len() as u64);
            header.as_ustar_mut().unwrap().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_cksum();
            builder.append(&header, bytes).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn apply(tree: &mut Tree, entries: &[(&str, EntryType, &str)]) -> Result<(), UnpackError> {
        let bytes = archive(entries);
        let held: Arc<[u8]> = bytes.clone().into();
        apply_layer(tree, &bytes[..], |offset, size| {
            Content::Bytes(held[offset as usize..(offset + size) as usize].into())
        })
    }

    const FILE: EntryType = EntryType::Regular;
    const DIR: EntryType = EntryType::Directory;

    #[test]
    fn layers_are_laid_over_each_other() {
        let mut tree = Tree::default();
        apply(
            &mut tree,
            &[
                ("./", DIR, ""),
                ("./a/", DIR, ""),
                ("./a/b", FILE, "one"),
                ("a/c", FILE, "two"),
                ("d/e/f", FILE, "x"),
            ],
        )
        .unwrap();
        assert_eq!(paths(&tree), ["a", "a/b", "a/c", "d", "d/e", "d/e/f"]);
        let node = tree.get("a/b").unwrap();
        assert_eq!((node.uid, node.gid, node.mode), (7, 8, 0o644));
        apply(
            &mut tree,
            &[
                ("a/.wh.b", FILE, ""),
                ("a/h", EntryType::Link, "./a/c"),
                ("d/e/g", FILE, "new"),
                ("d/.wh..wh..opq", FILE, ""),
            ],
        )
        .unwrap();
        assert_eq!(paths(&tree), ["a", "a/c", "a/h", "d", "d/e", "d/e/g"]);
        let Kind::File(content) = &tree.get("a/h").unwrap().kind else { panic!() };
        assert_eq!(content.read(10).unwrap(), b"two");
        apply(&mut tree, &[("a", FILE, "file now")]).unwrap();
        assert_eq!(paths(&tree), ["a", "d", "d/e", "d/e/g"]);
        apply(&mut tree, &[("a/x", FILE, "directory again")]).unwrap();
        assert_eq!(paths(&tree), ["a", "a/x", "d", "d/e", "d/e/g"]);
        apply(&mut tree, &[("l", EntryType::Symlink, "d/e"), ("l/through", FILE, "")]).unwrap();
        assert_eq!(paths(&tree), ["a", "a/x", "d", "d/e", "d/e/g", "d/e/through", "l"]);
    }

    #[test]
    fn numbers_that_are_left_out_are_nought() {
        let mut header = tar::Header::new_ustar();
        header.as_ustar_mut().unwrap().name[..1].copy_from_slice(b"x");
        header.set_size(0);
        header.set_cksum();
        let mut tree = Tree::default();
        let bytes = [header.as_bytes(), &[0; 1024][..]].concat();
        apply_layer(&mut tree, &bytes[..], |_, _| Content::Bytes(Arc::from(&b""[..]))).unwrap();
        let node = tree.get("x").unwrap();
        assert_eq!((node.mode, node.uid, node.gid), (0, 0, 0));
    }

    #[test]
    fn hostile_archives_are_refused() {
        let mut tree = Tree::default();
        assert!(matches!(apply(&mut tree, &[("../x", FILE, "")]), Err(UnpackError::Outside { .. })));
        assert!(matches!(apply(&mut tree, &[("a/../../x", FILE, "")]), Err(UnpackError::Outside { .. })));
        assert!(matches!(
            apply(&mut tree, &[("h", EntryType::Link, "gone")]),
            Err(UnpackError::DanglingLink { .. })
        ));
        assert!(matches!(
            apply_layer(&mut tree, &[1_u8; 600][..], |_, _| panic!()),
            Err(UnpackError::Tar(_))
        ));
    }
}
