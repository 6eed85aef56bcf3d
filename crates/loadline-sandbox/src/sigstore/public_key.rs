//! Signatures of clients, checked: which algorithms they may use, and under which names.

use aws_lc_rs::digest::{self, Digest};
use aws_lc_rs::signature::{self, UnparsedPublicKey, VerificationAlgorithm};
use const_oid::ObjectIdentifier;
use const_oid::db::{rfc5912, rfc8410};
use der::Decode;
use spki::SubjectPublicKeyInfoOwned;
use x509_cert::Certificate;

/// A key that no service of ours accepts, or bytes that are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PublicKeyError {
    /// Not a SubjectPublicKeyInfo, nor a certificate.
    #[error("it cannot be parsed")]
    Malformed,
    /// Its algorithm, curve or size.
    #[error(
        "its algorithm or size is not accepted: use ECDSA on P-256, P-384 or P-521, Ed25519, or RSA of 2048, 3072 or 4096 bits"
    )]
    Unsupported,
}

/// The accepted algorithms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Algorithm {
    P256,
    P384,
    P521,
    Ed25519,
    Rsa(usize),
}

/// A client's public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicKey {
    algorithm: Algorithm,
    key: Vec<u8>,
    /// The DER SubjectPublicKeyInfo.
    pub(crate) spki: Vec<u8>,
}

impl PublicKey {
    /// The key in a DER SubjectPublicKeyInfo.
    pub(crate) fn from_spki(der: &[u8]) -> Result<Self, PublicKeyError> {
        let spki = SubjectPublicKeyInfoOwned::from_der(der).map_err(|_| PublicKeyError::Malformed)?;
        let key = spki.subject_public_key.raw_bytes().to_vec();
        let algorithm = match spki.algorithm.oid {
            rfc5912::ID_EC_PUBLIC_KEY => {
                let curve = spki.algorithm.parameters.ok_or(PublicKeyError::Malformed)?;
                let curve: ObjectIdentifier = curve.decode_as().map_err(|_| PublicKeyError::Unsupported)?;
                match curve {
                    rfc5912::SECP_256_R_1 => Algorithm::P256,
                    rfc5912::SECP_384_R_1 => Algorithm::P384,
                    rfc5912::SECP_521_R_1 => Algorithm::P521,
                    _ => return Err(PublicKeyError::Unsupported),
                }
            }
            rfc8410::ID_ED_25519 => Algorithm::Ed25519,
            rfc5912::RSA_ENCRYPTION => Algorithm::Rsa(rsa_bits(&key)?),
            _ => return Err(PublicKeyError::Unsupported),
        };
        let parsed = Self { algorithm, key, spki: der.to_vec() };
        // The library looks closer: a point must be on its curve.
        UnparsedPublicKey::new(parsed.verifiers()[0].0, &parsed.key)
            .parse()
            .map_err(|_| PublicKeyError::Malformed)?;
        Ok(parsed)
    }

    /// The key of a DER certificate.
    pub(crate) fn from_certificate(der: &[u8]) -> Result<Self, PublicKeyError> {
        let certificate = Certificate::from_der(der).map_err(|_| PublicKeyError::Malformed)?;
        let spki = der::Encode::to_der(&certificate.tbs_certificate.subject_public_key_info);
        Self::from_spki(&spki.map_err(|_| PublicKeyError::Malformed)?)
    }

    /// True when `signature` over `message` is this key's, with any hash the key may be used with.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.verifiers().iter().any(|(verifier, _)| {
            UnparsedPublicKey::new(*verifier, &self.key).verify(message, signature).is_ok()
        })
    }

    /// True when `signature` over a message with this digest is this key's. Ed25519 signs no digests.
    pub(crate) fn verifies_digest(&self, hash: Hash, digest: &[u8], signature: &[u8]) -> bool {
        let Ok(digest) = Digest::import_less_safe(digest, hash.algorithm()) else { return false };
        self.verifiers().iter().filter(|(_, with)| *with == Some(hash)).any(|(verifier, _)| {
            UnparsedPublicKey::new(*verifier, &self.key).verify_digest(&digest, signature).is_ok()
        })
    }

    /// The hash that a `PublicKeyDetails` of Sigstore names, when it names this kind of key.
    pub(crate) fn hash_of(&self, details: &str) -> Option<Hash> {
        match (self.algorithm, details) {
            (Algorithm::P256, "PKIX_ECDSA_P256_SHA_256")
            | (Algorithm::Rsa(2048), "PKIX_RSA_PKCS1V15_2048_SHA256")
            | (Algorithm::Rsa(3072), "PKIX_RSA_PKCS1V15_3072_SHA256")
            | (Algorithm::Rsa(4096), "PKIX_RSA_PKCS1V15_4096_SHA256") => Some(Hash::Sha256),
            (Algorithm::P384, "PKIX_ECDSA_P384_SHA_384") => Some(Hash::Sha384),
            (Algorithm::P521, "PKIX_ECDSA_P521_SHA_512") => Some(Hash::Sha512),
            _ => None,
        }
    }

    /// True when a `PublicKeyDetails` names this kind of key, for a message that is at hand.
    pub(crate) fn is_of(&self, details: &str) -> bool {
        self.hash_of(details).is_some() || (self.algorithm == Algorithm::Ed25519 && details == "PKIX_ED25519")
    }

    fn verifiers(&self) -> &'static [(&'static dyn VerificationAlgorithm, Option<Hash>)] {
        match self.algorithm {
            Algorithm::P256 => &[(&signature::ECDSA_P256_SHA256_ASN1, Some(Hash::Sha256))],
            Algorithm::P384 => &[
                (&signature::ECDSA_P384_SHA384_ASN1, Some(Hash::Sha384)),
                (&signature::ECDSA_P384_SHA256_ASN1, Some(Hash::Sha256)),
            ],
            Algorithm::P521 => &[
                (&signature::ECDSA_P521_SHA512_ASN1, Some(Hash::Sha512)),
                (&signature::ECDSA_P521_SHA256_ASN1, Some(Hash::Sha256)),
            ],
            Algorithm::Ed25519 => &[(&signature::ED25519, None)],
            Algorithm::Rsa(_) => &[(&signature::RSA_PKCS1_2048_8192_SHA256, Some(Hash::Sha256))],
        }
    }
}

/// The hashes that entries and time stamps may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    /// The name in Sigstore's `HashAlgorithm`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA2_256",
            Self::Sha384 => "SHA2_384",
            Self::Sha512 => "SHA2_512",
        }
    }

    /// Bytes in a digest.
    pub(crate) fn length(self) -> usize {
        self.algorithm().output_len()
    }

    fn algorithm(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }
}

/// The size of an RSA key, when it is one of those accepted: RFC 8017 appendix A.1.1.
fn rsa_bits(key: &[u8]) -> Result<usize, PublicKeyError> {
    #[derive(der::Sequence)]
    struct RsaPublicKey {
        modulus: der::asn1::Uint,
        exponent: der::asn1::Uint,
    }
    let key = RsaPublicKey::from_der(key).map_err(|_| PublicKeyError::Malformed)?;
    let modulus = key.modulus.as_bytes();
    let leading = modulus.first().map_or(0, |byte| byte.leading_zeros() as usize);
    let odd = key.exponent.as_bytes().last().is_some_and(|byte| byte % 2 == 1);
    match modulus.len() * 8 - leading {
        bits @ (2048 | 3072 | 4096) if odd => Ok(bits),
        _ => Err(PublicKeyError::Unsupported),
    }
}
