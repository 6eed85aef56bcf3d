//! `COPY` and `ADD` of what is in a tree: the context, a stage, an image.
//!
//! The rules are those of BuildKit's file operation and of `fsutil/copy` beneath it: a directory's content is
//! copied, not the directory; a destination that ends in `/` or is a directory takes files by their name;
//! links in the destination's path are followed inside the image; a link among the files copied stays a link.

use std::io;

use thiserror::Error;

use super::draft::{Draft, InTheWay};
use super::glob::{Dialect, Glob, PatternError, has_wildcards};
use super::ignore::{Inherited, Patterns};
use super::path;
use super::spool::Spool;
use super::tree::{AboveRoot, Content, Kind, Lost, Node, Tree};
use super::unpack::{self, UnpackError, What};

/// Why a copy could not be made.
#[derive(Debug, Error)]
pub enum CopyError {
    /// The source is not there.
    #[error("`{path}` is not in {origin}{}", hint.as_deref().map(|hint| format!(": {hint}")).unwrap_or_default())]
    NotFound {
        /// The source as written, variables expanded.
        path: String,
        /// Where it was looked for.
        origin: String,
        /// What may be the reason.
        hint: Option<String>,
    },
    /// The source leaves the context.
    #[error("`{path}` leaves {origin}{}: only what is beneath it can be copied; make the context larger, or name another with --from", link.as_deref().map(|link| format!(" through the link `{link}`")).unwrap_or_default())]
    Escapes {
        /// The source as written, variables expanded.
        path: String,
        /// What it leaves.
        origin: String,
        /// The link that leads outside, if it is one.
        link: Option<String>,
    },
    /// Links that lead in a circle.
    #[error("`{path}` has too many symbolic links in it")]
    Loop {
        /// The path.
        path: String,
    },
    /// Several sources, and a destination that is no directory.
    #[error("{count} sources need a directory: end the destination `{destination}` with a `/`")]
    NeedsDirectory {
        /// How many sources there are.
        count: usize,
        /// The destination as written.
        destination: String,
    },
    /// The destination, or a directory above it, is something else already.
    #[error("`/{path}` is {what} already, and {wanted} cannot take its place")]
    InTheWay {
        /// The path in the image.
        path: String,
        /// What it is.
        what: &'static str,
        /// What should be there.
        wanted: &'static str,
    },
    /// A source that images do not carry.
    #[error("`{path}` is {what}, which cannot be copied: add it to the ignore file")]
    Unsupported {
        /// The source.
        path: String,
        /// What it is.
        what: &'static str,
    },
    /// A pattern that is none.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// An archive that could not be unpacked.
    #[error("`{path}` cannot be unpacked: {source}")]
    Unpack {
        /// The archive.
        path: String,
        /// What went wrong.
        source: UnpackError,
    },
    /// An archive in a form that is not read.
    #[error(
        "`{path}` looks like an archive compressed with {form}, which is not unpacked here: recompress it with gzip or zstd, use COPY (or ADD --unpack=false) to keep it packed, or build with `builder = \"buildx\"`"
    )]
    Form {
        /// The archive.
        path: String,
        /// `bzip2` or `xz`.
        form: &'static str,
    },
    /// A source that could not be read.
    #[error("`{path}` cannot be read: {source}")]
    Read {
        /// The source.
        path: String,
        /// What went wrong.
        source: io::Error,
    },
}

/// Where sources come from.
#[derive(Clone, Copy)]
pub(crate) struct Origin<'a> {
    pub(crate) tree: &'a Tree,
    /// In words: `the context`, `stage \`build\``.
    pub(crate) name: &'a str,
    /// Whether leaving it is refused; inside an image, `..` at the root is the root.
    pub(crate) above: AboveRoot,
    /// What the ignore file excludes, for the message alone.
    pub(crate) excluded: &'a [String],
    /// Where archives are unpacked to.
    pub(crate) spool: &'a Spool,
}

/// How files arrive.
#[derive(Debug, Clone, Default)]
pub(crate) struct Manner {
    /// `--chown`.
    pub(crate) owner: Option<(u64, u64)>,
    /// `--chmod`.
    pub(crate) mode: Option<u32>,
    /// `--exclude`.
    pub(crate) exclude: Patterns,
    /// `--parents`.
    pub(crate) parents: bool,
    /// Whether archives are unpacked: `ADD`.
    pub(crate) unpack: bool,
}

impl Manner {
    fn owner_of_made(&self) -> (u64, u64) {
        self.owner.unwrap_or((0, 0))
    }

