//! For people: as rustc prints, with the source line, what is wrong and the next step.

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};
use loadline_core::{Failure, Finding, Outcome, Severity, Verdict};

use crate::Options;
use crate::place::excerpt;
use crate::visible::{one_line, visible};

const RED: &str = "\u{1b}[31m";
const GREEN: &str = "\u{1b}[32m";
const YELLOW: &str = "\u{1b}[33m";
const CYAN: &str = "\u{1b}[36m";
const BOLD: &str = "\u{1b}[1m";
const RESET: &str = "\u{1b}[0m";

/// Writes an outcome for people. The last line is the verdict and what it is made of.
pub fn human(outcome: &Outcome, options: &Options<'_>) -> String {
    let renderer = if options.colour { Renderer::styled() } else { Renderer::plain() };
    let renderer = renderer.term_width(options.width).decor_style(DecorStyle::Ascii);
    let mut out = String::new();
    for finding in &outcome.findings {
        out.push_str(&one_finding(finding, &renderer, options));
        out.push('\n');
    }
    for failure in &outcome.failures {
        out.push_str(&one_failure(failure, &renderer));
        out.push('\n');
    }
    out.push_str(&last_line(outcome, options.colour));
    out
}

fn one_finding(finding: &Finding, renderer: &Renderer, options: &Options<'_>) -> String {
    let level = match finding.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
        Severity::Note => Level::NOTE,
    };
    let title = level.primary_title(one_line(&finding.message)).id(finding.code.name);
    let mut group = Group::with_title(title);
    let source = finding.location.as_ref().and_then(|location| (options.sources)(&location.file));
    if let Some(location) = &finding.location {
        let path = visible(location.file.as_str());
        match source.as_deref().and_then(|text| excerpt(location, text)) {
            Some(excerpt) => {
                let snippet = Snippet::source(excerpt.text).line_start(excerpt.first_line).path(path);
                group = group.element(snippet.annotation(AnnotationKind::Primary.span(excerpt.span)));
            }
            None => {
                let mut origin = Origin::path(path);
                if let Some(line) = location.line {
                    origin = origin.line(line as usize);
                }
                if let Some(column) = location.column {
                    origin = origin.char_column(column as usize);
                }
                group = group.element(origin);
            }
        }
    }
    if let Some(digest) = &finding.digest {
        group = group.element(Level::NOTE.message(format!("about {digest}")));
    }
    if let Some(help) = &finding.help {
        group = group.element(Level::HELP.message(visible(help)));
    }
    let mut out = renderer.render(&[group]);
    out.push('\n');
    if let Some(detail) = &finding.detail {
        out.push_str(&detail_lines(&visible(detail), options.colour));
    }
    out
}

/// What is shown beneath a finding, set in; added and removed lines of a diff in their colours.
fn detail_lines(detail: &str, colour: bool) -> String {
    let mut out = String::with_capacity(detail.len() + 64);
    for line in detail.lines() {
        let paint = match line.as_bytes().first() {
            _ if !colour => None,
            Some(b'+') => Some(GREEN),
            Some(b'-') => Some(RED),
            Some(b'@') => Some(CYAN),
            _ => None,
        };
        match (line.is_empty(), paint) {
            (true, _) => {}
            (false, Some(paint)) => out.extend(["    ", paint, line, RESET]),
            (false, None) => out.extend(["    ", line]),
        }
        out.push('\n');
    }
    out
}

fn one_failure(failure: &Failure, renderer: &Renderer) -> String {
    let level = Level::WARNING.with_name(Some("unknown"));
    let title = level.primary_title(one_line(&failure.message)).id(failure.code.name);
    let mut group = Group::with_title(title);
    if let Some(help) = &failure.help {
        group = group.element(Level::HELP.message(visible(help)));
    }
    let mut out = renderer.render(&[group]);
    out.push('\n');
    out
}

fn last_line(outcome: &Outcome, colour: bool) -> String {
    let (word, paint) = match outcome.verdict() {
        Verdict::Pass => ("pass", GREEN),
        Verdict::Fail => ("fail", RED),
        Verdict::Unknown => ("unknown", YELLOW),
    };
    let parts = tally(outcome);
    let tail = if parts.is_empty() { String::new() } else { format!(": {parts}") };
    if colour { format!("{BOLD}{paint}{word}{RESET}{tail}\n") } else { format!("{word}{tail}\n") }
}

/// How many of what: `2 errors, 1 note, 1 check that could not be done`; empty when there is nothing.
pub(crate) fn tally(outcome: &Outcome) -> String {
    let count = |severity| outcome.findings.iter().filter(|f| f.severity == severity).count();
    let counts = [
        (count(Severity::Error), "error", "errors"),
        (count(Severity::Warning), "warning", "warnings"),
        (count(Severity::Note), "note", "notes"),
        (outcome.failures.len(), "check that could not be done", "checks that could not be done"),
    ];
    let parts: Vec<String> = counts
        .iter()
        .filter(|(n, ..)| *n > 0)
        .map(|(n, one, many)| format!("{n} {}", if *n == 1 { one } else { many }))
        .collect();
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn findings_show_their_line_and_the_next_step() {
        let options = Options { sources: &fixture::sources, ..Options::default() };
        insta::assert_snapshot!(human(&fixture::outcome(), &options));
    }

    #[test]
    fn nothing_found_is_one_word() {
        assert_eq!(human(&Outcome::new(), &Options::default()), "pass\n");
    }

    #[test]
    fn colour_is_an_input() {
        let plain = human(&fixture::outcome(), &Options::default());
        assert!(!plain.contains('\u{1b}'));
        let options = Options { colour: true, sources: &fixture::sources, ..Options::default() };
        let coloured = human(&fixture::outcome(), &options);
        assert!(coloured.contains("\u{1b}[31m-RUN a"), "{coloured}");
        assert!(coloured.ends_with(
            "\u{1b}[1m\u{1b}[31mfail\u{1b}[0m: 2 errors, 1 warning, 1 note, 1 check that could not be done\n"
        ));
    }

    #[test]
    fn a_file_cannot_speak_to_the_terminal() {
        let options = Options { sources: &|_| Some("\u{1b}[2J\u{1b}]0;x\u{7}".into()), ..Options::default() };
        let rendered = human(&fixture::hostile(), &options);
        assert!(!rendered.contains(['\u{1b}', '\u{7}', '\r', '\u{202e}']), "{rendered:?}");
    }
}
