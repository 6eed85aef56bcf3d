//! What lies on disk, and how it gets there without a moment at which a kill could hurt.
//!
//! ```text
//! format                                     the layout's version
//! lock                                       held by the one process that serves this folder
//! blobs/<algorithm>/<2 hex>/<hex>            content: blobs and manifests alike
//! uploads/<id>.json, uploads/<id>.data       uploads that are under way
//! tmp/                                       files on their way; emptied at the start
//! repositories/<name>/_blobs/<algorithm>/<hex>         the repository has this blob
//! repositories/<name>/_manifests/<algorithm>/<hex>     … this manifest; holds its media type
//! repositories/<name>/_tags/<tag>                      holds a digest
//! repositories/<name>/_referrers/<algorithm>/<hex of the subject>/<algorithm>-<hex>
//!                                                      holds the referrer's descriptor
//! ```
//!
//! A component of a repository's name never begins with `_`, so the folders cannot meet a nested name.

use std::collections::hash_map::DefaultHasher;
use std::fs::{self, File, OpenOptions};
use std::hash::{Hash as _, Hasher as _};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use loadline_core::Digest;
use thiserror::Error;

use super::RegistryError;
use super::names::Name;

/// The layout that this version writes and reads.
pub(super) const FORMAT: u32 = 1;
const FORMAT_NAME: &str = "loadline-registry";
const STRIPES: usize = 64;

/// A file could not be read or written.
#[derive(Debug, Error)]
#[error("could not {action} {path}: {source}")]
pub struct StoreError {
    /// What was tried.
    pub action: &'static str,
    /// The file or folder.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// Turns the system's word into one that names the file.
pub(super) trait At<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, StoreError>;
}

impl<T> At<T> for io::Result<T> {
    fn at(self, action: &'static str, path: &Path) -> Result<T, StoreError> {
        self.map_err(|source| StoreError { action, path: path.to_owned(), source })
    }
}

/// Two kinds of links of a repository to content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Blob,
    Manifest,
}

impl Kind {
    pub(super) const fn folder(self) -> &'static str {
        match self {
            Self::Blob => "_blobs",
            Self::Manifest => "_manifests",
        }
    }
}

/// The data folder.
#[derive(Debug)]
pub(super) struct Store {
    root: PathBuf,
    /// Writers share it, garbage collection has it alone.
    gate: RwLock<()>,
    /// Writers of one repository's manifests and tags take turns.
    stripes: Vec<Mutex<()>>,
    // Unlocked by the system when the process ends, however it ends.
    _lock: File,
}

impl Store {
    /// Opens a folder, or makes it.
    pub(super) fn open(root: &Path) -> Result<Self, RegistryError> {
        fs::create_dir_all(root).at("create", root)?;
        let format = root.join("format");
        let written = match fs::read_to_string(&format) {
            Ok(text) => Some(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(source) => return Err(StoreError { action: "read", path: format, source }.into()),
        };
        match &written {
            Some(text) => check_format(&format, text)?,
            None => refuse_foreign(root)?,
        }
        let lock_path = root.join("lock");
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .at("open", &lock_path)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(RegistryError::InUse { path: root.to_owned() }),
            Err(fs::TryLockError::Error(error)) => {
                return Err(StoreError { action: "lock", path: lock_path, source: error }.into());
            }
        }
        let store = Self {
            root: root.to_owned(),
            gate: RwLock::new(()),
            stripes: (0..STRIPES).map(|_| Mutex::new(())).collect(),
            _lock: lock,
        };
        let tmp = store.tmp();
        if tmp.exists() {
            fs::remove_dir_all(&tmp).at("empty", &tmp)?;
        }
        for folder in ["tmp", "blobs", "uploads", "repositories"] {
            store.ensure_dir(&root.join(folder))?;
        }
        if written.is_none() {
            store.write(&format, format!("{FORMAT_NAME} {FORMAT}\n").as_bytes())?;
        }
        Ok(store)
    }

    fn tmp(&self) -> PathBuf {
        self.root.join("tmp")
    }

    pub(super) fn uploads(&self) -> PathBuf {
        self.root.join("uploads")
    }

    pub(super) fn repositories(&self) -> PathBuf {
        self.root.join("repositories")
    }

    pub(super) fn blobs(&self) -> PathBuf {
        self.root.join("blobs")
    }

    /// Where content of this digest lies.
    pub(super) fn content(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.blobs().join(digest.algorithm().name()).join(hex.get(..2).unwrap_or(hex)).join(hex)
    }

    pub(super) fn repository(&self, name: &Name) -> PathBuf {
        self.repositories().join(name.as_str())
    }

    /// Whether anything was ever pushed to this repository.
    pub(super) fn knows(&self, name: &Name) -> bool {
        let folder = self.repository(name);
        [Kind::Blob, Kind::Manifest].iter().any(|kind| folder.join(kind.folder()).is_dir())
    }

    pub(super) fn link(&self, name: &Name, kind: Kind, digest: &Digest) -> PathBuf {
        self.repository(name).join(kind.folder()).join(digest.algorithm().name()).join(digest.hex())
    }

    pub(super) fn has(&self, name: &Name, kind: Kind, digest: &Digest) -> bool {
        self.link(name, kind, digest).is_file()
    }

