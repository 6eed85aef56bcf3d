//! Checkpoints: signed notes over the tree's size and root (C2SP signed-note, tlog-checkpoint).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::sigstore::keys::{KeyError, SigningKey};
use crate::sigstore::log::Hash;

/// The checkpoint of a tree, signed with ECDSA: the key's id is the first 4 bytes of its SHA-256.
pub(crate) fn sign(origin: &str, size: u64, root: &Hash, key: &SigningKey) -> Result<String, KeyError> {
    let text = format!("{origin}\n{size}\n{}\n", STANDARD.encode(root));
    let mut signature = key.id()[..4].to_vec();
    signature.extend_from_slice(&key.sign(text.as_bytes())?);
    Ok(format!("{text}\n\u{2014} {origin} {}\n", STANDARD.encode(signature)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sigstore::public_key::PublicKey;

    #[test]
    fn a_checkpoint_is_a_note_signed_over_its_text() {
        let key = SigningKey::generate().unwrap();
        let note = sign("log.test", 7, &[1; 32], &key).unwrap();
        let (text, signature) = note.split_once("\n\n").unwrap();
        assert_eq!(text, format!("log.test\n7\n{}", STANDARD.encode([1; 32])));
        let encoded = signature.strip_prefix("\u{2014} log.test ").unwrap().trim_end();
        let decoded = STANDARD.decode(encoded).unwrap();
        assert_eq!(decoded[..4], key.id()[..4]);
        let public = PublicKey::from_spki(key.spki()).unwrap();
        assert!(public.verifies(format!("{text}\n").as_bytes(), &decoded[4..]));
        assert!(!public.verifies(text.as_bytes(), &decoded[4..]));
    }
}
