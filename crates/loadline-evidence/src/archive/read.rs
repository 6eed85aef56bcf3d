//! Reading the tar. Nothing is unpacked: members are held in memory, and their names lead nowhere.

use std::collections::BTreeMap;
use std::io::Read;

use bytes::Bytes;
use loadline_core::{Digest, Failure, Finding};
use loadline_registry::{MANIFEST_LIMIT, Manifest};
use loadline_sigstore::{BUNDLE_LIMIT, BUNDLE_MALFORMED};

use super::{
    ARCHIVE_LIMIT, Archive, ArchiveError, ArchivedImage, ArchivedRoot, ImageEntry, LIST, LIST_LIMIT, List,
    MEMBERS, POLICY, PlaceEntry, SCHEMA, member,
};
use crate::codes::{EVIDENCE_SOURCE_FAILED, IMAGE_UNREADABLE};
use crate::gather::{Found, Hanging};
use crate::verify::Collected;

/// Roots are some tens of kilobytes.
const ROOT_LIMIT: u64 = 16 << 20;
const POLICY_LIMIT: u64 = 1 << 20;

struct Members {
    bytes: BTreeMap<String, Bytes>,
    /// Those that the list names; others have no business there.
    used: Vec<String>,
}

pub(super) fn tar(bytes: &[u8]) -> Result<Archive, ArchiveError> {
    if bytes.len() as u64 > ARCHIVE_LIMIT {
        return Err(too_large("the archive", ARCHIVE_LIMIT));
    }
    let mut members = Members { bytes: members(bytes)?, used: vec![LIST.to_owned(), POLICY.to_owned()] };
    let malformed = |reason: String| ArchiveError::Malformed { reason };
    let Some(list) = members.bytes.get(LIST) else {
        return Err(malformed(format!("there is no `{LIST}` in it")));
    };
    let list: List = serde_json::from_slice(list).map_err(|error| malformed(format!("`{LIST}`: {error}")))?;
    if list.schema != SCHEMA {
        return Err(malformed(format!("it is a `{}`, and this program reads `{SCHEMA}`", list.schema)));
    }
    let policy = members.bytes.get(POLICY).cloned().unwrap_or_default();
    if !list.policy.matches(&policy) {
        let reason = "its digest is not the one in the list".to_owned();
        return Err(ArchiveError::Tampered { member: POLICY.to_owned(), reason });
    }
    let policy = String::from_utf8_lossy(&policy).lines().map(str::to_owned).collect();
    let mut roots = Vec::new();
    for root in list.roots {
        roots.push(ArchivedRoot { json: members.take("roots", &root.digest)?, name: root.name });
    }
    let mut images = Vec::new();
    for entry in list.images {
        images.push(image(entry, &mut members)?);
    }
    let surplus = members.bytes.keys().find(|name| !members.used.contains(name));
    if let Some(name) = surplus {
        let reason = "nothing in the list names it".to_owned();
        return Err(ArchiveError::Tampered { member: name.clone(), reason });
    }
    Ok(Archive { images, roots, policy })
}

fn too_large(what: &str, limit: u64) -> ArchiveError {
    ArchiveError::TooLarge { what: what.to_owned(), limit: format!("{limit} bytes") }
}

/// The members by their names: regular files whose names are of the known kind, each once and not too large.
fn members(bytes: &[u8]) -> Result<BTreeMap<String, Bytes>, ArchiveError> {
    let mut members = BTreeMap::new();
    let mut archive = tar::Archive::new(bytes);
    let malformed = |reason: String| ArchiveError::Malformed { reason };
    for entry in archive.entries()? {
        let entry = entry.map_err(|error| malformed(error.to_string()))?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let shown: String = name.chars().take(200).collect();
        if !entry.header().entry_type().is_file() {
            return Err(malformed(format!("`{}` in it is no regular file", shown.escape_debug())));
        }
        let limit = match name.split_once('/') {
            None if name == LIST => LIST_LIMIT,
            None if name == POLICY => POLICY_LIMIT,
            Some(("manifests", _)) => MANIFEST_LIMIT,
            Some(("bundles", _)) => BUNDLE_LIMIT as u64,
            Some(("roots", _)) => ROOT_LIMIT,
            _ => return Err(malformed(format!("`{}` has no place in it", shown.escape_debug()))),
        };
        let size = entry.size();
        if size > limit {
            return Err(too_large(&shown, limit));
        }
        let mut content = Vec::new();
        entry.take(limit).read_to_end(&mut content).map_err(|error| malformed(error.to_string()))?;
        if content.len() as u64 != size {
            return Err(malformed(format!("it ends within `{shown}`")));
        }
        if members.len() == MEMBERS {
            return Err(ArchiveError::TooLarge {
                what: "it".to_owned(),
                limit: format!("{MEMBERS} members"),
            });
        }
        if members.insert(name, Bytes::from(content)).is_some() {
            return Err(malformed(format!("`{shown}` is in it twice")));
        }
    }
    Ok(members)
}

impl Members {
    /// The bytes of this digest, and no others.
    fn take(&mut self, folder: &str, digest: &Digest) -> Result<Bytes, ArchiveError> {
        let name = member(folder, digest);
        let tampered =
            |reason: &str| ArchiveError::Tampered { member: name.clone(), reason: reason.to_owned() };
        let bytes = self.bytes.get(&name).ok_or_else(|| tampered("it is missing"))?;
        if !digest.matches(bytes) {
            return Err(tampered("its bytes have another digest than its name says"));
        }
        self.used.push(name.clone());
        Ok(bytes.clone())
    }
}

fn image(entry: ImageEntry, members: &mut Members) -> Result<ArchivedImage, ArchiveError> {
    let reference = entry
        .reference
        .parse()
        .map_err(|error| ArchiveError::Malformed { reason: format!("`{LIST}`: {error}") })?;
    let manifest = match &entry.media_type {
        None => None,
        Some(media_type) => {
            let bytes = members.take("manifests", &entry.digest)?;
            let manifest = Manifest::new(bytes, entry.digest.clone(), Some(media_type));
            Some(manifest.map_err(|error| ArchiveError::Malformed {
                reason: format!("the manifest {}: {error}", entry.digest),
            })?)
        }
    };
    let mut children = vec![(None, entry.digest.clone())];
    if let Some(Ok(index)) = manifest.as_ref().map(Manifest::as_index) {
        children = index.images().map(|image| (image.platform(), image.digest.clone())).collect();
    }
    let mut hanging = BTreeMap::new();
    for place in entry.places {
        hanging.insert(place.digest.clone(), hangs(place, members)?);
    }
    let unread = entry.unread.map(|message| Failure::new(&IMAGE_UNREADABLE, message));
    let collected = Collected { digest: entry.digest, manifest, children, hanging, unread };
    Ok(ArchivedImage { reference, collected })
}

fn hangs(place: PlaceEntry, members: &mut Members) -> Result<Hanging, ArchiveError> {
    let mut hanging = Hanging::default();
    for bundle in place.bundles {
        let bytes = members.take("bundles", &bundle.digest)?;
        hanging.found.push(Found { source: bundle.source, digest: bundle.digest, bytes });
    }
    hanging.malformed = place
        .malformed
        .into_iter()
        .map(|(source, message)| (source, Finding::error(&BUNDLE_MALFORMED, message).about(&place.digest)))
        .collect();
    hanging.failures = place
        .failures
        .into_iter()
        .map(|message| {
            Failure::new(&EVIDENCE_SOURCE_FAILED, message)
                .help("that was so when the archive was made: save it again")
        })
        .collect();
    Ok(hanging)
}
