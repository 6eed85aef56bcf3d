//! The transparency log: what it takes, what it proves, and how it reads.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use loadline_sandbox::Sandbox;
use serde_json::{Value, json};
use sigstore_merkle::{hash_children, hash_leaf, verify_consistency_proof, verify_inclusion_proof};
use sigstore_types::Sha256Hash;

use crate::{Key, decode, encode, get, hash, post, sandbox};

pub(crate) fn hashed_rekord(key: &Key, artifact: &[u8]) -> Value {
    json!({"hashedRekordRequestV002": {
        "digest": encode(digest(&SHA256, artifact)),
        "signature": {
            "content": key.sign(artifact),
            "verifier": {
                "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                "publicKey": {"rawBytes": encode(key.spki())},
            },
        },
    }})
}

fn dsse(key: &Key, payload: &[u8]) -> Value {
    let kind = "application/vnd.in-toto+json";
    let mut message = format!("DSSEv1 {} {kind} {} ", kind.len(), payload.len()).into_bytes();
    message.extend_from_slice(payload);
    json!({"dsseRequestV002": {
        "envelope": {
            "payload": encode(payload),
            "payloadType": kind,
            "signatures": [{"sig": key.sign(&message), "keyid": ""}],
        },
        "verifiers": [{
            "keyDetails": "PKIX_ECDSA_P256_SHA_256",
            "publicKey": {"rawBytes": encode(key.spki())},
        }],
    }})
}

async fn submit(sandbox: &Sandbox, request: &Value) -> (u16, Value) {
    post(format!("{}/api/v2/log/entries", sandbox.ready().rekor), request).await
}

async fn checkpoint(sandbox: &Sandbox) -> (u64, Sha256Hash) {
    let (status, note) = get(format!("{}/api/v2/checkpoint", sandbox.ready().rekor)).await;
    assert_eq!(status, 200);
    parse(&String::from_utf8(note).unwrap())
}

pub(crate) fn parse(note: &str) -> (u64, Sha256Hash) {
    let mut lines = note.lines();
    assert_eq!(lines.next(), Some("127.0.0.1"));
    let size = lines.next().unwrap().parse().unwrap();
    (size, Sha256Hash::new(hash(&lines.next().unwrap().into())))
}

fn prove(entry: &Value) {
    let proof = &entry["inclusionProof"];
    let (size, root) = parse(proof["checkpoint"]["envelope"].as_str().unwrap());
    assert_eq!(proof["treeSize"], size.to_string());
    let index = entry["logIndex"].as_str().unwrap().parse().unwrap();
    let path: Vec<_> =
        proof["hashes"].as_array().unwrap().iter().map(|text| Sha256Hash::new(hash(text))).collect();
    verify_inclusion_proof(&hash_leaf(&decode(&entry["canonicalizedBody"])), index, size, &path, &root)
        .unwrap();
}

