//! Blobs: looked for, and read into memory or a file.

use std::io::SeekFrom;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::StreamExt;
use http::Method;
use loadline_core::{Digest, Hasher};
use tokio::io::{AsyncSeekExt, AsyncWriteExt};
use tokio::time::timeout;

use super::Remote;
use crate::client::{Body, Request, Tally};
use crate::descriptor::Descriptor;
use crate::error::{ConnectionProblem, RegistryError, RegistryErrorKind};

impl Remote {
    /// Whether a blob is there.
    pub(crate) async fn has_blob(&self, digest: &Digest) -> Result<bool, RegistryError> {
        let request = self.request(&format!("blobs/{digest}"), format!("look for the blob {digest}"))?;
        let request = Request { method: Method::HEAD, answers: &[404], ..request };
        Ok(self.client.fetch(&request, 0, "the answer").await?.status != 404)
    }

    pub(super) fn blob_request(&self, digest: &Digest) -> Result<Request<'_>, RegistryError> {
        self.request(&format!("blobs/{digest}"), format!("read the blob {digest}"))
    }

    /// A blob's bytes, at most so many.
    pub(crate) async fn blob(&self, blob: &Descriptor, limit: u64) -> Result<Bytes, RegistryError> {
        let request = self.blob_request(&blob.digest)?;
        if blob.size > limit {
            let limit = format!("{limit} bytes");
            return Err(request.error(RegistryErrorKind::TooLarge { what: "the blob", limit }));
        }
        if let Some(bytes) = blob.embedded() {
            return Ok(bytes.into());
        }
        // What goes on beyond the size that was promised is another blob, not a larger one.
        let bytes = match self.client.fetch(&request, blob.size, "the blob").await {
            Ok(answer) => answer.bytes,
            Err(error) if matches!(error.kind(), RegistryErrorKind::TooLarge { .. }) => {
                let actual = format!("of more than {} bytes", blob.size);
                return Err(request.error(mismatch(blob, actual)));
            }
            Err(error) => return Err(error),
        };
        if blob.digest.matches(&bytes) {
            Ok(bytes)
        } else {
            Err(request.error(mismatch(blob, Digest::of(&bytes).to_string())))
        }
    }

    /// Streams a blob into a file; the file appears only when all of it is there and right. What broke goes on
    /// from where it stopped.
    pub(crate) async fn blob_to_file(&self, blob: &Descriptor, path: &Path) -> Result<(), RegistryError> {
        let request = self.blob_request(&blob.digest)?;
        let part = Part(part_of(path));
        let io = |source| request.error(RegistryErrorKind::Io { path: path.to_owned(), source });
        let mut begun = Begun {
            file: tokio::fs::File::create(&part.0).await.map_err(io)?,
            hasher: Hasher::new(blob.digest.algorithm()),
            size: 0,
        };
        let mut attempts = self.client.attempts();
        let mut furthest = 0;
        while let Err(error) = self.go_on(&request, blob, &mut begun).await {
            if begun.size > furthest {
                furthest = begun.size;
                attempts = self.client.attempts();
            }
            if !attempts.again(&error).await {
                return Err(error);
            }
        }
        let actual = begun.hasher.finish();
        if begun.size != blob.size || actual != blob.digest {
            return Err(request.error(mismatch(blob, actual.to_string())));
        }
        begun.file.flush().await.map_err(io)?;
        begun.file.sync_all().await.map_err(io)?;
        tokio::fs::rename(&part.0, path).await.map_err(io)
    }

    /// A blob as another request's body, its size checked before it is taken.
    pub(crate) async fn open_blob(&self, blob: &Descriptor) -> Result<Body, RegistryError> {
        let request = self.blob_request(&blob.digest)?;
        let response = self.client.send(&request).await?;
        if let Some(size) = response.content_length()
            && size != blob.size
        {
            return Err(request.error(mismatch(blob, format!("of {size} bytes"))));
        }
        Tally::add(&self.client.tally().bytes_received, blob.size);
        Ok(Body::Stream { body: Arc::new(Mutex::new(Some(response.into()))), size: blob.size })
    }

    /// Reads on from what a file has.
    async fn go_on(
        &self,
        request: &Request<'_>,
        blob: &Descriptor,
        begun: &mut Begun,
    ) -> Result<(), RegistryError> {
        let io = |source| request.error(RegistryErrorKind::Io { path: PathBuf::new(), source });
        if let Some(bytes) = blob.embedded() {
            begun.hasher.update(&bytes);
            begun.size = bytes.len() as u64;
            return begun.file.write_all(&bytes).await.map_err(io);
        }
        // A write that was cut off by the time limit may have left more in the file than was counted.
        begun.file.flush().await.map_err(io)?;
        begun.file.set_len(begun.size).await.map_err(io)?;
        begun.file.seek(SeekFrom::Start(begun.size)).await.map_err(io)?;
        let limit = self.client.transfer_limit(blob.size);
        let read = async {
            let mut pieces = self.read_from(blob, begun.size).await?;
            while let Some(piece) = pieces.next().await {
                let piece = piece.map_err(|error| {
                    let problem = ConnectionProblem::Reset;
                    request.error(RegistryErrorKind::Connection { problem, message: error.to_string() })
                })?;
                if begun.size + piece.len() as u64 > blob.size {
                    return Err(request.error(mismatch(blob, format!("of more than {} bytes", blob.size))));
                }
                begun.file.write_all(&piece).await.map_err(io)?;
                begun.hasher.update(&piece);
                begun.size += piece.len() as u64;
            }
            Ok(())
        };
        timeout(limit, read).await.map_err(|_| request.error(RegistryErrorKind::TimedOut { limit }))?
    }
}

/// A blob that is partly in a file.
struct Begun {
    file: tokio::fs::File,
    hasher: Hasher,
    size: u64,
}

fn mismatch(blob: &Descriptor, actual: String) -> RegistryErrorKind {
    RegistryErrorKind::DigestMismatch { expected: blob.digest.clone(), actual }
}

/// A file that is being written. What was not finished goes, also where whoever waited for it does no longer.
struct Part(PathBuf);

impl Drop for Part {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// The name that a file has while it is being written, unlike that of any other writer.
pub(crate) fn part_of(path: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}-{count}.part", std::process::id()));
    PathBuf::from(name)
}
