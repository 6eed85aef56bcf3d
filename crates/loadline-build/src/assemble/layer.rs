//! Writing a layer: a tar stream in one fixed form, compressed by one fixed setting, so that the same
//! entries are the same bytes on every machine.
//!
//! Headers are ustar (POSIX.1-1988), with a PAX header before them (POSIX.1-2001) only for what does not
//! fit. User and group names are left out: they mean nothing outside the machine they come from.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufWriter, Read, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use flate2::{Compression, GzBuilder};
use loadline_core::{Digest, Hasher};
use tar::{EntryType, Header};
use thiserror::Error;

use super::pax::{Pax, pad};
use super::spool::Spool;
use super::tree::{Kind, Node};

/// The fixed compression level: zlib's default.
const LEVEL: u32 = 6;
/// The compressor is fed in blocks of one size, so that its output cannot depend on how reads happened to
/// be cut.
const BLOCK: usize = 256 * 1024;

/// The entries of one layer, parents before what is beneath them.
pub(crate) type Entries = Vec<(String, Node)>;

/// A layer that was written.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    /// The compressed bytes.
    pub(crate) file: PathBuf,
    /// Their digest.
    pub(crate) digest: Digest,
    /// Their number.
    pub(crate) size: u64,
    /// The digest of the tar stream.
    pub(crate) diff_id: Digest,
}

/// Why a layer could not be written.
#[derive(Debug, Error)]
pub enum LayerError {
    /// A file that goes into it could not be read.
    #[error("`/{path}` cannot be read into the layer: {source}")]
    Content {
        /// Where in the image it would be.
        path: String,
        /// What went wrong.
        source: io::Error,
    },
    /// The file gave fewer bytes than it had when the context was looked at.
    #[error(
        "`/{path}` ended after {read} of {expected} bytes: it changed during the build; run the build again"
    )]
    Shrunk {
        /// Where in the image it would be.
        path: String,
        /// How many bytes came.
        read: u64,
        /// How many there were.
        expected: u64,
    },
    /// The file's bytes are not those that the context's digest was made of.
    #[error("`/{path}` changed after the context was read: run the build again")]
    Changed {
        /// Where in the image it would be.
        path: String,
    },
    /// The spool file could not be written.
    #[error("the layer cannot be spooled to {}: {source}; is the disk full?", file.display())]
    Spool {
        /// The spool file.
        file: PathBuf,
        /// What went wrong.
        source: io::Error,
    },
    /// An entry that layers do not carry.
    #[error("`/{path}` is {what}, which cannot be put into a layer")]
    Unsupported {
        /// Where in the image it would be.
        path: String,
        /// What it is.
        what: &'static str,
    },
}

/// Writes a layer to a file.
pub(crate) fn write(entries: &Entries, source_date: i64, file: PathBuf) -> Result<Written, LayerError> {
    let spool = |source| LayerError::Spool { file: file.clone(), source };
    let out = Counted::new(BufWriter::new(File::create(&file).map_err(spool)?));
    let gzip = GzBuilder::new().mtime(0).operating_system(255).write(out, Compression::new(LEVEL));
    let mut tar = Counted::new(Blocks::new(gzip));
    for (path, node) in entries {
        append(&mut tar, path, node, source_date, &spool)?;
    }
    // The end of the archive: two blocks of zeros (POSIX.1-1988), and no padding beyond.
    tar.write_all(&[0; 1024]).map_err(spool)?;
    let diff_id = tar.hasher.finish();
    let compressed = tar.inner.finish().and_then(|gzip| gzip.finish()).map_err(spool)?;
    let (digest, size) = (compressed.hasher.finish(), compressed.count);
    compressed.inner.into_inner().map_err(|error| spool(error.into_error()))?;
    Ok(Written { file, digest, size, diff_id })
}

/// Layers that were written, by what went into them: legs that have a layer in common write it once.
#[derive(Debug, Default)]
pub(crate) struct Layers(Mutex<HashMap<Digest, Arc<Mutex<Option<Written>>>>>);

impl Layers {
    /// Writes layers, as many at a time as the machine has processors; the result is in the order given.
    pub(crate) fn write(
        &self,
        layers: &[Arc<Entries>],
        source_date: i64,
        spool: &Spool,
    ) -> Result<Vec<Written>, LayerError> {
        let workers = std::thread::available_parallelism().map_or(1, usize::from).min(layers.len());
        let next = AtomicUsize::new(0);
        let results: Vec<Mutex<Option<Result<Written, LayerError>>>> =
            layers.iter().map(|_| Mutex::default()).collect();
        let work = || {
            loop {
                let at = next.fetch_add(1, Ordering::Relaxed);
                let Some(entries) = layers.get(at) else { break };
                *lock(&results[at]) = Some(self.write_one(entries, source_date, spool));
            }
        };
        std::thread::scope(|scope| {
            for _ in 1..workers {
                scope.spawn(work);
            }
            work();
        });
        results
            .into_iter()
            .filter_map(|result| result.into_inner().unwrap_or_else(PoisonError::into_inner))
            .collect()
    }

