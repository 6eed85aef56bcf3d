//! Local archives that `ADD` unpacks: told by their content, never by their name.

use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use super::spool::{Compression, Spool, SpooledLayer, decompress};
use super::tree::Content;
use super::unpack::{self, Found, UnpackError};

/// Why an archive could not be read.
#[derive(Debug)]
pub(crate) enum ArchiveError {
    /// It is compressed in a form that is not read.
    Form(&'static str),
    /// It could not be read, or not be spooled.
    Read(io::Error),
    /// It is broken, or refused.
    Unpack(UnpackError),
}

/// The entries of an archive, or nothing where the file is none.
pub(crate) fn read(content: &Content, spool: &Spool) -> Result<Option<Vec<Found>>, ArchiveError> {
    let mut start = Vec::new();
    content.open().and_then(|reader| reader.take(512).read_to_end(&mut start)).map_err(ArchiveError::Read)?;
    match Compression::of(&start) {
        Compression::Bzip2 => return Err(ArchiveError::Form("bzip2")),
        Compression::Xz => return Err(ArchiveError::Form("xz")),
        Compression::Plain if !is_header(&start) => return Ok(None),
        Compression::Plain | Compression::Gzip | Compression::Zstd => {}
    }
    let mut plain = decompress(content.open().map_err(ArchiveError::Read)?).map_err(ArchiveError::Read)?;
    let mut first = Vec::new();
    // A compressed file that is no archive is copied as it is; so is one that is broken from its start.
    if plain.by_ref().take(512).read_to_end(&mut first).is_err() || !is_header(&first) {
        return Ok(None);
    }
    let path = spool.file("archive");
    let mut out = File::create(&path).map_err(ArchiveError::Read)?;
    io::copy(&mut first.as_slice().chain(plain), &mut out).map_err(ArchiveError::Read)?;
    let layer = Arc::new(SpooledLayer::unpacked(path));
    let stream = io::BufReader::new(layer.plain().map_err(ArchiveError::Read)?);
    let mut entries = Vec::new();
    unpack::read(
        stream,
        |offset, size| Content::Layer { layer: Arc::clone(&layer), offset, size },
        |found| {
            entries.push(found);
            Ok(())
        },
    )
    .map_err(ArchiveError::Unpack)?;
    Ok(Some(entries))
}

/// Whether a block is a tar header: its checksum says so (POSIX.1-1988).
fn is_header(block: &[u8]) -> bool {
    let Some(block) = block.get(..512).filter(|block| block.iter().any(|byte| *byte != 0)) else {
        return false;
    };
    let sum: u32 = block
        .iter()
        .enumerate()
        .map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u32::from(*byte) })
        .sum();
    tar::Header::from_byte_slice(block).cksum().is_ok_and(|written| written == sum)
}
