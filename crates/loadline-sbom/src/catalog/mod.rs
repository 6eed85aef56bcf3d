//! Finding out what is in a root file system: one pass over its visible entries, one cataloger a format.

mod apk;
mod binary;
mod dpkg;
mod fields;
mod go;
mod npm;
mod os_release;
mod python;
mod rpm;
mod rust;
mod unsupported;

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};

use loadline_core::rootfs::{Entry, EntryKind, RootFs, RootFsError};

pub use os_release::OsRelease;

use crate::package::Package;

/// How many packages one image may have.
const MAX_PACKAGES: usize = 1_000_000;
/// How many unread files are kept; a hostile image has more.
const MAX_UNREAD: usize = 100_000;

/// Why something was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnreadReason {
    /// Larger than is read.
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// It breaks its format.
    Malformed {
        /// What is wrong.
        reason: String,
    },
    /// A symbolic or hard link, a device: the content is not here.
    NotAFile,
    /// A format that no cataloger reads.
    Unsupported {
        /// Which.
        format: &'static str,
    },
    /// More packages than are kept.
    TooMany,
}

impl UnreadReason {
    /// The property that counts this reason in documents.
    pub const fn property(&self) -> &'static str {
        match self {
            Self::TooLarge { .. } => "loadline:unread:too-large",
            Self::Malformed { .. } => "loadline:unread:malformed",
            Self::NotAFile => "loadline:unread:not-a-file",
            Self::Unsupported { .. } => "loadline:unread:unsupported",
            Self::TooMany => "loadline:unread:too-many",
        }
    }
}

impl fmt::Display for UnreadReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { limit } => write!(f, "larger than the {limit} bytes that are read"),
            Self::Malformed { reason } => f.write_str(reason),
            Self::NotAFile => f.write_str("a link or device, not a file"),
            Self::Unsupported { format } => write!(f, "{format} are not read"),
            Self::TooMany => f.write_str("more packages than are kept"),
        }
    }
}

/// Something that is there but was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// The path.
    pub path: String,
    /// Why.
    pub reason: UnreadReason,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Catalogued {
    /// The distribution, where it says which it is.
    pub os: Option<OsRelease>,
    /// The packages, sorted by [`Package::bom_ref`], each once.
    pub packages: Vec<Package>,
    /// What could not be read, sorted by path.
    pub unread: Vec<Unread>,
    /// How many files there are.
    pub files: u64,
}

/// A file that a cataloger wants, with its content.
pub(crate) struct Found<'a> {
    pub(crate) path: &'a str,
    pub(crate) layer: usize,
    pub(crate) bytes: &'a [u8],
}

/// What a cataloger does with a path.
pub(crate) enum Want {
    /// It reads the file, at most this many bytes.
    Read(u64),
    /// It knows what the file is and cannot read it.
    Unsupported(&'static str),
}

/// One format. `Err` says why a file could not be read; it is then counted.
pub(crate) trait Cataloger {
    /// What is done with this path; `None` when it is not wanted.
    fn wants(&self, path: &str) -> Option<Want>;
    /// Takes in a wanted file.
    fn take(&mut self, found: &Found<'_>) -> Result<(), UnreadReason>;
    /// Sees every entry, wanted or not.
    fn see(&mut self, _entry: &Entry) {}
    /// Gives what was found, now that the distribution is known.
    fn finish(self: Box<Self>, os: Option<&OsRelease>, into: &mut Collected);
}

/// What catalogers fill.
#[derive(Default)]
pub(crate) struct Collected {
    packages: BTreeMap<String, Package>,
    unread: Vec<Unread>,
    overflow: bool,
}

impl Collected {
    pub(crate) fn package(&mut self, package: Package) {
        let bom_ref = package.bom_ref();
        if let Some(known) = self.packages.get_mut(&bom_ref) {
            known.absorb(package);
        } else if self.packages.len() < MAX_PACKAGES {
            self.packages.insert(bom_ref, package);
        } else if !self.overflow {
            self.overflow = true;
            let path = package.locations.first().cloned().unwrap_or_default();
            self.unread(path, UnreadReason::TooMany);
        }
    }

