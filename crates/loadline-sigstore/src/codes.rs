//! The codes of this room.

use loadline_core::Code;

/// It is no Sigstore bundle.
pub static BUNDLE_MALFORMED: Code = Code::new(
    "bundle-malformed",
    "it is no Sigstore bundle",
    "What was found is not a Sigstore bundle of version 0.1, 0.2 or 0.3: not JSON, without its media type, with none or two of the contents and signers that exclude each other, with a key twice, or with several signatures in one envelope. Something else pushed under a bundle's media type looks like this. It proves nothing; good evidence beside it still counts.",
);
/// The bundle is larger than 24 MiB.
pub static BUNDLE_TOO_LARGE: Code = Code::new(
    "bundle-too-large",
    "the bundle is larger than 24 MiB",
    "Bundles are read into memory and parsed, so there is a limit; GitHub takes none that large either. Slim the predicate, an SBOM mostly, and sign it anew.",
);
/// The bundle uses something unknown.
pub static BUNDLE_UNSUPPORTED: Code = Code::new(
    "bundle-unsupported",
    "the bundle uses something unknown",
    "A signature algorithm, log entry kind or content that this program does not know. Nothing is believed that cannot be checked. A newer release may know it.",
);
/// It is signed with a key, and none was given.
pub static KEY_REQUIRED: Code = Code::new(
    "key-required",
    "it is signed with a key, and none was given",
    "The bundle names no certificate but a key's hint. The hint proves nothing: the key itself must come from you.",
);
/// It is signed by a certificate, and a key was given.
pub static KEY_UNEXPECTED: Code = Code::new(
    "key-unexpected",
    "it is signed by a certificate, and a key was given",
    "A key was given to verify with, and the bundle is signed by a short-lived certificate. Name the identity you expect instead of the key.",
);
/// The certificate is of no known Sigstore instance.
pub static INSTANCE_UNKNOWN: Code = Code::new(
    "instance-unknown",
    "the certificate is of no known Sigstore instance",
    "The trust root is chosen by the organisation that issued the certificate: the public-good instance or GitHub's. A private instance's root must be named; it is never chosen by itself.",
);
/// There is no log entry, and the instance has a log.
pub static LOG_ENTRY_MISSING: Code = Code::new(
    "log-entry-missing",
    "there is no log entry, and the instance has a log",
    "Without a log entry nobody but the signer has seen the signature: a stolen key could sign in secret. The instance has a transparency log, so an entry is demanded.",
);
/// There are several log entries.
pub static LOG_ENTRY_SEVERAL: Code = Code::new(
    "log-entry-several",
    "there are several log entries",
    "Exactly one entry proves a signature. Others beside it are unproven, and a reader may show their index and time as if they were.",
);
/// There is a log entry, and the instance has no log.
pub static LOG_ENTRY_UNEXPECTED: Code = Code::new(
    "log-entry-unexpected",
    "there is a log entry, and the instance has no log",
    "The trust root lists no transparency log, so that the entry cannot be checked; what cannot be checked is not shown.",
);
/// The log entry comes without its proof.
pub static LOG_PROOF_MISSING: Code = Code::new(
    "log-proof-missing",
    "the log entry comes without its proof",
    "Bundles of version 0.2 and later must carry the Merkle proof that the log includes the entry; those of version 0.1 at least the log's signed promise. An entry without either is only a claim.",
);
/// The log entry's proof does not verify.
pub static LOG_PROOF_INVALID: Code = Code::new(
    "log-proof-invalid",
    "the log entry's proof does not verify",
    "The Merkle proof, the checkpoint or the log's promise is not what a trusted log signed, or the entry names another log than the one that did. Either the bundle was tampered with, or it is from an instance with another trust root.",
);
/// The log entry is about something else.
pub static LOG_ENTRY_MISMATCH: Code = Code::new(
    "log-entry-mismatch",
    "the log entry is about something else",
    "The entry is genuine, and describes another signature, certificate or artifact: taken from another bundle (CVE-2022-36056).",
);
/// The log entry's time is not possible.
pub static LOG_TIME_INVALID: Code = Code::new(
    "log-time-invalid",
    "the log entry's time is not possible",
    "The log took the entry in before the certificate was valid, after it expired, or in the future by this machine's clock.",
);
/// The certificate does not lead to the trust root.
pub static CERTIFICATE_UNTRUSTED: Code = Code::new(
    "certificate-untrusted",
    "the certificate does not lead to the trust root",
    "The certificate is of another authority than the trust root names, is not for signing code, or cannot be read. Check that the right trust root is used, and that it is fresh: `loadline trust update`.",
);
/// The certificate chain brings its own root.
pub static CERTIFICATE_CHAIN_ROOT: Code = Code::new(
    "certificate-chain-root",
    "the certificate chain brings its own root",
    "The specification forbids root certificates in bundles: roots come from the trust root. A reader that takes one from the bundle believes anybody.",
);
/// The certificate was not valid when it signed.
pub static CERTIFICATE_EXPIRED: Code = Code::new(
    "certificate-expired",
    "the certificate was not valid when it signed",
    "Signing certificates live for ten minutes. A verified time of signing lies outside them.",
);
/// The certificate names no subject, or several.
pub static CERTIFICATE_SUBJECT: Code = Code::new(
    "certificate-subject",
    "the certificate names no subject, or several",
    "A signing certificate has exactly one subject alternative name: who held the key. With several, the reader would choose.",
);
/// No certificate log has seen the certificate.
pub static SCT_MISSING: Code = Code::new(
    "sct-missing",
    "no certificate log has seen the certificate",
    "The instance logs every certificate it issues, and proves it by a timestamp inside. Without it, the certificate may have been issued in secret.",
);
/// The certificate log's timestamp does not verify.
pub static SCT_INVALID: Code = Code::new(
    "sct-invalid",
    "the certificate log's timestamp does not verify",
    "The signed certificate timestamp is not of a log that the trust root names. Check that the trust root is fresh.",
);
/// Nothing proves when it was signed.
pub static TIMESTAMP_MISSING: Code = Code::new(
    "timestamp-missing",
    "nothing proves when it was signed",
    "A short-lived certificate is worth nothing without proof that it signed while it was valid: a timestamp authority's, or a log's. An instance without a log demands a timestamp.",
);
/// A timestamp does not verify.
pub static TIMESTAMP_INVALID: Code = Code::new(
    "timestamp-invalid",
    "a timestamp does not verify",
    "A timestamp in the bundle is not of an authority that the trust root names, is about another signature, lies outside the authority's time, or stands there twice. Authorities rotate: check that the trust root is fresh.",
);
/// The signature is not the signer's.
pub static SIGNATURE_INVALID: Code = Code::new(
    "signature-invalid",
    "the signature is not the signer's",
    "The signature does not fit the content and the signer's key: the content was changed, or the signature is from elsewhere.",
);
/// The envelope holds no in-toto statement.
pub static PAYLOAD_TYPE: Code = Code::new(
    "payload-type",
    "the envelope holds no in-toto statement",
    "Attestations are in-toto statements. This envelope's payload is of another type, and says nothing about an artifact.",
);
/// The statement cannot be read.
pub static STATEMENT_MALFORMED: Code = Code::new(
    "statement-malformed",
    "the statement cannot be read",
    "The payload says it is an in-toto statement and is not shaped like one; a subject without a digest is the usual mistake.",
);
/// The statement says something twice.
pub static STATEMENT_DUPLICATE_KEY: Code = Code::new(
    "statement-duplicate-key",
    "the statement says something twice",
    "A key stands twice in one object of the statement. JSON readers take the first or the last, so two tools would see two statements: a way past reviews.",
);
/// The statement is of an unknown type.
pub static STATEMENT_TYPE: Code = Code::new(
    "statement-type",
    "the statement is of an unknown type",
    "Statements are of type https://in-toto.io/Statement/v1, old ones of v0.1. Of another type, their members may mean anything.",
);
/// The statement names no predicate type.
pub static PREDICATE_TYPE_MISSING: Code = Code::new(
    "predicate-type-missing",
    "the statement names no predicate type",
    "Without a predicate type nobody knows what the predicate says.",
);
/// The statement's predicate is empty.
pub static PREDICATE_NULL: Code = Code::new(
    "predicate-null",
    "the statement's predicate is empty",
    "The predicate is null, absent, or no object: somebody signed nothing at all about the artifact.",
);
/// The evidence speaks of another artifact.
pub static SUBJECT_MISMATCH: Code = Code::new(
    "subject-mismatch",
    "the evidence speaks of another artifact",
    "The bundle is genuine and about other digests than the one asked for. Evidence copied from another image looks like this, and so does an image rebuilt since.",
);
/// The signature needs another form of the artifact.
pub static ARTIFACT_FORM: Code = Code::new(
    "artifact-form",
    "the signature needs another form of the artifact",
    "Some keys sign whole messages and cannot be checked from a digest, and message signatures are checked by SHA-256. Give the file itself.",
);
/// A trust root cannot be used.
pub static TRUST_ROOT_UNUSABLE: Code = Code::new(
    "trust-root-unusable",
    "a trust root cannot be used",
    "The trusted_root.json that was named cannot be read or used, so nothing can be verified. The message says why.",
);
/// A signing service could not be reached.
pub static SIGNING_UNREACHABLE: Code = Code::new(
    "signing-unreachable",
    "a signing service could not be reached",
    "Fulcio, Rekor, the timestamp authority or the token's issuer did not answer. Nothing was signed; run it again when the service is back, the ledger takes up where it was.",
);
/// A signing service refused.
pub static SIGNING_REFUSED: Code = Code::new(
    "signing-refused",
    "a signing service refused",
    "The service answered, and said no. Its answer is in the message; an issuer that is not configured there or a token for another audience are the usual reasons.",
);
/// A signing service did not answer in time.
pub static SIGNING_TIMEOUT: Code = Code::new(
    "signing-timeout",
    "a signing service did not answer in time",
    "The service took the request and did not answer within the time limit. A log may have taken the entry all the same; signing again makes a second one, which does no harm.",
);
/// A signing service's answer makes no sense.
pub static SIGNING_ANSWER: Code = Code::new(
    "signing-answer",
    "a signing service's answer makes no sense",
    "The service answered with something that is not what its protocol says. A proxy in between is the usual reason.",
);
/// There is no usable identity token.
pub static SIGNING_TOKEN: Code = Code::new(
    "signing-token",
    "there is no usable identity token",
    "Keyless signing needs a token of an identity provider. It is absent, expired or not a token. Under GitHub Actions the job needs `permissions: id-token: write`.",
);
/// The signing configuration cannot be used.
pub static SIGNING_CONFIG: Code = Code::new(
    "signing-config",
    "the signing configuration cannot be used",
    "The services to sign with do not fit together or are not named: Rekor v2 needs a timestamp authority, a key cannot be logged in Rekor v1.",
);
/// The signing key cannot be used.
pub static SIGNING_KEY: Code = Code::new(
    "signing-key",
    "the signing key cannot be used",
    "Keys are P-256 in unencrypted PKCS#8 PEM. Convert it with `openssl pkcs8 -topk8 -nocrypt`.",
);

