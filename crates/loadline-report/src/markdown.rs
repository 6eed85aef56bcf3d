//! Markdown, for step summaries and comments.

use loadline_core::{Finding, Outcome, Severity, Verdict};

use crate::Options;
use crate::human::tally;
use crate::visible::one_line;

/// How many rows a table has; a step summary holds 1 MiB.
const MOST_ROWS: usize = 500;

/// How many bytes of details (diffs) are written.
const MOST_DETAIL: usize = 256 * 1024;

/// Writes an outcome as Markdown: a heading with the verdict, a table of findings, their details
/// folded, and what could not be examined.
pub fn markdown(outcome: &Outcome, options: &Options<'_>) -> String {
    let verdict = match outcome.verdict() {
        Verdict::Pass => "✅ pass",
        Verdict::Fail => "❌ fail",
        Verdict::Unknown => "❓ unknown",
    };
    let mut out = format!("### {}: {verdict}\n", escape(options.title));
    let tally = tally(outcome);
    if !tally.is_empty() {
        out.push_str(&format!("\n{tally}\n"));
    }
    if !outcome.findings.is_empty() {
        out.push_str("\n| | Finding | Where | Next step |\n|---|---|---|---|\n");
        for finding in outcome.findings.iter().take(MOST_ROWS) {
            out.push_str(&row(finding));
        }
        left_out(&mut out, outcome.findings.len(), "findings");
    }
    if !outcome.failures.is_empty() {
        out.push_str("\n| | Could not be done | Next step |\n|---|---|---|\n");
        for failure in outcome.failures.iter().take(MOST_ROWS) {
            let help = escape(failure.help.as_deref().unwrap_or(""));
            let message = escape(&failure.message);
            out.push_str(&format!("| ❓ | {message}<br>`{}` | {help} |\n", failure.code.name));
        }
        left_out(&mut out, outcome.failures.len(), "failures");
    }
    let mut room = MOST_DETAIL;
    for finding in &outcome.findings {
        let Some(detail) = &finding.detail else { continue };
        let Some(rest) = room.checked_sub(detail.len()) else {
            out.push_str("\nFurther details are left out: see the log.\n");
            break;
        };
        room = rest;
        let fence = fence(detail);
        let summary = escape(&finding.message);
        let detail = crate::visible::visible(detail);
        let end = if detail.ends_with('\n') { "" } else { "\n" };
        out.push_str(&format!(
            "\n<details><summary>{summary}</summary>\n\n{fence}diff\n{detail}{end}{fence}\n\n</details>\n"
        ));
    }
    out
}

fn row(finding: &Finding) -> String {
    let mark = match finding.severity {
        Severity::Error => "❌",
        Severity::Warning => "⚠️",
        Severity::Note => "ℹ️",
    };
    let place = match &finding.location {
        Some(location) => match location.line {
            Some(line) => escape(&format!("{}:{line}", location.file)),
            None => escape(location.file.as_str()),
        },
        None => finding.digest.as_ref().map(|digest| format!("`{digest}`")).unwrap_or_default(),
    };
    let help = escape(finding.help.as_deref().unwrap_or(""));
    format!("| {mark} | {}<br>`{}` | {place} | {help} |\n", escape(&finding.message), finding.code.name)
}

fn left_out(out: &mut String, count: usize, what: &str) {
    if let Some(more @ 1..) = count.checked_sub(MOST_ROWS) {
        out.push_str(&format!("\n{more} more {what} are left out: see the log.\n"));
    }
}

/// A text for a cell: on one line, nothing in it means anything to Markdown or HTML, but what stands
/// between two backticks stays code.
fn escape(text: &str) -> String {
    let line = one_line(text);
    let parts: Vec<&str> = line.split('`').collect();
    // An odd backtick has no partner, and is written as itself.
    let paired = if parts.len() % 2 == 1 { parts.len() } else { parts.len() - 1 };
    let mut out = String::with_capacity(line.len() + 16);
    for (index, part) in parts.iter().enumerate() {
        if index >= paired {
            out.push_str("\\`");
        }
        if index % 2 == 1 && index < paired && !part.is_empty() {
            out.extend(["<code>", &entities(part), "</code>"]);
        } else {
            out.push_str(&entities(part));
        }
    }
    out
}

fn entities(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '|' => out.push_str("&#124;"),
            '@' => out.push_str("&#64;"),
            '\\' | '*' | '_' | '[' | ']' | '~' | '#' | '!' => {
                out.push('\\');
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    out
}

/// A fence longer than any run of backticks in the text.
fn fence(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    "`".repeat((longest + 1).max(3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn a_table_and_folded_details() {
        let options = Options { title: "check", ..Options::default() };
        insta::assert_snapshot!(markdown(&fixture::outcome(), &options));
        assert_eq!(markdown(&Outcome::new(), &options), "### check: ✅ pass\n");
    }

    #[test]
    fn nothing_breaks_out_of_its_cell() {
        let rendered = markdown(&fixture::hostile(), &Options::default());
        let rows: Vec<&str> = rendered.lines().filter(|line| line.starts_with('|')).collect();
        assert_eq!(rows.len(), 6, "{rendered}");
        assert!(rows.iter().all(|row| matches!(row.matches('|').count(), 4 | 5)), "{rendered}");
        assert!(!rendered.contains("<b>") || rendered.contains("```diff"), "{rendered}");
        assert!(rows.iter().all(|row| !row.contains("<b>")), "{rendered}");
    }

    #[test]
    fn a_fence_is_longer_than_what_it_holds() {
        assert_eq!(fence("a ```` b"), "`````");
        assert_eq!(fence("a"), "```");
    }

    #[test]
    fn mentions_and_code() {
        assert_eq!(escape("`{version}` of @team *x*"), "<code>{version}</code> of &#64;team \\*x\\*");
        assert_eq!(escape("odd ` one"), "odd \\` one");
    }

    #[test]
    fn long_lists_are_cut_and_say_so() {
        let findings = vec![Finding::error(&fixture::DRIFT, "x").detail("y".repeat(200 * 1024)); 501];
        let rendered = markdown(&Outcome::from(findings), &Options::default());
        assert!(rendered.contains("\n1 more findings are left out"));
        assert!(rendered.ends_with("Further details are left out: see the log.\n"));
        assert!(rendered.len() < 1024 * 1024);
    }
}
