//! Signatures over an artifact itself.

use loadline_core::proof::Content;
use loadline_core::{Algorithm, Digest};
use sigstore_types::HashAlgorithm;
use sigstore_types::bundle::MessageSignature;

use crate::verify::error::VerifyError;

/// Whether the digest that the bundle names is the one expected. It is a hint, not evidence: the
/// signature is verified over the expected digest in any case.
pub(crate) fn signs(signature: &MessageSignature, digest: &Digest) -> Result<(), VerifyError> {
    match &signature.message_digest {
        Some(named)
            if named.algorithm == HashAlgorithm::Sha2256
                && digest.algorithm() == Algorithm::Sha256
                && hex::encode(named.digest.as_bytes()) != digest.hex() =>
        {
            Err(VerifyError::SubjectMismatch {
                expected: digest.to_string(),
                found: format!("sha256:{}", hex::encode(named.digest.as_bytes())),
            })
        }
        _ => Ok(()),
    }
}

/// What such a signature proves.
pub(crate) fn content(digest: &Digest) -> Result<Content, VerifyError> {
    match digest.algorithm() {
        Algorithm::Sha256 => Ok(Content::Message { sha256: digest.hex().to_owned() }),
        Algorithm::Sha512 => Err(VerifyError::ArtifactForm {
            reason: "a signature over an artifact is verified by its SHA-256 digest".to_owned(),
        }),
    }
}
