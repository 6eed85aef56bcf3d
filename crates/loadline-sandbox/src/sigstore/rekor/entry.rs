//! Entries: a request checked, and its canonical form.
//!
//! The canonical form is RFC 8785 JSON: no space, members in alphabetical order. All values are base64 or
//! fixed names, so that structs with their fields in that order write it.

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use crate::sigstore::public_key::{Hash, PublicKey, PublicKeyError};

/// More signatures on one envelope than this are refused.
const SIGNATURE_LIMIT: usize = 32;

/// Why a request is no entry.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EntryError {
    #[error("the request is not the JSON it should be: {0}")]
    Json(#[from] serde_json::Error),
    #[error("invalid type, must be either hashedrekord or dsse")]
    Kind,
    #[error("invalid {0} request: {1} is missing")]
    Missing(&'static str, &'static str),
    #[error("invalid {0} request: the verifier's key: {1}")]
    Key(&'static str, PublicKeyError),
    #[error("invalid {0} request: the key is not one of {1}, or that algorithm is not accepted")]
    Details(&'static str, String),
    #[error("invalid hashedrekord request: a digest of {found} bytes, where {details} has {expected}")]
    DigestLength { details: String, expected: usize, found: usize },
    #[error("invalid hashedrekord request: the signature is not the key's over this digest")]
    Signature,
    #[error("invalid dsse request: all signatures must have a key that verifies it")]
    Envelope,
    #[error("invalid dsse request: more than {SIGNATURE_LIMIT} signatures or verifiers")]
    TooMany,
}

/// An entry that is fit to be logged.
#[derive(Debug)]
pub(crate) struct Entry {
    /// `hashedrekord` or `dsse`.
    pub(crate) kind: &'static str,
    /// The canonical form, the leaf of the tree.
    pub(crate) body: Vec<u8>,
}

/// The version of both kinds.
pub(crate) const VERSION: &str = "0.0.2";
const HASHED_REKORD: &str = "hashedrekord";
const DSSE: &str = "dsse";

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CreateEntryRequest {
    #[serde(rename = "hashedRekordRequestV002", alias = "hashed_rekord_request_v002")]
    hashed_rekord: Option<HashedRekordRequest>,
    #[serde(rename = "dsseRequestV002", alias = "dsse_request_v002")]
    dsse: Option<DsseRequest>,
}

#[derive(Deserialize)]
struct HashedRekordRequest {
    #[serde(default)]
    digest: Bytes,
    signature: Option<Signature>,
}

#[derive(Deserialize)]
struct Signature {
    #[serde(default)]
    content: Bytes,
    verifier: Option<Verifier>,
}

#[derive(Deserialize)]
struct Verifier {
    #[serde(rename = "publicKey", alias = "public_key")]
    public_key: Option<Raw>,
    #[serde(rename = "x509Certificate", alias = "x509_certificate")]
    certificate: Option<Raw>,
    #[serde(rename = "keyDetails", alias = "key_details", default)]
    key_details: String,
}

#[derive(Deserialize)]
struct Raw {
    #[serde(rename = "rawBytes", alias = "raw_bytes", default)]
    raw_bytes: Bytes,
}

#[derive(Deserialize)]
struct DsseRequest {
    envelope: Option<Envelope>,
    #[serde(default)]
    verifiers: Vec<Verifier>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    #[serde(default)]
    payload: Bytes,
    #[serde(default, alias = "payload_type")]
    payload_type: String,
    #[serde(default)]
    signatures: Vec<EnvelopeSignature>,
}

#[derive(Deserialize)]
struct EnvelopeSignature {
    #[serde(default)]
    sig: Bytes,
}

/// Bytes as Protobuf's JSON has them: base64 of either alphabet, padded or not.
#[derive(Default)]
struct Bytes(Vec<u8>);

impl<'de> Deserialize<'de> for Bytes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        const LENIENT: GeneralPurpose = GeneralPurpose::new(
            &alphabet::STANDARD,
            GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
        );
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        let text = text.replace('-', "+").replace('_', "/");
        LENIENT.decode(text).map(Self).map_err(D::Error::custom)
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<S> {
    api_version: &'static str,
    kind: &'static str,
    spec: S,
}

#[derive(Serialize)]
struct HashedRekordSpec {
    #[serde(rename = "hashedRekordV002")]
    hashed_rekord: HashedRekordBody,
}

#[derive(Serialize)]
struct HashedRekordBody {
    data: HashOutput,
    signature: SignatureBody,
}

#[derive(Serialize)]
struct DsseSpec {
    #[serde(rename = "dsseV002")]
    dsse: DsseBody,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DsseBody {
    payload_hash: HashOutput,
    signatures: Vec<SignatureBody>,
}

#[derive(Serialize)]
struct HashOutput {
    algorithm: &'static str,
    digest: String,
}

#[derive(Serialize)]
struct SignatureBody {
    content: String,
    verifier: VerifierBody,
}

#[derive(Serialize, Clone)]
#[serde(rename_all = "camelCase")]
struct VerifierBody {
    key_details: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<RawBody>,
    #[serde(rename = "x509Certificate", skip_serializing_if = "Option::is_none")]
    certificate: Option<RawBody>,
}

#[derive(Serialize, Clone)]
#[serde(rename_all = "camelCase")]
struct RawBody {
    raw_bytes: String,
}

/// Checks a `CreateEntryRequest`: its signature must be the verifier's.
pub(crate) fn parse(request: &[u8]) -> Result<Entry, EntryError> {
    let request: CreateEntryRequest = serde_json::from_slice(request)?;
    match (request.hashed_rekord, request.dsse) {
        (Some(request), None) => hashed_rekord(request),
        (None, Some(request)) => dsse(request),
        _ => Err(EntryError::Kind),
    }
}

fn hashed_rekord(request: HashedRekordRequest) -> Result<Entry, EntryError> {
    let missing = |what| EntryError::Missing(HASHED_REKORD, what);
    let signature = request.signature.ok_or_else(|| missing("the signature"))?;
    if signature.content.0.is_empty() {
        return Err(missing("the signature"));
    }
    let verifier = signature.verifier.ok_or_else(|| missing("the verifier"))?;
    if request.digest.0.is_empty() {
        return Err(missing("the digest"));
    }
    let (key, body) = verifier.read(HASHED_REKORD)?;
    let details = body.key_details.clone();
    let hash = key.hash_of(&details);
    let hash = hash.ok_or_else(|| EntryError::Details(HASHED_REKORD, details.clone()))?;
    if request.digest.0.len() != hash.length() {
        let (expected, found) = (hash.length(), request.digest.0.len());
        return Err(EntryError::DigestLength { details, expected, found });
    }
    if !key.verifies_digest(hash, &request.digest.0, &signature.content.0) {
        return Err(EntryError::Signature);
    }
    let spec = HashedRekordSpec {
        hashed_rekord: HashedRekordBody {
            data: HashOutput { algorithm: hash.name(), digest: STANDARD.encode(&request.digest.0) },
            signature: SignatureBody { content: STANDARD.encode(&signature.content.0), verifier: body },
        },
    };
    finish(HASHED_REKORD, spec)
}

fn dsse(request: DsseRequest) -> Result<Entry, EntryError> {
    let missing = |what| EntryError::Missing(DSSE, what);
    let envelope = request.envelope.ok_or_else(|| missing("the envelope"))?;
    if envelope.signatures.is_empty() {
        return Err(missing("the envelope's signature"));
    }
    if request.verifiers.is_empty() {
        return Err(missing("the verifier"));
    }
    if envelope.signatures.len() > SIGNATURE_LIMIT || request.verifiers.len() > SIGNATURE_LIMIT {
        return Err(EntryError::TooMany);
    }
    let mut verifiers = Vec::new();
    for verifier in request.verifiers {
        let (key, body) = verifier.read(DSSE)?;
        if !key.is_of(&body.key_details) {
            return Err(EntryError::Details(DSSE, body.key_details));
        }
        verifiers.push((key, body));
    }
    let message = pre_authentication_encoding(&envelope.payload_type, &envelope.payload.0);
    let mut signatures = Vec::new();
    for signature in &envelope.signatures {
        let verifier = verifiers.iter().find(|(key, _)| key.verifies(&message, &signature.sig.0));
        let (_, body) = verifier.ok_or(EntryError::Envelope)?;
        signatures.push(SignatureBody { content: STANDARD.encode(&signature.sig.0), verifier: body.clone() });
    }
    let payload = digest(&SHA256, &envelope.payload.0);
    let spec = DsseSpec {
        dsse: DsseBody {
            payload_hash: HashOutput {
                algorithm: Hash::Sha256.name(),
                digest: STANDARD.encode(payload.as_ref()),
            },
            signatures,
        },
    };
    finish(DSSE, spec)
}

impl Verifier {
    fn read(self, kind: &'static str) -> Result<(PublicKey, VerifierBody), EntryError> {
        let raw = |bytes: &Bytes| Some(RawBody { raw_bytes: STANDARD.encode(&bytes.0) });
        let at = |error| EntryError::Key(kind, error);
        match (self.public_key, self.certificate) {
            (Some(key), None) => {
                let body = VerifierBody {
                    key_details: self.key_details,
                    public_key: raw(&key.raw_bytes),
                    certificate: None,
                };
                Ok((PublicKey::from_spki(&key.raw_bytes.0).map_err(at)?, body))
            }
            (None, Some(certificate)) => {
                let body = VerifierBody {
                    key_details: self.key_details,
                    public_key: None,
                    certificate: raw(&certificate.raw_bytes),
                };
                Ok((PublicKey::from_certificate(&certificate.raw_bytes.0).map_err(at)?, body))
            }
            _ => Err(EntryError::Missing(kind, "a public key or else a certificate")),
        }
    }
}

fn finish(kind: &'static str, spec: impl Serialize) -> Result<Entry, EntryError> {
    Ok(Entry { kind, body: serde_json::to_vec(&Body { api_version: VERSION, kind, spec })? })
}

/// What a DSSE signature signs (DSSE protocol, version 1).
pub(crate) fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut out = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    out.extend_from_slice(payload);
    out
}
