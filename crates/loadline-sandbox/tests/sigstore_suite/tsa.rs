//! The time stamp authority.

use std::fs;

use aws_lc_rs::digest::{self, digest};
use const_oid::ObjectIdentifier;
use const_oid::db::rfc5912;
use der::asn1::{Int, OctetString};
use der::{Encode, Sequence};
use loadline_sandbox::Sandbox;
use sigstore_sign::tsa::verify_timestamp_for_authority;
use sigstore_trust_root::TrustedRoot;
use sigstore_types::{SignatureBytes, TimestampToken};
use spki::AlgorithmIdentifierOwned;

use crate::{get, sandbox};

#[derive(Clone, Sequence)]
struct Imprint {
    hash_algorithm: AlgorithmIdentifierOwned,
    hashed_message: OctetString,
}

#[derive(Clone, Sequence)]
struct Request {
    version: u8,
    imprint: Imprint,
    #[asn1(optional = "true")]
    policy: Option<ObjectIdentifier>,
    #[asn1(optional = "true")]
    nonce: Option<Int>,
    #[asn1(default = "Default::default")]
    cert_req: bool,
}

fn request(oid: ObjectIdentifier, hash: &[u8]) -> Request {
    Request {
        version: 1,
        imprint: Imprint {
            hash_algorithm: AlgorithmIdentifierOwned { oid, parameters: None },
            hashed_message: OctetString::new(hash).unwrap(),
        },
        policy: None,
        nonce: None,
        cert_req: false,
    }
}

async fn ask(sandbox: &Sandbox, path: &str, kind: &str, body: Vec<u8>) -> (u16, Vec<u8>) {
    let post = reqwest::Client::new().post(format!("{}{path}", sandbox.ready().tsa));
    let response = post.header("content-type", kind).body(body).send().await.unwrap();
    (response.status().as_u16(), response.bytes().await.unwrap().to_vec())
}

async fn stamp(sandbox: &Sandbox, request: &Request) -> (u16, Vec<u8>) {
    ask(sandbox, "/api/v1/timestamp", "application/timestamp-query", request.to_der().unwrap()).await
}

fn verify(sandbox: &Sandbox, response: Vec<u8>, message: &[u8]) -> Result<jiff::Timestamp, String> {
    let root = TrustedRoot::from_json(&fs::read_to_string(&sandbox.ready().trusted_root).unwrap()).unwrap();
    let authority = &root.tsa_authorities()[0];
    let message = SignatureBytes::from_bytes(message);
    verify_timestamp_for_authority(&TimestampToken::new(response), &message, authority)
        .map_err(|error| error.to_string())
}

#[tokio::test]
async fn every_hash_is_stamped_and_verifies() {
    let (_folder, sandbox) = sandbox().await;
    let message = b"message";
    for (oid, algorithm) in [
        (rfc5912::ID_SHA_256, &digest::SHA256),
        (rfc5912::ID_SHA_384, &digest::SHA384),
        (rfc5912::ID_SHA_512, &digest::SHA512),
    ] {
        for cert_req in [false, true] {
            let mut request = request(oid, digest(algorithm, message).as_ref());
            request.cert_req = cert_req;
            let (status, response) = stamp(&sandbox, &request).await;
            assert_eq!(status, 201);
            verify(&sandbox, response.clone(), message).unwrap();
            assert!(verify(&sandbox, response.clone(), b"another").is_err());
            let mut changed = response;
            let last = changed.len() - 1;
            changed[last] ^= 1;
            assert!(verify(&sandbox, changed, message).is_err());
        }
    }
}

