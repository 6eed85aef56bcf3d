//! Signing keys: P-256, kept as PKCS#8 in the data folder, mode 0600, made on the first start.

use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};

/// A key file larger than this is no key of ours.
const KEY_LIMIT: u64 = 4096;

/// A key that could not be made, kept or used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The key's file could not be read or written.
    #[error("key file {}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// The file holds no P-256 key.
    #[error(
        "key file {} holds no PKCS#8 P-256 key: restore it, or start with a new data folder (what the old key signed will not verify there)",
        path.display()
    )]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// The cryptographic library refused.
    #[error("the cryptographic library could not {0}")]
    Library(&'static str),
}

/// A P-256 key that signs with ECDSA over SHA-256.
pub(crate) struct SigningKey {
    pair: EcdsaKeyPair,
    pkcs8: Vec<u8>,
    spki: Vec<u8>,
}

impl SigningKey {
    /// A new key, kept nowhere.
    pub(crate) fn generate() -> Result<Self, KeyError> {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new())
            .map_err(|_| KeyError::Library("generate a key"))?;
        Self::parse(document.as_ref()).ok_or(KeyError::Library("read the key it generated"))
    }

    /// The key in `path`; made, and synced to disk, when there is none.
    pub(crate) fn open(path: &Path) -> Result<Self, KeyError> {
        let at = |source| KeyError::File { path: path.to_owned(), source };
        match fs::File::open(path) {
            Ok(file) => {
                let mut pkcs8 = Vec::new();
                file.take(KEY_LIMIT + 1).read_to_end(&mut pkcs8).map_err(at)?;
                Self::parse(&pkcs8).ok_or_else(|| KeyError::Malformed { path: path.to_owned() })
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let key = Self::generate()?;
                write_private(path, &key.pkcs8).map_err(at)?;
                Ok(key)
            }
            Err(error) => Err(at(error)),
        }
    }

    fn parse(pkcs8: &[u8]) -> Option<Self> {
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, pkcs8).ok()?;
        let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().ok()?;
        let spki = spki.as_ref().to_vec();
        Some(Self { pair, pkcs8: pkcs8.to_vec(), spki })
    }

    /// Signs `message`: ECDSA over its SHA-256, in ASN.1.
    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let signature =
            self.pair.sign(&SystemRandom::new(), message).map_err(|_| KeyError::Library("sign"))?;
        Ok(signature.as_ref().to_vec())
    }

    /// The public key, a DER SubjectPublicKeyInfo.
    pub(crate) fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// The public key as the uncompressed point: 0x04, x, y.
    pub(crate) fn point(&self) -> &[u8] {
        self.pair.public_key().as_ref()
    }

    /// The private key in PKCS#8.
    pub(crate) fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    /// SHA-256 of the public key: the log id of RFC 6962 section 3.2, and of a checkpoint's ECDSA key.
    pub(crate) fn id(&self) -> [u8; 32] {
        sha256(&self.spki)
    }
}

/// SHA-256 of `data`.
pub(crate) fn sha256(data: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, data).as_ref());
    out
}

/// `N` random bytes.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], KeyError> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| KeyError::Library("draw random bytes"))?;
    Ok(bytes)
}

/// Writes `bytes` to `path` whole or not at all, readable by the owner only.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_with_mode(path, bytes, 0o600)
}

/// Writes `bytes` to `path` whole or not at all.
pub(crate) fn write_public(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_with_mode(path, bytes, 0o644)
}

fn write_with_mode(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let new = path.with_file_name(name);
    // A leftover of an interrupted start keeps its old mode unless it goes first.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => fs::File::open(folder)?.sync_all(),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_is_made_once_private_and_taken_up_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rekor.pk8");
        let first = SigningKey::open(&path).unwrap();
        let second = SigningKey::open(&path).unwrap();
        assert_eq!(first.spki(), second.spki());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn garbage_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rekor.pk8");
        fs::write(&path, b"not a key").unwrap();
        let error = SigningKey::open(&path).err().unwrap();
        assert!(matches!(error, KeyError::Malformed { .. }), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"not a key");
    }
}
