//! An image's layers as a root file system (OCI image specification, layer.md).
//!
//! Reading is synchronous, from files or memory: [`fetch`] brings layers from a registry into a folder first.

mod compression;
mod names;
mod tar_stream;
mod visible;

use std::cell::Cell;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use loadline_core::rootfs::{Entry, EntryKind, RootFs, RootFsError, Visitor};
use loadline_core::{Digest, Hasher};

pub use compression::Compression;

use crate::error::{RegistryError, RegistryErrorKind};
use crate::image::ImageManifest;
use crate::repository::{Kind, Repository};
use tar_stream::{Budget, TarStream};
use visible::{Index, LayerIndex, RecordKind};

/// How many layers are fetched at once.
const AT_ONCE: usize = 4;

/// Where a layer's bytes are.
#[derive(Debug, Clone)]
pub enum LayerSource {
    /// In a file.
    File(PathBuf),
    /// In memory.
    Bytes(Bytes),
}

/// One layer: its bytes and how they are compressed.
#[derive(Debug, Clone)]
pub struct Layer {
    /// Where its bytes are.
    pub source: LayerSource,
    /// How they are compressed.
    pub compression: Compression,
}

impl Layer {
    /// A layer in a file.
    pub fn file(path: impl Into<PathBuf>, compression: Compression) -> Self {
        Self { source: LayerSource::File(path.into()), compression }
    }

    /// A layer in memory.
    pub fn bytes(bytes: impl Into<Bytes>, compression: Compression) -> Self {
        Self { source: LayerSource::Bytes(bytes.into()), compression }
    }

    /// The layer's uncompressed bytes.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(&self) -> io::Result<Box<dyn Read + '_>> {
        match &self.source {
            LayerSource::File(path) => compression::decompress(std::fs::File::open(path)?, self.compression),
            LayerSource::Bytes(bytes) => compression::decompress(io::Cursor::new(bytes), self.compression),
        }
    }

    /// The digest of the uncompressed bytes, which the image's configuration lists as the layer's diff id.
    ///
    /// # Errors
    /// The bytes cannot be read or decompressed, or there are more than the limit.
    pub fn diff_id(&self, limit: u64) -> io::Result<Digest> {
        let mut reader = self.open()?.take(limit.saturating_add(1));
        let mut hasher = Hasher::sha256();
        let read = io::copy(&mut reader, &mut hasher)?;
        if read > limit {
            return Err(io::Error::other(format!("the layer is larger than {limit} bytes")));
        }
        Ok(hasher.finish())
    }
}

/// How much is read at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Entries of all layers together.
    pub entries: u64,
    /// Uncompressed bytes of all layers together.
    pub bytes: u64,
    /// Bytes of all paths together.
    pub names: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { entries: 2_000_000, bytes: 32 << 30, names: 512 << 20 }
    }
}

/// A root file system made of layers, the base first.
///
/// Headers are read once and remembered; contents are read at each visit, and only from layers that have
/// any left to see. Where a hard link outlives the file it names (an upper layer deleted that), the link is
/// seen as the file. A path below a symbolic link of a lower layer is seen as it is written.
#[derive(Debug)]
pub struct LayeredRootFs {
    layers: Vec<Layer>,
    limits: Limits,
    index: OnceLock<Arc<Index>>,
}

impl LayeredRootFs {
    /// A root file system of these layers, the base first.
    pub fn new(layers: Vec<Layer>, limits: Limits) -> Self {
        Self { layers, limits, index: OnceLock::new() }
    }

    /// The layers, the base first.
    pub fn layers(&self) -> &[Layer] {
        &self.layers
    }

    fn index(&self) -> Result<Arc<Index>, RootFsError> {
        if let Some(index) = self.index.get() {
            return Ok(Arc::clone(index));
        }
        let budget = Budget::new(self.limits);
        let mut index = Index::default();
        for layer in (0..self.layers.len()).rev() {
            let mut records = LayerIndex::new(layer);
            let mut stream = self.stream(layer, &budget)?;
            while let Some(header) = stream.next_header().map_err(|error| budget.explain(layer, error))? {
                records.add(header)?;
            }
            index.add(records);
        }
        Ok(Arc::clone(self.index.get_or_init(|| Arc::new(index))))
    }

    fn stream<'a>(&'a self, layer: usize, budget: &'a Budget) -> Result<TarStream<'a>, RootFsError> {
        let reader = self.layers[layer].open().map_err(|source| RootFsError::Layer { layer, source })?;
        Ok(TarStream::new(reader, budget))
    }
}

