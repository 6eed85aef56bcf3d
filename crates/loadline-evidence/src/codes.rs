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

/// A statement is too large for a place that it goes to.
pub static STATEMENT_TOO_LARGE: Code = Code::new(
    "statement-too-large",
    "a statement is too large for a place that it goes to",
    "GitHub takes predicates up to 16,777,216 bytes and 1,024 subjects, Rekor v1 the whole envelope in base64, \
     and a bundle must stay within what verifiers read. Nothing was signed. The detail says which part of the \
     predicate weighs what: bills of materials mostly grow by file components and by evidence. Leave those \
     out, make one document a platform, or attach what is large as an artifact of its own and sign its digest.",
);

/// The image itself was not looked at, so that its platforms are not known.
pub static PLATFORMS_NOT_SEEN: Code = Code::new(
    "platforms-not-seen",
    "the image itself was not looked at, so that its platforms are not known",
    "Without a connection only the digest that was named is judged, by the bundles at hand. If it is an index, \
     its evidence speaks of the index; whether each of its platforms has evidence was not asked. Verify each \
     platform's own digest, or let the registry be asked.",
);

/// Something that is listed is not there.
pub static EVIDENCE_GONE: Code = Code::new(
    "evidence-gone",
    "an image or evidence is listed and is not there",
    "An index names a manifest, or a list of referrers names evidence, which the registry answers not to have: \
     collected as garbage, mostly, or not copied with the image.",
);

/// All codes of this room.
pub static CODES: &[&Code] = &[
    &EVIDENCE_GONE,
    &PLATFORM_MISSING,
    &EVIDENCE_SOURCE_FAILED,
    &EVIDENCE_LIMIT,
    &IMAGE_UNREADABLE,
    &STATEMENT_TOO_LARGE,
];
