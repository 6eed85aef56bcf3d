//! Alpine packages: the installed database (apk-tools, apk-package(5), "installed db").

use std::collections::BTreeMap;

use super::fields::blocks;
use super::{Cataloger, Collected, Found, OsRelease, UnreadReason, Want};
use crate::package::{Ecosystem, Kind, Package};
use crate::purl::purl;

const PATHS: [&str; 2] = ["lib/apk/db/installed", "usr/lib/apk/db/installed"];
const LIMIT: u64 = 256 << 20;

#[derive(Default)]
pub(super) struct Apk {
    found: Vec<Record>,
    unread: Vec<(String, UnreadReason)>,
}

#[derive(Default)]
struct Record {
    path: String,
    name: String,
    version: String,
    architecture: String,
    licence: String,
    maintainer: String,
    origin: String,
    needs: Vec<String>,
    provides: Vec<String>,
}

impl Cataloger for Apk {
    fn wants(&self, path: &str) -> Option<Want> {
        PATHS.contains(&path).then_some(Want::Read(LIMIT))
    }

    fn take(&mut self, found: &Found<'_>) -> Result<(), UnreadReason> {
        let text = String::from_utf8_lossy(found.bytes);
        let mut nameless = 0_usize;
        for block in blocks(&text) {
            let record = record(found.path, block);
            if record.name.is_empty() || record.version.is_empty() {
                nameless += 1;
            } else {
                self.found.push(record);
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
        let namespace = os.map_or("alpine", |os| os.id.as_str());
        let distro = os.map(OsRelease::distro).unwrap_or_default();
        let mut packages = Vec::new();
        let mut providers: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for record in &self.found {
            let text = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
            let mut package = Package::new(
                Ecosystem::Apk,
                Kind::Library,
                record.name.clone(),
                Some(record.version.clone()),
            );
            package.purl = purl(
                "apk",
                Some(namespace),
                &record.name,
                Some(&record.version),
                &[("arch", &record.architecture), ("distro", &distro)],
            );
            package.publisher = text(&record.maintainer);
            package.licences.extend(text(&record.licence));
            package.locations.insert(record.path.clone());
            if record.origin != record.name {
                package.properties.extend(text(&record.origin).map(|origin| ("loadline:apk:origin", origin)));
            }
            for name in std::iter::once(&record.name).chain(&record.provides) {
                providers.entry(bare(name)).or_default().push(packages.len());
            }
            packages.push(package);
        }
        let refs: Vec<String> = packages.iter().map(Package::bom_ref).collect();
        for (mut package, record) in packages.into_iter().zip(&self.found) {
            let needed = record.needs.iter().filter(|need| !need.starts_with('!'));
            let providing = needed.filter_map(|need| providers.get(bare(need))).flatten();
            package.depends.extend(providing.filter_map(|at| refs.get(*at)).cloned());
            into.package(package);
        }
    }
}

fn record(path: &str, block: &str) -> Record {
    let mut record = Record { path: path.to_owned(), ..Record::default() };
    let words = |value: &str| value.split_whitespace().map(str::to_owned).collect();
    for line in block.lines() {
        let Some((key, value)) = line.split_once(':') else { continue };
        let value = value.trim();
        match key {
            "P" => record.name = value.to_owned(),
            "V" => record.version = value.to_owned(),
            "A" => record.architecture = value.to_owned(),
            "L" => record.licence = value.to_owned(),
            "m" => record.maintainer = value.chars().take(300).collect(),
            "o" => record.origin = value.to_owned(),
            "D" => record.needs = words(value),
            "p" => record.provides = words(value),
            _ => {}
        }
    }
    record
}

/// The name alone: `so:libc.musl-x86_64.so.1=1`, `musl>=1.2`, `busybox~1.36`.
fn bare(text: &str) -> &str {
    text.find(['<', '>', '=', '~']).map_or(text, |end| &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_without_versions() {
        for (text, name) in
            [("musl>=1.2", "musl"), ("so:libz.so.1=1.3", "so:libz.so.1"), ("a~1", "a"), ("b", "b")]
        {
            assert_eq!(bare(text), name);
        }
    }
}
