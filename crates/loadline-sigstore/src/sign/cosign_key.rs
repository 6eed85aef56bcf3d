//! cosign's encrypted keys: `cosign generate-key-pair` writes PKCS#8, encrypted with NaCl's secretbox under a
//! key that scrypt makes of a password, as JSON inside PEM
//! (<https://github.com/sigstore/cosign/blob/main/specs/SIGNATURE_SPEC.md> and `go-securesystemslib/encrypted`).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use crypto_secretbox::aead::Aead as _;
use crypto_secretbox::{KeyInit as _, XSalsa20Poly1305};
use serde::Deserialize;

/// What the PEM is called: today, and of old.
const LABELS: [&str; 2] = ["ENCRYPTED SIGSTORE PRIVATE KEY", "ENCRYPTED COSIGN PRIVATE KEY"];
/// The most memory that making the key may take, in bytes: 128 times N times r. cosign's takes 64 MiB.
const MEMORY_LIMIT: u64 = 256 << 20;
/// The largest PEM that is read, in bytes.
const PEM_LIMIT: usize = 64 << 10;

#[derive(Deserialize)]
struct Encrypted {
    kdf: Kdf,
    cipher: Cipher,
    ciphertext: String,
}

#[derive(Deserialize)]
struct Kdf {
    name: String,
    params: Cost,
    salt: String,
}

#[derive(Deserialize)]
struct Cost {
    #[serde(rename = "N")]
    n: u64,
    r: u32,
    p: u32,
}

#[derive(Deserialize)]
struct Cipher {
    name: String,
    nonce: String,
}

/// Whether this is such a key.
pub(crate) fn is_one(pem: &str) -> bool {
    LABELS.iter().any(|label| pem.contains(&format!("-----BEGIN {label}-----")))
}

/// The PKCS#8 inside.
pub(crate) fn decrypt(pem: &str, password: &str) -> Result<Vec<u8>, String> {
    let wrong = |what: &str| format!("its PEM is not as cosign writes it: {what}");
    if pem.len() > PEM_LIMIT {
        return Err(wrong("it is too large"));
    }
    let body = LABELS.iter().find_map(|label| {
        let (_, rest) = pem.split_once(&format!("-----BEGIN {label}-----"))?;
        let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
        Some(body.split_whitespace().collect::<String>())
    });
    let body = body.ok_or_else(|| wrong("no ENCRYPTED SIGSTORE PRIVATE KEY in it"))?;
    let bytes =
        |text: &str, what: &str| STANDARD.decode(text).map_err(|_| wrong(&format!("{what} is not base64")));
    let json = bytes(&body, "its body")?;
    let encrypted: Encrypted =
        serde_json::from_slice(&json).map_err(|error| wrong(&format!("its JSON: {error}")))?;
    if encrypted.kdf.name != "scrypt" || encrypted.cipher.name != "nacl/secretbox" {
        return Err(wrong("it is not encrypted with scrypt and nacl/secretbox"));
    }
    let Cost { n, r, p } = encrypted.kdf.params;
    let memory = n.checked_mul(u64::from(r)).and_then(|product| product.checked_mul(128));
    if !n.is_power_of_two() || n < 2 || memory.is_none_or(|memory| memory > MEMORY_LIMIT) || p > 16 {
        return Err(wrong("the cost of its password is out of bounds"));
    }
    let log_n = u8::try_from(n.trailing_zeros()).map_err(|_| wrong("the cost of its password"))?;
    let cost = scrypt::Params::new(log_n, r, p).map_err(|_| wrong("the cost of its password"))?;
    let mut key = [0_u8; 32];
    scrypt::scrypt(password.as_bytes(), &bytes(&encrypted.kdf.salt, "its salt")?, &cost, &mut key)
        .map_err(|_| wrong("the cost of its password"))?;
    let nonce: [u8; 24] = bytes(&encrypted.cipher.nonce, "its nonce")?
        .try_into()
        .map_err(|_| wrong("its nonce has not 24 bytes"))?;
    XSalsa20Poly1305::new(&key.into())
        .decrypt(&nonce.into(), bytes(&encrypted.ciphertext, "its ciphertext")?.as_slice())
        .map_err(|_| "the password does not open it (COSIGN_PASSWORD)".to_owned())
}
