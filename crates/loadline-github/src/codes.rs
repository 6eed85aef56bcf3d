//! The codes of what can fail here.

use loadline_core::Code;

/// The token lacks a permission.
pub static GITHUB_PERMISSION: Code = Code::new(
    "github-permission",
    "GitHub refuses this to the token",
    "The token is missing, was refused, or lacks a permission. To add attestations, a job's token needs \
     `permissions: attestations: write`; in a private repository the account's plan must offer attestations \
     too. Grant it, or set `github-attestations = \"off\"` and let consumers find the evidence at the registry.",
);
/// No such repository or digest.
pub static GITHUB_NOT_FOUND: Code = Code::new(
    "github-not-found",
    "GitHub has no such repository, or does not show it",
    "GitHub answers so for repositories that do not exist and for private ones that the token may not see. \
     Check `source` under `[release]`, and the token.",
);
/// Too many requests.
pub static GITHUB_RATE_LIMITED: Code = Code::new(
    "github-rate-limited",
    "GitHub wants fewer requests",
    "The limit of requests is used up; the message says when to come back. Set GITHUB_TOKEN: known accounts \
     may ask far more often than unknown ones.",
);
/// GitHub could not be reached.
pub static GITHUB_UNREACHABLE: Code = Code::new(
    "github-unreachable",
    "GitHub could not be reached, or did not answer in time",
    "The name could not be resolved, the connection was refused or broke, the certificate is not trusted, or \
     GitHub itself was down. The message says which; run again.",
);
/// GitHub takes no such bundle.
pub static GITHUB_REFUSED: Code = Code::new(
    "github-refused",
    "GitHub does not take this",
    "GitHub looked at what was sent and refused it. The message carries what it said.",
);
/// An answer that makes no sense.
pub static GITHUB_ANSWER: Code = Code::new(
    "github-answer",
    "GitHub answered with something that makes no sense, or with too much",
    "The answer was not what the API's documentation says, or larger than is read. A proxy on the way may \
     have answered in GitHub's place.",
);

/// All codes of this room.
pub static CODES: &[&Code] = &[
    &GITHUB_PERMISSION,
    &GITHUB_NOT_FOUND,
    &GITHUB_RATE_LIMITED,
    &GITHUB_UNREACHABLE,
    &GITHUB_REFUSED,
    &GITHUB_ANSWER,
];
