//! What only the command line can find out.

use loadline_core::Code;

/// git could not say what is released.
pub static CHECKOUT_UNKNOWN: Code = Code::new(
    "checkout-unknown",
    "git could not say which commit is released",
    "A release names the commit that it was built from, so it runs inside a git checkout with at least one \
     commit. The message says what git answered.",
);

/// There is no version to release, or it is none.
pub static VERSION_INVALID: Code = Code::new(
    "version-invalid",
    "there is no version to release, or it is none",
    "The version is what `--version` says, else what the tag given with `--tag` says, else the version tag at \
     HEAD. A tag that is given must be at HEAD: provenance names the ref and the commit that were built, and \
     they must be the same content.",
);

/// The command line contradicts the configuration, or asks for what is not there.
pub static ARGUMENT_INVALID: Code = Code::new(
    "argument-invalid",
    "an argument cannot be used with this configuration or in this place",
    "The message says which argument or variable, and what it should be.",
);

/// The configuration demands nothing that can be verified.
pub static POLICY_INVALID: Code = Code::new(
    "policy-invalid",
    "the configuration demands nothing that can be verified",
    "A policy without an identity would accept anybody's signature, so there is none: `[verify]` must name the \
     workflow that signs.",
);

/// There is nobody to sign.
pub static SIGNER_UNKNOWN: Code = Code::new(
    "signer-unknown",
    "there is no identity to sign with",
    "Keyless signing needs an identity token: under GitHub Actions give the job `id-token: write`; elsewhere \
     put a token into SIGSTORE_ID_TOKEN. To try everything without an account, use `--sandbox`.",
);

/// The sandbox could not be started.
pub static SANDBOX_FAILED: Code = Code::new(
    "sandbox-failed",
    "the sandbox could not be started",
    "The embedded registry and Sigstore keep their data and port in one folder and take them up again. The \
     message says what stood in the way: a port that something else holds, a folder that cannot be written, \
     data of a newer version.",
);

/// A rehearsal could not be prepared.
pub static REHEARSAL_FAILED: Code = Code::new(
    "rehearsal-failed",
    "the rehearsal could not be prepared",
    "A rehearsal keeps what stands in for secrets and for docker's configuration in `target/loadline-rehearsal`, which \
     it begins anew each time. The message says what stood in the way.",
);

/// A rehearsal gave a build something else for its secret.
pub static SECRET_STOOD_IN: Code = Code::new(
    "secret-stood-in",
    "a rehearsal gave a build a made-up text for its secret",
    "`release --rehearse` reads no secret, also where there is one, so that it runs for pull requests from forks. The \
     instruction that mounts the secret sees a made-up text. Where that makes the build fail, rehearse the other images, \
     or let the instruction do without the secret.",
);

/// Whose signatures are believed could not be read.
pub static TRUST_ROOT_UNREADABLE: Code = Code::new(
    "trust-root-unreadable",
    "the trust root or signing config could not be read",
    "Without a trust root nothing can be verified, and without a signing config nothing signed. The message \
     names the file and what is wrong with it.",
);

/// A trust root could not be fetched anew.
pub static TRUST_ROOT_STALE: Code = Code::new(
    "trust-root-stale",
    "a trust root could not be fetched anew",
    "`loadline trust update` fetches roots through TUF, and one could not be had: the repository did not answer, \
     or its metadata did not verify. What was there before stays in use: an earlier copy, else the one that is \
     built in. `loadline trust show` says which one that is and how old.",
);

/// The HTTP client could not be made.
pub static HTTP_UNAVAILABLE: Code = Code::new(
    "http-unavailable",
    "no HTTP client could be made",
    "A proxy's address or a file of certificate authorities is wrong; the message says which.",
);

/// A file that was named could not be read.
pub static INPUT_UNREADABLE: Code = Code::new(
    "input-unreadable",
    "a file that was named could not be read",
    "The message names the file and what stood in the way: it is not there, may not be read, is too large for \
     what it should be, or is something else.",
);

/// A file could not be written.
pub static OUTPUT_UNWRITABLE: Code = Code::new(
    "output-unwritable",
    "a file could not be written",
    "The message names the file and what the system said. Nothing is left half-written: what was there before \
     is there still.",
);

/// containerd's image verifier is asked about an image that its file says nothing of.
pub static IMAGE_UNLISTED: Code = Code::new(
    "image-unlisted",
    "an image is to be pulled that the image verifier's file says nothing of",
    "With `others = \"refuse\"` only images that a table `[[image]]` names are pulled. Add the repository to a \
     table with a policy, or to one with `allow` and the reason.",
);

/// The image verifier had no verdict in time.
pub static DEADLINE_PASSED: Code = Code::new(
    "deadline-passed",
    "there was no verdict in time",
    "containerd ends an image verifier after ten seconds and tells nobody why, so this one gives up before \
     that and says so; the pull is refused. The registry or a log answers slowly: try again, or raise both \
     `deadline` and containerd's `per_verifier_timeout`.",
);

/// The image verifier was called wrongly, or its file is wrong.
pub static IMAGE_VERIFIER_MISCALLED: Code = Code::new(
    "image-verifier-miscalled",
    "the image verifier was called wrongly, or its file is wrong",
    "containerd calls it with `-name`, `-digest` and `-stdin-media-type`, and a descriptor on standard input; \
     what it demands stands in `loadline-image-verifier.toml`. The message says what is wrong. Nothing is \
     pulled until it is mended.",
);

/// All codes of this room.
pub static CODES: &[&Code] = &[
    &CHECKOUT_UNKNOWN,
    &VERSION_INVALID,
    &ARGUMENT_INVALID,
    &POLICY_INVALID,
    &SIGNER_UNKNOWN,
    &SANDBOX_FAILED,
    &REHEARSAL_FAILED,
    &SECRET_STOOD_IN,
    &TRUST_ROOT_UNREADABLE,
    &TRUST_ROOT_STALE,
    &HTTP_UNAVAILABLE,
    &INPUT_UNREADABLE,
    &OUTPUT_UNWRITABLE,
    &IMAGE_UNLISTED,
    &DEADLINE_PASSED,
    &IMAGE_VERIFIER_MISCALLED,
];
