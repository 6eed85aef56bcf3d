//! The certificate transparency log, as RFC 6962 has it.

use loadline_sandbox::{Sandbox, TokenRequest};
use serde_json::{Value, json};
use sigstore_merkle::{hash_leaf, verify_consistency_proof, verify_inclusion_proof};
use sigstore_types::Sha256Hash;

use crate::{Key, decode, encode, get, get_json, hash, post, sandbox};

async fn issue(sandbox: &Sandbox) -> Value {
    let token = sandbox.token(&TokenRequest::email("a@b.example")).unwrap();
    let key = Key::new();
    let request = json!({
        "credentials": {"oidcIdentityToken": token.expose()},
        "publicKeyRequest": {
            "publicKey": {"content": encode(key.spki())},
            "proofOfPossession": key.sign(b"a@b.example"),
        },
    });
    let (status, answer) = post(format!("{}/api/v2/signingCert", sandbox.ready().fulcio), &request).await;
    assert_eq!(status, 200, "{answer}");
    answer
}

async fn head(sandbox: &Sandbox) -> (u64, Sha256Hash) {
    let head = get_json(format!("{}/ct/v1/get-sth", sandbox.ready().ctlog)).await;
    (head["tree_size"].as_u64().unwrap(), Sha256Hash::new(hash(&head["sha256_root_hash"])))
}

fn hashes(list: &Value) -> Vec<Sha256Hash> {
    list.as_array().unwrap().iter().map(|text| Sha256Hash::new(hash(text))).collect()
}

#[tokio::test]
async fn every_certificate_is_in_the_log_and_proven() {
    let (_folder, sandbox) = sandbox().await;
    let base = format!("{}/ct/v1", sandbox.ready().ctlog);
    assert_eq!(head(&sandbox).await.0, 0);
    let mut heads = Vec::new();
    for _ in 0..5 {
        issue(&sandbox).await;
        heads.push(head(&sandbox).await);
    }
    let (size, root) = heads[4];
    assert_eq!(size, 5);
    let entries = get_json(format!("{base}/get-entries?start=0&end=99")).await;
    let entries = entries["entries"].as_array().unwrap();
    assert_eq!(entries.len(), 5);
    for (index, entry) in entries.iter().enumerate() {
        let leaf = decode(&entry["leaf_input"]);
        assert_eq!(leaf[10..12], [0, 1], "a precertificate");
        let leaf = hash_leaf(&leaf);
        let query = reqwest::Url::parse_with_params(
            &format!("{base}/get-proof-by-hash"),
            [("hash", encode(leaf.as_bytes())), ("tree_size", size.to_string())],
        );
        let proof = get_json(query.unwrap().to_string()).await;
        assert_eq!(proof["leaf_index"], index);
        verify_inclusion_proof(&leaf, index as u64, size, &hashes(&proof["audit_path"]), &root).unwrap();
        let both = get_json(format!("{base}/get-entry-and-proof?leaf_index={index}&tree_size={size}")).await;
        assert_eq!((&both["leaf_input"], &both["audit_path"]), (&entry["leaf_input"], &proof["audit_path"]));
    }
    for (old_size, old_root) in heads {
        let proof = get_json(format!("{base}/get-sth-consistency?first={old_size}&second={size}")).await;
        verify_consistency_proof(old_size, size, &hashes(&proof["consistency"]), &old_root, &root).unwrap();
    }
    for bad in [
        "get-entries?start=5&end=5",
        "get-entries?start=1",
        "get-entries?start=x&end=1",
        "get-sth-consistency?first=3&second=2",
        "get-sth-consistency?first=3&second=6",
        "get-entry-and-proof?leaf_index=5&tree_size=5",
        "get-proof-by-hash?hash=AAAA&tree_size=5",
    ] {
        assert_eq!(get(format!("{base}/{bad}")).await.0, 400, "{bad}");
    }
    let nowhere = format!("{base}/get-proof-by-hash?hash={}&tree_size=5", encode([0; 32]));
    assert_eq!(get(nowhere).await.0, 404);
}

#[tokio::test]
async fn a_chain_is_logged_once_and_only_when_it_is_one() {
    let (_folder, sandbox) = sandbox().await;
    let base = format!("{}/ct/v1", sandbox.ready().ctlog);
    let answer = issue(&sandbox).await;
    let chain: Vec<_> = answer["signedCertificateEmbeddedSct"]["chain"]["certificates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|pem| der::pem::decode_vec(pem.as_str().unwrap().as_bytes()).unwrap().1)
        .collect();
    let body = |chain: &[Vec<u8>]| json!({"chain": chain.iter().map(encode).collect::<Vec<_>>()});

    // What Fulcio logged can be logged again: it is in the entry, and gets its old timestamp.
    let entry = get_json(format!("{base}/get-entries?start=0&end=0")).await;
    let extra = decode(&entry["entries"][0]["extra_data"]);
    let length = u32::from_be_bytes([0, extra[0], extra[1], extra[2]]) as usize;
    let precertificate = extra[3..3 + length].to_vec();
    let submitted = vec![precertificate, chain[1].clone(), chain[2].clone()];
    let (status, sct) = post(format!("{base}/add-pre-chain"), &body(&submitted)).await;
    assert_eq!(status, 200, "{sct}");
    let leaf = decode(&entry["entries"][0]["leaf_input"]);
    assert_eq!(sct["timestamp"].as_u64().unwrap(), u64::from_be_bytes(leaf[2..10].try_into().unwrap()));
    assert_eq!(head(&sandbox).await.0, 1);
    let root: Value = serde_json::from_slice(&std::fs::read(&sandbox.ready().trusted_root).unwrap()).unwrap();
    assert_eq!(sct["id"], root["ctlogs"][0]["logId"]["keyId"]);

    let (status, _) = post(format!("{base}/add-chain"), &body(&chain)).await;
    assert_eq!((status, head(&sandbox).await.0), (200, 2));

    let (_folder, stranger) = crate::sandbox().await;
    let other = issue(&stranger).await;
    let other = other["signedCertificateEmbeddedSct"]["chain"]["certificates"][1].as_str().unwrap();
    let other = der::pem::decode_vec(other.as_bytes()).unwrap().1;
    for (verb, chain, says) in [
        ("add-chain", vec![chain[0].clone(), other.clone()], "certificate 0 is not signed by"),
        ("add-pre-chain", vec![submitted[0].clone(), other], "certificate 0 is not signed by"),
        ("add-chain", vec![chain[0].clone(), chain[2].clone()], "certificate 0 names another issuer"),
        ("add-chain", submitted.clone(), "use add-pre-chain"),
        ("add-pre-chain", chain.clone(), "use add-chain"),
        ("add-pre-chain", submitted[..1].to_vec(), "followed by its issuer"),
        ("add-chain", vec![], "the chain is empty"),
        ("add-chain", vec![b"garbage".to_vec()], "certificate 0 is not DER"),
        ("add-chain", vec![chain[2].clone(); 11], "more than 10"),
    ] {
        let (status, answer) = post(format!("{base}/{verb}"), &body(&chain)).await;
        assert!(status == 400 && answer.as_str().unwrap().contains(says), "{status} {answer}: {says}");
    }
    assert_eq!(head(&sandbox).await.0, 2);
    let roots = get_json(format!("{base}/get-roots")).await;
    assert_eq!(decode(&roots["certificates"][0]), chain[2]);
}
