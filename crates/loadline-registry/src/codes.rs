//! The codes of what can fail here.

use loadline_core::Code;

/// There is no such thing at the registry.
pub static NOT_FOUND: Code = Code::new(
    "registry-not-found",
    "the registry has no such repository, tag, manifest or blob",
    "The registry answered that it is not there. Some registries say the same about repositories that the \
     account may not see. Check the spelling, and whether the image was pushed by digest only.",
);
/// A credential is missing or was refused.
pub static UNAUTHORISED: Code = Code::new(
    "registry-unauthorised",
    "the registry wants a credential that is missing or was refused",
    "Credentials come from docker's configuration, its credential helpers and REGISTRY_AUTH_FILE. The message \
     names the registry and where was looked. Log in with docker or podman, or set the variable.",
);
/// The registry refuses.
pub static DENIED: Code = Code::new(
    "registry-denied",
    "the registry refuses this to this account",
    "The credential is good but has no right to do this. Give the account or token the right to push (or \
     pull), or check the repository's name: some registries answer so for repositories that do not exist.",
);
/// Too many requests.
pub static RATE_LIMITED: Code = Code::new(
    "registry-rate-limited",
    "the registry wants fewer requests",
    "The registry kept answering 429 for longer than is waited for. Wait for as long as it says, or log in: \
     most registries allow more to known accounts.",
);
/// No answer in time.
pub static TIMED_OUT: Code = Code::new(
    "registry-timed-out",
    "the registry did not answer in time",
    "Neither the first answer nor those after it were complete within the time limit. Try again.",
);
/// Other content than asked for.
pub static DIGEST_MISMATCH: Code = Code::new(
    "registry-digest-mismatch",
    "the registry served other content than was asked for",
    "Content is asked for by digest, and what came has another. The registry, a mirror or a proxy on the way \
     changed or damaged it. It was not used.",
);
/// Over a limit.
pub static TOO_LARGE: Code = Code::new(
    "registry-too-large",
    "what the registry serves is larger than is read",
    "Everything read from outside has a limit: manifests 4 MiB, lists of referrers and tags a number of pages.",
);
/// Not supported.
pub static UNSUPPORTED: Code = Code::new(
    "registry-unsupported",
    "the registry or the format does not support this",
    "The registry refused the kind of request, or the content is of a kind that is not read (docker's schema \
     1, for one).",
);
/// No connection.
pub static UNREACHABLE: Code = Code::new(
    "registry-unreachable",
    "there was no connection to the registry",
    "The name could not be resolved, nothing listens there, the certificate is not trusted, or the connection \
     broke again and again. The message says which.",
);
/// An answer that makes no sense.
pub static PROTOCOL: Code = Code::new(
    "registry-protocol",
    "the registry answered in a way that the specification does not foresee",
    "The status, a header or the document was not what the OCI distribution specification says. The message \
     carries what the registry said.",
);
/// A credential could not be asked for.
pub static CREDENTIAL: Code = Code::new(
    "registry-credential",
    "a credential could not be asked for",
    "Docker's configuration could not be read, or a credential helper is missing, failed or ran out of time. \
     It is not silently done without: a pull that was meant to be logged in should not become anonymous.",
);
/// A file could not be read or written.
pub static FILE: Code = Code::new(
    "registry-file",
    "a file of a layout, or one to push or to save to, could not be read or written",
    "The message names the file and what the system said.",
);

/// The registry has no room left.
pub static STORAGE_FULL: Code = Code::new(
    "registry-storage-full",
    "the registry has no room left",
    "The registry answered 507, Insufficient Storage. What was sent before is there and is not sent again; make \
     room and run again.",
);

/// A copy lacks something.
pub static COPY_INCOMPLETE: Code = Code::new(
    "copy-incomplete",
    "something that was copied is not at the destination",
    "After copying, the destination is asked for every manifest, blob, tag and listing of evidence. One of them \
     is not there, so the image got no tag. Copy again: only what is missing is sent.",
);
/// The source lacks something.
pub static COPY_SOURCE_INCOMPLETE: Code = Code::new(
    "copy-source-incomplete",
    "the source lists something that it does not have",
    "An index names a manifest, or a list of referrers names evidence, which the source registry answers not to \
     have: collected as garbage, mostly. It cannot be copied.",
);
/// The tag is taken.
pub static COPY_TAG_TAKEN: Code = Code::new(
    "copy-tag-taken",
    "the tag at the destination leads to another image",
    "Nothing was copied. A tag that is a version (1.2.3, 1.2.3-server) never moves to another image; others move \
     where `--move-tag` says so.",
);

/// All codes of this room.
pub static CODES: &[&Code] = &[
    &COPY_INCOMPLETE,
    &COPY_SOURCE_INCOMPLETE,
    &COPY_TAG_TAKEN,
    &STORAGE_FULL,
    &NOT_FOUND,
    &UNAUTHORISED,
    &DENIED,
    &RATE_LIMITED,
    &TIMED_OUT,
    &DIGEST_MISMATCH,
    &TOO_LARGE,
    &UNSUPPORTED,
    &UNREACHABLE,
    &PROTOCOL,
    &CREDENTIAL,
    &FILE,
];
