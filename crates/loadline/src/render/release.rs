//! A release for people: one line per fact, the reference to pull, what was changed.

use std::fmt::Write;
use std::path::Path;

use loadline_core::Verdict;
use loadline_release::document::ReleaseDocument;
use loadline_release::plan::Plan;

/// What came of a release.
pub(crate) fn human(document: &ReleaseDocument, ledger: &Path) -> String {
    let mut out = String::new();
    for image in &document.images {
        let _ = writeln!(out, "{}  {}", image.name, image.reference);
        for platform in &image.platforms {
            let _ = writeln!(out, "  {:14} {}", platform.platform.to_string(), platform.digest);
        }
        if !image.tags.is_empty() {
            let _ = writeln!(out, "  {:14} {}", "tags", image.tags.join(", "));
        }
    }
    let effects = &document.effects;
    let changed = match (effects.blobs_pushed, effects.manifests_pushed, effects.tags_moved) {
        (0, 0, 0) => "nothing was changed at the registry".to_owned(),
        (blobs, manifests, tags) => {
            format!("{blobs} blobs and {manifests} manifests pushed, {tags} tags written")
        }
    };
    let ms: u64 = document.steps.iter().map(|step| step.ms).sum();
    let requests: u64 = document.steps.iter().map(|step| step.requests).sum();
    let _ = writeln!(out, "{changed}; {requests} requests in {ms} ms");
    let version = &document.version;
    let _ = match document.verdict {
        Verdict::Pass if document.held => {
            writeln!(out, "pass: {version} is ready; `loadline promote` writes its tags")
        }
        Verdict::Pass => writeln!(out, "pass: {version} is released"),
        Verdict::Fail => writeln!(out, "fail: {version} is not released; the ledger is {}", ledger.display()),
        Verdict::Unknown => writeln!(
            out,
            "unknown: {version} is not released; the ledger is {}, and a rerun goes on from there",
            ledger.display()
        ),
    };
    out
}

/// What a release would do.
pub(crate) fn plan(plan: &Plan) -> String {
    let mut out = String::new();
    let dirty = if plan.dirty.is_some() { " and what is not committed" } else { "" };
    let _ = writeln!(out, "version {} from commit {}{dirty}", plan.version, plan.commit);
    for image in &plan.images {
        let _ = writeln!(out, "{} by {} from {}", image.name, image.builder.name(), image.dockerfile);
        let platforms: Vec<_> = image.platforms.iter().map(ToString::to_string).collect();
        let _ = writeln!(out, "  {:14} {}", "platforms", platforms.join(", "));
        for repository in &image.repositories {
            let _ = writeln!(out, "  {:14} {repository}", "repository");
        }
        let _ = writeln!(out, "  {:14} {}", "tags", image.tags.join(", "));
        if !image.moving_tags.is_empty() {
            let _ = writeln!(out, "  {:14} {}", "moving tags", image.moving_tags.join(", "));
        }
        for report in &image.reports {
            let _ = writeln!(out, "  {:14} {} for {}", "scan report", report.file, report.platform);
        }
    }
    out
}
