//! The file a log lives in: records appended one after the other, each with its checksum, and beside it
//! the head, which says how much has been acknowledged.
//!
//! A record is a length (4 bytes), the first 8 bytes of the content's SHA-256, and the content. Records are
//! synced before the head is written, and the head before anyone is answered. So at the next start a broken
//! record beyond the head was never acknowledged and is cut off; one below it is damage, and refused.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use super::merkle::Hash;
use crate::sigstore::keys::sha256;

const MAGIC: &[u8; 16] = b"loadline-log v1\n";
const HEAD_MAGIC: &[u8; 16] = b"loadline-head 1\n";
const RECORD_HEADER: u64 = 12;
/// The largest record: far above any entry a service of ours accepts.
pub(crate) const RECORD_LIMIT: usize = 8 << 20;

/// A log's files could not be used.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The operating system refused.
    #[error("log file {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// Not a log, or one of a newer format.
    #[error(
        "log file {} is of no format this version knows: use the version that wrote it, or a new data folder",
        path.display()
    )]
    Format {
        /// The file.
        path: PathBuf,
    },
    /// Entries that were acknowledged are missing, damaged or replaced.
    #[error(
        "log file {}: {what}; {acknowledged} entries were acknowledged, so the log is refused rather than shortened: restore the file, or start with a new data folder",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        what: String,
        /// How many entries the head speaks of.
        acknowledged: u64,
    },
    /// A record is too large.
    #[error("a record of {bytes} bytes is over the limit of {RECORD_LIMIT}")]
    TooLarge {
        /// Its size.
        bytes: usize,
    },
}

/// How much of a log has been acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Head {
    /// The number of entries.
    pub(crate) size: u64,
    /// The root of the tree over them.
    pub(crate) root: Hash,
}

/// An unfinished record that a start found at the end, and cut off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The file.
    pub path: PathBuf,
    /// Where the unfinished record began, in bytes.
    pub offset: u64,
    /// How many bytes were cut off.
    pub bytes: u64,
    /// Why it is no record.
    pub reason: &'static str,
}

/// Where a record's content lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place {
    offset: u64,
    length: u32,
}

/// The two files of a log.
#[derive(Debug)]
pub(crate) struct Journal {
    path: PathBuf,
    records: File,
    head: File,
    head_path: PathBuf,
    end: u64,
}

impl Journal {
    /// Opens the log in `folder`, or begins one; `each` gets every record in order.
    ///
    /// Gives the journal, the head, and what was cut off, if anything.
    pub(crate) fn open(
        folder: &Path,
        mut each: impl FnMut(Place, &[u8]),
    ) -> Result<(Self, Option<Head>, Option<Cut>), JournalError> {
        let path = folder.join("entries");
        let head_path = folder.join("head");
        let head_file = open_file(&head_path)?;
        let records = open_file(&path)?;
        let mut journal = Self { path, records, head: head_file, head_path, end: 0 };
        let head = journal.read_head()?;
        let at = |source| JournalError::File { path: journal.path.clone(), source };
        let length = journal.records.metadata().map_err(at)?.len();
        let acknowledged = head.map_or(0, |head| head.size);

        if length < MAGIC.len() as u64 {
            let mut start = Vec::new();
            (&journal.records).read_to_end(&mut start).map_err(at)?;
            if !MAGIC.starts_with(&start) {
                return Err(JournalError::Format { path: journal.path });
            }
            if acknowledged > 0 {
                return Err(journal.damaged("the file is empty".to_owned(), acknowledged));
            }
            journal.records.write_all_at(MAGIC, 0).map_err(at)?;
            journal.records.sync_all().map_err(at)?;
            sync_folder(folder)?;
            journal.end = MAGIC.len() as u64;
            return Ok((journal, head, None));
        }
        let mut magic = [0; 16];
        journal.records.read_exact_at(&mut magic, 0).map_err(at)?;
        if &magic != MAGIC {
            return Err(JournalError::Format { path: journal.path });
        }

        let mut offset = MAGIC.len() as u64;
        let mut count = 0;
        let mut content = Vec::new();
        let mut cut = None;
        while offset < length {
            match journal.record_at(offset, length, &mut content).map_err(at)? {
                Ok(place) => {
                    each(place, &content);
                    count += 1;
                    offset += RECORD_HEADER + u64::from(place.length);
                }
                Err(reason) if count >= acknowledged => {
                    journal.records.set_len(offset).map_err(at)?;
                    journal.records.sync_all().map_err(at)?;
                    cut = Some(Cut { path: journal.path.clone(), offset, bytes: length - offset, reason });
                    break;
                }
                Err(reason) => {
                    let what = format!("entry {count} at byte {offset}: {reason}");
                    return Err(journal.damaged(what, acknowledged));
                }
            }
        }
        if count < acknowledged {
            return Err(journal.damaged(format!("it ends after entry {count}"), acknowledged));
        }
        journal.end = offset;
        Ok((journal, head, cut))
    }