    /// Writers hold this while they place content and link it.
    pub(super) fn writing(&self) -> RwLockReadGuard<'_, ()> {
        self.gate.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Garbage collection holds this: nobody writes meanwhile.
    pub(super) fn collecting(&self) -> RwLockWriteGuard<'_, ()> {
        self.gate.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// One writer at a time for one repository's manifests, tags and referrers.
    pub(super) fn turn(&self, name: &Name) -> MutexGuard<'_, ()> {
        let mut hasher = DefaultHasher::new();
        name.as_str().hash(&mut hasher);
        let at = usize::try_from(hasher.finish() % STRIPES as u64).unwrap_or(0);
        self.stripes[at].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a folder and its parents so that they survive a power cut.
    pub(super) fn ensure_dir(&self, path: &Path) -> Result<(), StoreError> {
        if path.is_dir() {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            self.ensure_dir(parent)?;
        }
        match fs::create_dir(path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(StoreError { action: "create", path: path.to_owned(), source: error }),
        }
        sync_parent(path)
    }

    /// Writes a small file so that it is there in full or not at all.
    pub(super) fn write(&self, path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
        let temp = self.tmp().join(random_name().at("name a file in", &self.tmp())?);
        let written = File::create_new(&temp).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
        if let Err(source) = written {
            // What cannot be written cannot be kept either; the first error is the one to tell.
            let _ = fs::remove_file(&temp);
            return Err(StoreError { action: "write", path: path.to_owned(), source });
        }
        self.place(&temp, path)
    }

    /// Moves a synced file to its place.
    pub(super) fn place(&self, from: &Path, to: &Path) -> Result<(), StoreError> {
        if let Some(parent) = to.parent() {
            self.ensure_dir(parent)?;
        }
        fs::rename(from, to).at("write", to)?;
        sync_parent(to)
    }

    /// Stores content under its digest.
    pub(super) fn put_content(&self, digest: &Digest, bytes: &[u8]) -> Result<(), StoreError> {
        self.write(&self.content(digest), bytes)
    }

    /// Removes a file for good; whether it was there.
    pub(super) fn remove(&self, path: &Path) -> Result<bool, StoreError> {
        match fs::remove_file(path) {
            Ok(()) => sync_parent(path).map(|()| true),
            Err(error) if missing(&error) => Ok(false),
            Err(source) => Err(StoreError { action: "remove", path: path.to_owned(), source }),
        }
    }

    /// Reads a small file of ours, if it is there.
    pub(super) fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, StoreError> {
        match fs::read(path) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if missing(&error) => Ok(None),
            Err(source) => Err(StoreError { action: "read", path: path.to_owned(), source }),
        }
    }

    /// The length of the content, if it is there.
    pub(super) fn content_len(&self, digest: &Digest) -> Result<Option<u64>, StoreError> {
        let path = self.content(digest);
        match fs::metadata(&path) {
            Ok(metadata) => Ok(Some(metadata.len())),
            Err(error) if missing(&error) => Ok(None),
            Err(source) => Err(StoreError { action: "read", path, source }),
        }
    }

    /// The names in a folder, sorted by bytes; none when there is no such folder.
    pub(super) fn list(&self, path: &Path) -> Result<Vec<String>, StoreError> {
        let entries = match fs::read_dir(path) {
            Ok(entries) => entries,
            Err(error) if missing(&error) => return Ok(Vec::new()),
            Err(source) => return Err(StoreError { action: "list", path: path.to_owned(), source }),
        };
        let mut names = Vec::new();
        for entry in entries {
            if let Ok(name) = entry.at("list", path)?.file_name().into_string() {
                names.push(name);
            }
        }
        names.sort_unstable();
        Ok(names)
    }
}

/// A name with a `/` below a file, or a name too long, is as missing as one that is not there.
fn missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

pub(super) fn sync_parent(path: &Path) -> Result<(), StoreError> {
    let Some(parent) = path.parent() else { return Ok(()) };
    File::open(parent).and_then(|folder| folder.sync_all()).at("sync", parent)
}

/// 32 hexadecimal digits that nobody guesses.
pub(super) fn random_name() -> io::Result<String> {
    super::auth::random::<16>().map(hex::encode)
}

fn check_format(path: &Path, text: &str) -> Result<(), RegistryError> {
    let found =
        text.trim_end().strip_prefix(FORMAT_NAME).map(str::trim_start).and_then(|rest| rest.parse().ok());
    match found {
        Some(FORMAT) => Ok(()),
        Some(found) if found > FORMAT => {
            Err(RegistryError::NewerFormat { path: path.to_owned(), found, known: FORMAT })
        }
        _ => Err(RegistryError::Format { path: path.to_owned(), text: text.chars().take(80).collect() }),
    }
}

/// A folder that holds something else is not ours to write into.
fn refuse_foreign(root: &Path) -> Result<(), RegistryError> {
    for entry in fs::read_dir(root).at("list", root)? {
        let name = entry.at("list", root)?.file_name();
        // What a kill during the very first start can leave behind.
        if !["lock", "tmp", "blobs", "uploads", "repositories"].iter().any(|ours| name == *ours) {
            return Err(RegistryError::Foreign {
                path: root.to_owned(),
                entry: name.to_string_lossy().into_owned(),
            });
        }
    }
    Ok(())
}