#[tokio::test]
async fn nonce_and_policy_come_back_and_the_certificate_when_asked_for() {
    let (_folder, sandbox) = sandbox().await;
    let mut asked = request(rfc5912::ID_SHA_256, digest(&digest::SHA256, b"m").as_ref());
    let contains = |response: &[u8], part: &[u8]| response.windows(part.len()).any(|window| window == part);
    let default = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.57264.2").to_der().unwrap();
    let (_, plain) = stamp(&sandbox, &asked).await;
    assert!(contains(&plain, &default));

    let nonce = Int::new(&[0x5a; 20]).unwrap();
    let policy = ObjectIdentifier::new_unwrap("1.2.3.4.5");
    asked.nonce = Some(nonce.clone());
    asked.policy = Some(policy);
    asked.cert_req = true;
    let (status, response) = stamp(&sandbox, &asked).await;
    assert_eq!(status, 201);
    assert!(contains(&response, &nonce.to_der().unwrap()));
    assert!(contains(&response, &policy.to_der().unwrap()) && !contains(&response, &default));
    let (status, chain) = get(format!("{}/api/v1/timestamp/certchain", sandbox.ready().tsa)).await;
    assert_eq!(status, 200);
    let end = "-----END CERTIFICATE-----\n";
    let chain = String::from_utf8(chain).unwrap();
    let (first, rest) = chain.split_at(chain.find(end).unwrap() + end.len());
    assert_eq!(rest.matches(end).count(), 1);
    let (_, leaf) = der::pem::decode_vec(first.as_bytes()).unwrap();
    assert!(contains(&response, &leaf) && !contains(&plain, &leaf));
    verify(&sandbox, response, b"m").unwrap();
}

#[tokio::test]
async fn weak_hashes_and_garbage_are_refused() {
    let (_folder, sandbox) = sandbox().await;
    let good = request(rfc5912::ID_SHA_256, &[1; 32]).to_der().unwrap();
    let mut version = request(rfc5912::ID_SHA_256, &[1; 32]);
    version.version = 2;
    let sha1 = ObjectIdentifier::new_unwrap("1.3.14.3.2.26");
    let mut trailing = good.clone();
    trailing.push(0);
    for (body, says) in [
        (request(sha1, &[1; 20]).to_der().unwrap(), "hash algorithm 1.3.14.3.2.26 is not accepted"),
        (request(rfc5912::ID_SHA_256, &[1; 31]).to_der().unwrap(), "31 bytes, where its algorithm has 32"),
        (version.to_der().unwrap(), "version 2"),
        (trailing, "Error parsing"),
        (good[..10].to_vec(), "Error parsing"),
        (b"garbage".to_vec(), "Error parsing"),
        (Vec::new(), "Error parsing"),
        (vec![0x30; 70_000], "more than 65536 bytes"),
    ] {
        let (status, answer) = ask(&sandbox, "/api/v1/timestamp", "application/timestamp-query", body).await;
        let answer = String::from_utf8_lossy(&answer);
        assert!(status == 400 && answer.contains(says), "{status} {answer}");
    }
    assert_eq!(ask(&sandbox, "/api/v1/timestamp", "application/pkcs7-mime", good.clone()).await.0, 415);
    // The base address is the address of plain clients.
    assert_eq!(ask(&sandbox, "/", "application/timestamp-query", good).await.0, 201);
}

#[tokio::test]
async fn requests_in_json_are_stamped_as_sigstore_js_sends_them() {
    let (_folder, sandbox) = sandbox().await;
    let hash = digest(&digest::SHA256, b"message");
    let send = |body: String| ask(&sandbox, "/api/v1/timestamp", "application/json", body.into_bytes());
    let body = |hash: &[u8], algorithm: &str, nonce: &str| {
        let hash = crate::encode(hash);
        format!(
            r#"{{"artifactHash":"{hash}","hashAlgorithm":"{algorithm}","certificates":true,"nonce":{nonce}}}"#
        )
    };
    let (status, response) = send(body(hash.as_ref(), "sha256", "18446744073709551616")).await;
    assert_eq!(status, 201, "{}", String::from_utf8_lossy(&response));
    let nonce = [2, 9, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    assert!(response.windows(nonce.len()).any(|part| part == nonce), "the nonce comes back");
    verify(&sandbox, response, b"message").unwrap();
    for bad in [
        body(hash.as_ref(), "sha1", "1"),
        body(hash.as_ref(), "sha512", "1"),
        body(b"short", "sha256", "1"),
        body(hash.as_ref(), "sha256", "-1"),
        body(hash.as_ref(), "sha256", &"1".repeat(1024)),
        body(hash.as_ref(), "sha256", "1}}"),
        "{}".to_owned(),
        String::new(),
    ] {
        assert_eq!(send(bad.clone()).await.0, 400, "{bad}");
    }
}