    /// What `open` says when the entries are not those that were acknowledged.
    pub(crate) fn damaged(&self, what: String, acknowledged: u64) -> JournalError {
        JournalError::Damaged { path: self.path.clone(), what, acknowledged }
    }

    /// Appends records and syncs them; all of them or none.
    pub(crate) fn append(&mut self, contents: &[Vec<u8>]) -> Result<Vec<Place>, JournalError> {
        let mut buffer = Vec::new();
        let mut places = Vec::with_capacity(contents.len());
        for content in contents {
            let length = u32::try_from(content.len())
                .ok()
                .filter(|_| content.len() <= RECORD_LIMIT)
                .ok_or(JournalError::TooLarge { bytes: content.len() })?;
            buffer.extend_from_slice(&length.to_be_bytes());
            buffer.extend_from_slice(&sha256(content)[..8]);
            places.push(Place { offset: self.end + buffer.len() as u64, length });
            buffer.extend_from_slice(content);
        }
        let written = self.records.write_all_at(&buffer, self.end).and_then(|()| self.records.sync_data());
        if let Err(source) = written {
            self.take_back(self.end);
            return Err(JournalError::File { path: self.path.clone(), source });
        }
        self.end += buffer.len() as u64;
        Ok(places)
    }

    /// Takes back what was appended after `end`, because the head could not be written.
    pub(crate) fn take_back(&mut self, end: u64) {
        self.end = end;
        // Where this fails, the next record goes over what is left, and the next start cuts off the rest.
        let _ = self.records.set_len(end);
    }

    /// Where the next record goes.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }

    /// Writes the head and syncs it. It always has the same size, so a full disk does not stop it.
    pub(crate) fn write_head(&mut self, head: &Head) -> Result<(), JournalError> {
        let mut bytes = Vec::with_capacity(64);
        bytes.extend_from_slice(HEAD_MAGIC);
        bytes.extend_from_slice(&head.size.to_be_bytes());
        bytes.extend_from_slice(&head.root);
        let checksum = sha256(&bytes);
        bytes.extend_from_slice(&checksum[..8]);
        let written = self.head.write_all_at(&bytes, 0).and_then(|()| self.head.sync_data());
        written.map_err(|source| JournalError::File { path: self.head_path.clone(), source })
    }

    /// A second handle for readers.
    pub(crate) fn reader(&self) -> Result<Reader, JournalError> {
        let at = |source| JournalError::File { path: self.path.clone(), source };
        Ok(Reader { path: self.path.clone(), file: self.records.try_clone().map_err(at)? })
    }

    fn read_head(&self) -> Result<Option<Head>, JournalError> {
        let at = |source| JournalError::File { path: self.head_path.clone(), source };
        let mut bytes = Vec::new();
        (&self.head).take(65).read_to_end(&mut bytes).map_err(at)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        let format = || JournalError::Format { path: self.head_path.clone() };
        if bytes.len() != 64 || &bytes[..16] != HEAD_MAGIC || sha256(&bytes[..56])[..8] != bytes[56..] {
            return Err(format());
        }
        let size = u64::from_be_bytes(bytes[16..24].try_into().map_err(|_| format())?);
        let root = bytes[24..56].try_into().map_err(|_| format())?;
        Ok(Some(Head { size, root }))
    }

    /// The record at `offset`, its content in `content`; or why there is none.
    fn record_at(
        &self,
        offset: u64,
        length: u64,
        content: &mut Vec<u8>,
    ) -> io::Result<Result<Place, &'static str>> {
        if length - offset < RECORD_HEADER {
            return Ok(Err("its header is unfinished"));
        }
        let mut header = [0; RECORD_HEADER as usize];
        self.records.read_exact_at(&mut header, offset)?;
        let [a, b, c, d, checksum @ ..] = header;
        let size = u32::from_be_bytes([a, b, c, d]);
        let start = offset + RECORD_HEADER;
        if size as usize > RECORD_LIMIT {
            return Ok(Err("its length cannot be"));
        }
        if length - start < u64::from(size) {
            return Ok(Err("it is unfinished"));
        }
        content.resize(size as usize, 0);
        self.records.read_exact_at(content, start)?;
        if sha256(content)[..8] != checksum {
            return Ok(Err("its checksum is wrong"));
        }
        Ok(Ok(Place { offset: start, length: size }))
    }
}

/// Reads records of a log that is being written to.
#[derive(Debug)]
pub(crate) struct Reader {
    path: PathBuf,
    file: File,
}

impl Reader {
    /// The record's content.
    pub(crate) fn read(&self, place: Place) -> Result<Vec<u8>, JournalError> {
        let mut content = vec![0; place.length as usize];
        let read = self.file.read_exact_at(&mut content, place.offset);
        read.map_err(|source| JournalError::File { path: self.path.clone(), source })?;
        Ok(content)
    }
}

fn open_file(path: &Path) -> Result<File, JournalError> {
    let opened = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
    opened.map_err(|source| JournalError::File { path: path.to_owned(), source })
}

fn sync_folder(folder: &Path) -> Result<(), JournalError> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(|source| JournalError::File { path: folder.to_owned(), source })
}
