//! A real root folder, where one is at hand: valid, deterministic, and how long it takes.

use std::fs;
use std::io::Read;
use std::path::Path;

use crate::fixture::{schema, subject};
use loadline_core::Digest;
use loadline_core::rootfs::{Entry, EntryKind, RootFs, RootFsError, Visitor};
use loadline_sbom::{catalog, document, weigh};

struct Folder<'a>(&'a Path);

impl RootFs for Folder<'_> {
    fn visit(&self, visitor: &mut Visitor<'_>) -> Result<(), RootFsError> {
        let mut waiting = vec![self.0.to_owned()];
        while let Some(folder) = waiting.pop() {
            let Ok(entries) = fs::read_dir(&folder) else { continue };
            for entry in entries.flatten() {
                let path = entry.path();
                let Some(name) = path.strip_prefix(self.0).ok().and_then(Path::to_str) else { continue };
                let Ok(metadata) = fs::symlink_metadata(&path) else { continue };
                let kind = metadata.file_type();
                let entry = |kind, size| Entry { path: name.to_owned(), kind, size, mode: 0o755, layer: 0 };
                let wrong = |source| RootFsError::Layer { layer: 0, source };
                if kind.is_dir() {
                    let elsewhere = ["proc", "sys", "dev", "tmp", "work", "farm"];
                    if !elsewhere.contains(&name) {
                        waiting.push(path.clone());
                    }
                } else if kind.is_symlink() {
                    let target = fs::read_link(&path).unwrap_or_default().to_string_lossy().into_owned();
                    visitor(&entry(EntryKind::Symlink(target), 0), &mut std::io::empty()).map_err(wrong)?;
                } else if let Ok(mut file) = fs::File::open(&path) {
                    visitor(&entry(EntryKind::File, metadata.len()), &mut file.by_ref()).map_err(wrong)?;
                }
            }
        }
        Ok(())
    }
}

#[test]
#[ignore = "looks at the root folder that LOADLINE_ROOTFS names"]
fn a_real_root_folder() {
    let folder = std::env::var("LOADLINE_ROOTFS").expect("set LOADLINE_ROOTFS to a root folder");
    let begin = std::time::Instant::now();
    let found = catalog(&Folder(Path::new(&folder))).unwrap();
    let took = begin.elapsed();
    let digest = Digest::of(b"x");
    let sbom = document(&found, &subject(&digest, None, &[])).unwrap();
    println!(
        "{} files, {} packages, {} bytes, {took:?}",
        found.files,
        found.packages.len(),
        sbom.as_bytes().len()
    );
    for weight in weigh(&sbom).unwrap() {
        println!("{:>10} {:>7} {}", weight.bytes, weight.count, weight.part);
    }
    for unread in
        found.unread.iter().filter(|u| u.reason.property() != "loadline:unread:unsupported").take(40)
    {
        println!("{}: {}", unread.path, unread.reason);
    }
    if let Ok(file) = std::env::var("LOADLINE_SBOM_OUT") {
        fs::write(file, sbom.as_bytes()).unwrap();
    }
    let value = serde_json::from_slice(sbom.as_bytes()).unwrap();
    let errors: Vec<_> =
        schema().iter_errors(&value).map(|e| format!("{}: {e}", e.instance_path())).take(20).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}