    fn write_one(&self, entries: &Entries, source_date: i64, spool: &Spool) -> Result<Written, LayerError> {
        let Some(key) = key(entries, source_date) else {
            return write(entries, source_date, spool.file("layer"));
        };
        let slot = Arc::clone(lock(&self.0).entry(key).or_default());
        let mut written = lock(&slot);
        if let Some(written) = written.as_ref() {
            return Ok(written.clone());
        }
        let made = write(entries, source_date, spool.file("layer"))?;
        *written = Some(made.clone());
        Ok(made)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A digest of all that decides a layer's bytes; nothing where some content is known by its place alone and
/// the place may change.
fn key(entries: &Entries, source_date: i64) -> Option<Digest> {
    let mut hasher = Hasher::sha256();
    hasher.update(&source_date.to_le_bytes());
    let mut field = |bytes: &[u8]| {
        hasher.update(&(bytes.len() as u64).to_le_bytes());
        hasher.update(bytes);
    };
    for (path, node) in entries {
        field(path.as_bytes());
        for number in [u64::from(node.mode), node.uid, node.gid] {
            field(&number.to_le_bytes());
        }
        field(node.kind.word().as_bytes());
        match &node.kind {
            Kind::Directory | Kind::Fifo | Kind::Socket => {}
            Kind::Symlink(target) => field(target.as_bytes()),
            Kind::Device { block, major, minor } => {
                field(&[u8::from(*block)]);
                field(&u64::from(*major).to_le_bytes());
                field(&u64::from(*minor).to_le_bytes());
            }
            Kind::File(content) => field(content.identity()?.as_bytes()),
        }
        for (name, value) in node.xattrs.iter().flat_map(|xattrs| xattrs.iter()) {
            field(name.as_bytes());
            field(value);
        }
        field(b"");
    }
    Some(hasher.finish())
}

fn append(
    tar: &mut impl Write,
    path: &str,
    node: &Node,
    source_date: i64,
    spool: &impl Fn(io::Error) -> LayerError,
) -> Result<(), LayerError> {
    let mut header = Header::new_ustar();
    let mut pax = Pax::default();
    let mut name = path.to_owned();
    let mut size = 0;
    match &node.kind {
        Kind::Directory => {
            header.set_entry_type(EntryType::Directory);
            name.push('/');
        }
        Kind::File(content) => {
            header.set_entry_type(EntryType::Regular);
            size = content.size();
        }
        Kind::Symlink(target) => {
            header.set_entry_type(EntryType::Symlink);
            pax.link(&mut header, target);
        }
        Kind::Device { block, major, minor } => {
            header.set_entry_type(if *block { EntryType::Block } else { EntryType::Char });
            header.set_device_major(*major).map_err(spool)?;
            header.set_device_minor(*minor).map_err(spool)?;
        }
        Kind::Fifo => header.set_entry_type(EntryType::Fifo),
        Kind::Socket => {
            return Err(LayerError::Unsupported { path: path.to_owned(), what: node.kind.word() });
        }
    }
    if !matches!(node.kind, Kind::Device { .. }) {
        header.set_device_major(0).map_err(spool)?;
        header.set_device_minor(0).map_err(spool)?;
    }
    header.set_mode(if matches!(node.kind, Kind::Symlink(_)) { 0o777 } else { node.mode & 0o7777 });
    pax.name(&mut header, &name);
    header.set_uid(pax.number("uid", node.uid, 0o7_777_777));
    header.set_gid(pax.number("gid", node.gid, 0o7_777_777));
    header.set_size(pax.number("size", size, 0o77_777_777_777));
    match u64::try_from(source_date) {
        Ok(date) => header.set_mtime(pax.number("mtime", date, 0o77_777_777_777)),
        Err(_) => {
            header.set_mtime(0);
            pax.add("mtime", source_date.to_string().as_bytes());
        }
    }
    for (attribute, value) in node.xattrs.iter().flat_map(|xattrs| xattrs.iter()) {
        pax.add(&format!("SCHILY.xattr.{attribute}"), value);
    }
    header.set_cksum();
    pax.write(tar, path).map_err(spool)?;
    tar.write_all(header.as_bytes()).map_err(spool)?;
    if let Kind::File(content) = &node.kind {
        let unread = |source| LayerError::Content { path: path.to_owned(), source };
        let mut reader = content.open().map_err(unread)?;
        let mut buffer = vec![0; 64 * 1024];
        let mut copied = 0_u64;
        let mut hasher = content.digest().map(|digest| Hasher::new(digest.algorithm()));
        loop {
            let got = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(got) => got,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(unread(error)),
            };
            tar.write_all(&buffer[..got]).map_err(spool)?;
            if let Some(hasher) = &mut hasher {
                hasher.update(&buffer[..got]);
            }
            copied += got as u64;
        }
        if copied != size {
            return Err(LayerError::Shrunk { path: path.to_owned(), read: copied, expected: size });
        }
        if hasher.map(Hasher::finish).as_ref() != content.digest() {
            return Err(LayerError::Changed { path: path.to_owned() });
        }
        pad(tar, size).map_err(spool)?;
    }
    Ok(())
}

/// Counts and digests what goes through.
struct Counted<W> {
    inner: W,
    hasher: Hasher,
    count: u64,
}

impl<W> Counted<W> {
    fn new(inner: W) -> Self {
        Self { inner, hasher: Hasher::sha256(), count: 0 }
    }
}

impl<W: Write> Write for Counted<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        self.count += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

/// Hands on blocks of exactly [`BLOCK`] bytes, the last one excepted.
struct Blocks<W> {
    inner: W,
    block: Vec<u8>,
}

impl<W: Write> Blocks<W> {
    fn new(inner: W) -> Self {
        Self { inner, block: Vec::with_capacity(BLOCK) }
    }

