//! Blobs: looked for, and read into memory or a file.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::Method;
use loadline_core::{Digest, Hasher};
use reqwest::Response;
use tokio::io::AsyncWriteExt;
use tokio::time::timeout;

use super::Remote;
use crate::client::{Body, Request, Tally};
use crate::descriptor::Descriptor;
use crate::error::{RegistryError, RegistryErrorKind};

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

    /// Streams a blob into a file; the file appears only when all of it is there and right.
    pub(crate) async fn blob_to_file(&self, blob: &Descriptor, path: &Path) -> Result<(), RegistryError> {
        let request = self.blob_request(&blob.digest)?;
        let part = Part(part_of(path));
        let mut attempts = self.client.attempts();
        loop {
            match self.stream(&request, blob, &part.0).await {
                Err(error) if attempts.again(&error).await => {}
                Err(error) => return Err(error),
                Ok(()) => {
                    return tokio::fs::rename(&part.0, path).await.map_err(|source| {
                        request.error(RegistryErrorKind::Io { path: path.to_owned(), source })
                    });
                }
            }
        }
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

    async fn stream(
        &self,
        request: &Request<'_>,
        blob: &Descriptor,
        part: &Path,
    ) -> Result<(), RegistryError> {
        let io = |source| request.error(RegistryErrorKind::Io { path: part.to_owned(), source });
        let mut file = tokio::fs::File::create(part).await.map_err(io)?;
        if let Some(bytes) = blob.embedded() {
            file.write_all(&bytes).await.map_err(io)?;
            return file.flush().await.map_err(io);
        }
        let response = self.client.send(request).await?;
        let limit = self.client.transfer_limit(blob.size);
        timeout(limit, self.copy(request, blob, response, &mut file))
            .await
            .map_err(|_| request.error(RegistryErrorKind::TimedOut { limit }))??;
        file.sync_all().await.map_err(io)
    }

    async fn copy(
        &self,
        request: &Request<'_>,
        blob: &Descriptor,
        mut response: Response,
        file: &mut tokio::fs::File,
    ) -> Result<(), RegistryError> {
        let io = |source| request.error(RegistryErrorKind::Io { path: PathBuf::new(), source });
        let limit = self.client.transfer_limit(blob.size);
        let mut hasher = Hasher::new(blob.digest.algorithm());
        let mut size = 0;
        while let Some(chunk) = self.client.chunk(request, &mut response, limit).await? {
            size += chunk.len() as u64;
            if size > blob.size {
                return Err(request.error(mismatch(blob, format!("of more than {} bytes", blob.size))));
            }
            hasher.update(&chunk);
            file.write_all(&chunk).await.map_err(io)?;
        }
        file.flush().await.map_err(io)?;
        let actual = hasher.finish();
        if size == blob.size && actual == blob.digest {
            Ok(())
        } else {
            Err(request.error(mismatch(blob, actual.to_string())))
        }
    }
}

impl crate::client::Client {
    pub(crate) async fn chunk(
        &self,
        request: &Request<'_>,
        response: &mut Response,
        limit: std::time::Duration,
    ) -> Result<Option<Bytes>, RegistryError> {
        let chunk =
            response.chunk().await.map_err(|error| request.error(crate::client::classify(error, limit)))?;
        Tally::add(&self.tally().bytes_received, chunk.as_ref().map_or(0, |chunk| chunk.len() as u64));
        Ok(chunk)
    }
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