#[tokio::test]
async fn entries_of_both_kinds_are_logged_in_canonical_form_and_proven() {
    let (_folder, sandbox) = sandbox().await;
    let key = Key::new();
    let (status, entry) = submit(&sandbox, &hashed_rekord(&key, b"artifact")).await;
    assert_eq!(status, 201, "{entry}");
    assert_eq!(entry["kindVersion"], json!({"kind": "hashedrekord", "version": "0.0.2"}));
    prove(&entry);
    let body = String::from_utf8(decode(&entry["canonicalizedBody"])).unwrap();
    assert!(body.starts_with(r#"{"apiVersion":"0.0.2","kind":"hashedrekord","spec":{"hashedRekordV002":{"data":{"algorithm":"SHA2_256","digest":""#), "{body}");
    assert!(
        body.contains(r#""verifier":{"keyDetails":"PKIX_ECDSA_P256_SHA_256","publicKey":{"rawBytes":""#),
        "{body}"
    );

    let (status, entry) = submit(&sandbox, &dsse(&key, b"{}")).await;
    assert_eq!(status, 201, "{entry}");
    assert_eq!(entry["kindVersion"], json!({"kind": "dsse", "version": "0.0.2"}));
    prove(&entry);
    let body = String::from_utf8(decode(&entry["canonicalizedBody"])).unwrap();
    let payload = encode(digest(&SHA256, b"{}"));
    assert!(body.starts_with(&format!(r#"{{"apiVersion":"0.0.2","kind":"dsse","spec":{{"dsseV002":{{"payloadHash":{{"algorithm":"SHA2_256","digest":"{payload}"}},"signatures":[{{"content":""#)), "{body}");
}

#[tokio::test]
async fn the_same_entry_again_is_a_conflict() {
    let (_folder, sandbox) = sandbox().await;
    let request = hashed_rekord(&Key::new(), b"artifact");
    let (_, first) = submit(&sandbox, &request).await;
    let before = checkpoint(&sandbox).await;
    let (status, answer) = submit(&sandbox, &request).await;
    assert_eq!((status, &answer["code"]), (409, &6.into()));
    let index = first["logIndex"].as_str().unwrap();
    assert!(answer["message"].as_str().unwrap().ends_with(&format!("with index {index}")), "{answer}");
    assert_eq!(checkpoint(&sandbox).await.0, before.0);
}

#[tokio::test]
async fn what_was_not_signed_is_not_logged() {
    let (_folder, sandbox) = sandbox().await;
    let key = Key::new();
    let good = hashed_rekord(&key, b"artifact");
    let before = checkpoint(&sandbox).await.0;
    let changes = [
        ("/signature/content", json!(key.sign(b"another")), "not the key's"),
        ("/signature/content", json!(Key::new().sign(b"artifact")), "not the key's"),
        ("/signature/content", json!(""), "the signature is missing"),
        ("/digest", json!(encode(digest(&SHA256, b"another"))), "not the key's"),
        ("/digest", json!(encode([1; 20])), "a digest of 20 bytes, where PKIX_ECDSA_P256_SHA_256 has 32"),
        ("/digest", json!(""), "the digest is missing"),
        ("/digest", json!("%"), "not the JSON"),
        ("/signature/verifier/publicKey/rawBytes", json!(encode(Key::new().spki())), "not the key's"),
        ("/signature/verifier/publicKey/rawBytes", json!(encode(b"nonsense")), "it cannot be parsed"),
        (
            "/signature/verifier/keyDetails",
            json!("PKIX_ECDSA_P384_SHA_384"),
            "the key is not one of PKIX_ECDSA_P384_SHA_384",
        ),
        ("/signature/verifier/keyDetails", json!(""), "the key is not one of"),
        (
            "/signature/verifier/x509Certificate",
            json!({"rawBytes": ""}),
            "a public key or else a certificate is missing",
        ),
        ("/signature/verifier", json!(null), "the verifier is missing"),
    ];
    for (path, value, says) in changes {
        let mut bad = good.clone();
        let place = format!("/hashedRekordRequestV002{path}");
        match bad.pointer_mut(&place) {
            Some(member) => *member = value,
            None => {
                let (parent, name) = place.rsplit_once('/').unwrap();
                bad.pointer_mut(parent).unwrap()[name] = value;
            }
        }
        let (status, answer) = submit(&sandbox, &bad).await;
        assert_eq!((status, &answer["code"]), (400, &3.into()), "{path}: {answer}");
        assert!(answer["message"].as_str().unwrap().contains(says), "{path}: {answer}");
    }

    let good = dsse(&key, b"{}");
    let stranger = dsse(&Key::new(), b"{}");
    for (path, value, says) in [
        ("/envelope/payload", json!(encode(b"[]")), "all signatures must have a key"),
        ("/envelope/payloadType", json!("text/plain"), "all signatures must have a key"),
        ("/envelope/signatures", json!([]), "the envelope's signature is missing"),
        (
            "/envelope/signatures",
            json!([good["dsseRequestV002"]["envelope"]["signatures"][0], {"sig": "AAAA"}]),
            "all signatures",
        ),
        ("/verifiers", stranger["dsseRequestV002"]["verifiers"].clone(), "all signatures must have a key"),
        ("/verifiers", json!([]), "the verifier is missing"),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(&format!("/dsseRequestV002{path}")).unwrap() = value;
        let (status, answer) = submit(&sandbox, &bad).await;
        assert_eq!(status, 400, "{path}: {answer}");
        assert!(answer["message"].as_str().unwrap().contains(says), "{path}: {answer}");
    }
    for nonsense in [json!({}), json!([]), json!({"hashedRekordRequestV002": {}, "dsseRequestV002": {}})] {
        assert_eq!(submit(&sandbox, &nonsense).await.0, 400);
    }
    assert_eq!(checkpoint(&sandbox).await.0, before);
}

/// Reads all leaf hashes and entries out of the tiles, as a monitor would.
pub(crate) async fn read(rekor: &str, size: u64) -> (Vec<Sha256Hash>, Vec<Vec<u8>>) {
    let base = format!("{rekor}/api/v2/tile");
    let (mut hashes, mut entries) = (Vec::new(), Vec::new());
    for tile in 0..size.div_ceil(256) {
        let width = (size - tile * 256).min(256);
        let name = match width {
            256 => format!("{tile:03}"),
            width => format!("{tile:03}.p/{width}"),
        };
        let (status, bytes) = get(format!("{base}/0/{name}")).await;
        assert_eq!((status, bytes.len() as u64), (200, width * 32));
        hashes.extend(bytes.chunks(32).map(|hash| Sha256Hash::new(hash.try_into().unwrap())));
        let (status, bundle) = get(format!("{base}/entries/{name}")).await;
        assert_eq!(status, 200);
        let mut rest = bundle.as_slice();
        while let Some((length, after)) = rest.split_first_chunk::<2>() {
            let (entry, after) = after.split_at(u16::from_be_bytes(*length).into());
            entries.push(entry.to_vec());
            rest = after;
        }
    }
    (hashes, entries)
}

pub(crate) fn tree_hash(leaves: &[Sha256Hash]) -> Sha256Hash {
    match leaves {
        [leaf] => *leaf,
        leaves => {
            let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
            hash_children(&tree_hash(left), &tree_hash(right))
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tiles_hold_every_entry_while_many_write() {
    let (_folder, sandbox) = sandbox().await;
    let sandbox = Arc::new(sandbox);
    let key = Arc::new(Key::new());
    let mut tasks = Vec::new();
    for writer in 0..8 {
        let (sandbox, key) = (Arc::clone(&sandbox), Arc::clone(&key));
        tasks.push(tokio::spawn(async move {
            let mut bodies = Vec::new();
            for n in 0..40 {
                let (status, entry) =
                    submit(&sandbox, &hashed_rekord(&key, format!("{writer}/{n}").as_bytes())).await;
                assert_eq!(status, 201, "{entry}");
                prove(&entry);
                bodies.push((
                    entry["logIndex"].as_str().unwrap().parse::<usize>().unwrap(),
                    decode(&entry["canonicalizedBody"]),
                ));
            }
            bodies
        }));
    }
    // Read while it is written to: every checkpoint's tree is there in the tiles.
    for _ in 0..5 {
        let (size, root) = checkpoint(&sandbox).await;
        let (hashes, _) = read(&sandbox.ready().rekor, size).await;
        assert_eq!(tree_hash(&hashes), root);
    }
    let mut logged = Vec::new();
    for task in tasks {
        logged.extend(task.await.unwrap());
    }
    let (size, root) = checkpoint(&sandbox).await;
    assert_eq!(size, 321, "the first entry is the log's own");
    let (hashes, entries) = read(&sandbox.ready().rekor, size).await;
    assert_eq!((tree_hash(&hashes), entries.len()), (root, 321));
    for (hash, entry) in hashes.iter().zip(&entries) {
        assert_eq!(*hash, hash_leaf(entry));
    }
    for (index, body) in logged {
        assert_eq!(entries[index], body);
    }
    let (status, above) = get(format!("{}/api/v2/tile/1/000.p/1", sandbox.ready().rekor)).await;
    assert_eq!((status, above.as_slice()), (200, tree_hash(&hashes[..256]).as_bytes().as_slice()));
    for missing in ["0/002", "0/001.p/66", "2/000", "entries/001", "8/000.p/1", "0/1", "0/000.p/0"] {
        assert_eq!(get(format!("{}/api/v2/tile/{missing}", sandbox.ready().rekor)).await.0, 404, "{missing}");
    }
}

#[tokio::test]
async fn a_restart_goes_on_with_the_same_tree() {
    let (folder, first) = sandbox().await;
    let key = Key::new();
    for n in 0..3 {
        submit(&first, &hashed_rekord(&key, &[n])).await;
    }
    let (old_size, old_root) = checkpoint(&first).await;
    first.stop().await;

    let again = Sandbox::start(loadline_sandbox::Options::new(folder.path())).await.unwrap();
    assert_eq!(checkpoint(&again).await, (old_size, old_root));
    let (status, entry) = submit(&again, &hashed_rekord(&key, b"more")).await;
    assert_eq!(status, 201);
    prove(&entry);
    let (size, root) = checkpoint(&again).await;
    assert_eq!((size, old_size), (5, 4));
    // From 4 to 5 the proof is the one new leaf.
    let leaf = hash_leaf(&decode(&entry["canonicalizedBody"]));
    verify_consistency_proof(4, 5, &[leaf], &old_root, &root).unwrap();
    let (status, _) = submit(&again, &hashed_rekord(&key, &[1])).await;
    assert_eq!(status, 201, "ECDSA signs anew, so that this is another entry");
}
