//! The data folder: one sandbox at a time, of a format that this version knows.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use crate::sandbox::SandboxError;

const FORMAT: &str = "loadline-sandbox 1\n";

/// A data folder that is ours until it is dropped.
#[derive(Debug)]
pub(crate) struct Data {
    folder: PathBuf,
    /// Held, not used: the lock goes when it is closed.
    _lock: File,
}

impl Data {
    /// Takes the folder, and makes it where there is none.
    pub(crate) fn open(folder: &Path) -> Result<Self, SandboxError> {
        let at = |path: &Path| {
            let path = path.to_owned();
            move |source| SandboxError::Data { path, source }
        };
        fs::create_dir_all(folder).map_err(at(folder))?;
        let path = folder.join("lock");
        let lock = File::options().create(true).truncate(false).write(true).open(&path).map_err(at(&path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(SandboxError::InUse { folder: folder.to_owned() });
            }
            Err(TryLockError::Error(source)) => return Err(at(&path)(source)),
        }
        let path = folder.join("format");
        let mut found = String::new();
        match File::open(&path) {
            Ok(file) => {
                file.take(1024).read_to_string(&mut found).map_err(at(&path))?;
                if found != FORMAT {
                    let found = found.trim_end().to_owned();
                    return Err(SandboxError::Format { folder: folder.to_owned(), found });
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                crate::sigstore::write_public(&path, FORMAT.as_bytes()).map_err(at(&path))?;
            }
            Err(error) => return Err(at(&path)(error)),
        }
        Ok(Self { folder: folder.to_owned(), _lock: lock })
    }

    /// Takes a folder that some sandbox made.
    pub(crate) fn existing(folder: &Path) -> Result<Self, SandboxError> {
        match folder.join("format").try_exists() {
            Ok(true) => Self::open(folder),
            Ok(false) => Err(SandboxError::Missing { folder: folder.to_owned() }),
            Err(source) => Err(SandboxError::Data { path: folder.to_owned(), source }),
        }
    }

    /// The folder.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}