    fn dress(&self, node: &Node) -> Node {
        let mut node = node.clone();
        if let Some((uid, gid)) = self.owner {
            (node.uid, node.gid) = (uid, gid);
        }
        if let Some(mode) = self.mode
            && !matches!(node.kind, Kind::Symlink(_))
        {
            node.mode = mode;
        }
        node
    }
}

fn in_the_way(error: InTheWay) -> CopyError {
    CopyError::InTheWay { path: error.path, what: error.what, wanted: "a directory" }
}

/// Copies one source to a destination, which is absolute and keeps the `/` that it was written with.
pub(crate) fn copy(
    draft: &mut Draft,
    origin: Origin<'_>,
    source: &str,
    destination: &str,
    manner: &Manner,
) -> Result<(), CopyError> {
    if path::climbs(source) && origin.above == AboveRoot::Refused {
        return Err(CopyError::Escapes {
            path: source.to_owned(),
            origin: origin.name.to_owned(),
            link: None,
        });
    }
    if manner.parents {
        return copy_with_parents(draft, origin, source, destination, manner);
    }
    let matches = find(origin, source)?;
    let wants_directory = destination.ends_with('/') || destination.ends_with("/.");
    if matches.len() > 1
        && !wants_directory
        && !draft.resolve(destination).is_ok_and(|at| draft.tree.is_directory(&at))
    {
        return Err(CopyError::NeedsDirectory { count: matches.len(), destination: destination.to_owned() });
    }
    for found in matches {
        let at = prepare(draft, destination, manner)?;
        if manner.unpack && unpack_archive(draft, origin, &found, &at, manner)? {
            continue;
        }
        place(draft, origin, &found, &at, manner, None)?;
    }
    Ok(())
}

/// A source that was found: how it is called, and where it is once links are followed.
struct Source {
    name: String,
    at: String,
    /// The path beneath what has no wildcards, which `--exclude` looks at.
    beneath: String,
}

fn find(origin: Origin<'_>, source: &str) -> Result<Vec<Source>, CopyError> {
    let lost = |error| lost(error, source, origin);
    let cleaned = path::from_root(source);
    if !has_wildcards(&cleaned) {
        let at = origin.tree.resolve(&cleaned, true, origin.above).map_err(lost)?;
        if !at.is_empty() && origin.tree.get(&at).is_none() {
            return Err(not_found(origin, source, &at));
        }
        let name = path::name(&cleaned).to_owned();
        return Ok(vec![Source { beneath: name.clone(), name, at }]);
    }
    let parts: Vec<&str> = cleaned.split('/').collect();
    let first_wild = parts.iter().position(|part| has_wildcards(part)).unwrap_or(0);
    let top = origin.tree.resolve(&parts[..first_wild].join("/"), true, origin.above).map_err(lost)?;
    let glob = Glob::new(&parts[first_wild..].join("/"), Dialect::Match)?;
    let prefix = if top.is_empty() { 0 } else { top.len() + 1 };
    let mut found: Vec<Source> = Vec::new();
    for (path, _) in origin.tree.beneath(&top) {
        let inside = found.last().is_some_and(|last| path.starts_with(&format!("{}/", last.at)));
        if !inside && glob.matches(&path[prefix..]) {
            found.push(Source {
                name: path::name(&path).to_owned(),
                beneath: path[prefix..].to_owned(),
                at: path,
            });
        }
    }
    for source in &mut found {
        source.at = origin.tree.resolve(&source.at, true, origin.above).map_err(lost)?;
        if origin.tree.get(&source.at).is_none() {
            return Err(not_found(origin, &source.beneath, &source.at));
        }
    }
    Ok(found)
}

fn lost(error: Lost, source: &str, origin: Origin<'_>) -> CopyError {
    match error {
        Lost::Loop => CopyError::Loop { path: source.to_owned() },
        Lost::Outside { link } => {
            CopyError::Escapes { path: source.to_owned(), origin: origin.name.to_owned(), link }
        }
    }
}

fn not_found(origin: Origin<'_>, source: &str, at: &str) -> CopyError {
    let hidden =
        origin.excluded.iter().find(|hidden| at == hidden.as_str() || at.starts_with(&format!("{hidden}/")));
    let hint = match hidden {
        Some(hidden) => Some(format!("the ignore file excludes `{hidden}`")),
        None => {
            let wanted = path::name(at);
            origin
                .tree
                .beneath(path::parent(at))
                .map(|(path, _)| path)
                .filter(|path| path::parent(path) == path::parent(at))
                .find(|path| path::name(path).eq_ignore_ascii_case(wanted))
                .map(|near| format!("`{near}` is"))
        }
    };
    CopyError::NotFound { path: source.to_owned(), origin: origin.name.to_owned(), hint }
}

