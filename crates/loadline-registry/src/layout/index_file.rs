//! `oci-layout` and `index.json`.

use std::fs::{self, File};
use std::io;

use loadline_core::media_type::OCI_INDEX;
use rustix::fs::{FlockOperation, flock};
use serde::Deserialize;

use super::{Layout, files};
use crate::error::{RegistryError, RegistryErrorKind};
use crate::image::ImageIndex;

const VERSION: &str = "1.0.0";
/// The largest `index.json` that is read: layouts collect many images.
const LIMIT: u64 = 64 << 20;

#[derive(Deserialize)]
struct Marker {
    #[serde(rename = "imageLayoutVersion")]
    version: String,
}

/// What `index.json` says.
pub(super) fn read(layout: &Layout) -> Result<ImageIndex, RegistryError> {
    let wrong = |kind| layout.error("read index.json", kind);
    let marker = files::read(&layout.directory.join("oci-layout"), 4096, "oci-layout").map_err(wrong)?;
    let marker: Marker = serde_json::from_slice(&marker).map_err(|error| {
        wrong(RegistryErrorKind::Malformed { message: format!("its file oci-layout is none: {error}") })
    })?;
    if !marker.version.starts_with("1.") {
        let message = format!("image layout version {}: only 1.x is read", marker.version);
        return Err(wrong(RegistryErrorKind::Unsupported { message }));
    }
    let bytes = match files::read(&layout.directory.join("index.json"), LIMIT, "index.json") {
        Ok(bytes) => bytes,
        // A layout that was begun and not yet written to.
        Err(RegistryErrorKind::NotFound) => return Ok(empty()),
        Err(kind) => return Err(wrong(kind)),
    };
    serde_json::from_slice(&bytes).map_err(|error| {
        wrong(RegistryErrorKind::Malformed { message: format!("its index.json is no index: {error}") })
    })
}

/// Changes `index.json`, one writer at a time.
pub(super) fn update(layout: &Layout, change: impl FnOnce(&mut ImageIndex)) -> Result<(), RegistryError> {
    let wrong = |kind| layout.error("write index.json", kind);
    let path = layout.directory.join("oci-layout");
    let io = |source: io::Error| RegistryErrorKind::Io { path: path.clone(), source };
    // The marker file never changes, so that a lock on it outlives the renames of index.json. Closing it
    // gives the lock back.
    let lock = File::open(&path).map_err(|source| wrong(io(source)))?;
    flock(&lock, FlockOperation::LockExclusive).map_err(|errno| wrong(io(errno.into())))?;
    let before = read(layout)?;
    let mut index = before.clone();
    change(&mut index);
    let file = layout.directory.join("index.json");
    if index == before && file.is_file() {
        return Ok(());
    }
    let bytes = serde_json::to_vec_pretty(&index)
        .map_err(|error| wrong(RegistryErrorKind::Malformed { message: error.to_string() }))?;
    files::write(&file, &bytes).map_err(wrong)?;
    drop(lock);
    Ok(())
}

/// Makes the directory a layout, where it is none yet.
pub(super) fn prepare(layout: &Layout) -> Result<(), RegistryErrorKind> {
    let marker = layout.directory.join("oci-layout");
    if marker.is_file() {
        return Ok(());
    }
    let refuse = |source| RegistryErrorKind::Io { path: layout.directory.clone(), source };
    fs::create_dir_all(&layout.directory).map_err(refuse)?;
    if fs::read_dir(&layout.directory).map_err(refuse)?.flatten().any(|entry| {
        // Another process may be making it at this moment.
        let name = entry.file_name();
        name != "oci-layout"
            && name != "index.json"
            && name != "blobs"
            && !name.to_string_lossy().ends_with(".part")
    }) {
        let message = "the directory is neither empty nor an image layout".to_owned();
        return Err(RegistryErrorKind::Unsupported { message });
    }
    // Never replaced: the lock is on this very file.
    files::write_once(&marker, format!("{{\"imageLayoutVersion\":\"{VERSION}\"}}").as_bytes())
}

fn empty() -> ImageIndex {
    ImageIndex {
        schema_version: 2,
        media_type: Some(OCI_INDEX.to_owned()),
        artifact_type: None,
        manifests: Vec::new(),
        subject: None,
        annotations: Default::default(),
        other: Default::default(),
    }
}
