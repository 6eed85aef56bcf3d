//! Uploads under way: a file each, taken up again after a restart, hashed while they arrive.

use std::collections::HashMap;
use std::fs::{self, File, OpenOptions};
use std::io::{Read as _, Write as _};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::StatusCode;
use bytes::Bytes;
use futures_util::StreamExt as _;
use loadline_core::{Algorithm, Digest, digest::Hasher};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex as AsyncMutex, OwnedMutexGuard, mpsc};

use super::blocking;
use super::errors::{Code, Refusal};
use super::names::Name;
use super::store::{At as _, Kind, Store, StoreError, random_name};

/// Pieces that may wait for the disk; with hyper's own buffer this bounds the memory of an upload.
const PIECES: usize = 4;
/// A sender that says nothing for so long is gone.
const SILENCE: Duration = Duration::from_secs(120);
/// What is still read of a body that was refused, so that the sender gets to read the answer.
const DRAIN: usize = 16 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(10);
const BLOCK: usize = 256 << 10;

/// What is written down about an upload, so that another process can take it up.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    repository: String,
}

/// One upload. Whoever holds the lock on it is its only writer.
#[derive(Debug)]
pub(super) struct Session {
    /// The name of the upload in its URL.
    pub(super) id: String,
    data: PathBuf,
    record: Option<PathBuf>,
    /// The bytes that are in the file, and in the hasher when there is one.
    pub(super) len: u64,
    hasher: Option<Hasher>,
    loaded: bool,
    gone: bool,
}

/// A locked upload.
pub(super) type Held = OwnedMutexGuard<Session>;

/// All uploads.
#[derive(Debug)]
pub(super) struct Uploads {
    store: Arc<Store>,
    max: u64,
    open: Mutex<HashMap<String, Arc<AsyncMutex<Session>>>>,
}

impl Uploads {
    pub(super) fn new(store: Arc<Store>, max: u64) -> Self {
        Self { store, max, open: Mutex::new(HashMap::new()) }
    }

    fn session(&self, id: String, recorded: bool) -> Session {
        let folder = self.store.uploads();
        Session {
            data: folder.join(format!("{id}.data")),
            record: recorded.then(|| folder.join(format!("{id}.json"))),
            id,
            len: 0,
            hasher: None,
            loaded: !recorded,
            gone: false,
        }
    }

    /// Begins an upload that later requests go on with.
    pub(super) async fn begin(&self, name: &Name) -> Result<String, Refusal> {
        let id = self.name()?;
        let store = Arc::clone(&self.store);
        let path = store.uploads().join(format!("{id}.json"));
        let record = serde_json::to_vec(&Record { repository: name.as_str().to_owned() })
            .map_err(|error| Refusal::bad(Code::BlobUploadInvalid, error.to_string()))?;
        blocking(move || store.write(&path, &record)).await?;
        Ok(id)
    }

    /// An upload within one request, that no other can take up.
    pub(super) async fn single(&self) -> Result<Held, Refusal> {
        let id = self.name()?;
        Ok(Arc::new(AsyncMutex::new(self.session(id, false))).lock_owned().await)
    }

    fn name(&self) -> Result<String, StoreError> {
        random_name().at("name a file in", &self.store.uploads())
    }

