//! Trust roots: what each part of one decides.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use loadline_sigstore::{Expected, TrustRoot, TrustRoots, Verifier};
use serde_json::{Value, json};

use crate::instance::{Instance, digest, now, statement, verifier};

fn code(root: &Value, bundle: &[u8]) -> &'static str {
    match verifier(root).verify(bundle, Expected::Digest(&digest())) {
        Ok(_) => "ok",
        Err(error) => error.code().name,
    }
}

#[tokio::test]
async fn each_part_of_the_root_is_needed() {
    let (instance, other) = (Instance::start().await, Instance::start().await);
    let bundle = instance.signer().sign_statement(&statement()).await.unwrap();
    let (good, foreign) = (instance.root_json(), other.root_json());
    assert_eq!(code(&good, &bundle), "ok");
    for (part, expected) in [
        ("certificateAuthorities", "certificate-untrusted"),
        ("ctlogs", "sct-invalid"),
        ("tlogs", "log-proof-invalid"),
        ("timestampAuthorities", "timestamp-invalid"),
    ] {
        let mut root = good.clone();
        root[part] = foreign[part].clone();
        assert_eq!(code(&root, &bundle), expected, "{part}");
    }
    // The window of the authority that signed, and nobody else's, decides.
    for (part, expected) in
        [("certificateAuthorities", "certificate-untrusted"), ("timestampAuthorities", "timestamp-invalid")]
    {
        let mut root = good.clone();
        root[part][0]["validFor"] = json!({"start": "2001-01-01T00:00:00Z", "end": "2002-01-01T00:00:00Z"});
        assert_eq!(code(&root, &bundle), expected, "{part}");
    }
}

#[tokio::test]
async fn an_instance_without_a_log_demands_a_timestamp() {
    let instance = Instance::start().await;
    let services = instance.services().without_rekor();
    let token = loadline_sigstore::TokenSource::Given(instance.token());
    let signer = loadline_sigstore::Signer::keyless(services, token, reqwest::Client::new()).unwrap();
    let bundle = signer.sign_statement(&statement()).await.unwrap();
    let mut log_less = instance.root_json();
    log_less["tlogs"] = json!([]);
    let proof = verifier(&log_less).verify(&bundle, Expected::Digest(&digest())).unwrap();
    assert!(proof.log.is_none() && proof.times.len() == 1);
    // The same bundle is not enough where there is a log: its absence relaxes nothing.
    assert_eq!(code(&instance.root_json(), &bundle), "log-entry-missing");

    let mut bare: Value = serde_json::from_slice(&bundle).unwrap();
    bare["verificationMaterial"]["timestampVerificationData"] = json!({"rfc3161Timestamps": []});
    assert_eq!(code(&log_less, &serde_json::to_vec(&bare).unwrap()), "timestamp-missing");

    let logged = instance.signer().sign_statement(&statement()).await.unwrap();
    assert_eq!(code(&log_less, &logged), "log-entry-unexpected");
}

#[tokio::test]
async fn an_instance_without_certificate_logs_asks_for_no_sct() {
    let instance = Instance::start().await;
    let bundle = instance.signer().sign_statement(&statement()).await.unwrap();
    let mut root = instance.root_json();
    root["ctlogs"] = json!([]);
    let proof = verifier(&root).verify(&bundle, Expected::Digest(&digest())).unwrap();
    assert!(!proof.sct);
}

#[tokio::test]
async fn a_private_root_is_never_chosen_by_itself() {
    let instance = Instance::start().await;
    let bundle = instance.signer().sign_statement(&statement()).await.unwrap();
    let embedded = Verifier::new(TrustRoots::embedded().unwrap());
    let error = embedded.verify(&bundle, Expected::Digest(&digest())).unwrap_err();
    assert_eq!(error.code().name, "instance-unknown");
    // A private root in the place of the public-good one is not asked either.
    let root = |json: &Value| TrustRoot::from_json("r", &serde_json::to_vec(json).unwrap()).unwrap();
    let roots = TrustRoots::by_issuer(root(&instance.root_json()), root(&instance.root_json()));
    let error = Verifier::new(roots).verify(&bundle, Expected::Digest(&digest())).unwrap_err();
    assert_eq!(error.code().name, "instance-unknown");
}

