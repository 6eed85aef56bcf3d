//! The files beside the ledger: statements before they are signed, bundles before they are pushed,
//! each named by the digest of its bytes.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use loadline_core::Digest;
use thiserror::Error;

/// The most bytes one file may have: a statement or a bundle.
const LIMIT: u64 = 64 * 1024 * 1024;

/// Why a file beside the ledger cannot be used.
#[derive(Debug, Error)]
pub enum StoreError {
    /// It could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// Its bytes are not those it is named after.
    #[error("{} holds other bytes than its name says (they have {actual}): remove it if you did not change it", path.display())]
    Changed {
        /// The file.
        path: PathBuf,
        /// The digest of what it holds.
        actual: Digest,
    },
    /// It is larger than anything a release writes.
    #[error("{} has more than {LIMIT} bytes", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
}

/// What kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A statement, before it is signed.
    Statement,
    /// A bundle, named by the digest of the statement that it signs.
    Bundle,
}

impl Kind {
    const fn folder(self) -> &'static str {
        match self {
            Self::Statement => "statements",
            Self::Bundle => "bundles",
        }
    }
}

/// The folder that a ledger lies in.
#[derive(Debug, Clone)]
pub struct Store {
    folder: PathBuf,
}

impl Store {
    /// The files in this folder.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// Where a file is or would be.
    pub fn path(&self, kind: Kind, name: &Digest) -> PathBuf {
        self.folder.join(kind.folder()).join(format!("{}.json", name.hex()))
    }

    /// Writes a file whole or not at all, and syncs it and its folder.
    pub fn save(&self, kind: Kind, name: &Digest, bytes: &[u8]) -> Result<PathBuf, StoreError> {
        let path = self.path(kind, name);
        let io = |action, path: &Path| {
            let path = path.to_owned();
            move |source| StoreError::Io { action, path, source }
        };
        let folder = path.parent().unwrap_or(&self.folder);
        fs::create_dir_all(folder).map_err(io("create", folder))?;
        let half = path.with_extension("half");
        let written = File::create(&half).and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        });
        if let Err(source) = written {
            let _ = fs::remove_file(&half);
            return Err(io("write", &half)(source));
        }
        fs::rename(&half, &path).map_err(io("write", &path))?;
        File::open(folder).and_then(|folder| folder.sync_all()).map_err(io("sync", folder))?;
        Ok(path)
    }

    /// Reads a file; none if it is not there.
    pub fn load(&self, kind: Kind, name: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        let path = self.path(kind, name);
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(StoreError::Io { action: "open", path, source }),
        };
        let mut bytes = Vec::new();
        match file.take(LIMIT + 1).read_to_end(&mut bytes) {
            Ok(_) if bytes.len() as u64 > LIMIT => Err(StoreError::TooLarge { path }),
            Ok(_) => Ok(Some(bytes)),
            Err(source) => Err(StoreError::Io { action: "read", path, source }),
        }
    }

    /// Saves a statement under its own digest.
    pub fn save_statement(&self, bytes: &[u8]) -> Result<Digest, StoreError> {
        let digest = Digest::of(bytes);
        self.save(Kind::Statement, &digest, bytes)?;
        Ok(digest)
    }

    /// Reads a statement and holds its bytes against its name.
    pub fn load_statement(&self, digest: &Digest) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(bytes) = self.load(Kind::Statement, digest)? else { return Ok(None) };
        let actual = Digest::of(&bytes);
        if actual != *digest {
            return Err(StoreError::Changed { path: self.path(Kind::Statement, digest), actual });
        }
        Ok(Some(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_comes_back_or_says_why_not() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        let digest = store.save_statement(b"{}").unwrap();
        assert_eq!(store.load_statement(&digest).unwrap().as_deref(), Some(&b"{}"[..]));
        assert_eq!(store.load_statement(&Digest::of("other")).unwrap(), None);
        fs::write(store.path(Kind::Statement, &digest), b"{ }").unwrap();
        assert!(matches!(store.load_statement(&digest), Err(StoreError::Changed { .. })));
    }

    #[test]
    fn nothing_half_written_stays() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        let name = Digest::of("s");
        store.save(Kind::Bundle, &name, b"bundle").unwrap();
        let files: Vec<_> = fs::read_dir(folder.path().join("bundles")).unwrap().collect();
        assert_eq!(files.len(), 1);
        assert_eq!(store.load(Kind::Bundle, &name).unwrap().unwrap(), b"bundle");
    }
}
