//! Packages of ecosystems that no cataloger reads: each one that is found is counted as unread.

use super::{Cataloger, Collected, Found, OsRelease, UnreadReason, Want};

pub(super) struct Unsupported;

fn format(path: &str) -> Option<&'static str> {
    let name = path.rsplit('/').next().unwrap_or(path);
    let extension = name.rsplit_once('.').map_or("", |(_, extension)| extension);
    match extension {
        "jar" | "war" | "ear" | "jmod" => Some("Java archives"),
        "gemspec" if path.contains("/specifications/") => Some("Ruby gems"),
        "json" if name.ends_with(".deps.json") => Some(".NET dependency lists"),
        "json" if path.ends_with("vendor/composer/installed.json") => Some("PHP packages"),
        "json" if path.contains("/conda-meta/") => Some("Conda packages"),
        _ => None,
    }
}

impl Cataloger for Unsupported {
    fn wants(&self, path: &str) -> Option<Want> {
        format(path).map(Want::Unsupported)
    }

    fn take(&mut self, _: &Found<'_>) -> Result<(), UnreadReason> {
        Ok(())
    }

    fn finish(self: Box<Self>, _: Option<&OsRelease>, _: &mut Collected) {}
}