    pub(crate) fn unread(&mut self, path: impl Into<String>, reason: UnreadReason) {
        if self.unread.len() < MAX_UNREAD {
            self.unread.push(Unread { path: path.into(), reason });
        }
    }
}

/// Looks at every visible entry once and catalogs the packages it knows: dpkg, apk, npm, Python, and the
/// modules that Go and Rust binaries carry. What is there but cannot be read is counted, never skipped in
/// silence and never a panic.
///
/// # Errors
/// When the root file system itself cannot be read.
pub fn catalog(rootfs: &dyn RootFs) -> Result<Catalogued, RootFsError> {
    let mut os = os_release::OsReleases::default();
    let mut catalogers: Vec<Box<dyn Cataloger>> = vec![
        Box::<dpkg::Dpkg>::default(),
        Box::<apk::Apk>::default(),
        Box::<npm::Npm>::default(),
        Box::<python::Python>::default(),
        Box::new(rpm::Rpm),
        Box::new(unsupported::Unsupported),
    ];
    let mut binaries = binary::Binaries::default();
    let mut collected = Collected::default();
    let mut files = 0_u64;
    rootfs.visit(&mut |entry, reader| {
        files += u64::from(entry.kind == EntryKind::File);
        for cataloger in &mut catalogers {
            cataloger.see(entry);
        }
        let wanting = catalogers.iter_mut().find_map(|cataloger| {
            let want = cataloger.wants(&entry.path)?;
            Some((cataloger, want))
        });
        match wanting {
            Some((cataloger, Want::Read(limit))) => {
                feed(entry, reader, limit, &mut collected, |found| cataloger.take(found))
            }
            Some((_, Want::Unsupported(format))) => {
                if entry.kind == EntryKind::File {
                    collected.unread(&entry.path, UnreadReason::Unsupported { format });
                }
                Ok(())
            }
            None if os_release::is_os_release(&entry.path) => {
                // Mostly a symbolic link to the one below /usr/lib, which is read when it comes.
                if entry.kind != EntryKind::File {
                    return Ok(());
                }
                feed(entry, reader, os_release::LIMIT, &mut collected, |found| os.take(found))
            }
            None if entry.kind == EntryKind::File => {
                let mut magic = Vec::with_capacity(4);
                (&mut *reader).take(4).read_to_end(&mut magic)?;
                if !binary::is_binary(&magic) {
                    return Ok(());
                }
                let mut whole = magic.as_slice().chain(reader);
                feed(entry, &mut whole, binary::LIMIT, &mut collected, |found| binaries.take(found))
            }
            None => Ok(()),
        }
    })?;
    let os = os.finish(&mut collected);
    for cataloger in catalogers {
        cataloger.finish(os.as_ref(), &mut collected);
    }
    binaries.finish(&mut collected);
    collected.unread.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(Catalogued {
        os,
        packages: collected.packages.into_values().collect(),
        unread: collected.unread,
        files,
    })
}

fn feed(
    entry: &Entry,
    reader: &mut dyn Read,
    limit: u64,
    collected: &mut Collected,
    take: impl FnOnce(&Found<'_>) -> Result<(), UnreadReason>,
) -> io::Result<()> {
    let outcome = match entry.kind {
        EntryKind::Directory => return Ok(()),
        EntryKind::Symlink(_) | EntryKind::Hardlink(_) | EntryKind::Other => Err(UnreadReason::NotAFile),
        EntryKind::File if entry.size > limit => Err(UnreadReason::TooLarge { limit }),
        EntryKind::File => {
            let mut bytes = Vec::new();
            reader.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
            if bytes.len() as u64 > limit {
                Err(UnreadReason::TooLarge { limit })
            } else {
                take(&Found { path: &entry.path, layer: entry.layer, bytes: &bytes })
            }
        }
    };
    if let Err(reason) = outcome {
        collected.unread(&entry.path, reason);
    }
    Ok(())
}
