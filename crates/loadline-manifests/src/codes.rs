//! What can be said of the references in a file.

use loadline_core::Code;

/// An image is named without a digest.
pub static MANIFEST_IMAGE_UNPINNED: Code = Code::new(
    "manifest-image-unpinned",
    "a file names an image without its digest",
    "What was verified is a digest; a tag may lead elsewhere by the time that somebody pulls it. Write the digest behind the tag, `image:tag@sha256:…`, or let `loadline verify -f FILE --pin` do so.",
);
/// An image's name is not known before the file is used.
pub static MANIFEST_IMAGE_UNRESOLVED: Code = Code::new(
    "manifest-image-unresolved",
    "what image a file means is not known before it is used",
    "The reference holds a variable or an expression, or its tag stands in another file, so nobody can say what will be pulled. Write the reference out, or verify the file after its variables were filled in (`docker compose config`, `kustomize build`, `helm template`).",
);
/// A text that should name an image does not.
pub static MANIFEST_IMAGE_INVALID: Code = Code::new(
    "manifest-image-invalid",
    "a file names an image in a way that nobody can pull",
    "The text stands where an image reference belongs and is none; the message says which part is wrong.",
);
/// An image that a file names is not proven.
pub static MANIFEST_IMAGE_UNPROVEN: Code = Code::new(
    "manifest-image-unproven",
    "an image that a file names does not satisfy the policy",
    "The evidence of the image was looked at, and does not satisfy the policy; what is wrong with it stands beside this finding. Use an image that is proven, or mend the policy.",
);
/// An image of others is demanded by digest alone.
pub static MANIFEST_IMAGE_ONLY_PINNED: Code = Code::new(
    "manifest-image-only-pinned",
    "an image of others is held to its digest, and nobody says who made it",
    "The configuration lists its repository under `[[third-party]]` with `only-pinned` and the reason: no evidence is looked for. What is pulled stays the same, and whether it was good to begin with nobody has proven. Give `source` and `verify` instead as soon as evidence is published.",
);
/// An image is built from a file beside it, not pulled.
pub static MANIFEST_IMAGE_BUILT: Code = Code::new(
    "manifest-image-built",
    "the image is what a build is called, nothing that is pulled",
    "A compose service with `build` gives its `image` as the name of the result. There is nothing to verify yet; the bases in its Dockerfile are another file's matter.",
);
/// A reference cannot be changed where it stands.
pub static MANIFEST_PIN_IMPOSSIBLE: Code = Code::new(
    "manifest-pin-impossible",
    "a digest cannot be written where the reference stands",
    "The reference is written with escapes or over several lines, so that no digest can be put behind it without rewriting more than it. Write it on one line, plain or in quotes, and pin again.",
);
/// A file cannot be read.
pub static MANIFEST_UNREADABLE: Code = Code::new(
    "manifest-unreadable",
    "a file could not be read for its images",
    "It is not there, too large, or does not follow its format, so nobody can say which images it names. A Helm template is no YAML before it is rendered: verify the output of `helm template`.",
);
/// Nothing in a file says what it is.
pub static MANIFEST_UNKNOWN: Code = Code::new(
    "manifest-unknown",
    "a file is of no kind whose images are known",
    "Compose files have `services`, Kubernetes manifests `apiVersion` and `kind`, workflows `on` and `jobs`; Dockerfiles, kustomizations and a chart's values are known by their names. This file has none of these, so its images were not looked for. In any file, a comment `loadline: image` marks its line or the next as one that names an image.",
);

/// All codes of this room.
pub static CODES: &[&Code] = &[
    &MANIFEST_IMAGE_UNPINNED,
    &MANIFEST_IMAGE_UNRESOLVED,
    &MANIFEST_IMAGE_INVALID,
    &MANIFEST_IMAGE_UNPROVEN,
    &MANIFEST_IMAGE_ONLY_PINNED,
    &MANIFEST_IMAGE_BUILT,
    &MANIFEST_PIN_IMPOSSIBLE,
    &MANIFEST_UNREADABLE,
    &MANIFEST_UNKNOWN,
];