/// Makes the directory that a destination is in, or is, and says where the destination leads.
fn prepare(draft: &mut Draft, destination: &str, manner: &Manner) -> Result<String, CopyError> {
    let lost = |_| CopyError::Loop { path: destination.to_owned() };
    let is_directory = destination.ends_with('/') || destination.ends_with("/.");
    let holder = if is_directory { destination } else { path::parent(destination) };
    let holder = draft.resolve(holder).map_err(lost)?;
    draft.make_directories(&holder, manner.owner_of_made()).map_err(in_the_way)?;
    draft.resolve(destination).map_err(lost)
}

/// Puts a file, or a directory's content, at a path of the image.
fn place(
    draft: &mut Draft,
    origin: Origin<'_>,
    source: &Source,
    destination: &str,
    manner: &Manner,
    only: Option<&Patterns>,
) -> Result<(), CopyError> {
    let is_directory = origin.tree.is_directory(&source.at);
    if !is_directory {
        if manner.exclude.matches(&source.beneath, &Inherited::default()).0 {
            return Ok(());
        }
        let Some(node) = origin.tree.get(&source.at) else {
            return Err(not_found(origin, &source.name, &source.at));
        };
        let target = if draft.tree.is_directory(destination) {
            path::join(destination, &source.name)
        } else {
            destination.to_owned()
        };
        draft.make_directories(path::parent(&target), manner.owner_of_made()).map_err(in_the_way)?;
        return put(draft, &source.at, node, &target, manner);
    }
    if draft.tree.get(destination).is_none() {
        draft.make_directories(destination, manner.owner_of_made()).map_err(in_the_way)?;
    } else if !draft.tree.is_directory(destination) {
        let what = draft.tree.get(destination).map_or("a file", |node| node.kind.word());
        return Err(CopyError::InTheWay { path: destination.to_owned(), what, wanted: "a directory" });
    }
    let prefix = if source.at.is_empty() { 0 } else { source.at.len() + 1 };
    // The directories on the way to the current entry: what they hand on, and whether they were written.
    let mut above: Vec<Above> = Vec::new();
    let mut skipped: Option<String> = None;
    for (full, node) in origin.tree.beneath(&source.at) {
        if skipped.as_ref().is_some_and(|skipped| full.starts_with(skipped)) {
            continue;
        }
        let relative = &full[prefix..];
        while above.last().is_some_and(|last| !relative.starts_with(&last.prefix)) {
            above.pop();
        }
        let parent = above.last();
        let (excluded, excludes) =
            manner.exclude.matches(relative, &parent.map(|above| above.excludes.clone()).unwrap_or_default());
        let (included, includes) = match only {
            Some(only) => {
                only.matches(relative, &parent.map(|above| above.includes.clone()).unwrap_or_default())
            }
            None => (true, Inherited::default()),
        };
        let taken = included && !excluded;
        if node.is_directory() {
            if excluded && !manner.exclude.may_except_beneath(relative) {
                skipped = Some(format!("{full}/"));
                continue;
            }
            above.push(Above {
                prefix: format!("{relative}/"),
                full: full.clone(),
                written: false,
                excludes,
                includes,
            });
        }
        if !taken {
            continue;
        }
        for directory in &mut above {
            if !directory.written {
                let node =
                    origin.tree.get(&directory.full).cloned().unwrap_or_else(|| Node::directory((0, 0)));
                let target = path::join(destination, directory.prefix.trim_end_matches('/'));
                put(draft, &directory.full, &node, &target, manner)?;
                directory.written = true;
            }
        }
        if !node.is_directory() {
            put(draft, &full, node, &path::join(destination, relative), manner)?;
        }
    }
    Ok(())
}

struct Above {
    prefix: String,
    full: String,
    written: bool,
    excludes: Inherited,
    includes: Inherited,
}

fn put(draft: &mut Draft, source: &str, node: &Node, target: &str, manner: &Manner) -> Result<(), CopyError> {
    if matches!(node.kind, Kind::Socket) {
        return Err(CopyError::Unsupported { path: source.to_owned(), what: node.kind.word() });
    }
    if let Kind::File(Content::Unreadable(reason)) = &node.kind {
        let source_error = io::Error::new(io::ErrorKind::Unsupported, *reason);
        return Err(CopyError::Read { path: source.to_owned(), source: source_error });
    }
    let (wanted, clash) = match draft.tree.get(target) {
        None => ("", None),
        Some(there) if node.is_directory() => {
            ("a directory", (!there.is_directory()).then(|| there.kind.word()))
        }
        Some(there) => (node.kind.word(), there.is_directory().then(|| there.kind.word())),
    };
    if let Some(what) = clash {
        return Err(CopyError::InTheWay { path: target.to_owned(), what, wanted });
    }
    if target.is_empty() {
        return Err(CopyError::InTheWay { path: String::new(), what: "the root", wanted: node.kind.word() });
    }
    draft.put(target, manner.dress(node));
    Ok(())
}

