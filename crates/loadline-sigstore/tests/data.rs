//! Real bundles of others, each with its known truth.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::path::{Path, PathBuf};

use loadline_core::Digest;
use loadline_core::proof::{Content, Inclusion, Proof, Signer, TimeSource};
use loadline_sigstore::{
    Expected, Instance, KeyTrust, PublicKey, TrustRoot, TrustRoots, Verifier, VerifyError,
};

const BEACON: &str = "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/.github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main";
const ACTIONS: &str = "https://token.actions.githubusercontent.com";

fn data(path: &str) -> PathBuf {
    let folder = std::env::var("LOADLINE_DATA").expect("LOADLINE_DATA names the folder of real data");
    Path::new(&folder).join("sigstore").join(path)
}

fn read(path: &str) -> Vec<u8> {
    let path = data(path);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn only(path: &str) -> Verifier {
    Verifier::new(TrustRoots::only(TrustRoot::read(&data(path)).unwrap()))
}

fn staging() -> Verifier {
    Verifier::new(TrustRoots::only(TrustRoot::embedded(Instance::Staging).unwrap()))
}

fn embedded() -> Verifier {
    Verifier::new(TrustRoots::embedded().unwrap())
}

fn signer(proof: &Proof) -> (&str, &str) {
    match &proof.signer {
        Signer::Certificate(identity) => (&identity.subject, &identity.issuer),
        Signer::Key { .. } => ("key", ""),
    }
}

fn code(result: Result<Proof, VerifyError>) -> &'static str {
    match result {
        Ok(proof) => panic!("accepted: {proof:?}"),
        Err(error) => error.code().name,
    }
}

