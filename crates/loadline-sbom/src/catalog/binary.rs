//! ELF files: which packages a Go or a Rust compiler wrote into them. Other files are passed over.

use loadline_core::Digest;
use object::read::{File, Object, ObjectSection};

use super::{Collected, Found, UnreadReason, go, rust};
use crate::package::Package;

/// The most bytes that are read of a binary; it is held in memory while it is looked at.
pub(super) const LIMIT: u64 = 512 << 20;

/// Whether a file that begins so is looked at.
pub(super) fn is_binary(magic: &[u8]) -> bool {
    magic == b"\x7fELF"
}

#[derive(Default)]
pub(super) struct Binaries {
    packages: Vec<Package>,
}

impl Binaries {
    pub(super) fn take(&mut self, found: &Found<'_>) -> Result<(), UnreadReason> {
        let malformed = |reason: String| UnreadReason::Malformed { reason };
        let file =
            File::parse(found.bytes).map_err(|error| malformed(format!("not a whole ELF file: {error}")))?;
        let mut packages = Vec::new();
        if let Some(section) = file.section_by_name(".go.buildinfo") {
            let data = section.data().map_err(|error| malformed(format!("Go build information: {error}")))?;
            packages.extend(
                go::packages(&file, data)
                    .map_err(|reason| malformed(format!("Go build information: {reason}")))?,
            );
        }
        if let Some(section) = file.section_by_name(".dep-v0") {
            let data = section.data().map_err(|error| malformed(format!("Rust dependency list: {error}")))?;
            packages.extend(
                rust::packages(data)
                    .map_err(|reason| malformed(format!("Rust dependency list: {reason}")))?,
            );
        }
        let mut digest = None;
        for mut package in packages {
            package.locations.insert(found.path.to_owned());
            package.layers.insert(found.layer);
            // The program itself is this file; its parts are not.
            if package.kind == crate::package::Kind::Application {
                let digest = digest.get_or_insert_with(|| Digest::of(found.bytes).hex().to_owned());
                package.hashes.insert(("SHA-256", digest.clone()));
            }
            self.packages.push(package);
        }
        Ok(())
    }

    pub(super) fn finish(self, into: &mut Collected) {
        for package in self.packages {
            into.package(package);
        }
    }
}
