//! Base images' layers on disk: as they came, and unpacked to a plain tar once something in them is read.

use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// How long a layer's tar stream may be.
pub(crate) const MAX_PLAIN_BYTES: u64 = 64 << 30;

/// The directory that a build's intermediate files are in; it goes when the build is done.
#[derive(Debug)]
pub(crate) struct Spool {
    directory: tempfile::TempDir,
    next: AtomicU64,
}

impl Spool {
    /// A fresh directory inside another, or where the system puts temporary files.
    pub(crate) fn new(inside: Option<&Path>) -> io::Result<Self> {
        let mut builder = tempfile::Builder::new();
        builder.prefix("loadline-assemble-");
        let directory = match inside {
            Some(inside) => builder.tempdir_in(inside)?,
            None => builder.tempdir()?,
        };
        Ok(Self { directory, next: AtomicU64::new(0) })
    }

    /// A name for a file that is not there yet.
    pub(crate) fn file(&self, kind: &str) -> PathBuf {
        self.directory.path().join(format!("{kind}-{}", self.next.fetch_add(1, Ordering::Relaxed)))
    }
}

/// A layer's compressed bytes in the spool directory, already checked against their digest.
#[derive(Debug)]
pub(crate) struct SpooledLayer {
    compressed: PathBuf,
    plain: PathBuf,
    unpacked: Mutex<bool>,
}

impl SpooledLayer {
    pub(crate) fn new(compressed: PathBuf) -> Self {
        let plain = compressed.with_extension("plain");
        Self { compressed, plain, unpacked: Mutex::new(false) }
    }

    /// One that is a plain tar already.
    pub(crate) fn unpacked(plain: PathBuf) -> Self {
        Self { compressed: plain.clone(), plain, unpacked: Mutex::new(true) }
    }

    /// The file it is in, which no other layer of the spool has.
    pub(crate) fn name(&self) -> &Path {
        &self.compressed
    }

    /// The tar stream, decompressed on the way.
    pub(crate) fn stream(&self) -> io::Result<Box<dyn Read>> {
        decompress(File::open(&self.compressed)?)
    }

    /// The tar stream as a file that can be read at any offset.
    pub(crate) fn plain(&self) -> io::Result<File> {
        let mut unpacked = self.unpacked.lock().unwrap_or_else(PoisonError::into_inner);
        if !*unpacked {
            let mut out = File::create(&self.plain)?;
            io::copy(&mut self.stream()?, &mut out)?;
            out.flush()?;
            *unpacked = true;
        }
        drop(unpacked);
        File::open(&self.plain)
    }
}

/// What a stream's first bytes say it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    /// None that is known.
    Plain,
    Gzip,
    Zstd,
    Bzip2,
    Xz,
}

impl Compression {
    /// How many bytes it takes to tell.
    pub(crate) const MAGIC: usize = 6;

    pub(crate) fn of(start: &[u8]) -> Self {
        match start {
            [0x1f, 0x8b, 0x08, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            [b'B', b'Z', b'h', ..] => Self::Bzip2,
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Self::Xz,
            _ => Self::Plain,
        }
    }
}

/// Decompresses by what the first bytes say; media types have been known to lie.
pub(crate) fn decompress<'a>(mut source: impl Read + 'a) -> io::Result<Box<dyn Read + 'a>> {
    let mut start = Vec::with_capacity(Compression::MAGIC);
    source.by_ref().take(Compression::MAGIC as u64).read_to_end(&mut start)?;
    let compression = Compression::of(&start);
    let whole = BufReader::with_capacity(128 * 1024, io::Cursor::new(start).chain(source));
    let plain: Box<dyn Read + 'a> = match compression {
        Compression::Plain => Box::new(whole),
        Compression::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(whole)),
        Compression::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(whole)?),
        Compression::Bzip2 | Compression::Xz => {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "it is compressed with bzip2 or xz, which are not read",
            ));
        }
    };
    Ok(Box::new(Limited { plain, left: MAX_PLAIN_BYTES }))
}

/// Fails, rather than ends, where a stream is longer than it may be.
struct Limited<'a> {
    plain: Box<dyn Read + 'a>,
    left: u64,
}

impl Read for Limited<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.plain.read(buffer)?;
        self.left = self
            .left
            .checked_sub(read as u64)
            .ok_or_else(|| io::Error::other(format!("it unpacks to more than {MAX_PLAIN_BYTES} bytes")))?;
        Ok(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compressions_are_told_apart() {
        let gzip = {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(b"hello").unwrap();
            encoder.finish().unwrap()
        };
        let zstd = zstd::encode_all(&b"hello"[..], 1).unwrap();
        for bytes in [gzip, zstd, b"hello".to_vec()] {
            let mut text = String::new();
            decompress(io::Cursor::new(bytes)).unwrap().read_to_string(&mut text).unwrap();
            assert_eq!(text, "hello");
        }
        for magic in [&b"BZh91AY"[..], b"\xfd7zXZ\0\0"] {
            assert!(decompress(io::Cursor::new(magic)).is_err());
        }
        assert!(decompress(io::empty()).is_ok());
    }
}
