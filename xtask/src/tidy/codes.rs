//! Codes: kebab-case, unique in the workspace, each in its room's table, each with a summary of one
//! line and an explanation that says more; and no room's table forgotten.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8Path;
use loadline_core::Code;

use super::{Report, TidyError, packages, read, sources, without_tests};
use crate::codes::tables;

pub(super) fn look(root: &Utf8Path, report: &mut Report) -> Result<(), TidyError> {
    let tables = tables();
    report.problems.extend(judge(&tables));
    let listed: BTreeSet<&str> =
        tables.iter().flat_map(|(_, codes)| codes.iter().map(|code| code.name)).collect();
    for package in packages(root)? {
        let name = package.file_name().unwrap_or_default();
        // It has no codes, but speaks of them.
        if name == "xtask" {
            continue;
        }
        for path in sources(&package.join("src"))? {
            let text = read(&path)?;
            let text = without_tests(&text);
            let shown = path.strip_prefix(root).unwrap_or(&path);
            if text.contains("pub static CODES:") && !tables.iter().any(|(room, _)| *room == name) {
                report.problems.push(format!("{shown} has a table of codes: add it to xtask/src/codes.rs"));
            }
            // The fixtures of tests make codes of their own.
            if path.file_stem().is_some_and(|stem| stem == "fixture" || stem == "tests") {
                continue;
            }
            for code in named(text).filter(|code| !listed.contains(code)) {
                report.problems.push(format!("{shown} has the code `{code}`, which is in no table of codes"));
            }
        }
    }
    Ok(())
}

/// The names in `Code::new("name", …)`.
fn named(text: &str) -> impl Iterator<Item = &str> {
    text.split("Code::new(").skip(1).filter_map(|rest| {
        let rest = rest.trim_start().strip_prefix('"')?;
        Some(&rest[..rest.find('"')?])
    })
}

/// What is wrong with the tables themselves.
fn judge(tables: &[(&str, &[&Code])]) -> Vec<String> {
    let mut problems = Vec::new();
    let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
    for (room, codes) in tables {
        for code in *codes {
            let mut wrong = |what: &str| problems.push(format!("{room}: the code `{}` {what}", code.name));
            if let Some(other) = seen.insert(code.name, room) {
                wrong(&format!("is there twice, in {other} too"));
            }
            let kebab = code.name.split('-').all(|part| {
                !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
            });
            if !kebab {
                wrong("is not kebab-case");
            }
            if code.summary.trim().is_empty() || code.summary.contains('\n') || code.summary.len() > 120 {
                wrong("has no summary of one line, 120 bytes at most");
            }
            if code.explanation.len() < 50 || code.explanation.trim() == code.summary.trim() {
                wrong("has no explanation that says why it matters and what to do");
            }
        }
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    static GOOD: Code = Code::new(
        "some-code",
        "something is wrong",
        "It matters because something else rests on it; mend it by doing the third thing.",
    );
    static BAD: Code = Code::new("Some_Code", "", "short");

    #[test]
    fn codes_are_judged() {
        assert!(judge(&[("a", &[&GOOD])]).is_empty());
        assert_eq!(judge(&[("a", &[&GOOD]), ("b", &[&GOOD])]).len(), 1);
        assert_eq!(judge(&[("a", &[&BAD])]).len(), 3);
    }

    #[test]
    fn names_are_found_in_the_text() {
        let text = "static A: Code = Code::new(\"a-b\", x);\nCode::new(\n    \"c\",\nCode::new(NAME)";
        assert_eq!(named(text).collect::<Vec<_>>(), ["a-b", "c"]);
    }

    #[test]
    fn our_own_codes_are_tidy() {
        assert_eq!(judge(&tables()), Vec::<String>::new());
    }
}
