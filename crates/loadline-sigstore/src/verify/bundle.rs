//! Reading a bundle: the shape that protobuf-specs' `sigstore_bundle.proto` gives it, and no more.

use serde::Deserialize;
use serde::de::IgnoredAny;
use sigstore_types::Bundle;

use crate::json::duplicate_key;
use crate::verify::error::VerifyError;

/// The largest bundle that is read: 24 MiB. GitHub takes predicates of up to 16 MiB, and what it takes must be
/// verifiable here: in base64 such a predicate, with the names of 1,024 subjects around it, needs 22 MiB.
pub const BUNDLE_LIMIT: usize = 24 * 1024 * 1024;

/// Reads a bundle.
///
/// The library takes the first of several contents or materials, the first of two equal keys, and a
/// missing media type for version 0.1; here each is refused.
pub(crate) fn read(json: &[u8]) -> Result<Bundle, VerifyError> {
    if json.len() > BUNDLE_LIMIT {
        return Err(VerifyError::TooLarge { size: json.len(), limit: BUNDLE_LIMIT });
    }
    let malformed = |reason: String| VerifyError::Malformed { reason };
    let text = std::str::from_utf8(json).map_err(|_| malformed("it is not UTF-8".to_owned()))?;
    let shape: Shape = serde_json::from_str(text).map_err(|error| malformed(error.to_string()))?;
    shape.check()?;
    if let Some(key) = duplicate_key(json) {
        return Err(malformed(format!("the key `{key}` stands twice in it")));
    }
    Bundle::from_json(text).map_err(|error| malformed(error.to_string()))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    media_type: Option<String>,
    verification_material: Option<Material>,
    dsse_envelope: Option<Envelope>,
    message_signature: Option<IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Material {
    certificate: Option<IgnoredAny>,
    x509_certificate_chain: Option<IgnoredAny>,
    public_key: Option<IgnoredAny>,
}

#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    signatures: Vec<IgnoredAny>,
}

impl Shape {
    fn check(&self) -> Result<(), VerifyError> {
        let malformed = |reason: &str| Err(VerifyError::Malformed { reason: reason.to_owned() });
        if self.media_type.is_none() {
            return malformed("it has no mediaType");
        }
        let Some(material) = &self.verification_material else {
            return malformed("it has no verificationMaterial");
        };
        let signers = [
            material.certificate.is_some(),
            material.x509_certificate_chain.is_some(),
            material.public_key.is_some(),
        ];
        if signers.iter().filter(|present| **present).count() != 1 {
            return malformed("it must have one of certificate, x509CertificateChain and publicKey");
        }
        match (&self.dsse_envelope, &self.message_signature) {
            (Some(envelope), None) if envelope.signatures.len() == 1 => Ok(()),
            (Some(envelope), None) => Err(VerifyError::SignatureCount { count: envelope.signatures.len() }),
            (None, Some(_)) => Ok(()),
            _ => malformed("it must have one of dsseEnvelope and messageSignature"),
        }
    }
}
