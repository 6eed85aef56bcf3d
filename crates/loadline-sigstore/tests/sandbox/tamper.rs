//! One tampered bundle a rule, each refused for its own reason.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use loadline_core::{Algorithm, Digest, Hasher};
use loadline_sigstore::{BUNDLE_LIMIT, Expected, Verifier};
use serde_json::{Value, json};
use x509_cert::Certificate;
use x509_cert::der::{Decode as _, Encode as _};

use crate::instance::{Instance, digest, statement};

const V01: &str = "application/vnd.dev.sigstore.bundle+json;version=0.1";
const V02: &str = "application/vnd.dev.sigstore.bundle+json;version=0.2";

/// A good bundle, another beside it, and the verifier that takes both.
struct Bench {
    instance: Instance,
    verifier: Verifier,
    good: Value,
    other: Value,
}

impl Bench {
    async fn new() -> Self {
        let instance = Instance::start().await;
        let signer = instance.signer();
        let mut bundles = Vec::new();
        for _ in 0..4 {
            let bundle = signer.sign_statement(&statement()).await.unwrap();
            bundles.push(serde_json::from_slice::<Value>(&bundle).unwrap());
        }
        let verifier = instance.verifier();
        let (other, good) = (bundles.remove(1), bundles.remove(2));
        let bench = Self { instance, verifier, good, other };
        assert_eq!(bench.code(|_| {}), "ok");
        bench
    }

    fn code_of(&self, bundle: &[u8]) -> &'static str {
        match self.verifier.verify(bundle, Expected::Digest(&digest())) {
            Ok(_) => "ok",
            Err(error) => error.code().name,
        }
    }

    /// The code that a change to the good bundle comes out with.
    fn code(&self, change: impl FnOnce(&mut Value)) -> &'static str {
        let mut bundle = self.good.clone();
        change(&mut bundle);
        self.code_of(&serde_json::to_vec(&bundle).unwrap())
    }

    /// The code that a signed payload comes out with.
    async fn signed(&self, payload_type: &str, payload: &str) -> &'static str {
        let bundle = self.instance.signer().sign_payload(payload_type, payload.as_bytes()).await.unwrap();
        self.code_of(&bundle)
    }
}

fn material(bundle: &mut Value) -> &mut Value {
    &mut bundle["verificationMaterial"]
}

fn entry(bundle: &mut Value) -> &mut Value {
    &mut bundle["verificationMaterial"]["tlogEntries"][0]
}

fn decode(value: &Value) -> Vec<u8> {
    STANDARD.decode(value.as_str().unwrap()).unwrap()
}

/// Flips a bit of a base64 text's last byte but one.
fn flip(value: &mut Value) {
    let mut bytes = decode(value);
    let at = bytes.len() - 2;
    bytes[at] ^= 1;
    *value = json!(STANDARD.encode(bytes));
}

#[tokio::test]
async fn what_is_no_bundle() {
    let bench = Bench::new().await;
    let malformed = |change: &dyn Fn(&mut Value)| assert_eq!(bench.code(change), "bundle-malformed");
    for bytes in [&b""[..], b"{}", b"null", b"[]", b"\xff\xfe", b"{\"mediaType\":", b"not json"] {
        assert_eq!(bench.code_of(bytes), "bundle-malformed");
    }
    malformed(&|bundle| drop(bundle.as_object_mut().unwrap().remove("mediaType")));
    malformed(&|bundle| bundle["mediaType"] = json!("application/vnd.dev.sigstore.bundle.v0.9+json"));
    malformed(&|bundle| drop(bundle.as_object_mut().unwrap().remove("verificationMaterial")));
    malformed(&|bundle| drop(bundle.as_object_mut().unwrap().remove("dsseEnvelope")));
    // Two contents, two signers: a reader would choose.
    malformed(&|bundle| bundle["messageSignature"] = json!({"signature": "AA=="}));
    malformed(&|bundle| material(bundle)["publicKey"] = json!({"hint": "x"}));
    malformed(&|bundle| drop(material(bundle).as_object_mut().unwrap().remove("certificate")));
    malformed(&|bundle| {
        *material(bundle) = json!({"x509CertificateChain": {"certificates": []}, "tlogEntries": []});
        bundle["mediaType"] = json!(V02);
    });
    // Version 0.3 takes no chain.
    malformed(&|bundle| {
        let certificate = material(bundle)["certificate"].take();
        material(bundle).as_object_mut().unwrap().remove("certificate");
        material(bundle)["x509CertificateChain"] = json!({"certificates": [certificate]});
    });
    malformed(&|bundle| entry(bundle)["logIndex"] = json!("-1"));
    malformed(&|bundle| entry(bundle)["kindVersion"] = json!({"kind": "rpm", "version": "0.0.1"}));
}

