//! PEM, RFC 7468: certificates out, public keys and requests in.

use der::pem::{self, LineEnding};

/// `der` as a `CERTIFICATE` block.
pub(crate) fn certificate(der: &[u8]) -> Result<String, der::Error> {
    Ok(pem::encode_string("CERTIFICATE", LineEnding::LF, der)?)
}

/// A DER SubjectPublicKeyInfo as a `PUBLIC KEY` block.
pub(crate) fn public_key(spki: &[u8]) -> Result<String, der::Error> {
    Ok(pem::encode_string("PUBLIC KEY", LineEnding::LF, spki)?)
}

/// The first block of `text`, whatever stands around it: its label and its content.
pub(crate) fn decode(text: &[u8]) -> Option<(String, Vec<u8>)> {
    let text = std::str::from_utf8(text).ok()?;
    let from = text.find("-----BEGIN ")?;
    let end = text[from..].find("-----END ")? + from;
    let to = text[end + 9..].find("-----")? + end + 9 + 5;
    let (label, der) = pem::decode_vec(&text.as_bytes()[from..to]).ok()?;
    Some((label.to_owned(), der))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_encoded_decodes() {
        let text = certificate(&[1; 100]).unwrap();
        let (label, der) = decode(format!("noise\n{text}\nnoise").as_bytes()).unwrap();
        assert_eq!((label.as_str(), der), ("CERTIFICATE", vec![1; 100]));
        assert!(decode(b"-----BEGIN X-----").is_none());
    }
}
