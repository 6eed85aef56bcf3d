//! Requests in JSON, as Sigstore's authority takes them beside RFC 3161's own and sigstore-js sends them.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use const_oid::ObjectIdentifier;
use const_oid::db::rfc5912;
use der::asn1::{Int, OctetString};
use serde::Deserialize;
use serde_json::value::RawValue;
use spki::AlgorithmIdentifierOwned;

use super::StampError;
use super::asn1::{MessageImprint, TimeStampReq};

/// The largest request, in bytes: a nonce in decimal takes time that grows with the square of its length.
const LIMIT: usize = 1024;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Request<'a> {
    artifact_hash: String,
    hash_algorithm: String,
    #[serde(default)]
    certificates: bool,
    #[serde(default, borrow)]
    nonce: Option<&'a RawValue>,
    #[serde(default, rename = "tsaPolicyOID")]
    policy: String,
}

/// The same request as RFC 3161 has it.
pub(super) fn parse(bytes: &[u8]) -> Result<TimeStampReq, StampError> {
    let malformed = |what: String| StampError::Malformed(what);
    if bytes.len() > LIMIT {
        return Err(malformed(format!("in JSON it has more than {LIMIT} bytes")));
    }
    let request: Request<'_> =
        serde_json::from_slice(bytes).map_err(|error| malformed(format!("it is not JSON: {error}")))?;
    let oid = match request.hash_algorithm.to_ascii_lowercase().as_str() {
        "sha256" => rfc5912::ID_SHA_256,
        "sha384" => rfc5912::ID_SHA_384,
        "sha512" => rfc5912::ID_SHA_512,
        other => return Err(malformed(format!("its hash algorithm {other} is not accepted"))),
    };
    let hash = STANDARD
        .decode(&request.artifact_hash)
        .map_err(|error| malformed(format!("its hash is not base64: {error}")))?;
    let policy = match request.policy.as_str() {
        "" => None,
        text => Some(
            ObjectIdentifier::new(text)
                .map_err(|_| malformed(format!("its policy {text} is no identifier")))?,
        ),
    };
    let nonce = match request.nonce.map(RawValue::get) {
        None | Some("null") => None,
        Some(text) => Some(Int::new(
            &integer(text)
                .ok_or_else(|| malformed(format!("its nonce {text} is no positive whole number")))?,
        )?),
    };
    Ok(TimeStampReq {
        version: 1,
        message_imprint: MessageImprint {
            hash_algorithm: AlgorithmIdentifierOwned { oid, parameters: None },
            hashed_message: OctetString::new(hash)?,
        },
        req_policy: policy,
        nonce,
        cert_req: request.certificates,
        extensions: None,
    })
}

/// The content of a DER INTEGER for decimal digits.
fn integer(digits: &str) -> Option<Vec<u8>> {
    // From the lowest byte up.
    let mut bytes: Vec<u8> = vec![0];
    for digit in digits.chars() {
        let mut carry = digit.to_digit(10)?;
        for byte in &mut bytes {
            let value = u32::from(*byte) * 10 + carry;
            *byte = value.to_le_bytes()[0];
            carry = value >> 8;
        }
        bytes.extend(u8::try_from(carry).ok().filter(|carry| *carry > 0));
    }
    // A leading bit would make it negative.
    if bytes.last().is_some_and(|byte| byte & 0x80 != 0) {
        bytes.push(0);
    }
    bytes.reverse();
    (!digits.is_empty()).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_becomes_two_s_complement() {
        for (digits, bytes) in [
            ("0", &[0][..]),
            ("127", &[127]),
            ("128", &[0, 128]),
            ("256", &[1, 0]),
            ("18446744073709551616", &[1, 0, 0, 0, 0, 0, 0, 0, 0]),
        ] {
            assert_eq!(integer(digits).as_deref(), Some(bytes), "{digits}");
        }
        for bad in ["", "-1", "1.5", "1e9", "\"1\""] {
            assert_eq!(integer(bad), None, "{bad}");
        }
    }
}
