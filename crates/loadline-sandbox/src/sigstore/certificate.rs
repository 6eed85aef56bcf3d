//! X.509 certificates: put together from parts, signed with our keys.

use std::str::FromStr;
use std::time::Duration;

use const_oid::ObjectIdentifier;
use der::asn1::{BitString, OctetString, UtcTime};
use der::{Decode, Encode};
use jiff::Timestamp;
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::{
    AuthorityKeyIdentifier, BasicConstraints, ExtendedKeyUsage, KeyUsage, KeyUsages, SubjectKeyIdentifier,
};
use x509_cert::name::Name;
use x509_cert::serial_number::SerialNumber;
use x509_cert::time::{Time, Validity};
use x509_cert::{Certificate, TbsCertificate, Version};

use super::keys::{KeyError, SigningKey, random, sha256};

/// ecdsa-with-SHA256, RFC 5758 section 3.2.
pub(crate) const ECDSA_WITH_SHA256: ObjectIdentifier = const_oid::db::rfc5912::ECDSA_WITH_SHA_256;

const KEY_USAGE: ObjectIdentifier = const_oid::db::rfc5280::ID_CE_KEY_USAGE;
const BASIC_CONSTRAINTS: ObjectIdentifier = const_oid::db::rfc5280::ID_CE_BASIC_CONSTRAINTS;
const EXTENDED_KEY_USAGE: ObjectIdentifier = const_oid::db::rfc5280::ID_CE_EXT_KEY_USAGE;
const SUBJECT_KEY_IDENTIFIER: ObjectIdentifier = const_oid::db::rfc5280::ID_CE_SUBJECT_KEY_IDENTIFIER;
const AUTHORITY_KEY_IDENTIFIER: ObjectIdentifier = const_oid::db::rfc5280::ID_CE_AUTHORITY_KEY_IDENTIFIER;

/// A certificate that could not be made or read.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A part cannot be encoded, or the bytes are no certificate.
    #[error("certificate: {0}")]
    Der(#[from] der::Error),
    /// The time lies outside of what a certificate can say.
    #[error("certificate: the time {0} is outside 1970 to 2049")]
    Time(Timestamp),
    /// It could not be signed.
    #[error(transparent)]
    Key(#[from] KeyError),
}

/// What a certificate says before an issuer signs it.
pub(crate) struct Request<'a> {
    /// The subject; empty for a signing certificate, as Fulcio has it.
    pub(crate) subject: Name,
    /// The subject's public key, a DER SubjectPublicKeyInfo.
    pub(crate) spki: &'a [u8],
    /// First second of validity.
    pub(crate) not_before: Timestamp,
    /// Last second of validity.
    pub(crate) not_after: Timestamp,
    /// Beside the two key identifiers, which come third and fourth, as in Fulcio's certificates.
    pub(crate) extensions: Vec<Extension>,
}

/// The name `O=loadline sandbox, CN=COMMON_NAME`.
pub(crate) fn name(common_name: &str) -> Result<Name, der::Error> {
    Name::from_str(&format!("CN={common_name},O={}", super::ORGANISATION))
}

/// An extension with `value`'s DER inside.
pub(crate) fn extension(
    oid: ObjectIdentifier,
    critical: bool,
    value: &impl Encode,
) -> Result<Extension, der::Error> {
    raw_extension(oid, critical, value.to_der()?)
}

/// An extension with exactly these bytes inside.
pub(crate) fn raw_extension(
    oid: ObjectIdentifier,
    critical: bool,
    value: impl Into<Vec<u8>>,
) -> Result<Extension, der::Error> {
    Ok(Extension { extn_id: oid, critical, extn_value: OctetString::new(value)? })
}

/// What makes a certificate that of an authority.
pub(crate) fn authority_extensions(path_length: u8) -> Result<Vec<Extension>, der::Error> {
    Ok(vec![
        extension(KEY_USAGE, true, &KeyUsage(KeyUsages::KeyCertSign | KeyUsages::CRLSign))?,
        extension(
            BASIC_CONSTRAINTS,
            true,
            &BasicConstraints { ca: true, path_len_constraint: Some(path_length) },
        )?,
    ])
}

