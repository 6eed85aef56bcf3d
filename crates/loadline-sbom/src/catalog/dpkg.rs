//! Debian packages: `/var/lib/dpkg/status`, and `status.d/` where each package has a file of its own
//! (deb-control(5), dpkg(1)).

use std::collections::{BTreeMap, BTreeSet};

use loadline_core::rootfs::Entry;

use super::fields::{Fields, blocks, fields};
use super::{Cataloger, Collected, Found, OsRelease, UnreadReason, Want};
use crate::package::{Ecosystem, Kind, Package};
use crate::purl::purl;

const STATUS: &str = "var/lib/dpkg/status";
const STATUS_LIMIT: u64 = 256 << 20;
const STATUS_D_LIMIT: u64 = 4 << 20;
const COPYRIGHT_LIMIT: u64 = 2 << 20;

#[derive(Default)]
pub(super) struct Dpkg {
    found: Vec<Stanza>,
    /// `info/NAME.list` and `info/NAME:ARCH.list` are written when a package is unpacked, so their layer is
    /// that of the package.
    lists: BTreeMap<String, usize>,
    licences: BTreeMap<String, BTreeSet<String>>,
    unread: Vec<(String, UnreadReason)>,
}

struct Stanza {
    fields: Fields,
    path: String,
    /// The layer, where the file is this package's own.
    layer: Option<usize>,
}

fn copyright_of(path: &str) -> Option<&str> {
    path.strip_prefix("usr/share/doc/")?.strip_suffix("/copyright").filter(|name| !name.contains('/'))
}

impl Cataloger for Dpkg {
    fn wants(&self, path: &str) -> Option<Want> {
        if path == STATUS {
            return Some(Want::Read(STATUS_LIMIT));
        }
        if let Some(name) = path.strip_prefix("var/lib/dpkg/status.d/") {
            return (!name.contains('/') && !name.ends_with(".md5sums"))
                .then_some(Want::Read(STATUS_D_LIMIT));
        }
        copyright_of(path).map(|_| Want::Read(COPYRIGHT_LIMIT))
    }

    fn see(&mut self, entry: &Entry) {
        if let Some(name) =
            entry.path.strip_prefix("var/lib/dpkg/info/").and_then(|n| n.strip_suffix(".list"))
        {
            self.lists.insert(name.to_owned(), entry.layer);
        }
    }

    fn take(&mut self, found: &Found<'_>) -> Result<(), UnreadReason> {
        let text = String::from_utf8_lossy(found.bytes);
        if let Some(package) = copyright_of(found.path) {
            self.licences.insert(package.to_owned(), copyright(&text));
            return Ok(());
        }
        let layer = (found.path != STATUS).then_some(found.layer);
        let mut nameless = 0_usize;
        for block in blocks(&text) {
            let fields = fields(block);
            if fields.contains_key("package") && fields.contains_key("version") {
                self.found.push(Stanza { fields, path: found.path.to_owned(), layer });
            } else if !fields.contains_key("package") || is_installed(&fields) {
                nameless += 1;
            }
        }
        if nameless > 0 {
            let reason = format!("{nameless} entries without a package's name or version");
            self.unread.push((found.path.to_owned(), UnreadReason::Malformed { reason }));
        }
        Ok(())
    }

