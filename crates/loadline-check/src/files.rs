//! The files of a shared region: names as they are, patterns as what they match.

use std::collections::HashSet;

use camino::Utf8PathBuf;
use globset::GlobBuilder;
use loadline_core::config::SharedRegion;

use crate::tree::{ReadError, Tree};

/// The files that names and patterns stand for: in the order they are written in, those of one pattern
/// sorted, each once. A pattern that is none is a name. `*` does not cross `/`, `**` does.
///
/// # Errors
/// The tree cannot be walked.
pub fn expand(tree: &dyn Tree, written: &[Utf8PathBuf]) -> Result<Vec<Utf8PathBuf>, ReadError> {
    let mut out = Paths::default();
    let mut all = None;
    for path in written {
        let glob = SharedRegion::is_pattern(path)
            .then(|| {
                GlobBuilder::new(path.as_str().trim_start_matches("./")).literal_separator(true).build().ok()
            })
            .flatten();
        let Some(glob) = glob else {
            out.push(path.components().filter(|c| c.as_str() != ".").collect());
            continue;
        };
        let files = match &all {
            Some(files) => files,
            None => all.insert(tree.files()?),
        };
        let matcher = glob.compile_matcher();
        files.iter().filter(|file| matcher.is_match(file)).for_each(|file| out.push(file.clone()));
    }
    Ok(out.listed)
}

/// Paths in their order, each once.
#[derive(Default)]
struct Paths {
    listed: Vec<Utf8PathBuf>,
    known: HashSet<String>,
}

impl Paths {
    fn push(&mut self, path: Utf8PathBuf) {
        if self.known.insert(path.as_str().to_owned()) {
            self.listed.push(path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::Snapshot;

    #[test]
    fn patterns_match_sorted_and_once() {
        let names = ["Dockerfile.b", "Dockerfile.a", "x/Dockerfile", "x/y/Dockerfile", "README.md"];
        let tree = Snapshot { files: names.iter().map(|n| ((*n).into(), Vec::new())).collect() };
        let expand = |written: &[&str]| {
            let written: Vec<Utf8PathBuf> = written.iter().map(|w| (*w).into()).collect();
            expand(&tree, &written).unwrap()
        };
        assert_eq!(expand(&["Dockerfile.*"]), ["Dockerfile.a", "Dockerfile.b"]);
        assert_eq!(expand(&["Dockerfile.b", "Dockerfile.*"]), ["Dockerfile.b", "Dockerfile.a"]);
        assert_eq!(expand(&["**/Dockerfile"]), ["x/Dockerfile", "x/y/Dockerfile"]);
        assert_eq!(expand(&["*/Dockerfile"]), ["x/Dockerfile"]);
        assert_eq!(expand(&["Dockerfile.{a,b}", "./absent"]), ["Dockerfile.a", "Dockerfile.b", "absent"]);
        assert_eq!(expand(&["nothing/*"]), Vec::<Utf8PathBuf>::new());
    }
}
