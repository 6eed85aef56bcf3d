//! Real Dockerfiles of public repositories, and BuildKit's own parser cases.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use loadline_dockerfile::{Dockerfile, Ending, Instruction, Keyword, LineKind};

fn folder() -> PathBuf {
    let root = std::env::var_os("LOADLINE_DATA").expect("LOADLINE_DATA names the folder of real data");
    let folder = Path::new(&root).join("dockerfiles");
    assert!(folder.is_dir(), "{} is no folder", folder.display());
    folder
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\t' => out.push_str("\\t"),
            '\n' => out.push_str("\\n"),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// An instruction as BuildKit's `result` files write it.
fn dump(instruction: &Instruction) -> String {
    let mut out = instruction.keyword.name().to_lowercase();
    if !instruction.flags.is_empty() {
        let words = instruction.flags.iter().map(|flag| match &flag.value {
            Some(value) => quoted(&format!("--{}={value}", flag.name)),
            None => quoted(&format!("--{}", flag.name)),
        });
        write!(out, " [{}]", words.collect::<Vec<_>>().join(" ")).unwrap();
    }
    if let Some(inner) = &instruction.onbuild {
        write!(out, " ({})", dump(inner)).unwrap();
    }
    for value in &instruction.arguments.values {
        write!(out, " {}", quoted(value)).unwrap();
    }
    out.trim_end().to_owned()
}

fn is_lossless(dockerfile: &Dockerfile) -> bool {
    let mut at = 0;
    for token in dockerfile.tokens() {
        if token.span.start != at || token.span.is_empty() {
            return false;
        }
        at = token.span.end;
    }
    at == dockerfile.source().len() && dockerfile.lines.len() == dockerfile.kinds.len()
}

#[test]
#[ignore = "needs real data: cargo xtask data"]
fn buildkit_cases_read_as_their_results_say() {
    let parser = folder().join("moby+buildkit/frontend/dockerfile/parser");
    let mut cases = 0;
    for path in files(&parser.join("testfiles")) {
        if !path.ends_with("Dockerfile") {
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        let dockerfile = Dockerfile::parse(&bytes).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let result = fs::read_to_string(path.with_file_name("result")).unwrap();
        let ours: Vec<_> = dockerfile.instructions.iter().map(|i| format!("({})", dump(i))).collect();
        let theirs: Vec<_> = result.lines().filter(|l| !l.trim().is_empty()).collect();
        assert_eq!(ours, theirs, "{}", path.display());
        assert!(is_lossless(&dockerfile), "{}", path.display());
        cases += 1;
    }
    assert!(cases >= 15, "only {cases} cases");
    let refused: Vec<_> = files(&parser.join("testfiles-negative"));
    assert!(refused.len() >= 2);
    for path in refused {
        let bytes = fs::read(&path).unwrap();
        assert!(Dockerfile::parse(&bytes).is_err(), "{} must be refused", path.display());
    }
}

#[test]
#[ignore = "needs real data: cargo xtask data"]
fn lines_are_counted_as_buildkit_counts_them() {
    let path = folder().join("moby+buildkit/frontend/dockerfile/parser/testfile-line/Dockerfile");
    let dockerfile = Dockerfile::parse(fs::read(path).unwrap()).unwrap();
    let lines: Vec<_> = dockerfile.instructions.iter().map(|i| (i.line, i.end_line)).collect();
    assert_eq!(lines, [(5, 5), (11, 12), (17, 31)]);
    assert_eq!(dockerfile.directives.escape, '\\');
    assert_eq!(dockerfile.instructions[2].blank_continuation, Some(19));
}

#[test]
#[ignore = "needs real data: cargo xtask data"]
fn every_real_dockerfile_reads_as_the_index_says() {
    let folder = folder();
    let index = fs::read_to_string(folder.join("../INDEX.md")).unwrap();
    let rows: Vec<(PathBuf, &str)> = index
        .lines()
        .filter_map(|line| {
            let mut cells = line.strip_prefix("| dockerfiles/")?.split(" | ");
            let path = cells.next()?.split(" (").next()?;
            let truth = cells.last()?;
            Some((folder.join(path), truth))
        })
        .collect();
    assert!(rows.len() > 80, "only {} rows", rows.len());
    let (mut read, mut with_stages) = (0, 0);
    for path in files(&folder) {
        let name = path.file_name().unwrap().to_string_lossy().to_lowercase();
        if !name.contains("dockerfile") || path.to_string_lossy().contains("testfiles-negative") {
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        let shown = path.display();
        let dockerfile = Dockerfile::parse(&bytes).unwrap_or_else(|e| panic!("{shown}: {e}"));
        assert!(is_lossless(&dockerfile), "{shown}");
        read += 1;
        let Some((_, truth)) = rows.iter().find(|(row, _)| path == *row) else { continue };
        let says = |words: &str| truth.contains(words);
        let froms = dockerfile.instructions.iter().filter(|i| i.keyword == Keyword::From).count();
        assert!(says(&format!("{froms} FROM")), "{shown}: {froms} FROM, the index says {truth}");
        let heredocs = dockerfile.instructions.iter().any(|i| !i.heredocs.is_empty());
        assert_eq!(heredocs, says("heredoc"), "{shown}: heredocs");
        assert_eq!(dockerfile.directives.syntax.is_some(), says("syntax directive"), "{shown}: syntax");
        assert_eq!(
            dockerfile.directives.escape_directive.is_some(),
            says("escape directive"),
            "{shown}: escape"
        );
        let crlf = dockerfile.lines.iter().any(|l| l.ending == Ending::CrLf);
        assert_eq!(crlf, says("CRLF"), "{shown}: CRLF");
        let open_end = dockerfile.lines.last().is_some_and(|l| l.ending == Ending::None);
        assert_eq!(open_end, says("no final newline"), "{shown}: final newline");
        let onbuild = dockerfile.instructions.iter().any(|i| i.keyword == Keyword::Onbuild);
        assert!(!onbuild || says("ONBUILD"), "{shown}: ONBUILD");
        let inside = dockerfile.kinds.iter().enumerate().any(|(at, kind)| {
            let number = u32::try_from(at + 1).unwrap();
            *kind == LineKind::Comment
                && dockerfile.instructions.iter().any(|i| i.line < number && number < i.end_line)
        });
        assert_eq!(inside, says("comment inside continuation"), "{shown}: comment inside continuation");
        let stages = dockerfile.stages().unwrap_or_else(|e| panic!("{shown}: {e}"));
        with_stages += usize::from(stages.len() == froms);
        for instruction in &dockerfile.instructions {
            if let Err(e) = instruction.command() {
                // The one file here that was made to be wrong.
                assert!(path.ends_with("hello-err.Dockerfile"), "{shown}: {e}");
            }
        }
    }
    println!("{read} Dockerfiles read, {with_stages} of those in the index with all their stages");
    assert!(read > 100 && with_stages > 50);
}
