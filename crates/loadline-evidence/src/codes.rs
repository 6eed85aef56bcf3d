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

/// An archive of evidence is not what it was when it was saved.
pub static ARCHIVE_TAMPERED: Code = Code::new(
    "archive-tampered",
    "an archive of evidence is not what it was when it was saved",
    "Every member of the archive is named by the digest of its bytes, and one has another, is missing, or is \
     one too many; or the whole file has another digest than `--archive-digest` says. Nothing in it is judged.",
);

/// A file is no archive of evidence.
pub static ARCHIVE_UNREADABLE: Code = Code::new(
    "archive-unreadable",
    "a file is no archive of evidence, or one cannot be made",
    "`loadline verify --save FILE` writes archives: uncompressed tars whose first member is \
     `loadline-evidence.json`. The message says what this file is instead.",
);

/// An archive has not the image that was asked for.
pub static ARCHIVE_IMAGE_MISSING: Code = Code::new(
    "archive-image-missing",
    "the archive has nothing of an image that is to be verified",
    "With `--from` nothing is asked of any registry, so an image that was not saved cannot be judged. Save the \
     archive again with it.",
);

/// A tag in an archive is the archive's word.
pub static ARCHIVE_TAG_UNPROVEN: Code = Code::new(
    "archive-tag-unproven",
    "that a tag leads to a digest is the archive's word",
    "Evidence speaks of digests; nobody signs where a tag leads. What is proven is the digest in the message: \
     pull that one, or compare it with the digest that you expect.",
);

/// A verdict is an earlier one.
pub static VERDICT_CACHED: Code = Code::new(
    "verdict-cached",
    "the verdict is an earlier one",
    "The same digest passed under the same policy and trust roots a short while ago, so that nothing was asked \
     again. `--no-cache` asks.",
);

/// All codes of this room.
pub static CODES: &[&Code] = &[
    &EVIDENCE_GONE,
    &ARCHIVE_TAMPERED,
    &ARCHIVE_UNREADABLE,
    &ARCHIVE_IMAGE_MISSING,
    &ARCHIVE_TAG_UNPROVEN,
    &VERDICT_CACHED,
    &PLATFORM_MISSING,
    &EVIDENCE_SOURCE_FAILED,
    &EVIDENCE_LIMIT,
    &IMAGE_UNREADABLE,
    &STATEMENT_TOO_LARGE,
    &PLATFORMS_NOT_SEEN,
];
