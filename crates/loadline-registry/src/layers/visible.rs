//! What is visible: the records of all layers, and which of them upper layers hide.

use std::collections::HashMap;

use loadline_core::rootfs::RootFsError;

use super::names::{self, Name};
use super::tar_stream::{TarHeader, TarKind};

/// What one entry of a layer is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RecordKind {
    File,
    Directory,
    Symlink(Box<[u8]>),
    Hardlink(Box<[u8]>),
    Other,
}

/// One entry of a layer.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) path: Box<[u8]>,
    pub(super) kind: RecordKind,
    pub(super) size: u64,
    pub(super) mode: u32,
    /// The header's place in the archive.
    ordinal: usize,
    visible: bool,
}

impl Record {
    /// Whether the archive must be read to show it.
    pub(super) fn has_content(&self) -> bool {
        self.kind == RecordKind::File && self.size > 0
    }
}

/// One layer's entries, the last of those with the same path counting.
#[derive(Debug)]
pub(super) struct LayerIndex {
    pub(super) layer: usize,
    records: Vec<Record>,
    by_path: HashMap<Box<[u8]>, usize>,
    whiteouts: Vec<Vec<u8>>,
    opaque: Vec<Vec<u8>>,
    headers: usize,
    /// Header's place in the archive to the record that shows its content.
    contents: HashMap<usize, usize>,
}

impl LayerIndex {
    pub(super) fn new(layer: usize) -> Self {
        Self {
            layer,
            records: Vec::new(),
            by_path: HashMap::new(),
            whiteouts: Vec::new(),
            opaque: Vec::new(),
            headers: 0,
            contents: HashMap::new(),
        }
    }

    pub(super) fn add(&mut self, header: TarHeader) -> Result<(), RootFsError> {
        let ordinal = self.headers;
        self.headers += 1;
        let outside = |path: &[u8]| RootFsError::UnsafePath {
            layer: self.layer,
            path: String::from_utf8_lossy(path).chars().take(300).collect(),
        };
        let path = match names::understand(&header.path).map_err(|_| outside(&header.path))? {
            Name::Path(path) => path.into_boxed_slice(),
            Name::Whiteout(path) => {
                self.whiteouts.push(path);
                return Ok(());
            }
            Name::Opaque(path) => {
                self.opaque.push(path);
                return Ok(());
            }
            Name::Root | Name::Nothing => return Ok(()),
        };
        let kind = match header.kind {
            TarKind::File => RecordKind::File,
            TarKind::Directory => RecordKind::Directory,
            TarKind::Symlink => RecordKind::Symlink(header.link.into_boxed_slice()),
            TarKind::Hardlink => {
                let target = names::normalise(&header.link).map_err(|_| outside(&header.link))?;
                RecordKind::Hardlink(target.into_boxed_slice())
            }
            TarKind::Other => RecordKind::Other,
        };
        let record =
            Record { path: path.clone(), kind, size: header.size, mode: header.mode, ordinal, visible: true };
        if let Some(earlier) = self.by_path.insert(path, self.records.len()) {
            self.records[earlier].visible = false;
        }
        self.records.push(record);
        Ok(())
    }

    pub(super) fn visible(&self) -> impl Iterator<Item = &Record> {
        self.records.iter().filter(|record| record.visible)
    }

    /// The place of the last header whose content is to be shown.
    pub(super) fn last_content(&self) -> Option<usize> {
        self.contents.keys().copied().max()
    }

    /// The record that shows the content of the header at this place.
    pub(super) fn content_at(&self, ordinal: usize) -> Option<&Record> {
        self.contents.get(&ordinal).map(|record| &self.records[*record])
    }

    /// The file of this layer that a hard link ends at.
    fn file_behind(&self, record: &Record) -> Option<usize> {
        let mut at = record;
        for _ in 0..32 {
            let RecordKind::Hardlink(target) = &at.kind else { return None };
            let index = *self.by_path.get(target)?;
            at = &self.records[index];
            if at.kind == RecordKind::File {
                return Some(index);
            }
        }
        None
    }

    /// Sets which header's content is shown under which path.
    fn settle(&mut self) {
        let mut stand_ins: HashMap<usize, usize> = HashMap::new();
        for index in 0..self.records.len() {
            let record = &self.records[index];
            if !record.visible {
                continue;
            }
            // A file that an upper layer deleted lives on in its first link that is left.
            if let Some(file) = self.file_behind(record).filter(|file| !self.records[*file].visible) {
                match stand_ins.get(&file) {
                    Some(first) => {
                        let path = self.records[*first].path.clone();
                        self.records[index].kind = RecordKind::Hardlink(path);
                    }
                    None => {
                        stand_ins.insert(file, index);
                    }
                }
            } else if record.has_content() {
                self.contents.insert(record.ordinal, index);
            }
        }
        for (file, link) in stand_ins {
            let Record { ordinal, size, mode, .. } = self.records[file];
            let record = &mut self.records[link];
            (record.kind, record.size, record.mode) = (RecordKind::File, size, mode);
            if size > 0 {
                self.contents.insert(ordinal, link);
            }
        }
    }
}

/// What upper layers have to say about a path.
#[derive(Debug, Clone, Copy, Default)]
struct Above {
    /// There is an entry.
    entry: bool,
    /// There is an entry that is no directory.
    no_directory: bool,
    /// There is something in it, so it is a directory (or a link to one).
    parent: bool,
    /// It was deleted.
    whiteout: bool,
    /// All that was in it was deleted.
    opaque: bool,
}

/// All layers' entries, the uppermost layer first.
#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) layers: Vec<LayerIndex>,
    above: HashMap<Box<[u8]>, Above>,
    root_is_opaque: bool,
}

impl Index {
    /// Adds the next lower layer.
    pub(super) fn add(&mut self, mut layer: LayerIndex) {
        for record in &mut layer.records {
            record.visible &= !self.hides(record);
        }
        layer.settle();
        for (index, record) in layer.records.iter().enumerate() {
            // Hidden ones count too: a file between two directories of the same name parts their contents.
            let above = self.above.entry(record.path.clone()).or_default();
            above.entry = true;
            let counts = layer.by_path.get(&record.path) == Some(&index);
            above.no_directory |= counts && record.kind != RecordKind::Directory;
            for ancestor in names::ancestors(&record.path) {
                if let Some(above) = self.above.get_mut(ancestor) {
                    if above.parent {
                        break;
                    }
                    above.parent = true;
                } else {
                    self.above.insert(ancestor.into(), Above { parent: true, ..Above::default() });
                }
            }
        }
        for path in &layer.whiteouts {
            self.above.entry(path.as_slice().into()).or_default().whiteout = true;
        }
        for path in &layer.opaque {
            if path.is_empty() {
                self.root_is_opaque = true;
            } else {
                self.above.entry(path.as_slice().into()).or_default().opaque = true;
            }
        }
        self.layers.push(layer);
    }

    fn hides(&self, record: &Record) -> bool {
        if self.root_is_opaque {
            return true;
        }
        if let Some(above) = self.above.get(&record.path) {
            let replaced = above.parent
                && matches!(record.kind, RecordKind::File | RecordKind::Other | RecordKind::Hardlink(_));
            if above.entry || above.whiteout || replaced {
                return true;
            }
        }
        names::ancestors(&record.path).any(|ancestor| {
            self.above.get(ancestor).is_some_and(|above| above.no_directory || above.whiteout || above.opaque)
        })
    }
}