    fn finish(self: Box<Self>, os: Option<&OsRelease>, into: &mut Collected) {
        for (path, reason) in self.unread {
            into.unread(path, reason);
        }
        let namespace = os.map_or("debian", |os| os.id.as_str());
        let distro = os.map(OsRelease::distro).unwrap_or_default();
        let mut packages = Vec::new();
        let mut providers: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for stanza in self.found.iter().filter(|stanza| is_installed(&stanza.fields)) {
            let field =
                |key: &str| stanza.fields.get(key).map(String::as_str).filter(|value| !value.is_empty());
            let (Some(name), Some(version)) = (field("package"), field("version")) else { continue };
            let architecture = field("architecture").unwrap_or("");
            let mut package = Package::new(Ecosystem::Deb, Kind::Library, name, Some(version.to_owned()));
            package.purl = purl(
                "deb",
                Some(namespace),
                name,
                Some(version),
                &[("arch", architecture), ("distro", &distro)],
            );
            package.publisher = field("maintainer").map(|m| m.chars().take(300).collect());
            package.locations.insert(stanza.path.clone());
            let listed = self.lists.get(name).or_else(|| self.lists.get(&format!("{name}:{architecture}")));
            package.layers.extend(stanza.layer.or(listed.copied()));
            package.licences = self.licences.get(name).cloned().unwrap_or_default();
            if let Some(source) = field("source") {
                package.properties.insert(("loadline:deb:source", source.to_owned()));
            }
            providers.entry(name.to_owned()).or_default().push(packages.len());
            for provided in field("provides").into_iter().flat_map(|text| text.split(',')) {
                providers.entry(bare(provided).to_owned()).or_default().push(packages.len());
            }
            let needs: Vec<String> = ["pre-depends", "depends"]
                .into_iter()
                .filter_map(field)
                .flat_map(|text| text.split(','))
                .map(str::to_owned)
                .collect();
            packages.push((package, needs));
        }
        let refs: Vec<String> = packages.iter().map(|(package, _)| package.bom_ref()).collect();
        for (mut package, needs) in packages {
            for need in needs {
                // Of alternatives, whichever are installed.
                let names = need.split('|').map(bare);
                let providing = names.filter_map(|name| providers.get(name)).flatten();
                package.depends.extend(providing.filter_map(|at| refs.get(*at)).cloned());
            }
            into.package(package);
        }
    }
}

/// The package's name alone: `libc6:any (>= 2.38)` is `libc6`.
fn bare(text: &str) -> &str {
    let text = text.trim();
    let end = text.find(|c: char| c == ':' || c == '(' || c.is_whitespace()).unwrap_or(text.len());
    &text[..end]
}

/// Whether the package's files are there. A file of `status.d` says nothing, and is there.
fn is_installed(fields: &Fields) -> bool {
    let Some(status) = fields.get("status") else { return true };
    let state = status.split_whitespace().nth(2).unwrap_or("");
    !matches!(state, "not-installed" | "config-files" | "half-installed" | "")
}

/// The licences that a machine-readable copyright file names (DEP-5); none of any other.
fn copyright(text: &str) -> BTreeSet<String> {
    let mut licences = BTreeSet::new();
    let mut blocks = blocks(text).into_iter();
    let head = blocks.next().map(fields).unwrap_or_default();
    if !head.get("format").is_some_and(|format| format.contains("copyright-format")) {
        return licences;
    }
    for fields in std::iter::once(head).chain(blocks.map(fields)) {
        let name = fields.get("license").and_then(|text| text.lines().next()).unwrap_or("").trim();
        if !name.is_empty() && (fields.contains_key("files") || fields.contains_key("format")) {
            licences.insert(name.to_owned());
        }
    }
    licences
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copyright_files() {
        let text = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nLicense: GPL-2+\n text\n\nFiles: x\nLicense: MIT\n\nLicense: GPL-2+\n whole text\n";
        assert_eq!(copyright(text).into_iter().collect::<Vec<_>>(), ["GPL-2+", "MIT"]);
        assert!(copyright("This package was debianized by\nLicense: x\n").is_empty());
    }

    #[test]
    fn names_and_states() {
        assert_eq!(bare(" libc6:any (>= 2.38) "), "libc6");
        assert_eq!(bare("x|y"), "x|y");
        let state = |text: &str| is_installed(&Fields::from([("status".to_owned(), text.to_owned())]));
        assert!(state("install ok installed") && state("install ok unpacked"));
        assert!(!state("deinstall ok config-files") && !state("purge"));
    }
}
