//! What a verified bundle proves: who signed which statement, when, and how we know.
//!
//! `loadline-sigstore` makes these from bundles; `loadline-policy` holds them against a policy. The
//! type is here so that the policy floor needs no crypto.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::statement::Subject;

/// A bundle that verified: every member was checked against the trust root, none is taken from the
/// bundle on trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Who held the key.
    pub signer: Signer,
    /// What was signed.
    pub content: Content,
    /// The log entry that proves when, where the instance has a log.
    pub log: Option<LogProof>,
    /// Verified times of signing, and who vouches for each; never empty for a certificate.
    pub times: Vec<SigningTime>,
    /// Whether a signed certificate timestamp of the certificate was verified.
    pub sct: bool,
    /// Which trust root it was verified against, in words.
    pub instance: String,
}

/// Who held the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signer {
    /// A short-lived certificate.
    Certificate(Box<Identity>),
    /// A long-lived public key, by the SHA-256 digest of its DER SubjectPublicKeyInfo.
    Key {
        /// The digest, in hexadecimal.
        spki_sha256: String,
    },
}

/// What Fulcio's certificate says of the signer
/// (<https://github.com/sigstore/fulcio/blob/main/docs/oid-info.md>).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// The subject alternative name: a workflow's URI or a mail address.
    pub subject: String,
    /// The OIDC issuer.
    pub issuer: String,
    /// The organisation in the certificate's issuer, `sigstore.dev` or `GitHub, Inc.`.
    pub authority: String,
    /// The claims about the build that the certificate carries, by the names below.
    pub claims: BTreeMap<Claim, String>,
}

/// Claims of Fulcio certificates, OID 1.3.6.1.4.1.57264.1.9 to .24.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[allow(missing_docs)]
pub enum Claim {
    BuildSignerUri,
    BuildSignerDigest,
    RunnerEnvironment,
    SourceRepositoryUri,
    SourceRepositoryDigest,
    SourceRepositoryRef,
    SourceRepositoryIdentifier,
    SourceRepositoryOwnerUri,
    SourceRepositoryOwnerIdentifier,
    BuildConfigUri,
    BuildConfigDigest,
    BuildTrigger,
    RunInvocationUri,
    SourceRepositoryVisibility,
    DeploymentEnvironment,
    TokenSubject,
}

impl Claim {
    /// What the claim is called in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BuildSignerUri => "build signer",
            Self::BuildSignerDigest => "build signer's commit",
            Self::RunnerEnvironment => "runner environment",
            Self::SourceRepositoryUri => "source repository",
            Self::SourceRepositoryDigest => "source commit",
            Self::SourceRepositoryRef => "source ref",
            Self::SourceRepositoryIdentifier => "source repository id",
            Self::SourceRepositoryOwnerUri => "source repository owner",
            Self::SourceRepositoryOwnerIdentifier => "source repository owner id",
            Self::BuildConfigUri => "top workflow",
            Self::BuildConfigDigest => "top workflow's commit",
            Self::BuildTrigger => "build trigger",
            Self::RunInvocationUri => "run",
            Self::SourceRepositoryVisibility => "source repository visibility",
            Self::DeploymentEnvironment => "deployment environment",
            Self::TokenSubject => "token subject",
        }
    }
}

impl Identity {
    /// A claim's value, where the certificate makes it.
    pub fn claim(&self, claim: Claim) -> Option<&str> {
        self.claims.get(&claim).map(String::as_str)
    }
}

impl Proof {
    /// The certificate's identity; `None` for a key.
    pub fn identity(&self) -> Option<&Identity> {
        match &self.signer {
            Signer::Certificate(identity) => Some(identity),
            Signer::Key { .. } => None,
        }
    }

    /// The predicate's type; `None` for a signature over the artifact itself.
    pub fn predicate_type(&self) -> Option<&str> {
        match &self.content {
            Content::Statement { predicate_type, .. } => Some(predicate_type),
            Content::Message { .. } => None,
        }
    }

    /// The earliest verified time of signing: the signature existed at it.
    pub fn signed_at(&self) -> Option<Timestamp> {
        self.times.iter().map(|time| time.at).min()
    }
}

/// What was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A DSSE envelope around an in-toto statement.
    Statement {
        /// The statement's type.
        statement_type: String,
        /// What it speaks of.
        subjects: Vec<Subject>,
        /// The predicate's type.
        predicate_type: String,
        /// The predicate's bytes.
        predicate: Vec<u8>,
        /// The SHA-256 digest of the whole statement, in hexadecimal.
        sha256: String,
    },
    /// A signature over the artifact itself.
    Message {
        /// The digest that was signed, in hexadecimal.
        sha256: String,
    },
}

/// The log entry that proves the signing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogProof {
    /// The position in the whole log.
    pub log_index: u64,
    /// When the log took it in; Rekor v2 entries say no time.
    pub integrated_time: Option<Timestamp>,
    /// The log's key id, in base64 as trusted roots write it.
    pub log_id: String,
    /// How inclusion was proven.
    pub inclusion: Inclusion,
}

/// How a log entry was proven.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inclusion {
    /// A Merkle inclusion proof up to a signed checkpoint.
    Proof,
    /// A signed entry timestamp alone: the log promised to include it (v0.1 bundles).
    SetOnly,
}

/// A verified time of signing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SigningTime {
    /// The time.
    pub at: Timestamp,
    /// Who vouches for it.
    pub by: TimeSource,
}

/// Who vouches for a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimeSource {
    /// A transparency log's signed time.
    Log,
    /// An RFC 3161 time stamping authority, by its name in the trust root.
    Authority(String),
}
