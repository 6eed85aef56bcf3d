//! Making the tar.

use std::collections::BTreeMap;
use std::io::Write;

use bytes::Bytes;
use loadline_core::Digest;
use tar::{Builder, EntryType, Header};

use super::{
    ARCHIVE_LIMIT, Archive, ArchiveError, ArchivedImage, BundleEntry, ImageEntry, LIST, List, POLICY,
    PlaceEntry, RootEntry, SCHEMA, member,
};

pub(super) fn tar(archive: &Archive) -> Result<Vec<u8>, ArchiveError> {
    // By name, so that their order in the tar is always the same.
    let mut members: BTreeMap<String, Bytes> = BTreeMap::new();
    let mut policy = archive.policy.join("\n");
    policy.push('\n');
    let mut list = List {
        schema: SCHEMA.to_owned(),
        policy: Digest::of(&policy),
        roots: Vec::new(),
        images: Vec::new(),
    };
    members.insert(POLICY.to_owned(), policy.into());
    for root in &archive.roots {
        let digest = Digest::of(&root.json);
        members.insert(member("roots", &digest), root.json.clone());
        list.roots.push(RootEntry { name: root.name.clone(), digest });
    }
    for image in &archive.images {
        list.images.push(entry(image, &mut members));
    }
    let total: u64 = members.values().map(|bytes| bytes.len() as u64).sum();
    if total > ARCHIVE_LIMIT {
        let limit = format!("{ARCHIVE_LIMIT} bytes");
        return Err(ArchiveError::TooLarge { what: "the evidence".to_owned(), limit });
    }
    let mut text = serde_json::to_vec_pretty(&list).map_err(std::io::Error::other)?;
    text.push(b'\n');
    let mut builder = Builder::new(Vec::new());
    add(&mut builder, LIST, &text)?;
    for (name, bytes) in &members {
        add(&mut builder, name, bytes)?;
    }
    Ok(builder.into_inner()?)
}

fn entry(image: &ArchivedImage, members: &mut BTreeMap<String, Bytes>) -> ImageEntry {
    let collected = &image.collected;
    if let Some(manifest) = &collected.manifest {
        members.insert(member("manifests", manifest.digest()), manifest.bytes.clone());
    }
    let places = collected.hanging.iter().map(|(digest, hanging)| {
        let bundles = hanging.found.iter().map(|found| {
            members.insert(member("bundles", &found.digest), found.bytes.clone());
            BundleEntry { source: found.source.clone(), digest: found.digest.clone() }
        });
        let mut bundles: Vec<BundleEntry> = bundles.collect();
        // Registries list referrers in whatever order they like.
        bundles.sort_by(|a, b| (&a.digest, &a.source).cmp(&(&b.digest, &b.source)));
        let mut malformed: Vec<(String, String)> = hanging
            .malformed
            .iter()
            .map(|(source, finding)| (source.clone(), finding.message.clone()))
            .collect();
        malformed.sort();
        let mut failures: Vec<String> = hanging.failures.iter().map(|f| f.message.clone()).collect();
        failures.sort();
        PlaceEntry { digest: digest.clone(), bundles, malformed, failures }
    });
    ImageEntry {
        places: places.collect(),
        reference: image.reference.to_string(),
        digest: collected.digest.clone(),
        media_type: collected.manifest.as_ref().map(|manifest| manifest.media_type().to_owned()),
        unread: collected.unread.as_ref().map(|failure| failure.message.clone()),
    }
}

fn add(builder: &mut Builder<impl Write>, name: &str, bytes: &[u8]) -> Result<(), ArchiveError> {
    let mut header = Header::new_ustar();
    header.set_path(name)?;
    header.set_size(bytes.len() as u64);
    header.set_entry_type(EntryType::Regular);
    header.set_mode(0o644);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header.set_cksum();
    Ok(builder.append(&header, bytes)?)
}
