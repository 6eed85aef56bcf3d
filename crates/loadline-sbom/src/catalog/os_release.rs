//! The distribution, from `os-release` (freedesktop.org, os-release(5)).

use std::collections::BTreeMap;

use super::{Collected, Found, UnreadReason};
use crate::package::{Ecosystem, Kind, Package};

/// The most bytes that are read of it.
pub(super) const LIMIT: u64 = 64 << 10;
const PATHS: [&str; 2] = ["etc/os-release", "usr/lib/os-release"];

pub(super) fn is_os_release(path: &str) -> bool {
    PATHS.contains(&path)
}

/// What the distribution says it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OsRelease {
    /// `ID`: `debian`, `alpine`.
    pub id: String,
    /// `VERSION_ID`: `13`; empty for rolling ones.
    pub version_id: String,
    /// `VERSION_CODENAME`: `trixie`; empty where there is none.
    pub codename: String,
    /// `PRETTY_NAME`.
    pub pretty_name: String,
}

impl OsRelease {
    /// `debian-13`: what package URLs name with `distro`. Without a version the codename stands in.
    pub fn distro(&self) -> String {
        match (self.version_id.as_str(), self.codename.as_str()) {
            ("", "") => self.id.clone(),
            ("", codename) => format!("{}-{codename}", self.id),
            (version, _) => format!("{}-{version}", self.id),
        }
    }
}

#[derive(Default)]
pub(super) struct OsReleases {
    found: BTreeMap<String, (OsRelease, usize)>,
}

impl OsReleases {
    pub(super) fn take(&mut self, found: &Found<'_>) -> Result<(), UnreadReason> {
        let text = String::from_utf8_lossy(found.bytes);
        let release = parse(&text);
        if release.id.is_empty() {
            return Err(UnreadReason::Malformed { reason: "no ID in os-release".to_owned() });
        }
        self.found.insert(found.path.to_owned(), (release, found.layer));
        Ok(())
    }

    pub(super) fn finish(self, into: &mut Collected) -> Option<OsRelease> {
        // /etc before /usr/lib, as os-release(5) says; so the map's order is the right one.
        let (path, (release, layer)) = self.found.into_iter().next()?;
        let mut package = Package::new(
            Ecosystem::Os,
            Kind::OperatingSystem,
            release.id.clone(),
            Some(release.version_id.clone()),
        );
        package.locations.insert(path);
        package.layers.insert(layer);
        into.package(package);
        Some(release)
    }
}

fn parse(text: &str) -> OsRelease {
    let mut release = OsRelease::default();
    for line in text.lines() {
        let Some((key, value)) = line.trim().split_once('=') else { continue };
        let value = unquote(value.trim());
        match key {
            "ID" => release.id = value,
            "VERSION_ID" => release.version_id = value,
            "VERSION_CODENAME" => release.codename = value,
            "PRETTY_NAME" => release.pretty_name = value,
            _ => {}
        }
    }
    release
}

fn unquote(value: &str) -> String {
    for quote in ['"', '\''] {
        if let Some(inner) = value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote)) {
            return inner.replace("\\\"", "\"").replace("\\$", "$").replace("\\\\", "\\");
        }
    }
    value.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_versions() {
        let release =
            parse("PRETTY_NAME=\"Debian GNU/Linux 13 (trixie)\"\nID=debian\nVERSION_ID=\"13\"\n# x\n");
        assert_eq!((release.id.as_str(), release.distro().as_str()), ("debian", "debian-13"));
        assert_eq!(release.pretty_name, "Debian GNU/Linux 13 (trixie)");
        assert_eq!(parse("ID=debian\nVERSION_CODENAME=sid\n").distro(), "debian-sid");
        assert_eq!(parse("ID='wolfi'\n").distro(), "wolfi");
    }
}
