//! The proof speaks of the digest that is judged.

use loadline_core::Finding;
use loadline_core::proof::{Content, Proof};

use crate::codes::SUBJECT_NOT_NAMED;
use crate::judge::JudgeContext;

pub(crate) fn judge(proof: &Proof, context: &JudgeContext) -> Vec<Finding> {
    if speaks_of(proof, &context.digest) {
        return Vec::new();
    }
    let named = match &proof.content {
        Content::Statement { subjects, .. } => subjects
            .iter()
            .flat_map(|subject| subject.digest.iter())
            .map(|(algorithm, hex)| format!("{algorithm}:{hex}"))
            .take(5)
            .collect::<Vec<_>>()
            .join(", "),
        Content::Message { sha256 } => format!("sha256:{sha256}"),
    };
    vec![Finding::error(
        &SUBJECT_NOT_NAMED,
        format!("expected evidence about {}, this speaks of {named}", context.digest),
    )]
}

/// Whether a digest is among the subjects, or is what was signed.
pub(crate) fn speaks_of(proof: &Proof, digest: &loadline_core::Digest) -> bool {
    match &proof.content {
        Content::Statement { subjects, .. } => subjects.iter().any(|subject| subject.is(digest)),
        Content::Message { sha256 } => {
            digest.algorithm() == loadline_core::Algorithm::Sha256 && digest.hex() == sha256
        }
    }
}
