//! What the registry demands of a manifest, and what deleting one does.

use loadline_core::{Digest, media_type as mt};
use serde_json::{Value, json};

use crate::support::{code, descriptor, header, image, of_manifest, start};

#[tokio::test]
async fn everything_it_speaks_of_must_be_there() {
    let server = start().await;
    server.blob("a", b"{}").await;
    server.blob("elsewhere", b"layer").await;
    let manifest = json!({
        "schemaVersion": 2, "mediaType": mt::OCI_MANIFEST,
        "config": descriptor(mt::OCI_CONFIG, b"{}"),
        "layers": [descriptor(mt::OCI_LAYER, b"layer"), descriptor(mt::OCI_LAYER, b"other")],
    });
    let response = server.put("a", "tag", &manifest).await;
    assert_eq!(response.status(), 404);
    let body: Value = response.json().await.unwrap();
    let missing: Vec<_> = body["errors"].as_array().unwrap().iter().collect();
    assert_eq!(missing.len(), 2, "each is named");
    for (error, content) in missing.iter().zip([b"layer", b"other"]) {
        assert_eq!(error["code"], "MANIFEST_BLOB_UNKNOWN");
        assert_eq!(error["detail"]["digest"], Digest::of(content).to_string());
    }
    assert_eq!(server.status("GET", "/v2/a/manifests/tag").await, 404);

    let index = json!({
        "schemaVersion": 2, "mediaType": mt::OCI_INDEX, "manifests": [of_manifest(&manifest)],
    });
    assert_eq!(code(server.put("a", "tag", &index).await).await, "MANIFEST_BLOB_UNKNOWN");
    // A blob that holds the child's bytes is not the child.
    server.blob("a", &serde_json::to_vec(&manifest).unwrap()).await;
    assert_eq!(code(server.put("a", "tag", &index).await).await, "MANIFEST_BLOB_UNKNOWN");
    // But an index may list blobs as blobs: build caches do.
    let cache = json!({
        "schemaVersion": 2, "mediaType": mt::OCI_INDEX, "manifests": [descriptor("application/x.cache", b"{}")],
    });
    assert_eq!(server.put("a", "cache", &cache).await.status(), 201);
}

#[tokio::test]
async fn what_is_no_manifest_is_refused() {
    let server = start().await;
    let good = image(&server, "a", b"layer").await;
    let with = |key: &str, value: Value| {
        let mut bad = good.clone();
        bad[key] = value;
        bad
    };
    let mut size = descriptor(mt::OCI_LAYER, b"layer");
    size["size"] = json!(4);
    let mut data = descriptor(mt::OCI_LAYER, b"layer");
    data["data"] = json!("bGF5ZVI=");
    for bad in [
        json!("text"),
        with("schemaVersion", json!(1)),
        with("layers", Value::Null),
        with("layers", json!([size])),
        with("layers", json!([data])),
        with("mediaType", json!("application/vnd.docker.distribution.manifest.v1+json")),
        with("manifests", json!([])),
    ] {
        let response = server.put("a", "bad", &bad).await;
        assert_eq!(response.status(), 400, "{bad}");
        assert_eq!(code(response).await, "MANIFEST_INVALID", "{bad}");
    }
    let bytes = serde_json::to_vec(&good).unwrap();
    let put = |reference: &str, kind: &str| {
        server
            .request("PUT", &format!("/v2/a/manifests/{reference}"))
            .header("content-type", kind)
            .body(bytes.clone())
            .send()
    };
    assert_eq!(put("bad", mt::OCI_INDEX).await.unwrap().status(), 400, "type and content disagree");
    assert_eq!(put("-bad", mt::OCI_MANIFEST).await.unwrap().status(), 400);
    assert_eq!(put(&"x".repeat(129), mt::OCI_MANIFEST).await.unwrap().status(), 400);
    let other = Digest::of(b"other").to_string();
    let response = put(&other, mt::OCI_MANIFEST).await.unwrap();
    assert_eq!(response.status(), 400);
    assert_eq!(code(response).await, "DIGEST_INVALID");
    assert_eq!(put("sha256:baddigeststring", mt::OCI_MANIFEST).await.unwrap().status(), 400);
    assert_eq!(put(&"x".repeat(128), mt::OCI_MANIFEST).await.unwrap().status(), 201);
}

