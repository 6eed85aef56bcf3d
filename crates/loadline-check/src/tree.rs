//! Where files are read from: the work tree, git's index, or a set of files in memory.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};

use camino::{Utf8Component, Utf8Path, Utf8PathBuf};
use loadline_process::ProcessError;
use thiserror::Error;

/// The largest file that is read, in bytes.
pub const MAX_FILE_BYTES: u64 = 8 * 1024 * 1024;

/// Why a file could not be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// There is no such file.
    #[error("`{path}` does not exist")]
    Absent {
        /// The path, relative to the root.
        path: Utf8PathBuf,
    },
    /// The path leaves the repository.
    #[error("`{path}` lies outside the repository, or a link leads there: name files inside it")]
    Outside {
        /// The path as given.
        path: Utf8PathBuf,
    },
    /// A directory, a device.
    #[error("`{path}` is not a regular file")]
    NotAFile {
        /// The path, relative to the root.
        path: Utf8PathBuf,
    },
    /// Larger than [`MAX_FILE_BYTES`].
    #[error("`{path}` is larger than the {MAX_FILE_BYTES} bytes that are read")]
    TooLarge {
        /// The path, relative to the root.
        path: Utf8PathBuf,
    },
    /// The system refuses.
    #[error("`{path}` cannot be read: {source}")]
    Io {
        /// The path, relative to the root.
        path: Utf8PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Git could not be asked, or refused.
    #[error("git cannot be asked for `{path}`: {source}")]
    Git {
        /// The path, relative to the root.
        path: Utf8PathBuf,
        /// What went wrong.
        source: ProcessError,
    },
}

/// Files to look at. Paths are relative to its root, and stay inside the repository that it is part of.
pub trait Tree {
    /// A file's bytes; symbolic links are followed.
    ///
    /// # Errors
    /// The file is absent, outside, no regular file, too large, or the system refuses.
    fn read(&self, path: &Utf8Path) -> Result<Vec<u8>, ReadError>;

    /// All files below the root, sorted: what git ignores is left out.
    ///
    /// # Errors
    /// The tree cannot be walked.
    fn files(&self) -> Result<Vec<Utf8PathBuf>, ReadError>;

    /// The files right inside a directory, sorted, ignored or not; none where there is no such directory.
    ///
    /// # Errors
    /// The directory lies outside, or the system refuses.
    fn list(&self, directory: &Utf8Path) -> Result<Vec<Utf8PathBuf>, ReadError>;

    /// The way from the root to the repository's top: empty, `..`, `../..`.
    fn top(&self) -> Utf8PathBuf;
}

/// The files of a list that are right inside a directory.
pub(crate) fn right_inside<'a>(
    files: impl Iterator<Item = &'a Utf8PathBuf>,
    directory: &Utf8Path,
) -> Vec<Utf8PathBuf> {
    files.filter(|file| file.parent() == Some(directory)).cloned().collect()
}

/// As many steps up as a folder is deep.
pub(crate) fn up(folder: &Utf8Path) -> Utf8PathBuf {
    folder.components().map(|_| "..").collect()
}

/// A path from a folder on, both relative to the repository's top: `None` where it leaves the top.
pub(crate) fn inside(folder: &Utf8Path, path: &Utf8Path) -> Option<Utf8PathBuf> {
    let mut out = folder.to_owned();
    for component in path.components() {
        match component {
            Utf8Component::CurDir => {}
            Utf8Component::Normal(name) => out.push(name),
            Utf8Component::ParentDir => out.pop().then_some(())?,
            _ => return None,
        }
    }
    Some(out)
}

/// The files as they lie on disk.
#[derive(Debug, Clone)]
pub struct WorkTree {
    root: Utf8PathBuf,
    top: Utf8PathBuf,
    /// The top as no symbolic link leads to it.
    real: Utf8PathBuf,
    folder: Utf8PathBuf,
}

