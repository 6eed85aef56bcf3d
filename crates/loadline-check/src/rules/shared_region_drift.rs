//! The bytes of a shared region are the same in all its files.

use loadline_core::{Code, Finding, Location, Outcome};

use crate::check::{Group, SharedFile};
use crate::diff::{Diff, Side, diff};

/// The region differs.
pub static DRIFT: Code = Code::new(
    "shared-region-drift",
    "a shared region is not the same in all its files",
    "The lines between the markers, and the marker lines themselves, must be equal byte for byte in every \
     file of the region: a line ending, a tab or a blank at the end of a line makes another layer just as a \
     changed command does. The first file of the region is the canonical one; `loadline check --fix` copies \
     its region over the others, and `--fix --from FILE` that of another file.",
);

/// Compares every file of a region with the canonical one.
pub(crate) fn check(group: &Group<'_>, outcome: &mut Outcome) {
    let Some((canonical, others)) = group.files.split_first() else { return };
    outcome.findings.extend(others.iter().filter_map(|other| finding(group, canonical, other)));
}

/// The difference between two files' regions.
pub(crate) fn compare(canonical: &SharedFile, other: &SharedFile) -> Option<Diff> {
    diff(side(canonical), side(other))
}

fn side(file: &SharedFile) -> Side<'_> {
    Side {
        file: file.path.as_str(),
        bytes: file.shared(),
        first_line: file.region.first_line,
        to_end: file.region.span.end == file.bytes.len(),
    }
}

fn finding(group: &Group<'_>, canonical: &SharedFile, other: &SharedFile) -> Option<Finding> {
    let diff = compare(canonical, other)?;
    let mut message = format!(
        "the shared region `{}` in `{}` differs from `{}`: {}",
        group.spec.name,
        other.path,
        canonical.path,
        amount(&diff),
    );
    if !diff.unseen.is_empty() {
        let kinds: Vec<_> = diff.unseen.iter().map(|kind| kind.name()).collect();
        message.push_str(", in nothing but ");
        message.push_str(&kinds.join(" and "));
    }
    let mut location = Location::line(&other.path, diff.new_line);
    location.span = line_span(other, diff.new_line);
    let help = if group.canonical.as_ref() == Some(&canonical.path) {
        format!("`loadline check --fix` copies the region of `{}` here", canonical.path)
    } else {
        "mend the canonical file first, then run `loadline check --fix`".to_owned()
    };
    Some(Finding::error(&DRIFT, message).at(location).help(help).detail(diff.text))
}

fn amount(diff: &Diff) -> String {
    let lines = |n: usize| if n == 1 { "1 line".to_owned() } else { format!("{n} lines") };
    match (diff.removed, diff.added) {
        (0, added) => format!("{} added", lines(added)),
        (removed, 0) => format!("{} missing", lines(removed)),
        (removed, added) if removed == added => format!("{} changed", lines(added)),
        (removed, added) => format!("{} became {added}", lines(removed)),
    }
}

fn line_span(file: &SharedFile, line: u32) -> Option<std::ops::Range<usize>> {
    let index = usize::try_from(line).ok()?.checked_sub(1)?;
    loadline_dockerfile::lines(&file.bytes).get(index).map(|line| line.text.clone())
}
