//! What evidence says of itself, for showing only: nothing here is verified, and nothing is decided by it.

use loadline_core::statement::{PAYLOAD_TYPE, Subject};
use serde::Deserialize;
use sigstore_crypto::x509::parse_certificate_info;
use sigstore_types::bundle::VerificationMaterialContent;
use sigstore_types::{DerCertificate, DsseEnvelope, SignatureContent};

use crate::verify::{VerifyError, read_bundle};

/// What a bundle or envelope says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unverified {
    /// Who is said to have signed.
    pub signer: Option<UnverifiedSigner>,
    /// The predicate's type; none for a signature over the artifact itself.
    pub predicate_type: Option<String>,
    /// What is said to be spoken of.
    pub subjects: Vec<Subject>,
}

/// Who is said to have signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UnverifiedSigner {
    /// The certificate's own words, whoever issued it.
    Certificate {
        /// The subject alternative name.
        subject: String,
        /// The OIDC issuer.
        issuer: Option<String>,
    },
    /// A key, by the hint that the bundle gives.
    Key {
        /// The hint.
        hint: String,
    },
}

#[derive(Deserialize)]
struct Statement {
    #[serde(default)]
    subject: Vec<Subject>,
    #[serde(rename = "predicateType", default)]
    predicate_type: Option<String>,
}

impl Unverified {
    /// What a bundle says.
    ///
    /// # Errors
    /// It is no bundle, or larger than is read.
    pub fn of_bundle(json: &[u8]) -> Result<Self, VerifyError> {
        let bundle = read_bundle(json)?;
        let mut said = match &bundle.content {
            SignatureContent::DsseEnvelope(envelope) => Self::of_payload(envelope),
            _ => Self::default(),
        };
        said.signer = match &bundle.verification_material.content {
            VerificationMaterialContent::PublicKey(key) => {
                Some(UnverifiedSigner::Key { hint: key.hint.chars().take(100).collect() })
            }
            _ => bundle.signing_certificate().and_then(signer),
        };
        Ok(said)
    }

    /// What a bare DSSE envelope says, with the certificate (PEM) that lies beside it: cosign's of old.
    ///
    /// # Errors
    /// It is no envelope.
    pub fn of_envelope(json: &[u8], certificate: Option<&str>) -> Result<Self, VerifyError> {
        let envelope: DsseEnvelope = serde_json::from_slice(json)
            .map_err(|error| VerifyError::Malformed { reason: error.to_string() })?;
        Ok(Self { signer: certificate.and_then(Self::signer_of_pem), ..Self::of_payload(&envelope) })
    }

    /// Who a certificate (PEM) says that it is of.
    pub fn signer_of_pem(pem: &str) -> Option<UnverifiedSigner> {
        DerCertificate::from_pem(pem).ok().as_ref().and_then(signer)
    }

    fn of_payload(envelope: &DsseEnvelope) -> Self {
        let statement = (envelope.payload_type == PAYLOAD_TYPE)
            .then(|| serde_json::from_slice::<Statement>(envelope.payload.as_bytes()).ok())
            .flatten();
        statement.map_or_else(Self::default, |statement| Self {
            signer: None,
            predicate_type: statement.predicate_type,
            subjects: statement.subject,
        })
    }
}

fn signer(certificate: &DerCertificate) -> Option<UnverifiedSigner> {
    let subject = crate::verify::certificate_subject(certificate).ok()?;
    let issuer = parse_certificate_info(certificate).ok().and_then(|information| information.issuer);
    Some(UnverifiedSigner::Certificate { subject, issuer })
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;

    use super::*;

    #[test]
    fn an_envelope_without_a_certificate_still_says_what_it_is_of() {
        let statement = r#"{"_type":"https://in-toto.io/Statement/v0.1","predicateType":"https://slsa.dev/provenance/v0.2","subject":[{"name":"x","digest":{"sha256":"aa"}}],"predicate":{}}"#;
        let envelope = serde_json::json!({
            "payloadType": PAYLOAD_TYPE, "payload": STANDARD.encode(statement), "signatures": [{"sig": "aGk="}],
        });
        let said = Unverified::of_envelope(envelope.to_string().as_bytes(), Some("no certificate")).unwrap();
        assert_eq!(said.predicate_type.as_deref(), Some("https://slsa.dev/provenance/v0.2"));
        assert_eq!(said.subjects.len(), 1);
        assert_eq!(said.signer, None);
        assert!(Unverified::of_envelope(b"[]", None).is_err());
        assert!(Unverified::of_bundle(b"{}").is_err());
    }
}
