//! How much findings weigh, where the configuration says it.

use indexmap::IndexMap;
use loadline_core::config::{Loaded, RuleLevel, nearest};
use loadline_core::{Code, Finding, Outcome, Severity};

use crate::codes::CODES;

/// A rule that does not exist.
pub static UNKNOWN_RULE: Code = Code::new(
    "config-unknown-rule",
    "the configuration sets the level of a rule that does not exist",
    "A misspelt rule under `[check.rules]` would keep its own weight, silently. `loadline check --list` names \
     all rules.",
);

/// Gives findings the weight that the configuration sets, and leaves out those that are switched off.
/// Failures stay: a rule that could not be applied has found nothing.
pub(crate) fn apply(rules: &IndexMap<String, RuleLevel>, outcome: &mut Outcome) {
    if rules.is_empty() {
        return;
    }
    outcome.findings.retain_mut(|finding| {
        match rules.get(finding.code.name) {
            Some(RuleLevel::Off) => return false,
            Some(RuleLevel::Note) => finding.severity = Severity::Note,
            Some(RuleLevel::Warning) => finding.severity = Severity::Warning,
            Some(RuleLevel::Error) => finding.severity = Severity::Error,
            None => {}
        }
        true
    });
}

/// Levels for rules that do not exist, with their places.
pub fn unknown(loaded: &Loaded) -> Vec<Finding> {
    let rules = &loaded.config.check.rules;
    misnamed(rules)
        .map(|(rule, finding)| finding.at(loaded.location(&format!("check.rules.{rule}"))))
        .collect()
}

/// Levels for rules that do not exist.
pub(crate) fn misnamed(rules: &IndexMap<String, RuleLevel>) -> impl Iterator<Item = (&String, Finding)> {
    let names = || CODES.iter().map(|code| code.name);
    rules.keys().filter(move |rule| !names().any(|name| name == rule.as_str())).map(move |rule| {
        let help = match nearest(rule, names()) {
            Some(name) => format!("did you mean `{name}`?"),
            None => "`loadline check --list` names all rules".to_owned(),
        };
        (rule, Finding::error(&UNKNOWN_RULE, format!("there is no rule `{rule}`")).help(help))
    })
}
