//! Long-lived signing keys: ECDSA P-256, unencrypted PKCS#8, PEM.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use loadline_core::{Digest, Secret};
use sigstore_crypto::{KeyAlgorithm, KeyPair};
use sigstore_types::DerPublicKey;

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
                "it is encrypted; only unencrypted PKCS#8 is read: `openssl pkcs8 -topk8 -nocrypt`",
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
