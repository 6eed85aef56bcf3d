//! The time stamp authority, RFC 3161: `POST /api/v1/timestamp`, chain at `/api/v1/timestamp/certchain`.

mod asn1;
mod json;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use cms::cert::{CertificateChoices, IssuerAndSerialNumber};
use cms::content_info::{CmsVersion, ContentInfo};
use cms::signed_data::{
    CertificateSet, EncapsulatedContentInfo, SignedData, SignerIdentifier, SignerInfo, SignerInfos,
};
use const_oid::ObjectIdentifier;
use const_oid::db::{rfc5911, rfc5912, rfc6268};
use der::asn1::{Any, GeneralizedTime, Int, OctetString, SetOfVec, UtcTime};
use der::{Decode, Encode};
use loadline_core::Clock;
use serde_json::json;
use spki::AlgorithmIdentifierOwned;
use x509_cert::attr::Attribute;

use super::authority::Authority;
use super::certificate::ecdsa_with_sha256;
use super::keys::{KeyError, random, sha256};
use super::pem;
use super::public_key::Hash;
use asn1::{
    Accuracy, EssCertIdV2, PkiStatus, PkiStatusInfo, SigningCertificateV2, TimeStampReq, TimeStampResp,
    TstInfo,
};

/// Under which the authority stamps unless the request names another: Sigstore's own.
const POLICY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.2");
const TST_INFO: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.1.4");
const SIGNING_CERTIFICATE_V2: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.9.16.2.47");
const SIGNING_TIME: ObjectIdentifier = rfc6268::ID_SIGNING_TIME;
/// The largest request that is read, in bytes.
const REQUEST_LIMIT: usize = 64 * 1024;
/// The longest nonce that is returned, in bytes.
const NONCE_LIMIT: usize = 64;

