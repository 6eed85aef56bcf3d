//! What is found wrong with shared regions, and where.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use camino::Utf8PathBuf;
use loadline_check::{CheckRequest, Snapshot, WorkTree, check};
use loadline_core::config::SharedRegion;
use loadline_core::{Finding, Outcome, Severity, Verdict};

const A: &str = "Dockerfile.orchestrator";
const B: &str = "Dockerfile.daemon";
const BEGIN: &str = "# --- SHARED-BASE-BEGIN ---";
const END: &str = "# --- SHARED-BASE-END ---";

fn spec(files: &[&str]) -> SharedRegion {
    SharedRegion {
        name: "base".into(),
        begin: BEGIN.into(),
        end: END.into(),
        files: files.iter().map(|f| Utf8PathBuf::from(*f)).collect(),
    }
}

fn tree(files: &[(&str, &[u8])]) -> Snapshot {
    Snapshot { files: files.iter().map(|(path, bytes)| ((*path).into(), bytes.to_vec())).collect() }
}

fn pair(a: &str, b: &str) -> Outcome {
    let tree = tree(&[(A, a.as_bytes()), (B, b.as_bytes())]);
    check(&CheckRequest { tree: &tree, regions: &[spec(&[A, B])] })
}

fn shared(before: &str, body: &str, after: &str) -> String {
    format!("{before}{BEGIN}\n{body}{END}\n{after}")
}

fn only(outcome: &Outcome) -> &Finding {
    assert_eq!(outcome.findings.len(), 1, "{outcome:#?}");
    &outcome.findings[0]
}

fn codes(outcome: &Outcome) -> Vec<&str> {
    outcome.findings.iter().map(|f| f.code.name).collect()
}

fn line(finding: &Finding) -> (&str, Option<u32>) {
    let location = finding.location.as_ref().unwrap();
    (location.file.as_str(), location.line)
}

#[test]
fn equal_regions_pass_wherever_they_stand() {
    let body = "FROM debian AS base\nRUN a\n";
    let outcome = pair(&shared("", body, "RUN x\n"), &shared("# prose SHARED-BASE-BEGIN\n\n", body, ""));
    assert_eq!(outcome, Outcome::new());
    assert_eq!(outcome.verdict(), Verdict::Pass);
}

#[test]
fn a_changed_line_is_shown_with_the_files_own_numbers() {
    let a = shared("# one\n", "FROM debian\nRUN a\nRUN b\nRUN c\nRUN d\n", "");
    let b = shared("# one\n# two\n", "FROM debian\nRUN a\nRUN b\nRUN X\nRUN d\n", "");
    let outcome = pair(&a, &b);
    let finding = only(&outcome);
    assert_eq!(finding.code.name, "shared-region-drift");
    assert_eq!(finding.severity, Severity::Error);
    assert_eq!(line(finding), (B, Some(7)));
    assert_eq!(&b[finding.location.as_ref().unwrap().span.clone().unwrap()], "RUN X");
    assert_eq!(
        finding.message,
        format!("the shared region `base` in `{B}` differs from `{A}`: 1 line changed")
    );
    assert_eq!(
        finding.help.as_deref(),
        Some("`loadline check --fix` copies the region of `Dockerfile.orchestrator` here")
    );
    let expected = format!(
        "--- {A}\n+++ {B}\n@@ -3,6 +4,6 @@\n FROM debian\n RUN a\n RUN b\n-RUN c\n+RUN X\n RUN d\n {END}\n"
    );
    assert_eq!(finding.detail.as_deref(), Some(expected.as_str()));
}

#[test]
fn lines_that_are_missing_or_added() {
    let long = shared("", "FROM a\nRUN b\nRUN c\n", "");
    let short = shared("", "FROM a\nRUN c\n", "");
    let missing = pair(&long, &short);
    assert_eq!(line(only(&missing)), (B, Some(3)));
    assert!(only(&missing).message.ends_with(": 1 line missing"));
    let added = pair(&short, &long);
    assert!(only(&added).message.ends_with(": 1 line added"));
    assert!(only(&added).detail.as_ref().unwrap().contains("\n+RUN b\n"));
}

