//! Reading a tar archive one header at a time, everything bounded.
//!
//! The `tar` crate parses the headers; the walk is our own, because its iterator reads long names and
//! extended headers of any size into memory.

use std::cell::Cell;
use std::io::{self, Read};

use loadline_core::rootfs::RootFsError;
use tar::{EntryType, Header};

use super::Limits;

const BLOCK: u64 = 512;
/// The longest path, as Linux has it.
const LONGEST_PATH: usize = 4096;
/// The largest extended header.
const LARGEST_PAX: u64 = 1 << 20;

/// What is left of the limits, over all layers.
pub(super) struct Budget {
    limits: Limits,
    bytes: Cell<u64>,
    entries: Cell<u64>,
    names: Cell<u64>,
    over: Cell<Option<(&'static str, u64)>>,
}

impl Budget {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            bytes: Cell::new(limits.bytes),
            entries: Cell::new(limits.entries),
            names: Cell::new(limits.names),
            over: Cell::new(None),
        }
    }

    fn spend(&self, left: &Cell<u64>, n: u64, what: &'static str, limit: u64) -> io::Result<()> {
        match left.get().checked_sub(n) {
            Some(rest) => {
                left.set(rest);
                Ok(())
            }
            None => {
                self.over.set(Some((what, limit)));
                Err(io::Error::other(format!("more than {limit} {what}")))
            }
        }
    }

    /// The error that a read error was: a limit, or a broken layer.
    pub(super) fn explain(&self, layer: usize, source: io::Error) -> RootFsError {
        match self.over.get() {
            Some((what, limit)) => RootFsError::Limit { what, limit },
            None => RootFsError::Layer { layer, source },
        }
    }
}

/// One entry's header, its extensions applied.
#[derive(Debug)]
pub(super) struct TarHeader {
    pub(super) path: Vec<u8>,
    pub(super) kind: TarKind,
    pub(super) link: Vec<u8>,
    /// The content's size; 0 for what has none.
    pub(super) size: u64,
    pub(super) mode: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TarKind {
    File,
    Directory,
    Symlink,
    Hardlink,
    Other,
}

/// A tar archive that is being read.
pub(super) struct TarStream<'a> {
    reader: Box<dyn Read + 'a>,
    budget: &'a Budget,
    /// Bytes of the current entry's content that are unread, and of the padding behind it.
    content: u64,
    padding: u64,
    ended: bool,
}

#[derive(Default)]
struct Extensions {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
    size: Option<u64>,
}

impl<'a> TarStream<'a> {
    pub(super) fn new(reader: Box<dyn Read + 'a>, budget: &'a Budget) -> Self {
        Self { reader, budget, content: 0, padding: 0, ended: false }
    }

    /// The next entry's header; what is left of the content before it is skipped.
    pub(super) fn next_header(&mut self) -> io::Result<Option<TarHeader>> {
        let mut extensions = Extensions::default();
        loop {
            self.skip()?;
            let Some(block) = self.block()? else { return Ok(None) };
            let header = Header::from_byte_slice(&block);
            check(header)?;
            let kind = header.entry_type();
            let size = header.entry_size()?;
            match kind {
                EntryType::GNULongName => extensions.path = Some(self.long_name(size)?),
                EntryType::GNULongLink => extensions.link = Some(self.long_name(size)?),
                EntryType::XHeader => {
                    let bytes = self.whole(size, LARGEST_PAX, "an extended header")?;
                    pax(&bytes, &mut extensions)?;
                }
                EntryType::XGlobalHeader => self.expect(size),
                EntryType::GNUSparse => return Err(sparse()),
                _ => return self.entry(header, kind, size, extensions).map(Some),
            }
        }
    }

    fn entry(
        &mut self,
        header: &Header,
        kind: EntryType,
        size: u64,
        extensions: Extensions,
    ) -> io::Result<TarHeader> {
        let path = extensions.path.unwrap_or_else(|| header.path_bytes().into_owned());
        let link = extensions
            .link
            .or_else(|| header.link_name_bytes().map(|link| link.into_owned()))
            .unwrap_or_default();
        if path.len() > LONGEST_PATH || link.len() > LONGEST_PATH {
            return Err(invalid("a path is longer than 4096 bytes"));
        }
        self.budget.spend(&self.budget.entries, 1, "entries", self.budget.limits.entries)?;
        let names = (path.len() + link.len()) as u64;
        self.budget.spend(&self.budget.names, names, "bytes of paths", self.budget.limits.names)?;
        let kind = match kind {
            // In archives of old, a directory is a file whose name ends in a slash.
            EntryType::Regular if path.ends_with(b"/") => TarKind::Directory,
            EntryType::Regular | EntryType::Continuous => TarKind::File,
            EntryType::Directory => TarKind::Directory,
            EntryType::Symlink => TarKind::Symlink,
            EntryType::Link => TarKind::Hardlink,
            _ => TarKind::Other,
        };
        // Links, directories and devices have no content, whatever their header says.
        let has_content = !matches!(
            header.entry_type(),
            EntryType::Directory
                | EntryType::Symlink
                | EntryType::Link
                | EntryType::Char
                | EntryType::Block
                | EntryType::Fifo
        );
        let stored = if has_content { extensions.size.unwrap_or(size) } else { 0 };
        self.expect(stored);
        let size = if kind == TarKind::File { stored } else { 0 };
        Ok(TarHeader { path, kind, link, size, mode: header.mode()? & 0o7777 })
    }