#[tokio::test]
async fn the_log_that_signed_is_the_one_that_is_told() {
    let instance = Instance::start().await;
    let other = Instance::start().await;
    let bundle = instance.signer().sign_statement(&statement()).await.unwrap();
    let mut root = instance.root_json();
    let logs = [root["tlogs"][0].clone(), other.root_json()["tlogs"][0].clone()];
    root["tlogs"] = json!(logs);
    assert_eq!(code(&root, &bundle), "ok");
    let mut lying: Value = serde_json::from_slice(&bundle).unwrap();
    lying["verificationMaterial"]["tlogEntries"][0]["logId"] = logs[1]["logId"].clone();
    assert_eq!(code(&root, &serde_json::to_vec(&lying).unwrap()), "log-proof-invalid");
    lying["verificationMaterial"]["tlogEntries"][0]["logId"]["keyId"] = json!(STANDARD.encode([7; 32]));
    assert_eq!(code(&instance.root_json(), &serde_json::to_vec(&lying).unwrap()), "log-proof-invalid");
}

#[tokio::test]
async fn of_several_roots_the_leafs_issuer_chooses() {
    let (one, two) = (Instance::start().await, Instance::start().await);
    let root = |json: &Value| TrustRoot::from_json("r", &serde_json::to_vec(json).unwrap()).unwrap();
    let embedded = || TrustRoot::embedded(loadline_sigstore::Instance::PublicGood).unwrap();
    for (instance, other) in [(&one, &two), (&two, &one)] {
        let bundle = instance.signer().sign_statement(&statement()).await.unwrap();
        let both = [root(&other.root_json()), embedded(), root(&instance.root_json())];
        let code = |roots: TrustRoots| match Verifier::new(roots).verify(&bundle, Expected::Digest(&digest()))
        {
            Ok(_) => "ok",
            Err(error) => error.code().name,
        };
        assert_eq!(code(TrustRoots::given(both)), "ok");
        // Without its own among them none is believed, whatever the others are called.
        assert_ne!(code(TrustRoots::given([root(&other.root_json()), embedded()])), "ok");
        let others = [embedded(), TrustRoot::embedded(loadline_sigstore::Instance::GitHub).unwrap()];
        assert_eq!(code(TrustRoots::given(others)), "instance-unknown");
        assert_eq!(code(TrustRoots::given([])), "instance-unknown");
    }
}

#[tokio::test]
async fn a_root_is_fetched_through_tuf_and_kept() {
    use loadline_sigstore::trust::{Cache, Mirror};
    let instance = Instance::start().await;
    let ready = instance.sandbox.ready();
    let root = std::fs::read(ready.trusted_root.with_file_name("tuf_root.json")).unwrap();
    let mirror = Mirror { name: "the sandbox".into(), address: ready.tuf.clone(), root };
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::Directory(folder.path().to_owned());
    let now = now();
    let fetched = mirror.fetch(reqwest::Client::new(), &cache, now).await.unwrap();
    let bundle = instance.signer().sign_statement(&statement()).await.unwrap();
    let verify = |root: TrustRoot| {
        Verifier::new(TrustRoots::only(root)).verify(&bundle, Expected::Digest(&digest())).map(|_| ())
    };
    assert!(fetched.expires().is_some_and(|expires| expires > now));
    verify(fetched).unwrap();
    // Without the repository, what was kept is verified anew; a changed byte in it is refused.
    let gone = Mirror { address: mirror.address.clone(), ..mirror.clone() };
    let offline = Cache::Offline(folder.path().to_owned());
    verify(gone.fetch(reqwest::Client::new(), &offline, now).await.unwrap()).unwrap();
    let mut changed = 0;
    let mut folders = vec![folder.path().to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().contains("trusted_root") {
                let text = std::fs::read_to_string(&path).unwrap();
                std::fs::write(&path, text.replacen("loadline", "loadlinf", 1)).unwrap();
                changed += 1;
            }
        }
    }
    assert!(changed > 0, "the cache holds the root");
    assert!(gone.fetch(reqwest::Client::new(), &offline, now).await.is_err());
    // A repository that another root vouches for.
    let other = Instance::start().await;
    let wrong = Mirror { address: other.sandbox.ready().tuf.clone(), ..mirror };
    assert!(wrong.fetch(reqwest::Client::new(), &Cache::None, now).await.is_err());
}
