//! Signing: a statement's bytes in, a bundle of version 0.3 out.
//!
//! The steps are the library's clients', one by one, so that each has a time limit and each failure
//! names its service and address.

mod claims;
mod cosign_key;
mod error;
mod interactive;
mod key;
mod loopback;
mod oauth;
pub(crate) mod reach;
mod services;
mod token;

use std::future::Future;
use std::time::Duration;

use loadline_core::statement::PAYLOAD_TYPE;
use loadline_core::{Clock, Digest};
use sigstore_bundle::{BundleV03, VerificationMaterialV03};
use sigstore_crypto::{KeyPair, sha256};
use sigstore_rekor::{
    DsseEntry, HashedRekord, HashedRekordV2, RekorClient, RekorV2Client, RekorV2KeyDetails,
};
use sigstore_sign::fulcio::FulcioClient;
use sigstore_tsa::TimestampClient;
use sigstore_types::bundle::{MessageDigest, MessageSignature};
use sigstore_types::{
    DerCertificate, DsseEnvelope, DsseSignature, HashAlgorithm, KeyId, KindVersion, PayloadBytes, Sha256Hash,
    SignatureBytes, SignatureContent, TimestampToken, TransparencyLogEntry, pae,
};

pub use claims::{Claims, Name};
pub use error::{Service, SignError};
pub use interactive::{Browser, Interactive, Prompt, Way};
pub use key::SigningKey;
pub use services::{RekorVersion, SigningServices};
pub use token::{GitHubActions, TokenSource};

use crate::verify::BUNDLE_LIMIT;

/// How long one service may take to answer, unless told otherwise. Public Rekor takes up to 20 s for
/// large statements.
pub const STEP_LIMIT: Duration = Duration::from_secs(60);

/// The room that certificate, log entry and timestamp take in a bundle, in bytes.
const AROUND: usize = 64 * 1024;
/// The largest statement that is signed, in bytes: base64 makes four bytes of three, and a bundle over its
/// own limit would not be verified.
pub const STATEMENT_LIMIT: usize = (BUNDLE_LIMIT - AROUND) / 4 * 3;

/// Who signs.
#[derive(Debug, Clone)]
enum Holder {
    /// Whoever the token names: a fresh key and certificate each time.
    Keyless(TokenSource),
    /// The holder of a long-lived key.
    Key(SigningKey),
}

/// Signs statements.
#[derive(Debug, Clone)]
pub struct Signer {
    services: SigningServices,
    holder: Holder,
    http: reqwest::Client,
    clock: Clock,
    step_limit: Duration,
}

/// What a signature is logged under: the certificate or the key.
enum Material {
    Certificate(DerCertificate),
    Key { public: sigstore_types::DerPublicKey, hint: String },
}

impl Signer {
    /// A signer with short-lived certificates, over this client. Every signature asks the source for a
    /// fresh token, and Fulcio for a fresh certificate.
    ///
    /// # Errors
    /// Services that do not fit together: no Fulcio, neither log nor timestamp authority, Rekor v2
    /// without a timestamp authority.
    pub fn keyless(
        services: SigningServices,
        token: TokenSource,
        http: reqwest::Client,
    ) -> Result<Self, SignError> {
        services.check_keyless()?;
        Ok(Self::new(services, Holder::Keyless(token), http))
    }

    /// A signer with a long-lived key, over this client.
    ///
    /// # Errors
    /// Services that do not fit together: Rekor v1, or neither Rekor v2 nor a timestamp authority.
    pub fn with_key(
        services: SigningServices,
        key: SigningKey,
        http: reqwest::Client,
    ) -> Result<Self, SignError> {
        services.check_key()?;
        Ok(Self::new(services, Holder::Key(key), http))
    }

    fn new(services: SigningServices, holder: Holder, http: reqwest::Client) -> Self {
        Self { services, holder, http, clock: Clock::System, step_limit: STEP_LIMIT }
    }

    /// Sets the clock that a token's expiry is held against.
    #[must_use]
    pub fn with_clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Sets how long one service may take to answer.
    #[must_use]
    pub fn with_step_limit(mut self, limit: Duration) -> Self {
        self.step_limit = limit;
        self
    }

