//! GitHub workflow commands, which become annotations of the files in a pull request
//! (<https://docs.github.com/actions/reference/workflow-commands-for-github-actions>).

use loadline_core::{Outcome, Severity};

use crate::human::tally;
use crate::visible::visible;

/// Writes an outcome as workflow commands, one a line, and the verdict as the last, plain line.
pub fn github(outcome: &Outcome) -> String {
    let mut out = String::new();
    for finding in &outcome.findings {
        let command = match finding.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Note => "notice",
        };
        let mut properties = Vec::new();
        if let Some(location) = &finding.location {
            properties.push(("file", location.file.to_string()));
            properties.extend(location.line.map(|line| ("line", line.to_string())));
            properties.extend(location.column.map(|column| ("col", column.to_string())));
        }
        properties.push(("title", finding.code.name.to_owned()));
        let mut message = finding.message.clone();
        if let Some(digest) = &finding.digest {
            message.push_str(&format!(" ({digest})"));
        }
        for more in [&finding.help, &finding.detail].into_iter().flatten() {
            message.push('\n');
            message.push_str(more);
        }
        push(&mut out, command, &properties, &message);
    }
    for failure in &outcome.failures {
        let mut message = format!("could not tell: {}", failure.message);
        if let Some(help) = &failure.help {
            message.push('\n');
            message.push_str(help);
        }
        push(&mut out, "error", &[("title", failure.code.name.to_owned())], &message);
    }
    let verdict = format!("{:?}", outcome.verdict()).to_lowercase();
    let tally = tally(outcome);
    let colon = if tally.is_empty() { "" } else { ": " };
    out.push_str(&format!("{verdict}{colon}{tally}\n"));
    out
}

fn push(out: &mut String, command: &str, properties: &[(&str, String)], message: &str) {
    let properties: Vec<String> =
        properties.iter().map(|(name, value)| format!("{name}={}", in_property(value))).collect();
    out.push_str(&format!("::{command} {}::{}\n", properties.join(","), in_message(message)));
}

/// What the runner's own toolkit escapes in a message.
fn in_message(text: &str) -> String {
    visible(text).trim_end().replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// What it escapes in a property.
fn in_property(text: &str) -> String {
    in_message(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn each_finding_is_one_line() {
        insta::assert_snapshot!(github(&fixture::outcome()));
        assert_eq!(github(&Outcome::new()), "pass\n");
    }

    #[test]
    fn a_message_cannot_smuggle_a_command() {
        let rendered = github(&fixture::hostile());
        assert_eq!(rendered.lines().count(), 3, "{rendered}");
        assert_eq!(rendered.lines().filter(|line| line.starts_with("::")).count(), 2);
        assert!(rendered.contains("title=shared-region-drift::x␛[31m|`<b>␍%0A::error::y"), "{rendered}");
    }
}