#[test]
#[ignore = "needs real data: cargo xtask data"]
fn the_conformance_suite() {
    let base = "sigstore+sigstore-conformance/test/assets/bundle-verify";
    let mut cases: Vec<_> = std::fs::read_dir(data(base))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.is_dir())
        .collect();
    cases.sort();
    let mut codes = Vec::new();
    let mut wrong = Vec::new();
    for case in &cases {
        let name = case.file_name().unwrap().to_str().unwrap();
        let file = |name: &str| std::fs::read(case.join(name)).ok();
        let text = |name: &str, default: &str| {
            file(name).map_or(default.to_owned(), |bytes| String::from_utf8(bytes).unwrap().trim().to_owned())
        };
        let bundle = file("bundle.sigstore.json").unwrap();
        let artifact = file("artifact").unwrap_or_else(|| read(&format!("{base}/a.txt")));
        let verifier = match TrustRoot::read(&case.join("trusted_root.json")) {
            Ok(root) => Verifier::new(TrustRoots::only(root)),
            Err(_) => only("sigstore+root-signing/TRUST-ROOTS/targets/trusted_root.json"),
        };
        let expected = Expected::Bytes(&artifact);
        let result = match file("key.pub") {
            Some(pem) => {
                let key = PublicKey::from_pem(std::str::from_utf8(&pem).unwrap()).unwrap();
                verifier.verify_with_key(&bundle, expected, &key, KeyTrust::Logged)
            }
            None => verifier.verify(&bundle, expected).inspect(|proof| {
                let (subject, issuer) = signer(proof);
                assert_eq!(subject, text("identity", BEACON), "{name}");
                assert_eq!(issuer, text("issuer", ACTIONS), "{name}");
                assert!(proof.log.is_some() && !proof.times.is_empty() && proof.sct, "{name}");
            }),
        };
        match (&result, name.ends_with("_fail")) {
            (Ok(_), false) => {}
            (Err(error), true) => codes.push(format!("{name} {}", error.code().name)),
            (Ok(_), true) => wrong.push(format!("{name}: accepted")),
            (Err(error), false) => wrong.push(format!("{name}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert_eq!(cases.len(), 36);
    let expected = [
        "bundle-empty-certificate-chain_fail bundle-malformed",
        "bundle-invalid-base64-signature_fail bundle-malformed",
        "bundle-negative-log-index_fail bundle-malformed",
        "bundle-with-root-cert_fail certificate-chain-root",
        "checkpoint-wrong-roothash_fail log-proof-invalid",
        "dsse-mismatch-envelope_fail log-entry-mismatch",
        "inclusion-proof-corrupted-hash_fail log-proof-invalid",
        "integrated-time-in-future_fail certificate-expired",
        "intoto-expired-certificate_fail certificate-expired",
        "intoto-missing-inclusion-proof_fail log-proof-missing",
        "intoto-tsa-timestamp-outside-cert-validity_fail certificate-expired",
        "invalid-ct-key_fail sct-invalid",
        "managed-key-no-key_fail key-required",
        "message-digest-mismatch_fail subject-mismatch",
        "rekor2-checkpoint-missing-log-signature_fail bundle-malformed",
        "rekor2-checkpoint-missing-root-hash_fail bundle-malformed",
        "rekor2-checkpoint-no-matching-signature_fail log-proof-invalid",
        "rekor2-dsse-mismatch-envelope_fail log-entry-mismatch",
        "rekor2-no-inclusion-proof_fail log-proof-missing",
        "rekor2-timestamp-outside-trust-root-tsa-validity_fail timestamp-invalid",
        "rekor2-timestamp-payload-mismatch_fail timestamp-invalid",
        "rekor2-timestamp-untrusted-tsa-without-embedded-cert_fail timestamp-invalid",
        "signature-mismatch_fail signature-invalid",
        "wrong-hashedrekord-artifact_fail log-entry-mismatch",
        "wrong-hashedrekord-entry_fail log-entry-mismatch",
    ];
    assert_eq!(codes, expected);
}

#[test]
#[ignore = "needs real data: cargo xtask data"]
fn made_by_real_servers() {
    let root = "made-here+real-servers/trusted_root.json";
    let artifact = read("made-here+real-servers/artifact.bin");
    let statement = read("made-here+real-servers/att.sigstore.json");
    let blob = read("made-here+real-servers/blob.sigstore.json");
    let verifier = only(root);
    let proof = verifier.verify(&statement, Expected::Bytes(&artifact)).unwrap();
    assert_eq!(
        signer(&proof),
        (
            "https://github.com/acme/widget/.github/workflows/build.yml@refs/heads/main",
            "http://127.0.0.1:3008"
        )
    );
    assert!(proof.sct && proof.log.as_ref().unwrap().inclusion == Inclusion::Proof);
    assert!(proof.times.iter().all(|time| matches!(time.by, TimeSource::Authority(_))), "{:?}", proof.times);
    let proof = verifier.verify(&blob, Expected::Digest(&Digest::of(&artifact))).unwrap();
    assert_eq!(signer(&proof), ("dev@example.com", "http://127.0.0.1:3009"));
    assert!(matches!(proof.content, Content::Message { .. }));
    let other = Digest::of("another");
    for bundle in [&statement, &blob] {
        assert!(verifier.verify(bundle, Expected::OneOf(&[other.clone(), Digest::of(&artifact)])).is_ok());
        assert_eq!(code(embedded().verify(bundle, Expected::Bytes(&artifact))), "instance-unknown");
        let public = only("sigstore+root-signing/TRUST-ROOTS/targets/trusted_root.json");
        assert!(public.verify(bundle, Expected::Bytes(&artifact)).is_err());
    }
    assert_eq!(code(verifier.verify(&statement, Expected::Digest(&other))), "subject-mismatch");
    assert!(verifier.verify(&blob, Expected::Digest(&other)).is_err());
}

#[test]
#[ignore = "needs real data: cargo xtask data"]
fn of_github_cli() {
    let base = "cli+cli/pkg/cmd/attestation/test/data";
    let wheel = read(&format!("{base}/github_provenance_demo-0.0.12-py3-none-any.whl"));
    let bundle = read(&format!("{base}/github_provenance_demo-0.0.12-py3-none-any-bundle.jsonl"));
    let proof = embedded().verify(&bundle, Expected::Bytes(&wheel)).unwrap();
    assert_eq!(
        signer(&proof).0,
        "https://github.com/actions/attest-demo/.github/workflows/build-python.yml@refs/heads/main"
    );
    assert!(proof.log.is_none() && !proof.sct && proof.instance.contains("GitHub"));
    assert_eq!(proof.times.len(), 1);
    // Another root does not do, though nothing in the bundle asks for a log.
    let public = only("sigstore+root-signing/TRUST-ROOTS/targets/trusted_root.json");
    assert_eq!(code(public.verify(&bundle, Expected::Bytes(&wheel))), "log-entry-missing");
    let bare = read(&format!(
        "{base}/github_provenance_demo-0.0.12-py3-none-any-bundle-missing-verification-material.jsonl"
    ));
    assert_eq!(code(embedded().verify(&bare, Expected::Bytes(&wheel))), "bundle-malformed");

    let package = read(&format!("{base}/sigstore-js-2.1.0.tgz"));
    let bundle = read(&format!("{base}/sigstore-js-2.1.0-bundle.json"));
    let proof = embedded().verify(&bundle, Expected::Bytes(&package)).unwrap();
    assert_eq!(
        signer(&proof),
        ("https://github.com/sigstore/sigstore-js/.github/workflows/release.yml@refs/heads/main", ACTIONS)
    );

    let artifact = read(&format!("{base}/custom-issuer-artifact"));
    let bundle = read(&format!("{base}/custom-issuer.sigstore.json"));
    let proof = embedded().verify(&bundle, Expected::Bytes(&artifact)).unwrap();
    assert_eq!(signer(&proof).1, "https://token.actions.githubusercontent.com/hammer-time");
}

#[test]
#[ignore = "needs real data: cargo xtask data"]
fn of_sigstore_python() {
    let base = "sigstore+sigstore-python/test/assets";
    let of = |name: &str, bundle: &str| {
        let artifact = read(&format!("{base}/{name}"));
        let bundle = read(&format!("{base}/{bundle}"));
        (
            embedded().verify(&bundle, Expected::Bytes(&artifact)),
            staging().verify(&bundle, Expected::Bytes(&artifact)),
        )
    };
    let (public, stage) = of("bundle_v3_alt.txt", "bundle_v3_alt.txt.sigstore");
    assert!(public.is_err());
    assert_eq!(signer(&stage.unwrap()).0, "william@yossarian.net");
    for (name, bundle, expected) in [
        ("bundle_cve_2022_36056.txt", "bundle_cve_2022_36056.txt.sigstore", "log-entry-mismatch"),
        ("bundle_no_cert_v1.txt", "bundle_no_cert_v1.txt.sigstore", "bundle-malformed"),
        ("bundle_no_log_entry.txt", "bundle_no_log_entry.txt.sigstore", "log-entry-missing"),
        ("bundle_v3_no_signed_time.txt", "bundle_v3_no_signed_time.txt.sigstore.json", "timestamp-missing"),
    ] {
        let (public, stage) = of(name, bundle);
        assert!(public.is_err() && code(stage) == expected, "{name}");
    }
    // No artifact came with these: a digest of what the bundle says stands in.
    for (name, expected) in [
        ("tsa/bundle.duplicate.sigstore", "timestamp-invalid"),
        ("tsa/bundle.txt.late_timestamp.sigstore", "timestamp-invalid"),
    ] {
        let bundle = read(&format!("{base}/{name}"));
        let digest = message_digest(&bundle);
        assert!(staging().verify(&bundle, Expected::Digest(&digest)).is_err(), "{name}");
        assert_eq!(code(embedded().verify(&bundle, Expected::Digest(&digest))), expected, "{name}");
    }
    for bad in ["certificate_authority.empty.json", "certificate_authority.missingroot.json"] {
        assert!(TrustRoot::read(&data(&format!("{base}/trusted_root/{bad}"))).is_err(), "{bad}");
    }
    assert!(TrustRoot::read(&data(&format!("{base}/trusted_root/trustedroot.v1.json"))).is_ok());
}

fn message_digest(bundle: &[u8]) -> Digest {
    let value: serde_json::Value = serde_json::from_slice(bundle).unwrap();
    let text = value["messageSignature"]["messageDigest"]["digest"].as_str().unwrap();
    let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, text).unwrap();
    Digest::sha256_from_hex(&hex::encode(bytes)).unwrap()
}

/// The first subject of a bundle's statement, or what its message signature signs.
fn subject(bundle: &[u8]) -> Digest {
    let value: serde_json::Value = serde_json::from_slice(bundle).unwrap();
    let Some(payload) = value["dsseEnvelope"]["payload"].as_str() else { return message_digest(bundle) };
    let bytes = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, payload).unwrap();
    let statement: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
    let (algorithm, hex) =
        statement["subject"][0]["digest"].as_object().unwrap().iter().next().expect("a digest");
    format!("{algorithm}:{}", hex.as_str().unwrap()).parse().unwrap()
}

#[test]
#[ignore = "needs real data: cargo xtask data"]
fn of_sigstore_js_rust_and_go() {
    let js = "sigstore+sigstore-js/tests/bundles";
    let rust = "sigstore+sigstore-rust/crates/sigstore-verify/test_data";
    let mut seen = Vec::new();
    for (path, expected) in [
        (format!("{js}/bundleV01-dsse-no-proof.sigstore"), "ok"),
        (format!("{js}/bundleV01-full-cert-chain.sigstore"), "ok"),
        (format!("{js}/bundleV01-intoto-with-proof.sigstore"), "ok"),
        (format!("{js}/bundleV02-intoto.sigstore"), "ok"),
        (format!("{js}/bundleV03-intoto.sigstore"), "ok"),
        (format!("{rust}/bundles/cosign-v3-blob.sigstore.json"), "ok"),
        (format!("{rust}/bundles/conda-attestation-rekor2.sigstore.json"), "timestamp-invalid"),
        (format!("{rust}/bundles/othername.sigstore.json"), "instance-unknown"),
        (format!("{rust}/bundles/dsse-2sigs.sigstore.json"), "bundle-malformed"),
        (format!("{rust}/bundles/sigstore.js@2.0.0-provenance.sigstore.json"), "ok"),
        (format!("{rust}/sct-multi-intermediate/staging_bundle.sigstore.json"), "staging"),
    ] {
        let bundle = read(&path);
        let digest = if expected == "bundle-malformed" { Digest::of("") } else { subject(&bundle) };
        let verifier = if expected == "staging" { staging() } else { embedded() };
        let result = verifier.verify(&bundle, Expected::Digest(&digest));
        let outcome = match &result {
            Ok(proof) => format!("ok {:?}", proof.log.as_ref().map(|log| log.inclusion)),
            Err(error) => format!("{}: {error}", error.code().name),
        };
        seen.push((path, expected, outcome));
    }
    for (path, expected, outcome) in &seen {
        let expected = if *expected == "staging" { "ok" } else { expected };
        assert!(outcome.starts_with(expected), "{path}: {outcome}");
    }
}

#[test]
#[ignore = "needs real data: cargo xtask data"]
fn of_slsa_verifier() {
    let base = "slsa-framework+slsa-verifier/verifiers/internal/gha/testdata";
    let bundle = read(&format!("{base}/bundle/valid-v0.3.intoto.sigstore"));
    let digest = subject(&bundle);
    let proof = embedded().verify(&bundle, Expected::Digest(&digest)).unwrap();
    assert!(signer(&proof).0.starts_with("https://github.com/slsa-framework/slsa-github-generator/"));
    let bundle = read(&format!("{base}/bundle/invalid-set.intoto.sigstore"));
    // Its promise is not even base64.
    assert_eq!(code(embedded().verify(&bundle, Expected::Digest(&subject(&bundle)))), "bundle-malformed");
    for envelope in ["bazel-trusted-dsseEnvelope.build.slsa", "bazel-untrusted-dsseEnvelope.sigstore"] {
        let bundle = read(&format!("{base}/{envelope}"));
        assert_eq!(code(embedded().verify(&bundle, Expected::Digest(&digest))), "bundle-malformed");
    }
}

#[test]
#[ignore = "needs real data: cargo xtask data"]
fn of_npm() {
    let gha = "slsa-framework+slsa-verifier/verifiers/internal/gha/testdata";
    let cli = "slsa-framework+slsa-verifier/cli/slsa-verifier/testdata/npm/gha";
    let mut provenances = Vec::new();
    for entry in std::fs::read_dir(data(gha)).unwrap().chain(std::fs::read_dir(data(cli)).unwrap()) {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        let Ok(value) =
            serde_json::from_slice::<serde_json::Value>(&std::fs::read(&path).unwrap_or_default())
        else {
            continue;
        };
        let Some(attestations) = value["attestations"].as_array().or_else(|| value.as_array()) else {
            continue;
        };
        for attestation in attestations {
            let kind = attestation["predicateType"].as_str().unwrap_or("?").to_owned();
            let bundle = serde_json::to_vec(&attestation["bundle"]).unwrap();
            let result = embedded().verify(&bundle, Expected::Digest(&Digest::of("another")));
            let outcome = match &result {
                Err(VerifyError::SubjectMismatch { .. }) => "good".to_owned(),
                Err(error) => error.code().name.to_owned(),
                Ok(proof) => panic!("{name}: {proof:?}"),
            };
            provenances.push(format!("{name} {kind} {outcome}"));
        }
    }
    provenances.sort();
    // The provenance is npm's user's, the rest is signed with npm's own key. An altered one is refused,
    // wherever it was altered; what is wrong elsewhere in the list is not this bundle's matter.
    for line in &provenances {
        let expected = match line.contains("slsa.dev/provenance") {
            false => "key-required",
            true if line.contains("mismatch-prov-payloadtype") => "payload-type",
            true if line.contains("invalidsigprov") || line.contains("mismatch-prov") => "signature-invalid",
            true => "good",
        };
        assert!(line.ends_with(expected), "{line}");
    }
    assert_eq!(provenances.len(), 30);
}

#[test]
#[ignore = "needs real data: cargo xtask data"]
fn of_sigstore_go_with_a_key() {
    let base = "sigstore+sigstore-go/pkg/testing/data";
    let bundle = read(&format!("{base}/bundles/public-key-validity.sigstore.json"));
    let pem = String::from_utf8(read(&format!("{base}/public-keys/public-key-validity.pem"))).unwrap();
    let key = PublicKey::from_pem(&pem).unwrap();
    let verifier = only(&format!("{base}/trusted-roots/public-key-validity.json"));
    let digest = message_digest(&bundle);
    let expected = Expected::Digest(&digest);
    let proof = verifier.verify_with_key(&bundle, expected, &key, KeyTrust::Logged).unwrap();
    assert!(matches!(&proof.times[..], [time] if matches!(time.by, TimeSource::Authority(_))));
    assert_eq!(code(verifier.verify(&bundle, expected)), "key-required");
    let alone = verifier.verify_with_key(&bundle, expected, &key, KeyTrust::SignatureAlone).unwrap();
    assert!(alone.times.is_empty());
    let other = Digest::of("another");
    assert!(
        verifier.verify_with_key(&bundle, Expected::Digest(&other), &key, KeyTrust::SignatureAlone).is_err()
    );
}

/// What GitHub's own action, npm and others wrote says what its certificate says.
#[test]
#[ignore = "needs real data: cargo xtask data"]
fn honest_provenance_contradicts_no_certificate() {
    use loadline_policy::{IdentityRule, JudgeContext, Policy, SubjectRule, TextRule, judge};
    let anybody = IdentityRule::certificate(
        SubjectRule::Text(TextRule::pattern(".*").unwrap()),
        TextRule::pattern(".*").unwrap(),
    );
    let policy = Policy::builder().identity(anybody).build();
    let cli = "cli+cli/pkg/cmd/attestation/test/data";
    let mut compared = 0;
    for path in [
        format!("{cli}/github_provenance_demo-0.0.12-py3-none-any-bundle.jsonl"),
        format!("{cli}/sigstore-js-2.1.0-bundle.json"),
        format!("{cli}/custom-issuer.sigstore.json"),
        "sigstore+sigstore-rust/crates/sigstore-verify/test_data/bundles/sigstore.js@2.0.0-provenance.sigstore.json".to_owned(),
        "slsa-framework+slsa-verifier/verifiers/internal/gha/testdata/bundle/valid-v0.3.intoto.sigstore".to_owned(),
    ] {
        let bundle = read(&path);
        let digest = subject(&bundle);
        let proof = embedded().verify(&bundle, Expected::Digest(&digest)).unwrap();
        let context = JudgeContext::new(digest, "2026-11-01T00:00:00Z".parse().unwrap());
        let findings = judge(&policy, &proof, &context);
        assert!(findings.iter().all(|f| f.severity == loadline_core::Severity::Note), "{path}: {findings:#?}");
        compared += usize::from(findings.is_empty());
    }
    assert_eq!(compared, 4);
}

/// Not a check but a measurement: run it in release mode, with `--nocapture`.
#[test]
#[ignore = "a measurement"]
fn how_long_it_takes() {
    let artifact = read("made-here+real-servers/artifact.bin");
    let bundle = read("made-here+real-servers/att.sigstore.json");
    let digest = Digest::of(&artifact);
    let start = std::time::Instant::now();
    let verifier = only("made-here+real-servers/trusted_root.json");
    println!("one root: {:?}", start.elapsed());
    let start = std::time::Instant::now();
    let _ = embedded();
    println!("the built-in roots: {:?}", start.elapsed());
    let library = sigstore_verify::Verifier::new(
        &sigstore_trust_root::TrustedRoot::from_file(data("made-here+real-servers/trusted_root.json"))
            .unwrap(),
    )
    .unwrap();
    let hash = sigstore_types::Sha256Hash::from_hex(digest.hex()).unwrap();
    let rounds = 300;
    let start = std::time::Instant::now();
    for _ in 0..rounds {
        let bundle = sigstore_types::Bundle::from_json(std::str::from_utf8(&bundle).unwrap()).unwrap();
        library.verify(hash, &bundle, &sigstore_verify::VerificationPolicy::any_identity()).unwrap();
    }
    println!("the library: {:?}", start.elapsed() / rounds);
    let start = std::time::Instant::now();
    for _ in 0..rounds {
        verifier.verify(&bundle, Expected::Digest(&digest)).unwrap();
    }
    println!("here: {:?}", start.elapsed() / rounds);
}
