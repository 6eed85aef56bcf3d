//! Fulcio: what it certifies, and what it refuses.

use der::asn1::{BitString, SetOfVec};
use der::{Decode, Encode};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use loadline_core::Secret;
use loadline_sandbox::{Sandbox, TokenRequest};
use serde_json::{Value, json};
use spki::{AlgorithmIdentifierOwned, SubjectPublicKeyInfoOwned};
use x509_cert::Certificate;
use x509_cert::request::{CertReq, CertReqInfo};

use crate::{Key, encode, get_json, post, run, sandbox};

/// Public keys that Fulcio certifies for nobody.
const RSA_1024: &str = "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQCyfBsk/+t3ACb5rAcEbRwoxLZoSCbbAwmwVMBKxH0wmv+tM34yJZohh+owcPdqlH16cE2CXU16CH9cFXrcmOnOQEJXRW72J4JyLL5sQsv56lGxBSJA/zEHvSDyIhMdoO6ylkiWtoRevTNvQUWhw8MoVMSgawrTWrAvujW4YZeZdwIDAQAB";
const SECP256K1: &str = "MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAEEISpDavG65SmhP4Nnwioj/w4c5XLgbOQpoTc+fFruP2nOzkFnAHUltIvK6niBSTn8EV0REq/HySkEfx/wKNP7Q==";

fn pem(label: &str, der: &[u8]) -> String {
    der::pem::encode_string(label, der::pem::LineEnding::LF, der).unwrap()
}

fn request(token: &str, key: &Key, proof: &str) -> Value {
    json!({
        "credentials": {"oidcIdentityToken": token},
        "publicKeyRequest": {
            "publicKey": {"algorithm": "ECDSA", "content": pem("PUBLIC KEY", &key.spki())},
            "proofOfPossession": proof,
        },
    })
}

async fn ask(sandbox: &Sandbox, request: &Value) -> (u16, Value) {
    post(format!("{}/api/v2/signingCert", sandbox.ready().fulcio), request).await
}

pub(crate) async fn certify(sandbox: &Sandbox, token: &Secret, name: &str) -> (u16, Value) {
    let key = Key::new();
    ask(sandbox, &request(token.expose(), &key, &key.sign(name.as_bytes()))).await
}

pub(crate) fn leaf(answer: &Value) -> Certificate {
    let chain = &answer["signedCertificateEmbeddedSct"]["chain"]["certificates"];
    assert_eq!(chain.as_array().map(Vec::len), Some(3), "{answer}");
    let (label, der) = der::pem::decode_vec(chain[0].as_str().unwrap().as_bytes()).unwrap();
    assert_eq!(label, "CERTIFICATE");
    Certificate::from_der(&der).unwrap()
}

pub(crate) fn extension(certificate: &Certificate, oid: &str) -> Option<Vec<u8>> {
    let extensions = certificate.tbs_certificate.extensions.as_ref().unwrap();
    let found = extensions.iter().find(|extension| extension.extn_id.to_string() == oid)?;
    Some(found.extn_value.as_bytes().to_vec())
}

#[tokio::test]
async fn a_github_run_is_written_into_the_certificate() {
    let (_folder, sandbox) = sandbox().await;
    let run = run();
    let token = sandbox.github_token(&run).unwrap();
    let (status, answer) = certify(&sandbox, &token, "repo:acme/widget:ref:refs/heads/main").await;
    assert_eq!(status, 200, "{answer}");
    let certificate = leaf(&answer);
    assert_eq!(certificate.tbs_certificate.issuer.to_string(), "CN=fulcio intermediate,O=loadline sandbox");
    assert!(certificate.tbs_certificate.subject.is_empty());
    let validity = certificate.tbs_certificate.validity;
    let seconds =
        validity.not_after.to_unix_duration().as_secs() - validity.not_before.to_unix_duration().as_secs();
    assert_eq!(seconds, 600);

    let at = |number| extension(&certificate, &format!("1.3.6.1.4.1.57264.1.{number}"));
    let issuer = &sandbox.ready().issuer;
    for (number, expected) in [
        (1, issuer.as_str()),
        (2, "push"),
        (3, crate::SHA),
        (4, "build"),
        (5, "acme/widget"),
        (6, "refs/heads/main"),
    ] {
        assert_eq!(at(number).as_deref(), Some(expected.as_bytes()), "{number}");
    }
    let workflow = "https://github.com/acme/widget/.github/workflows/build.yml@refs/heads/main";
    for (number, expected) in [
        (8, issuer.as_str()),
        (9, workflow),
        (10, crate::SHA),
        (11, "github-hosted"),
        (12, "https://github.com/acme/widget"),
        (13, crate::SHA),
        (14, "refs/heads/main"),
        (15, "1"),
        (16, "https://github.com/acme"),
        (17, "1"),
        (18, workflow),
        (19, crate::SHA),
        (20, "push"),
        (21, "https://github.com/acme/widget/actions/runs/1/attempts/1"),
        (22, "public"),
        (24, "repo:acme/widget:ref:refs/heads/main"),
    ] {
        let text = at(number).map(|der| String::from_der(&der).unwrap());
        assert_eq!(text.as_deref(), Some(expected), "{number}");
    }
    assert_eq!(at(23), None, "there was no environment");
    // The poison stays in the precertificate.
    assert_eq!(extension(&certificate, "1.3.6.1.4.1.11129.2.4.3"), None);
    assert!(extension(&certificate, "1.3.6.1.4.1.11129.2.4.2").is_some());
}

