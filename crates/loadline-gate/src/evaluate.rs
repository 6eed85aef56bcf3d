//! The gate itself: a report, ignores and a policy to a verdict.

use std::collections::{BTreeMap, HashSet};

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use loadline_core::{Failure, Finding, Location, Outcome, Platform};

use crate::codes;
use crate::counts::Counts;
use crate::ignores::{Ignore, Ignores, review};
use crate::policy::{GatePolicy, Mode, UnknownSeverity};
use crate::severity::Severity;
use crate::subject::{BoundBy, GateSubject};
use crate::trivy::{Metadata, ModifiedFinding, Report, ResultEntry, Shape, Vulnerability};

/// The previous release's report of the same image and platform.
#[derive(Debug, Clone, Copy)]
pub struct Previous<'a> {
    /// The report's bytes.
    pub report: &'a [u8],
    /// What the report must speak of. Without it the report is taken at its word.
    pub subject: Option<&'a GateSubject>,
}

/// What is asked of the gate.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// The platform's image that is to be released.
    pub subject: &'a GateSubject,
    /// The bytes of its scan report; `None` when there is none.
    pub report: Option<&'a [u8]>,
    /// The file that the report was read from, to say where.
    pub report_file: Option<&'a Utf8Path>,
    /// The ignores.
    pub ignores: &'a Ignores,
    /// The image's policy.
    pub policy: &'a GatePolicy,
    /// The previous release's report, for [`Mode::Regression`].
    pub previous: Option<Previous<'a>>,
    /// The moment by which expiries are judged.
    pub now: Timestamp,
}

/// One vulnerability of one package, as it was weighed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Weighed {
    /// Its severity.
    pub severity: Severity,
    /// `CVE-…`, `GHSA-…`, …
    pub id: String,
    /// The package's name.
    pub package: String,
    /// The version that is installed.
    pub installed: String,
    /// The versions that mend it; empty when there is none.
    pub fixed: String,
    /// What was scanned: the distribution's packages, a lock file, a binary.
    pub target: String,
    /// The file that makes the package; empty for the distribution's packages.
    pub path: String,
    /// Where to read about it; empty where the report does not say.
    pub url: String,
}

impl Weighed {
    fn new(result: &ResultEntry<'_>, vulnerability: &Vulnerability<'_>) -> Self {
        Self {
            severity: vulnerability.severity,
            id: vulnerability.id.to_string(),
            package: vulnerability.package.to_string(),
            installed: vulnerability.installed.to_string(),
            fixed: vulnerability.fixed.to_string(),
            target: result.target.to_string(),
            path: vulnerability.path.to_string(),
            url: vulnerability.url.to_string(),
        }
    }

    fn sentence(&self) -> String {
        let place = if self.path.is_empty() { &self.target } else { &self.path };
        let fixed = if self.fixed.is_empty() {
            "no fixed version".to_owned()
        } else {
            format!("fixed in {}", self.fixed)
        };
        format!("{} ({}) in {} {} at {place}, {fixed}", self.id, self.severity, self.package, self.installed)
    }
}

/// A vulnerability that an ignore covers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ignored {
    /// What is covered.
    pub what: Weighed,
    /// Why, as the ignore says.
    pub statement: Option<String>,
    /// When the ignore lapses, as it is written.
    pub expires: Option<String>,
    /// Where the ignore is written.
    pub location: Location,
}

/// What the gate made of one platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GateOutcome {
    /// The image's name.
    pub image: String,
    /// The platform.
    pub platform: Platform,
    /// Findings and failures; the verdict follows from them.
    pub outcome: Outcome,
    /// What ties the report to the image; `None` when nothing does.
    pub bound_by: Option<BoundBy>,
    /// All vulnerabilities of the report, by severity.
    pub counts: Counts,
    /// Those with a fixed version, by severity.
    pub fixable: Counts,
    /// How many were weighed; 0 when the report could not be.
    pub considered: u64,
    /// Those that block, the severest first.
    pub blocking: Vec<Weighed>,
    /// Those that an ignore covers.
    pub ignored: Vec<Ignored>,
    /// How many over the line do not block because they have no fixed version.
    pub unfixed: u64,
    /// How many over the line do not block because the previous release had them.
    pub known: u64,
    /// Which of the ignores matched something; as long as the list of ignores.
    matched: Option<Vec<bool>>,
}

impl GateOutcome {
    fn new(subject: &GateSubject, outcome: Outcome) -> Self {
        Self {
            image: subject.image.clone(),
            platform: subject.platform.clone(),
            outcome,
            bound_by: None,
            counts: Counts::default(),
            fixable: Counts::default(),
            considered: 0,
            blocking: Vec::new(),
            ignored: Vec::new(),
            unfixed: 0,
            known: 0,
            matched: None,
        }
    }
}

/// What the gate made of several platforms and images together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetOutcome {
    /// Each request's outcome, in order; without what concerns the ignores themselves.
    pub members: Vec<GateOutcome>,
    /// All findings and failures, those about the ignores once.
    pub outcome: Outcome,
}

/// Weighs one platform's report.
pub fn evaluate(request: &Request<'_>) -> GateOutcome {
    let mut outcome = weigh(request);
    let findings = review(request.ignores, outcome.matched.as_deref(), request.policy, request.now);
    outcome.outcome.findings.extend(findings);
    outcome
}

