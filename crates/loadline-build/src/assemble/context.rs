//! The build context: what instructions can see of a directory, and the digest of it.
//!
//! What a checkout's umask made of the files' modes is not kept: a directory is 0755, a file is 0755 if
//! anyone may execute it and 0644 if not (BuildKit keeps the modes as they are on disk). Owners are
//! 0:0, as BuildKit has them; times and extended attributes are not looked at.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use loadline_core::{Digest, Hasher};
use thiserror::Error;

use super::glob::PatternError;
use super::ignore::{Inherited, Patterns};
use super::path;
use super::tree::{Content, Kind, Node, Tree};

/// How many entries a context may have.
const MAX_ENTRIES: usize = 2_000_000;
/// How large an ignore file may be.
const MAX_IGNORE_BYTES: u64 = 4 << 20;
/// How many excluded paths are kept to explain what was not found.
const MAX_EXCLUDED: usize = 10_000;

/// Why a context could not be read.
#[derive(Debug, Error)]
pub enum ContextError {
    /// The context is no directory.
    #[error("the build context {} is no directory", directory.display())]
    NotDirectory {
        /// The context.
        directory: PathBuf,
    },
    /// A file or directory could not be read.
    #[error("{} cannot be read: {source}; mend its permissions or add it to the ignore file", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// A file was there and then was not.
    #[error("{} disappeared while the context was read: run the build again", file.display())]
    Disappeared {
        /// The file.
        file: PathBuf,
    },
    /// A name that cannot be written into an image.
    #[error("{} has a name that is not UTF-8, which images cannot carry: rename it or add it to the ignore file", file.display())]
    Name {
        /// The file.
        file: PathBuf,
    },
    /// The ignore file has a pattern that is none.
    #[error("{}: {source}", file.display())]
    Ignore {
        /// The ignore file.
        file: PathBuf,
        /// What is wrong.
        source: PatternError,
    },
    /// The ignore file is larger than is read.
    #[error("{} has {size} bytes, more than the {MAX_IGNORE_BYTES} that are read", file.display())]
    IgnoreTooLarge {
        /// The ignore file.
        file: PathBuf,
        /// Its size in bytes.
        size: u64,
    },
    /// A limit was hit.
    #[error("the build context {} has more than {limit} entries: exclude what is not needed in a .dockerignore", directory.display())]
    TooMany {
        /// The context.
        directory: PathBuf,
        /// How many are allowed.
        limit: usize,
    },
}

/// A directory as instructions see it.
#[derive(Debug, Default)]
pub(crate) struct Context {
    pub(crate) tree: Tree,
    /// The topmost paths that the ignore file excludes.
    pub(crate) excluded: Vec<String>,
}

/// The ignore file of a Dockerfile: the one named after it beside it, else the context's own.
pub(crate) fn ignore_file(
    context: &Path,
    dockerfile: Option<&Path>,
) -> Result<(Option<PathBuf>, Patterns), ContextError> {
    let named = dockerfile.map(|dockerfile| {
        let mut name = dockerfile.as_os_str().to_owned();
        name.push(".dockerignore");
        PathBuf::from(name)
    });
    for file in named.into_iter().chain([context.join(".dockerignore")]) {
        match fs::metadata(&file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(source) => return Err(ContextError::Read { file, source }),
            Ok(metadata) if metadata.len() > MAX_IGNORE_BYTES => {
                return Err(ContextError::IgnoreTooLarge { file, size: metadata.len() });
            }
            Ok(_) => {}
        }
        let bytes = fs::read(&file).map_err(|source| ContextError::Read { file: file.clone(), source })?;
        return match Patterns::read(&String::from_utf8_lossy(&bytes)) {
            Ok(patterns) => Ok((Some(file), patterns)),
            Err(source) => Err(ContextError::Ignore { file, source }),
        };
    }
    Ok((None, Patterns::default()))
}

