//! Evidence that is there already: bundles on a subject that carry the very same statement.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use loadline_core::Digest;
use loadline_registry::{RegistryError, Repository};
use loadline_sigstore::BUNDLE_LIMIT;
use serde::Deserialize;

/// What every bundle's media type begins with, of whatever version.
const BUNDLE_PREFIX: &str = "application/vnd.dev.sigstore.bundle";
/// The annotation by which a bundle's manifest says what its statement is of.
const PREDICATE_TYPE: &str = "dev.sigstore.bundle.predicateType";
/// How many referrers are looked into.
const REFERRERS: usize = 64;

/// The bundles on a subject whose payload is this statement, byte for byte. Who signed them, and whether they
/// verify, is not looked at.
///
/// # Errors
/// A registry that could not be asked.
pub async fn bundles_with(
    repository: &Repository,
    subject: &Digest,
    predicate_type: &str,
    statement: &[u8],
) -> Result<Vec<Bytes>, RegistryError> {
    let referrers = repository.referrers(subject).await?;
    let candidates = referrers.descriptors.iter().filter(|descriptor| {
        // Fallback tags that others wrote say nothing of the kind: those are looked into as well.
        let kind = descriptor.artifact_type.as_deref().unwrap_or_default();
        let of = descriptor.annotations.get(PREDICATE_TYPE);
        (kind.starts_with(BUNDLE_PREFIX) || of.is_none()) && of.is_none_or(|of| of == predicate_type)
    });
    let mut same = Vec::new();
    for descriptor in candidates.take(REFERRERS) {
        match bundle(repository, &descriptor.digest).await {
            Ok(Some(bundle)) if carries(&bundle, statement) => same.push(bundle),
            Ok(_) => {}
            Err(error) if error.is_about_content() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(same)
}

async fn bundle(repository: &Repository, manifest: &Digest) -> Result<Option<Bytes>, RegistryError> {
    let manifest = repository.manifest(&manifest.to_string()).await?;
    let Ok(image) = manifest.as_image() else { return Ok(None) };
    let layer = image.layers.iter().find(|layer| layer.media_type.starts_with(BUNDLE_PREFIX));
    match layer.filter(|layer| layer.size <= BUNDLE_LIMIT as u64) {
        Some(layer) => repository.blob(layer, BUNDLE_LIMIT as u64).await.map(Some),
        None => Ok(None),
    }
}

/// Whether a bundle's payload is this statement, byte for byte.
pub fn carries(bundle: &[u8], statement: &[u8]) -> bool {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Bundle<'a> {
        #[serde(borrow)]
        dsse_envelope: Envelope<'a>,
    }
    #[derive(Deserialize)]
    struct Envelope<'a> {
        payload: &'a str,
    }
    serde_json::from_slice::<Bundle<'_>>(bundle)
        .ok()
        .and_then(|bundle| STANDARD.decode(bundle.dsse_envelope.payload).ok())
        .is_some_and(|payload| payload == statement)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_statement_to_the_byte() {
        let bundle = |payload: &str| {
            format!(r#"{{"dsseEnvelope":{{"payload":"{}"}}}}"#, STANDARD.encode(payload)).into_bytes()
        };
        assert!(carries(&bundle("{}"), b"{}"));
        assert!(!carries(&bundle("{ }"), b"{}"));
        assert!(!carries(br#"{"messageSignature":{}}"#, b"{}"));
        assert!(!carries(b"nonsense", b"{}"));
    }
}
