//! npm packages: `package.json` of every installed package, and lock files for what they add.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;

use super::{Cataloger, Collected, Found, OsRelease, UnreadReason, Want};
use crate::package::{Ecosystem, Kind, Package};
use crate::purl::npm;

const MANIFEST_LIMIT: u64 = 4 << 20;
const LOCK_LIMIT: u64 = 64 << 20;
const LOCKS: [&str; 2] = ["package-lock.json", "npm-shrinkwrap.json"];

#[derive(Default)]
pub(super) struct Npm {
    /// By path of the manifest.
    manifests: BTreeMap<String, Package>,
    /// The folders that have a `node_modules`.
    installed: BTreeSet<String>,
    /// By folder of the lock file; the hidden one of `node_modules` says the same of the folder above.
    locks: BTreeMap<String, Lock>,
}

struct Lock {
    path: String,
    layer: usize,
    packages: BTreeMap<String, Locked>,
}

#[derive(Deserialize)]
struct LockFile {
    #[serde(default)]
    packages: BTreeMap<String, Locked>,
}

#[derive(Deserialize)]
struct Locked {
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    version: Option<String>,
    #[serde(default)]
    integrity: Option<String>,
    #[serde(default)]
    license: Option<Value>,
    #[serde(default)]
    dev: bool,
    #[serde(default)]
    optional: bool,
    #[serde(default)]
    link: bool,
}

#[derive(Deserialize)]
struct Manifest {
    #[serde(default)]
    name: Option<Value>,
    #[serde(default)]
    version: Option<Value>,
    #[serde(default)]
    license: Option<Value>,
    #[serde(default)]
    licenses: Option<Value>,
    #[serde(default)]
    author: Option<Value>,
}

enum Place {
    /// The manifest of a package right below a `node_modules`.
    Installed,
    /// A manifest outside of any `node_modules`: the program itself.
    Own,
    /// A lock file.
    Lock,
}

fn place(path: &str) -> Option<Place> {
    let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
    if LOCKS.contains(&name) {
        return (!in_modules(folder)).then_some(Place::Lock);
    }
    if name == ".package-lock.json" {
        return (folder == "node_modules" || folder.ends_with("/node_modules")).then_some(Place::Lock);
    }
    if name != "package.json" {
        return None;
    }
    if !in_modules(folder) {
        return Some(Place::Own);
    }
    let inner = folder.rsplit_once("node_modules/").map_or("", |(_, inner)| inner);
    let root = match inner.split_once('/') {
        None => !inner.is_empty() && !inner.starts_with('@'),
        Some((scope, name)) => scope.starts_with('@') && !name.contains('/') && !name.is_empty(),
    };
    root.then_some(Place::Installed)
}

fn in_modules(folder: &str) -> bool {
    folder.split('/').any(|part| part == "node_modules")
}

impl Cataloger for Npm {
    fn wants(&self, path: &str) -> Option<Want> {
        match place(path)? {
            Place::Lock => Some(Want::Read(LOCK_LIMIT)),
            Place::Installed | Place::Own => Some(Want::Read(MANIFEST_LIMIT)),
        }
    }

    fn take(&mut self, found: &Found<'_>) -> Result<(), UnreadReason> {
        let malformed =
            |error: serde_json::Error| UnreadReason::Malformed { reason: format!("not npm's JSON: {error}") };
        let bytes = found.bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(found.bytes);
        match place(found.path) {
            Some(Place::Lock) => {
                let file: LockFile = serde_json::from_slice(bytes).map_err(malformed)?;
                let folder = folder_of(found.path);
                let folder =
                    folder.strip_suffix("node_modules").unwrap_or(folder).trim_end_matches('/').to_owned();
                let lock = Lock { path: found.path.to_owned(), layer: found.layer, packages: file.packages };
                // The hidden one, which tells what is installed, is the better witness.
                if found.path.ends_with("/.package-lock.json") || !self.locks.contains_key(&folder) {
                    self.locks.insert(folder, lock);
                }
            }
            Some(place) => {
                let manifest: Manifest = serde_json::from_slice(bytes).map_err(malformed)?;
                if let Some((base, _)) = found.path.rsplit_once("node_modules/") {
                    self.installed.insert(base.trim_end_matches('/').to_owned());
                }
                let text = |value: Option<Value>| {
                    value.and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
                };
                let (name, version) = (text(manifest.name), text(manifest.version));
                // A manifest without a name or version is no package: `{"type": "module"}` marks a folder.
                if name.is_empty() || version.is_empty() {
                    return Ok(());
                }
                let kind = if matches!(place, Place::Own) { Kind::Application } else { Kind::Library };
                let mut package = package(kind, &name, Some(&version));
                package.licences.extend(licences(manifest.license.as_ref()));
                package.licences.extend(licences(manifest.licenses.as_ref()));
                package.publisher = manifest.author.as_ref().and_then(author);
                package.locations.insert(found.path.to_owned());
                package.layers.insert(found.layer);
                self.manifests.insert(found.path.to_owned(), package);
            }
            None => {}
        }
        Ok(())
    }

