//! What is wrong with the ignores themselves, once it is known what they matched.

use jiff::Timestamp;
use loadline_core::Finding;
use loadline_core::finding::Severity as Weight;

use super::{Ignore, Ignores};
use crate::codes;
use crate::policy::GatePolicy;

/// Looks at each ignore for vulnerabilities: unknown keys, no reason, no end, lapsed, matched nothing.
/// `matched` tells for each whether anything in any report was covered; `None` when a report could not
/// be weighed, for then nothing can be said to be unused.
pub(crate) fn review(
    ignores: &Ignores,
    matched: Option<&[bool]>,
    policy: &GatePolicy,
    now: Timestamp,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, ignore) in ignores.entries().iter().enumerate() {
        if !ignore.is_for_vulnerabilities() {
            continue;
        }
        let hit = matched.map(|matched| matched.get(index).copied().unwrap_or(false));
        findings.extend(one(ignore, hit, policy, now));
    }
    findings
}

fn one(ignore: &Ignore, hit: Option<bool>, policy: &GatePolicy, now: Timestamp) -> Vec<Finding> {
    let mut findings = Vec::new();
    let id = &ignore.id;
    if !ignore.unknown_keys.is_empty() {
        let keys = ignore.unknown_keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
        findings.push(
            Finding::warning(
                &codes::IGNORE_UNKNOWN_KEY,
                format!("the ignore of {id} has {keys}, which the format does not know"),
            )
            .at(ignore.location.clone())
            .help("the keys are id, paths, purls, expired_at and statement"),
        );
    }
    let (no_reason, no_end) = (ignore.statement.is_none(), ignore.expiry.is_none());
    let lacks = match (no_reason, no_end) {
        (true, true) => Some("neither a statement nor an expiry"),
        (true, false) => Some("no statement"),
        (false, true) => Some("no expiry"),
        (false, false) => None,
    };
    if let Some(lacks) = lacks {
        let demanded = (no_reason && policy.require_statement) || (no_end && policy.require_expiry);
        let weight = if demanded { Weight::Error } else { Weight::Warning };
        findings.push(
            Finding::new(&codes::IGNORE_UNEXPLAINED, weight, format!("the ignore of {id} has {lacks}"))
                .at(ignore.location.clone())
                .help("say why it is harmless (`statement`) and when to look again (`expired_at`)"),
        );
    }
    if let Some(expiry) = ignore.expiry.as_ref().filter(|expiry| expiry.lapsed(now)) {
        let (then, help) = match hit {
            Some(false) => ("and matches nothing", "remove it"),
            _ => {
                ("and what it covered counts again", "update the package, or decide anew and set a new date")
            }
        };
        findings.push(
            Finding::warning(&codes::IGNORE_EXPIRED, format!("the ignore of {id} lapsed on {expiry} {then}"))
                .at(ignore.location.clone())
                .help(help),
        );
    } else if hit == Some(false) {
        findings.push(
            Finding::warning(
                &codes::IGNORE_UNUSED,
                format!("the ignore of {id} matches nothing in any report"),
            )
            .at(ignore.location.clone())
            .help("remove it, or mend its id, paths or purls"),
        );
    }
    findings
}
