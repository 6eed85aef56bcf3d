//! A document as bytes: ours, or one that another tool wrote.

use loadline_core::Digest;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;
use thiserror::Error;

use crate::model::Bom;
use crate::read;

/// The largest document that is read or written.
pub const MAX_SBOM_BYTES: usize = 256 << 20;

/// Why a document could not be read or written.
#[derive(Debug, Error)]
pub enum SbomError {
    /// More bytes than are read.
    #[error("the document is {size} bytes, more than the {limit} that are read")]
    TooLarge {
        /// Its size.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// Not JSON, or with members of a wrong type.
    #[error("the document is no CycloneDX JSON: {reason}")]
    Malformed {
        /// What is wrong and where.
        reason: String,
    },
    /// JSON, but not CycloneDX.
    #[error("the document is not CycloneDX JSON: its bomFormat is {found}")]
    NotCycloneDx {
        /// What `bomFormat` says.
        found: String,
    },
    /// A version that is not known.
    #[error("CycloneDX {found} is not known: 1.2 to 1.7 are read")]
    Version {
        /// What `specVersion` says.
        found: String,
    },
    /// It could not be written.
    #[error("the document cannot be written: {source}")]
    Write {
        /// What went wrong.
        source: serde_json::Error,
    },
}

impl SbomError {
    pub(crate) fn write(source: serde_json::Error) -> Self {
        Self::Write { source }
    }
}

/// A CycloneDX document. Serialised it is the document itself, byte for byte: the predicate of a statement.
#[derive(Debug, Clone)]
pub struct Sbom {
    raw: Box<RawValue>,
    components: usize,
}

impl Sbom {
    /// Takes in a document that some tool wrote.
    ///
    /// # Errors
    /// When it is too large, is not JSON, or is not CycloneDX 1.2 to 1.7.
    pub fn parse(bytes: &[u8]) -> Result<Self, SbomError> {
        let components = read::Document::parse(bytes)?.component_count();
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        let raw: Box<RawValue> = serde_json::from_slice(bytes)
            .map_err(|error| SbomError::Malformed { reason: error.to_string() })?;
        Ok(Self { raw, components })
    }

    /// Writes a document: its serial number follows from its content, so the same content has the same.
    pub(crate) fn write(mut bom: Bom<'_>) -> Result<Self, SbomError> {
        let content = serde_json::to_vec(&bom).map_err(SbomError::write)?;
        bom.serial_number = Some(serial_number(&content));
        let components = bom.components.len();
        let text = serde_json::to_string(&bom).map_err(SbomError::write)?;
        if text.len() > MAX_SBOM_BYTES {
            return Err(SbomError::TooLarge { size: text.len(), limit: MAX_SBOM_BYTES });
        }
        Ok(Self { raw: RawValue::from_string(text).map_err(SbomError::write)?, components })
    }

    /// The document.
    pub fn as_str(&self) -> &str {
        self.raw.get()
    }

    /// The document.
    pub fn as_bytes(&self) -> &[u8] {
        self.raw.get().as_bytes()
    }

    /// The document, to be carried in another one.
    pub fn as_raw(&self) -> &RawValue {
        &self.raw
    }

    /// How many components it lists, nested ones too.
    pub const fn components(&self) -> usize {
        self.components
    }

    /// The digest of its bytes.
    pub fn digest(&self) -> Digest {
        Digest::of(self.as_bytes())
    }
}

impl PartialEq for Sbom {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Sbom {}

impl Serialize for Sbom {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.raw.serialize(serializer)
    }
}

/// A UUID of version 8 (RFC 9562, section 5.8): the first 128 bits of the content's SHA-256.
fn serial_number(content: &[u8]) -> String {
    let digest = Digest::of(content);
    let bits = digest
        .hex()
        .bytes()
        .take(32)
        .fold(0_u128, |bits, digit| (bits << 4) | u128::from((digit as char).to_digit(16).unwrap_or(0)));
    let bits = (bits & !(0xf << 76)) | (8 << 76);
    let bits = (bits & !(0b11 << 62)) | (0b10 << 62);
    format!(
        "urn:uuid:{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        bits >> 96,
        (bits >> 80) & 0xffff,
        (bits >> 64) & 0xffff,
        (bits >> 48) & 0xffff,
        bits & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_serial_number_is_a_uuid_of_version_8() {
        for content in [b"a".as_slice(), b"b", b"c", b"d"] {
            let serial = serial_number(content);
            let uuid = serial.strip_prefix("urn:uuid:").unwrap();
            assert_eq!(uuid.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
            assert_eq!(uuid.as_bytes()[14], b'8');
            assert!(b"89ab".contains(&uuid.as_bytes()[19]));
        }
        assert_ne!(serial_number(b"a"), serial_number(b"b"));
    }
}
