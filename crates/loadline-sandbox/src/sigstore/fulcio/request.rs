//! The request for a signing certificate, and the proof that the asker holds the key.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use der::{Decode, Encode};
use serde::Deserialize;
use x509_cert::request::CertReq;

use crate::sigstore::pem;
use crate::sigstore::public_key::PublicKey;
use crate::sigstore::status::Status;

/// `CreateSigningCertificateRequest`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct SigningCertificateRequest {
    #[serde(alias = "credentials")]
    pub(crate) credentials: Option<Credentials>,
    #[serde(alias = "public_key_request")]
    public_key_request: Option<PublicKeyRequest>,
    /// A PKCS#10 request in PEM, the whole in base64.
    #[serde(alias = "certificate_signing_request")]
    certificate_signing_request: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Credentials {
    #[serde(alias = "oidc_identity_token")]
    pub(crate) oidc_identity_token: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PublicKeyRequest {
    #[serde(alias = "public_key")]
    public_key: PublicKeyText,
    #[serde(alias = "proof_of_possession")]
    proof_of_possession: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct PublicKeyText {
    content: String,
}

/// Fulcio's own words.
pub(crate) const INVALID_TOKEN: &str = "There was an error processing the identity token";
const INVALID_CSR: &str = "The certificate signing request could not be parsed";
const INVALID_PUBLIC_KEY: &str = "The public key supplied in the request could not be parsed";
const INSECURE_PUBLIC_KEY: &str = "The public key supplied in the request is insecure";
const INVALID_SIGNATURE: &str = "The signature supplied in the request could not be verified";

impl SigningCertificateRequest {
    /// The key to certify, once the asker has shown that it is theirs: by a self-signed PKCS#10 request, or
    /// by a signature over `name`.
    pub(crate) fn proven_key(&self, name: &str) -> Result<PublicKey, Status> {
        if let Some(request) = self.certificate_signing_request.as_ref().filter(|text| !text.is_empty()) {
            return key_of_request(request);
        }
        let request = self.public_key_request.as_ref();
        let request = request.ok_or_else(|| Status::invalid_argument(INVALID_PUBLIC_KEY))?;
        let spki = match pem::decode(request.public_key.content.as_bytes()) {
            Some((label, der)) if label == "PUBLIC KEY" => der,
            _ => STANDARD
                .decode(&request.public_key.content)
                .map_err(|_| Status::invalid_argument(INVALID_PUBLIC_KEY))?,
        };
        let key = accept(&spki)?;
        let proof = STANDARD.decode(&request.proof_of_possession).unwrap_or_default();
        match key.verifies(name.as_bytes(), &proof) {
            true => Ok(key),
            false => Err(Status::invalid_argument(INVALID_SIGNATURE)),
        }
    }
}

fn key_of_request(text: &str) -> Result<PublicKey, Status> {
    let invalid = || Status::invalid_argument(INVALID_CSR);
    let decoded = STANDARD.decode(text).map_err(|_| invalid())?;
    let der = match pem::decode(&decoded) {
        Some((label, der)) if label == "CERTIFICATE REQUEST" => der,
        Some(_) => return Err(invalid()),
        None => decoded,
    };
    let request = CertReq::from_der(&der).map_err(|_| invalid())?;
    let key = accept(&request.info.public_key.to_der().map_err(|_| invalid())?)?;
    let signed = request.info.to_der().map_err(|_| invalid())?;
    match key.verifies(&signed, request.signature.raw_bytes()) {
        true => Ok(key),
        false => Err(Status::invalid_argument(INVALID_SIGNATURE)),
    }
}

fn accept(spki: &[u8]) -> Result<PublicKey, Status> {
    use crate::sigstore::public_key::PublicKeyError;
    PublicKey::from_spki(spki).map_err(|error| {
        Status::invalid_argument(match error {
            PublicKeyError::Malformed => INVALID_PUBLIC_KEY,
            PublicKeyError::Unsupported => INSECURE_PUBLIC_KEY,
        })
    })
}
