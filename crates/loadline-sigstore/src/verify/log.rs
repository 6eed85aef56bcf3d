//! Which log entry proves it, and how.

use loadline_core::proof::{Inclusion, LogProof};
use sigstore_crypto::VerificationKey;
use sigstore_types::bundle::InclusionProof;
use sigstore_types::{Bundle, KindVersion, MediaType, TransparencyLogEntry};

use crate::trust::TrustRoot;
use crate::verify::error::VerifyError;

/// The one entry: exactly one where the instance has logs, none where it has not.
///
/// An entry with neither proof nor promise would pass the library beside a good one, and its index would
/// be believed; so would duplicates.
pub(crate) fn entry<'a>(
    bundle: &'a Bundle,
    root: &TrustRoot,
) -> Result<Option<&'a TransparencyLogEntry>, VerifyError> {
    let entries = bundle.verification_material.tlog_entries.as_slice();
    let name = || root.name().to_owned();
    let entry = match (root.has_logs(), entries) {
        (true, [entry]) => entry,
        (false, []) => return Ok(None),
        (true, []) => return Err(VerifyError::LogEntryMissing { root: name() }),
        (false, _) => return Err(VerifyError::LogEntryUnexpected { root: name() }),
        (true, several) => return Err(VerifyError::LogEntrySeveral { count: several.len() }),
    };
    if let Some(proof) = &entry.inclusion_proof {
        check_head(proof)?;
    }
    match (&entry.inclusion_proof, &entry.inclusion_promise, bundle.media_type) {
        (Some(_), _, _) | (None, Some(_), MediaType::Bundle0_1) => Ok(Some(entry)),
        (None, None, MediaType::Bundle0_1) => Err(VerifyError::InclusionPromiseMissing),
        (None, _, _) => Err(VerifyError::InclusionProofMissing),
    }
}

/// The proof's own root and size are its checkpoint's. For Rekor v2 the library goes by the checkpoint alone,
/// so that whoever reads the other two members would be told what nobody signed.
fn check_head(proof: &InclusionProof) -> Result<(), VerifyError> {
    let Some(checkpoint) = proof.checkpoint.checkpoint() else { return Ok(()) };
    let refuse = |reason: String| Err(VerifyError::LogProof { reason });
    if proof.root_hash != *checkpoint.root_hash() {
        return refuse(format!(
            "its root hash is {}, and the checkpoint's is {}",
            proof.root_hash.to_hex(),
            checkpoint.root_hash().to_hex()
        ));
    }
    if proof.tree_size != checkpoint.tree_size() {
        return refuse(format!(
            "its tree has {} entries, and the checkpoint's has {}",
            proof.tree_size,
            checkpoint.tree_size()
        ));
    }
    Ok(())
}

/// What the entry proves, once the library has verified it: only what a signature covers is told.
///
/// A promise covers index, log and time. A proof alone covers the index within its own tree, and the log
/// is the one whose key signed the checkpoint: the entry may name another.
pub(crate) fn proof(entry: &TransparencyLogEntry, root: &TrustRoot) -> Result<LogProof, VerifyError> {
    let promised = entry.inclusion_promise.is_some();
    let is_v2 = is_v2(entry);
    let named = entry.log_id.key_id.to_string();
    let inclusion = match &entry.inclusion_proof {
        None => Inclusion::SetOnly,
        Some(_) => Inclusion::Proof,
    };
    let mut log_index = entry.log_index.get();
    if let Some(inclusion_proof) = entry.inclusion_proof.as_ref().filter(|_| !promised) {
        if !is_v2 {
            log_index = inclusion_proof.log_index.get();
        }
        let proven = signer_of(inclusion_proof.checkpoint.checkpoint(), root).ok_or_else(|| {
            VerifyError::LogProof { reason: "no trusted log signed its checkpoint".to_owned() }
        })?;
        if proven != named {
            return Err(VerifyError::LogIdentity { named, proven });
        }
    }
    Ok(LogProof {
        log_index,
        integrated_time: entry.integrated_time.filter(|_| promised && !is_v2),
        log_id: named,
        inclusion,
    })
}

/// Whether the entry is of Rekor v2, whose logs are read as tiles and vouch for no time.
pub(crate) fn is_v2(entry: &TransparencyLogEntry) -> bool {
    entry.kind_version == KindVersion::HashedRekordV002
}

/// The log whose key signed a checkpoint.
pub(crate) fn signer_of(checkpoint: Option<&sigstore_types::Checkpoint>, root: &TrustRoot) -> Option<String> {
    let checkpoint = checkpoint?;
    root.library().tlogs.iter().find_map(|log| {
        let id = &log.log_id.key_id;
        let key = VerificationKey::from_spki(&log.public_key.raw_bytes).ok()?;
        let signed = checkpoint.signatures().iter().any(|signature| {
            id.as_bytes().starts_with(signature.key_id.as_bytes())
                && key.verify(checkpoint.signed_data(), &signature.signature).is_ok()
        });
        signed.then(|| id.to_string())
    })
}