/// Reads a directory, what is ignored left out.
pub(crate) fn read(directory: &Path, ignore: &Patterns) -> Result<Context, ContextError> {
    if !directory.is_dir() {
        return Err(ContextError::NotDirectory { directory: directory.to_owned() });
    }
    let mut context = Context::default();
    // Directories still to be read: the path, what it hands on, and whether it is itself excluded.
    let mut pending = vec![(String::new(), Inherited::default(), false)];
    while let Some((inside, inherited, hidden)) = pending.pop() {
        let full = directory.join(&inside);
        let entries = match fs::read_dir(&full) {
            // BuildKit as well passes over what it may not read where it would not be copied.
            Err(error) if hidden && error.kind() == io::ErrorKind::PermissionDenied => continue,
            other => other.map_err(|source| missing(full.clone(), source))?,
        };
        for entry in entries {
            let entry = entry.map_err(|source| missing(full.clone(), source))?;
            let file = entry.path();
            let name = entry.file_name();
            let seen = path::join(&inside, &name.to_string_lossy());
            let (matched, hands_on) = ignore.matches(&seen, &inherited);
            let metadata = fs::symlink_metadata(&file).map_err(|source| missing(file.clone(), source))?;
            if matched && context.excluded.len() < MAX_EXCLUDED && !hidden {
                context.excluded.push(seen.clone());
            }
            if metadata.is_dir() && (!matched || ignore.may_except_beneath(&seen)) {
                pending.push((seen.clone(), hands_on, matched));
            }
            if matched {
                continue;
            }
            if name.to_str().is_none() {
                return Err(ContextError::Name { file });
            }
            for parent in path::parents(&seen) {
                if context.tree.get(parent).is_none() {
                    context.tree.set(parent, Node::directory((0, 0)));
                }
            }
            context.tree.set(&seen, node(&file, &metadata)?);
            if context.tree.len() > MAX_ENTRIES {
                return Err(ContextError::TooMany { directory: directory.to_owned(), limit: MAX_ENTRIES });
            }
        }
    }
    context.excluded.sort();
    Ok(context)
}

fn missing(file: PathBuf, source: io::Error) -> ContextError {
    if source.kind() == io::ErrorKind::NotFound {
        ContextError::Disappeared { file }
    } else {
        ContextError::Read { file, source }
    }
}

fn node(file: &Path, metadata: &fs::Metadata) -> Result<Node, ContextError> {
    let plain = |kind| Node { kind, mode: 0o644, uid: 0, gid: 0, xattrs: None };
    let kind = metadata.file_type();
    Ok(if kind.is_dir() {
        Node::directory((0, 0))
    } else if kind.is_symlink() {
        let target = fs::read_link(file).map_err(|source| missing(file.to_owned(), source))?;
        let target = target.to_str().ok_or_else(|| ContextError::Name { file: file.to_owned() })?;
        Node { mode: 0o777, ..plain(Kind::Symlink(target.into())) }
    } else if kind.is_file() {
        let content = Content::disk(file, metadata.len());
        let executable = metadata.permissions().mode() & 0o111 != 0;
        Node::file(content, if executable { 0o755 } else { 0o644 })
    } else if kind.is_fifo() {
        plain(Kind::Fifo)
    } else if kind.is_socket() {
        plain(Kind::Socket)
    } else {
        plain(Kind::Device { block: kind.is_block_device(), major: 0, minor: 0 })
    })
}

/// A digest over all that instructions can see: names, kinds, whether files are executable, what they
/// contain and where links point. Two machines with the same files come to the same one.
///
/// It is the SHA-256 of one line an entry, in the order of a walk: the kind (`d`, `x` for an executable
/// file, `f` for another, `l`), a blank, the SHA-256 of the content or of the link's target in hexadecimal
/// (`-` for a directory), a blank, the path, and NUL. Sockets, pipes and devices are left out.
pub(crate) fn digest(context: &Context) -> Result<Digest, ContextError> {
    let entries: Vec<(String, &Node)> = context.tree.beneath("").collect();
    let results: Vec<Mutex<Option<Result<String, ContextError>>>> =
        entries.iter().map(|_| Mutex::new(None)).collect();
    let next = AtomicUsize::new(0);
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(entries.len().max(1));
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some((path, node)) = entries.get(at) else { break };
                    let line = line(path, node);
                    let failed = line.is_err();
                    *results[at].lock().unwrap_or_else(std::sync::PoisonError::into_inner) = Some(line);
                    if failed {
                        break;
                    }
                }
            });
        }
    });
    let mut hasher = Hasher::sha256();
    for result in results {
        if let Some(line) = result.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner) {
            hasher.update(line?.as_bytes());
        }
    }
    Ok(hasher.finish())
}