/// Weighs several platforms' reports. An ignore that requests share (the same [`Ignores`]) is unused only when
/// it matches in none of them, and is spoken of once.
pub fn evaluate_set(requests: &[Request<'_>]) -> SetOutcome {
    let members: Vec<GateOutcome> = requests.iter().map(weigh).collect();
    let mut outcome = Outcome::new();
    for member in &members {
        outcome.merge(member.outcome.clone());
    }
    let mut done: Vec<*const Ignores> = Vec::new();
    for request in requests {
        if done.iter().any(|ignores| std::ptr::eq(*ignores, request.ignores)) {
            continue;
        }
        done.push(request.ignores);
        let sharing: Vec<(&Request<'_>, &GateOutcome)> =
            requests.iter().zip(&members).filter(|(r, _)| std::ptr::eq(r.ignores, request.ignores)).collect();
        let mut matched = Some(vec![false; request.ignores.entries().len()]);
        for (_, member) in &sharing {
            matched = match (matched, &member.matched) {
                (Some(all), Some(here)) => Some(all.iter().zip(here).map(|(a, b)| *a || *b).collect()),
                _ => None,
            };
        }
        // The strictest policy of those who share the ignores speaks for them.
        let mut policy = request.policy.clone();
        for (sharer, _) in &sharing {
            policy.require_statement |= sharer.policy.require_statement;
            policy.require_expiry |= sharer.policy.require_expiry;
        }
        outcome.findings.extend(review(request.ignores, matched.as_deref(), &policy, request.now));
    }
    SetOutcome { members, outcome }
}

fn weigh(request: &Request<'_>) -> GateOutcome {
    let subject = request.subject;
    let Some(bytes) = request.report else {
        let failure = Failure::new(&codes::REPORT_MISSING, format!("there is no scan report of {subject}"))
            .help(format!("scan the digest {} with `trivy image --format json`", subject.manifest_digest));
        return GateOutcome::new(subject, failure.into());
    };
    let named = request.report_file.map_or_else(|| "the scan report".to_owned(), ToString::to_string);
    let report = match Report::parse(bytes) {
        Ok(report) => report,
        Err(error) => {
            let message = format!("{named} of {subject} cannot be read: {error}");
            return GateOutcome::new(subject, Failure::new(&codes::REPORT_UNREADABLE, message).into());
        }
    };
    let bound_by = match report.shape {
        Shape::Artifact => subject.bound_by(&report.metadata),
        Shape::List | Shape::Cluster => None,
    };
    if bound_by.is_none() {
        let finding = Finding::error(&codes::REPORT_MISMATCH, mismatch(&named, subject, &report))
            .about(&subject.manifest_digest)
            .help(format!("scan the digest {} itself", subject.manifest_digest));
        return GateOutcome::new(subject, vec![place(finding, request)].into());
    }
    let mut outcome = GateOutcome::new(subject, Outcome::new());
    outcome.bound_by = bound_by;
    outcome.counts = report.counts();
    outcome.fixable = report.fixable();
    let (baseline, note) = baseline(request);
    outcome.outcome.findings.extend(note);
    Weighing { request, baseline, outcome }.run(&report)
}

fn place(finding: Finding, request: &Request<'_>) -> Finding {
    match request.report_file {
        Some(file) => finding.at(Location::file(Utf8PathBuf::from(file))),
        None => finding,
    }
}

fn mismatch(named: &str, subject: &GateSubject, report: &Report<'_>) -> String {
    let short = |text: &str| text.chars().take(120).collect::<String>();
    let metadata: &Metadata<'_> = &report.metadata;
    let mut about = match report.shape {
        Shape::List => {
            return format!(
                "{named} does not say what was scanned (a Trivy before 0.20 wrote it), so it is not about {subject}"
            );
        }
        Shape::Cluster => return format!("{named} is about a Kubernetes cluster, not about {subject}"),
        Shape::Artifact => format!("`{}`", short(&report.artifact_name)),
    };
    let config = &metadata.config;
    if !config.os.is_empty() {
        let scanned = Platform::new(&config.os, &config.architecture, None);
        if scanned.os != subject.platform.os || scanned.architecture != subject.platform.architecture {
            about.push_str(&format!(" for {}", short(&scanned.to_string())));
        }
    }
    let image_id = if metadata.image_id.is_empty() {
        "no ImageID".to_owned()
    } else {
        format!("ImageID {}", short(&metadata.image_id))
    };
    format!(
        "{named} speaks of {about} ({image_id}), not of {subject} (config {}, manifest {})",
        subject.config_digest, subject.manifest_digest
    )
}

type Baseline = Option<HashSet<(String, String)>>;

/// What the previous release had, by id and package: the same vulnerability in another version of the
/// package, or at another path, is not new.
fn baseline(request: &Request<'_>) -> (Baseline, Option<Finding>) {
    if request.policy.mode == Mode::Block {
        return (None, None);
    }
    let why_not = match request.previous {
        None => "there is no report of the previous release".to_owned(),
        Some(previous) => match Report::parse(previous.report) {
            Err(error) => format!("the previous release's report cannot be read: {error}"),
            Ok(report)
                if previous.subject.is_some_and(|subject| subject.bound_by(&report.metadata).is_none()) =>
            {
                "the report given as the previous release's speaks of another image".to_owned()
            }
            Ok(report) => {
                let had = report.results.iter().flat_map(|result| {
                    let suppressed = result.modified.iter().map(|modified| &modified.finding);
                    result.vulnerabilities.iter().chain(suppressed)
                });
                return (Some(had.map(|v| (v.id.to_string(), v.package.to_string())).collect()), None);
            }
        },
    };
    let message = format!("{}: {why_not}, so everything over the line blocks", request.subject);
    (
        None,
        Some(
            Finding::note(&codes::REGRESSION_WITHOUT_BASELINE, message)
                .about(&request.subject.manifest_digest),
        ),
    )
}

struct Weighing<'a> {
    request: &'a Request<'a>,
    baseline: Baseline,
    outcome: GateOutcome,
}

impl Weighing<'_> {
    fn run(mut self, report: &Report<'_>) -> GateOutcome {
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
