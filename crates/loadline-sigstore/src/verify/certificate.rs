//! What is read off certificates beyond what the library tells. Nothing here decides whether a
//! certificate is genuine: that the library does, with the roots.

use std::collections::BTreeMap;

use jiff::Timestamp;
use loadline_core::proof::{Claim, Identity, SigningTime};
use sigstore_crypto::x509::FulcioCiClaims;
use sigstore_types::bundle::VerificationMaterialContent;
use sigstore_types::{Bundle, DerCertificate, MediaType};
use x509_cert::Certificate;
use x509_cert::der::asn1::Utf8StringRef;
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::{Decode as _, Encode as _};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::trust::TrustRoot;
use crate::verify::error::VerifyError;

const ORGANISATION: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.10");
/// RFC 6962, section 3.3: the list of SCTs in a certificate.
const SCT_LIST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.11129.2.4.2");
/// Fulcio's type of other names: user names that are no mail addresses.
const FULCIO_OTHER_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1.7");
/// GitHub's own issuer; its certificates of before 2023 carry the claims under their old numbers only.
const GITHUB_ISSUER: &str = "https://token.actions.githubusercontent.com";

/// What a leaf says of itself, not yet believed.
pub(crate) struct Leaf {
    pub(crate) authority: String,
    pub(crate) subject: String,
    pub(crate) has_sct: bool,
    pub(crate) from: Option<Timestamp>,
    pub(crate) until: Option<Timestamp>,
    issuer: Vec<u8>,
}

/// Reads the leaf.
pub(crate) fn leaf(der: &DerCertificate) -> Result<Leaf, VerifyError> {
    let certificate = parse(der)?;
    let validity = &certificate.tbs_certificate.validity;
    let time = |time: &x509_cert::time::Time| Timestamp::try_from(time.to_system_time()).ok();
    let extensions = certificate.tbs_certificate.extensions.as_deref().unwrap_or(&[]);
    Ok(Leaf {
        authority: organisation(&certificate).unwrap_or_default(),
        subject: subject(&certificate)?,
        has_sct: extensions.iter().any(|extension| extension.extn_id == SCT_LIST),
        from: time(&validity.not_before),
        until: time(&validity.not_after),
        issuer: certificate.tbs_certificate.issuer.to_der().unwrap_or_default(),
    })
}

impl Leaf {
    /// Whether an authority of this root has the name of the leaf's issuer. It proves nothing: it chooses by
    /// which root the proof is attempted.
    pub(crate) fn is_of(&self, root: &TrustRoot) -> bool {
        root.library()
            .certificate_authorities
            .iter()
            .flat_map(|authority| &authority.cert_chain.certificates)
            .filter_map(|certificate| parse(&certificate.raw_bytes).ok())
            .any(|certificate| {
                certificate.tbs_certificate.subject.to_der().ok().as_ref() == Some(&self.issuer)
            })
    }

    /// Refuses a time of signing at which it was not valid.
    pub(crate) fn check_times(&self, times: &[SigningTime]) -> Result<(), VerifyError> {
        let words = |time: Option<Timestamp>| time.map_or_else(|| "ever".to_owned(), |time| time.to_string());
        let outside = |at: &Timestamp| {
            self.from.is_none_or(|from| *at < from) || self.until.is_none_or(|until| *at > until)
        };
        match times.iter().map(|time| time.at).find(outside) {
            Some(time) => {
                Err(VerifyError::CertificateTime { time, from: words(self.from), until: words(self.until) })
            }
            None => Ok(()),
        }
    }
}

/// Who a certificate says that it is of, genuine or not.
pub(crate) fn subject_of(der: &DerCertificate) -> Result<String, VerifyError> {
    subject(&parse(der)?)
}

/// Refuses a chain that brings a root certificate.
///
/// Signers must not include one (`sigstore_bundle.proto`, `VerificationMaterial`). Bundles of version 0.1
/// were written before that was said, npm's among them: there a root that is the trust root's own, byte
/// for byte, is passed over, because it adds nothing.
pub(crate) fn refuse_roots(bundle: &Bundle, root: &TrustRoot) -> Result<(), VerifyError> {
    let VerificationMaterialContent::X509CertificateChain { certificates } =
        &bundle.verification_material.content
    else {
        return Ok(());
    };
    let known = |der: &DerCertificate| {
        root.library()
            .certificate_authorities
            .iter()
            .flat_map(|authority| &authority.cert_chain.certificates)
            .any(|trusted| trusted.raw_bytes == *der)
    };
    for (position, entry) in certificates.iter().enumerate() {
        let certificate = parse(&entry.raw_bytes)?;
        let tbs = &certificate.tbs_certificate;
        let superfluous =
            position > 0 && bundle.media_type == MediaType::Bundle0_1 && known(&entry.raw_bytes);
        if tbs.subject == tbs.issuer && !superfluous {
            return Err(VerifyError::ChainHasRoot { subject: tbs.subject.to_string() });
        }
    }
    Ok(())
}

