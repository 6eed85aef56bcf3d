//! What can be said of evidence before it is judged.

use loadline_core::Code;

/// What was pulled is an index without the platform that was demanded.
pub static PLATFORM_MISSING: Code = Code::new(
    "platform-missing",
    "the image has no manifest for a platform that is demanded",
    "Every platform of a release is built, proven and gated. The index at the registry lacks one: build \
     the missing leg and merge again, or take the platform out of the configuration.",
);

/// A source of evidence could not be asked.
pub static EVIDENCE_SOURCE_FAILED: Code = Code::new(
    "evidence-source-failed",
    "a source of evidence could not be asked",
    "Evidence may be where nobody could look, so its absence proves nothing and the verdict is `unknown`. \
     The message says what went wrong; run again when the source answers.",
);

/// There is more evidence than is looked at.
pub static EVIDENCE_LIMIT: Code = Code::new(
    "evidence-limit",
    "there is more evidence on a digest than is looked at",
    "A digest with hundreds of referrers is an attack or an accident. Only the first are fetched, those \
     that say they are Sigstore bundles before all others; if none of them satisfies, the verdict is \
     `unknown`. Remove what does not belong there, or raise the limit.",
);

/// What the reference points at could not be read.
pub static IMAGE_UNREADABLE: Code = Code::new(
    "image-unreadable",
    "the image could not be read from the registry",
    "Without its manifest nothing can be said of an image. The message says whether it is absent, whether \
     credentials are missing, or whether the registry could not be reached.",
);

/// All codes of this room.
pub static CODES: &[&Code] =
    &[&PLATFORM_MISSING, &EVIDENCE_SOURCE_FAILED, &EVIDENCE_LIMIT, &IMAGE_UNREADABLE];
