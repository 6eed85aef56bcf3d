//! Files of a layout: read with a limit, written whole or not at all.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;

use loadline_core::{Digest, Hasher};

use crate::error::RegistryErrorKind;
use crate::remote::part_of;

const CHUNK: usize = 256 << 10;

fn io_at(path: &Path) -> impl FnOnce(io::Error) -> RegistryErrorKind + '_ {
    |source| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => RegistryErrorKind::NotFound,
        _ => RegistryErrorKind::Io { path: path.to_owned(), source },
    }
}

/// Like [`io_at`], for writing: a missing directory is no missing content.
fn writing(path: &Path) -> impl Fn(io::Error) -> RegistryErrorKind + '_ {
    |source| RegistryErrorKind::Io { path: path.to_owned(), source }
}

/// A file's bytes, at most so many.
pub(super) fn read(path: &Path, limit: u64, what: &'static str) -> Result<Vec<u8>, RegistryErrorKind> {
    let file = File::open(path).map_err(io_at(path))?;
    let mut bytes = Vec::new();
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(io_at(path))?;
    if bytes.len() as u64 > limit {
        return Err(RegistryErrorKind::TooLarge { what, limit: format!("{limit} bytes") });
    }
    Ok(bytes)
}

/// Writes a file whole: beside its place, synced, then renamed.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), RegistryErrorKind> {
    place(path, |file| file.write_all(bytes).map_err(writing(path)))
}

/// Writes a file that never changes once it is there, even where several write it at once.
pub(super) fn write_once(path: &Path, bytes: &[u8]) -> Result<(), RegistryErrorKind> {
    let part = part_of(path);
    write(&part, bytes)?;
    let linked = fs::hard_link(&part, path);
    let _ = fs::remove_file(&part);
    let linked = match linked {
        // A file system without hard links.
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            File::create_new(path).and_then(|mut file| file.write_all(bytes))
        }
        other => other,
    };
    match linked {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(writing(path)(error)),
        _ => Ok(()),
    }
}

/// Copies a file whole, digest and size checked on the way.
pub(super) fn copy(from: &Path, to: &Path, digest: &Digest, size: u64) -> Result<(), RegistryErrorKind> {
    let mut source = File::open(from).map_err(io_at(from))?;
    place(to, |file| {
        let mut hasher = Hasher::new(digest.algorithm());
        let mut buffer = vec![0; CHUNK];
        let mut copied: u64 = 0;
        loop {
            let n = source.read(&mut buffer).map_err(writing(from))?;
            if n == 0 {
                break;
            }
            copied += n as u64;
            if copied > size {
                let actual = format!("of more than {size} bytes");
                return Err(RegistryErrorKind::DigestMismatch { expected: digest.clone(), actual });
            }
            hasher.update(&buffer[..n]);
            file.write_all(&buffer[..n]).map_err(writing(to))?;
        }
        let actual = hasher.finish();
        if actual == *digest && copied == size {
            Ok(())
        } else {
            Err(RegistryErrorKind::DigestMismatch { expected: digest.clone(), actual: actual.to_string() })
        }
    })
}

/// Makes the folder that a file is to be in.
pub(super) fn folder_of(path: &Path) -> Result<(), RegistryErrorKind> {
    match path.parent() {
        Some(folder) => fs::create_dir_all(folder).map_err(writing(folder)),
        None => Ok(()),
    }
}

fn place(
    path: &Path,
    fill: impl FnOnce(&mut File) -> Result<(), RegistryErrorKind>,
) -> Result<(), RegistryErrorKind> {
    folder_of(path)?;
    let part = part_of(path);
    let result = File::create(&part).map_err(writing(&part)).and_then(|mut file| {
        fill(&mut file)?;
        file.sync_all().map_err(writing(&part))?;
        fs::rename(&part, path).map_err(writing(path))
    });
    if result.is_err() {
        let _ = fs::remove_file(&part);
    }
    result
}