/// What makes a certificate that of a signer for one purpose.
pub(crate) fn signer_extensions(
    purpose: ObjectIdentifier,
    critical_purpose: bool,
) -> Result<Vec<Extension>, der::Error> {
    Ok(vec![
        extension(KEY_USAGE, true, &KeyUsage(KeyUsages::DigitalSignature.into()))?,
        extended_key_usage(purpose, critical_purpose)?,
    ])
}

/// The extended key usage that allows one purpose.
pub(crate) fn extended_key_usage(purpose: ObjectIdentifier, critical: bool) -> Result<Extension, der::Error> {
    extension(EXTENDED_KEY_USAGE, critical, &ExtendedKeyUsage(vec![purpose]))
}

/// The part to be signed of a certificate that `issuer` will issue under `issuer_name`.
pub(crate) fn to_be_signed(
    request: Request<'_>,
    issuer_name: &Name,
    issuer: &SigningKey,
) -> Result<TbsCertificate, CertificateError> {
    let mut extensions = request.extensions;
    let subject_public_key_info = SubjectPublicKeyInfoOwned::from_der(request.spki)?;
    let own = SubjectKeyIdentifier(key_identifier(&subject_public_key_info)?);
    let issuers = SubjectPublicKeyInfoOwned::from_der(issuer.spki())?;
    let authority = AuthorityKeyIdentifier {
        key_identifier: Some(key_identifier(&issuers)?),
        authority_cert_issuer: None,
        authority_cert_serial_number: None,
    };
    let place = extensions.len().min(2);
    extensions.insert(place, extension(SUBJECT_KEY_IDENTIFIER, false, &own)?);
    extensions.insert(place + 1, extension(AUTHORITY_KEY_IDENTIFIER, false, &authority)?);
    // 19 random bytes after a fixed one: positive, at most 20 octets (RFC 5280 section 4.1.2.2).
    let mut serial = random::<20>()?;
    serial[0] = (serial[0] & 0x3f) | 0x40;
    Ok(TbsCertificate {
        version: Version::V3,
        serial_number: SerialNumber::new(&serial)?,
        signature: ecdsa_with_sha256(),
        issuer: issuer_name.clone(),
        validity: Validity { not_before: time(request.not_before)?, not_after: time(request.not_after)? },
        subject: request.subject,
        subject_public_key_info,
        issuer_unique_id: None,
        subject_unique_id: None,
        extensions: Some(extensions),
    })
}

/// Signs it, and gives the certificate's DER.
pub(crate) fn sign(
    tbs_certificate: TbsCertificate,
    issuer: &SigningKey,
) -> Result<Vec<u8>, CertificateError> {
    let signature = issuer.sign(&tbs_certificate.to_der()?)?;
    let certificate = Certificate {
        tbs_certificate,
        signature_algorithm: ecdsa_with_sha256(),
        signature: BitString::from_bytes(&signature)?,
    };
    Ok(certificate.to_der()?)
}

/// ecdsa-with-SHA256, its parameters absent.
pub(crate) fn ecdsa_with_sha256() -> AlgorithmIdentifierOwned {
    AlgorithmIdentifierOwned { oid: ECDSA_WITH_SHA256, parameters: None }
}

/// The leftmost 160 bits of the key's SHA-256: RFC 7093 section 2, method 1.
fn key_identifier(spki: &SubjectPublicKeyInfoOwned) -> Result<OctetString, der::Error> {
    OctetString::new(&sha256(spki.subject_public_key.raw_bytes())[..20])
}

fn time(at: Timestamp) -> Result<Time, CertificateError> {
    let seconds = u64::try_from(at.as_second()).map_err(|_| CertificateError::Time(at))?;
    let time = UtcTime::from_unix_duration(Duration::from_secs(seconds));
    Ok(Time::UtcTime(time.map_err(|_| CertificateError::Time(at))?))
}
