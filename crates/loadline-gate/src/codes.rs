//! The codes of this room.

use loadline_core::Code;

/// All codes of this room.
pub static CODES: &[&Code] = &[
    &VULNERABILITY,
    &SEVERITY_UNKNOWN,
    &REPORT_MISSING,
    &REPORT_UNREADABLE,
    &REPORT_MISMATCH,
    &REPORT_EMPTY,
    &REPORT_SUPPRESSED,
    &REPORT_SECRETS,
    &OS_END_OF_LIFE,
    &REGRESSION_WITHOUT_BASELINE,
    &IGNORE_UNREADABLE,
    &IGNORE_EXPIRED,
    &IGNORE_UNUSED,
    &IGNORE_UNEXPLAINED,
    &IGNORE_UNKNOWN_KEY,
];

/// A vulnerability over the line.
pub static VULNERABILITY: Code = Code::new(
    "vulnerability",
    "a vulnerability at or above the image's `fail-on` severity",
    "The scan report of this platform holds a vulnerability that the image's gate does not let through. \
     Update the package to the fixed version that is named, rebuild and scan again. Where the vulnerable code \
     cannot be reached, ignore it in `.trivyignore.yaml` with a `statement` that says why and an `expired_at` \
     that forces another look.",
);

/// A vulnerability whose severity the scanner does not know.
pub static SEVERITY_UNKNOWN: Code = Code::new(
    "severity-unknown",
    "vulnerabilities that the scanner could not rate",
    "A vulnerability without a severity is neither above nor below the line. It does not block unless the policy \
     says so, but it never passes without being named. Look it up; ignore it with a statement \
     when it is harmless.",
);

/// No report for a platform.
pub static REPORT_MISSING: Code = Code::new(
    "report-missing",
    "no scan report was given for a platform",
    "The gate weighs a report of every platform of every image. Without one nothing can be said, so the verdict \
     is `unknown`, never `pass`. Scan the platform's digest (`trivy image --format json --output FILE \
     REPOSITORY@DIGEST`) and hand the file over.",
);

/// A report that is not one.
pub static REPORT_UNREADABLE: Code = Code::new(
    "report-unreadable",
    "a scan report could not be read",
    "The file is not a Trivy JSON report of schema version 2, is cut off, or is larger than the gate reads. \
     Nothing can be said about the image, so the verdict is `unknown`. Write it anew with `trivy image --format \
     json`; tables, SARIF, CycloneDX and Kubernetes summaries are not read by the gate.",
);

/// A report about something else.
pub static REPORT_MISMATCH: Code = Code::new(
    "report-mismatch",
    "a scan report speaks of another image than the one being released",
    "A report binds to a platform when its `Metadata.ImageID` is the digest of the platform's config, when its \
     `RepoDigests` name the digest of the platform's manifest, or when its `DiffIDs` equal the config's in full. \
     None of these holds: it is about another platform, an older build or another image, or it names the index \
     only, which does not say what was scanned. Scan the very digest that is to be released.",
);

/// A report that lists no result at all.
pub static REPORT_EMPTY: Code = Code::new(
    "report-empty",
    "a scan report lists no result at all",
    "The scanner found nothing that it can look at: no known distribution and no packages. That is right for an \
     image from scratch with one static file, and a warning for all others: a scanner that sees nothing finds \
     nothing.",
);

/// Vulnerabilities that were suppressed when the scan was made.
pub static REPORT_SUPPRESSED: Code = Code::new(
    "report-suppressed",
    "vulnerabilities were suppressed when the scan was made",
    "The report says (`ExperimentalModifiedFindings`) that the scanner left out vulnerabilities over the line \
     because of an ignore file, a policy or a VEX document that the gate was not given. They are named so that \
     the reason can be looked at. Give the same ignore file to the gate, and it judges them itself.",
);

/// The report found secrets.
pub static REPORT_SECRETS: Code = Code::new(
    "report-secrets",
    "the scan found secrets in the image",
    "The gate weighs vulnerabilities only, but the report also lists keys or tokens in the image's files. Whoever \
     pulls the image can read them: take them out of every layer and revoke them.",
);

/// The distribution is no longer maintained.
pub static OS_END_OF_LIFE: Code = Code::new(
    "os-end-of-life",
    "the image's distribution is past its end of life",
    "Nobody publishes vulnerabilities or fixes for it any more, so a short list, and above all a short list of \
     fixed ones, says little. Move to a maintained release of the base image.",
);

/// Regression mode without anything to compare with.
pub static REGRESSION_WITHOUT_BASELINE: Code = Code::new(
    "regression-without-baseline",
    "`mode = \"regression\"` had no earlier report to compare with",
    "The gate was to block only what the previous release did not have, but there is no report of the previous \
     release, or it cannot be read, or it speaks of another image. Everything over the line blocks, as with \
     `mode = \"block\"`. From the next release on there is something to compare with.",
);

/// An ignore file that cannot be read.
pub static IGNORE_UNREADABLE: Code = Code::new(
    "ignore-unreadable",
    "an ignore file cannot be read",
    "The file breaks the format of `.trivyignore` or `.trivyignore.yaml`: a date that is none, a bad pattern, \
     wrong YAML. The scanner skips such entries without a word; the gate refuses them, because an ignore that is \
     half understood hides more or less than was meant.",
);

/// An ignore whose time is over.
pub static IGNORE_EXPIRED: Code = Code::new(
    "ignore-expired",
    "an ignore has expired",
    "Its `expired_at` has come (it lapses at 00:00 UTC that day), so what it covered counts again. Look at the \
     vulnerability once more: update the package, or set a new date with a statement that still holds.",
);

/// An ignore that matches nothing.
pub static IGNORE_UNUSED: Code = Code::new(
    "ignore-unused",
    "an ignore matches nothing in any report",
    "What it covered is gone, or its id, paths or purls never matched. A stale ignore hides the vulnerability \
     when it comes back: remove it.",
);

/// An ignore without a reason or an end.
pub static IGNORE_UNEXPLAINED: Code = Code::new(
    "ignore-unexplained",
    "an ignore has no statement or no expiry",
    "Whoever reads it later cannot tell why it is there and nobody is made to look again. In `.trivyignore.yaml` \
     give it a `statement` and an `expired_at`; in `.trivyignore` a comment above it and `exp:YYYY-MM-DD` after \
     the id. Where the policy demands them it is an error and covers nothing.",
);

/// A key that no reader of the format knows.
pub static IGNORE_UNKNOWN_KEY: Code = Code::new(
    "ignore-unknown-key",
    "an ignore has a key that the format does not know",
    "Trivy reads `id`, `paths`, `purls`, `expired_at` and `statement`, and skips all other keys without a word. \
     A misspelt `expires_at` so makes an ignore that never ends.",
);