fn line(path: &str, node: &Node) -> Result<String, ContextError> {
    Ok(match &node.kind {
        Kind::Directory => format!("d - {path}\0"),
        Kind::Symlink(target) => format!("l {} {path}\0", Digest::of(target.as_bytes()).hex()),
        Kind::File(content) => {
            let kind = if node.mode & 0o111 == 0 { 'f' } else { 'x' };
            let mut hasher = Hasher::sha256();
            content.open().and_then(|mut reader| io::copy(&mut reader, &mut hasher)).map_err(|source| {
                let file = match content {
                    Content::Disk { path, .. } => path.to_path_buf(),
                    _ => PathBuf::from(path),
                };
                missing(file, source)
            })?;
            let found = hasher.finish();
            let line = format!("{kind} {} {path}\0", found.hex());
            if let Content::Disk { digest, .. } = content {
                let _ = digest.set(found);
            }
            line
        }
        Kind::Device { .. } | Kind::Fifo | Kind::Socket => String::new(),
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::super::tree::tests::paths;
    use super::*;

    fn fixture() -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        let at = |path: &str| directory.path().join(path);
        fs::create_dir_all(at("src/deep")).unwrap();
        fs::create_dir_all(at("node_modules/x")).unwrap();
        for (path, text) in [
            ("src/main", "m"),
            ("src/deep/a.log", "l"),
            ("src/deep/b", "b"),
            ("node_modules/x/y", "y"),
            ("run", "r"),
        ] {
            fs::write(at(path), text).unwrap();
        }
        fs::set_permissions(at("run"), fs::Permissions::from_mode(0o700)).unwrap();
        symlink("../outside", at("link")).unwrap();
        directory
    }

    fn read_with(directory: &Path, patterns: &[&str]) -> Context {
        read(directory, &Patterns::new(patterns).unwrap()).unwrap()
    }

    #[test]
    fn what_is_ignored_is_not_there() {
        let directory = fixture();
        let context = read_with(directory.path(), &["node_modules", "**/*.log"]);
        assert_eq!(paths(&context.tree), ["link", "run", "src", "src/deep", "src/deep/b", "src/main"]);
        assert_eq!(context.excluded, ["node_modules", "src/deep/a.log"]);
        assert_eq!(context.tree.get("run").unwrap().mode, 0o755);
        assert_eq!(context.tree.get("src/main").unwrap().mode, 0o644);
        let context = read_with(directory.path(), &["**", "!src/deep/b"]);
        assert_eq!(paths(&context.tree), ["src", "src/deep", "src/deep/b"]);
    }

    #[test]
    fn the_digest_is_of_what_is_seen() {
        let (one, two) = (fixture(), fixture());
        let of = |directory: &Path, patterns: &[&str]| digest(&read_with(directory, patterns)).unwrap();
        let ignore = &["node_modules"][..];
        assert_eq!(of(one.path(), ignore), of(two.path(), ignore));
        let before = of(one.path(), ignore);
        fs::write(two.path().join("node_modules/x/z"), "new").unwrap();
        fs::set_permissions(two.path().join("src/main"), fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(of(two.path(), ignore), before);
        assert_ne!(of(two.path(), &[]), before);
        fs::write(two.path().join("src/main"), "changed").unwrap();
        assert_ne!(of(two.path(), ignore), before);
        fs::write(two.path().join("src/main"), "m").unwrap();
        assert_eq!(of(two.path(), ignore), before);
        fs::set_permissions(two.path().join("src/main"), fs::Permissions::from_mode(0o755)).unwrap();
        assert_ne!(of(two.path(), ignore), before);
    }

    #[test]
    fn the_dockerfiles_own_ignore_file_comes_first() {
        let directory = fixture();
        fs::write(directory.path().join(".dockerignore"), "src\n").unwrap();
        let dockerfile = directory.path().join("Dockerfile.daemon");
        assert!(
            ignore_file(directory.path(), Some(&dockerfile))
                .unwrap()
                .1
                .matches("src", &Inherited::default())
                .0
        );
        fs::write(directory.path().join("Dockerfile.daemon.dockerignore"), "run\n").unwrap();
        let (_, patterns) = ignore_file(directory.path(), Some(&dockerfile)).unwrap();
        assert!(!patterns.matches("src", &Inherited::default()).0);
        assert!(patterns.matches("run", &Inherited::default()).0);
        fs::write(directory.path().join(".dockerignore"), "a[\n").unwrap();
        assert!(matches!(ignore_file(directory.path(), None), Err(ContextError::Ignore { .. })));
        assert!(matches!(
            read(&directory.path().join("gone"), &Patterns::default()),
            Err(ContextError::NotDirectory { .. })
        ));
    }
}