fn parse(der: &DerCertificate) -> Result<Certificate, VerifyError> {
    Certificate::from_der(der.as_bytes())
        .map_err(|error| VerifyError::Certificate { reason: format!("it cannot be read: {error}") })
}

/// The issuer's organisation, where there is exactly one.
fn organisation(certificate: &Certificate) -> Option<String> {
    let mut found = certificate
        .tbs_certificate
        .issuer
        .0
        .iter()
        .flat_map(|name| name.0.iter())
        .filter(|attribute| attribute.oid == ORGANISATION)
        .map(|attribute| attribute.value.value());
    match (found.next(), found.next()) {
        (Some(bytes), None) => std::str::from_utf8(bytes).ok().map(str::to_owned),
        _ => None,
    }
}

/// The one subject alternative name. Fulcio writes exactly one; a certificate with several would let
/// its reader choose.
fn subject(certificate: &Certificate) -> Result<String, VerifyError> {
    let names = certificate
        .tbs_certificate
        .get::<SubjectAltName>()
        .map_err(|error| VerifyError::Certificate { reason: format!("its subject cannot be read: {error}") })?
        .map(|(_, names)| names.0)
        .unwrap_or_default();
    let [name] = names.as_slice() else {
        return Err(VerifyError::CertificateSubject { count: names.len() });
    };
    let text = match name {
        GeneralName::Rfc822Name(mail) => Some(mail.to_string()),
        GeneralName::UniformResourceIdentifier(uri) => Some(uri.to_string()),
        GeneralName::OtherName(other) if other.type_id == FULCIO_OTHER_NAME => {
            // `[0] EXPLICIT ANY`: the value is the UTF8String, with or without its own header.
            let bytes = other.value.value();
            Utf8StringRef::from_der(bytes)
                .map(|text| text.as_str().to_owned())
                .ok()
                .or_else(|| std::str::from_utf8(bytes).ok().map(str::to_owned))
        }
        _ => None,
    };
    text.filter(|text| !text.is_empty()).ok_or(VerifyError::CertificateSubject { count: 0 })
}

/// The identity of a certificate that verified.
pub(crate) fn identity(leaf: &Leaf, issuer: Option<&str>, claims: &FulcioCiClaims) -> Identity {
    let issuer = issuer.unwrap_or_default().to_owned();
    let mut found = BTreeMap::new();
    for (claim, value) in [
        (Claim::BuildSignerUri, &claims.build_signer_uri),
        (Claim::BuildSignerDigest, &claims.build_signer_digest),
        (Claim::RunnerEnvironment, &claims.runner_environment),
        (Claim::SourceRepositoryUri, &claims.source_repository_uri),
        (Claim::SourceRepositoryDigest, &claims.source_repository_digest),
        (Claim::SourceRepositoryRef, &claims.source_repository_ref),
        (Claim::SourceRepositoryIdentifier, &claims.source_repository_identifier),
        (Claim::SourceRepositoryOwnerUri, &claims.source_repository_owner_uri),
        (Claim::SourceRepositoryOwnerIdentifier, &claims.source_repository_owner_identifier),
        (Claim::BuildConfigUri, &claims.build_config_uri),
        (Claim::BuildConfigDigest, &claims.build_config_digest),
        (Claim::BuildTrigger, &claims.build_trigger),
        (Claim::RunInvocationUri, &claims.run_invocation_uri),
        (Claim::SourceRepositoryVisibility, &claims.source_repository_visibility_at_signing),
        (Claim::DeploymentEnvironment, &claims.deployment_environment),
        (Claim::TokenSubject, &claims.token_subject),
    ] {
        if let Some(value) = value {
            found.insert(claim, value.clone());
        }
    }
    if issuer == GITHUB_ISSUER {
        let old = &claims.deprecated_github;
        for (claim, value) in [
            (Claim::BuildTrigger, old.workflow_trigger.clone()),
            (Claim::SourceRepositoryDigest, old.workflow_sha.clone()),
            (Claim::SourceRepositoryRef, old.workflow_ref.clone()),
            (
                Claim::SourceRepositoryUri,
                old.workflow_repository.as_ref().map(|name| format!("https://github.com/{name}")),
            ),
        ] {
            if let Some(value) = value {
                found.entry(claim).or_insert(value);
            }
        }
    }
    Identity { subject: leaf.subject.clone(), issuer, authority: leaf.authority.clone(), claims: found }
}
