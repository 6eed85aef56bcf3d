//! The structures of RFC 6962 sections 3.2 to 3.4, in TLS encoding.

use crate::sigstore::log::Hash;

/// What a log entry is about, and what its timestamp signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Signed {
    /// A certificate, its DER.
    Certificate(Vec<u8>),
    /// A precertificate: the SHA-256 of its issuer's public key, and its TBSCertificate without poison.
    Precertificate {
        /// SHA-256 of the issuer's SubjectPublicKeyInfo.
        issuer_key_hash: Hash,
        /// The TBSCertificate.
        tbs: Vec<u8>,
    },
}

/// Something is longer than its length field can say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a part of {0} bytes is too long for a log entry")]
pub(crate) struct TooLong(usize);

/// `MerkleTreeLeaf`: what is hashed into the tree.
pub(crate) fn leaf(timestamp: u64, signed: &Signed) -> Result<Vec<u8>, TooLong> {
    let mut out = vec![0, 0];
    timestamped(&mut out, timestamp, signed)?;
    Ok(out)
}

/// The `digitally-signed` input of a `SignedCertificateTimestamp`.
pub(crate) fn signature_input(timestamp: u64, signed: &Signed) -> Result<Vec<u8>, TooLong> {
    // Version v1, signature type certificate_timestamp: the same two bytes as a leaf's.
    leaf(timestamp, signed)
}

/// The `digitally-signed` input of a signed tree head.
pub(crate) fn tree_head_input(timestamp: u64, size: u64, root: &Hash) -> Vec<u8> {
    let mut out = vec![0, 1];
    out.extend_from_slice(&timestamp.to_be_bytes());
    out.extend_from_slice(&size.to_be_bytes());
    out.extend_from_slice(root);
    out
}

/// Reads a leaf back: its timestamp and what it is about.
pub(crate) fn parse_leaf(leaf: &[u8]) -> Option<(u64, Signed)> {
    let rest = leaf.strip_prefix(&[0, 0])?;
    let (timestamp, rest) = rest.split_first_chunk::<8>()?;
    let (kind, rest) = rest.split_first_chunk::<2>()?;
    let signed = match kind {
        [0, 0] => Signed::Certificate(take24(rest)?.to_vec()),
        [0, 1] => {
            let (issuer_key_hash, rest) = rest.split_first_chunk::<32>()?;
            Signed::Precertificate { issuer_key_hash: *issuer_key_hash, tbs: take24(rest)?.to_vec() }
        }
        _ => return None,
    };
    Some((u64::from_be_bytes(*timestamp), signed))
}

/// A DER ECDSA signature as a `DigitallySigned`: sha256, ecdsa, length, bytes.
pub(crate) fn digitally_signed(signature: &[u8]) -> Result<Vec<u8>, TooLong> {
    let mut out = vec![4, 3];
    vector16(&mut out, signature)?;
    Ok(out)
}

/// A `SignedCertificateTimestampList` with one timestamp, as it is embedded in certificates.
pub(crate) fn timestamp_list(log_id: &Hash, timestamp: u64, signature: &[u8]) -> Result<Vec<u8>, TooLong> {
    let mut sct = vec![0];
    sct.extend_from_slice(log_id);
    sct.extend_from_slice(&timestamp.to_be_bytes());
    vector16(&mut sct, &[])?;
    sct.extend_from_slice(&digitally_signed(signature)?);
    let mut item = Vec::new();
    vector16(&mut item, &sct)?;
    let mut list = Vec::new();
    vector16(&mut list, &item)?;
    Ok(list)
}

/// The `extra_data` of an entry: for a precertificate `PrecertChainEntry`, else the chain.
pub(crate) fn extra_data(submitted: Option<&[u8]>, chain: &[Vec<u8>]) -> Result<Vec<u8>, TooLong> {
    let mut out = Vec::new();
    if let Some(precertificate) = submitted {
        vector24(&mut out, precertificate)?;
    }
    let mut certificates = Vec::new();
    for certificate in chain {
        vector24(&mut certificates, certificate)?;
    }
    vector24(&mut out, &certificates)?;
    Ok(out)
}

fn timestamped(out: &mut Vec<u8>, timestamp: u64, signed: &Signed) -> Result<(), TooLong> {
    out.extend_from_slice(&timestamp.to_be_bytes());
    match signed {
        Signed::Certificate(certificate) => {
            out.extend_from_slice(&[0, 0]);
            vector24(out, certificate)?;
        }
        Signed::Precertificate { issuer_key_hash, tbs } => {
            out.extend_from_slice(&[0, 1]);
            out.extend_from_slice(issuer_key_hash);
            vector24(out, tbs)?;
        }
    }
    // No extensions.
    vector16(out, &[])
}

fn vector16(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), TooLong> {
    let length = u16::try_from(bytes.len()).map_err(|_| TooLong(bytes.len()))?;
    out.extend_from_slice(&length.to_be_bytes());
    out.extend_from_slice(bytes);
    Ok(())
}

fn vector24(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), TooLong> {
    let length = u32::try_from(bytes.len()).ok().filter(|length| *length < 1 << 24);
    out.extend_from_slice(&length.ok_or(TooLong(bytes.len()))?.to_be_bytes()[1..]);
    out.extend_from_slice(bytes);
    Ok(())
}

fn take24(bytes: &[u8]) -> Option<&[u8]> {
    let ([a, b, c], rest) = bytes.split_first_chunk::<3>()?;
    rest.get(..u32::from_be_bytes([0, *a, *b, *c]) as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaf_reads_back() {
        for signed in [
            Signed::Certificate(vec![7; 300]),
            Signed::Precertificate { issuer_key_hash: [9; 32], tbs: vec![1, 2, 3] },
        ] {
            let bytes = leaf(1234, &signed).unwrap();
            assert_eq!(parse_leaf(&bytes), Some((1234, signed)));
            assert_eq!(parse_leaf(&bytes[..20]), None);
        }
    }

    #[test]
    fn too_long_is_said() {
        assert_eq!(leaf(0, &Signed::Certificate(vec![0; 1 << 24])), Err(TooLong(1 << 24)));
    }
}
