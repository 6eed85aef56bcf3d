//! SARIF 2.1.0, for code scanning
//! (<https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>; section numbers below).

use camino::Utf8Path;
use loadline_core::{Code, Finding, Location, Outcome, Severity};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;

use crate::Options;
use crate::place;
use crate::visible::visible;

const SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// What a path segment may hold as it is (RFC 3986, section 3.3), and the `/` between them.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'/')
    .remove(b'+')
    .remove(b'@');

#[derive(Serialize)]
struct Log<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    version: &'static str,
    runs: [Run<'a>; 1],
}

/// 3.14
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Run<'a> {
    tool: Tool<'a>,
    invocations: [Invocation; 1],
    column_kind: &'static str,
    results: Vec<SarifResult<'a>>,
}

#[derive(Serialize)]
struct Tool<'a> {
    driver: Driver<'a>,
}

/// 3.19
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Driver<'a> {
    name: &'static str,
    semantic_version: &'static str,
    information_uri: &'static str,
    rules: Vec<Rule<'a>>,
}

/// 3.49
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule<'a> {
    id: &'a str,
    short_description: Message,
    full_description: Message,
    help: Help,
}

#[derive(Serialize)]
struct Message {
    text: String,
}

/// What code scanning shows beside a result; our explanations are Markdown.
#[derive(Serialize)]
struct Help {
    text: String,
    markdown: String,
}

/// 3.20
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Invocation {
    execution_successful: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tool_execution_notifications: Vec<Notification>,
}

/// 3.58
#[derive(Serialize)]
struct Notification {
    descriptor: Descriptor,
    level: &'static str,
    message: Message,
}

#[derive(Serialize)]
struct Descriptor {
    id: &'static str,
}

/// 3.27
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SarifResult<'a> {
    rule_id: &'a str,
    rule_index: usize,
    level: &'static str,
    message: Message,
    locations: [Place; 1],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Place {
    physical_location: PhysicalLocation,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PhysicalLocation {
    artifact_location: ArtifactLocation,
    region: Region,
}

#[derive(Serialize)]
struct ArtifactLocation {
    uri: String,
}

/// 3.30
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Region {
    start_line: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_column: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end_column: Option<u32>,
}

/// Writes an outcome as a SARIF log, indented, with a line end. Code scanning shows only results that
/// have a place: one without is pinned to the first line of [`Options::anchor`]. What could not be
/// examined becomes a notification of an unsuccessful execution.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn sarif(outcome: &Outcome, options: &Options<'_>) -> Result<String, serde_json::Error> {
    let mut codes: Vec<&Code> = Vec::new();
    let mut results = Vec::with_capacity(outcome.findings.len());
    for finding in &outcome.findings {
        let index = codes.iter().position(|code| *code == finding.code).unwrap_or_else(|| {
            codes.push(finding.code);
            codes.len() - 1
        });
        results.push(result(finding, index, options));
    }
    let notifications = outcome.failures.iter().map(|failure| Notification {
        descriptor: Descriptor { id: failure.code.name },
        level: "error",
        message: text(&failure.message, &[failure.help.as_deref()]),
    });
    let log = Log {
        schema: SCHEMA,
        version: "2.1.0",
        runs: [Run {
            tool: Tool {
                driver: Driver {
                    name: "loadline",
                    semantic_version: env!("CARGO_PKG_VERSION"),
                    information_uri: env!("CARGO_PKG_REPOSITORY"),
                    rules: codes.into_iter().map(rule).collect(),
                },
            },
            invocations: [Invocation {
                execution_successful: outcome.failures.is_empty(),
                tool_execution_notifications: notifications.collect(),
            }],
            column_kind: "unicodeCodePoints",
            results,
        }],
    };
    let mut out = serde_json::to_string_pretty(&log)?;
    out.push('\n');
    Ok(out)
}

fn rule(code: &Code) -> Rule<'_> {
    let message = |text: &str| Message { text: text.to_owned() };
    Rule {
        id: code.name,
        short_description: message(code.summary),
        full_description: message(code.summary),
        help: Help { text: code.explanation.to_owned(), markdown: code.explanation.to_owned() },
    }
}

fn result<'a>(finding: &'a Finding, rule_index: usize, options: &Options<'_>) -> SarifResult<'a> {
    let level = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    };
    let digest = finding.digest.as_ref().map(|digest| format!("about {digest}"));
    SarifResult {
        rule_id: finding.code.name,
        rule_index,
        level,
        message: text(
            &finding.message,
            &[digest.as_deref(), finding.help.as_deref(), finding.detail.as_deref()],
        ),
        locations: [Place { physical_location: physical(finding.location.as_ref(), options) }],
    }
}

fn text(message: &str, more: &[Option<&str>]) -> Message {
    let mut text = visible(message).into_owned();
    for more in more.iter().flatten() {
        text.push('\n');
        text.push_str(visible(more).trim_end());
    }
    Message { text }
}

fn physical(location: Option<&Location>, options: &Options<'_>) -> PhysicalLocation {
    let Some(location) = location else {
        return PhysicalLocation {
            artifact_location: ArtifactLocation { uri: uri(options.anchor) },
            region: Region { start_line: 1, start_column: None, end_line: None, end_column: None },
        };
    };
    let end = location.span.is_some().then(|| (options.sources)(&location.file));
    let end = end.flatten().and_then(|source| place::end(location, &source));
    PhysicalLocation {
        artifact_location: ArtifactLocation { uri: uri(&location.file) },
        region: Region {
            start_line: location.line.unwrap_or(1),
            start_column: location.column,
            end_line: end.map(|(line, _)| line),
            end_column: end.map(|(_, column)| column),
        },
    }
}

/// A relative path as a relative reference, an absolute one as a `file` URI.
fn uri(path: &Utf8Path) -> String {
    let text = path.as_str();
    let text = text.strip_prefix("./").unwrap_or(text);
    let encoded = utf8_percent_encode(text, PATH);
    if path.is_absolute() { format!("file://{encoded}") } else { encoded.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn rules_results_and_notifications() {
        let options = Options { sources: &fixture::sources, ..Options::default() };
        insta::assert_snapshot!(sarif(&fixture::outcome(), &options).unwrap());
    }

    #[test]
    fn nothing_found_is_a_successful_run_without_results() {
        let log: serde_json::Value =
            serde_json::from_str(&sarif(&Outcome::new(), &Options::default()).unwrap()).unwrap();
        assert_eq!(log["runs"][0]["results"], serde_json::json!([]));
        assert_eq!(log["runs"][0]["invocations"], serde_json::json!([{"executionSuccessful": true}]));
    }

    #[test]
    fn paths_become_uris() {
        assert_eq!(uri(Utf8Path::new("./a b/ä:%.yaml")), "a%20b/%C3%A4%3A%25.yaml");
        assert_eq!(uri(Utf8Path::new("/x/y")), "file:///x/y");
    }
}
