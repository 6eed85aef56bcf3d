//! A log's promise without a proof is told, never hidden.

use loadline_core::Finding;
use loadline_core::proof::{Inclusion, Proof};

use crate::codes::SET_ONLY;

pub(crate) fn judge(proof: &Proof) -> Vec<Finding> {
    match &proof.log {
        Some(log) if log.inclusion == Inclusion::SetOnly => vec![
            Finding::note(
                &SET_ONLY,
                format!(
                    "the log promised to include entry {}, and no proof that it did is in the bundle",
                    log.log_index
                ),
            )
            .help("sign anew with a tool that writes bundles of version 0.3; they carry the proof"),
        ],
        _ => Vec::new(),
    }
}