    /// Takes an upload up, waiting for whoever still writes to it.
    pub(super) async fn take(&self, name: &Name, id: &str) -> Result<Held, Refusal> {
        let unknown = || {
            Refusal::missing(
                Code::BlobUploadUnknown,
                format!("there is no upload `{}`: begin anew", short(id)),
            )
        };
        if id.len() != 32 || !id.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase()) {
            return Err(unknown());
        }
        let fresh = self.session(id.to_owned(), true);
        let (store, path) = (Arc::clone(&self.store), fresh.record.clone().unwrap_or_default());
        let record = blocking(move || store.read(&path)).await?.ok_or_else(unknown)?;
        let record: Record = serde_json::from_slice(&record).map_err(|_| unknown())?;
        if record.repository != name.as_str() {
            return Err(unknown());
        }
        let shared = {
            let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(open.entry(id.to_owned()).or_insert_with(|| Arc::new(AsyncMutex::new(fresh))))
        };
        let mut held = shared.lock_owned().await;
        if held.gone {
            return Err(unknown());
        }
        if !held.loaded {
            held = blocking(move || {
                held.load()?;
                Ok::<_, StoreError>(held)
            })
            .await?;
            if held.gone {
                self.forget(held);
                return Err(unknown());
            }
        }
        Ok(held)
    }

    /// Appends a body to an upload. What arrives before the connection breaks is kept.
    pub(super) async fn pour(&self, held: Held, body: Body) -> Result<Held, Refusal> {
        let room = self.max.saturating_sub(held.len);
        let (sender, receiver) = mpsc::channel(PIECES);
        let writer = tokio::task::spawn_blocking(move || append(held, receiver));
        let sent = feed(body, &sender, room).await;
        drop(sender);
        let (mut held, written) = writer.await.map_err(|_| interrupted())?;
        if let Err(error) = written {
            held.loaded = false;
            return Err(error.into());
        }
        sent.map(|()| held)
    }

    /// Ends an upload: compares the digest, makes the bytes durable, and links them.
    pub(super) async fn finish(&self, mut held: Held, name: &Name, digest: &Digest) -> Result<(), Refusal> {
        let (store, name, wanted) = (Arc::clone(&self.store), name.clone(), digest.clone());
        let (held, found) = blocking(move || {
            let found = held.digest(wanted.algorithm())?;
            if found == wanted {
                held.commit(&store, &name, &wanted)?;
            } else {
                held.discard(&store)?;
            }
            Ok::<_, StoreError>((held, found))
        })
        .await?;
        self.forget(held);
        if found == *digest {
            return Ok(());
        }
        Err(Refusal::bad(
            Code::DigestInvalid,
            format!("the content has digest {found}, not {digest}: upload it again from the beginning"),
        )
        .detail(serde_json::json!({ "digest": digest, "found": found })))
    }

    /// Throws an upload away.
    pub(super) async fn cancel(&self, mut held: Held) -> Result<(), Refusal> {
        let store = Arc::clone(&self.store);
        let held = blocking(move || {
            held.discard(&store)?;
            Ok::<_, StoreError>(held)
        })
        .await?;
        self.forget(held);
        Ok(())
    }

    fn forget(&self, held: Held) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&held.id);
    }
}

