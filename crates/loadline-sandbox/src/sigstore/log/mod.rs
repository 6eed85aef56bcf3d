//! An append-only log on disk: entries, their Merkle tree, and one writer that commits them in batches.
//!
//! The certificate transparency log and the signature transparency log are both one of these.

mod journal;
mod merkle;

use std::collections::HashMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard, mpsc};
use std::thread::JoinHandle;

use tokio::sync::oneshot;

pub use journal::{Cut, JournalError};
use journal::{Head, Journal, Place, Reader};
use merkle::Tree;
pub(crate) use merkle::{Hash, leaf_hash};

use super::keys::KeyError;

/// So many entries are committed at once, at most.
const BATCH: usize = 256;

/// An entry that is not in the log.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// It is in there already.
    #[error("an equivalent entry already exists in the transparency log with index {index}")]
    Duplicate {
        /// Where.
        index: u64,
    },
    /// The disk refused; nothing was acknowledged.
    #[error(transparent)]
    Journal(#[from] Arc<JournalError>),
    /// The log's head could not be signed; nothing was acknowledged.
    #[error("the log's head could not be signed: {0}")]
    Seal(Arc<KeyError>),
    /// The log was closed.
    #[error("the log is closed")]
    Closed,
}

/// What makes a log one of its kind.
pub(crate) struct Kind {
    /// What tells two entries apart, from a leaf: entries with the same key are duplicates.
    pub(crate) key: fn(leaf: &[u8]) -> Hash,
    /// Signs the head of a given size and root, as text that is kept with it.
    pub(crate) seal: Box<Seal>,
}

/// Signs the head of a given size and root.
pub(crate) type Seal = dyn Fn(u64, &Hash) -> Result<String, KeyError> + Send + Sync;

/// What the log keeps of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    /// What is hashed into the tree.
    pub(crate) leaf: Vec<u8>,
    /// What is kept beside it.
    pub(crate) extra: Vec<u8>,
}

/// An entry that is in the log, and on disk.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    /// Its place.
    pub(crate) index: u64,
    /// The size of the tree that `proof` speaks of.
    pub(crate) size: u64,
    /// That tree's root.
    pub(crate) root: Hash,
    /// The audit path.
    pub(crate) proof: Vec<Hash>,
    /// The signed head of that tree.
    pub(crate) seal: Arc<str>,
}

struct Append {
    leaf: Vec<u8>,
    extra: Vec<u8>,
    answer: oneshot::Sender<Result<Entry, LogError>>,
}

struct State {
    tree: Tree,
    places: Vec<Place>,
    seen: HashMap<Hash, u64>,
    leaves: HashMap<Hash, u64>,
    seal: Arc<str>,
}

/// The log.
pub(crate) struct Log {
    state: Arc<RwLock<State>>,
    reader: Reader,
    sender: Mutex<Option<mpsc::Sender<Append>>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    /// What an interrupted run had left unfinished, and the start cut off.
    pub(crate) cut: Option<Cut>,
}

impl Log {
    /// Opens the log in `folder`, or begins one.
    pub(crate) fn open(folder: &Path, kind: Kind) -> Result<Self, LogError> {
        let file = |source| Arc::new(JournalError::File { path: folder.to_owned(), source });
        fs::create_dir_all(folder).map_err(file)?;
        let mut state = State {
            tree: Tree::default(),
            places: Vec::new(),
            seen: HashMap::new(),
            leaves: HashMap::new(),
            seal: "".into(),
        };
        let (mut journal, head, cut) = Journal::open(folder, |place, content| {
            let (leaf, _) = split(content);
            state.add((kind.key)(leaf), leaf_hash(leaf), place);
        })
        .map_err(Arc::new)?;
        let size = state.tree.size();
        if let Some(head) = head
            && state.tree.root(head.size) != Some(head.root)
        {
            let what = format!("its first {} entries are not those that were acknowledged", head.size);
            return Err(Arc::new(journal.damaged(what, head.size)).into());
        }
        let root = state.tree.root(size).unwrap_or_default();
        // Entries that were synced but not acknowledged are entries from here on.
        journal.write_head(&Head { size, root }).map_err(Arc::new)?;
        state.seal = (kind.seal)(size, &root).map_err(|error| LogError::Seal(Arc::new(error)))?.into();

        let reader = journal.reader().map_err(Arc::new)?;
        let state = Arc::new(RwLock::new(state));
        let (sender, receiver) = mpsc::channel();
        let writers = Arc::clone(&state);
        let writer = std::thread::Builder::new()
            .name("loadline-log".to_owned())
            .spawn(move || write(journal, &kind, &writers, &receiver))
            .map_err(file)?;
        Ok(Self { state, reader, sender: Mutex::new(Some(sender)), writer: Mutex::new(Some(writer)), cut })
    }

