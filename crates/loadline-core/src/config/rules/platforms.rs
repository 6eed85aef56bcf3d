//! Platforms and repositories: at least one, and none twice.

use std::collections::HashSet;
use std::fmt::Display;
use std::hash::Hash;

use crate::code::Code;
use crate::config::codes;
use crate::config::model::{Config, OneOrMany};
use crate::config::read::Reader;
use crate::platform::Platform;
use crate::reference::RepositoryName;

pub(super) fn check(reader: &mut Reader<'_>, config: &Config) {
    platforms(reader, "release.platforms", &config.release.platforms);
    repositories(reader, "release.repository", &config.release.repository);
    for (name, image) in &config.images {
        if let Some(list) = &image.platforms {
            platforms(reader, &format!("image.{name}.platforms"), list);
        }
        if let Some(list) = &image.repository {
            repositories(reader, &format!("image.{name}.repository"), list);
        }
    }
}

fn platforms(reader: &mut Reader<'_>, path: &str, list: &[Platform]) {
    if reader.is_empty_list(path) {
        let help = "name at least one: [\"linux/amd64\"]";
        reader.error(&codes::EMPTY, path, format!("`{path}` is empty"), help);
    }
    // An entry that could not be read leaves the indices of those after it unknown, and has its own
    // finding: then only the list as a whole can be pointed at.
    twice(reader, path, list, &codes::PLATFORM_DUPLICATE);
}

fn repositories(reader: &mut Reader<'_>, path: &str, list: &OneOrMany<RepositoryName>) {
    if reader.is_empty_list(path) {
        let help = "name at least one: \"ghcr.io/owner/name\"";
        reader.error(&codes::EMPTY, path, format!("`{path}` is empty"), help);
    }
    if let OneOrMany::Many(list) = list {
        twice(reader, path, list, &codes::BAD_REPOSITORY);
    }
}

fn twice<T: Hash + Eq + Display>(reader: &mut Reader<'_>, path: &str, list: &[T], code: &'static Code) {
    let mut seen = HashSet::new();
    let whole = reader.list_length(path) == Some(list.len());
    for (index, item) in list.iter().enumerate() {
        if !seen.insert(item) {
            let place = if whole { format!("{path}[{index}]") } else { path.to_owned() };
            reader.error(code, &place, format!("`{item}` is listed twice"), "remove one of the two");
        }
    }
}