impl Session {
    fn load(&mut self) -> Result<(), StoreError> {
        // It may have ended between the look at its record and this one.
        self.gone = self.record.as_ref().is_some_and(|record| !record.exists());
        self.len = match fs::metadata(&self.data) {
            Ok(metadata) => metadata.len(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => 0,
            Err(source) => return Err(StoreError { action: "read", path: self.data.clone(), source }),
        };
        self.hasher = (self.len == 0).then(Hasher::sha256);
        self.loaded = true;
        Ok(())
    }

    fn rehash(&self, algorithm: Algorithm) -> Result<Hasher, StoreError> {
        let mut hasher = Hasher::new(algorithm);
        if self.len == 0 {
            return Ok(hasher);
        }
        let mut file = File::open(&self.data).at("read", &self.data)?;
        let mut block = vec![0_u8; BLOCK];
        loop {
            let count = file.read(&mut block).at("read", &self.data)?;
            if count == 0 {
                return Ok(hasher);
            }
            hasher.update(&block[..count]);
        }
    }

    fn digest(&mut self, algorithm: Algorithm) -> Result<Digest, StoreError> {
        match self.hasher.take() {
            Some(hasher) if algorithm == Algorithm::Sha256 => Ok(hasher.finish()),
            _ => self.rehash(algorithm).map(Hasher::finish),
        }
    }

    /// Cuts the file back, so that a chunk that was refused leaves nothing behind.
    pub(super) async fn rewind(mut held: Held, len: u64) -> Result<Held, Refusal> {
        blocking(move || {
            let cut = OpenOptions::new().write(true).open(&held.data).and_then(|file| file.set_len(len));
            cut.at("shorten", &held.data)?;
            held.load()?;
            Ok::<_, StoreError>(held)
        })
        .await
    }

    fn commit(&mut self, store: &Store, name: &Name, digest: &Digest) -> Result<(), StoreError> {
        let file =
            OpenOptions::new().create(true).append(true).open(&self.data).and_then(|file| file.sync_all());
        file.at("write", &self.data)?;
        {
            let _writing = store.writing();
            store.place(&self.data, &store.content(digest))?;
            store.write(&store.link(name, Kind::Blob, digest), b"")?;
        }
        self.discard(store)
    }

    /// Removes what is on disk; the record first, so that a kill in between leaves no upload without data.
    fn discard(&mut self, store: &Store) -> Result<(), StoreError> {
        self.gone = true;
        if let Some(record) = &self.record {
            store.remove(record)?;
        }
        store.remove(&self.data)?;
        Ok(())
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // An upload within one request that did not come to its end: nobody can take it up.
        if self.record.is_none() && !self.gone {
            let _ = fs::remove_file(&self.data);
        }
    }
}

/// The disk's side of an upload. It owns the session, so that a request that is dropped in the middle
/// cannot leave hasher and file at different places.
fn append(mut held: Held, mut pieces: mpsc::Receiver<Bytes>) -> (Held, Result<(), StoreError>) {
    let mut work = || -> Result<(), StoreError> {
        let mut hasher = match held.hasher.take() {
            Some(hasher) => hasher,
            None => held.rehash(Algorithm::Sha256)?,
        };
        let mut file =
            OpenOptions::new().create(true).append(true).open(&held.data).at("open", &held.data)?;
        while let Some(piece) = pieces.blocking_recv() {
            if let Err(source) = file.write_all(&piece) {
                // Part of the piece may be there; the next request measures the file anew.
                held.loaded = false;
                return Err(StoreError { action: "write", path: held.data.clone(), source });
            }
            hasher.update(&piece);
            held.len += piece.len() as u64;
        }
        held.hasher = Some(hasher);
        Ok(())
    };
    let done = work();
    (held, done)
}

/// The network's side of an upload.
async fn feed(body: Body, sender: &mpsc::Sender<Bytes>, mut room: u64) -> Result<(), Refusal> {
    let mut stream = body.into_data_stream();
    loop {
        let piece = match tokio::time::timeout(SILENCE, stream.next()).await {
            Ok(None) => return Ok(()),
            Ok(Some(Ok(piece))) => piece,
            Ok(Some(Err(_))) | Err(_) => return Err(interrupted()),
        };
        if piece.len() as u64 > room {
            drain_stream(stream).await;
            return Err(Refusal::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                Code::SizeInvalid,
                "the blob is larger than this registry takes",
            ));
        }
        room -= piece.len() as u64;
        if sender.send(piece).await.is_err() {
            // The writer gave up, and knows why.
            drain_stream(stream).await;
            return Ok(());
        }
    }
}

fn interrupted() -> Refusal {
    Refusal::bad(Code::BlobUploadInvalid, "the upload broke off: ask where it stands, and go on from there")
}

/// Reads what a refused sender still has to say, within bounds: many clients read no answer before
/// they have said everything.
pub(super) async fn drain(body: Body) {
    drain_stream(body.into_data_stream()).await;
}

async fn drain_stream(mut stream: BodyDataStream) {
    let _ = tokio::time::timeout(DRAIN_TIME, async {
        let mut read = 0;
        while let Some(Ok(piece)) = stream.next().await {
            read += piece.len();
            if read > DRAIN {
                break;
            }
        }
    })
    .await;
}

fn short(text: &str) -> String {
    text.chars().take(60).collect()
}
