//! From a token to an identity: the token checked, and what of it goes into the certificate.
//!
//! The extensions are those of Fulcio's `docs/oid-info.md`, 1.3.6.1.4.1.57264.1.1 to .24.

use const_oid::ObjectIdentifier;
use der::asn1::{Ia5String, Utf8StringRef};
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use loadline_core::Clock;
use serde_json::{Map, Value};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

use crate::sigstore::certificate::{extension, raw_extension};
use crate::sigstore::issuer::Issuer;

/// The audience that Fulcio's tokens must be for.
pub(crate) const AUDIENCE: &str = "sigstore";
/// How far clocks may differ, in seconds.
const LEEWAY: i64 = 0;
/// The largest token that is looked at.
const TOKEN_LIMIT: usize = 64 * 1024;
const GITHUB: &str = "https://github.com";

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
    claims: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum San {
    Email(String),
    Uri(String),
}

/// Checks a token as Fulcio does: issuer, signature, audience, time; then reads the identity out of it.
pub(crate) fn authenticate(token: &str, issuer: &Issuer, clock: Clock) -> Result<Identity, IdentityError> {
    if token.len() > TOKEN_LIMIT {
        return Err(IdentityError::TooLarge);
    }
    let unchecked: Map<String, Value> = jsonwebtoken::dangerous::insecure_decode_claims(token)
        .map_err(|error| IdentityError::Malformed(error.to_string()))?;
    let named = unchecked.get("iss").and_then(Value::as_str).unwrap_or_default();
    if named != issuer.url {
        return Err(IdentityError::UnknownIssuer(named.to_owned()));
    }
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
    identity(claims, &issuer.url)
}

fn identity(claims: Map<String, Value>, issuer: &str) -> Result<Identity, IdentityError> {
    let text = |name| claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    let subject = text("sub").ok_or(IdentityError::Claim("sub"))?.to_owned();
    let (name, san) = if claims.contains_key("repository") || claims.contains_key("job_workflow_ref") {
        let workflow = text("job_workflow_ref").ok_or(IdentityError::Claim("job_workflow_ref"))?;
        text("repository").ok_or(IdentityError::Claim("repository"))?;
        let name = text("email").map_or_else(|| subject.clone(), str::to_owned);
        (name, San::Uri(format!("{GITHUB}/{workflow}")))
    } else if claims.contains_key("email") {
        let email = text("email").ok_or(IdentityError::Claim("email"))?.to_owned();
        if claims.get("email_verified") != Some(&Value::Bool(true)) {
            return Err(IdentityError::EmailNotVerified);
        }
        (email.clone(), San::Email(email))
    } else if is_uri(&subject) {
        (subject.clone(), San::Uri(subject))
    } else if is_email(&subject) {
        (subject.clone(), San::Email(subject))
    } else {
        return Err(IdentityError::Subject(subject));
    };
    Ok(Identity { name, san, issuer: issuer.to_owned(), claims })
}

fn is_email(subject: &str) -> bool {
    let parts = subject.split_once('@');
    subject.is_ascii()
        && !subject.contains(char::is_whitespace)
        && parts.is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.'))
}

fn is_uri(subject: &str) -> bool {
    let scheme = subject.split_once(':').map_or("", |(scheme, _)| scheme);
    subject.is_ascii()
        && !subject.contains(char::is_whitespace)
        && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
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
        extensions.push(raw_extension(oid(1), false, self.issuer.as_bytes())?);
        let is_github = self.claims.contains_key("job_workflow_ref");
        let claim = |name: &str| self.claims.get(name).and_then(Value::as_str).filter(|_| is_github);
        // Before .8 the text stands there as it is; from .8 on it is a DER UTF8String.
        for (number, name) in [(2, "event_name"), (3, "sha"), (4, "workflow"), (5, "repository"), (6, "ref")]
        {
            if let Some(value) = claim(name) {
                extensions.push(raw_extension(oid(number), false, value.as_bytes())?);
            }
        }
        let mut texts = vec![(8, Some(self.issuer.clone()))];
        let own = |name| claim(name).map(str::to_owned);
        let at_github = |name| claim(name).map(|value| format!("{GITHUB}/{value}"));
        let run = claim("repository").zip(claim("run_id")).zip(claim("run_attempt"));
        texts.extend([
            (9, at_github("job_workflow_ref")),
            (10, own("job_workflow_sha")),
            (11, own("runner_environment")),
            (12, at_github("repository")),
            (13, own("sha")),
            (14, own("ref")),
            (15, own("repository_id")),
            (16, at_github("repository_owner")),
            (17, own("repository_owner_id")),
            (18, at_github("workflow_ref")),
            (19, own("workflow_sha")),
            (20, own("event_name")),
            (
                21,
                run.map(|((repository, id), attempt)| {
                    format!("{GITHUB}/{repository}/actions/runs/{id}/attempts/{attempt}")
                }),
            ),
            (22, own("repository_visibility")),
            (23, own("environment")),
            (24, own("sub")),
        ]);
        for (number, value) in texts {
            if let Some(value) = value {
                extensions.push(extension(oid(number), false, &Utf8StringRef::new(&value)?)?);
            }
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