    /// The services that it signs with.
    pub const fn services(&self) -> &SigningServices {
        &self.services
    }

    /// Signs an in-toto statement: a DSSE envelope over exactly these bytes.
    ///
    /// # Errors
    /// Bytes that are no statement, or too many for a bundle, before anything is asked; then whatever
    /// service fails first.
    pub async fn sign_statement(&self, statement: &[u8]) -> Result<Vec<u8>, SignError> {
        crate::verify::check_statement(statement)
            .map_err(|error| SignError::Statement { reason: error.to_string() })?;
        self.sign_payload(PAYLOAD_TYPE, statement).await
    }

    /// Signs any payload in a DSSE envelope. What it means is not looked at.
    ///
    /// # Errors
    /// As [`Signer::sign_statement`].
    pub async fn sign_payload(&self, payload_type: &str, payload: &[u8]) -> Result<Vec<u8>, SignError> {
        if payload.len() > STATEMENT_LIMIT {
            return Err(SignError::TooLarge { size: payload.len(), limit: STATEMENT_LIMIT });
        }
        let (pair, material) = self.credentials().await?;
        let pae = pae(payload_type, payload);
        let digest = sha256(&pae);
        let signature = pair.sign(&pae).map_err(SignError::crypto)?;
        drop(pae);
        let envelope = DsseEnvelope::new(
            payload_type,
            PayloadBytes::new(payload.to_vec()),
            DsseSignature::new(signature.clone(), KeyId::default()),
        );
        let timestamp = self.timestamp(&signature).await?;
        let entry = self.log(&material, &digest, &signature, Some(&envelope)).await?;
        finish(material, SignatureContent::DsseEnvelope(envelope), timestamp, entry)
    }

    /// Signs an artifact itself, by its SHA-256 digest.
    ///
    /// # Errors
    /// A digest of another algorithm; then whatever service fails first.
    pub async fn sign_message(&self, digest: &Digest) -> Result<Vec<u8>, SignError> {
        let hash = Sha256Hash::from_hex(digest.hex())
            .map_err(|_| SignError::Statement { reason: format!("{digest} is no SHA-256 digest") })?;
        let (pair, material) = self.credentials().await?;
        let signature = pair.sign_digest(&hash).map_err(SignError::crypto)?;
        let timestamp = self.timestamp(&signature).await?;
        let entry = self.log(&material, &hash, &signature, None).await?;
        let content = SignatureContent::MessageSignature(
            MessageSignature::new(signature.clone())
                .with_message_digest(MessageDigest::new(HashAlgorithm::Sha2256, hash.into())),
        );
        finish(material, content, timestamp, entry)
    }

    /// A key to sign with, and what vouches for it.
    async fn credentials(&self) -> Result<(KeyPair, Material), SignError> {
        let source = match &self.holder {
            Holder::Key(key) => {
                let pair = key.pair()?;
                let public = pair.public_key_der().map_err(SignError::crypto)?;
                return Ok((pair, Material::Key { hint: key::hint(&public), public }));
            }
            Holder::Keyless(source) => source,
        };
        let address = self.services.fulcio()?;
        let token = source.fetch(&self.http, self.clock, self.step_limit).await?;
        let pair = KeyPair::generate_ecdsa_p256().map_err(SignError::crypto)?;
        let client = FulcioClient::builder(address)
            .with_http_client(self.http.clone())
            .build()
            .map_err(|error| SignError::Config { reason: error.to_string() })?;
        let answer =
            self.within(Service::Fulcio, address, client.create_signing_certificate(&token, &pair)).await?;
        match answer {
            Ok(certificate) => Ok((pair, Material::Certificate(certificate.leaf_certificate().clone()))),
            Err(error) => Err(self.fulcio_error(address, error).await),
        }
    }