#[tokio::test]
async fn a_pkcs10_request_is_its_own_proof() {
    let (_folder, sandbox) = sandbox().await;
    let token = sandbox.token(&TokenRequest::email("alice@example.com")).unwrap();
    let key = Key::new();
    let csr = |signer: &Key| {
        let info = CertReqInfo {
            version: x509_cert::request::Version::V1,
            subject: Default::default(),
            public_key: SubjectPublicKeyInfoOwned::from_der(&key.spki()).unwrap(),
            attributes: SetOfVec::new(),
        };
        let signature = signer.sign(&info.to_der().unwrap());
        let signature = crate::decode(&signature.into());
        let algorithm =
            AlgorithmIdentifierOwned { oid: const_oid::db::rfc5912::ECDSA_WITH_SHA_256, parameters: None };
        let request = CertReq { info, algorithm, signature: BitString::from_bytes(&signature).unwrap() };
        json!({
            "credentials": {"oidcIdentityToken": token.expose()},
            "certificateSigningRequest": encode(pem("CERTIFICATE REQUEST", &request.to_der().unwrap())),
        })
    };
    let (status, answer) = ask(&sandbox, &csr(&key)).await;
    assert_eq!(status, 200, "{answer}");
    let name = extension(&leaf(&answer), "2.5.29.17").unwrap();
    assert!(String::from_utf8_lossy(&name).contains("alice@example.com"));

    let (status, answer) = ask(&sandbox, &csr(&Key::new())).await;
    assert_eq!((status, &answer["code"]), (400, &3.into()));
    assert_eq!(answer["message"], "The signature supplied in the request could not be verified");
}

#[tokio::test]
async fn a_token_that_is_not_right_gets_no_certificate() {
    let (_folder, sandbox) = sandbox().await;
    let (_folder, stranger) = crate::sandbox().await;
    let token = |request: TokenRequest| sandbox.token(&request).unwrap();
    let mut other_audience = TokenRequest::email("a@b.example");
    other_audience.audience = "nobody".to_owned();
    let mut expired = TokenRequest::email("a@b.example");
    expired.seconds = -1;
    let later = jiff::Timestamp::MAX.as_second();
    let foreign_key = {
        let claims =
            json!({"iss": sandbox.ready().issuer, "sub": "a@b.example", "aud": "sigstore", "exp": later});
        let key = Key::new().0.to_pkcs8v1().unwrap();
        let key = EncodingKey::from_ec_der(key.as_ref());
        Secret::new(jsonwebtoken::encode(&Header::new(Algorithm::ES256), &claims, &key).unwrap())
    };
    let no_signature = {
        let claims =
            json!({"iss": sandbox.ready().issuer, "sub": "a@b.example", "aud": "sigstore", "exp": later});
        let encode =
            |text: String| base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, text);
        Secret::new(format!("{}.{}.", encode(json!({"alg": "none"}).to_string()), encode(claims.to_string())))
    };
    for (token, says) in [
        (token(other_audience), "expected audience \"sigstore\", got \"nobody\""),
        (token(expired), "it expired at"),
        (token(TokenRequest::email("a@b.example").claim("nbf", later)), "it is not valid before"),
        (
            token(TokenRequest::email("a@b.example").claim("iss", "https://other.example")),
            "unsupported issuer: https://other.example",
        ),
        (stranger.token(&TokenRequest::email("a@b.example")).unwrap(), "unsupported issuer"),
        (
            token(TokenRequest::email("a@b.example").claim("email_verified", false)),
            "email_verified claim was false",
        ),
        (token(TokenRequest::new("plain")), "neither an email address nor a URI"),
        (
            token(TokenRequest::new("x:y").claim("repository", "acme/widget")),
            "the claim job_workflow_ref is missing",
        ),
        (foreign_key, "its signature is not the issuer's"),
        (no_signature, "the token is no JWT"),
        (Secret::new("not a token"), "the token is no JWT"),
        (Secret::new(""), "the token is no JWT"),
    ] {
        let (status, answer) = certify(&sandbox, &token, "a@b.example").await;
        let message = answer["message"].as_str().unwrap_or_default();
        assert_eq!((status, &answer["code"], &answer["details"]), (400, &3.into(), &json!([])), "{answer}");
        assert!(message.starts_with("There was an error processing the identity token"), "{message}");
        assert!(message.contains(says), "{message} does not say: {says}");
    }
}

