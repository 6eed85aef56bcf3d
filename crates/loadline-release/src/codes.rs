//! What can be found, or fail, in a release as a whole.

use loadline_core::Code;

/// The same version was begun with other content.
pub static VERSION_CONTENT_DIFFERS: Code = Code::new(
    "version-content-differs",
    "this version was begun with other content",
    "The ledger says that this version was begun from another commit, configuration or work tree. A version \
     is one content: give the new content a new version, or go back to the commit that the ledger names to \
     finish the old one.",
);

/// The checkout has changes that are not committed.
pub static UNCOMMITTED_CHANGES: Code = Code::new(
    "uncommitted-changes",
    "the checkout has changes that are not committed",
    "Provenance names the commit that was built. What is not committed is in no commit, so nobody could build \
     it again. Commit it, or ignore it by `.gitignore`; `--allow-dirty` releases it all the same, and the \
     provenance then carries the digest of the changes.",
);

/// A version tag points at another digest.
pub static VERSION_TAG_TAKEN: Code = Code::new(
    "version-tag-taken",
    "a version tag already points at another digest",
    "A version tag never moves. Someone published this version before, with other content: release the next \
     version. If the old tag was a mistake that nobody pulled, delete it at the registry first.",
);

/// A moving tag stays where it is.
pub static MOVING_TAG_AHEAD: Code = Code::new(
    "moving-tag-ahead",
    "a moving tag already points at a newer version and stays there",
    "A patch of an older line leaves `latest` alone. This is as it should be; the note only says so.",
);

/// Nobody can tell which version a moving tag points at.
pub static MOVING_TAG_UNKNOWN: Code = Code::new(
    "moving-tag-unknown",
    "it cannot be told which version a moving tag points at",
    "A moving tag never goes back in version order, so its present version must be known. What it points at \
     says none, neither in its annotations nor in its labels (`org.opencontainers.image.version`). Delete \
     the tag at the registry, or move it once by hand to an image that says its version.",
);

/// A killed run may have left a second log entry.
pub static SIGNING_INTERRUPTED: Code = Code::new(
    "signing-interrupted",
    "an earlier run was ended while it signed: the log may hold an entry without a bundle",
    "The statement is signed again, which makes a second entry for the same statement in the transparency \
     log. It is harmless, and it is told because someone may ask what it is.",
);

/// The ledger's last line was half written.
pub static LEDGER_TORN: Code = Code::new(
    "ledger-torn",
    "the ledger's last line was half written and was set aside",
    "A kill or a full disk ended an earlier run in the middle of a record. The half line was moved to a file \
     beside the ledger and the release goes on from the record before it; nothing was lost, since every \
     effect can be done again.",
);

/// The ledger cannot be used.
pub static LEDGER_UNUSABLE: Code = Code::new(
    "ledger-unusable",
    "the ledger or a file beside it cannot be read or written",
    "Without the ledger nobody can tell what was already done, so nothing is done. The message names the \
     file and what is wrong with it.",
);

/// A layer could not be read for its bill of materials.
pub static SBOM_FAILED: Code = Code::new(
    "sbom-failed",
    "an image's bill of materials could not be made",
    "A layer could not be fetched or read. Without a bill of materials for every platform there is no \
     release; the message says which layer and why.",
);

/// A statement could not be signed.
pub static SIGNING_FAILED: Code = Code::new(
    "signing-failed",
    "a statement could not be signed",
    "The identity provider, the certificate authority, the transparency log or the time stamping authority \
     refused or could not be reached; the message says which. Statements are saved beside the ledger: run \
     again and the release goes on from there.",
);

/// The checkout's path cannot be spoken of.
pub static ROOT_NOT_UTF8: Code = Code::new(
    "root-not-utf8",
    "the checkout's path is not UTF-8",
    "Findings name files by their paths, and documents are UTF-8. Move the checkout to a path that is.",
);

/// A release took longer than its time limit.
pub static STEP_TIMED_OUT: Code = Code::new(
    "step-timed-out",
    "a step took longer than its time limit",
    "Raise `timeout` under `[release]` or of the image, or find out what it waited for; then run again: the \
     release goes on from where it stood.",
);

/// All codes of this room.
pub static CODES: &[&Code] = &[
    &VERSION_CONTENT_DIFFERS,
    &UNCOMMITTED_CHANGES,
    &VERSION_TAG_TAKEN,
    &MOVING_TAG_AHEAD,
    &MOVING_TAG_UNKNOWN,
    &SIGNING_INTERRUPTED,
    &LEDGER_TORN,
    &LEDGER_UNUSABLE,
    &SBOM_FAILED,
    &SIGNING_FAILED,
    &ROOT_NOT_UTF8,
    &STEP_TIMED_OUT,
];
