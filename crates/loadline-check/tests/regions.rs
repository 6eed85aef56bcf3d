//! Showing regions, and marking what files have in common.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use camino::Utf8PathBuf;
use loadline_check::init::{self, InitError};
use loadline_check::list::list;
use loadline_check::{CheckRequest, Snapshot, check};
use loadline_core::{Digest, Outcome};

fn tree(files: &[(&str, &str)]) -> Snapshot {
    Snapshot { files: files.iter().map(|(p, t)| ((*p).into(), t.as_bytes().to_vec())).collect() }
}

fn names(names: &[&str]) -> Vec<Utf8PathBuf> {
    names.iter().map(|n| (*n).into()).collect()
}

fn plan(a: &str, b: &str) -> Result<init::InitPlan, InitError> {
    init::plan(&tree(&[("a", a), ("b", b)]), &names(&["a", "b"]), "base")
}

fn after(plan: &init::InitPlan, at: usize) -> &str {
    std::str::from_utf8(&plan.edits[at].after).unwrap()
}

const BEGIN: &str = "# --- SHARED-BASE-BEGIN ---";
const END: &str = "# --- SHARED-BASE-END ---";

#[test]
fn the_longest_run_of_whole_instructions_is_marked() {
    let a = "# syntax=x\n\nFROM a\nRUN b \\\n  c\n\n# why\nRUN d\n\nRUN e\n";
    let b = "# syntax=x\n# other\nFROM a\nRUN b \\\n  c\n\n# why\nRUN d\n\nRUN f\n";
    let plan = plan(a, b).unwrap();
    assert_eq!(plan.lines, 6);
    assert_eq!(
        after(&plan, 0),
        format!("# syntax=x\n\n{BEGIN}\nFROM a\nRUN b \\\n  c\n\n# why\nRUN d\n{END}\n\nRUN e\n")
    );
    assert_eq!(
        plan.toml(),
        format!(
            "[[shared-region]]\nname  = \"base\"\nbegin = \"{BEGIN}\"\nend   = \"{END}\"\nfiles = [\"a\", \"b\"]\n"
        )
    );
    let marked = tree(&[("a", after(&plan, 0)), ("b", after(&plan, 1))]);
    assert_eq!(check(&CheckRequest { tree: &marked, regions: &[plan.region] }), Outcome::new());
}

#[test]
fn a_run_never_begins_or_ends_inside_an_instruction() {
    let plan =
        plan("FROM a\nRUN x \\\n  y \\\n  z\nRUN w\n", "FROM a\nRUN q \\\n  y \\\n  z\nRUN w\nCMD v\n");
    assert!(
        matches!(plan, Err(InitError::Nothing)),
        "FROM alone is one line, and the rest is within a RUN: {plan:?}"
    );
    let heredoc = "RUN <<E\nFROM a\nRUN b\nE\n";
    let plain = "FROM a\nRUN b\n";
    assert!(matches!(self::plan(&format!("FROM q\n{heredoc}"), plain), Err(InitError::Nothing)));
}

#[test]
fn directives_stay_at_the_top_and_line_endings_are_kept() {
    let text = "\u{feff}# escape=`\r\nFROM a\r\nRUN b";
    let plan = plan(text, text).unwrap();
    assert_eq!(after(&plan, 0), format!("\u{feff}# escape=`\r\n{BEGIN}\r\nFROM a\r\nRUN b\r\n{END}"));
    let top = self::plan("\u{feff}FROM a\nRUN b\n", "FROM a\nRUN b\n").unwrap();
    assert_eq!(after(&top, 0), format!("\u{feff}{BEGIN}\nFROM a\nRUN b\n{END}\n"));
}

#[test]
fn what_cannot_be_marked() {
    assert!(matches!(plan("FROM a\nRUN b\n", "FROM x\nRUN y\n"), Err(InitError::Nothing)));
    assert!(matches!(plan("# a\n# b\nFROM x\n", "# a\n# b\nFROM y\n"), Err(InitError::Nothing)));
    assert!(matches!(plan(&format!("FROM a\n{END}\n"), "FROM a\n"), Err(InitError::Marked { .. })));
    assert!(matches!(plan("", "FROM a\n"), Err(InitError::Parse { .. })));
    let tree = tree(&[("a", "FROM a\n")]);
    assert!(matches!(init::plan(&tree, &names(&["a"]), "x"), Err(InitError::TooFew { count: 1 })));
    assert!(matches!(init::plan(&tree, &names(&["a", "b"]), "x"), Err(InitError::Read(_))));
    assert!(matches!(init::plan(&tree, &names(&["a", "a"]), "x y"), Err(InitError::Name { .. })));
}

#[test]
fn three_files_share_what_all_of_them_have() {
    let files = [
        ("a", "FROM a\nRUN 1\nRUN 2\nRUN 3\n"),
        ("b", "RUN 2\nRUN 3\nFROM a\nRUN 1\nRUN 2\n"),
        ("c", "FROM a\nRUN 1\nCMD x\nRUN 2\nRUN 3\n"),
    ];
    let plan = init::plan(&tree(&files), &names(&["a", "b", "c"]), "base").unwrap();
    assert_eq!(plan.lines, 2);
    let edited: Vec<(&str, &str)> =
        ["a", "b", "c"].into_iter().zip((0..3).map(|n| after(&plan, n))).collect();
    assert_eq!(
        check(&CheckRequest { tree: &tree(&edited), regions: std::slice::from_ref(&plan.region) }).findings,
        []
    );
}

#[test]
fn a_list_shows_sizes_and_digests() {
    let text = format!("x\n{BEGIN}\nFROM a\n\n{END}\ny\n");
    let plan = plan("FROM a\nRUN b\n", "FROM a\nRUN b\n").unwrap();
    let tree = tree(&[("a", &text), ("b", "nothing")]);
    let (rows, outcome) = list(&tree, std::slice::from_ref(&plan.region));
    assert_eq!(outcome.findings.len(), 2);
    assert_eq!(rows.len(), 1);
    let row = &rows[0];
    assert_eq!((row.first_line, row.last_line, row.lines, row.canonical), (2, 5, 2, true));
    let shared = format!("{BEGIN}\nFROM a\n\n{END}\n");
    assert_eq!((row.bytes, &row.digest), (shared.len(), &Digest::of(shared)));
}
