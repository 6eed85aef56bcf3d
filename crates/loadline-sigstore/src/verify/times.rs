//! Who vouches for the time of signing: the library mixes the answers, here they are told apart.

use std::collections::HashSet;

use loadline_core::proof::{LogProof, SigningTime, TimeSource};
use sigstore_types::{Bundle, SignatureBytes, SignatureContent};

use crate::trust::TrustRoot;
use crate::verify::error::VerifyError;

/// More timestamps than this are not looked at: each costs a signature verification, and one is enough.
const TIMESTAMP_LIMIT: usize = 16;

/// Before the library looks at them: not too many, none twice.
pub(crate) fn check_timestamps(bundle: &Bundle) -> Result<usize, VerifyError> {
    let timestamps = &bundle.verification_material.timestamp_verification_data.rfc3161_timestamps;
    let refuse = |reason: String| VerifyError::Timestamp { reason };
    if timestamps.len() > TIMESTAMP_LIMIT {
        return Err(refuse(format!("there are {}, at most {TIMESTAMP_LIMIT} are read", timestamps.len())));
    }
    let mut seen = HashSet::new();
    if timestamps.iter().any(|timestamp| !seen.insert(timestamp.signed_timestamp.as_bytes())) {
        return Err(refuse("one stands in it twice".to_owned()));
    }
    Ok(timestamps.len())
}

/// All verified times. Every timestamp must verify: one that does not is an error even beside one that
/// does.
pub(crate) fn verified(
    bundle: &Bundle,
    log: Option<&LogProof>,
    root: &TrustRoot,
) -> Result<Vec<SigningTime>, VerifyError> {
    let mut times = authorities(bundle, root)?;
    if let Some(at) = log.and_then(|log| log.integrated_time) {
        times.push(SigningTime { at, by: TimeSource::Log });
    }
    Ok(times)
}

/// The times that timestamp authorities vouch for.
pub(crate) fn authorities(bundle: &Bundle, root: &TrustRoot) -> Result<Vec<SigningTime>, VerifyError> {
    let signature = signature(&bundle.content)?;
    let mut times = Vec::new();
    for timestamp in &bundle.verification_material.timestamp_verification_data.rfc3161_timestamps {
        let mut reason = "the trust root has no timestamp authority".to_owned();
        let mut found = None;
        for (name, authority) in root.timestamp_authorities() {
            match sigstore_tsa::verify_timestamp_for_authority(
                &timestamp.signed_timestamp,
                signature,
                &authority,
            ) {
                Ok(at) => {
                    found = Some(SigningTime { at, by: TimeSource::Authority(name) });
                    break;
                }
                Err(error) => reason = error.to_string(),
            }
        }
        times.push(found.ok_or(VerifyError::Timestamp { reason })?);
    }
    Ok(times)
}

fn signature(content: &SignatureContent) -> Result<&SignatureBytes, VerifyError> {
    match content {
        SignatureContent::MessageSignature(message) => Ok(&message.signature),
        SignatureContent::DsseEnvelope(envelope) => Ok(&envelope.signature.sig),
        _ => Err(VerifyError::Unsupported { reason: "its content is of an unknown kind".to_owned() }),
    }
}
