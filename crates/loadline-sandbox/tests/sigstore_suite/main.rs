//! The private Sigstore, asked from outside: over HTTP, and by clients that know nothing of it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod ct_log;
mod fulcio;
mod issuer;
mod keyless;
mod kill;
mod life;
mod rekor;
mod shapes;
mod tsa;
mod tuf;
mod whole;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use loadline_sandbox::{GitHubRun, Options, Sandbox};
use serde_json::Value;
use tempfile::TempDir;

const SHA: &str = "0123456789abcdef0123456789abcdef01234567";

async fn sandbox() -> (TempDir, Sandbox) {
    let folder = tempfile::tempdir().unwrap();
    let sandbox = Sandbox::start(Options::new(folder.path())).await.unwrap();
    (folder, sandbox)
}

fn run() -> GitHubRun {
    GitHubRun::new("acme/widget", "refs/heads/main", SHA, ".github/workflows/build.yml")
}

/// A client's key.
struct Key(EcdsaKeyPair);

impl Key {
    fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap())
    }

    fn sign(&self, message: &[u8]) -> String {
        STANDARD.encode(self.0.sign(&SystemRandom::new(), message).unwrap())
    }

    fn spki(&self) -> Vec<u8> {
        let der: PublicKeyX509Der<'_> = self.0.public_key().as_der().unwrap();
        der.as_ref().to_vec()
    }
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    STANDARD.encode(bytes)
}

fn decode(text: &Value) -> Vec<u8> {
    STANDARD.decode(text.as_str().unwrap()).unwrap()
}

fn hash(text: &Value) -> [u8; 32] {
    decode(text).try_into().unwrap()
}

async fn get(url: String) -> (u16, Vec<u8>) {
    let response = reqwest::get(url).await.unwrap();
    (response.status().as_u16(), response.bytes().await.unwrap().to_vec())
}

async fn get_json(url: String) -> Value {
    let (status, body) = get(url).await;
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&body));
    serde_json::from_slice(&body).unwrap()
}

async fn post(url: String, body: &Value) -> (u16, Value) {
    let response = reqwest::Client::new().post(url).json(body).send().await.unwrap();
    let status = response.status().as_u16();
    let text = response.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}