#[test]
fn what_cannot_be_seen_counts_and_is_shown() {
    let a = shared("", "RUN a\nRUN b\n", "");
    let cases = [
        (a.replace('\n', "\r\n"), "line endings", "RUN a␍"),
        (a.replace("RUN a", "RUN a "), "trailing blanks", "RUN a·"),
        (a.replace("RUN a", "\tRUN a"), "indentation", "→RUN a"),
        (a.replace("RUN a", "RUN\u{a0}a"), "invisible characters", "RUN<U+00A0>a"),
        (a.trim_end().to_owned(), "the newline at the end of the file", "END ---<no newline>"),
    ];
    for (b, kind, shown) in cases {
        let outcome = pair(&a, &b);
        let finding = only(&outcome);
        assert_eq!(finding.code.name, "shared-region-drift", "{kind}");
        assert!(finding.message.ends_with(&format!(", in nothing but {kind}")), "{}", finding.message);
        assert!(finding.detail.as_ref().unwrap().contains(shown), "{}", finding.detail.as_ref().unwrap());
    }
}

#[test]
fn several_files_are_each_compared_with_the_first() {
    let (x, y) = (shared("", "RUN x\n", ""), shared("", "RUN y\n", ""));
    let tree = tree(&[("a", x.as_bytes()), ("b", x.as_bytes()), ("c", y.as_bytes()), ("d", y.as_bytes())]);
    let outcome = check(&CheckRequest { tree: &tree, regions: &[spec(&["a", "b", "c", "d"])] });
    let files: Vec<_> = outcome.findings.iter().map(|f| line(f).0).collect();
    assert_eq!(files, ["c", "d"]);
    let patterns = check(&CheckRequest { tree: &tree, regions: &[spec(&["?"])] });
    assert_eq!(patterns, outcome);
}

#[test]
fn markers_missing_doubled_and_exchanged() {
    let good = shared("", "RUN x\n", "");
    let indented = pair(&good, &good.replace(BEGIN, &format!("  {BEGIN}")));
    assert_eq!(only(&indented).code.name, "region-marker-missing");
    assert_eq!(line(only(&indented)), (B, Some(1)));
    assert!(only(&indented).help.as_ref().unwrap().starts_with("line 1 has the words"));

    let none = pair("FROM a\n", &good);
    assert_eq!(codes(&none), ["region-marker-missing", "region-marker-missing"]);
    assert!(none.findings.iter().all(|f| line(f) == (A, None)));

    let doubled = pair(&good, &format!("{good}{good}"));
    assert_eq!(codes(&doubled), ["region-marker-duplicated", "region-marker-duplicated"]);
    assert_eq!(line(&doubled.findings[0]), (B, Some(4)));
    assert!(doubled.findings[0].message.ends_with("2 times, on lines 1, 4"));

    let exchanged = pair(&good, &format!("{END}\nRUN x\n{BEGIN}\n"));
    assert_eq!(only(&exchanged).code.name, "region-marker-order");
    assert_eq!(line(only(&exchanged)), (B, Some(1)));
}

#[test]
fn a_broken_canonical_file_hides_no_drift_among_the_others() {
    let tree = tree(&[
        ("a", b"FROM x\n"),
        ("b", shared("", "RUN x\n", "").as_bytes()),
        ("c", shared("", "RUN y\n", "").as_bytes()),
    ]);
    let outcome = check(&CheckRequest { tree: &tree, regions: &[spec(&["a", "b", "c"])] });
    assert_eq!(codes(&outcome), ["region-marker-missing", "region-marker-missing", "shared-region-drift"]);
    assert_eq!(
        outcome.findings[2].help.as_deref(),
        Some("mend the canonical file first, then run `loadline check --fix`")
    );
}

