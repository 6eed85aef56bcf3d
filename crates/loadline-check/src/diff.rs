//! Unified diffs of shared regions, with the line numbers of the files that they are part of.

use std::fmt::Write as _;

use similar::algorithms::{Capture, Compact, Replace, myers};
use similar::{DiffOp, group_diff_ops};

use crate::visible::{self, Unseen};

/// Where more lines than this differ at once, they are shown as replaced in one piece.
const MAX_ALIGNED_LINES: usize = 5_000;

/// One side of a diff: some lines out of a file.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// What the file is called.
    pub file: &'a str,
    /// The bytes that are compared.
    pub bytes: &'a [u8],
    /// The file's line that the bytes begin with, counted from 1.
    pub first_line: u32,
    /// Whether the bytes reach to the end of the file.
    pub to_end: bool,
}

/// How two stretches of lines differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diff {
    /// Lines of the old side that the new one does not have.
    pub removed: usize,
    /// Lines of the new side that the old one does not have.
    pub added: usize,
    /// The first line of the old file that differs, counted from 1.
    pub old_line: u32,
    /// The first line of the new file that differs. Where it only lacks lines: the one they are missing before.
    pub new_line: u32,
    /// Where all differences are such that the eye does not see: of which kinds they are.
    pub unseen: Vec<Unseen>,
    /// The unified diff, three lines of context, then what in it cannot be seen.
    pub text: String,
}

/// Compares two stretches of lines byte by byte; `None` where they are equal.
pub fn diff(old: Side<'_>, new: Side<'_>) -> Option<Diff> {
    if old.bytes == new.bytes {
        return None;
    }
    let old_lines: Vec<&[u8]> = old.bytes.split_inclusive(|b| *b == b'\n').collect();
    let new_lines: Vec<&[u8]> = new.bytes.split_inclusive(|b| *b == b'\n').collect();
    let ops = operations(&old_lines, &new_lines);
    let changes: Vec<&DiffOp> = ops.iter().filter(|op| !matches!(op, DiffOp::Equal { .. })).collect();
    let first = changes.first()?;
    let mut pairs = Vec::new();
    let mut all_unseen = true;
    for op in &changes {
        let (a, b) = (&old_lines[op.old_range()], &new_lines[op.new_range()]);
        all_unseen &= a.len() == b.len();
        for (i, (x, y)) in a.iter().zip(b).enumerate() {
            match visible::unseen(x, y) {
                Some(unseen) => pairs.push((op.old_range().start + i, op.new_range().start + i, unseen)),
                None => all_unseen = false,
            }
        }
    }
    let mut unseen: Vec<Unseen> = if all_unseen { pairs.iter().map(|p| p.2).collect() } else { Vec::new() };
    unseen.sort_unstable();
    unseen.dedup();
    let mut text = format!("--- {}\n+++ {}\n", old.file, new.file);
    for group in group_diff_ops(ops.clone(), 3) {
        hunk(&mut text, &group, (&old, &old_lines), (&new, &new_lines));
    }
    if !pairs.is_empty() {
        let _ = writeln!(text, "What cannot be seen ({}):", visible::LEGEND);
        for (i, j, _) in &pairs {
            for (side, lines, at) in [(&old, &old_lines, i), (&new, &new_lines, j)] {
                let _ =
                    writeln!(text, "  {}:{}: {}", side.file, number(side, *at), visible::show(lines[*at]));
            }
        }
    }
    Some(Diff {
        removed: changes.iter().map(|op| op.old_range().len()).sum(),
        added: changes.iter().map(|op| op.new_range().len()).sum(),
        old_line: number(&old, first.old_range().start),
        new_line: number(&new, first.new_range().start),
        unseen,
        text,
    })
}

fn number(side: &Side<'_>, index: usize) -> u32 {
    side.first_line.saturating_add(u32::try_from(index).unwrap_or(u32::MAX))
}

/// As `similar::capture_diff_slices` does, which would compile all five algorithms for our lines, and a
/// hook's build with them.
fn aligned(old: &[&[u8]], new: &[&[u8]]) -> Vec<DiffOp> {
    let mut capture = Compact::new(Replace::new(Capture::new()), old, new);
    let Ok(()) = myers::diff(&mut capture, old, 0..old.len(), new, 0..new.len());
    capture.into_inner().into_inner().into_ops()
}

fn operations(old: &[&[u8]], new: &[&[u8]]) -> Vec<DiffOp> {
    let head = old.iter().zip(new).take_while(|(a, b)| a == b).count();
    let (old_rest, new_rest) = (&old[head..], &new[head..]);
    let tail = old_rest.iter().rev().zip(new_rest.iter().rev()).take_while(|(a, b)| a == b).count();
    let (old_len, new_len) = (old_rest.len() - tail, new_rest.len() - tail);
    if old_len.max(new_len) <= MAX_ALIGNED_LINES {
        return aligned(old, new);
    }
    let equal = |old_index, new_index, len| DiffOp::Equal { old_index, new_index, len };
    let mut ops = vec![equal(0, 0, head)];
    ops.push(match (old_len, new_len) {
        (0, new_len) => DiffOp::Insert { old_index: head, new_index: head, new_len },
        (old_len, 0) => DiffOp::Delete { old_index: head, old_len, new_index: head },
        (old_len, new_len) => DiffOp::Replace { old_index: head, old_len, new_index: head, new_len },
    });
    ops.push(equal(head + old_len, head + new_len, tail));
    ops.retain(|op| !matches!(op, DiffOp::Equal { len: 0, .. }));
    ops
}

