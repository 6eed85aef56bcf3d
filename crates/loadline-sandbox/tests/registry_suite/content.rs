//! Every shape of content that the conformance suite pushes, pulls and deletes.

use base64::Engine as _;
use loadline_core::{Digest, media_type as mt};
use serde_json::{Value, json};

use crate::support::{Server, descriptor, header, image, of_manifest, sha512, start};

async fn comes_back(server: &Server, name: &str, reference: &str, manifest: &Value) {
    let bytes = serde_json::to_vec(manifest).unwrap();
    for method in ["GET", "HEAD"] {
        let response = server.send(method, &format!("/v2/{name}/manifests/{reference}")).await;
        assert_eq!(response.status(), 200, "{method} {reference}");
        assert_eq!(header(&response, "content-type"), manifest["mediaType"].as_str().unwrap());
        assert_eq!(header(&response, "content-length"), bytes.len().to_string());
        assert_eq!(header(&response, "docker-content-digest"), Digest::of(&bytes).to_string());
        let body = response.bytes().await.unwrap();
        assert_eq!(body, if method == "GET" { bytes.clone() } else { Vec::new() });
    }
}

async fn pushed_and_pulled(server: &Server, manifest: &Value) -> Digest {
    let digest = server.manifest("deep/er", "tag", manifest).await;
    comes_back(server, "deep/er", "tag", manifest).await;
    comes_back(server, "deep/er", &digest.to_string(), manifest).await;
    digest
}

#[tokio::test]
async fn image_index_and_nested_index() {
    let server = start().await;
    let one = image(&server, "deep/er", b"amd64").await;
    let two = image(&server, "deep/er", b"arm64").await;
    for manifest in [&one, &two] {
        pushed_and_pulled(&server, manifest).await;
    }
    let index = json!({
        "schemaVersion": 2, "mediaType": mt::OCI_INDEX,
        "manifests": [of_manifest(&one), of_manifest(&two)],
    });
    pushed_and_pulled(&server, &index).await;
    let nested = json!({
        "schemaVersion": 2, "mediaType": mt::OCI_INDEX, "manifests": [of_manifest(&index)],
    });
    pushed_and_pulled(&server, &nested).await;
    pushed_and_pulled(&server, &json!({ "schemaVersion": 2, "mediaType": mt::OCI_INDEX, "manifests": [] }))
        .await;
}

#[tokio::test]
async fn dockers_own_types() {
    let server = start().await;
    let mut manifest = image(&server, "deep/er", b"layer").await;
    manifest["mediaType"] = json!(mt::DOCKER_MANIFEST);
    pushed_and_pulled(&server, &manifest).await;
    let list =
        json!({ "schemaVersion": 2, "mediaType": mt::DOCKER_LIST, "manifests": [of_manifest(&manifest)] });
    pushed_and_pulled(&server, &list).await;
}

#[tokio::test]
async fn artifacts_with_and_without_layers() {
    let server = start().await;
    server.blob("deep/er", b"{}").await;
    for layers in [json!([]), json!([descriptor(mt::OCI_EMPTY, b"{}")])] {
        let manifest = json!({
            "schemaVersion": 2, "mediaType": mt::OCI_MANIFEST, "artifactType": "application/x.example",
            "config": descriptor(mt::OCI_EMPTY, b"{}"), "layers": layers,
        });
        pushed_and_pulled(&server, &manifest).await;
    }
}

#[tokio::test]
async fn data_fields_and_custom_fields_are_kept_to_the_byte() {
    let server = start().await;
    server.blob("deep/er", b"{}").await;
    let mut config = descriptor(mt::OCI_CONFIG, b"{}");
    config["data"] = json!(base64::engine::general_purpose::STANDARD.encode(b"{}"));
    let manifest = json!({
        "schemaVersion": 2, "mediaType": mt::OCI_MANIFEST, "config": config, "layers": [],
        "org.example.custom": { "z": [1, 2.50, null], "a": "ä" },
    });
    pushed_and_pulled(&server, &manifest).await;
    // Odd spacing and key order are part of the digest.
    let text = format!(
        "{{ \"layers\":[ ],\n\t\"config\" : {},\"schemaVersion\":2 , \"mediaType\":\"{}\"}}\n\n",
        descriptor(mt::OCI_CONFIG, b"{}"),
        mt::OCI_MANIFEST
    );
    let digest = Digest::of(&text);
    let at = format!("/v2/deep/er/manifests/{digest}");
    let put = server.request("PUT", &at).header("content-type", mt::OCI_MANIFEST).body(text.clone());
    assert_eq!(put.send().await.unwrap().status(), 201);
    assert_eq!(server.send("GET", &at).await.text().await.unwrap(), text);
}

#[tokio::test]
async fn layers_that_are_elsewhere() {
    let server = start().await;
    server.blob("deep/er", b"{}").await;
    let mut layer = descriptor("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip", b"far away");
    layer["urls"] = json!(["https://store.example.com/x"]);
    let manifest = json!({
        "schemaVersion": 2, "mediaType": mt::OCI_MANIFEST,
        "config": descriptor(mt::OCI_CONFIG, b"{}"), "layers": [layer],
    });
    pushed_and_pulled(&server, &manifest).await;
}

#[tokio::test]
async fn sha512_manifests() {
    let server = start().await;
    let manifest = image(&server, "a", b"layer").await;
    let bytes = serde_json::to_vec(&manifest).unwrap();
    let digest = sha512(&bytes);
    let at = format!("/v2/a/manifests/{digest}");
    let put =
        server.request("PUT", &format!("{at}?tag=one&tag=two")).header("content-type", mt::OCI_MANIFEST);
    let response = put.body(bytes.clone()).send().await.unwrap();
    assert_eq!(response.status(), 201);
    let tags: Vec<_> =
        response.headers().get_all("oci-tag").iter().map(|tag| tag.to_str().unwrap()).collect();
    assert_eq!(tags, ["one", "two"]);
    for reference in [&digest.to_string(), "one", "two"] {
        let response = server.send("GET", &format!("/v2/a/manifests/{reference}")).await;
        assert_eq!(header(&response, "docker-content-digest"), digest.to_string());
        assert_eq!(response.bytes().await.unwrap(), bytes);
    }
    // The same bytes under sha256 were never pushed.
    assert_eq!(server.status("GET", &format!("/v2/a/manifests/{}", Digest::of(&bytes))).await, 404);
    // An index that names its child by sha512.
    let mut child = descriptor(mt::OCI_MANIFEST, &bytes);
    child["digest"] = json!(digest);
    let index = json!({ "schemaVersion": 2, "mediaType": mt::OCI_INDEX, "manifests": [child] });
    server.manifest("a", "index", &index).await;
}
