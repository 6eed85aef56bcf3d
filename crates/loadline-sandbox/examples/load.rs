//! Load for registries and transparency logs, the sandbox's or others', and what it came to, as JSON.
//!
//! ```text
//! load registry http://HOST:PORT IMAGES WORKERS   # pushes images of two 64 KiB layers, then pulls them
//! load blob http://HOST:PORT MEBIBYTES            # one large blob, pushed and pulled
//! load log http://HOST:PORT ENTRIES WORKERS       # hashedrekord entries of Rekor v2
//! ```
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs, reason = "a tool for measuring")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{self, digest};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::{StreamExt as _, stream};
use loadline_core::{Digest, media_type as mt};
use reqwest::{Client, StatusCode};
use serde_json::json;

const LAYER: usize = 64 << 10;

#[tokio::main]
async fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let number = |at: usize| arguments[at].parse::<u64>().unwrap();
    let base = arguments[1].trim_end_matches('/').to_owned();
    match arguments[0].as_str() {
        "registry" => registry(base, number(2), number(3)).await,
        "blob" => blob(base, number(2)).await,
        "log" => log(base, number(2), number(3)).await,
        other => println!("{other} is none of registry, blob, log"),
    }
}

/// Runs `work` for 0 to `count`, `workers` at a time, and says how long it took.
async fn spread<F>(count: u64, workers: u64, work: impl Fn(Client, u64) -> F) -> Duration
where
    F: Future<Output = ()> + Send + 'static,
{
    let client = Client::builder().no_proxy().build().unwrap();
    let began = Instant::now();
    let tasks = stream::iter((0..count).map(|number| tokio::spawn(work(client.clone(), number))));
    // The iterator is lazy: so many are under way at once, and no more.
    tasks.buffer_unordered(usize::try_from(workers).unwrap()).for_each(async |done| done.unwrap()).await;
    began.elapsed()
}

/// The bytes of a layer, others for every number.
fn layer(number: u64, length: usize) -> Vec<u8> {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

async fn push_blob(client: &Client, base: &str, content: Vec<u8>) -> serde_json::Value {
    let digest = Digest::of(&content);
    let size = content.len();
    let begun = client.post(format!("{base}/v2/load/blobs/uploads/")).send().await.unwrap();
    assert_eq!(begun.status(), StatusCode::ACCEPTED);
    let location = begun.url().join(begun.headers()["location"].to_str().unwrap()).unwrap();
    let mut put = location.clone();
    put.query_pairs_mut().append_pair("digest", &digest.to_string());
    let done = client
        .put(put)
        .header("content-type", "application/octet-stream")
        .body(content)
        .send()
        .await
        .unwrap();
    assert_eq!(done.status(), StatusCode::CREATED);
    json!({"mediaType": mt::OCI_CONFIG, "digest": digest, "size": size})
}

async fn registry(base: String, images: u64, workers: u64) {
    let base = Arc::new(base);
    let to = Arc::clone(&base);
    let pushed = spread(images, workers, move |client, number| {
        let base = Arc::clone(&to);
        async move {
            let config = push_blob(&client, &base, format!("{{\"n\":{number}}}").into_bytes()).await;
            let mut layers = Vec::new();
            for part in 0..2 {
                layers.push(push_blob(&client, &base, layer(number * 2 + part + 1, LAYER)).await);
            }
            let manifest = json!({"schemaVersion": 2, "mediaType": mt::OCI_MANIFEST, "config": config, "layers": layers});
            let put = client.put(format!("{base}/v2/load/manifests/t{number}"));
            let put = put.header("content-type", mt::OCI_MANIFEST).body(manifest.to_string());
            assert_eq!(put.send().await.unwrap().status(), StatusCode::CREATED);
        }
    })
    .await;
    let pulled = spread(images, workers, move |client, number| {
        let base = Arc::clone(&base);
        async move {
            let get =
                client.get(format!("{base}/v2/load/manifests/t{number}")).header("accept", mt::OCI_MANIFEST);
            let manifest: serde_json::Value = get.send().await.unwrap().json().await.unwrap();
            let layers = manifest["layers"].as_array().unwrap().iter();
            for blob in layers.chain([&manifest["config"]]) {
                let digest = blob["digest"].as_str().unwrap();
                let body = client.get(format!("{base}/v2/load/blobs/{digest}")).send().await.unwrap();
                let body = body.bytes().await.unwrap();
                assert_eq!(Digest::of(&body).to_string(), digest);
            }
        }
    })
    .await;
    let rate = |took: Duration| (images as f64 / took.as_secs_f64()).round();
    println!("{}", json!({"pushes_per_second": rate(pushed), "pulls_per_second": rate(pulled)}));
}

async fn blob(base: String, mebibytes: u64) {
    let client = Client::builder().no_proxy().build().unwrap();
    let content = layer(1, usize::try_from(mebibytes).unwrap() << 20);
    let began = Instant::now();
    let pushed = push_blob(&client, &base, content).await;
    let push = began.elapsed();
    let began = Instant::now();
    let url = format!("{base}/v2/load/blobs/{}", pushed["digest"].as_str().unwrap());
    let mut response = client.get(url).send().await.unwrap();
    let mut length = 0;
    while let Some(chunk) = response.chunk().await.unwrap() {
        length += chunk.len() as u64;
    }
    assert_eq!(length, mebibytes << 20);
    let rate = |took: Duration| (mebibytes as f64 / took.as_secs_f64()).round();
    println!("{}", json!({"push_mib_per_second": rate(push), "pull_mib_per_second": rate(began.elapsed())}));
}

async fn log(base: String, entries: u64, workers: u64) {
    let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let spki: PublicKeyX509Der<'_> = pair.public_key().as_der().unwrap();
    let spki = STANDARD.encode(spki.as_ref());
    // Signed before the clock runs: what is measured is the log.
    let run = std::process::id();
    let requests: Vec<_> = (0..entries)
        .map(|number| {
            let artifact = format!("{run}/{number}");
            let signature = pair.sign(&SystemRandom::new(), artifact.as_bytes()).unwrap();
            json!({"hashedRekordRequestV002": {
                "digest": STANDARD.encode(digest(&digest::SHA256, artifact.as_bytes())),
                "signature": {
                    "content": STANDARD.encode(signature),
                    "verifier": {"keyDetails": "PKIX_ECDSA_P256_SHA_256", "publicKey": {"rawBytes": spki}},
                },
            }})
        })
        .collect();
    let (requests, base) = (Arc::new(requests), Arc::new(base));
    let took = spread(entries, workers, move |client, number| {
        let (requests, base) = (Arc::clone(&requests), Arc::clone(&base));
        async move {
            let request = &requests[usize::try_from(number).unwrap()];
            let answer =
                client.post(format!("{base}/api/v2/log/entries")).json(request).send().await.unwrap();
            assert_eq!(answer.status(), StatusCode::CREATED);
            answer.bytes().await.unwrap();
        }
    })
    .await;
    println!("{}", json!({"entries_per_second": (entries as f64 / took.as_secs_f64()).round()}));
}
