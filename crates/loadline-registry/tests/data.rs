//! Layouts that other tools left, read and copied.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::path::{Path, PathBuf};

use loadline_core::media_type;
use loadline_core::rootfs::RootFs;
use loadline_registry::layers::{self, Limits};
use loadline_registry::{Layout, Manifest, Repository};
use support::sandbox;

fn data() -> PathBuf {
    PathBuf::from(std::env::var_os("LOADLINE_DATA").expect("LOADLINE_DATA names the folder of real data"))
}

fn layouts(folder: &Path, found: &mut Vec<PathBuf>) {
    if folder.join("oci-layout").is_file() && folder.join("index.json").is_file() {
        found.push(folder.to_owned());
    }
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().flatten().map(|e| e.path()).collect();
    entries.sort();
    for entry in entries.iter().filter(|entry| entry.is_dir() && !entry.is_symlink()) {
        layouts(entry, found);
    }
}

/// Copies a manifest with all below it; children that are not there are left out with what names them.
async fn copy(
    from: &Repository,
    to: &Repository,
    manifest: &Manifest,
    copied: &mut usize,
) -> Result<(), String> {
    if manifest.is_index() {
        for child in manifest.as_index().map_err(|e| e.to_string())?.manifests {
            let child = from.manifest(&child.digest.to_string()).await.map_err(|e| e.to_string())?;
            Box::pin(copy(from, to, &child, copied)).await?;
        }
    } else {
        let image = manifest.as_image().map_err(|e| e.to_string())?;
        for blob in image.layers.iter().chain([&image.config]) {
            to.copy_blob(blob, from).await.map_err(|e| e.to_string())?;
        }
    }
    let pushed =
        to.push_manifest(manifest.media_type(), manifest.bytes.clone()).await.map_err(|e| e.to_string())?;
    assert_eq!(pushed.digest, *manifest.digest());
    *copied += 1;
    Ok(())
}

#[tokio::test]
#[ignore = "needs real data: cargo xtask data"]
async fn real_layouts_are_read_and_copied() {
    let mut found = Vec::new();
    layouts(&data().join("oci"), &mut found);
    assert!(found.len() >= 5, "{found:?}");
    let server = sandbox(|_| {}).await;
    let scratch = tempfile::tempdir().unwrap();
    let (mut copied, mut files) = (0, 0);
    for (n, path) in found.iter().enumerate() {
        let from = Repository::layout(path);
        for entry in Layout::new(path).entries().unwrap() {
            let Ok(manifest) = from.manifest(&entry.digest.to_string()).await else {
                println!("{}: {} is not there", path.display(), entry.digest);
                continue;
            };
            let there = server.repository(&format!("copy/n{n}"));
            let back = Repository::layout(scratch.path().join(format!("n{n}")));
            let before = copied;
            if let Err(error) = copy(&from, &there, &manifest, &mut copied).await {
                println!("{}: {error}", path.display());
                continue;
            }
            copy(&there, &back, &manifest, &mut copied).await.unwrap();
            assert!(copied > before);
            assert_eq!(back.manifest(&entry.digest.to_string()).await.unwrap().bytes, manifest.bytes);
            let listed = from.referrers(manifest.digest()).await.unwrap();
            println!("{}: {} with {} referrers", path.display(), entry.digest, listed.descriptors.len());
            let mut images = vec![manifest.clone()];
            if manifest.is_index() {
                images.clear();
                for child in manifest.as_index().unwrap().images() {
                    images.push(back.manifest(&child.digest.to_string()).await.unwrap());
                }
            }
            for image in images.iter().filter(|image| media_type::is_manifest(image.media_type())) {
                let image = image.as_image().unwrap();
                let tars =
                    image.layers.iter().all(|l| layers::Compression::of_media_type(&l.media_type).is_ok());
                if tars && !image.layers.is_empty() {
                    let folder = scratch.path().join("layers");
                    let rootfs = layers::fetch(&back, &image, &folder, Limits::default()).await.unwrap();
                    match rootfs.visit(&mut |_, content| {
                        files += 1;
                        std::io::copy(content, &mut std::io::sink()).map(|_| ())
                    }) {
                        Ok(()) => {}
                        Err(error) => println!("{}: {error}", path.display()),
                    }
                }
            }
        }
    }
    println!("{} layouts, {copied} manifests copied, {files} entries seen", found.len());
    assert!(copied >= 20 && files > 0);
}
