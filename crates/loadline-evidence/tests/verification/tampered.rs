//! Bundles tampered with at the registry: one rule each, refused for its own reason.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use loadline_core::statement::PAYLOAD_TYPE;
use serde_json::{Value, json};

use crate::stage::{SBOM, Setting, Stage, sbom};

/// The errors of an image whose only evidence is this.
async fn errors_with(stage: &Stage, bundle: &[u8]) -> Vec<&'static str> {
    for child in &stage.children {
        stage.attach(bundle, SBOM, child).await;
    }
    let seen = stage.verify_for(&[SBOM]).await;
    assert_eq!(seen.verdict(), loadline_core::Verdict::Fail, "{:#?}", seen.verification.outcome);
    let mut errors = seen.errors();
    let before = errors.len();
    errors.retain(|code| *code != "evidence-missing");
    assert_eq!(errors.len() + 1, before, "that evidence is missing is always said");
    errors
}

fn flip(text: &mut Value) {
    let mut bytes = STANDARD.decode(text.as_str().unwrap()).unwrap();
    let at = bytes.len() - 2;
    bytes[at] ^= 1;
    *text = json!(STANDARD.encode(bytes));
}

fn entry(bundle: &mut Value) -> &mut Value {
    &mut bundle["verificationMaterial"]["tlogEntries"][0]
}

type Change = fn(&mut Value);
type Lie = fn(&str) -> String;