impl RootFs for LayeredRootFs {
    fn visit(&self, visitor: &mut Visitor<'_>) -> Result<(), RootFsError> {
        let index = self.index()?;
        // Counted anew: what is read twice is not twice as large.
        let budget = Budget::new(self.limits);
        for records in &index.layers {
            let layer = records.layer;
            let failed = |source| RootFsError::Layer { layer, source };
            for record in records.visible().filter(|record| !record.has_content()) {
                visitor(&record.entry(layer), &mut io::empty()).map_err(failed)?;
            }
            let Some(last) = records.last_content() else { continue };
            let mut stream = self.stream(layer, &budget)?;
            for ordinal in 0..=last {
                let header = stream.next_header().map_err(|error| budget.explain(layer, error))?;
                let Some(header) = header else {
                    return Err(failed(io::Error::other("the layer changed while it was read")));
                };
                if let Some(record) = records.content_at(ordinal) {
                    let entry = Entry {
                        path: record.path_text(),
                        kind: EntryKind::File,
                        size: header.size,
                        mode: header.mode,
                        layer,
                    };
                    let broken = Cell::new(None);
                    let mut content = stream.content(&broken);
                    visitor(&entry, &mut content).map_err(failed)?;
                    // A visitor may take a read error for the end of the file; it is none.
                    if let Some(error) = broken.take() {
                        return Err(budget.explain(layer, error));
                    }
                }
            }
        }
        Ok(())
    }
}

impl visible::Record {
    fn entry(&self, layer: usize) -> Entry {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let kind = match &self.kind {
            RecordKind::File => EntryKind::File,
            RecordKind::Directory => EntryKind::Directory,
            RecordKind::Symlink(target) => EntryKind::Symlink(text(target)),
            RecordKind::Hardlink(target) => EntryKind::Hardlink(text(target)),
            RecordKind::Other => EntryKind::Other,
        };
        Entry { path: self.path_text(), kind, size: self.size, mode: self.mode, layer }
    }

    fn path_text(&self) -> String {
        String::from_utf8_lossy(&self.path).into_owned()
    }
}

/// Brings an image's layers into a folder, digest and size checked, and makes a root file system of them.
/// Layers that are there already are checked and not fetched again; those of a layout are read in place.
///
/// # Errors
/// A layer cannot be fetched, or is of a media type that is not read.
pub async fn fetch(
    repository: &Repository,
    image: &ImageManifest,
    folder: &Path,
    limits: Limits,
) -> Result<LayeredRootFs, RegistryError> {
    let layers = stream::iter(&image.layers)
        .map(|layer| async move {
            let asked = || format!("read the layer {}", layer.digest);
            let compression = Compression::of_media_type(&layer.media_type)
                .map_err(|kind| repository.error(asked(), kind))?;
            let path = match &repository.0 {
                Kind::Layout(layout) => layout.blob_path(&layer.digest),
                Kind::Remote(_) => {
                    folder.join(format!("{}-{}", layer.digest.algorithm().name(), layer.digest.hex()))
                }
            };
            if !is_whole(&path, &layer.digest, layer.size).await {
                if matches!(repository.0, Kind::Layout(_)) {
                    // The layout's own reader says what is wrong with it.
                    let to = folder.join(layer.digest.hex());
                    repository.blob_to_file(layer, &to).await?;
                    return Ok(Layer::file(to, compression));
                }
                tokio::fs::create_dir_all(folder).await.map_err(|source| {
                    repository.error(asked(), RegistryErrorKind::Io { path: folder.to_owned(), source })
                })?;
                repository.blob_to_file(layer, &path).await?;
            }
            Ok(Layer::file(path, compression))
        })
        .buffered(AT_ONCE)
        .try_collect()
        .await?;
    Ok(LayeredRootFs::new(layers, limits))
}

/// Whether a file is there and has this digest and size.
async fn is_whole(path: &Path, digest: &Digest, size: u64) -> bool {
    let (path, digest) = (path.to_owned(), digest.clone());
    let check = move || -> io::Result<bool> {
        let mut file = std::fs::File::open(path)?;
        if file.metadata()?.len() != size {
            return Ok(false);
        }
        let mut hasher = Hasher::new(digest.algorithm());
        io::copy(&mut file, &mut hasher)?;
        Ok(hasher.finish() == digest)
    };
    matches!(tokio::task::spawn_blocking(check).await, Ok(Ok(true)))
}

#[cfg(test)]
mod tests;
