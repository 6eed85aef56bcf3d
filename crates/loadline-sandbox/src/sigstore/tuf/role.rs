//! One metadata file: signed, kept, and written anew when what it says changes or its end comes near.

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::TufError;
use super::canonical::canonical;
use crate::sigstore::keys::{SigningKey, sha256};
use crate::sigstore::{pem, write_public};

/// A metadata file larger than this is none of ours.
const FILE_LIMIT: u64 = 1 << 20;

/// A signed file, as it lies on disk.
pub(super) struct Signed {
    /// From 1, one more with each writing.
    pub(super) version: u64,
    /// The file.
    pub(super) bytes: Vec<u8>,
}

/// What a role's file is to say.
pub(super) struct Role<'a> {
    /// `root`, `targets`, `snapshot` or `timestamp`.
    pub(super) kind: &'static str,
    /// Everything but type, version and expiry.
    pub(super) body: Map<String, Value>,
    /// How long it is good for when it is written.
    pub(super) lifetime: SignedDuration,
    /// Who signs.
    pub(super) key: &'a SigningKey,
}

impl Role<'_> {
    /// The file at `path` where it still says this, and will for half of its lifetime; else none, and what
    /// version comes next.
    pub(super) fn kept(&self, path: &Path, now: Timestamp) -> Result<(Option<Signed>, u64), TufError> {
        let Some(bytes) = read(path)? else { return Ok((None, 1)) };
        let damaged = || TufError::Damaged { path: path.to_owned() };
        let file: Value = serde_json::from_slice(&bytes).map_err(|_| damaged())?;
        let Some(Value::Object(mut signed)) = file.get("signed").cloned() else { return Err(damaged()) };
        let version = signed.remove("version").and_then(|version| version.as_u64()).ok_or_else(damaged)?;
        let expires = signed.remove("expires");
        let expires: Timestamp =
            expires.as_ref().and_then(Value::as_str).and_then(|at| at.parse().ok()).ok_or_else(damaged)?;
        signed.remove("_type");
        signed.remove("spec_version");
        let ours = file["signatures"][0]["keyid"] == key(self.key)?.0;
        let good =
            ours && signed == self.body && expires > now.saturating_add(self.lifetime / 2).unwrap_or(now);
        Ok((good.then_some(Signed { version, bytes }), version + 1))
    }

    /// Signs it as this version.
    pub(super) fn sign(self, version: u64, now: Timestamp) -> Result<Signed, TufError> {
        let end = now.saturating_add(self.lifetime).unwrap_or(now);
        // TUF wants whole seconds.
        let end = Timestamp::from_second(end.as_second()).unwrap_or(end);
        let mut signed = self.body;
        signed.insert("_type".to_owned(), self.kind.into());
        signed.insert("spec_version".to_owned(), "1.0.31".into());
        signed.insert("version".to_owned(), version.into());
        signed.insert("expires".to_owned(), end.to_string().into());
        let signed = Value::Object(signed);
        let signature = self.key.sign(&canonical(&signed))?;
        let (keyid, _) = key(self.key)?;
        let file = json!({"signatures": [{"keyid": keyid, "sig": hex::encode(signature)}], "signed": signed});
        Ok(Signed { version, bytes: format!("{file:#}\n").into_bytes() })
    }

    /// The file at `path`, written anew where that is needed.
    pub(super) fn renew(self, path: &Path, now: Timestamp) -> Result<Signed, TufError> {
        let (kept, version) = self.kept(path, now)?;
        if let Some(kept) = kept {
            return Ok(kept);
        }
        let signed = self.sign(version, now)?;
        write(path, &signed.bytes)?;
        Ok(signed)
    }
}

/// A key's id and how metadata writes it.
pub(super) fn key(key: &SigningKey) -> Result<(String, Value), TufError> {
    let value = json!({
        "keytype": "ecdsa",
        "scheme": "ecdsa-sha2-nistp256",
        "keyval": {"public": pem::public_key(key.spki())?},
    });
    Ok((hex::encode(sha256(&canonical(&value))), value))
}

/// How one file speaks of another: version, length and digest.
pub(super) fn reference(bytes: &[u8], version: Option<u64>) -> Value {
    let mut value = json!({"length": bytes.len(), "hashes": {"sha256": hex::encode(sha256(bytes))}});
    if let (Some(version), Some(members)) = (version, value.as_object_mut()) {
        members.insert("version".to_owned(), version.into());
    }
    value
}

/// A file of ours, or none.
pub(super) fn read(path: &Path) -> Result<Option<Vec<u8>>, TufError> {
    let at = |source| TufError::File { path: path.to_owned(), source };
    let mut bytes = Vec::new();
    match fs::File::open(path) {
        Ok(file) => file.take(FILE_LIMIT + 1).read_to_end(&mut bytes).map_err(at)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(at(error)),
    };
    match bytes.len() as u64 > FILE_LIMIT {
        true => Err(TufError::Damaged { path: path.to_owned() }),
        false => Ok(Some(bytes)),
    }
}

/// Writes a file whole or not at all.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), TufError> {
    write_public(path, bytes).map_err(|source| TufError::File { path: PathBuf::from(path), source })
}