/// Why there is no time stamp.
#[derive(Debug, thiserror::Error)]
enum StampError {
    #[error("Error parsing timestamp request: {0}")]
    Malformed(String),
    #[error("Requested hash algorithm {0} is not accepted: use SHA-256, SHA-384 or SHA-512")]
    Hash(ObjectIdentifier),
    #[error("Message digest has {found} bytes, where its algorithm has {expected}")]
    Digest { expected: usize, found: usize },
    #[error("Error generating timestamp response: {0}")]
    Encode(#[from] der::Error),
    #[error("Error generating timestamp response: {0}")]
    Key(#[from] KeyError),
}

impl IntoResponse for StampError {
    fn into_response(self) -> Response {
        let status = match self {
            Self::Malformed(_) | Self::Hash(_) | Self::Digest { .. } => StatusCode::BAD_REQUEST,
            Self::Encode(_) | Self::Key(_) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, Json(json!({"code": status.as_u16(), "message": self.to_string()}))).into_response()
    }
}

/// The authority.
pub(crate) struct Tsa {
    pub(crate) authority: Authority,
    pub(crate) clock: Clock,
}

impl Tsa {
    /// The addresses. The base address stamps too, as plain RFC 3161 clients take one address.
    pub(crate) fn router(self: &Arc<Self>) -> Router {
        Router::new()
            .route("/", post(timestamp))
            .route("/api/v1/timestamp", post(timestamp))
            .route("/api/v1/timestamp/certchain", get(certificate_chain))
            .with_state(Arc::clone(self))
    }

    /// A `TimeStampResp`, DER.
    fn stamp(&self, request: TimeStampReq) -> Result<Vec<u8>, StampError> {
        let request = check(request)?;
        // 15 random bytes after a fixed one: positive, and never the same twice.
        let mut serial = random::<16>()?;
        serial[0] = (serial[0] & 0x3f) | 0x40;
        let now = self.clock.now();
        let seconds = u64::try_from(now.as_second()).unwrap_or(0);
        let info = TstInfo {
            version: 1,
            policy: request.req_policy.unwrap_or(POLICY),
            message_imprint: request.message_imprint,
            serial_number: Int::new(&serial)?,
            gen_time: GeneralizedTime::from_unix_duration(Duration::from_secs(seconds))?,
            accuracy: Accuracy { seconds: 1 },
            nonce: request.nonce,
        }
        .to_der()?;
        let content = ContentInfo {
            content_type: rfc5911::ID_SIGNED_DATA,
            content: Any::encode_from(&self.sign(info, seconds, request.cert_req)?)?,
        };
        let response = TimeStampResp {
            status: PkiStatusInfo { status: PkiStatus::Granted, status_string: None, fail_info: None },
            time_stamp_token: Some(Any::encode_from(&content)?),
        };
        Ok(response.to_der()?)
    }

    /// CMS, RFC 5652 section 5, with the attributes that RFC 3161 and RFC 5816 ask for.
    fn sign(&self, info: Vec<u8>, seconds: u64, with_certificate: bool) -> Result<SignedData, StampError> {
        let certificate = &self.authority.parsed;
        let signing_certificate = SigningCertificateV2 {
            certs: vec![EssCertIdV2 {
                cert_hash: OctetString::new(sha256(&self.authority.certificate).as_slice())?,
            }],
        };
        let signing_time = UtcTime::from_unix_duration(Duration::from_secs(seconds))?;
        let attributes = SetOfVec::try_from(vec![
            attribute(rfc6268::ID_CONTENT_TYPE, &TST_INFO)?,
            attribute(SIGNING_TIME, &signing_time)?,
            attribute(rfc6268::ID_MESSAGE_DIGEST, &OctetString::new(sha256(&info).as_slice())?)?,
            attribute(SIGNING_CERTIFICATE_V2, &signing_certificate)?,
        ])?;
        let signature = self.authority.key.sign(&attributes.to_der()?)?;
        let digest = AlgorithmIdentifierOwned { oid: rfc5912::ID_SHA_256, parameters: None };
        let signer = SignerInfo {
            version: CmsVersion::V1,
            sid: SignerIdentifier::IssuerAndSerialNumber(IssuerAndSerialNumber {
                issuer: certificate.tbs_certificate.issuer.clone(),
                serial_number: certificate.tbs_certificate.serial_number.clone(),
            }),
            digest_alg: digest.clone(),
            signed_attrs: Some(attributes),
            signature_algorithm: ecdsa_with_sha256(),
            signature: OctetString::new(signature)?,
            unsigned_attrs: None,
        };
        let certificates = match with_certificate {
            true => {
                let choice = CertificateChoices::Certificate(certificate.clone());
                Some(CertificateSet(SetOfVec::try_from(vec![choice])?))
            }
            false => None,
        };
        Ok(SignedData {
            version: CmsVersion::V3,
            digest_algorithms: SetOfVec::try_from(vec![digest])?,
            encap_content_info: EncapsulatedContentInfo {
                econtent_type: TST_INFO,
                econtent: Some(Any::encode_from(&OctetString::new(info)?)?),
            },
            certificates,
            crls: None,
            signer_infos: SignerInfos(SetOfVec::try_from(vec![signer])?),
        })
    }
}

fn parse(request: &[u8]) -> Result<TimeStampReq, StampError> {
    if request.len() > REQUEST_LIMIT {
        return Err(StampError::Malformed(format!("it has more than {REQUEST_LIMIT} bytes")));
    }
    TimeStampReq::from_der(request).map_err(|error| StampError::Malformed(error.to_string()))
}

fn check(request: TimeStampReq) -> Result<TimeStampReq, StampError> {
    if request.version != 1 {
        return Err(StampError::Malformed(format!("version {}, where only 1 is known", request.version)));
    }
    // RFC 3161 section 2.4.1: an authority that does not know an extension must refuse.
    if request.extensions.as_ref().is_some_and(|extensions| !extensions.is_empty()) {
        return Err(StampError::Malformed("it carries extensions, and none is known".to_owned()));
    }
    if request.nonce.as_ref().is_some_and(|nonce| nonce.as_bytes().len() > NONCE_LIMIT) {
        return Err(StampError::Malformed(format!("its nonce has more than {NONCE_LIMIT} bytes")));
    }
    let imprint = &request.message_imprint;
    let hash = match imprint.hash_algorithm.oid {
        rfc5912::ID_SHA_256 => Hash::Sha256,
        rfc5912::ID_SHA_384 => Hash::Sha384,
        rfc5912::ID_SHA_512 => Hash::Sha512,
        other => return Err(StampError::Hash(other)),
    };
    let found = imprint.hashed_message.as_bytes().len();
    match found == hash.length() {
        true => Ok(request),
        false => Err(StampError::Digest { expected: hash.length(), found }),
    }
}

fn attribute(oid: ObjectIdentifier, value: &impl AttributeValue) -> Result<Attribute, der::Error> {
    Ok(Attribute { oid, values: SetOfVec::try_from(vec![value.any()?])? })
}

/// What an attribute can hold.
trait AttributeValue {
    fn any(&self) -> Result<Any, der::Error>;
}

impl<T: der::EncodeValue + der::Tagged> AttributeValue for T {
    fn any(&self) -> Result<Any, der::Error> {
        Any::encode_from(self)
    }
}

async fn timestamp(
    State(tsa): State<Arc<Tsa>>,
    headers: HeaderMap,
    request: Bytes,
) -> Result<Response, Response> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default().trim();
    let request = match kind {
        "application/timestamp-query" => parse(&request),
        "application/json" => json::parse(&request),
        kind => {
            let message = format!("unsupported media type {kind:?}: use application/timestamp-query");
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err((status, Json(json!({"code": 415, "message": message}))).into_response());
        }
    };
    let stamp = request.and_then(|request| tsa.stamp(request)).map_err(IntoResponse::into_response)?;
    let kind = [(header::CONTENT_TYPE, "application/timestamp-reply")];
    Ok((StatusCode::CREATED, kind, stamp).into_response())
}

async fn certificate_chain(State(tsa): State<Arc<Tsa>>) -> Response {
    let chain: Result<String, _> = tsa.authority.chain().into_iter().map(pem::certificate).collect();
    match chain {
        Ok(chain) => ([(header::CONTENT_TYPE, "application/pem-certificate-chain")], chain).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