#[tokio::test]
async fn each_change_to_a_signed_bundle_has_its_own_code() {
    let cases: &[(&str, Change, &str)] = &[
        // The time stamp is over the signature, and is looked at first.
        ("the signature", |b| flip(&mut b["dsseEnvelope"]["signatures"][0]["sig"]), "timestamp-invalid"),
        (
            "two signatures",
            |b| {
                let one = b["dsseEnvelope"]["signatures"][0].clone();
                b["dsseEnvelope"]["signatures"] = json!([one.clone(), one]);
            },
            "bundle-malformed",
        ),
        ("no signature", |b| b["dsseEnvelope"]["signatures"] = json!([]), "bundle-malformed"),
        ("the payload's type", |b| b["dsseEnvelope"]["payloadType"] = json!("text/plain"), "payload-type"),
        (
            "the payload",
            |b| {
                let bytes = STANDARD.decode(b["dsseEnvelope"]["payload"].as_str().unwrap()).unwrap();
                let text = String::from_utf8(bytes).unwrap().replace("CycloneDX", "CycloneDY");
                b["dsseEnvelope"]["payload"] = json!(STANDARD.encode(text));
            },
            "signature-invalid",
        ),
        ("the media type", |b| b["mediaType"] = json!("text/plain"), "bundle-malformed"),
        (
            "no certificate",
            |b| {
                b["verificationMaterial"].as_object_mut().unwrap().remove("certificate");
            },
            "bundle-malformed",
        ),
        (
            "the certificate",
            |b| {
                flip(&mut b["verificationMaterial"]["certificate"]["rawBytes"]);
            },
            "certificate-untrusted",
        ),
        (
            "a key for a certificate",
            |b| {
                let material = b["verificationMaterial"].as_object_mut().unwrap();
                material.remove("certificate");
                material.insert("publicKey".into(), json!({"hint": "mine"}));
            },
            "key-required",
        ),
        ("no log entry", |b| b["verificationMaterial"]["tlogEntries"] = json!([]), "log-entry-missing"),
        (
            "the log entry twice",
            |b| {
                let one = entry(b).clone();
                b["verificationMaterial"]["tlogEntries"] = json!([one.clone(), one]);
            },
            "log-entry-several",
        ),
        (
            "no proof of inclusion",
            |b| {
                entry(b).as_object_mut().unwrap().remove("inclusionProof");
            },
            "log-proof-missing",
        ),
        (
            "its place in the log",
            |b| {
                entry(b)["logIndex"] = json!("7");
                entry(b)["inclusionProof"]["logIndex"] = json!("7");
            },
            "log-proof-invalid",
        ),
        ("what was logged", |b| flip(&mut entry(b)["canonicalizedBody"]), "log-proof-invalid"),
        (
            "the checkpoint",
            |b| {
                let envelope = &mut entry(b)["inclusionProof"]["checkpoint"]["envelope"];
                let text = envelope.as_str().unwrap().replacen('\n', "x\n", 1);
                *envelope = json!(text);
            },
            "log-proof-invalid",
        ),
        ("the log's name", |b| flip(&mut entry(b)["logId"]["keyId"]), "log-proof-invalid"),
        (
            "no time stamp",
            |b| {
                b["verificationMaterial"]["timestampVerificationData"] = json!({"rfc3161Timestamps": []});
            },
            "timestamp-missing",
        ),
        (
            "the time stamp",
            |b| {
                let stamps = &mut b["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"];
                flip(&mut stamps[0]["signedTimestamp"]);
            },
            "timestamp-invalid",
        ),
        (
            "the time stamp twice",
            |b| {
                let stamps = &mut b["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"];
                let one = stamps[0].clone();
                *stamps = json!([one.clone(), one]);
            },
            "timestamp-invalid",
        ),
    ];
    let stage = Stage::bare(Setting::default()).await;
    let [one, two] = &stage.children[..] else { panic!("two platforms") };
    let good = stage.sign(&sbom(&[&one.digest, &two.digest])).await;
    let good: Value = serde_json::from_slice(&good).unwrap();
    let mut wrong = Vec::new();
    for (what, change, expected) in cases {
        let mut bundle = good.clone();
        change(&mut bundle);
        let verifier = stage.verifier();
        let digests = [one.digest.clone(), two.digest.clone()];
        let bytes = serde_json::to_vec(&bundle).unwrap();
        let code = match verifier.verify(&bytes, loadline_sigstore::Expected::OneOf(&digests)) {
            Ok(_) => "accepted",
            Err(error) => error.code().name,
        };
        if code != *expected {
            wrong.push(format!("{what}: {code}, not {expected}"));
        }
        stage.attach(&bytes, SBOM, one).await;
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    // All of them together at the registry: each is told, none is believed.
    let seen = stage.verify_for(&[SBOM]).await;
    let mut expected: Vec<&str> = cases.iter().map(|case| case.2).chain(["evidence-missing"]).collect();
    expected.sort_unstable();
    expected.dedup();
    seen.fails_with(&expected);
    // And one good bundle beside them is enough.
    stage.attach(&serde_json::to_vec(&good).unwrap(), SBOM, one).await;
    stage.verify_for(&[SBOM]).await.passes();
}

#[tokio::test]
async fn each_lie_in_a_signed_statement_has_its_own_code() {
    let cases: &[(&str, Lie, &str)] = &[
        ("its type", |s| s.replace("in-toto.io/Statement/v1", "in-toto.io/Statement/v9"), "statement-type"),
        ("no predicate type", |s| s.replace("https://cyclonedx.org/bom", ""), "predicate-type-missing"),
        ("a null predicate", |s| replace_predicate(s, "null"), "predicate-null"),
        ("a predicate that is no object", |s| replace_predicate(s, "[]"), "predicate-null"),
        (
            "a key twice",
            |s| s.replacen('{', "{\"predicateType\":\"https://example.com/x\",", 1),
            "statement-duplicate-key",
        ),
        ("no JSON", |_| "hello".to_owned(), "statement-malformed"),
    ];
    let stage = Stage::bare(Setting::default()).await;
    let statement = sbom(&[&stage.children[0].digest, &stage.children[1].digest]);
    let statement = String::from_utf8(statement).unwrap();
    let mut wrong = Vec::new();
    for (what, change, expected) in cases {
        let stage_of_its_own = Stage::bare(Setting::default()).await;
        let text = change(&statement);
        let signer = stage_of_its_own.signer_for(&Stage::run());
        let bundle = signer.sign_payload(PAYLOAD_TYPE, text.as_bytes()).await.unwrap();
        let errors = errors_with(&stage_of_its_own, &bundle).await;
        if errors != [*expected] {
            wrong.push(format!("{what}: {errors:?}, not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn replace_predicate(statement: &str, predicate: &str) -> String {
    let at = statement.find("\"predicate\":").unwrap();
    format!("{}\"predicate\":{predicate}}}", &statement[..at])
}

#[tokio::test]
async fn a_bundle_of_another_sigstore_is_not_trusted() {
    let stage = Stage::bare(Setting::default()).await;
    let other = Stage::bare(Setting::default()).await;
    let bundle = other.sign(&sbom(&[&stage.children[0].digest, &stage.children[1].digest])).await;
    let errors = errors_with(&stage, &bundle).await;
    // Everything in it is unknown here; its clock is asked first.
    assert_eq!(errors, ["timestamp-invalid"]);
}

#[tokio::test]
async fn a_signature_over_the_image_is_no_statement_about_it() {
    let stage = Stage::bare(Setting::default()).await;
    for child in &stage.children {
        let bundle = stage.signer_for(&Stage::run()).sign_message(&child.digest).await.unwrap();
        stage.attach(&bundle, "", child).await;
    }
    stage.verify_for(&[]).await.passes();
    stage.verify_for(&[SBOM]).await.fails_with(&["evidence-missing"]);
}
