//! What a release tells while it runs: one self-contained event per milestone.

use loadline_core::{Digest, Platform, Verdict};
use schemars::JsonSchema;
use serde::Serialize;

/// The steps of a release, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// What can be known before anything is built.
    Preflight,
    /// The rules over the repository.
    Check,
    /// Every leg, pushed by digest.
    Build,
    /// Legs joined into indexes, by digest.
    Merge,
    /// A bill of materials for every leg and every index.
    Sbom,
    /// Statements signed and attached.
    Attest,
    /// Everything verified from the registry, as a consumer would.
    Verify,
    /// The scan reports against the policy.
    Gate,
    /// The verdict signed and attached.
    Summary,
    /// The set, pulled as its users will.
    Pull,
    /// Tags for the whole set.
    Promote,
}

impl Step {
    /// All of them, in their order.
    pub const ALL: &[Self] = &[
        Self::Preflight,
        Self::Check,
        Self::Build,
        Self::Merge,
        Self::Sbom,
        Self::Attest,
        Self::Verify,
        Self::Gate,
        Self::Summary,
        Self::Pull,
        Self::Promote,
    ];

    /// Its name in documents and messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Preflight => "preflight",
            Self::Check => "check",
            Self::Build => "build",
            Self::Merge => "merge",
            Self::Sbom => "sbom",
            Self::Attest => "attest",
            Self::Verify => "verify",
            Self::Gate => "gate",
            Self::Summary => "summary",
            Self::Pull => "pull",
            Self::Promote => "promote",
        }
    }
}

/// A milestone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum Event {
    /// The release begins, or is taken up again.
    ReleaseBegun {
        /// The version.
        version: String,
        /// The commit.
        commit: String,
        /// The images' names.
        images: Vec<String>,
        /// Whether an earlier run left a ledger.
        resumed: bool,
    },
    /// A step begins.
    StepBegun {
        /// Which.
        step: Step,
        /// How many parts it has.
        parts: usize,
    },
    /// A part of a step is done.
    PartDone {
        /// Which step.
        step: Step,
        /// Which part, in words.
        part: String,
        /// Whether it was there already and nothing was done.
        unchanged: bool,
    },
    /// A step ended.
    StepEnded {
        /// Which.
        step: Step,
        /// What it came to.
        verdict: Verdict,
        /// How long it took, in milliseconds.
        ms: u64,
        /// How many requests it made.
        requests: u64,
    },
    /// A stage of a Dockerfile is being worked on.
    StageBegun {
        /// The image.
        image: String,
        /// The platform.
        platform: Platform,
        /// What the builder calls the stage.
        stage: String,
    },
    /// A stage of a Dockerfile is done, or failed.
    StageEnded {
        /// The image.
        image: String,
        /// The platform.
        platform: Platform,
        /// What the builder calls the stage.
        stage: String,
        /// Whether it was taken from a cache.
        cached: bool,
        /// Why it failed, if it did.
        #[serde(skip_serializing_if = "Option::is_none")]
        error: Option<String>,
    },
    /// A builder, or a program that a stage runs, printed a line. Known secrets are masked.
    BuildOutput {
        /// The image.
        image: String,
        /// The platform.
        platform: Platform,
        /// The stage, where one printed it.
        #[serde(skip_serializing_if = "Option::is_none")]
        stage: Option<String>,
        /// The line.
        line: String,
    },
    /// A service cannot be used at the moment, and is waited for.
    Waiting {
        /// What for, in words: a statement to be signed, a bundle to be added.
        part: String,
        /// What went wrong, and where.
        reason: String,
        /// How long until the next try, in milliseconds.
        wait_ms: u64,
        /// How much patience is left after it, in milliseconds.
        left_ms: u64,
    },
    /// A leg is at the registry, by digest.
    LegBuilt {
        /// The image.
        image: String,
        /// The platform.
        platform: Platform,
        /// The manifest's digest.
        #[schemars(with = "String")]
        digest: Digest,
    },
    /// An index is at the registry, by digest.
    IndexMerged {
        /// The image.
        image: String,
        /// The index's digest.
        #[schemars(with = "String")]
        digest: Digest,
    },
    /// A tag points at a digest.
    TagWritten {
        /// The tag, with its repository.
        reference: String,
        /// What it points at.
        #[schemars(with = "String")]
        digest: Digest,
        /// What it pointed at before.
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schemars(with = "Option<String>")]
        previous: Option<Digest>,
    },
    /// The release ended.
    ReleaseEnded {
        /// What it came to.
        verdict: Verdict,
    },
}

/// Who listens. Called from wherever the release runs: it must not block for long.
pub trait Listener: Send + Sync {
    /// Takes an event in.
    fn hear(&self, event: &Event);
}

/// Nobody listens.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silence;

impl Listener for Silence {
    fn hear(&self, _: &Event) {}
}
