//! Shared regions: lines between two markers that must be byte-identical across files.
//!
//! A marker is a whole line: the line without its ending equals the marker, byte for byte. The same words
//! inside prose, indented, or with a blank behind them are no markers. A byte order mark before the first
//! line is not part of that line. Each marker stands exactly once in a file, begin before end.
//!
//! The bytes that are compared are those from the first byte of the begin marker to the last byte of the
//! line that holds the end marker, its ending included: a marker line that ends with `\r\n` here and with
//! `\n` there is drift, and so is an end marker without a line feed at the end of the file.

use std::ops::Range;

use thiserror::Error;

use crate::line::{Line, lines};

/// A shared region in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// The bytes that are compared: both marker lines and what is between, the last line's ending included.
    pub span: Range<usize>,
    /// The bytes between the marker lines.
    pub body: Range<usize>,
    /// The begin marker's line, counted from 1.
    pub first_line: u32,
    /// The end marker's line.
    pub last_line: u32,
}

impl Region {
    /// How many lines stand between the markers.
    pub const fn body_lines(&self) -> u32 {
        self.last_line - self.first_line - 1
    }
}

/// Which of the two markers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Marker {
    /// The one that opens the region.
    Begin,
    /// The one that closes it.
    End,
}

impl Marker {
    /// `begin` or `end`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Begin => "begin",
            Self::End => "end",
        }
    }
}

/// Why a file has no region. Lines are counted from 1.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RegionProblem {
    /// A marker stands nowhere.
    #[error("the {} marker is missing", .marker.name())]
    Missing {
        /// Which one.
        marker: Marker,
        /// Lines that hold the marker's words but are no markers: indented, with blanks behind, in prose.
        near: Vec<u32>,
    },
    /// A marker stands on more than one line.
    #[error("the {} marker stands on {} lines", .marker.name(), .lines.len())]
    Duplicated {
        /// Which one.
        marker: Marker,
        /// All its lines.
        lines: Vec<u32>,
    },
    /// The end marker stands before the begin marker.
    #[error("the end marker (line {end}) stands before the begin marker (line {begin})")]
    Order {
        /// The begin marker's line.
        begin: u32,
        /// The end marker's line.
        end: u32,
    },
}

/// Finds the region between two markers, or says all that is wrong with them.
pub fn find(bytes: &[u8], begin: &str, end: &str) -> Result<Region, Vec<RegionProblem>> {
    find_in(bytes, &lines(bytes), begin, end)
}

/// As [`find`], over lines that are at hand already.
pub fn find_in(bytes: &[u8], lines: &[Line], begin: &str, end: &str) -> Result<Region, Vec<RegionProblem>> {
    let mut problems = Vec::new();
    let opening = sole(bytes, lines, begin, Marker::Begin, &mut problems);
    let closing = sole(bytes, lines, end, Marker::End, &mut problems);
    let (Some(opening), Some(closing)) = (opening, closing) else { return Err(problems) };
    if opening.number >= closing.number {
        return Err(vec![RegionProblem::Order { begin: opening.number, end: closing.number }]);
    }
    Ok(Region {
        span: opening.text.start..closing.span.end,
        body: opening.span.end..closing.span.start,
        first_line: opening.number,
        last_line: closing.number,
    })
}

fn sole<'a>(
    bytes: &[u8],
    lines: &'a [Line],
    marker: &str,
    which: Marker,
    problems: &mut Vec<RegionProblem>,
) -> Option<&'a Line> {
    let marker = marker.as_bytes();
    let mut found = lines.iter().filter(|line| &bytes[line.text.clone()] == marker);
    let first = found.next();
    let more: Vec<u32> = found.map(|line| line.number).collect();
    match (first, more.is_empty()) {
        (Some(line), true) => return Some(line),
        (Some(line), false) => {
            let lines = std::iter::once(line.number).chain(more).collect();
            problems.push(RegionProblem::Duplicated { marker: which, lines });
        }
        (None, _) => {
            let near = lines.iter().filter(|line| holds(&bytes[line.text.clone()], marker));
            let near = near.map(|line| line.number).take(8).collect();
            problems.push(RegionProblem::Missing { marker: which, near });
        }
    }
    None
}

fn holds(line: &[u8], marker: &[u8]) -> bool {
    let marker = marker.trim_ascii();
    !marker.is_empty() && line.windows(marker.len()).any(|window| window == marker)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const B: &str = "# BEGIN";
    const E: &str = "# END";

    #[test]
    fn a_region_holds_its_marker_lines() {
        let text = b"FROM a\n# BEGIN\r\none\n# END\nrest";
        let region = find(text, B, E).unwrap();
        assert_eq!(&text[region.span.clone()], b"# BEGIN\r\none\n# END\n");
        assert_eq!(&text[region.body.clone()], b"one\n");
        assert_eq!((region.first_line, region.last_line, region.body_lines()), (2, 4, 1));
        let bom = b"\xEF\xBB\xBF# BEGIN\n# END";
        assert_eq!(find(bom, B, E).unwrap().span, 3..bom.len());
    }

    #[test]
    fn prose_is_no_marker() {
        let missing = |text: &str| find(text.as_bytes(), B, E).unwrap_err();
        assert_eq!(
            missing("between # BEGIN and\n # END\n"),
            [
                RegionProblem::Missing { marker: Marker::Begin, near: vec![1] },
                RegionProblem::Missing { marker: Marker::End, near: vec![2] },
            ]
        );
        assert_eq!(
            missing("# BEGIN \n# END\n"),
            [RegionProblem::Missing { marker: Marker::Begin, near: vec![1] }]
        );
        assert_eq!(missing("# BEGIN\n"), [RegionProblem::Missing { marker: Marker::End, near: vec![] }]);
        assert_eq!(missing("# BEGIN\r\n# END\r\r\n").len(), 1);
    }

    #[test]
    fn twice_and_in_the_wrong_order() {
        assert_eq!(
            find(b"# BEGIN\n# BEGIN\n# END\n# END\n# END", B, E).unwrap_err(),
            [
                RegionProblem::Duplicated { marker: Marker::Begin, lines: vec![1, 2] },
                RegionProblem::Duplicated { marker: Marker::End, lines: vec![3, 4, 5] },
            ]
        );
        assert_eq!(find(b"# END\n# BEGIN\n", B, E).unwrap_err(), [RegionProblem::Order { begin: 2, end: 1 }]);
        assert_eq!(find(b"# X\n", "# X", "# X").unwrap_err(), [RegionProblem::Order { begin: 1, end: 1 }]);
    }

    proptest! {
        #[test]
        fn a_found_region_begins_and_ends_with_its_markers(text in "((# BEGIN|# END|x| )\r?\n){0,6}(# END)?") {
            if let Ok(region) = find(text.as_bytes(), B, E) {
                let inner = &text[region.span];
                prop_assert!(inner.starts_with(B));
                prop_assert!(inner.trim_end_matches(['\r', '\n']).ends_with(E));
                prop_assert_eq!(inner.matches(B).count(), 1);
            }
        }
    }
}