    /// A reader over the current entry's content. An error that it runs into is also left in `broken`.
    pub(super) fn content<'s>(&'s mut self, broken: &'s Cell<Option<io::Error>>) -> Content<'s, 'a> {
        Content { stream: self, broken }
    }

    fn expect(&mut self, size: u64) {
        self.content = size;
        self.padding = (BLOCK - size % BLOCK) % BLOCK;
    }

    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.reader.read(buffer) {
                Ok(n) => {
                    self.budget.spend(&self.budget.bytes, n as u64, "bytes", self.budget.limits.bytes)?;
                    return Ok(n);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn skip(&mut self) -> io::Result<()> {
        let mut buffer = [0; 16 << 10];
        while self.content + self.padding > 0 {
            let left = self.content + self.padding;
            let most = usize::try_from(left.min(buffer.len() as u64)).unwrap_or(buffer.len());
            let n = self.read(&mut buffer[..most])? as u64;
            if n == 0 {
                // Some writers leave out the padding behind the last file.
                if self.content == 0 {
                    self.padding = 0;
                    return Ok(());
                }
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let of_content = n.min(self.content);
            self.content -= of_content;
            self.padding -= n - of_content;
        }
        Ok(())
    }

    /// The next header block; none at the archive's end: two blocks of zeros, or nothing more.
    fn block(&mut self) -> io::Result<Option<[u8; 512]>> {
        for _ in 0..2 {
            if self.ended {
                return Ok(None);
            }
            let mut block = [0; 512];
            let mut filled = 0;
            while filled < block.len() {
                match self.read(&mut block[filled..])? {
                    0 => break,
                    n => filled += n,
                }
            }
            match filled {
                0 => self.ended = true,
                512 if block.iter().any(|b| *b != 0) => return Ok(Some(block)),
                512 => {}
                _ => return Err(io::ErrorKind::UnexpectedEof.into()),
            }
        }
        self.ended = true;
        Ok(None)
    }

    fn whole(&mut self, size: u64, limit: u64, what: &str) -> io::Result<Vec<u8>> {
        if size > limit {
            return Err(invalid(&format!("{what} is larger than {limit} bytes")));
        }
        self.expect(size);
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
        let broken = Cell::new(None);
        self.content(&broken).read_exact(&mut bytes)?;
        Ok(bytes)
    }

    fn long_name(&mut self, size: u64) -> io::Result<Vec<u8>> {
        let mut name = self.whole(size, LONGEST_PATH as u64 + 1, "a path")?;
        if let Some(end) = name.iter().position(|b| *b == 0) {
            name.truncate(end);
        }
        Ok(name)
    }
}

/// The content of one entry.
pub(super) struct Content<'s, 'a> {
    stream: &'s mut TarStream<'a>,
    broken: &'s Cell<Option<io::Error>>,
}

impl Read for Content<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.stream.content.min(buffer.len() as u64)).unwrap_or(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let copy = |error: &io::Error| io::Error::new(error.kind(), error.to_string());
        match self.stream.read(&mut buffer[..most]) {
            Ok(0) => {
                self.broken.set(Some(io::ErrorKind::UnexpectedEof.into()));
                Err(io::ErrorKind::UnexpectedEof.into())
            }
            Ok(n) => {
                self.stream.content -= n as u64;
                Ok(n)
            }
            Err(error) => {
                self.broken.set(Some(copy(&error)));
                Err(error)
            }
        }
    }
}

/// Checks a header's checksum: the sum of its bytes, the checksum's own taken as spaces.
fn check(header: &Header) -> io::Result<()> {
    let bytes = header.as_bytes();
    let sum = |bytes: &[u8]| bytes.iter().map(|b| u32::from(*b)).sum::<u32>();
    let actual = sum(&bytes[..148]) + 8 * u32::from(b' ') + sum(&bytes[156..]);
    if header.cksum().is_ok_and(|expected| expected == actual) {
        Ok(())
    } else {
        Err(invalid("this is no tar archive (a header's checksum is wrong)"))
    }
}

/// The records of an extended header that matter here (POSIX pax, "pax Extended Header").
fn pax(bytes: &[u8], extensions: &mut Extensions) -> io::Result<()> {
    let broken = || invalid("an extended header is broken");
    let mut rest = bytes;
    while !rest.is_empty() && rest[0] != 0 {
        let space = rest.iter().position(|b| *b == b' ').ok_or_else(broken)?;
        let length = std::str::from_utf8(&rest[..space]).ok().and_then(|text| text.parse::<usize>().ok());
        let length = length.filter(|n| *n > space + 1 && *n <= rest.len()).ok_or_else(broken)?;
        let record = rest[space + 1..length].strip_suffix(b"\n").ok_or_else(broken)?;
        let equals = record.iter().position(|b| *b == b'=').ok_or_else(broken)?;
        let (key, value) = (&record[..equals], &record[equals + 1..]);
        match key {
            b"path" => extensions.path = Some(value.to_vec()),
            b"linkpath" => extensions.link = Some(value.to_vec()),
            b"size" => {
                let size = std::str::from_utf8(value).ok().and_then(|text| text.parse().ok());
                extensions.size = Some(size.ok_or_else(broken)?);
            }
            key if key.starts_with(b"GNU.sparse.") => return Err(sparse()),
            _ => {}
        }
        rest = &rest[length..];
    }
    Ok(())
}

fn invalid(message: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, message)
}

fn sparse() -> io::Error {
    invalid("sparse files in a layer are not read")
}
