//! File sizes: a file above a thousand lines, tests aside, is a design fault; above six hundred it is
//! worth a second look.

use camino::Utf8Path;

use super::{Report, TidyError, packages, read, sources, without_tests};

const FAULT: usize = 1000;
const LOOK: usize = 600;

pub(super) fn look(root: &Utf8Path, report: &mut Report) -> Result<(), TidyError> {
    for package in packages(root)? {
        for path in sources(&package.join("src"))? {
            if path.file_stem() == Some("tests") || path.components().any(|c| c.as_str() == "tests") {
                continue;
            }
            let lines = without_tests(&read(&path)?).lines().count();
            let path = path.strip_prefix(root).unwrap_or(&path);
            match lines {
                FAULT.. => {
                    report.problems.push(format!("{path} has {lines} lines: split it ({FAULT} at most)"))
                }
                LOOK.. => report.notes.push(format!("{path} has {lines} lines")),
                _ => {}
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_are_not_counted() {
        assert_eq!(without_tests("a\nb\n\n#[cfg(test)]\nmod tests {\n}\n").lines().count(), 2);
        assert_eq!(without_tests("#[cfg(test)]\nuse x;\na\n").lines().count(), 3);
    }

    #[test]
    fn long_files_are_noted_and_too_long_ones_refused() {
        let root = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(root.path()).unwrap();
        for (name, lines) in [("a", 599), ("b", 600), ("c", 1000)] {
            let folder = root.join("crates").join(name).join("src");
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::write(folder.join("lib.rs"), "x\n".repeat(lines)).unwrap();
            std::fs::write(folder.join("tests.rs"), "x\n".repeat(2000)).unwrap();
            std::fs::write(root.join("crates").join(name).join("Cargo.toml"), "").unwrap();
        }
        let mut report = Report::default();
        look(root, &mut report).unwrap();
        assert_eq!(report.notes, ["crates/b/src/lib.rs has 600 lines"]);
        assert_eq!(report.problems.len(), 1, "{:?}", report.problems);
        assert!(report.problems[0].starts_with("crates/c/src/lib.rs has 1000 lines"));
    }
}