fn hunk(text: &mut String, group: &[DiffOp], old: (&Side<'_>, &[&[u8]]), new: (&Side<'_>, &[&[u8]])) {
    let (Some(first), Some(last)) = (group.first(), group.last()) else { return };
    let olds = first.old_range().start..last.old_range().end;
    let news = first.new_range().start..last.new_range().end;
    let _ = writeln!(text, "@@ -{} +{} @@", range(old.0, &olds), range(new.0, &news));
    for op in group {
        if let DiffOp::Equal { .. } = op {
            op.new_range().for_each(|at| line(text, ' ', new, at));
        } else {
            op.old_range().for_each(|at| line(text, '-', old, at));
            op.new_range().for_each(|at| line(text, '+', new, at));
        }
    }
}

/// `start,length` as unified diffs count: the length is left out where it is 1, and an empty range stands
/// behind the line it names.
fn range(side: &Side<'_>, range: &std::ops::Range<usize>) -> String {
    let start = number(side, range.start);
    match range.len() {
        0 => format!("{},0", start.saturating_sub(1)),
        1 => start.to_string(),
        length => format!("{start},{length}"),
    }
}

fn line(text: &mut String, sign: char, (side, lines): (&Side<'_>, &[&[u8]]), at: usize) {
    text.push(sign);
    text.push_str(&String::from_utf8_lossy(lines[at]));
    if !lines[at].ends_with(b"\n") {
        text.push('\n');
        if side.to_end && at + 1 == lines.len() {
            text.push_str("\\ No newline at end of file\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn side<'a>(file: &'a str, text: &'a str, first_line: u32) -> Side<'a> {
        Side { file, bytes: text.as_bytes(), first_line, to_end: true }
    }

    #[test]
    fn headers_have_the_lines_of_the_files() {
        let d =
            diff(side("a", "1\n2\n3\n4\n5\n6\n7\n8\n9\n", 13), side("b", "1\n2\n3\n4\nX\n6\n7\n8\n9\n", 12))
                .unwrap();
        assert_eq!(d.text, "--- a\n+++ b\n@@ -14,7 +13,7 @@\n 2\n 3\n 4\n-5\n+X\n 6\n 7\n 8\n");
        assert_eq!((d.old_line, d.new_line, d.removed, d.added), (17, 16, 1, 1));
        assert!(d.unseen.is_empty());
    }

    #[test]
    fn empty_ranges_and_missing_newlines() {
        let d = diff(side("a", "", 5), side("b", "x\n", 9)).unwrap();
        assert_eq!(d.text, "--- a\n+++ b\n@@ -4,0 +9 @@\n+x\n");
        let d = diff(side("a", "x\n", 1), side("b", "x", 1)).unwrap();
        let marks = visible::LEGEND;
        assert_eq!(
            d.text,
            format!(
                "--- a\n+++ b\n@@ -1 +1 @@\n-x\n+x\n\\ No newline at end of file\nWhat cannot be seen ({marks}):\n  a:1: x\n  b:1: x<no newline>\n"
            )
        );
        assert_eq!(d.unseen, [Unseen::FinalNewline]);
    }

    #[test]
    fn what_cannot_be_seen_is_shown_once_more() {
        let d = diff(side("a", "RUN a\nRUN b\n", 3), side("b", "RUN a\r\nRUN c\n", 4)).unwrap();
        assert!(d.text.ends_with("  a:3: RUN a\n  b:4: RUN a␍\n"), "{}", d.text);
        assert!(d.unseen.is_empty(), "the second line differs visibly");
    }

    #[test]
    fn long_differences_are_shown_in_one_piece() {
        let old: String = (0..6000).map(|n| format!("{n}\n")).collect();
        let new: String = (0..6000).map(|n| format!("{}\n", n + 1_000_000)).collect();
        let d = diff(side("a", &format!("h\n{old}t\n"), 1), side("b", &format!("h\n{new}t\n"), 1)).unwrap();
        assert_eq!((d.removed, d.added, d.old_line), (6000, 6000, 2));
    }

    /// Applies a unified diff the way `patch` does, without any fuzz.
    fn apply(old: &str, first: usize, text: &str) -> String {
        let lines: Vec<&str> = old.split_inclusive('\n').collect();
        let mut out = String::new();
        let mut at = 0;
        for piece in text.split_inclusive('\n').skip(2) {
            if piece.starts_with("What cannot be seen") {
                break;
            }
            if let Some(header) = piece.strip_prefix("@@ -") {
                let range = header.split(' ').next().unwrap();
                let (start, length) = range.split_once(',').unwrap_or((range, "1"));
                let start: usize = start.parse().unwrap();
                let start = if length == "0" { start + 1 } else { start };
                while at < start - first {
                    out.push_str(lines[at]);
                    at += 1;
                }
                continue;
            }
            let (sign, body) = piece.split_at(1);
            match sign {
                "\\" => {
                    out.pop();
                }
                "+" => out.push_str(body),
                _ => {
                    assert_eq!(lines[at].trim_end_matches('\n'), body.trim_end_matches('\n'));
                    if sign == " " {
                        out.push_str(body);
                    }
                    at += 1;
                }
            }
        }
        lines[at..].iter().for_each(|l| out.push_str(l));
        out
    }

    proptest! {
        #[test]
        fn the_diff_applied_to_the_old_side_is_the_new_one(
            old in prop::collection::vec("[ab]?\r?\n", 0..20),
            new in prop::collection::vec("[ab]?\r?\n", 0..20),
            first in 1_u32..50,
            other in 1_u32..50,
        ) {
            let (old, new) = (old.concat(), new.concat());
            match diff(side("a", &old, first), side("b", &new, other)) {
                None => prop_assert_eq!(old, new),
                Some(d) => prop_assert_eq!(apply(&old, first as usize, &d.text), new),
            }
        }
    }
}