    fn finish(mut self: Box<Self>, _: Option<&OsRelease>, into: &mut Collected) {
        for (folder, lock) in &self.locks {
            for (at, locked) in &lock.packages {
                let Some((_, name)) = at.rsplit_once("node_modules/") else { continue };
                let path = if folder.is_empty() { at.clone() } else { format!("{folder}/{at}") };
                let hash = locked.integrity.as_deref().and_then(integrity);
                if let Some(package) = self.manifests.get_mut(&format!("{path}/package.json")) {
                    package.hashes.extend(hash);
                    continue;
                }
                // Where nothing is installed beside the lock file, the program was bundled, and the lock file is
                // all that tells of what. Where something is, what is not there was left out on purpose.
                if self.installed.contains(folder) || locked.dev || locked.optional || locked.link {
                    continue;
                }
                let name = locked.name.as_deref().unwrap_or(name);
                let mut package = package(Kind::Library, name, locked.version.as_deref());
                package.licences.extend(licences(locked.license.as_ref()));
                package.hashes.extend(hash);
                package.locations.insert(lock.path.clone());
                package.layers.insert(lock.layer);
                package.properties.insert(("loadline:evidence", "lock-file".to_owned()));
                into.package(package);
            }
        }
        for package in self.manifests.into_values() {
            into.package(package);
        }
    }
}

fn folder_of(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

fn package(kind: Kind, full_name: &str, version: Option<&str>) -> Package {
    let (scope, name) = match full_name.split_once('/') {
        Some((scope, name)) if scope.starts_with('@') => (Some(scope), name),
        _ => (None, full_name),
    };
    let mut package = Package::new(Ecosystem::Npm, kind, name, version.map(str::to_owned));
    package.group = scope.map(str::to_owned);
    package.purl = npm(scope, name, version);
    package
}

/// `"MIT"`, `{"type": "MIT"}`, or a list of either.
fn licences(value: Option<&Value>) -> Vec<String> {
    match value {
        Some(Value::String(text)) => vec![text.clone()],
        Some(Value::Object(object)) => {
            object.get("type").and_then(Value::as_str).map(str::to_owned).into_iter().collect()
        }
        Some(Value::Array(list)) => {
            list.iter().filter(|entry| !entry.is_array()).flat_map(|entry| licences(Some(entry))).collect()
        }
        _ => Vec::new(),
    }
}

fn author(value: &Value) -> Option<String> {
    let text = value.as_str().or_else(|| value.get("name").and_then(Value::as_str))?;
    let text: String = text.chars().take(300).collect();
    Some(text).filter(|text| !text.is_empty())
}

/// The strongest digest of a Subresource Integrity text, `sha512-BASE64`.
fn integrity(text: &str) -> Option<(&'static str, String)> {
    [
        ("sha512-", "SHA-512", 64),
        ("sha384-", "SHA-384", 48),
        ("sha256-", "SHA-256", 32),
        ("sha1-", "SHA-1", 20),
    ]
    .into_iter()
    .find_map(|(prefix, name, length)| {
        let encoded = text.split_whitespace().find_map(|part| part.strip_prefix(prefix))?;
        let bytes = STANDARD.decode(encoded.split('?').next()?).ok()?;
        (bytes.len() == length).then(|| (name, bytes.iter().map(|byte| format!("{byte:02x}")).collect()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_manifests_are_packages() {
        let installed = |path| matches!(place(path), Some(Place::Installed));
        assert!(installed("usr/lib/node_modules/npm/package.json"));
        assert!(installed("app/node_modules/@babel/core/package.json"));
        assert!(installed("app/node_modules/.pnpm/a@1/node_modules/a/package.json"));
        assert!(!installed("app/node_modules/a/dist/esm/package.json"));
        assert!(!installed("app/node_modules/@babel/package.json"));
        assert!(!installed("node_modules/package.json"));
        assert!(matches!(place("app/package.json"), Some(Place::Own)));
        assert!(matches!(place("app/node_modules/.package-lock.json"), Some(Place::Lock)));
        assert!(place("app/node_modules/a/package-lock.json").is_none());
    }

    #[test]
    fn licences_and_integrity() {
        let of = |json: &str| licences(Some(&serde_json::from_str(json).unwrap()));
        assert_eq!(of(r#""MIT""#), ["MIT"]);
        assert_eq!(of(r#"[{"type":"MIT"},"BSD"]"#), ["MIT", "BSD"]);
        assert_eq!(of("5"), Vec::<String>::new());
        let (name, hex) = integrity("sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=").unwrap();
        assert_eq!((name, hex.as_str()), ("SHA-1", "da39a3ee5e6b4b0d3255bfef95601890afd80709"));
        assert_eq!(integrity("sha512-short"), None);
    }
}
