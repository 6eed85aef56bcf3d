//! A bound report, vulnerability by vulnerability.

use std::collections::{BTreeMap, HashSet};

use loadline_core::Finding;

use crate::codes;
use crate::counts::Counts;
use crate::evaluate::{Request, place};
use crate::ignores::Ignore;
use crate::outcome::{GateOutcome, Ignored, Weighed};
use crate::policy::UnknownSeverity;
use crate::severity::Severity;
use crate::trivy::{ModifiedFinding, Report, ResultEntry, Vulnerability};

/// What the previous release had, by id and package.
pub(crate) type Baseline = Option<HashSet<(String, String)>>;

pub(crate) struct Weighing<'a> {
    pub(crate) request: &'a Request<'a>,
    pub(crate) baseline: Baseline,
    pub(crate) outcome: GateOutcome,
}

impl Weighing<'_> {
    /// Weighs the whole report.
    pub(crate) fn run(mut self, report: &Report<'_>) -> GateOutcome {
        let entries = self.request.ignores.entries();
        let mut matched = vec![false; entries.len()];
        let mut by_id: BTreeMap<&str, Vec<(usize, &Ignore)>> = BTreeMap::new();
        for (index, ignore) in entries.iter().enumerate() {
            by_id.entry(&ignore.id).or_default().push((index, ignore));
        }
        let mut unknown = Vec::new();
        let mut suppressed: BTreeMap<(String, String), Vec<Weighed>> = BTreeMap::new();
        for result in &report.results {
            for vulnerability in &result.vulnerabilities {
                self.outcome.considered += 1;
                let covering = self.covering(&by_id, &mut matched, result, vulnerability);
                self.one(result, vulnerability, covering, &mut unknown);
            }
            for modified in &result.modified {
                self.left_out(modified, result, &by_id, &mut matched, &mut unknown, &mut suppressed);
            }
        }
        self.outcome.matched = Some(matched);
        self.speak(report, unknown, suppressed);
        self.outcome
    }

    /// The first ignore that covers it and holds; marks all that would cover it as matched.
    fn covering<'i>(
        &self,
        by_id: &BTreeMap<&str, Vec<(usize, &'i Ignore)>>,
        matched: &mut [bool],
        result: &ResultEntry<'_>,
        vulnerability: &Vulnerability<'_>,
    ) -> Option<&'i Ignore> {
        let mut holding = None;
        for (index, ignore) in by_id.get(&*vulnerability.id).into_iter().flatten() {
            if !ignore.covers(result, vulnerability) {
                continue;
            }
            if let Some(matched) = matched.get_mut(*index) {
                *matched = true;
            }
            if holding.is_none() && self.holds(ignore) {
                holding = Some(*ignore);
            }
        }
        holding
    }

    fn holds(&self, ignore: &Ignore) -> bool {
        let policy = self.request.policy;
        let lapsed = ignore.expiry.as_ref().is_some_and(|expiry| expiry.lapsed(self.request.now));
        let unexplained = policy.require_statement && ignore.statement.is_none();
        let endless = policy.require_expiry && ignore.expiry.is_none();
        !(lapsed || unexplained || endless)
    }

    fn one(
        &mut self,
        result: &ResultEntry<'_>,
        vulnerability: &Vulnerability<'_>,
        covering: Option<&Ignore>,
        unknown: &mut Vec<Weighed>,
    ) {
        if let Some(ignore) = covering {
            self.outcome.ignored.push(Ignored {
                what: Weighed::new(result, vulnerability),
                statement: ignore.statement.clone(),
                expires: ignore.expiry.as_ref().map(|expiry| expiry.text.clone()),
                location: ignore.location.clone(),
            });
            return;
        }
        let policy = self.request.policy;
        let rated = vulnerability.severity != Severity::Unknown;
        if !rated && policy.unknown == UnknownSeverity::Warn {
            unknown.push(Weighed::new(result, vulnerability));
            return;
        }
        if rated && vulnerability.severity < policy.fail_on {
            return;
        }
        if policy.only_fixed && vulnerability.fixed.is_empty() {
            self.outcome.unfixed += 1;
            return;
        }
        let had = |had: &HashSet<_>| {
            had.contains(&(vulnerability.id.to_string(), vulnerability.package.to_string()))
        };
        if self.baseline.as_ref().is_some_and(had) {
            self.outcome.known += 1;
            return;
        }
        self.outcome.blocking.push(Weighed::new(result, vulnerability));
    }

    /// What the scanner left out: our own ignores decide where they cover it, and where theirs has lapsed it
    /// counts again. What was left out for another reason is told, when it would have blocked.
    fn left_out(
        &mut self,
        modified: &ModifiedFinding<'_>,
        result: &ResultEntry<'_>,
        by_id: &BTreeMap<&str, Vec<(usize, &Ignore)>>,
        matched: &mut [bool],
        unknown: &mut Vec<Weighed>,
        suppressed: &mut BTreeMap<(String, String), Vec<Weighed>>,
    ) {
        let vulnerability = &modified.finding;
        if modified.r#type != "vulnerability" || vulnerability.id.is_empty() {
            return;
        }
        let ours = by_id
            .get(&*vulnerability.id)
            .is_some_and(|ignores| ignores.iter().any(|(_, ignore)| ignore.covers(result, vulnerability)));
        if ours {
            let covering = self.covering(by_id, matched, result, vulnerability);
            self.one(result, vulnerability, covering, unknown);
        } else if vulnerability.severity >= self.request.policy.fail_on
            || vulnerability.severity == Severity::Unknown
        {
            let why = (modified.status.to_string(), modified.source.to_string());
            suppressed.entry(why).or_default().push(Weighed::new(result, vulnerability));
        }
    }

    fn speak(
        &mut self,
        report: &Report<'_>,
        mut unknown: Vec<Weighed>,
        suppressed: BTreeMap<(String, String), Vec<Weighed>>,
    ) {
        let request = self.request;
        let subject = request.subject;
        let mut findings = Vec::new();
        let blocking = &mut self.outcome.blocking;
        blocking.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.cmp(b)));
        blocking.dedup();
        for weighed in blocking.iter() {
            let help = if weighed.fixed.is_empty() {
                format!(
                    "no fix is out: replace {}, or ignore it with a statement and an expiry",
                    weighed.package
                )
            } else {
                format!("update {} to {}", weighed.package, weighed.fixed)
            };
            findings.push(
                Finding::error(&codes::VULNERABILITY, format!("{subject}: {}", weighed.sentence()))
                    .help(help),
            );
        }
        unknown.sort();
        unknown.dedup();
        if !unknown.is_empty() {
            let message = format!(
                "{subject}: {} without a known severity: {}",
                vulnerabilities(unknown.len()),
                names(&unknown)
            );
            findings.push(Finding::warning(&codes::SEVERITY_UNKNOWN, message).detail(sentences(&unknown)));
        }
        for ((status, source), mut left_out) in suppressed {
            left_out.sort();
            left_out.dedup();
            let message = format!(
                "{subject}: {} at or above {} left out of the report as `{status}` by {}: {}",
                vulnerabilities(left_out.len()),
                request.policy.fail_on,
                if source.is_empty() { "an unnamed source" } else { &source },
                names(&left_out),
            );
            findings.push(
                Finding::warning(&codes::REPORT_SUPPRESSED, message)
                    .detail(sentences(&left_out))
                    .help("give the gate the ignore file that says so, or scan without it"),
            );
        }
        if report.results.is_empty() {
            let message =
                format!("{subject}: the report lists no result: the scanner recognised nothing in the image");
            findings.push(Finding::warning(&codes::REPORT_EMPTY, message));
        }
        let os = &report.metadata.os;
        if os.end_of_life {
            let message = format!("{subject}: {} {} is past its end of life", os.family, os.name);
            findings.push(
                Finding::warning(&codes::OS_END_OF_LIFE, message)
                    .help("move to a maintained release of the base image"),
            );
        }
        let mut secrets = Counts::default();
        for result in &report.results {
            secrets.merge(&result.secrets);
        }
        if secrets.total() > 0 {
            let message =
                format!("{subject}: the scan found {} secrets in the image ({secrets})", secrets.total());
            findings.push(
                Finding::warning(&codes::REPORT_SECRETS, message)
                    .help("take them out of every layer and revoke them"),
            );
        }
        let about =
            findings.into_iter().map(|finding| place(finding.about(&subject.manifest_digest), request));
        self.outcome.outcome.findings.extend(about);
    }
}

fn vulnerabilities(count: usize) -> String {
    if count == 1 { "1 vulnerability".to_owned() } else { format!("{count} vulnerabilities") }
}

/// The first few ids; the finding's detail has them all.
fn names(weighed: &[Weighed]) -> String {
    let mut ids: Vec<&str> = weighed.iter().map(|w| w.id.as_str()).collect();
    ids.sort_unstable();
    ids.dedup();
    let shown = ids.iter().take(5).copied().collect::<Vec<_>>().join(", ");
    if ids.len() > 5 { format!("{shown} and {} more", ids.len() - 5) } else { shown }
}

fn sentences(weighed: &[Weighed]) -> String {
    weighed.iter().map(Weighed::sentence).collect::<Vec<_>>().join("\n")
}
