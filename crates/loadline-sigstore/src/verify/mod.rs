//! Verifying a bundle (protobuf-specs `sigstore_bundle.proto`; Sigstore client specification, section 4).

mod bundle;
mod certificate;
mod error;
mod key;
mod library;
mod log;
mod message;
mod statement;
mod times;

pub use bundle::BUNDLE_LIMIT;
pub use error::VerifyError;
pub use key::{KeyError, PublicKey};

pub(crate) use bundle::read as read_bundle;
pub(crate) use certificate::{Leaf, subject_of as certificate_subject};
pub(crate) use log::{is_v2, signer_of};
pub(crate) use statement::check as check_statement;

use loadline_core::proof::{Content, Proof, Signer};
use loadline_core::{Algorithm, Digest};
use sigstore_types::bundle::VerificationMaterialContent;
use sigstore_types::{Artifact, ArtifactDigest, Bundle, HashAlgorithm, SignatureContent};
use sigstore_verify::{PublicKeyVerificationPolicy, VerificationPolicy, VerificationResult};

use crate::trust::{TrustRoot, TrustRoots};

/// What the bundle must be about.
#[derive(Debug, Clone, Copy)]
pub enum Expected<'a> {
    /// The artifact of this digest.
    Digest(&'a Digest),
    /// Any of these: an image's index and its children, say.
    OneOf(&'a [Digest]),
    /// These very bytes. Needed for keys that sign whole messages only (Ed25519).
    Bytes(&'a [u8]),
}

/// What a key's signature must be accompanied by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyTrust {
    /// What the trust root has: a log entry, or a timestamp where it has no log.
    Logged,
    /// Nothing: log entries and timestamps are not looked at, and no time is proven.
    SignatureAlone,
}

/// Verifies bundles against trust roots.
#[derive(Debug, Clone)]
pub struct Verifier {
    roots: TrustRoots,
    keys: Vec<PublicKey>,
    key_trust: KeyTrust,
}

impl Verifier {
    /// A verifier that believes these roots.
    pub const fn new(roots: TrustRoots) -> Self {
        Self { roots, keys: Vec::new(), key_trust: KeyTrust::Logged }
    }

    /// Tries these keys, too, where a bundle is signed with one.
    #[must_use]
    pub fn with_keys(mut self, keys: Vec<PublicKey>, trust: KeyTrust) -> Self {
        self.keys = keys;
        self.key_trust = trust;
        self
    }

    /// The roots that it believes.
    pub const fn roots(&self) -> &TrustRoots {
        &self.roots
    }

    /// Verifies a bundle that a short-lived certificate signed. Who may sign is not asked here: hold the
    /// proof against a policy.
    ///
    /// # Errors
    /// Every reason to refuse it; all are findings about the bundle.
    pub fn verify(&self, bundle_json: &[u8], expected: Expected<'_>) -> Result<Proof, VerifyError> {
        let bundle = bundle::read(bundle_json)?;
        let material = &bundle.verification_material.content;
        if let VerificationMaterialContent::PublicKey(key) = material {
            return Err(VerifyError::KeyRequired { hint: key.hint.chars().take(100).collect() });
        }
        let der = bundle
            .signing_certificate()
            .ok_or_else(|| VerifyError::Malformed { reason: "it has no certificate".to_owned() })?;
        let leaf = certificate::leaf(der)?;
        first_good(self.roots.for_leaf(&leaf)?, |root| keyless(&bundle, &leaf, root, expected))
    }

    /// Verifies a bundle, whether a certificate or one of the verifier's own keys signed it.
    ///
    /// # Errors
    /// Every reason to refuse it; all are findings about the bundle.
    pub fn verify_any(&self, bundle_json: &[u8], expected: Expected<'_>) -> Result<Proof, VerifyError> {
        match self.verify(bundle_json, expected) {
            Err(VerifyError::KeyRequired { .. }) if !self.keys.is_empty() => {
                first_good(self.keys.iter().collect(), |key| {
                    self.verify_with_key(bundle_json, expected, key, self.key_trust)
                })
            }
            other => other,
        }
    }

    /// Verifies a bundle that a long-lived key signed.
    ///
    /// # Errors
    /// Every reason to refuse it; all are findings about the bundle.
    pub fn verify_with_key(
        &self,
        bundle_json: &[u8],
        expected: Expected<'_>,
        key: &PublicKey,
        trust: KeyTrust,
    ) -> Result<Proof, VerifyError> {
        let bundle = bundle::read(bundle_json)?;
        if !matches!(bundle.verification_material.content, VerificationMaterialContent::PublicKey(_)) {
            return Err(VerifyError::KeyUnexpected);
        }
        if trust == KeyTrust::SignatureAlone {
            let content = signature_alone(&bundle, expected, key)?;
            return Ok(Proof {
                signer: Signer::Key { spki_sha256: key.spki_sha256() },
                content,
                log: None,
                times: Vec::new(),
                sct: false,
                instance: "a key alone".to_owned(),
            });
        }
        first_good(self.roots.for_keys(), |root| by_key(&bundle, root, expected, key))
    }
}

/// A bundle that a short-lived certificate signed, by one root.
fn keyless(
    bundle: &Bundle,
    leaf: &Leaf,
    root: &TrustRoot,
    expected: Expected<'_>,
) -> Result<Proof, VerifyError> {
    certificate::refuse_roots(bundle, root)?;
    let entry = log::entry(bundle, root)?;
    let timestamps = times::check_timestamps(bundle)?;
    if !root.has_logs() && timestamps == 0 {
        return Err(VerifyError::TimestampMissing {
            reason: format!("{} has no log, and there is no timestamp in it", root.name()),
        });
    }
    if root.has_certificate_logs() && !leaf.has_sct {
        return Err(VerifyError::SctMissing);
    }

    let mut policy = VerificationPolicy::any_identity();
    if !root.has_logs() {
        policy = policy.skip_tlog_unsafe();
    }
    if !root.has_certificate_logs() {
        policy = policy.skip_sct();
    }
    let (result, content) = match check(bundle, expected, root, &policy) {
        Err(VerifyError::Certificate { reason }) => {
            // The library does not tell an expired certificate from a foreign one.
            let log = entry.and_then(|entry| log::proof(entry, root).ok());
            times::verified(bundle, log.as_ref(), root).and_then(|times| leaf.check_times(&times))?;
            return Err(VerifyError::Certificate { reason });
        }
        other => other?,
    };
    let log = entry.map(|entry| log::proof(entry, root)).transpose()?;
    let times = times::verified(bundle, log.as_ref(), root)?;
    leaf.check_times(&times)?;
    if !result.certificate_verified() || times.is_empty() {
        return Err(VerifyError::TimestampMissing { reason: "no time of signing was verified".to_owned() });
    }
    let information = result
        .certificate()
        .ok_or_else(|| VerifyError::Malformed { reason: "its certificate was not read".to_owned() })?;
    Ok(Proof {
        signer: Signer::Certificate(Box::new(certificate::identity(
            leaf,
            result.issuer(),
            &information.ci_claims,
        ))),
        content,
        log,
        times,
        sct: result.sct_verified(),
        instance: root.name().to_owned(),
    })
}

/// A bundle that a long-lived key signed, by one root.
fn by_key(
    bundle: &Bundle,
    root: &TrustRoot,
    expected: Expected<'_>,
    key: &PublicKey,
) -> Result<Proof, VerifyError> {
    let entry = log::entry(bundle, root)?;
    let timestamps = times::check_timestamps(bundle)?;
    let mut policy = PublicKeyVerificationPolicy::new(key.0.clone());
    if !root.has_logs() {
        if timestamps == 0 {
            return Err(VerifyError::TimestampMissing {
                reason: format!("{} has no log, and there is no timestamp in it", root.name()),
            });
        }
        policy = policy.skip_tlog_unsafe();
    }
    let (_, content) = check(bundle, expected, root, &policy)?;
    let log = entry.map(|entry| log::proof(entry, root)).transpose()?;
    let times = times::verified(bundle, log.as_ref(), root)?;
    let signer = Signer::Key { spki_sha256: key.spki_sha256() };
    Ok(Proof { signer, content, log, times, sct: false, instance: root.name().to_owned() })
}

/// The first that verifies; else what was wrong with the last.
fn first_good<T>(
    choices: Vec<T>,
    verify: impl Fn(T) -> Result<Proof, VerifyError>,
) -> Result<Proof, VerifyError> {
    let mut last = VerifyError::InstanceUnknown { organisation: "nobody".to_owned() };
    for choice in choices {
        match verify(choice) {
            Ok(proof) => return Ok(proof),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The library's verification, between finding out what the bundle is about and the rules that the
/// library leaves to its caller.
fn check(
    bundle: &Bundle,
    expected: Expected<'_>,
    root: &TrustRoot,
    policy: &impl sigstore_verify::Policy,
) -> Result<(VerificationResult, Content), VerifyError> {
    let run = |artifact: Artifact<'_>| {
        root.verifier().verify(artifact, bundle, policy).map_err(|error| library::translate(error, root))
    };
    match &bundle.content {
        SignatureContent::DsseEnvelope(envelope) => {
            let statement = statement::read(envelope)?;
            let digest = named(&statement, expected);
            // A subject that is not named is reported after the signature was found good: a forged
            // payload is a forged signature first.
            let (artifact, mismatch) = match (&digest, statement.subject.iter().find_map(any_digest)) {
                (Some(digest), _) => (digest.clone(), false),
                (None, Some(stand_in)) => (stand_in, true),
                (None, None) => {
                    return Err(VerifyError::StatementMalformed {
                        reason: "no subject has a sha256 or sha512 digest".to_owned(),
                    });
                }
            };
            let result = run(Artifact::from_digest(library_digest(&artifact)?))
                .map_err(|error| statement::duplicate_or(error, envelope))?;
            if mismatch {
                return Err(VerifyError::SubjectMismatch {
                    expected: words(expected),
                    found: statement.subjects(),
                });
            }
            let content = statement.content(envelope.payload.as_bytes())?;
            Ok((result, content))
        }
        SignatureContent::MessageSignature(signature) => {
            let from_digest = |digest: &Digest| {
                message::signs(signature, digest)?;
                run(Artifact::from_digest(library_digest(digest)?))
            };
            let (digest, result) = match expected {
                Expected::Bytes(bytes) => {
                    let digest = Digest::of(bytes);
                    message::signs(signature, &digest)?;
                    (digest, run(Artifact::from_blob(bytes))?)
                }
                Expected::Digest(digest) => (digest.clone(), from_digest(digest)?),
                Expected::OneOf(digests) => one_of(digests, from_digest)?,
            };
            Ok((result, message::content(&digest)?))
        }
        _ => Err(VerifyError::Unsupported { reason: "its content is of an unknown kind".to_owned() }),
    }
}

/// A signature by a key over its content, and nothing else.
fn signature_alone(bundle: &Bundle, expected: Expected<'_>, key: &PublicKey) -> Result<Content, VerifyError> {
    let invalid = |error: sigstore_crypto::Error| VerifyError::Signature { reason: error.to_string() };
    let scheme = sigstore_crypto::KeyAlgorithm::from_spki(&key.0).map_err(invalid)?.default_signing_scheme();
    match &bundle.content {
        SignatureContent::DsseEnvelope(envelope) => {
            let statement = statement::read(envelope)?;
            sigstore_crypto::verify_signature(&key.0, &envelope.pae(), &envelope.signature.sig, scheme)
                .map_err(invalid)?;
            if named(&statement, expected).is_none() {
                return Err(VerifyError::SubjectMismatch {
                    expected: words(expected),
                    found: statement.subjects(),
                });
            }
            statement.content(envelope.payload.as_bytes())
        }
        SignatureContent::MessageSignature(signature) => {
            let prehashed = |digest: &Digest| {
                let bytes = library_digest(digest)?;
                if scheme.hash_algorithm() != Some(bytes.algorithm()) {
                    return Err(VerifyError::ArtifactForm {
                        reason: format!("the key signs with {}", scheme.name()),
                    });
                }
                sigstore_crypto::verify_signature_prehashed(
                    &key.0,
                    bytes.as_bytes(),
                    &signature.signature,
                    scheme,
                )
                .map_err(invalid)
            };
            let digest = match expected {
                Expected::Bytes(bytes) => {
                    sigstore_crypto::verify_signature(&key.0, bytes, &signature.signature, scheme)
                        .map_err(invalid)?;
                    Digest::of(bytes)
                }
                Expected::Digest(digest) => prehashed(digest).map(|()| digest.clone())?,
                Expected::OneOf(digests) => one_of(digests, prehashed)?.0,
            };
            message::content(&digest)
        }
        _ => Err(VerifyError::Unsupported { reason: "its content is of an unknown kind".to_owned() }),
    }
}

/// The first of the digests that verifies; else what was wrong with the last.
fn one_of<T>(
    digests: &[Digest],
    mut run: impl FnMut(&Digest) -> Result<T, VerifyError>,
) -> Result<(Digest, T), VerifyError> {
    let mut last = VerifyError::SubjectMismatch { expected: "no digest".to_owned(), found: "one".to_owned() };
    for digest in digests {
        match run(digest) {
            Ok(result) => return Ok((digest.clone(), result)),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The digest that is wanted and named.
fn named(statement: &statement::Statement<'_>, expected: Expected<'_>) -> Option<Digest> {
    match expected {
        Expected::Digest(digest) => statement.names(&[digest]).cloned(),
        Expected::OneOf(digests) => statement.names(&digests.iter().collect::<Vec<_>>()).cloned(),
        Expected::Bytes(bytes) => {
            let mut sha512 = loadline_core::Hasher::new(Algorithm::Sha512);
            sha512.update(bytes);
            let (a, b) = (Digest::of(bytes), sha512.finish());
            statement.names(&[&a, &b]).cloned()
        }
    }
}

/// Any digest of a subject that the library can take.
fn any_digest(subject: &loadline_core::statement::Subject) -> Option<Digest> {
    subject.digest.iter().find_map(|(algorithm, hex)| format!("{algorithm}:{hex}").parse().ok())
}

fn library_digest(digest: &Digest) -> Result<ArtifactDigest, VerifyError> {
    let algorithm = match digest.algorithm() {
        Algorithm::Sha256 => HashAlgorithm::Sha2256,
        Algorithm::Sha512 => HashAlgorithm::Sha2512,
    };
    hex::decode(digest.hex())
        .map_err(|error| error.to_string())
        .and_then(|bytes| ArtifactDigest::new(algorithm, bytes).map_err(|error| error.to_string()))
        .map_err(|reason| VerifyError::ArtifactForm { reason })
}

fn words(expected: Expected<'_>) -> String {
    match expected {
        Expected::Digest(digest) => digest.to_string(),
        Expected::Bytes(bytes) => Digest::of(bytes).to_string(),
        Expected::OneOf(digests) => digests.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or "),
    }
}