    /// Puts the signature on the log, where there is one.
    async fn log(
        &self,
        material: &Material,
        digest: &Sha256Hash,
        signature: &SignatureBytes,
        envelope: Option<&DsseEnvelope>,
    ) -> Result<Option<TransparencyLogEntry>, SignError> {
        let Some((address, version)) = self.services.rekor() else { return Ok(None) };
        let config = |error: sigstore_rekor::Error| SignError::Config { reason: error.to_string() };
        let answer = match (version, material) {
            (RekorVersion::V2, material) => {
                let details = RekorV2KeyDetails::PkixEcdsaP256Sha256;
                let request = match material {
                    Material::Certificate(certificate) => {
                        HashedRekordV2::new_with_certificate(digest, signature, certificate, details)
                    }
                    Material::Key { public, .. } => {
                        HashedRekordV2::new_with_public_key(digest, signature, public, details)
                    }
                };
                let client = RekorV2Client::builder(address)
                    .with_http_client(self.http.clone())
                    .build()
                    .map_err(config)?;
                self.within(Service::Rekor, address, client.create_entry(request)).await?
            }
            (RekorVersion::V1, Material::Certificate(certificate)) => {
                let client = RekorClient::builder(address)
                    .with_http_client(self.http.clone())
                    .build()
                    .map_err(config)?;
                let (entry, kind) = match envelope {
                    Some(envelope) => {
                        let request = DsseEntry::new(envelope, certificate).map_err(config)?;
                        let entry =
                            self.within(Service::Rekor, address, client.create_dsse_entry(request)).await?;
                        (entry, KindVersion::DsseV001)
                    }
                    None => {
                        let request = HashedRekord::new(digest, signature, certificate);
                        let entry =
                            self.within(Service::Rekor, address, client.create_entry(request)).await?;
                        (entry, KindVersion::HashedRekordV001)
                    }
                };
                entry.and_then(|entry| {
                    entry
                        .to_bundle_entry(kind)
                        .map_err(|error| sigstore_rekor::Error::InvalidResponse(error.to_string()))
                })
            }
            (RekorVersion::V1, Material::Key { .. }) => return Err(SignError::key_in_rekor_v1()),
        };
        match answer {
            Ok(entry) => Ok(Some(entry)),
            Err(error) => Err(self.rekor_error(address, error).await),
        }
    }

    /// Gets a timestamp, where there is an authority. It comes before the log: what the authority's absence
    /// ends has left no entry there, and trying again makes no second one.
    async fn timestamp(&self, signature: &SignatureBytes) -> Result<Option<TimestampToken>, SignError> {
        let Some(address) = self.services.tsa() else { return Ok(None) };
        let client = TimestampClient::builder(address)
            .with_http_client(self.http.clone())
            .build()
            .map_err(|error| SignError::Config { reason: error.to_string() })?;
        let answer = self.within(Service::Tsa, address, client.timestamp_signature(signature)).await?;
        match answer {
            Ok(timestamp) => Ok(Some(timestamp)),
            Err(error) => Err(self.tsa_error(address, error).await),
        }
    }

    /// Runs one step within its time limit.
    async fn within<T>(
        &self,
        service: Service,
        address: &str,
        step: impl Future<Output = T>,
    ) -> Result<T, SignError> {
        tokio::time::timeout(self.step_limit, step).await.map_err(|_| SignError::Timeout {
            service,
            address: error::shown(address),
            after: self.step_limit,
        })
    }
}

/// Writes the bundle.
fn finish(
    material: Material,
    content: SignatureContent,
    timestamp: Option<TimestampToken>,
    entry: Option<TransparencyLogEntry>,
) -> Result<Vec<u8>, SignError> {
    let material = match material {
        Material::Certificate(certificate) => VerificationMaterialV03::Certificate(certificate),
        Material::Key { hint, .. } => VerificationMaterialV03::PublicKey { hint },
    };
    let mut bundle = BundleV03::new(material, content);
    if let Some(entry) = entry {
        bundle = bundle.with_tlog_entry(entry);
    }
    if let Some(timestamp) = timestamp {
        bundle = bundle.with_rfc3161_timestamp(timestamp);
    }
    bundle
        .into_bundle()
        .to_json()
        .map(String::into_bytes)
        .map_err(|error| SignError::Crypto { reason: error.to_string() })
}
