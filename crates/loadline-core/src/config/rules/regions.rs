//! Shared regions: names of their own, markers that mark, at least two files.

use std::collections::HashSet;

use crate::config::codes;
use crate::config::model::{Config, SharedRegion};
use crate::config::read::{Reader, shown};

pub(super) fn check(reader: &mut Reader<'_>, config: &Config) {
    let mut names = HashSet::new();
    for (index, region) in config.shared_regions.iter().enumerate() {
        let path = format!("shared-region[{index}]");
        if !region.name.is_empty() && !names.insert(&region.name) {
            let message = format!("there are two shared regions called `{}`", shown(&region.name));
            reader.error(
                &codes::REGION_DUPLICATE,
                &format!("{path}.name"),
                message,
                "give each its own name",
            );
        }
        markers(reader, &path, region);
        files(reader, &path, region);
        for (earlier, other) in config.shared_regions[..index].iter().enumerate() {
            let shared =
                region.files.iter().any(|file| !file.as_str().is_empty() && other.files.contains(file));
            if shared && !region.begin.is_empty() && (region.begin == other.begin || region.end == other.end)
            {
                let message = format!("regions {earlier} and {index} have the same marker in the same file");
                let help = "give each region markers of its own";
                reader.error(&codes::REGION_MARKERS, &format!("{path}.begin"), message, help);
            }
        }
    }
}

fn markers(reader: &mut Reader<'_>, path: &str, region: &SharedRegion) {
    for (key, marker) in [("begin", &region.begin), ("end", &region.end)] {
        if marker.contains(['\n', '\r']) {
            let message = format!("`{path}.{key}` holds a line end, but a marker is one line");
            reader.error(&codes::REGION_MARKERS, &format!("{path}.{key}"), message, "");
        }
    }
    if !region.begin.is_empty() && region.begin == region.end {
        let message = "`begin` and `end` are the same line";
        let help = "two different lines are needed to tell where the region begins and where it ends";
        reader.error(&codes::REGION_MARKERS, &format!("{path}.end"), message, help);
    }
}

fn files(reader: &mut Reader<'_>, path: &str, region: &SharedRegion) {
    let place = format!("{path}.files");
    let Some(written) = reader.list_length(&place) else { return };
    let name = shown(&region.name);
    if written < 2 && !region.files.iter().any(|file| SharedRegion::is_pattern(file)) {
        let message = match region.files.first() {
            Some(only) if !only.as_str().is_empty() => {
                format!("region `{name}` names one file only, `{only}`")
            }
            Some(_) => format!("region `{name}` names one file only"),
            None => format!("region `{name}` names no file"),
        };
        reader.error(
            &codes::REGION_FILES,
            &place,
            message,
            "name the other files that share it, or remove it",
        );
        return;
    }
    let mut seen = HashSet::new();
    for file in region.files.iter().filter(|file| !file.as_str().is_empty()) {
        let normal: Vec<_> = file.components().filter(|c| c.as_str() != ".").map(|c| c.as_str()).collect();
        if !seen.insert(normal) {
            let message = format!("region `{name}` names `{}` twice", file);
            reader.error(&codes::REGION_FILES, &place, message, "name each file once");
        }
    }
}
