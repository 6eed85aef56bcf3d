//! From a token to an identity: the token checked, and what of it goes into the certificate.
//!
//! The extensions are those of Fulcio's `docs/oid-info.md`, 1.3.6.1.4.1.57264.1.1 to .24.

use std::collections::BTreeMap;

use const_oid::ObjectIdentifier;
use der::asn1::{Ia5String, Utf8StringRef};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use loadline_core::Clock;
use serde_json::{Map, Value};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use super::shapes::{self, Described, San};
use crate::sigstore::certificate::{extension, raw_extension};
use crate::sigstore::issuer::{Issuer, Issuers};

/// The audience that Fulcio's tokens must be for.
pub(crate) const AUDIENCE: &str = "sigstore";
/// How far clocks may differ, in seconds.
const LEEWAY: i64 = 0;
/// The largest token that is looked at.
const TOKEN_LIMIT: usize = 64 * 1024;

const SUBJECT_ALT_NAME: ObjectIdentifier = const_oid::db::rfc5280::ID_CE_SUBJECT_ALT_NAME;

/// Why a token gives no certificate.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IdentityError {
    #[error("the token is larger than {TOKEN_LIMIT} bytes")]
    TooLarge,
    #[error("the token is no JWT: {0}")]
    Malformed(String),
    #[error("unsupported issuer: {0}")]
    UnknownIssuer(String),
    #[error("its signature is not the issuer's")]
    Signature,
    #[error("expected audience \"{AUDIENCE}\", got {0}")]
    Audience(Value),
    #[error("it expired at {0} seconds since 1970, and it is {1}")]
    Expired(i64, i64),
    #[error("it is not valid before {0} seconds since 1970, and it is {1}")]
    Premature(i64, i64),
    #[error("the claim {0} is missing or of the wrong type")]
    Claim(&'static str),
    #[error("value <{0}> not present in either claims or defaults")]
    Template(&'static str),
    #[error("uri subject should not be an email address")]
    EmailAsUri,
    #[error("the subject's scheme and host must be those of {0}")]
    SubjectDomain(&'static str),
    #[error("email address is not valid")]
    Email,
    #[error("email_verified claim was false")]
    EmailNotVerified,
    #[error(
        "the subject {0} is neither an email address nor a URI: ask for a token with claim.email, or with GitHub's claims"
    )]
    Subject(String),
}

/// Who a certificate is for.
#[derive(Debug, Clone)]
pub(crate) struct Identity {
    /// What the proof of possession signs: the email address, or the subject.
    pub(crate) name: String,
    san: San,
    issuer: String,
    /// Number of the extension below Fulcio's arc, and its text.
    values: Vec<(u32, String)>,
}

/// Checks a token as Fulcio does: issuer, signature, audience, time; then reads the identity out of it.
pub(crate) fn authenticate(token: &str, issuers: &Issuers, clock: Clock) -> Result<Identity, IdentityError> {
    if token.len() > TOKEN_LIMIT {
        return Err(IdentityError::TooLarge);
    }
    let unchecked: Map<String, Value> = jsonwebtoken::dangerous::insecure_decode_claims(token)
        .map_err(|error| IdentityError::Malformed(error.to_string()))?;
    let named = unchecked.get("iss").and_then(Value::as_str).unwrap_or_default();
    let issuer = issuers.named(named).ok_or_else(|| IdentityError::UnknownIssuer(named.to_owned()))?;
    let mut validation = Validation::new(Algorithm::ES256);
    // Time and audience are looked at below: by our clock, and with the value in the message.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation.required_spec_claims.clear();
    let key = DecodingKey::from_ec_der(issuer.point());
    let claims = jsonwebtoken::decode::<Map<String, Value>>(token, &key, &validation)
        .map_err(|error| match error.kind() {
            ErrorKind::InvalidSignature | ErrorKind::InvalidAlgorithm => IdentityError::Signature,
            _ => IdentityError::Malformed(error.to_string()),
        })?
        .claims;

    let audience = claims.get("aud").cloned().unwrap_or(Value::Null);
    let is_ours = match &audience {
        Value::String(one) => one == AUDIENCE,
        Value::Array(many) => many.iter().any(|one| one == AUDIENCE),
        _ => false,
    };
    if !is_ours {
        return Err(IdentityError::Audience(audience));
    }
    let now = clock.now().as_second();
    let expires = claims.get("exp").and_then(Value::as_i64).ok_or(IdentityError::Claim("exp"))?;
    if now > expires.saturating_add(LEEWAY) {
        return Err(IdentityError::Expired(expires, now));
    }
    if let Some(begins) = claims.get("nbf").and_then(Value::as_i64)
        && now < begins.saturating_sub(LEEWAY)
    {
        return Err(IdentityError::Premature(begins, now));
    }
    identity(&claims, issuer)
}

fn identity(claims: &Map<String, Value>, issuer: &Issuer) -> Result<Identity, IdentityError> {
    let Described { name, san, values } = shapes::describe(claims, issuer.shape)?;
    Ok(Identity { name, san, issuer: issuer.url.clone(), values })
}

impl Identity {
    /// The extensions that say who it is, in the order Fulcio writes them.
    pub(crate) fn extensions(&self) -> Result<Vec<Extension>, der::Error> {
        let name = match &self.san {
            San::Email(address) => GeneralName::Rfc822Name(Ia5String::new(address)?),
            San::Uri(uri) => GeneralName::UniformResourceIdentifier(Ia5String::new(uri)?),
        };
        // Critical, because the certificate has no subject (RFC 5280 section 4.2.1.6).
        let mut extensions = vec![extension(SUBJECT_ALT_NAME, true, &SubjectAltName(vec![name]))?];
        let issuer = [(1, self.issuer.clone()), (8, self.issuer.clone())];
        let values: BTreeMap<u32, String> = self.values.iter().cloned().chain(issuer).collect();
        for (number, value) in values {
            // Before .8 the text stands there as it is; from .8 on it is a DER UTF8String.
            extensions.push(match number {
                ..8 => raw_extension(oid(number), false, value.as_bytes())?,
                8.. => extension(oid(number), false, &Utf8StringRef::new(&value)?)?,
            });
        }
        Ok(extensions)
    }
}

/// 1.3.6.1.4.1.57264.1.NUMBER.
fn oid(number: u32) -> ObjectIdentifier {
    const ARC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.1");
    // The arc has room: an identifier of ours is far below the library's 39 bytes.
    ARC.push_arc(number).unwrap_or(ARC)
}
