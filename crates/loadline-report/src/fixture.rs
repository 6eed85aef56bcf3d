//! An outcome with something of everything in it.

use camino::Utf8Path;
use loadline_core::{Code, Digest, Failure, Finding, Location, Outcome};

pub(crate) static DRIFT: Code = Code::new(
    "shared-region-drift",
    "a shared region differs between files",
    "Files that must share these lines byte for byte do not. Copy the canonical region with `--fix`.",
);
pub(crate) static OLD: Code = Code::new(
    "ignore-expired",
    "an ignore has expired",
    "Its day is over: renew it with a reason or mend what it hid.",
);
pub(crate) static DOWN: Code = Code::new("registry-down", "a registry cannot be reached", "Try again later.");

pub(crate) const DOCKERFILE: &str = "FROM scratch\nARG  ä=1\nRUN b, 100%\n";

pub(crate) fn sources(path: &Utf8Path) -> Option<String> {
    (path == "Dockerfile.daemon").then(|| DOCKERFILE.to_owned())
}

pub(crate) fn outcome() -> Outcome {
    let span = DOCKERFILE.find("RUN b").unwrap_or(0);
    let mut outcome = Outcome::from(vec![
        Finding::error(&DRIFT, "region `base` of `Dockerfile.daemon` differs, 100%")
            .at(Location::span("Dockerfile.daemon", DOCKERFILE, span..span + 5))
            .detail("--- Dockerfile.orchestrator\n+++ Dockerfile.daemon\n@@ -2,2 +2,2 @@\n ARG  ä=1\n-RUN a\n+RUN b, 100%\n")
            .help("copy it: `loadline check --fix`"),
        Finding::warning(&OLD, "the ignore of CVE-2024-1 expired")
            .at(Location::line("dir, with: odd/näme.yaml", 7)),
        Finding::note(&OLD, "a thing about a digest").about(&Digest::of(b"x")),
        Finding::error(&OLD, "second line").at(Location::line("Dockerfile.daemon", 2)),
    ]);
    outcome.failures.push(Failure::new(&DOWN, "ghcr.io did not answer within 30s").help("try again later"));
    outcome
}

/// What a hostile file makes of a message.
pub(crate) fn hostile() -> Outcome {
    let text = "x\u{1b}[31m|`<b>\r\n::error::y\u{202e}";
    let finding = Finding::error(&DRIFT, text).help(text).detail(text);
    let mut outcome = Outcome::from(vec![finding.at(Location::line(text, 1))]);
    outcome.failures.push(Failure::new(&DOWN, text).help(text));
    outcome
}