#[tokio::test]
async fn without_proof_of_the_key_there_is_no_certificate() {
    let (_folder, sandbox) = sandbox().await;
    let token = sandbox.token(&TokenRequest::email("a@b.example")).unwrap();
    let key = Key::new();
    let proof = key.sign(b"a@b.example");
    let good = request(token.expose(), &key, &proof);
    assert_eq!(ask(&sandbox, &good).await.0, 200);

    let unverified = "The signature supplied in the request could not be verified";
    let unparsed = "The public key supplied in the request could not be parsed";
    let mut changes = vec![
        ("proofOfPossession", json!(Key::new().sign(b"a@b.example")), unverified),
        ("proofOfPossession", json!(key.sign(b"b@b.example")), unverified),
        ("proofOfPossession", json!(""), unverified),
        ("publicKey", json!({"content": pem("PUBLIC KEY", &Key::new().spki())}), unverified),
        ("publicKey", json!({"content": "nonsense"}), unparsed),
        ("publicKey", json!({"content": ""}), unparsed),
        ("publicKey", json!({"content": pem("PUBLIC KEY", &key.spki()[..40])}), unparsed),
    ];
    let mut off_curve = key.spki();
    *off_curve.last_mut().unwrap() ^= 1;
    changes.push(("publicKey", json!({"content": pem("PUBLIC KEY", &off_curve)}), unparsed));
    for insecure in [RSA_1024, SECP256K1] {
        let says = "The public key supplied in the request is insecure";
        changes.push(("publicKey", json!({"content": insecure}), says));
    }
    for (member, value, says) in changes {
        let mut bad = good.clone();
        bad["publicKeyRequest"][member] = value;
        let (status, answer) = ask(&sandbox, &bad).await;
        assert_eq!((status, answer["message"].as_str()), (400, Some(says)), "{member}");
    }
    let (status, _) = ask(&sandbox, &json!({"credentials": {"oidcIdentityToken": token.expose()}})).await;
    assert_eq!(status, 400);
}

#[tokio::test]
async fn configuration_and_trust_bundle_speak_of_this_sandbox() {
    let (_folder, sandbox) = sandbox().await;
    let base = &sandbox.ready().fulcio;
    let configuration = get_json(format!("{base}/api/v2/configuration")).await;
    assert_eq!(configuration["issuers"][0]["issuerUrl"], sandbox.ready().issuer);
    assert_eq!(configuration["issuers"][0]["audience"], "sigstore");
    let bundle = get_json(format!("{base}/api/v2/trustBundle")).await;
    let chain = bundle["chains"][0]["certificates"].as_array().unwrap();
    let root: Value = serde_json::from_slice(&std::fs::read(&sandbox.ready().trusted_root).unwrap()).unwrap();
    let trusted = root["certificateAuthorities"][0]["certChain"]["certificates"].as_array().unwrap();
    assert_eq!((chain.len(), trusted.len()), (2, 2));
    for (ours, theirs) in chain.iter().zip(trusted) {
        let (_, der) = der::pem::decode_vec(ours.as_str().unwrap().as_bytes()).unwrap();
        assert_eq!(encode(der), theirs["rawBytes"].as_str().unwrap());
    }
}