/// `--parents`: the source's directories are kept, from its beginning or from `/./` in it.
fn copy_with_parents(
    draft: &mut Draft,
    origin: Origin<'_>,
    source: &str,
    destination: &str,
    manner: &Manner,
) -> Result<(), CopyError> {
    let (top, pattern) = source.split_once("/./").unwrap_or(("", source));
    let pattern = path::from_root(pattern);
    let top_path = path::from_root(top);
    let lost = |error| lost(error, source, origin);
    if !has_wildcards(&top_path) && !has_wildcards(&pattern) {
        let whole =
            origin.tree.resolve(&path::join(&top_path, &pattern), true, origin.above).map_err(lost)?;
        if !whole.is_empty() && origin.tree.get(&whole).is_none() {
            return Err(not_found(origin, source, &whole));
        }
    }
    let only = if pattern.is_empty() { None } else { Some(Patterns::new([&pattern])?) };
    for found in find(origin, if top.is_empty() { "/" } else { top })? {
        let at = prepare(draft, destination, manner)?;
        place(draft, origin, &found, &at, manner, only.as_ref())?;
    }
    Ok(())
}

/// Unpacks a source if it is an archive; says whether it was one.
fn unpack_archive(
    draft: &mut Draft,
    origin: Origin<'_>,
    source: &Source,
    destination: &str,
    manner: &Manner,
) -> Result<bool, CopyError> {
    let Some(Node { kind: Kind::File(content), .. }) = origin.tree.get(&source.at) else { return Ok(false) };
    let entries = match super::archive::read(content, origin.spool).map_err(|error| match error {
        super::archive::ArchiveError::Form(form) => CopyError::Form { path: source.at.clone(), form },
        super::archive::ArchiveError::Read(error) => {
            CopyError::Read { path: source.at.clone(), source: error }
        }
        super::archive::ArchiveError::Unpack(error) => {
            CopyError::Unpack { path: source.at.clone(), source: error }
        }
    })? {
        Some(entries) => entries,
        None => return Ok(false),
    };
    draft.make_directories(destination, manner.owner_of_made()).map_err(in_the_way)?;
    for unpack::Found { path: entry, what } in entries {
        if entry.is_empty() {
            continue;
        }
        let lost = |_| CopyError::Loop { path: entry.clone() };
        let holder = draft.resolve(&path::join(destination, path::parent(&entry))).map_err(lost)?;
        draft.make_directories(&holder, manner.owner_of_made()).map_err(in_the_way)?;
        let target = path::join(&holder, path::name(&entry));
        let node = match what {
            What::Node(node) => node,
            What::Hardlink(link) => {
                let at = draft.resolve(&path::join(destination, &link)).map_err(lost)?;
                draft.tree.get(&at).filter(|node| !node.is_directory()).cloned().ok_or_else(|| {
                    CopyError::Unpack {
                        path: source.at.clone(),
                        source: UnpackError::DanglingLink { path: entry.clone(), target: link },
                    }
                })?
            }
        };
        // Modes in an archive are its author's, and stay.
        let node = Manner { owner: manner.owner, ..Manner::default() }.dress(&node);
        if node.is_directory() && !draft.tree.is_directory(&target) {
            draft.tree.remove(&target);
        }
        draft.put(&target, node);
    }
    Ok(true)
}

/// Puts bytes that stand in the Dockerfile itself at a destination: `COPY <<EOF`.
pub(crate) fn place_text(
    draft: &mut Draft,
    (name, text): (&str, &str),
    destination: &str,
    manner: &Manner,
    spool: &Spool,
) -> Result<(), CopyError> {
    let mut tree = Tree::default();
    let at = path::from_root(name);
    for parent in path::parents(&at) {
        tree.set(parent, Node::directory((0, 0)));
    }
    tree.set(&at, Node::file(Content::Bytes(text.as_bytes().into()), 0o644));
    let origin = Origin { tree: &tree, name: "the heredoc", above: AboveRoot::Stays, excluded: &[], spool };
    let source = Source { name: path::name(&at).to_owned(), beneath: path::name(&at).to_owned(), at };
    let at = prepare(draft, destination, manner)?;
    place(draft, origin, &source, &at, manner, None)
}