    fn finish(mut self) -> io::Result<W> {
        self.inner.write_all(&self.block)?;
        Ok(self.inner)
    }
}

impl<W: Write> Write for Blocks<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(BLOCK - self.block.len());
        self.block.extend_from_slice(&bytes[..taken]);
        if self.block.len() == BLOCK {
            self.inner.write_all(&self.block)?;
            self.block.clear();
        }
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tree::{Content, Xattrs};
    use super::*;

    fn file(bytes: &[u8]) -> Node {
        Node::file(Content::Bytes(bytes.into()), 0o644)
    }

    fn read_back(written: &Written) -> Vec<(String, u32, u64, u64, Vec<u8>)> {
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(File::open(&written.file).unwrap()));
        archive
            .entries()
            .unwrap()
            .map(|entry| {
                let mut entry = entry.unwrap();
                let mut bytes = Vec::new();
                entry.read_to_end(&mut bytes).unwrap();
                if let Some(link) = entry.link_name_bytes() {
                    bytes = link.into_owned();
                }
                let header = entry.header().clone();
                let path = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
                (path, header.mode().unwrap(), header.uid().unwrap(), header.mtime().unwrap(), bytes)
            })
            .collect()
    }

    #[test]
    fn what_is_written_is_read_back() {
        let directory = tempfile::tempdir().unwrap();
        let long = format!("{}/{}", "d".repeat(120), "f".repeat(90));
        let longer = format!("{}/{}", "d".repeat(160), "f".repeat(130));
        let mut owned = file(b"owned");
        owned.uid = 1000;
        let entries: Entries = vec![
            ("dir".into(), Node::directory((0, 0))),
            ("dir/a".into(), file(&[7; 1000])),
            ("dir/Főtanúsítvány.crt".into(), file(b"x")),
            (
                "dir/link".into(),
                Node {
                    kind: Kind::Symlink("t".repeat(150).as_str().into()),
                    mode: 0o644,
                    ..Node::directory((0, 0))
                },
            ),
            (long.clone(), file(b"")),
            (longer.clone(), file(b"long")),
            ("owned".into(), owned),
        ];
        let written = write(&entries, 86_400, directory.path().join("layer")).unwrap();
        let back = read_back(&written);
        let names: Vec<&str> = back.iter().map(|(name, ..)| name.as_str()).collect();
        assert_eq!(names, ["dir/", "dir/a", "dir/Főtanúsítvány.crt", "dir/link", &long, &longer, "owned"]);
        assert_eq!(back[0].1, 0o755);
        assert_eq!(back[1].4, [7; 1000]);
        assert_eq!((back[3].1, back[3].4.len()), (0o777, 150));
        assert_eq!(back[6].2, 1000);
        assert!(back.iter().all(|(_, _, _, mtime, _)| *mtime == 86_400));
        let bytes = std::fs::read(&written.file).unwrap();
        assert_eq!(Digest::of(&bytes), written.digest);
        assert_eq!(bytes.len() as u64, written.size);
        // RFC 1952: no flags, no time, unknown operating system.
        assert_eq!(bytes[..10], [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255]);
    }

    #[test]
    fn what_does_not_fit_a_header_goes_into_records() {
        let directory = tempfile::tempdir().unwrap();
        let mut node = file(b"x");
        node.uid = 4_294_967_294;
        node.xattrs = Some(Arc::new(Xattrs::from([("security.capability".to_owned(), vec![1, 0, 0, 2])])));
        let written = write(&vec![("x".into(), node)], -1, directory.path().join("layer")).unwrap();
        let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(File::open(&written.file).unwrap()));
        let mut entry = archive.entries().unwrap().next().unwrap().unwrap();
        let records: Vec<(String, Vec<u8>)> = entry
            .pax_extensions()
            .unwrap()
            .unwrap()
            .map(|record| record.unwrap())
            .map(|record| (record.key().unwrap().to_owned(), record.value_bytes().to_owned()))
            .collect();
        assert_eq!(
            records,
            [
                ("SCHILY.xattr.security.capability".to_owned(), vec![1, 0, 0, 2]),
                ("mtime".to_owned(), b"-1".to_vec()),
                ("uid".to_owned(), b"4294967294".to_vec())
            ]
        );
    }

    // A change of any of these digests changes every image that was ever assembled: it must be meant.
    #[test]
    fn the_bytes_are_fixed() {
        let directory = tempfile::tempdir().unwrap();
        let empty = write(&Vec::new(), 0, directory.path().join("empty")).unwrap();
        assert_eq!(
            empty.diff_id.to_string(),
            "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef"
        );
        let mut text = String::new();
        for number in 0..40_000_u32 {
            text.push_str(&(number.wrapping_mul(2_654_435_761) >> 7).to_string());
        }
        let entries =
            vec![("etc".into(), Node::directory((0, 0))), ("etc/numbers".into(), file(text.as_bytes()))];
        let written = write(&entries, 0, directory.path().join("numbers")).unwrap();
        let again = write(&entries, 0, directory.path().join("again")).unwrap();
        assert_eq!(written.digest, again.digest);
        assert_eq!(
            written.diff_id.to_string(),
            "sha256:9849b5f03e5bb905e449703d15f189d4b2ab579d7d15499946875415c13365dc"
        );
        assert_eq!(
            written.digest.to_string(),
            "sha256:f433b353f28e60f5f1355ccadb6bbb13bc56bfc0e52fe3473a3929a7494b86e0"
        );
    }

    #[test]
    fn a_file_that_changed_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("source");
        std::fs::write(&path, b"12345").unwrap();
        let node = Node::file(Content::disk(&path, 9), 0o644);
        let error = write(&vec![("x".into(), node.clone())], 0, directory.path().join("layer")).unwrap_err();
        assert!(error.to_string().contains("changed during the build"), "{error}");
        // As many bytes, but not those that went into the context's digest.
        let content = Content::disk(&path, 5);
        let Content::Disk { digest, .. } = &content else { panic!() };
        digest.set(Digest::of("54321")).unwrap();
        let same_size =
            write(&vec![("x".into(), Node::file(content, 0o644))], 0, directory.path().join("layer"));
        assert!(matches!(same_size, Err(LayerError::Changed { .. })));
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(
            write(&vec![("x".into(), node)], 0, directory.path().join("layer")),
            Err(LayerError::Content { .. })
        ));
    }

    #[test]
    fn many_layers_keep_their_order() {
        let directory = tempfile::tempdir().unwrap();
        let layers: Vec<Arc<Entries>> = (0..9)
            .map(|n| Arc::new(vec![(format!("f{n}"), file(format!("{n}").repeat(1000 * n).as_bytes()))]))
            .collect();
        let spool = Spool::new(Some(directory.path())).unwrap();
        let cache = Layers::default();
        let written = cache.write(&layers, 0, &spool).unwrap();
        for (at, layer) in layers.iter().enumerate() {
            let alone = write(layer, 0, directory.path().join("alone")).unwrap();
            assert_eq!(alone.digest, written[at].digest);
        }
        // What is alike is not written again; what differs in anything is.
        let files = |written: &[Written]| written.iter().map(|layer| layer.file.clone()).collect::<Vec<_>>();
        assert_eq!(files(&cache.write(&layers, 0, &spool).unwrap()), files(&written));
        assert_ne!(cache.write(&layers, 1, &spool).unwrap()[0].digest, written[0].digest);
        let mut other = file(b"");
        other.uid = 1;
        let other = cache.write(&[Arc::new(vec![("f0".into(), other)])], 0, &spool).unwrap();
        assert_ne!(other[0].digest, written[0].digest);
    }
}