    /// Appends an entry; answers when it is on disk. `extra` is kept beside the leaf, outside of the tree.
    pub(crate) async fn append(&self, leaf: Vec<u8>, extra: Vec<u8>) -> Result<Entry, LogError> {
        let (answer, receiver) = oneshot::channel();
        self.send(Append { leaf, extra, answer })?;
        receiver.await.map_err(|_| LogError::Closed)?
    }

    /// Appends an entry from a thread that may wait.
    pub(crate) fn append_blocking(&self, leaf: Vec<u8>, extra: Vec<u8>) -> Result<Entry, LogError> {
        let (answer, receiver) = oneshot::channel();
        self.send(Append { leaf, extra, answer })?;
        receiver.blocking_recv().map_err(|_| LogError::Closed)?
    }

    fn send(&self, append: Append) -> Result<(), LogError> {
        let sender = self.sender.lock().unwrap_or_else(PoisonError::into_inner);
        let sender = sender.as_ref().ok_or(LogError::Closed)?;
        sender.send(append).map_err(|_| LogError::Closed)
    }

    /// The size, the root and the signed head, of one moment.
    pub(crate) fn head(&self) -> (u64, Hash, Arc<str>) {
        let state = self.state();
        let size = state.tree.size();
        (size, state.tree.root(size).unwrap_or_default(), Arc::clone(&state.seal))
    }

    /// The index of the entry whose leaf has this hash.
    pub(crate) fn find(&self, leaf_hash: &Hash) -> Option<u64> {
        self.state().leaves.get(leaf_hash).copied()
    }

    /// The audit path of `index` at `size`.
    pub(crate) fn inclusion(&self, index: u64, size: u64) -> Option<Vec<Hash>> {
        self.state().tree.inclusion(index, size)
    }

    /// The proof that the tree at `new` continues that at `old`.
    pub(crate) fn consistency(&self, old: u64, new: u64) -> Option<Vec<Hash>> {
        self.state().tree.consistency(old, new)
    }

    /// `width` node hashes, `level` levels above the leaves, from `first` on.
    pub(crate) fn nodes(&self, level: usize, first: u64, width: usize) -> Option<Vec<Hash>> {
        self.state().tree.nodes(level, first, width).map(<[Hash]>::to_vec)
    }

    /// `width` entries from `first` on; none when there are not so many.
    pub(crate) fn entries(&self, first: u64, width: usize) -> Option<Result<Vec<Record>, JournalError>> {
        let first = usize::try_from(first).ok()?;
        let places = self.state().places.get(first..first.checked_add(width)?)?.to_vec();
        let read = |place| {
            let content = self.reader.read(place)?;
            let (leaf, extra) = split(&content);
            Ok(Record { leaf: leaf.to_vec(), extra: extra.to_vec() })
        };
        Some(places.into_iter().map(read).collect())
    }

    /// Lets the writer finish what was sent, and ends it.
    pub(crate) fn close(&self) {
        self.sender.lock().unwrap_or_else(PoisonError::into_inner).take();
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(writer) = writer {
            let _ = writer.join();
        }
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.close();
    }
}

impl State {
    fn add(&mut self, key: Hash, leaf: Hash, place: Place) {
        let index = self.tree.size();
        self.seen.entry(key).or_insert(index);
        self.leaves.entry(leaf).or_insert(index);
        self.tree.push(leaf);
        self.places.push(place);
    }
}

/// The writer: takes what is waiting, commits it at once, answers.
fn write(mut journal: Journal, kind: &Kind, state: &RwLock<State>, receiver: &mpsc::Receiver<Append>) {
    while let Ok(first) = receiver.recv() {
        let mut batch = vec![first];
        while batch.len() < BATCH
            && let Ok(next) = receiver.try_recv()
        {
            batch.push(next);
        }
        commit(&mut journal, kind, state, batch);
    }
}

