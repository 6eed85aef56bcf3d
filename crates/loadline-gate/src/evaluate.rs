//! The gate itself: a report, ignores and a policy to a verdict.

use camino::{Utf8Path, Utf8PathBuf};
use jiff::Timestamp;
use loadline_core::{Failure, Finding, Location, Outcome, Platform};

use crate::codes;
use crate::ignores::{Ignores, review};
use crate::outcome::{GateOutcome, SetOutcome};
use crate::policy::{GatePolicy, Mode};
use crate::subject::GateSubject;
use crate::trivy::{Metadata, Report, Shape};
use crate::weighing::{Baseline, Weighing};

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

/// Says where the report is, where that is known.
pub(crate) fn place(finding: Finding, request: &Request<'_>) -> Finding {
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
