//! Fulcio, API v2: a certificate of ten minutes for whoever shows a token of our issuer.

mod identity;
mod request;
mod shapes;

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use const_oid::ObjectIdentifier;
use der::Encode;
use der::asn1::OctetString;
use jiff::SignedDuration;
use loadline_core::Clock;
use serde_json::{Value, json};
use x509_cert::name::Name;

use super::authority::Authority;
use super::certificate::{
    CertificateError, Request, extension, raw_extension, sign, signer_extensions, to_be_signed,
};
use super::ct::wire::{Signed, TooLong};
use super::ct::{CtError, CtLog, POISON};
use super::issuer::{Issuers, Shape, URI_DOMAIN};
use super::keys::sha256;
use super::pem;
use super::public_key::PublicKey;
use super::status::Status;
use identity::{AUDIENCE, Identity};
use request::{INVALID_TOKEN, SigningCertificateRequest};

const VALIDITY: SignedDuration = SignedDuration::from_mins(10);
const CODE_SIGNING: ObjectIdentifier = const_oid::db::rfc5280::ID_KP_CODE_SIGNING;
const TIMESTAMP_LIST: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.11129.2.4.2");

/// A certificate that could not be issued, for a reason on our side.
#[derive(Debug, thiserror::Error)]
enum IssueError {
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    #[error(transparent)]
    Der(#[from] der::Error),
    #[error(transparent)]
    Log(#[from] CtError),
    #[error(transparent)]
    TooLong(#[from] TooLong),
}

/// The certificate authority.
pub(crate) struct Fulcio {
    pub(crate) authority: Authority,
    pub(crate) issuers: Arc<Issuers>,
    pub(crate) log: Arc<CtLog>,
    pub(crate) clock: Clock,
}

impl Fulcio {
    /// The addresses, `/api/v2/…`.
    pub(crate) fn router(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/api/v2/signingCert", post(signing_certificate))
            .route("/api/v2/trustBundle", get(trust_bundle))
            .route("/api/v2/configuration", get(configuration))
            .with_state(Arc::clone(self))
    }

    /// Issues a certificate: a precertificate goes to the log, its timestamp into the certificate.
    async fn issue(&self, identity: &Identity, key: &PublicKey) -> Result<Vec<u8>, IssueError> {
        let now = self.clock.now();
        let mut extensions = signer_extensions(CODE_SIGNING, false)?;
        extensions.extend(identity.extensions()?);
        let request = Request {
            subject: Name::default(),
            spki: &key.spki,
            not_before: now,
            not_after: now + VALIDITY,
            extensions,
        };
        let plain = to_be_signed(request, &self.authority.subject, &self.authority.key)?;

        let mut poisoned = plain.clone();
        let poison = extension(POISON, true, &der::asn1::Null)?;
        poisoned.extensions.get_or_insert_default().push(poison);
        let precertificate = sign(poisoned, &self.authority.key)?;
        let signed = Signed::Precertificate {
            issuer_key_hash: sha256(self.authority.key.spki()),
            tbs: plain.to_der()?,
        };
        let chain = self.authority.chain().map(<[u8]>::to_vec);
        let timestamp = self.log.add(&signed, Some(&precertificate), &chain).await?;

        let list = OctetString::new(self.log.list(&timestamp)?)?;
        let mut certified = plain;
        let list = raw_extension(TIMESTAMP_LIST, false, list.to_der()?)?;
        certified.extensions.get_or_insert_default().push(list);
        Ok(sign(certified, &self.authority.key)?)
    }

    fn chain_pem(&self, leaf: Option<&[u8]>) -> Result<Vec<String>, der::Error> {
        leaf.into_iter().chain(self.authority.chain()).map(pem::certificate).collect()
    }
}

async fn signing_certificate(
    State(fulcio): State<Arc<Fulcio>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, Status> {
    let request: SigningCertificateRequest = serde_json::from_slice(&body).map_err(|error| {
        Status::invalid_argument(format!("the request is not the JSON it should be: {error}"))
    })?;
    let in_body = request.credentials.as_ref().map(|credentials| credentials.oidc_identity_token.as_str());
    let in_header = || {
        let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
    };
    let token = in_body.filter(|token| !token.is_empty()).or_else(in_header).unwrap_or_default();
    let identity = identity::authenticate(token, &fulcio.issuers, fulcio.clock)
        .map_err(|error| Status::invalid_argument(format!("{INVALID_TOKEN}: {error}")))?;
    let key = request.proven_key(&identity.name)?;
    let ours = |error: IssueError| Status::internal(format!("error creating the certificate: {error}"));
    let certificate = fulcio.issue(&identity, &key).await.map_err(ours)?;
    let chain = fulcio.chain_pem(Some(&certificate)).map_err(|error| ours(error.into()))?;
    Ok(Json(json!({"signedCertificateEmbeddedSct": {"chain": {"certificates": chain}}})))
}

async fn trust_bundle(State(fulcio): State<Arc<Fulcio>>) -> Result<Json<Value>, Status> {
    let chain = fulcio.chain_pem(None).map_err(|error| Status::internal(error.to_string()))?;
    Ok(Json(json!({"chains": [{"certificates": chain}]})))
}

async fn configuration(State(fulcio): State<Arc<Fulcio>>) -> Json<Value> {
    let issuers = fulcio.issuers.iter().map(|issuer| {
        json!({
            "issuerUrl": issuer.url,
            "audience": AUDIENCE,
            "challengeClaim": issuer.shape.challenge(),
            "spiffeTrustDomain": "",
            "issuerType": issuer.shape.kind(),
            "subjectDomain": if issuer.shape == Shape::Uri { URI_DOMAIN } else { "" },
        })
    });
    Json(json!({"issuers": issuers.collect::<Vec<_>>()}))
}
