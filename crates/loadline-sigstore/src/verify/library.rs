//! The library's errors in our words.

use jiff::Timestamp;
use sigstore_verify::{CertificateError, Error, TimestampError, TransparencyLogError};

use crate::trust::TrustRoot;
use crate::verify::error::VerifyError;

pub(crate) fn translate(error: Error, root: &TrustRoot) -> VerifyError {
    match error {
        Error::Certificate(error) => certificate(error),
        Error::TransparencyLog(error) => log(error),
        Error::Timestamp(error) => timestamp(error),
        Error::SignatureInvalid(reason) => VerifyError::Signature { reason },
        // That the content is about the artifact has been seen to before; what is left is the log entry.
        Error::ArtifactMismatch(reason) => VerifyError::LogEntryMismatch { reason },
        Error::UnsupportedArtifact(reason) => VerifyError::ArtifactForm { reason },
        Error::InvalidBundle(reason) if reason.contains("in-toto statement") => {
            VerifyError::StatementMalformed { reason }
        }
        Error::InvalidBundle(reason) => VerifyError::Malformed { reason },
        Error::UnsupportedBundle(reason) => VerifyError::Unsupported { reason },
        Error::Bundle(error) => bundle(error, root),
        Error::Crypto(error) => VerifyError::Signature { reason: error.to_string() },
        other => VerifyError::Malformed { reason: other.to_string() },
    }
}

fn certificate(error: CertificateError) -> VerifyError {
    let bound =
        |time: Option<Timestamp>| time.map_or_else(|| "an unsaid time".to_owned(), |time| time.to_string());
    match error {
        CertificateError::NotYetValid { time, not_before } => {
            VerifyError::CertificateTime { time, from: bound(Some(not_before)), until: bound(None) }
        }
        CertificateError::Expired { time, not_after } => {
            VerifyError::CertificateTime { time, from: bound(None), until: bound(Some(not_after)) }
        }
        CertificateError::Sct(reason) => VerifyError::Sct { reason },
        other => VerifyError::Certificate { reason: other.to_string() },
    }
}

fn log(error: TransparencyLogError) -> VerifyError {
    match error {
        TransparencyLogError::EntryMismatch(reason) | TransparencyLogError::MalformedEntry(reason) => {
            VerifyError::LogEntryMismatch { reason }
        }
        TransparencyLogError::IntegratedTime(reason) => VerifyError::LogTime { reason },
        other => VerifyError::LogProof { reason: other.to_string() },
    }
}

fn timestamp(error: TimestampError) -> VerifyError {
    match error {
        TimestampError::NoVerifiedTimestamp(reason) => VerifyError::TimestampMissing { reason },
        other => VerifyError::Timestamp { reason: other.to_string() },
    }
}

fn bundle(error: sigstore_bundle::Error, root: &TrustRoot) -> VerifyError {
    use sigstore_bundle::Error as Bundle;
    match error {
        Bundle::MissingInclusionProof(_) => VerifyError::InclusionProofMissing,
        Bundle::MissingInclusionPromise(_) => VerifyError::InclusionPromiseMissing,
        Bundle::MissingCheckpoint | Bundle::LogIndexOutOfRange { .. } | Bundle::CheckpointRootMismatch => {
            VerifyError::LogProof { reason: error.to_string() }
        }
        Bundle::MissingSigningTimeEvidence | Bundle::MissingTimestamp => VerifyError::TimestampMissing {
            reason: format!("it carries nothing that {} could vouch for", root.name()),
        },
        other => VerifyError::Malformed { reason: other.to_string() },
    }
}
