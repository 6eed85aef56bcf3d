//! What can be found, or fail, in a release as a whole.

use loadline_core::Code;

use crate::legs::codes::{
    BASE_UNRESOLVED, LEG_CONTRADICTED, LEG_FOREIGN, LEG_GONE, LEG_MISSING, LEG_REPORT, LEG_TWICE,
    LEG_UNEXPECTED, LEG_UNREADABLE,
};

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

/// A moving tag is not where its release put it.
pub static MOVING_TAG_LEFT: Code = Code::new(
    "moving-tag-left",
    "a moving tag was moved after its release was complete, and is left where it is",
    "The ledger says that this release gave the tag its place, and the tag is at an older version now: a rollback \
     moved it, or somebody by hand. Running the release again does not undo that. Without the ledger nobody can \
     tell: a release that is run again elsewhere moves the tag forward.",
);

/// An image that is to be public cannot be pulled by everyone.
pub static IMAGE_NOT_PUBLIC: Code = Code::new(
    "image-not-public",
    "an image that is to be public cannot be pulled without credentials",
    "The configuration says `public`, so before anything is tagged the set is pulled without credentials, evidence \
     included, and the registry refused. Registries make a repository private with its first push (GitHub's does): \
     change its visibility where the message says, then run again. Nothing is built or signed a second time.",
);

/// A version was not brought as far as its tags.
pub static VERSION_NOT_READY: Code = Code::new(
    "version-not-ready",
    "the ledger does not say that this version is ready for its tags",
    "`loadline promote` writes the tags of a set that `loadline release --hold` built, proved, verified and gated, from \
     the same checkout and with the same ledger. It builds nothing: run the release first.",
);

/// A version's set is not whole at the registries.
pub static VERSION_INCOMPLETE: Code = Code::new(
    "version-incomplete",
    "the set of a version is not whole at the registries",
    "A rollback moves the tags of the whole set, so every image of the configuration must be there under the \
     version's tags, in every repository. One is missing: it was never released, it was deleted, or the \
     configuration has gained an image or a repository since. In the last case use that version's own \
     configuration (`git worktree add ../old v1.2.3`, then `--config`).",
);

/// The tags of one version do not point at one image.
pub static VERSION_DIFFERS: Code = Code::new(
    "version-differs",
    "the tags of one version do not agree",
    "All tags of one image of one version point at one digest, in every repository, and the image says that it is of \
     this version. Somebody moved or overwrote one: find out which digest is the right one before anything follows it.",
);

/// A rollback has nothing to move.
pub static ROLLBACK_EMPTY: Code = Code::new(
    "rollback-empty",
    "no moving tag follows this version",
    "A rollback moves the moving tags whose channel the version is of: `latest` for stable versions. No image of the \
     configuration has one for this version; a set that is named after commits has none at all.",
);

/// An image is not what would be built now.
pub static IMAGE_STALE: Code = Code::new(
    "image-stale",
    "an image is not what would be built now",
    "An image carries what it was made from: the commit, or the digests of the inputs that the configuration lists and \
     of its base images, with the configuration's digest. Held against what is there now, something differs; the \
     message says what. An image that carries nothing of the kind counts as stale.",
);

/// What an image is made from cannot be told.
pub static KEY_UNKNOWN: Code = Code::new(
    "key-unknown",
    "what an image is made from cannot be told",
    "Inputs could not be read, a pattern of `inputs` finds no file, a Dockerfile does not tell its base images, or no \
     tag can be told without a version; the message says which. In a release this is a warning: the image then \
     carries no key, and nobody can tell later whether it is current.",
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
    &MOVING_TAG_LEFT,
    &IMAGE_NOT_PUBLIC,
    &VERSION_NOT_READY,
    &VERSION_INCOMPLETE,
    &VERSION_DIFFERS,
    &ROLLBACK_EMPTY,
    &IMAGE_STALE,
    &KEY_UNKNOWN,
    &SIGNING_INTERRUPTED,
    &LEDGER_TORN,
    &LEDGER_UNUSABLE,
    &SBOM_FAILED,
    &SIGNING_FAILED,
    &ROOT_NOT_UTF8,
    &STEP_TIMED_OUT,
    &LEG_MISSING,
    &LEG_TWICE,
    &LEG_UNEXPECTED,
    &LEG_FOREIGN,
    &LEG_GONE,
    &LEG_CONTRADICTED,
    &LEG_UNREADABLE,
    &LEG_REPORT,
    &BASE_UNRESOLVED,
];