#[tokio::test]
async fn a_key_that_stands_twice() {
    let bench = Bench::new().await;
    let text = serde_json::to_string(&bench.good).unwrap();
    let twice = text.replacen(r#""mediaType":"#, r#""mediaType":"x","mediaType":"#, 1);
    assert_eq!(bench.code_of(twice.as_bytes()), "bundle-malformed");
    let hidden = text.replacen(r#""tlogEntries":"#, r#""unknown":{"a":1,"a":2},"tlogEntries":"#, 1);
    assert_ne!(hidden, text);
    assert_eq!(bench.code_of(hidden.as_bytes()), "bundle-malformed");
}

#[tokio::test]
async fn too_large() {
    let bench = Bench::new().await;
    let mut text = serde_json::to_vec(&bench.good).unwrap();
    text.resize(BUNDLE_LIMIT, b' ');
    assert_eq!(bench.code_of(&text), "ok");
    text.push(b' ');
    assert_eq!(bench.code_of(&text), "bundle-too-large");
}

#[tokio::test]
async fn signatures_in_the_envelope() {
    let bench = Bench::new().await;
    let signatures = |value: Value| move |bundle: &mut Value| bundle["dsseEnvelope"]["signatures"] = value;
    let good = bench.good["dsseEnvelope"]["signatures"][0].clone();
    let other = bench.other["dsseEnvelope"]["signatures"][0].clone();
    assert_eq!(bench.code(signatures(json!([]))), "bundle-malformed");
    assert_eq!(bench.code(signatures(json!([good, other]))), "bundle-malformed");
    assert_eq!(bench.code(signatures(json!([good, good]))), "bundle-malformed");
    // The timestamp is over the signature, so that another signature is another moment's.
    assert_eq!(bench.code(signatures(json!([other]))), "timestamp-invalid");
}

#[tokio::test]
async fn log_entries() {
    let bench = Bench::new().await;
    let entries = |value: Value| move |bundle: &mut Value| material(bundle)["tlogEntries"] = value;
    let good = material(&mut bench.good.clone())["tlogEntries"][0].clone();
    let other = material(&mut bench.other.clone())["tlogEntries"][0].clone();
    assert_eq!(bench.code(entries(json!([]))), "log-entry-missing");
    assert_eq!(
        bench.code(|bundle| drop(material(bundle).as_object_mut().unwrap().remove("tlogEntries"))),
        "log-entry-missing"
    );
    assert_eq!(bench.code(entries(json!([good, good]))), "log-entry-several");
    // One beside a good one, with neither proof nor promise: its index would be believed.
    let mut bare = good.clone();
    bare.as_object_mut().unwrap().remove("inclusionProof");
    bare["logIndex"] = json!("4711");
    assert_eq!(bench.code(entries(json!([bare, good]))), "log-entry-several");
    assert_eq!(bench.code(entries(json!([good, bare]))), "log-entry-several");
    assert_eq!(bench.code(entries(json!([bare]))), "log-proof-missing");
    // Another's entry, genuine and proven.
    assert_eq!(bench.code(entries(json!([other]))), "log-entry-mismatch");
    // Version 0.1 may come with a promise alone, never with nothing.
    let old = |bundle: &mut Value| {
        bundle["mediaType"] = json!(V01);
        let certificate = material(bundle)["certificate"].take();
        material(bundle).as_object_mut().unwrap().remove("certificate");
        material(bundle)["x509CertificateChain"] = json!({"certificates": [certificate]});
        entry(bundle).as_object_mut().unwrap().remove("inclusionProof");
    };
    assert_eq!(bench.code(old), "log-proof-missing");
    let promised = |bundle: &mut Value| {
        old(bundle);
        entry(bundle)["inclusionPromise"] = json!({"signedEntryTimestamp": STANDARD.encode([7; 64])});
    };
    assert_eq!(bench.code(promised), "log-proof-invalid");
}

#[tokio::test]
async fn proofs_of_inclusion() {
    let bench = Bench::new().await;
    let hashes = bench.good["verificationMaterial"]["tlogEntries"][0]["inclusionProof"]["hashes"].clone();
    assert!(!hashes.as_array().unwrap().is_empty(), "the log has several entries");
    assert_eq!(
        bench.code(|bundle| flip(&mut entry(bundle)["inclusionProof"]["hashes"][0])),
        "log-proof-invalid"
    );
    assert_eq!(
        bench.code(|bundle| entry(bundle)["inclusionProof"]["hashes"] = json!([])),
        "log-proof-invalid"
    );
    assert_eq!(bench.code(|bundle| entry(bundle)["logIndex"] = json!("1")), "log-proof-invalid");
    assert_eq!(bench.code(|bundle| entry(bundle)["logIndex"] = json!("1000")), "log-proof-invalid");
    assert_eq!(bench.code(|bundle| flip(&mut entry(bundle)["canonicalizedBody"])), "log-proof-invalid");
    // What the proof says of its own tree, which nothing but the checkpoint beside it vouches for.
    assert_eq!(
        bench.code(|bundle| flip(&mut entry(bundle)["inclusionProof"]["rootHash"])),
        "log-proof-invalid"
    );
    assert_eq!(
        bench.code(|bundle| entry(bundle)["inclusionProof"]["treeSize"] = json!("1000000")),
        "log-proof-invalid"
    );
    // The checkpoint: its root changed, its signature changed, taken away, somebody else's.
    let envelope = |bundle: &mut Value, change: &dyn Fn(&str) -> String| {
        let text = &mut entry(bundle)["inclusionProof"]["checkpoint"]["envelope"];
        *text = json!(change(text.as_str().unwrap()));
    };
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let root = |text: &str| {
        let mut lines = lines(text);
        lines[2] = STANDARD.encode([7; 32]);
        lines.join("\n") + "\n"
    };
    assert_eq!(bench.code(|bundle| envelope(bundle, &root)), "log-proof-invalid");
    let size = |text: &str| {
        let mut lines = lines(text);
        lines[1] = "100".to_owned();
        lines.join("\n") + "\n"
    };
    assert_eq!(bench.code(|bundle| envelope(bundle, &size)), "log-proof-invalid");
    let signature = |text: &str| {
        let mut lines = lines(text);
        let last = lines.last_mut().unwrap();
        let (name, value) = last.rsplit_once(' ').unwrap();
        let mut value = json!(value);
        flip(&mut value);
        *last = format!("{name} {}", value.as_str().unwrap());
        lines.join("\n") + "\n"
    };
    assert_eq!(bench.code(|bundle| envelope(bundle, &signature)), "log-proof-invalid");
    let gone = |bundle: &mut Value| {
        drop(entry(bundle)["inclusionProof"].as_object_mut().unwrap().remove("checkpoint"))
    };
    assert_eq!(bench.code(gone), "log-proof-invalid");
}

#[tokio::test]
async fn timestamps() {
    let bench = Bench::new().await;
    let stamps = |value: Value| {
        move |bundle: &mut Value| material(bundle)["timestampVerificationData"]["rfc3161Timestamps"] = value
    };
    let of = |bundle: &Value| {
        bundle["verificationMaterial"]["timestampVerificationData"]["rfc3161Timestamps"][0].clone()
    };
    let (good, other) = (of(&bench.good), of(&bench.other));
    assert_eq!(bench.code(stamps(json!([]))), "timestamp-missing");
    assert_eq!(
        bench.code(|bundle| material(bundle)["timestampVerificationData"] = Value::Null),
        "timestamp-missing"
    );
    assert_eq!(bench.code(stamps(json!([good, good]))), "timestamp-invalid");
    assert_eq!(bench.code(stamps(json!([other]))), "timestamp-invalid");
    // One that is not about this signature spoils the good one beside it.
    assert_eq!(bench.code(stamps(json!([good, other]))), "timestamp-invalid");
    assert_eq!(bench.code(stamps(json!([{"signedTimestamp": "AAAA"}]))), "timestamp-invalid");
    let many: Vec<Value> = (0..17).map(|n| json!({"signedTimestamp": STANDARD.encode([n])})).collect();
    assert_eq!(bench.code(stamps(json!(many))), "timestamp-invalid");
    let broken = |bundle: &mut Value| {
        flip(&mut material(bundle)["timestampVerificationData"]["rfc3161Timestamps"][0]["signedTimestamp"])
    };
    assert_eq!(bench.code(broken), "timestamp-invalid");
}

#[tokio::test]
async fn certificates() {
    // Issued first, so that it is valid at the time when the other is used.
    let foreign = Bench::new().await;
    let bench = Bench::new().await;
    let certificate = |der: Vec<u8>| {
        move |bundle: &mut Value| material(bundle)["certificate"]["rawBytes"] = json!(STANDARD.encode(der))
    };
    let der = decode(&bench.good["verificationMaterial"]["certificate"]["rawBytes"]);
    let changed = |change: &dyn Fn(&mut Certificate)| {
        let mut certificate = Certificate::from_der(&der).unwrap();
        change(&mut certificate);
        certificate.to_der().unwrap()
    };
    assert_eq!(bench.code(certificate(b"no certificate".to_vec())), "certificate-untrusted");
    // Another's certificate of the same authority, valid at the time: the log entry speaks of this one.
    let other = decode(&bench.other["verificationMaterial"]["certificate"]["rawBytes"]);
    assert_eq!(bench.code(certificate(other)), "signature-invalid");
    // One that another instance issued for the same subject.
    let foreign = decode(&foreign.good["verificationMaterial"]["certificate"]["rawBytes"]);
    assert_eq!(bench.code(certificate(foreign)), "certificate-untrusted");
    let forged = changed(&|certificate| {
        let bytes = certificate.signature.raw_bytes().to_vec();
        let mut bytes = bytes;
        let at = bytes.len() - 2;
        bytes[at] ^= 1;
        certificate.signature = x509_cert::der::asn1::BitString::from_bytes(&bytes).unwrap();
    });
    assert_eq!(bench.code(certificate(forged)), "certificate-untrusted");
    let extensions = |certificate: &mut Certificate, keep: &dyn Fn(&str) -> bool| {
        let found = certificate.tbs_certificate.extensions.as_mut().unwrap();
        found.retain(|extension| keep(&extension.extn_id.to_string()));
    };
    let bare = changed(&|certificate| extensions(certificate, &|id| id != "1.3.6.1.4.1.11129.2.4.2"));
    assert_eq!(bench.code(certificate(bare)), "sct-missing");
    let nobody = changed(&|certificate| extensions(certificate, &|id| id != "2.5.29.17"));
    assert_eq!(bench.code(certificate(nobody)), "certificate-subject");
    let two = changed(&|certificate| {
        use x509_cert::ext::pkix::SubjectAltName;
        use x509_cert::ext::pkix::name::GeneralName;
        let found = certificate.tbs_certificate.extensions.as_mut().unwrap();
        let names = found.iter_mut().find(|extension| extension.extn_id.to_string() == "2.5.29.17").unwrap();
        let mut list = SubjectAltName::from_der(names.extn_value.as_bytes()).unwrap();
        list.0
            .push(GeneralName::Rfc822Name(x509_cert::der::asn1::Ia5String::new("evil@example.com").unwrap()));
        names.extn_value = x509_cert::der::asn1::OctetString::new(list.to_der().unwrap()).unwrap();
    });
    assert_eq!(bench.code(certificate(two)), "certificate-subject");
}

#[tokio::test]
async fn roots_in_the_chain() {
    let bench = Bench::new().await;
    let root = bench.instance.root_json();
    let authority =
        root["certificateAuthorities"][0]["certChain"]["certificates"].as_array().unwrap().clone();
    let anchor = authority.last().unwrap().clone();
    let foreign = Instance::start().await.root_json();
    let foreign = foreign["certificateAuthorities"][0]["certChain"]["certificates"]
        .as_array()
        .unwrap()
        .last()
        .unwrap()
        .clone();
    let chain = |media: &str, extra: Vec<Value>| {
        let media = json!(media);
        move |bundle: &mut Value| {
            bundle["mediaType"] = media;
            let leaf = material(bundle)["certificate"].take();
            material(bundle).as_object_mut().unwrap().remove("certificate");
            let certificates: Vec<Value> = std::iter::once(leaf).chain(extra).collect();
            material(bundle)["x509CertificateChain"] = json!({"certificates": certificates});
        }
    };
    assert_eq!(bench.code(chain(V02, vec![])), "ok");
    let intermediates = authority[..authority.len() - 1].to_vec();
    assert_eq!(bench.code(chain(V02, intermediates)), "ok");
    assert_eq!(bench.code(chain(V02, vec![anchor.clone()])), "certificate-chain-root");
    assert_eq!(bench.code(chain(V02, vec![foreign.clone()])), "certificate-chain-root");
    assert_eq!(bench.code(chain(V01, vec![foreign])), "certificate-chain-root");
    // Old bundles of npm bring the genuine root along; it adds nothing and is passed over. (This one is
    // refused all the same: nothing in it promises, as version 0.1 demands.)
    assert_eq!(bench.code(chain(V01, vec![anchor])), "log-proof-missing");
}

#[tokio::test]
async fn the_payload() {
    let bench = Bench::new().await;
    let payload = |change: &dyn Fn(String) -> String| {
        let text = String::from_utf8(decode(&bench.good["dsseEnvelope"]["payload"])).unwrap();
        let changed = STANDARD.encode(change(text));
        move |bundle: &mut Value| bundle["dsseEnvelope"]["payload"] = json!(changed)
    };
    let says = payload(&|text| text.replace("something", "something else"));
    assert_eq!(bench.code(says), "signature-invalid");
    let subject = payload(&|text| text.replace(Digest::of("another image").hex(), Digest::of("evil").hex()));
    assert_eq!(bench.code(subject), "signature-invalid");
    // Not even for a digest that the forged payload alone names is anything but the signature reported.
    let kind = payload(&|text| text.replace("predicate/v1", "predicate/v2"));
    assert_eq!(bench.code(kind), "signature-invalid");
    let other_type = |bundle: &mut Value| bundle["dsseEnvelope"]["payloadType"] = json!("text/plain");
    assert_eq!(bench.code(other_type), "payload-type");
}

#[tokio::test]
async fn statements_that_were_signed_so() {
    const TYPE: &str = "application/vnd.in-toto+json";
    let bench = Bench::new().await;
    let good = String::from_utf8(statement()).unwrap();
    let replaced = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        good.replacen(from, to, 1)
    };
    assert_eq!(bench.signed(TYPE, &good).await, "ok");
    assert_eq!(bench.signed(TYPE, &replaced("Statement/v1", "Statement/v0.1")).await, "ok");
    for (payload, expected) in [
        (replaced("Statement/v1", "Statement/v9"), "statement-type"),
        (replaced("https://in-toto.io/Statement/v1", ""), "statement-type"),
        (replaced("https://example.com/predicate/v1", ""), "predicate-type-missing"),
        (replaced("https://example.com/predicate/v1", "a b"), "predicate-type-missing"),
        (replaced(r#"{"says":"something"}"#, "null"), "predicate-null"),
        (replaced(r#","predicate":{"says":"something"}"#, ""), "predicate-null"),
        (replaced(r#"{"says":"something"}"#, "[]"), "predicate-null"),
        (replaced(r#"{"says":"something"}"#, r#""text""#), "predicate-null"),
        (replaced(r#"{"says":"something"}"#, r#"{"says":"one","says":"two"}"#), "statement-duplicate-key"),
        (
            replaced(r#"{"says":"something"}"#, "{\"says\":\"one\",\"s\\u0061ys\":\"two\"}"),
            "statement-duplicate-key",
        ),
        (replaced(r#""subject":"#, r#""subject":[],"subject":"#), "statement-duplicate-key"),
        (
            replaced(r#""predicateType":"#, r#""predicateType":"x","predicateType":"#),
            "statement-duplicate-key",
        ),
        (replaced(r#""sha256":"#, r#""sha256":"x","sha256":"#), "statement-duplicate-key"),
        ("not json".to_owned(), "statement-malformed"),
        ("{}".to_owned(), "statement-malformed"),
        (
            replaced(r#""subject":["#, r#""subject":[{"name":"x","digest":{"sha256":1}},"#),
            "statement-malformed",
        ),
        (replaced(r#""subject":["#, r#""subject":[{"name":"x","digest":{}},"#), "statement-malformed"),
        (replaced(r#""subject":["#, r#""subject":[{"name":"x"},"#), "statement-malformed"),
        (good.replace("sha256", "gitTree"), "statement-malformed"),
        (good.replace(digest().hex(), Digest::of("elsewhere").hex()), "subject-mismatch"),
    ] {
        assert_eq!(bench.signed(TYPE, &payload).await, expected, "{payload}");
    }
    assert_eq!(bench.signed("text/plain", &good).await, "payload-type");
    assert_eq!(bench.signed("", &good).await, "payload-type");
}

#[tokio::test]
async fn subjects() {
    let bench = Bench::new().await;
    let bundle = serde_json::to_vec(&bench.good).unwrap();
    let mut sha512 = Hasher::new(Algorithm::Sha512);
    sha512.update(b"an image");
    let (elsewhere, sha512) = (Digest::of("elsewhere"), sha512.finish());
    for (expected, outcome) in [
        (Expected::Digest(&digest()), Ok(())),
        (Expected::Digest(&Digest::of("another image")), Ok(())),
        (Expected::Bytes(b"an image"), Ok(())),
        (Expected::OneOf(&[elsewhere.clone(), digest()]), Ok(())),
        (Expected::Digest(&elsewhere), Err("subject-mismatch")),
        (Expected::Digest(&sha512), Err("subject-mismatch")),
        (Expected::Bytes(b"elsewhere"), Err("subject-mismatch")),
        (Expected::OneOf(&[]), Err("subject-mismatch")),
    ] {
        let result = bench.verifier.verify(&bundle, expected);
        assert_eq!(result.map(|_| ()).map_err(|error| error.code().name), outcome, "{expected:?}");
    }
}
