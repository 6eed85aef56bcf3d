//! Pages: each is in the book's summary, each decision in its list, and links between pages lead to files.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};

use super::{Report, TidyError, entries, read};

const BOOK: &str = "docs/src";
const SUMMARY: &str = "SUMMARY.md";
const DECISIONS: &str = "decisions";

pub(super) fn look(root: &Utf8Path, report: &mut Report) -> Result<(), TidyError> {
    let book = root.join(BOOK);
    let summary = linked(&read(&book.join(SUMMARY))?);
    let decisions = linked(&read(&book.join(DECISIONS).join("README.md"))?);
    for page in pages(&book)? {
        let name = page.strip_prefix(&book).unwrap_or(&page);
        if name != SUMMARY && !summary.contains(name.as_str()) {
            report.problems.push(format!("{BOOK}/{name} is not in {BOOK}/{SUMMARY}"));
        }
        if let Ok(decision) = name.strip_prefix(DECISIONS)
            && decision != "README.md"
            && !decisions.contains(decision.as_str())
        {
            report.problems.push(format!("{BOOK}/{name} is not in {BOOK}/{DECISIONS}/README.md"));
        }
        let folder = page.parent().unwrap_or(&book);
        for target in linked(&read(&page)?) {
            if !folder.join(&target).exists() {
                report.problems.push(format!("{BOOK}/{name} links to {target}, which is not there"));
            }
        }
    }
    Ok(())
}

/// The Markdown files below a folder, in order.
fn pages(folder: &Utf8Path) -> Result<Vec<Utf8PathBuf>, TidyError> {
    let mut found = Vec::new();
    for path in entries(folder)? {
        if path.is_dir() {
            found.extend(pages(&path)?);
        } else if path.extension() == Some("md") {
            found.push(path);
        }
    }
    Ok(found)
}

/// The files that a page links to, without what stands behind `#`; addresses are left out, and so is code.
fn linked(text: &str) -> BTreeSet<String> {
    let mut fenced = false;
    let prose = text.lines().filter(|line| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        !fenced && !fence
    });
    let targets = prose.flat_map(|line| line.split("](").skip(1)).filter_map(|rest| rest.split_once(')'));
    targets
        .map(|(target, _)| target.split('#').next().unwrap_or_default())
        .filter(|target| !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:"))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book(pages: &[(&str, &str)]) -> Report {
        let root = tempfile::tempdir().unwrap();
        let root = Utf8Path::from_path(root.path()).unwrap();
        for (name, text) in pages {
            let path = root.join(BOOK).join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let mut report = Report::default();
        look(root, &mut report).unwrap();
        report
    }

    #[test]
    fn a_page_is_listed_and_its_links_lead_somewhere() {
        let list = "[d](decisions/README.md) [x](decisions/x.md)";
        let good = book(&[
            ("SUMMARY.md", list),
            ("decisions/README.md", "[x](x.md)"),
            (
                "decisions/x.md",
                "[back](../SUMMARY.md#top) [out](https://example.com/a)\n```\n[no](no.md)\n```\n",
            ),
        ]);
        assert_eq!(good.problems, [""; 0]);
        let bad = book(&[
            ("SUMMARY.md", list),
            ("decisions/README.md", ""),
            ("decisions/x.md", "[gone](gone.md)"),
            ("a.md", ""),
        ]);
        assert_eq!(
            bad.problems,
            [
                "docs/src/a.md is not in docs/src/SUMMARY.md",
                "docs/src/decisions/x.md is not in docs/src/decisions/README.md",
                "docs/src/decisions/x.md links to gone.md, which is not there",
            ]
        );
    }
}
