//! Long-lived public keys.

use loadline_core::Digest;
use sigstore_types::DerPublicKey;
use thiserror::Error;

/// Why a text is not a public key.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "the public key cannot be read: {reason}; expected PEM between `-----BEGIN PUBLIC KEY-----` and its end"
)]
pub struct KeyError {
    /// What is wrong.
    pub reason: String,
}

/// A long-lived public key.
#[derive(Debug, Clone)]
pub struct PublicKey(pub(crate) DerPublicKey);

impl PublicKey {
    /// A key from its PEM (`PUBLIC KEY`, a SubjectPublicKeyInfo).
    ///
    /// # Errors
    /// What is not PEM, not a public key, or of an algorithm that cannot be verified.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let key = DerPublicKey::from_pem(pem).map_err(|error| KeyError { reason: error.to_string() })?;
        sigstore_crypto::KeyAlgorithm::from_spki(&key)
            .map_err(|error| KeyError { reason: error.to_string() })?;
        Ok(Self(key))
    }

    /// The key as PEM.
    pub fn to_pem(&self) -> String {
        self.0.to_pem()
    }

    /// The SHA-256 digest of its DER SubjectPublicKeyInfo, in hexadecimal.
    pub fn spki_sha256(&self) -> String {
        Digest::of(self.0.as_bytes()).hex().to_owned()
    }
}
