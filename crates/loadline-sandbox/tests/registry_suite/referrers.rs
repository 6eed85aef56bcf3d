//! The referrers API, and the registry that has none.

use loadline_core::{Digest, media_type as mt};
use serde_json::{Value, json};

use crate::support::{Server, descriptor, header, of_manifest, start, start_with};

async fn attach(server: &Server, subject: &Value, kind: &str, note: &str) -> (Digest, Value) {
    server.blob("a", b"{}").await;
    let manifest = json!({
        "schemaVersion": 2, "mediaType": mt::OCI_MANIFEST, "artifactType": kind,
        "config": descriptor(mt::OCI_EMPTY, b"{}"), "layers": [descriptor(mt::OCI_EMPTY, b"{}")],
        "subject": subject, "annotations": { "note": note },
    });
    let response =
        server.put("a", &Digest::of(serde_json::to_vec(&manifest).unwrap()).to_string(), &manifest).await;
    assert_eq!(response.status(), 201);
    assert_eq!(header(&response, "oci-subject"), subject["digest"].as_str().unwrap());
    (Digest::of(serde_json::to_vec(&manifest).unwrap()), manifest)
}

async fn list(server: &Server, digest: &Digest, query: &str) -> (Vec<Value>, String, String) {
    let response = server.send("GET", &format!("/v2/a/referrers/{digest}{query}")).await;
    assert_eq!(response.status(), 200);
    assert_eq!(header(&response, "content-type"), mt::OCI_INDEX);
    let (filters, link) = (header(&response, "oci-filters-applied"), header(&response, "link"));
    let body: Value = response.json().await.unwrap();
    assert_eq!(body["schemaVersion"], 2);
    assert_eq!(body["mediaType"], mt::OCI_INDEX);
    (body["manifests"].as_array().unwrap().clone(), filters, link)
}

#[tokio::test]
async fn listed_filtered_and_deleted() {
    let server = start().await;
    let (subject, manifest) = server.image("a", "tag", b"layer").await;
    assert_eq!(list(&server, &subject, "").await.0, Vec::<Value>::new());
    let on = of_manifest(&manifest);
    let (one, sent) = attach(&server, &on, "application/x.one", "first").await;
    let (two, _) = attach(&server, &on, "application/x.two", "second").await;

    let (all, filters, _) = list(&server, &subject, "").await;
    assert_eq!((all.len(), filters.as_str()), (2, ""));
    let (found, filters, _) = list(&server, &subject, "?artifactType=application%2Fx.one").await;
    assert_eq!(filters, "artifactType");
    let bytes = serde_json::to_vec(&sent).unwrap();
    let expected = json!({
        "mediaType": mt::OCI_MANIFEST, "digest": one, "size": bytes.len(),
        "artifactType": "application/x.one", "annotations": { "note": "first" },
    });
    assert_eq!(found, [expected]);
    assert_eq!(list(&server, &subject, "?artifactType=none").await.0.len(), 0);

    assert_eq!(server.status("DELETE", &format!("/v2/a/manifests/{one}")).await, 202);
    let left = list(&server, &subject, "").await.0;
    assert_eq!(left.iter().map(|r| r["digest"].clone()).collect::<Vec<_>>(), [json!(two)]);
    // The subject goes, what speaks of it stays.
    assert_eq!(server.status("DELETE", &format!("/v2/a/manifests/{subject}")).await, 202);
    assert_eq!(list(&server, &subject, "").await.0.len(), 1);
    assert_eq!(server.status("GET", &format!("/v2/other/referrers/{subject}")).await, 200);
    assert_eq!(server.status("GET", "/v2/a/referrers/sha256:none").await, 400);
}

#[tokio::test]
async fn of_a_subject_that_is_missing() {
    let server = start().await;
    let subject = descriptor(mt::OCI_MANIFEST, b"never pushed");
    let (digest, _) = attach(&server, &subject, "application/x.one", "").await;
    let found = list(&server, &Digest::of(b"never pushed"), "").await.0;
    assert_eq!(found[0]["digest"], json!(digest));
}

#[tokio::test]
async fn the_type_falls_back_to_the_configs_and_an_index_may_refer() {
    let server = start().await;
    let (subject, manifest) = server.image("a", "tag", b"layer").await;
    let mut image = manifest.clone();
    image["subject"] = of_manifest(&manifest);
    server.manifest("a", "image", &image).await;
    let found = list(&server, &subject, "").await.0;
    assert_eq!(found[0]["artifactType"], mt::OCI_CONFIG);
    assert_eq!(found[0].get("annotations"), None);

    let index = json!({
        "schemaVersion": 2, "mediaType": mt::OCI_INDEX, "manifests": [], "subject": of_manifest(&image),
    });
    server.manifest("a", "index", &index).await;
    let found = list(&server, &Digest::of(serde_json::to_vec(&image).unwrap()), "").await.0;
    assert_eq!(found[0]["mediaType"], mt::OCI_INDEX);
    assert_eq!(found[0].get("artifactType"), None);
}

#[tokio::test]
async fn in_pages_with_the_filter_kept() {
    let server = start_with(|config| config.page = 3).await;
    let (subject, manifest) = server.image("a", "tag", b"layer").await;
    let on = of_manifest(&manifest);
    let mut expected = Vec::new();
    for index in 0..10 {
        let kind = if index % 5 == 4 { "application/x.other" } else { "application/x.one" };
        let (digest, _) = attach(&server, &on, kind, &index.to_string()).await;
        if index % 5 != 4 {
            expected.push(digest.to_string());
        }
    }
    let mut found = Vec::new();
    let mut query = "?artifactType=application/x.one".to_owned();
    let mut pages = 0;
    loop {
        let (page, filters, link) = list(&server, &subject, &query).await;
        assert_eq!(filters, "artifactType");
        found.extend(page.iter().map(|r| r["digest"].as_str().unwrap().to_owned()));
        pages += 1;
        let Some(next) = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\"")) else {
            break;
        };
        query = next.split_once('?').map(|(_, query)| format!("?{query}")).unwrap();
    }
    assert_eq!(pages, 3);
    expected.sort();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_registry_without_the_api() {
    let server = start_with(|config| config.no_referrers = true).await;
    let (subject, manifest) = server.image("a", "tag", b"layer").await;
    let mut image = manifest.clone();
    image["subject"] = of_manifest(&manifest);
    let response = server.put("a", "image", &image).await;
    assert_eq!(response.status(), 201);
    assert_eq!(response.headers().get("oci-subject"), None);
    assert_eq!(server.status("GET", &format!("/v2/a/referrers/{subject}")).await, 404);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn attached_by_many_at_once() {
    let server = start().await;
    let (subject, manifest) = server.image("a", "tag", b"layer").await;
    let on = of_manifest(&manifest);
    let notes: Vec<_> = (0..24).map(|index| index.to_string()).collect();
    futures_util::future::join_all(notes.iter().map(|note| attach(&server, &on, "application/x.one", note)))
        .await;
    assert_eq!(list(&server, &subject, "").await.0.len(), 24, "none was lost");
}
