//! Long-lived signing keys: ECDSA P-256, PKCS#8, PEM; cosign's encrypted form of them too.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use loadline_core::{Digest, Secret};
use sigstore_crypto::{KeyAlgorithm, KeyPair};
use sigstore_types::DerPublicKey;

use crate::sign::cosign_key;
use crate::sign::error::SignError;
use crate::verify::PublicKey;

const BEGIN: &str = "-----BEGIN PRIVATE KEY-----";
const END: &str = "-----END PRIVATE KEY-----";

/// A long-lived key. It does not print.
#[derive(Debug, Clone)]
pub struct SigningKey {
    pem: Secret,
}

impl SigningKey {
    /// A key from its PEM.
    ///
    /// # Errors
    /// What is encrypted, of another format, or of another algorithm.
    pub fn from_pem(pem: Secret) -> Result<Self, SignError> {
        let key = Self { pem };
        key.pair()?;
        Ok(key)
    }

    /// A key from its PEM, decrypted with this password where cosign encrypted it.
    ///
    /// # Errors
    /// As [`SigningKey::from_pem`]; a wrong password.
    pub fn from_encrypted_pem(pem: &Secret, password: &Secret) -> Result<Self, SignError> {
        let der = cosign_key::decrypt(pem.expose(), password.expose())
            .map_err(|reason| SignError::Key { reason })?;
        Self::from_pem(Secret::new(format!("{BEGIN}\n{}\n{END}\n", STANDARD.encode(der))))
    }

    /// Whether a PEM is cosign's encrypted form, which takes a password.
    pub fn is_encrypted(pem: &Secret) -> bool {
        cosign_key::is_one(pem.expose())
    }

    /// Its public half.
    ///
    /// # Errors
    /// None for a key that was read.
    pub fn public(&self) -> Result<PublicKey, SignError> {
        Ok(PublicKey(self.pair()?.public_key_der().map_err(SignError::crypto)?))
    }

    pub(crate) fn pair(&self) -> Result<KeyPair, SignError> {
        let refuse = |reason: &str| SignError::Key { reason: reason.to_owned() };
        let text = self.pem.expose();
        if text.contains("ENCRYPTED") {
            return Err(refuse(
                "it is encrypted, and not as cosign encrypts; decrypt it with `openssl pkcs8 -topk8 -nocrypt`",
            ));
        }
        let body = text
            .split_once(BEGIN)
            .and_then(|(_, rest)| rest.split_once(END))
            .map(|(body, _)| body.split_whitespace().collect::<String>())
            .ok_or_else(|| refuse("it is no PKCS#8 PEM (`-----BEGIN PRIVATE KEY-----`): convert it with `openssl pkcs8 -topk8 -nocrypt`"))?;
        let der = STANDARD.decode(body).map_err(|_| refuse("what stands in its PEM is not base64"))?;
        let pair = KeyPair::from_pkcs8_der(&der)
            .map_err(|_| refuse("what stands in its PEM is no PKCS#8 key of ECDSA P-256"))?;
        if pair.algorithm() != KeyAlgorithm::EcdsaP256 {
            return Err(refuse("it is of another algorithm than ECDSA P-256"));
        }
        Ok(pair)
    }
}

/// The hint by which cosign finds a key: the digest of its DER in base64.
pub(crate) fn hint(key: &DerPublicKey) -> String {
    let digest = Digest::of(key.as_bytes());
    STANDARD.encode(hex::decode(digest.hex()).unwrap_or_default())
}
