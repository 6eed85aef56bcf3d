//! The markers of a shared region stand in every file exactly once, begin before end, regions uncrossed.

use camino::Utf8Path;
use loadline_core::config::SharedRegion;
use loadline_core::{Code, Finding, Location, Outcome};
use loadline_dockerfile::region::Marker;
use loadline_dockerfile::{Region, RegionProblem, region};

use crate::check::Group;

/// A marker stands nowhere.
pub static MISSING: Code = Code::new(
    "region-marker-missing",
    "a file of a shared region lacks one of its markers",
    "A marker is a whole line, compared byte by byte: indented, with a blank behind it or as part of a \
     sentence it is none. Without both markers it is not known what the file shares, and nothing is \
     compared. Put the marker back, or let `loadline region init` mark what the files have in common.",
);

/// A marker stands more than once.
pub static DUPLICATED: Code = Code::new(
    "region-marker-duplicated",
    "a marker of a shared region stands in a file more than once",
    "Each marker stands exactly once, so that there is one region and no doubt about its extent. A second one \
     is mostly left behind by a merge. Remove it, or give the second region a name and markers of its own.",
);

/// The end marker stands before the begin marker.
pub static ORDER: Code = Code::new(
    "region-marker-order",
    "the end marker of a shared region stands before its begin marker",
    "The region would be the lines between the markers read backwards, which is nothing that could be \
     compared. Exchange the two lines.",
);

/// Two regions overlap.
pub static CROSSED: Code = Code::new(
    "region-crossed",
    "two shared regions of a file overlap without one being inside the other",
    "Regions may follow one another, and one may lie wholly inside another. Where one ends in the middle of \
     the other, mending the first would break the second. Move the markers apart.",
);

/// The region in a file, where its markers are as they must be.
pub(crate) fn find(
    spec: &SharedRegion,
    path: &Utf8Path,
    bytes: &[u8],
    outcome: &mut Outcome,
) -> Option<Region> {
    match region::find(bytes, &spec.begin, &spec.end) {
        Ok(region) => Some(region),
        Err(problems) => {
            outcome.findings.extend(problems.iter().map(|problem| finding(spec, path, problem)));
            None
        }
    }
}

fn finding(spec: &SharedRegion, path: &Utf8Path, problem: &RegionProblem) -> Finding {
    let name = &spec.name;
    let text = |marker: &Marker| match marker {
        Marker::Begin => &spec.begin,
        Marker::End => &spec.end,
    };
    match problem {
        RegionProblem::Missing { marker, near } => {
            let message = format!("`{path}` has no {} marker of the shared region `{name}`", marker.name());
            let finding = Finding::error(&MISSING, message);
            match near.first() {
                Some(line) => finding.at(Location::line(path, *line)).help(format!(
                    "line {line} has the words, but a marker is a whole line: make it `{}`, with nothing around it",
                    text(marker)
                )),
                None => finding.at(Location::file(path)).help(format!("add a line `{}`", text(marker))),
            }
        }
        RegionProblem::Duplicated { marker, lines } => {
            let all = lines.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            let message = format!(
                "`{path}` has the {} marker of the shared region `{name}` {} times, on lines {all}",
                marker.name(),
                lines.len()
            );
            let second = lines.get(1).or(lines.first()).copied().unwrap_or(1);
            Finding::error(&DUPLICATED, message).at(Location::line(path, second)).help("leave one of them")
        }
        RegionProblem::Order { begin, end } => {
            let message = format!(
                "`{path}` has the end marker of the shared region `{name}` on line {end}, before the begin marker on line {begin}"
            );
            Finding::error(&ORDER, message)
                .at(Location::line(path, *end))
                .help("exchange the two marker lines")
        }
    }
}

/// Regions that overlap in a file.
pub(crate) fn crossed(groups: &[Group<'_>], outcome: &mut Outcome) {
    for (at, first) in groups.iter().enumerate() {
        for second in &groups[at + 1..] {
            for a in &first.files {
                for b in second.files.iter().filter(|b| b.path == a.path) {
                    let (x, y) = (&a.region.span, &b.region.span);
                    let apart = x.end <= y.start || y.end <= x.start;
                    let nested = (x.start < y.start && y.end < x.end) || (y.start < x.start && x.end < y.end);
                    if !apart && !nested {
                        let message = format!(
                            "in `{}` the shared regions `{}` (lines {} to {}) and `{}` (lines {} to {}) overlap",
                            a.path,
                            first.spec.name,
                            a.region.first_line,
                            a.region.last_line,
                            second.spec.name,
                            b.region.first_line,
                            b.region.last_line
                        );
                        let line = a.region.first_line.max(b.region.first_line);
                        let finding = Finding::error(&CROSSED, message).at(Location::line(&a.path, line));
                        outcome.findings.push(
                            finding.help("move the markers so that one region ends before the other begins"),
                        );
                    }
                }
            }
        }
    }
}
