use loadline_core::Finding;
use loadline_registry::Manifest;
use loadline_sigstore::BUNDLE_MALFORMED;

use super::*;
use crate::gather::{Found, Hanging};

const INDEX: &str = r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae","size":3,"platform":{"os":"linux","architecture":"amd64"}}]}"#;

fn archive() -> Archive {
    let digest = Digest::of(INDEX);
    let manifest = Manifest::new(INDEX.into(), digest.clone(), None).unwrap();
    let finding = Finding::error(&BUNDLE_MALFORMED, "it is none").about(&digest);
    let hanging = Hanging {
        found: vec![Found::new("b", "bundle two"), Found::new("a", "bundle one")],
        malformed: vec![("there".to_owned(), finding)],
        ..Hanging::default()
    };
    let child = Digest::of("foo");
    let platform = Some("linux/amd64".parse().unwrap());
    let collected = Collected {
        digest: digest.clone(),
        manifest: Some(manifest),
        children: vec![(platform, child.clone())],
        hanging: [(digest, hanging), (child, Hanging::default())].into(),
        unread: None,
    };
    Archive {
        images: vec![ArchivedImage { reference: "ghcr.io/acme/widget:1".parse().unwrap(), collected }],
        roots: vec![ArchivedRoot { name: "a root".to_owned(), json: "{}".into() }],
        policy: vec!["signed by somebody".to_owned()],
    }
}

/// Names and bytes of all members.
fn members(tar: &[u8]) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in tar::Archive::new(tar).entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = entry.path().unwrap().display().to_string();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
        all.push((name, bytes));
    }
    all
}

fn pack(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        // Names as they are, which `set_path` would not take.
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        header.set_cksum();
        builder.append(&header, &bytes[..]).unwrap();
    }
    builder.into_inner().unwrap()
}

#[test]
fn what_is_saved_is_loaded_and_the_same_content_is_the_same_file() {
    let archive = archive();
    let tar = archive.to_tar().unwrap();
    let mut turned = archive.clone();
    for hanging in turned.images[0].collected.hanging.values_mut() {
        hanging.found.reverse();
    }
    assert_eq!(tar, turned.to_tar().unwrap(), "registries list in whatever order they like");
    let loaded = Archive::from_tar(&tar).unwrap();
    assert_eq!((&loaded.roots, &loaded.policy), (&archive.roots, &archive.policy));
    let (was, is) = (&archive.images[0], &loaded.images[0]);
    assert_eq!((&was.reference, &was.collected.children), (&is.reference, &is.collected.children));
    assert_eq!(was.collected.manifest, is.collected.manifest);
    let of = |image: &ArchivedImage| -> Vec<(Digest, usize, usize)> {
        let hanging = &image.collected.hanging;
        hanging.iter().map(|(place, h)| (place.clone(), h.found.len(), h.malformed.len())).collect()
    };
    assert_eq!(of(was), of(is));
    assert_eq!(loaded.to_tar().unwrap(), tar);
    for entry in tar::Archive::new(&tar[..]).entries().unwrap() {
        let header = entry.unwrap().header().clone();
        assert_eq!((header.mtime().unwrap(), header.uid().unwrap(), header.mode().unwrap()), (0, 0, 0o644));
    }
}

#[test]
fn images_are_found_by_tag_and_by_digest() {
    let archive = archive();
    let digest = archive.images[0].collected.digest.clone();
    let is_there = |text: &str| archive.image(&text.parse().unwrap()).is_some();
    assert!(is_there("ghcr.io/acme/widget:1") && is_there(&format!("ghcr.io/acme/widget@{digest}")));
    assert!(!is_there("ghcr.io/acme/widget:2") && !is_there(&format!("ghcr.io/acme/other@{digest}")));
}

#[test]
fn a_changed_member_of_every_kind_is_told_by_its_name() {
    let tar = archive().to_tar().unwrap();
    let all = members(&tar);
    let kinds = ["policy.txt", "roots/", "manifests/", "bundles/"];
    for kind in kinds {
        let at = all.iter().position(|(name, _)| name.starts_with(kind)).unwrap();
        let mut changed = all.clone();
        changed[at].1[0] ^= 1;
        let mut missing = all.clone();
        missing.remove(at);
        for tampered in [changed, missing] {
            let error = Archive::from_tar(&pack(&tampered)).unwrap_err();
            assert!(
                matches!(&error, ArchiveError::Tampered { member, .. } if member.starts_with(kind)),
                "{kind}: {error}"
            );
        }
    }
    let mut more = all.clone();
    more.push((member("bundles", &Digest::of("x")), b"x".to_vec()));
    let error = Archive::from_tar(&pack(&more)).unwrap_err();
    assert!(matches!(error, ArchiveError::Tampered { .. }), "{error}");
}

#[test]
fn what_is_no_archive_is_refused_whatever_its_names_are() {
    let all = members(&archive().to_tar().unwrap());
    let with = |name: &str| {
        let mut more = all.clone();
        more.push((name.to_owned(), b"x".to_vec()));
        pack(&more)
    };
    let twice = pack(&[&all[..], &all[1..2]].concat());
    let without_list = pack(&all[1..]);
    let mut other_list = all.clone();
    other_list[0].1 = b"{}".to_vec();
    let mut link = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Symlink);
    header.set_path(LIST).unwrap();
    header.set_link_name("/etc/passwd").unwrap();
    header.set_size(0);
    header.set_cksum();
    link.append(&header, std::io::empty()).unwrap();
    for bytes in [
        with("../escape"),
        with("/absolute"),
        with("elsewhere/x"),
        twice,
        without_list,
        pack(&other_list),
        link.into_inner().unwrap(),
        b"no tar at all".to_vec(),
        Vec::new(),
    ] {
        let error = Archive::from_tar(&bytes).unwrap_err();
        assert!(matches!(error, ArchiveError::Malformed { .. }), "{error}");
    }
    let tar = archive().to_tar().unwrap();
    assert!(Archive::from_tar(&tar[..700]).is_err(), "it was cut off");
    let mut large = tar::Header::new_gnu();
    large.set_path("bundles/x").unwrap();
    large.set_size(1 << 40);
    large.set_cksum();
    let error = Archive::from_tar(large.as_bytes()).unwrap_err();
    assert!(matches!(error, ArchiveError::TooLarge { .. }), "{error}");
}