impl WorkTree {
    /// The work tree at a root: what paths are relative to, the configuration's directory. The repository's
    /// top, which no path may leave, is the nearest directory from there on upwards that has a `.git`; the
    /// root itself where none has.
    pub fn new(root: impl Into<Utf8PathBuf>) -> Self {
        let root = root.into();
        let absolute = camino::absolute_utf8(&root).unwrap_or_else(|_| root.clone());
        let top =
            absolute.ancestors().find(|folder| folder.join(".git").exists()).unwrap_or(&absolute).to_owned();
        let folder = absolute.strip_prefix(&top).map(Utf8Path::to_owned).unwrap_or_default();
        let real = top.canonicalize_utf8().unwrap_or_else(|_| top.clone());
        Self { root, top, real, folder }
    }

    /// What paths are relative to.
    pub fn root(&self) -> &Utf8Path {
        &self.root
    }

    /// The repository's top.
    pub fn top(&self) -> &Utf8Path {
        &self.top
    }

    fn full(&self, path: &Utf8Path) -> Result<Utf8PathBuf, ReadError> {
        let inside = inside(&self.folder, path).ok_or(ReadError::Outside { path: path.to_owned() })?;
        Ok(self.top.join(inside))
    }
}

impl Tree for WorkTree {
    fn read(&self, path: &Utf8Path) -> Result<Vec<u8>, ReadError> {
        let full = self.full(path)?;
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::NotFound => ReadError::Absent { path: path.to_owned() },
            _ => ReadError::Io { path: path.to_owned(), source },
        };
        // A link may lead anywhere, and what is read is shown to whoever reads the findings.
        let real = full.canonicalize_utf8().map_err(failed)?;
        if !real.starts_with(&self.real) {
            return Err(ReadError::Outside { path: path.to_owned() });
        }
        // Asked before it is opened: opening a FIFO would wait for a writer.
        if !full.metadata().map_err(failed)?.is_file() {
            return Err(ReadError::NotAFile { path: path.to_owned() });
        }
        let mut bytes = Vec::new();
        let file = File::open(&full).map_err(failed)?;
        file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(ReadError::TooLarge { path: path.to_owned() });
        }
        Ok(bytes)
    }

    fn files(&self) -> Result<Vec<Utf8PathBuf>, ReadError> {
        let mut found = Vec::new();
        let walk = ignore::WalkBuilder::new(&self.root)
            .hidden(false)
            .git_global(false)
            .require_git(false)
            .filter_entry(|entry| entry.file_name() != ".git")
            .build();
        for entry in walk {
            let entry = entry.map_err(|error| {
                let source = error.into_io_error().unwrap_or_else(|| io::Error::other("the walk failed"));
                ReadError::Io { path: self.root.clone(), source }
            })?;
            // A name that is not UTF-8 can be named neither in the configuration nor in a finding.
            let Some(path) = Utf8Path::from_path(entry.path()) else { continue };
            let kind = entry.file_type();
            let is_file = kind.is_some_and(|k| k.is_file() || (k.is_symlink() && path.is_file()));
            if is_file && let Ok(relative) = path.strip_prefix(&self.root) {
                found.push(relative.to_owned());
            }
        }
        found.sort();
        Ok(found)
    }

    fn list(&self, directory: &Utf8Path) -> Result<Vec<Utf8PathBuf>, ReadError> {
        let full = self.full(directory)?;
        let failed = |source| ReadError::Io { path: directory.to_owned(), source };
        let entries = match full.read_dir_utf8() {
            Ok(entries) => entries,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(Vec::new());
            }
            Err(error) => return Err(failed(error)),
        };
        let mut found = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed)?;
            if entry.path().is_file() {
                found.push(directory.join(entry.file_name()));
            }
        }
        found.sort();
        Ok(found)
    }

    fn top(&self) -> Utf8PathBuf {
        up(&self.folder)
    }
}

/// Files in memory: what a fix would leave behind, what a commit holds.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Snapshot {
    /// The files' bytes, by path.
    pub files: BTreeMap<Utf8PathBuf, Vec<u8>>,
}

