//! Where the bytes of a blob come from: read once, in order, from any offset on.

use std::io::{self, SeekFrom};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use http::header::{CONTENT_RANGE, RANGE};
use loadline_core::Digest;
use reqwest::Response;
use tokio::io::AsyncSeekExt;
use tokio_util::io::ReaderStream;

use super::Remote;
use crate::client::{Body, Tally};
use crate::descriptor::Descriptor;
use crate::error::{RegistryError, RegistryErrorKind};
use crate::repository::BlobSource;

/// How much of a file is read at once.
const BLOCK: usize = 256 << 10;

/// A blob to send.
#[derive(Debug, Clone)]
pub(super) enum Source<'a> {
    Memory(Bytes),
    File { path: PathBuf, size: u64 },
    Remote { from: &'a Remote, blob: &'a Descriptor },
}

impl From<&BlobSource> for Source<'static> {
    fn from(source: &BlobSource) -> Self {
        match source {
            BlobSource::Bytes(bytes) => Self::Memory(bytes.clone()),
            BlobSource::File { path, size, .. } => Self::File { path: path.clone(), size: *size },
        }
    }
}

impl Source<'_> {
    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Memory(bytes) => bytes.len() as u64,
            Self::File { size, .. } => *size,
            Self::Remote { blob, .. } => blob.size,
        }
    }

    /// All of it as one request's body.
    pub(super) async fn whole(&self) -> Result<Body, RegistryError> {
        match self {
            Self::Memory(bytes) if bytes.is_empty() => Ok(Body::Empty),
            Self::Memory(bytes) => Ok(Body::Bytes(bytes.clone())),
            Self::File { path, size } => Ok(Body::File { path: path.clone(), size: *size }),
            Self::Remote { from, blob } => from.open_blob(blob).await,
        }
    }

    /// The bytes from an offset on, for bodies that each take the next few of them.
    pub(super) async fn feed(&self, from: u64) -> Result<Feed, RegistryError> {
        let pieces: BoxStream<'static, io::Result<Bytes>> = match self {
            Self::Memory(bytes) => {
                let start = usize::try_from(from).unwrap_or(usize::MAX).min(bytes.len());
                stream::iter([Ok(bytes.slice(start..))]).boxed()
            }
            Self::File { path, .. } => {
                let file = async {
                    let mut file = tokio::fs::File::open(path).await?;
                    file.seek(SeekFrom::Start(from)).await?;
                    Ok(file)
                };
                let file = file.await.map_err(|source| {
                    let kind = RegistryErrorKind::Io { path: path.clone(), source };
                    RegistryError::new(path.display(), "read the blob", kind)
                })?;
                ReaderStream::with_capacity(file, BLOCK).boxed()
            }
            Self::Remote { from: remote, blob } => remote.read_from(blob, from).await?,
        };
        Ok(Feed(Arc::new(tokio::sync::Mutex::new(Pieces { pieces, rest: Bytes::new() }))))
    }
}

/// Bytes on their way from a source to one request after the other. Memory holds one piece of them.
pub(super) struct Feed(Arc<tokio::sync::Mutex<Pieces>>);

struct Pieces {
    pieces: BoxStream<'static, io::Result<Bytes>>,
    rest: Bytes,
}

impl Feed {
    /// A body of the next so many bytes.
    pub(super) fn body(&self, size: u64) -> Body {
        let next = stream::unfold((Arc::clone(&self.0), size), |(feed, left)| async move {
            if left == 0 {
                return None;
            }
            let piece = feed.lock().await.next(left).await;
            let left = piece.as_ref().map_or(0, |piece| left - piece.len() as u64);
            Some((piece, (feed, left)))
        });
        Body::Stream { body: Arc::new(Mutex::new(Some(reqwest::Body::wrap_stream(next)))), size }
    }
}

impl Pieces {
    async fn next(&mut self, most: u64) -> io::Result<Bytes> {
        while self.rest.is_empty() {
            self.rest = match self.pieces.next().await {
                Some(piece) => piece?,
                None => return Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
            };
        }
        let most = usize::try_from(most).unwrap_or(usize::MAX).min(self.rest.len());
        Ok(self.rest.split_to(most))
    }
}

impl Remote {
    /// A blob's bytes from an offset on. A registry that knows no ranges sends all of it; what comes before
    /// the offset is then thrown away.
    pub(super) async fn read_from(
        &self,
        blob: &Descriptor,
        offset: u64,
    ) -> Result<BoxStream<'static, io::Result<Bytes>>, RegistryError> {
        let mut request = self.blob_request(&blob.digest)?;
        if offset > 0 {
            request = request.header(RANGE, &format!("bytes={offset}-"))?;
        }
        let response = self.client.send(&request).await?;
        let partial = response.status().as_u16() == 206;
        if partial && starts_at(&response) != Some(offset) {
            return Err(request.protocol("it answers with another range than was asked for"));
        }
        let skip = if partial { 0 } else { offset };
        if let Some(size) = response.content_length()
            && size != blob.size - if partial { offset } else { 0 }
        {
            return Err(request.error(other_size(&blob.digest, size)));
        }
        Tally::add(&self.client.tally().bytes_received, blob.size - offset + skip);
        let pieces =
            response.bytes_stream().map(|piece| piece.map_err(|error| io::Error::other(error.without_url())));
        let pieces = pieces.scan(skip, |skip, piece| {
            let piece = piece.map(|mut piece| {
                let before = usize::try_from(*skip).unwrap_or(usize::MAX).min(piece.len());
                *skip -= before as u64;
                piece.split_off(before)
            });
            std::future::ready(Some(piece))
        });
        Ok(pieces.boxed())
    }
}

/// `Content-Range: bytes FIRST-LAST/SIZE` (RFC 9110, section 14.4).
fn starts_at(response: &Response) -> Option<u64> {
    let text = response.headers().get(CONTENT_RANGE)?.to_str().ok()?;
    let (first, _) = text.trim().strip_prefix("bytes")?.trim_start().split_once('-')?;
    first.parse().ok()
}

fn other_size(digest: &Digest, size: u64) -> RegistryErrorKind {
    RegistryErrorKind::DigestMismatch { expected: digest.clone(), actual: format!("of {size} bytes") }
}
