//! Shared regions without a configuration: Dockerfiles that carry markers.
//!
//! A marker is a comment line of its own that holds one word `SHARED-<NAME>-BEGIN` or `SHARED-<NAME>-END`
//! and otherwise only decoration: `# --- SHARED-BASE-BEGIN ---`. Files whose markers are the same bytes
//! belong together.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use loadline_core::config::SharedRegion;
use loadline_core::{Code, Failure, Finding, Location, Outcome};
use loadline_dockerfile::{Encoding, encoding, lines};

use crate::rules::region_file;
use crate::tree::Tree;

/// A region that nobody shares.
pub static ALONE: Code = Code::new(
    "region-alone",
    "a file carries markers that no other file has",
    "Without a configuration, files with the same markers belong together. These markers stand in one file \
     only: the other one was removed, renamed, or has other markers (compared byte by byte). So nothing was \
     compared, which is no pass. Mend the other file's markers, or remove these.",
);

/// Whether a file is a Dockerfile by its name.
pub fn is_dockerfile(path: &Utf8Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_ascii_lowercase();
    ["dockerfile", "containerfile"].iter().any(|word| {
        name == *word
            || name.strip_prefix(word).is_some_and(|rest| rest.starts_with(['.', '-', '_']))
            || name.strip_suffix(word).is_some_and(|rest| rest.ends_with('.'))
    }) && !name.ends_with(".dockerignore")
}

/// The files that carry the same markers, and the line where each has its first.
struct Found {
    name: String,
    files: Vec<(Utf8PathBuf, u32)>,
}

/// Finds the regions that Dockerfiles carry. The files of a region are sorted; none of them is canonical.
pub fn discover(tree: &dyn Tree) -> (Vec<SharedRegion>, Outcome) {
    let mut outcome = Outcome::new();
    let files = match tree.files() {
        Ok(files) => files,
        Err(error) => {
            outcome.failures.push(Failure::new(&region_file::UNREADABLE, error.to_string()));
            return (Vec::new(), outcome);
        }
    };
    let mut found: BTreeMap<(String, String), Found> = BTreeMap::new();
    for path in files.into_iter().filter(|path| is_dockerfile(path)) {
        let bytes = match tree.read(&path) {
            Ok(bytes) => bytes,
            Err(error) => {
                outcome.failures.push(Failure::new(&region_file::UNREADABLE, error.to_string()));
                continue;
            }
        };
        if matches!(encoding(&bytes), Encoding::Utf16Le | Encoding::Utf16Be) {
            let message = format!("`{path}` is UTF-16, so no shared region can be seen in it");
            let finding = Finding::error(&region_file::ENCODING, message).at(Location::line(&path, 1));
            outcome.findings.push(finding.help("save the file as UTF-8"));
            continue;
        }
        for line in lines(&bytes) {
            let text = std::str::from_utf8(&bytes[line.text.clone()]).ok();
            let Some((name, begin, end)) = text.and_then(marker) else { continue };
            let Found { files, .. } = found.entry((begin, end)).or_insert(Found { name, files: Vec::new() });
            if files.last().is_none_or(|(last, _)| *last != path) {
                files.push((path.clone(), line.number));
            }
        }
    }
    let mut regions = Vec::new();
    for ((begin, end), Found { name, files }) in found {
        if let [(only, line)] = files.as_slice() {
            let message = format!("`{only}` carries the markers of `{name}`, and no other Dockerfile does");
            let help =
                format!("give the other file the same lines `{begin}` and `{end}`, or remove them here");
            outcome.findings.push(Finding::error(&ALONE, message).at(Location::line(only, *line)).help(help));
            continue;
        }
        let files = files.into_iter().map(|(path, _)| path).collect();
        regions.push(SharedRegion { name, begin, end, files });
    }
    (regions, outcome)
}

/// The region's name in lower case, and its two marker lines, where a line is a marker.
fn marker(line: &str) -> Option<(String, String, String)> {
    let decoration = |c: char| matches!(c, '#' | '-' | '=' | '*' | '<' | '>' | ' ' | '~' | '+');
    let rest = line.strip_prefix('#')?;
    let word = rest.trim_matches(decoration);
    let middle = word.strip_prefix("SHARED-")?;
    let name = middle.strip_suffix("-BEGIN").or_else(|| middle.strip_suffix("-END"))?;
    let fits = |b: u8| b.is_ascii_uppercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_');
    if name.is_empty() || !name.bytes().all(fits) {
        return None;
    }
    let at = line.find(word)?;
    let (before, after) = (&line[..at], &line[at + word.len()..]);
    let text = |side: &str| format!("{before}SHARED-{name}-{side}{after}");
    Some((name.to_ascii_lowercase(), text("BEGIN"), text("END")))
}

#[cfg(test)]
mod tests {
    use loadline_core::Verdict;

    use super::*;
    use crate::tree::Snapshot;

    #[test]
    fn names_of_dockerfiles() {
        for name in [
            "Dockerfile",
            "a/Dockerfile.daemon",
            "x.Dockerfile",
            "b/x.dockerfile",
            "Containerfile",
            "Dockerfile-ci",
        ] {
            assert!(is_dockerfile(name.into()), "{name}");
        }
        for name in ["Dockerfiles", "a.rs", "Dockerfile.dockerignore", "dockerfile_lint", "MyDockerfile"] {
            assert_eq!(is_dockerfile(name.into()), name == "dockerfile_lint", "{name}");
        }
    }

    #[test]
    fn markers_are_whole_lines() {
        let (name, begin, end) = marker("# --- SHARED-BASE-END ---").unwrap();
        assert_eq!((name.as_str(), begin.as_str()), ("base", "# --- SHARED-BASE-BEGIN ---"));
        assert_eq!(end, "# --- SHARED-BASE-END ---");
        assert_eq!(marker("#SHARED-A_1-BEGIN").unwrap().2, "#SHARED-A_1-END");
        for line in [
            "# between SHARED-BASE-BEGIN and",
            "SHARED-BASE-BEGIN",
            "# SHARED-BASE",
            "# SHARED--BEGIN",
            "# SHARED-BASE-BEGIN/END",
        ] {
            assert_eq!(marker(line), None, "{line}");
        }
    }

    #[test]
    fn files_with_the_same_markers_belong_together() {
        let text = |body: &str| format!("# SHARED-X-BEGIN\n{body}\n# SHARED-X-END\n").into_bytes();
        let files = [
            ("a/Dockerfile", text("1")),
            ("b/Dockerfile", text("2")),
            ("c/Dockerfile", b"# SHARED-Y-END\n".to_vec()),
            ("notes.md", text("3")),
        ];
        let tree = Snapshot { files: files.into_iter().map(|(p, b)| (p.into(), b)).collect() };
        let (regions, outcome) = discover(&tree);
        assert_eq!(regions.len(), 1);
        assert_eq!(regions[0].name, "x");
        assert_eq!(regions[0].files, ["a/Dockerfile", "b/Dockerfile"]);
        assert_eq!(outcome.findings.len(), 1);
        assert_eq!(outcome.findings[0].code.name, "region-alone");
        assert_eq!(outcome.verdict(), Verdict::Fail, "nothing was compared");
    }

    #[test]
    fn a_file_that_cannot_be_seen_into_is_said() {
        let utf16 = "\u{feff}# SHARED-X-BEGIN\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let tree = Snapshot { files: [("Dockerfile".into(), utf16)].into() };
        let (regions, outcome) = discover(&tree);
        assert!(regions.is_empty());
        assert_eq!(outcome.findings[0].code.name, "region-file-encoding");
    }
}
