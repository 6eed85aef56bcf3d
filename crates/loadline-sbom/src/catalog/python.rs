//! Python packages: `*.dist-info/METADATA` and `*.egg-info` (Python packaging, "Core metadata").

use super::fields::{blocks, fields};
use super::{Cataloger, Collected, Found, OsRelease, UnreadReason, Want};
use crate::package::{Ecosystem, Kind, Package};
use crate::purl::pypi;

const LIMIT: u64 = 8 << 20;
/// A licence longer than this is the licence's text, not its name.
const MAX_LICENCE_NAME: usize = 120;

#[derive(Default)]
pub(super) struct Python {
    packages: Vec<Package>,
}

impl Cataloger for Python {
    fn wants(&self, path: &str) -> Option<Want> {
        let metadata = path.ends_with(".dist-info/METADATA")
            || path.ends_with(".egg-info/PKG-INFO")
            || path.ends_with(".egg-info");
        metadata.then_some(Want::Read(LIMIT))
    }

    fn take(&mut self, found: &Found<'_>) -> Result<(), UnreadReason> {
        let text = String::from_utf8_lossy(found.bytes);
        // The header ends at the first blank line; what follows is the description.
        let header = blocks(&text).into_iter().next().map(fields).unwrap_or_default();
        let field = |key: &str| header.get(key).map(String::as_str).filter(|value| !value.is_empty());
        let (Some(name), Some(version)) = (field("name"), field("version")) else {
            return Err(UnreadReason::Malformed {
                reason: "Python metadata without a name or version".to_owned(),
            });
        };
        let mut package = Package::new(Ecosystem::Pypi, Kind::Library, name, Some(version.to_owned()));
        package.purl = pypi(name, Some(version));
        package.publisher = field("author").map(|author| author.chars().take(300).collect());
        let licence = field("license-expression").or_else(|| {
            field("license").filter(|l| l.len() <= MAX_LICENCE_NAME && !l.contains('\n') && *l != "UNKNOWN")
        });
        package.licences.extend(licence.map(str::to_owned));
        package.locations.insert(found.path.to_owned());
        package.layers.insert(found.layer);
        self.packages.push(package);
        Ok(())
    }

    fn finish(self: Box<Self>, _: Option<&OsRelease>, into: &mut Collected) {
        for package in self.packages {
            into.package(package);
        }
    }
}
