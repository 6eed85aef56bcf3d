//! rpm databases are found, counted and not read: their packages are missing from the document, and it says so.

use super::{Cataloger, Collected, Found, OsRelease, UnreadReason, Want};

const FOLDERS: [&str; 2] = ["var/lib/rpm/", "usr/lib/sysimage/rpm/"];
const FILES: [&str; 3] = ["rpmdb.sqlite", "Packages", "Packages.db"];
const MANIFESTS: &str = "var/lib/rpmmanifest/";

pub(super) struct Rpm;

impl Cataloger for Rpm {
    fn wants(&self, path: &str) -> Option<Want> {
        let database =
            FOLDERS.iter().any(|folder| path.strip_prefix(folder).is_some_and(|name| FILES.contains(&name)));
        let manifest =
            path.strip_prefix(MANIFESTS).is_some_and(|name| name.starts_with("container-manifest"));
        (database || manifest).then_some(Want::Unsupported("rpm databases"))
    }

    fn take(&mut self, _: &Found<'_>) -> Result<(), UnreadReason> {
        Ok(())
    }

    fn finish(self: Box<Self>, _: Option<&OsRelease>, _: &mut Collected) {}
}