/// The log contradicts the bundle.
pub static LOG_INCONSISTENT: Code = Code::new(
    "log-inconsistent",
    "the log, asked now, contradicts the bundle",
    "With --log-online the log itself is asked: its current tree must include the entry, and the tree that the bundle proves must be the beginning of it. It is not so: the log has forgotten the entry, shows different trees to different readers, or the bundle names a log that it never was in. Do not use the artifact, and tell those who run the log.",
);
/// The log could not be asked.
pub static LOG_UNREACHABLE: Code = Code::new(
    "log-unreachable",
    "the log could not be asked",
    "With --log-online the log itself is asked whether it still includes the entry, and it did not answer, or not in its protocol, so that the verdict is `unknown`. The bundle's own proof was verified without it: leave --log-online away where that is enough.",
);

/// All codes of this room.
pub static CODES: &[&Code] = &[
    &BUNDLE_MALFORMED,
    &BUNDLE_TOO_LARGE,
    &BUNDLE_UNSUPPORTED,
    &KEY_REQUIRED,
    &KEY_UNEXPECTED,
    &INSTANCE_UNKNOWN,
    &LOG_ENTRY_MISSING,
    &LOG_ENTRY_SEVERAL,
    &LOG_ENTRY_UNEXPECTED,
    &LOG_PROOF_MISSING,
    &LOG_PROOF_INVALID,
    &LOG_ENTRY_MISMATCH,
    &LOG_TIME_INVALID,
    &CERTIFICATE_UNTRUSTED,
    &CERTIFICATE_CHAIN_ROOT,
    &CERTIFICATE_EXPIRED,
    &CERTIFICATE_SUBJECT,
    &SCT_MISSING,
    &SCT_INVALID,
    &TIMESTAMP_MISSING,
    &TIMESTAMP_INVALID,
    &SIGNATURE_INVALID,
    &PAYLOAD_TYPE,
    &STATEMENT_MALFORMED,
    &STATEMENT_DUPLICATE_KEY,
    &STATEMENT_TYPE,
    &PREDICATE_TYPE_MISSING,
    &PREDICATE_NULL,
    &SUBJECT_MISMATCH,
    &ARTIFACT_FORM,
    &TRUST_ROOT_UNUSABLE,
    &LOG_INCONSISTENT,
    &LOG_UNREACHABLE,
    &SIGNING_UNREACHABLE,
    &SIGNING_REFUSED,
    &SIGNING_TIMEOUT,
    &SIGNING_ANSWER,
    &SIGNING_TOKEN,
    &SIGNING_CONFIG,
    &SIGNING_KEY,
];
