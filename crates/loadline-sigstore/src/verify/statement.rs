//! The statement inside an envelope (in-toto attestation framework, spec/v1/statement.md).

use loadline_core::Digest;
use loadline_core::proof::Content;
use loadline_core::statement::{PAYLOAD_TYPE, STATEMENT_V01, STATEMENT_V1, Subject};
use serde::Deserialize;
use serde_json::value::RawValue;
use sigstore_types::DsseEnvelope;

use crate::json::duplicate_key;
use crate::verify::error::VerifyError;

/// A statement as the envelope holds it.
#[derive(Deserialize)]
pub(crate) struct Statement<'a> {
    #[serde(rename = "_type")]
    statement_type: String,
    #[serde(default)]
    pub(crate) subject: Vec<Subject>,
    #[serde(rename = "predicateType", default)]
    predicate_type: String,
    #[serde(borrow, default)]
    predicate: Option<&'a RawValue>,
}

/// Reads the statement, whether or not it is signed.
pub(crate) fn read(envelope: &DsseEnvelope) -> Result<Statement<'_>, VerifyError> {
    if envelope.payload_type != PAYLOAD_TYPE {
        return Err(VerifyError::PayloadType {
            found: envelope.payload_type.chars().take(200).collect(),
            expected: PAYLOAD_TYPE,
        });
    }
    let payload = envelope.payload.as_bytes();
    serde_json::from_slice(payload)
        .map_err(|error| VerifyError::StatementMalformed { reason: error.to_string() })
        .map_err(|error| duplicate_or(error, envelope))
}

/// Of a statement that some reader stumbled over: the key that stands twice, where that was the reason.
pub(crate) fn duplicate_or(error: VerifyError, envelope: &DsseEnvelope) -> VerifyError {
    match error {
        VerifyError::StatementMalformed { .. } => match duplicate_key(envelope.payload.as_bytes()) {
            Some(key) => VerifyError::StatementDuplicateKey { key },
            None => error,
        },
        other => other,
    }
}

/// Whether bytes are a statement that would be accepted, for signing.
pub(crate) fn check(payload: &[u8]) -> Result<(), VerifyError> {
    let statement: Statement<'_> = serde_json::from_slice(payload)
        .map_err(|error| VerifyError::StatementMalformed { reason: error.to_string() })?;
    let nameless = |subject: &Subject| subject.digest.is_empty();
    if statement.subject.is_empty() || statement.subject.iter().any(nameless) {
        return Err(VerifyError::StatementMalformed {
            reason: "every subject needs a digest, and there must be one".to_owned(),
        });
    }
    statement.content(payload).map(|_| ())
}

impl Statement<'_> {
    /// The digest of the ones wanted that it names.
    pub(crate) fn names<'d>(&self, wanted: &[&'d Digest]) -> Option<&'d Digest> {
        wanted.iter().copied().find(|digest| self.subject.iter().any(|subject| subject.is(digest)))
    }

    /// Its subjects in a few words.
    pub(crate) fn subjects(&self) -> String {
        let mut words: Vec<String> = self
            .subject
            .iter()
            .flat_map(|subject| &subject.digest)
            .map(|(algorithm, hex)| format!("{algorithm}:{hex}"))
            .take(4)
            .collect();
        if words.is_empty() {
            return "nothing".to_owned();
        }
        if words.len() == 4 {
            words[3] = format!("{} in all", self.subject.len());
        }
        words.join(", ")
    }

    /// The rules that the library leaves to its caller. The signature has been verified.
    pub(crate) fn content(self, payload: &[u8]) -> Result<Content, VerifyError> {
        if let Some(key) = duplicate_key(payload) {
            return Err(VerifyError::StatementDuplicateKey { key });
        }
        if self.statement_type != STATEMENT_V1 && self.statement_type != STATEMENT_V01 {
            return Err(VerifyError::StatementType {
                found: self.statement_type.chars().take(200).collect(),
            });
        }
        let word = |c: char| !c.is_control() && !c.is_whitespace();
        if self.predicate_type.is_empty() || !self.predicate_type.chars().all(word) {
            return Err(VerifyError::PredicateType);
        }
        let Some(predicate) = self.predicate else {
            return Err(VerifyError::PredicateNull { found: "null or absent" });
        };
        if !predicate.get().starts_with('{') {
            return Err(VerifyError::PredicateNull { found: "no object" });
        }
        Ok(Content::Statement {
            statement_type: self.statement_type,
            subjects: self.subject,
            predicate_type: self.predicate_type,
            predicate: predicate.get().as_bytes().to_vec(),
            sha256: Digest::of(payload).hex().to_owned(),
        })
    }
}
