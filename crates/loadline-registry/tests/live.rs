//! Against a registry that others wrote: `LOADLINE_LIVE_REGISTRY=127.0.0.1:5000`, one that anyone may push to.

#![allow(clippy::unwrap_used, clippy::expect_used)]

mod support;

use std::io::{Seek, Write};

use loadline_core::media_type::{OCI_LAYER, OCI_MANIFEST};
use loadline_core::{Hasher, RepositoryName};
use loadline_registry::{BlobSource, Descriptor, Pushed, Repository};
use support::{client, evidence, push_image};

fn host() -> String {
    std::env::var("LOADLINE_LIVE_REGISTRY").expect("LOADLINE_LIVE_REGISTRY names a registry to push to")
}

fn repository(path: &str) -> Repository {
    Repository::at(&client(), RepositoryName::new(&host(), path).unwrap())
}

#[tokio::test]
#[ignore = "needs a registry: LOADLINE_LIVE_REGISTRY"]
async fn a_real_registry_takes_and_gives() {
    let one = repository("loadline/live");
    let (image, bytes) = push_image(&one, b"layer").await;
    one.tag("v1", OCI_MANIFEST, bytes.clone()).await.unwrap();
    assert_eq!(one.resolve("v1").await.unwrap().unwrap(), image);
    assert_eq!(one.manifest("v1").await.unwrap().bytes, bytes);
    assert_eq!(one.resolve("no-such-tag").await.unwrap(), None);
    assert!(one.tags().await.unwrap().contains(&"v1".to_owned()));
    let layer = Descriptor::of(OCI_LAYER, b"layer");
    let two = repository("loadline/other");
    let pushed = two.copy_blob(&layer, &one).await.unwrap();
    assert!(matches!(pushed, Pushed::Mounted | Pushed::AlreadyThere), "{pushed:?}");
    let attach = (0..8).map(|n| {
        let (one, image) = (one.clone(), image.clone());
        async move {
            let manifest = evidence(&one, &image, &format!("evidence {n}")).await;
            one.attach(OCI_MANIFEST, manifest).await.unwrap()
        }
    });
    let attached = futures_util::future::join_all(attach).await;
    let referrers = one.referrers(&image.digest).await.unwrap();
    println!("{:?}: {} referrers", referrers.source, referrers.descriptors.len());
    for attached in attached {
        assert!(referrers.descriptors.iter().any(|d| d.digest == attached.digest));
    }
}

#[tokio::test]
#[ignore = "needs a registry and a gigabyte: LOADLINE_LIVE_REGISTRY"]
async fn a_large_layer_goes_through_in_constant_memory() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("layer");
    let mut file = std::fs::File::create(&path).unwrap();
    let mut hasher = Hasher::sha256();
    let size: u64 = 1 << 30;
    let seed = std::process::id();
    for n in 0..size / (1 << 20) {
        let block: Vec<u8> = (0..1u32 << 18).flat_map(|i| (i ^ seed ^ n as u32).to_le_bytes()).collect();
        hasher.update(&block);
        file.write_all(&block).unwrap();
    }
    file.rewind().unwrap();
    let digest = hasher.finish();
    let before = memory();
    let one = repository("loadline/large");
    let started = std::time::Instant::now();
    let source = BlobSource::File { path: path.clone(), digest: digest.clone(), size };
    assert_eq!(one.push_blob(source).await.unwrap(), Pushed::Sent);
    println!("pushed in {:?}", started.elapsed());
    let blob = Descriptor::new(OCI_LAYER, digest, size);
    let out = folder.path().join("out");
    let started = std::time::Instant::now();
    one.blob_to_file(&blob, &out).await.unwrap();
    println!("read in {:?}; memory {} KiB before, {} KiB at most", started.elapsed(), before, memory());
    assert!(memory() < before + 64 * 1024);
}

/// The most memory this process had, in KiB.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).unwrap_or(0)
}
