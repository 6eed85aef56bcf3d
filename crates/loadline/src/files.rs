//! Files that are named on the command line: read up to a limit, written whole or not at all.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;

use loadline_core::{Digest, Failure, Hasher};

use crate::codes::{INPUT_UNREADABLE, OUTPUT_UNWRITABLE};
use crate::world::World;

/// An artifact up to this size is held in memory, as keys that sign whole messages need it; of larger ones
/// the digest must do.
const ARTIFACT_LIMIT: u64 = 64 << 20;

/// What a bundle is held against.
pub(crate) enum Artifact {
    /// All of it.
    Bytes(Vec<u8>),
    /// Its digest alone.
    Digest(Digest),
}

impl Artifact {
    /// A digest where the text is one, else the file of that name.
    pub(crate) fn read(world: &World, text: &str) -> Result<Self, Failure> {
        if text.starts_with("sha256:") || text.starts_with("sha512:") {
            return text.parse().map(Self::Digest).map_err(|error| {
                Failure::new(&INPUT_UNREADABLE, format!("{error}")).help("or write ./ before a file's name")
            });
        }
        let path = Path::new(text);
        let bytes = read_some(world, path, ARTIFACT_LIMIT + 1)?;
        if bytes.len() as u64 > ARTIFACT_LIMIT {
            return digest(world, path).map(Self::Digest);
        }
        Ok(Self::Bytes(bytes))
    }
}

fn unreadable(path: &Path, reason: impl std::fmt::Display) -> Failure {
    Failure::new(&INPUT_UNREADABLE, format!("cannot read {}: {reason}", path.display()))
        .help("check the file's name and its permissions")
}

/// The first bytes of a file, at most so many.
pub(crate) fn read_some(world: &World, path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    File::open(world.folder.join(path))
        .and_then(|file| file.take(limit).read_to_end(&mut bytes))
        .map_err(|error| unreadable(path, error))?;
    Ok(bytes)
}

/// A file's bytes; one with more than the limit is a failure.
pub(crate) fn read(world: &World, path: &Path, limit: u64) -> Result<Vec<u8>, Failure> {
    let bytes = read_some(world, path, limit.saturating_add(1))?;
    if bytes.len() as u64 > limit {
        return Err(unreadable(path, format!("it has more than {limit} bytes")));
    }
    Ok(bytes)
}

/// A file's SHA-256 digest, however large it is.
pub(crate) fn digest(world: &World, path: &Path) -> Result<Digest, Failure> {
    let mut file = File::open(world.folder.join(path)).map_err(|error| unreadable(path, error))?;
    let mut hasher = Hasher::sha256();
    let mut buffer = vec![0; 128 << 10];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(hasher.finish()),
            Ok(count) => hasher.update(&buffer[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(path, error)),
        }
    }
}

/// Writes a file beside its place and moves it there: whoever reads it reads all of it.
pub(crate) fn write(world: &World, path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let whole = world.folder.join(path);
    let mut part = whole.clone().into_os_string();
    part.push(format!(".{}.part", std::process::id()));
    let result = File::create(&part).and_then(|mut file| {
        // What was there keeps who may read it.
        if let Ok(there) = std::fs::metadata(&whole) {
            file.set_permissions(there.permissions())?;
        }
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&part, &whole)
    });
    result.map_err(|error| {
        let _ = std::fs::remove_file(&part);
        Failure::new(&OUTPUT_UNWRITABLE, format!("cannot write {}: {error}", path.display()))
            .help("check the folder, its permissions and the disk's space")
    })
}
