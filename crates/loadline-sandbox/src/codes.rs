//! The codes of this room: why a sandbox does not start. All of them are failures.

use loadline_core::{Code, Failure};

use crate::registry::RegistryError;
use crate::sandbox::SandboxError;
use crate::sigstore::{
    AuthorityError, JournalError, KeyError, LogError, RekorError, SigstoreError, TufError,
};

/// The port is taken.
pub static SANDBOX_PORT_TAKEN: Code = Code::new(
    "sandbox-port-taken",
    "something listens on the sandbox's port already",
    "The sandbox takes up the port it had before, because its address stands in certificates and references. \
     End what listens there, which is often another sandbox; or name another port: evidence that was signed at \
     the old address then names an issuer that is not there any more.",
);

/// The address cannot be listened on.
pub static SANDBOX_LISTEN: Code = Code::new(
    "sandbox-listen",
    "the sandbox cannot listen on this address",
    "The operating system refuses the address: it is not one of this machine's, or the port is one that only root \
     may open. Choose a loopback address and a port above 1023, or port 0 for any that is free.",
);

/// The data folder is in use.
pub static SANDBOX_DATA_IN_USE: Code = Code::new(
    "sandbox-data-in-use",
    "another sandbox uses this data folder",
    "Two writers would fork the logs, so that a folder belongs to one sandbox at a time. End the other one, or use \
     another folder.",
);

/// The data folder is of an unknown format.
pub static SANDBOX_DATA_FORMAT: Code = Code::new(
    "sandbox-data-format",
    "the sandbox's data is of a format that this version does not know",
    "A newer version, or something else, wrote the folder. Nothing in it was changed. Use the version that wrote it, \
     or another folder.",
);

/// The data folder cannot be used.
pub static SANDBOX_DATA: Code = Code::new(
    "sandbox-data",
    "the sandbox's data cannot be read or written",
    "The operating system refuses a file or folder: it may be full, read-only, or another user's. What was \
     acknowledged before is still there; mend the cause and start again.",
);

/// Keys, certificates or logs are damaged.
pub static SANDBOX_DATA_DAMAGED: Code = Code::new(
    "sandbox-data-damaged",
    "the sandbox's keys, certificates or logs are damaged",
    "A key or certificate is not what was written, or a log lacks entries that it acknowledged. A log is never \
     shortened silently: whoever holds a proof from it would find it forked. Restore the folder, or start with a new \
     one and sign again. (A record that a kill left unfinished is no damage: it is cut off and reported.)",
);

/// Content of the registry is damaged.
pub static SANDBOX_CONTENT_DAMAGED: Code = Code::new(
    "sandbox-content-damaged",
    "content of the sandbox's registry is damaged",
    "A manifest or blob on disk has another digest than its name says: a disk or another program changed it. It is \
     never served as if it were whole: a request for it gets a 500, or a connection that ends early. Garbage \
     collection leaves the repositories alone that have such a manifest, because it cannot know what they need. \
     Push the content again to mend it.",
);

/// There is no data folder.
pub static SANDBOX_DATA_MISSING: Code = Code::new(
    "sandbox-data-missing",
    "the folder holds no sandbox data",
    "The verb works on what a sandbox left, and the folder that was named has none. Name the folder that \
     `loadline sandbox serve --data` was given; that of `release --sandbox` is `target/loadline-sandbox/data`.",
);

/// All codes of this room.
pub static CODES: &[&Code] = &[
    &SANDBOX_PORT_TAKEN,
    &SANDBOX_LISTEN,
    &SANDBOX_DATA_IN_USE,
    &SANDBOX_DATA_FORMAT,
    &SANDBOX_DATA,
    &SANDBOX_DATA_DAMAGED,
    &SANDBOX_CONTENT_DAMAGED,
    &SANDBOX_DATA_MISSING,
];

impl SandboxError {
    /// The documented code of this error.
    pub fn code(&self) -> &'static Code {
        match self {
            Self::PortTaken { .. } => &SANDBOX_PORT_TAKEN,
            Self::Listen { .. } => &SANDBOX_LISTEN,
            Self::InUse { .. } | Self::Registry(RegistryError::InUse { .. }) => &SANDBOX_DATA_IN_USE,
            Self::Format { .. } => &SANDBOX_DATA_FORMAT,
            Self::Missing { .. } => &SANDBOX_DATA_MISSING,
            Self::Registry(RegistryError::Store(_)) | Self::Data { .. } | Self::Interrupted => &SANDBOX_DATA,
            Self::Registry(_) => &SANDBOX_DATA_FORMAT,
            Self::Sigstore(error) => of_sigstore(error),
        }
    }
}

fn of_sigstore(error: &SigstoreError) -> &'static Code {
    match error {
        SigstoreError::Authority(AuthorityError::Foreign { .. })
        | SigstoreError::Authority(AuthorityError::Key(KeyError::Malformed { .. }))
        | SigstoreError::Tuf(TufError::Damaged { .. } | TufError::Foreign { .. })
        | SigstoreError::Tuf(TufError::Key(KeyError::Malformed { .. }))
        | SigstoreError::Key(KeyError::Malformed { .. }) => &SANDBOX_DATA_DAMAGED,
        SigstoreError::Log(LogError::Journal(error))
        | SigstoreError::Rekor(RekorError::Log(LogError::Journal(error))) => match **error {
            JournalError::Damaged { .. } => &SANDBOX_DATA_DAMAGED,
            JournalError::Format { .. } => &SANDBOX_DATA_FORMAT,
            _ => &SANDBOX_DATA,
        },
        _ => &SANDBOX_DATA,
    }
}

impl From<&SandboxError> for Failure {
    fn from(error: &SandboxError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}