#[test]
fn files_absent_unreadable_and_in_other_encodings() {
    let good = shared("", "RUN x\n", "");
    let utf16: Vec<u8> =
        [0xFF, 0xFE].into_iter().chain(good.encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let tree = tree(&[(A, good.as_bytes()), ("utf16", &utf16)]);
    let outcome = |files: &[&str]| check(&CheckRequest { tree: &tree, regions: &[spec(files)] });
    assert_eq!(codes(&outcome(&[A, "absent"])), ["region-file-absent"]);
    assert_eq!(codes(&outcome(&[A, "utf16"])), ["region-file-encoding"]);
    assert_eq!(codes(&outcome(&["nothing*"])), ["region-too-few-files"]);
    assert_eq!(codes(&outcome(&["Dockerfile.*"])), ["region-too-few-files"]);
    let outside = outcome(&[A, "../x"]);
    assert_eq!(outside.verdict(), Verdict::Unknown);
    assert_eq!(outside.failures[0].code.name, "region-file-unreadable");

    let bom = format!("\u{feff}{good}");
    assert_eq!(pair(&good, &bom), Outcome::new());

    let folder = tempfile::tempdir().unwrap();
    let root = camino::Utf8Path::from_path(folder.path()).unwrap();
    std::fs::write(root.join(A), &good).unwrap();
    std::fs::create_dir(root.join(B)).unwrap();
    let outcome = check(&CheckRequest { tree: &WorkTree::new(root), regions: &[spec(&[A, B])] });
    assert_eq!((outcome.verdict(), outcome.failures.len()), (Verdict::Unknown, 1));
}

#[test]
fn regions_may_lie_inside_one_another_but_not_across() {
    let inner = SharedRegion {
        name: "inner".into(),
        begin: "# IN".into(),
        end: "# OUT".into(),
        files: vec![A.into(), B.into()],
    };
    let nested = shared("", "# IN\nRUN x\n# OUT\n", "");
    let two = tree(&[(A, nested.as_bytes()), (B, nested.as_bytes())]);
    let regions = [spec(&[A, B]), inner];
    assert_eq!(check(&CheckRequest { tree: &two, regions: &regions }), Outcome::new());
    let across = format!("{BEGIN}\n# IN\n{END}\n# OUT\n");
    let two = tree(&[(A, across.as_bytes()), (B, nested.as_bytes())]);
    let outcome = check(&CheckRequest { tree: &two, regions: &regions });
    assert_eq!(outcome.findings[0].code.name, "region-crossed");
    assert_eq!(line(&outcome.findings[0]), (A, Some(2)));
}

#[test]
fn surroundings_that_change_what_equal_bytes_mean() {
    let body = "FROM debian:${V} AS base\nCOPY --from=tools /x /x\nRUN a\n";
    let around = |before: &str| shared(before, body, "FROM base\n");
    let good = "ARG V=12\nFROM alpine AS tools\nRUN make\n";
    let compare = |a: &str, b: &str| pair(&around(a), &around(b));
    assert_eq!(compare(good, &format!("# x\n\n{good}")), Outcome::new());

    let arg = compare(good, "ARG V=13\nFROM alpine AS tools\nRUN make\n");
    assert_eq!((only(&arg).code.name, line(only(&arg))), ("shared-region-context", (B, Some(1))));
    assert!(
        only(&arg).message.ends_with("but not the global ARG `V`: `V=12` there, `V=13` here"),
        "{}",
        only(&arg).message
    );
    assert_eq!(compare(good, "ARG V=12\nARG OTHER=1\nFROM alpine AS tools\nRUN make\n"), Outcome::new());

    let stage = compare(good, "ARG V=12\nFROM alpine AS tools\nRUN make -j\n");
    assert!(only(&stage).message.contains("but not the stage `tools`"));
    let base = compare(good, "ARG V=12\nFROM debian AS tools\nRUN make\n");
    assert!(only(&base).message.contains("but not the stage `tools`"));
    let image = compare(good, "ARG V=12\n");
    assert!(only(&image).message.contains("but not the stage `tools`: another content there, none here"));

    let escape = compare(&format!("# escape=\\\n{good}"), &format!("# escape=`\n{good}"));
    assert!(only(&escape).message.ends_with("but not the escape character: `\\` there, ``` here"));
    let syntax = compare(&format!("# syntax=docker/dockerfile:1\n{good}"), good);
    assert!(
        only(&syntax).message.ends_with("the `# syntax` directive: `docker/dockerfile:1` there, none here")
    );
    let explicit = compare(&format!("# escape=\\\n{good}"), good);
    assert_eq!(explicit, Outcome::new(), "a directive that says the default changes nothing");
}

#[test]
fn a_region_in_the_middle_of_a_stage() {
    let around = |before: &str| shared(before, "RUN echo $X ${Y:-1}\nCOPY . .\n", "");
    let compare = |a: &str, b: &str| pair(&around(a), &around(b));
    let good = "FROM debian\nENV X=1 Z=1\nWORKDIR /a\nUSER 0\n";
    assert_eq!(compare(good, &good.replace("Z=1", "Z=2")), Outcome::new());
    for (from, to, what) in [
        ("debian", "alpine", "the base it begins on"),
        ("X=1", "X=2", "the value of `X`"),
        ("/a", "/b", "the WORKDIR"),
        ("USER 0", "USER 1", "the USER"),
        ("USER 0", "SHELL [\"bash\"]\nUSER 0", "the SHELL"),
    ] {
        let outcome = compare(good, &good.replace(from, to));
        assert!(only(&outcome).message.contains(&format!("but not {what}")), "{}", only(&outcome).message);
    }
    let text = pair(
        "a\n# --- SHARED-BASE-BEGIN ---\n# --- SHARED-BASE-END ---\n",
        "b\n# --- SHARED-BASE-BEGIN ---\n# --- SHARED-BASE-END ---\n",
    );
    assert_eq!(text, Outcome::new(), "files that are no Dockerfiles have no context");
}