#[tokio::test]
async fn what_is_not_there_is_404() {
    let server = start().await;
    server.image("a", "tag", b"layer").await;
    let digest = Digest::of(b"none");
    for (method, path) in [
        ("GET", format!("/v2/a/manifests/{digest}")),
        ("GET", "/v2/a/manifests/none".to_owned()),
        ("GET", "/v2/a/manifests/.none".to_owned()),
        ("HEAD", "/v2/none/manifests/tag".to_owned()),
        ("DELETE", format!("/v2/a/manifests/{digest}")),
        ("DELETE", "/v2/a/manifests/none".to_owned()),
        ("DELETE", "/v2/a/manifests/..%2f_blobs".to_owned()),
    ] {
        assert_eq!(server.status(method, &path).await, 404, "{method} {path}");
    }
    let response = server.send("GET", "/v2/a/manifests/none").await;
    assert_eq!(code(response).await, "MANIFEST_UNKNOWN");
    // A blob is no manifest.
    let blob = Digest::of(b"layer");
    assert_eq!(server.status("GET", &format!("/v2/a/manifests/{blob}")).await, 404);
}

#[tokio::test]
async fn deleting_a_tag_leaves_the_manifest() {
    let server = start().await;
    let (digest, manifest) = server.image("a", "one", b"layer").await;
    server.manifest("a", "two", &manifest).await;
    assert_eq!(server.status("DELETE", "/v2/a/manifests/one").await, 202);
    assert_eq!(server.status("HEAD", "/v2/a/manifests/one").await, 404);
    assert_eq!(server.status("HEAD", "/v2/a/manifests/two").await, 200);
    assert_eq!(server.status("HEAD", &format!("/v2/a/manifests/{digest}")).await, 200);
}

#[tokio::test]
async fn deleting_a_manifest_takes_its_tags_along() {
    let server = start().await;
    let (digest, manifest) = server.image("a", "one", b"layer").await;
    server.manifest("a", "two", &manifest).await;
    server.image("a", "three", b"another").await;
    assert_eq!(server.status("DELETE", &format!("/v2/a/manifests/{digest}")).await, 202);
    for reference in ["one", "two", &digest.to_string()] {
        assert_eq!(server.status("GET", &format!("/v2/a/manifests/{reference}")).await, 404);
    }
    let list: Value = server.send("GET", "/v2/a/tags/list").await.json().await.unwrap();
    assert_eq!(list["tags"], json!(["three"]));
}

#[tokio::test]
async fn a_tag_moves_only_from_what_the_client_believes() {
    let server = start().await;
    let (first, manifest) = server.image("a", "tag", b"first").await;
    let second = image(&server, "a", b"second").await;
    let put = |manifest: &Value, name: &'static str, value: String| {
        server
            .request("PUT", "/v2/a/manifests/tag")
            .header("content-type", mt::OCI_MANIFEST)
            .header(name, value)
            .body(serde_json::to_vec(manifest).unwrap())
            .send()
    };
    let none = format!("\"{}\"", Digest::of(b"none"));
    assert_eq!(put(&second, "if-match", none).await.unwrap().status(), 412);
    assert_eq!(put(&second, "if-none-match", "*".into()).await.unwrap().status(), 412);
    assert_eq!(put(&second, "if-match", format!("\"{first}\"")).await.unwrap().status(), 201);
    assert_eq!(put(&manifest, "if-match", format!("\"{first}\"")).await.unwrap().status(), 412);
    let now = server.send("GET", "/v2/a/manifests/tag").await;
    assert_eq!(header(&now, "etag"), format!("\"{}\"", Digest::of(serde_json::to_vec(&second).unwrap())));
}