fn commit(journal: &mut Journal, kind: &Kind, state: &RwLock<State>, batch: Vec<Append>) {
    let mut fresh: Vec<(Hash, Append)> = Vec::with_capacity(batch.len());
    {
        let state = state.read().unwrap_or_else(PoisonError::into_inner);
        let size = state.tree.size();
        for append in batch {
            let key = (kind.key)(&append.leaf);
            let within = fresh.iter().position(|(other, _)| *other == key).map(|at| size + at as u64);
            match state.seen.get(&key).copied().or(within) {
                Some(index) => drop(append.answer.send(Err(LogError::Duplicate { index }))),
                None => fresh.push((key, append)),
            }
        }
    }
    if fresh.is_empty() {
        return;
    }
    match store(journal, kind, state, &fresh) {
        Ok(entries) => {
            for ((_, append), entry) in fresh.into_iter().zip(entries) {
                let _ = append.answer.send(Ok(entry));
            }
        }
        Err(error) => {
            for (_, append) in fresh {
                let _ = append.answer.send(Err(error.again()));
            }
        }
    }
}

/// Puts the batch on disk, then the head, then into what readers see.
fn store(
    journal: &mut Journal,
    kind: &Kind,
    state: &RwLock<State>,
    fresh: &[(Hash, Append)],
) -> Result<Vec<Entry>, LogError> {
    let contents: Vec<_> = fresh.iter().map(|(_, append)| join(&append.leaf, &append.extra)).collect();
    let before = journal.end();
    let places = journal.append(&contents).map_err(Arc::new)?;

    let mut tree: RwLockWriteGuard<'_, State> = lock(state);
    let old = tree.tree.size();
    for (_, append) in fresh {
        tree.tree.push(leaf_hash(&append.leaf));
    }
    let size = tree.tree.size();
    let root = tree.tree.root(size).unwrap_or_default();
    let proofs: Vec<_> =
        (old..size).map(|index| tree.tree.inclusion(index, size).unwrap_or_default()).collect();
    // Nobody may see what is not yet acknowledged on disk.
    tree.tree.truncate(old);
    drop(tree);

    let sealed = (kind.seal)(size, &root).map_err(|error| LogError::Seal(Arc::new(error)));
    let sealed = sealed.and_then(|seal| {
        journal.write_head(&Head { size, root }).map_err(|error| LogError::Journal(Arc::new(error)))?;
        Ok(seal)
    });
    let seal: Arc<str> = match sealed {
        Ok(seal) => seal.into(),
        Err(error) => {
            journal.take_back(before);
            return Err(error);
        }
    };
    let mut writable = lock(state);
    for ((key, append), place) in fresh.iter().zip(places) {
        writable.add(*key, leaf_hash(&append.leaf), place);
    }
    writable.seal = Arc::clone(&seal);
    drop(writable);
    let entry = |(index, proof)| Entry { index, size, root, proof, seal: Arc::clone(&seal) };
    Ok((old..size).zip(proofs).map(entry).collect())
}

fn lock(state: &RwLock<State>) -> RwLockWriteGuard<'_, State> {
    state.write().unwrap_or_else(PoisonError::into_inner)
}

impl LogError {
    /// The same error, for another of the batch.
    fn again(&self) -> Self {
        match self {
            Self::Duplicate { index } => Self::Duplicate { index: *index },
            Self::Journal(error) => Self::Journal(Arc::clone(error)),
            Self::Seal(error) => Self::Seal(Arc::clone(error)),
            Self::Closed => Self::Closed,
        }
    }
}

fn join(leaf: &[u8], extra: &[u8]) -> Vec<u8> {
    let mut content = Vec::with_capacity(4 + leaf.len() + extra.len());
    // An entry over 4 GiB is refused by the journal whatever this says.
    content.extend_from_slice(&u32::try_from(leaf.len()).unwrap_or(u32::MAX).to_be_bytes());
    content.extend_from_slice(leaf);
    content.extend_from_slice(extra);
    content
}

fn split(content: &[u8]) -> (&[u8], &[u8]) {
    let Some((length, rest)) = content.split_first_chunk::<4>() else { return (content, &[]) };
    rest.split_at_checked(u32::from_be_bytes(*length) as usize).unwrap_or((rest, &[]))
}

#[cfg(test)]
mod tests;
