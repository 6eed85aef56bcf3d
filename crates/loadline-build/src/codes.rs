//! The codes of this room.

use loadline_core::Code;

/// An instruction that the daemonless builder does not carry out.
pub static ASSEMBLE_REFUSED: Code = Code::new(
    "assemble-refused",
    "the Dockerfile has an instruction that the daemonless builder does not carry out",
    "`builder = \"assemble\"` makes an image without running anything, so RUN, ONBUILD and ADD of a URL or git \
     repository are refused, all of them at once and before any work is done. Build the image with \
     `builder = \"buildx\"`, or move what the instruction does out of the Dockerfile: compile before the build and COPY \
     the result, download with a checksum in a step of its own.",
);

/// A Dockerfile that cannot be built.
pub static ASSEMBLE_DOCKERFILE: Code = Code::new(
    "assemble-dockerfile",
    "the Dockerfile cannot be built as it is written",
    "The line breaks a rule of the Dockerfile reference, names a stage, platform, owner or port that is not there, \
     or uses a variable that is not set. The message says which; BuildKit would refuse nearly all of these too.",
);

/// A COPY or ADD that cannot be made.
pub static ASSEMBLE_COPY: Code = Code::new(
    "assemble-copy",
    "a COPY or ADD cannot be made",
    "The source is not in the build context (or an ignore file excludes it), leaves the context, is a socket or \
     device, or the destination is something else already. Only what is beneath the context can be copied; \
     `--from` copies from a stage, an image or a named context.",
);

/// A context that cannot be read.
pub static ASSEMBLE_CONTEXT: Code = Code::new(
    "assemble-context",
    "the build context cannot be read",
    "The whole context is looked at, whatever the Dockerfile copies, because its digest goes into the provenance. \
     A file that cannot be read, or whose name is not UTF-8, stops the build: mend it, or add it to the \
     `.dockerignore` (or `NAME.dockerignore` beside the Dockerfile, which goes first).",
);

/// A base image that cannot be built on.
pub static ASSEMBLE_BASE: Code = Code::new(
    "assemble-base",
    "a base image cannot be built on",
    "The image is not there for the platform, has ONBUILD triggers, or contradicts itself: a layer that is not \
     what its configuration says, or that holds paths outside the root.",
);

/// A build that could not be finished for reasons outside its input.
pub static ASSEMBLE_UNFINISHED: Code = Code::new(
    "assemble-unfinished",
    "the daemonless build could not be finished",
    "A registry did not answer, a disk is full, or a file changed while it was read. Nothing is wrong with the \
     Dockerfile; nothing was tagged. Run the build again once the reason is gone.",
);

/// All codes of this room.
pub static CODES: &[&Code] = &[
    &ASSEMBLE_REFUSED,
    &ASSEMBLE_DOCKERFILE,
    &ASSEMBLE_COPY,
    &ASSEMBLE_CONTEXT,
    &ASSEMBLE_BASE,
    &ASSEMBLE_UNFINISHED,
];