impl Tree for Snapshot {
    fn read(&self, path: &Utf8Path) -> Result<Vec<u8>, ReadError> {
        let key = inside(Utf8Path::new(""), path).ok_or(ReadError::Outside { path: path.to_owned() })?;
        self.files.get(&key).cloned().ok_or_else(|| ReadError::Absent { path: path.to_owned() })
    }

    fn files(&self) -> Result<Vec<Utf8PathBuf>, ReadError> {
        Ok(self.files.keys().cloned().collect())
    }

    fn list(&self, directory: &Utf8Path) -> Result<Vec<Utf8PathBuf>, ReadError> {
        Ok(right_inside(self.files.keys(), directory))
    }

    fn top(&self) -> Utf8PathBuf {
        Utf8PathBuf::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> (tempfile::TempDir, WorkTree) {
        let folder = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(folder.path()).unwrap().to_owned();
        (folder, WorkTree::new(root))
    }

    #[test]
    fn paths_may_leave_the_root_but_not_the_repository() {
        let (_folder, tree) = root();
        for folder in [".git", "ci"] {
            std::fs::create_dir(tree.root.join(folder)).unwrap();
        }
        std::fs::write(tree.root.join("Dockerfile"), "FROM a").unwrap();
        let below = WorkTree::new(tree.root.join("ci"));
        assert_eq!(below.top(), tree.root);
        assert_eq!(below.read("../Dockerfile".into()).unwrap(), b"FROM a");
        assert!(matches!(below.read("../../x".into()), Err(ReadError::Outside { .. })));
    }

    #[test]
    fn a_work_tree_reads_regular_files_inside_it() {
        let (_folder, tree) = root();
        std::fs::create_dir(tree.root.join("docker")).unwrap();
        std::fs::write(tree.root.join("docker/Dockerfile"), "FROM a").unwrap();
        assert_eq!(tree.read("./docker/Dockerfile".into()).unwrap(), b"FROM a");
        assert!(matches!(tree.read("docker".into()), Err(ReadError::NotAFile { .. })));
        assert!(matches!(tree.read("absent".into()), Err(ReadError::Absent { .. })));
        assert!(matches!(tree.read("../x".into()), Err(ReadError::Outside { .. })));
        assert!(matches!(tree.read("/etc/passwd".into()), Err(ReadError::Outside { .. })));
        let other = tempfile::NamedTempFile::new().unwrap();
        std::os::unix::fs::symlink(other.path(), tree.root.join("out")).unwrap();
        assert!(matches!(tree.read("out".into()), Err(ReadError::Outside { .. })));
        std::os::unix::fs::symlink(other.path().parent().unwrap(), tree.root.join("folder")).unwrap();
        let through = Utf8Path::new("folder").join(other.path().file_name().unwrap().to_str().unwrap());
        assert!(matches!(tree.read(&through), Err(ReadError::Outside { .. })));
        std::os::unix::fs::symlink("docker/Dockerfile", tree.root.join("in")).unwrap();
        assert_eq!(tree.read("in".into()).unwrap(), b"FROM a");
        let large = File::create(tree.root.join("large")).unwrap();
        large.set_len(MAX_FILE_BYTES + 1).unwrap();
        assert!(matches!(tree.read("large".into()), Err(ReadError::TooLarge { .. })));
    }

    #[test]
    fn what_git_ignores_is_no_file_of_the_tree() {
        let (_folder, tree) = root();
        for folder in [".git", "a", "ignored"] {
            std::fs::create_dir(tree.root.join(folder)).unwrap();
        }
        for file in [".git/config", "a/Dockerfile", "ignored/Dockerfile", ".dockerignore"] {
            std::fs::write(tree.root.join(file), "").unwrap();
        }
        std::fs::write(tree.root.join(".gitignore"), "ignored/\n").unwrap();
        assert_eq!(tree.files().unwrap(), [".dockerignore", ".gitignore", "a/Dockerfile"]);
    }
}
