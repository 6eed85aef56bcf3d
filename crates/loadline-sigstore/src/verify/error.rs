//! Why a bundle is refused: one variant a rule, each with a documented code. A bad bundle is a finding.

use jiff::Timestamp;
use loadline_core::{Code, Finding};
use thiserror::Error;

use crate::codes::*;

/// Why a bundle is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[allow(missing_docs)]
pub enum VerifyError {
    #[error("the bundle has {size} bytes, more than the {limit} that are read")]
    TooLarge { size: usize, limit: usize },
    #[error("it is no Sigstore bundle: {reason}")]
    Malformed { reason: String },
    #[error("its DSSE envelope has {count} signatures, a bundle's has exactly one")]
    SignatureCount { count: usize },
    #[error(
        "it is signed with a key (hint `{hint}`), and no key was given to verify it with: name one with --key"
    )]
    KeyRequired { hint: String },
    #[error("it is signed by a certificate, and a key was given to verify it with")]
    KeyUnexpected,
    #[error(
        "its certificate is of `{organisation}`, which is neither the public-good instance nor GitHub's: name its trust root with --trusted-root"
    )]
    InstanceUnknown { organisation: String },
    #[error("it has no log entry, and {root} has a transparency log: exactly one is expected")]
    LogEntryMissing { root: String },
    #[error("it has {count} log entries, exactly one is expected: the others could be anybody's")]
    LogEntrySeveral { count: usize },
    #[error("it has a log entry, and {root} has no transparency log to check it by")]
    LogEntryUnexpected { root: String },
    #[error(
        "its log entry comes without a proof of inclusion; only bundles of version 0.1 may come with the log's promise alone"
    )]
    InclusionProofMissing,
    #[error("its log entry comes with neither a proof of inclusion nor the log's promise")]
    InclusionPromiseMissing,
    #[error("its log entry is not proven: {reason}")]
    LogProof { reason: String },
    #[error("its log entry names the log {named}, and {proven} is the one that signed for it")]
    LogIdentity { named: String, proven: String },
    #[error("its log entry is about something else: {reason}")]
    LogEntryMismatch { reason: String },
    #[error("its log entry's time is not possible: {reason}")]
    LogTime { reason: String },
    #[error("its certificate is not trusted: {reason}")]
    Certificate { reason: String },
    #[error(
        "its certificate chain holds a root certificate (`{subject}`): roots come from the trust root, never from a bundle"
    )]
    ChainHasRoot { subject: String },
    #[error("its certificate was not valid when it signed ({time}; valid from {from} to {until})")]
    CertificateTime { time: Timestamp, from: String, until: String },
    #[error("its certificate names {count} subjects, exactly one is expected")]
    CertificateSubject { count: usize },
    #[error("its certificate carries no signed certificate timestamp: no log has seen it issued")]
    SctMissing,
    #[error("its certificate's signed certificate timestamp does not verify: {reason}")]
    Sct { reason: String },
    #[error("nothing proves when it was signed: {reason}")]
    TimestampMissing { reason: String },
    #[error("a timestamp in it does not verify: {reason}")]
    Timestamp { reason: String },
    #[error("its signature is not the signer's: {reason}")]
    Signature { reason: String },
    #[error("its envelope holds `{found}`, in-toto statements are `{expected}`")]
    PayloadType { found: String, expected: &'static str },
    #[error("its statement cannot be read: {reason}")]
    StatementMalformed { reason: String },
    #[error("its statement has the key `{key}` twice: two readers could see two statements")]
    StatementDuplicateKey { key: String },
    #[error("its statement is of type `{found}`, expected `https://in-toto.io/Statement/v1` (or v0.1)")]
    StatementType { found: String },
    #[error("its statement names no predicate type")]
    PredicateType,
    #[error("its statement says nothing: its predicate is {found}")]
    PredicateNull { found: &'static str },
    #[error("expected evidence about {expected}, it speaks of {found}")]
    SubjectMismatch { expected: String, found: String },
    #[error("it cannot be verified from a digest: {reason}; give the file itself")]
    ArtifactForm { reason: String },
    #[error("it uses what is not supported: {reason}")]
    Unsupported { reason: String },
}

impl VerifyError {
    /// The documented code.
    pub const fn code(&self) -> &'static Code {
        match self {
            Self::TooLarge { .. } => &BUNDLE_TOO_LARGE,
            Self::Malformed { .. } | Self::SignatureCount { .. } => &BUNDLE_MALFORMED,
            Self::KeyRequired { .. } => &KEY_REQUIRED,
            Self::KeyUnexpected => &KEY_UNEXPECTED,
            Self::InstanceUnknown { .. } => &INSTANCE_UNKNOWN,
            Self::LogEntryMissing { .. } => &LOG_ENTRY_MISSING,
            Self::LogEntrySeveral { .. } => &LOG_ENTRY_SEVERAL,
            Self::LogEntryUnexpected { .. } => &LOG_ENTRY_UNEXPECTED,
            Self::InclusionProofMissing | Self::InclusionPromiseMissing => &LOG_PROOF_MISSING,
            Self::LogProof { .. } | Self::LogIdentity { .. } => &LOG_PROOF_INVALID,
            Self::LogEntryMismatch { .. } => &LOG_ENTRY_MISMATCH,
            Self::LogTime { .. } => &LOG_TIME_INVALID,
            Self::Certificate { .. } => &CERTIFICATE_UNTRUSTED,
            Self::ChainHasRoot { .. } => &CERTIFICATE_CHAIN_ROOT,
            Self::CertificateTime { .. } => &CERTIFICATE_EXPIRED,
            Self::CertificateSubject { .. } => &CERTIFICATE_SUBJECT,
            Self::SctMissing => &SCT_MISSING,
            Self::Sct { .. } => &SCT_INVALID,
            Self::TimestampMissing { .. } => &TIMESTAMP_MISSING,
            Self::Timestamp { .. } => &TIMESTAMP_INVALID,
            Self::Signature { .. } => &SIGNATURE_INVALID,
            Self::PayloadType { .. } => &PAYLOAD_TYPE,
            Self::StatementMalformed { .. } => &STATEMENT_MALFORMED,
            Self::StatementDuplicateKey { .. } => &STATEMENT_DUPLICATE_KEY,
            Self::StatementType { .. } => &STATEMENT_TYPE,
            Self::PredicateType => &PREDICATE_TYPE_MISSING,
            Self::PredicateNull { .. } => &PREDICATE_NULL,
            Self::SubjectMismatch { .. } => &SUBJECT_MISMATCH,
            Self::ArtifactForm { .. } => &ARTIFACT_FORM,
            Self::Unsupported { .. } => &BUNDLE_UNSUPPORTED,
        }
    }

    /// The finding that it is.
    pub fn finding(&self) -> Finding {
        Finding::error(self.code(), format!("bundle refused: {self}"))
    }
}

impl From<&VerifyError> for Finding {
    fn from(error: &VerifyError) -> Self {
        error.finding()
    }
}
