//! Where evidence is found, and what a source that does not answer comes to.

use loadline_core::Verdict;
use loadline_core::media_type::{OCI_EMPTY, SIGSTORE_BUNDLE_V03};
use serde_json::json;

use crate::stage::{PROVENANCE, SBOM, Setting, Stage, sbom};

#[tokio::test]
async fn garbage_beside_good_evidence_is_a_note() {
    let stage = Stage::good().await;
    for (index, child) in stage.children.iter().enumerate() {
        let garbage = format!("not a bundle {index}");
        stage.attach(garbage.as_bytes(), SBOM, child).await;
    }
    let seen = stage.verify().await;
    seen.passes();
    assert_eq!(seen.notes(), ["bundle-malformed"]);
    assert!(seen.errors().is_empty());
}

#[tokio::test]
async fn nothing_but_garbage_fails() {
    let stage = Stage::bare(Setting::default()).await;
    for child in &stage.children {
        stage.attach(b"not a bundle", SBOM, child).await;
    }
    stage.verify_for(&[SBOM]).await.fails_with(&["bundle-malformed", "evidence-missing"]);
}

#[tokio::test]
async fn evidence_manifests_without_a_bundle_are_malformed_evidence() {
    let stage = Stage::bare(Setting::default()).await;
    for child in &stage.children {
        stage.attach_shaped(child, ("text/plain", b"hello"), |_| {}).await;
    }
    stage.verify_for(&[SBOM]).await.fails_with(&["bundle-malformed", "evidence-missing"]);
}

#[tokio::test]
async fn what_never_said_it_was_evidence_is_not_mentioned() {
    let stage = Stage::good().await;
    for child in &stage.children {
        let change =
            |manifest: &mut serde_json::Value| manifest["artifactType"] = json!("application/x.thing");
        stage.attach_shaped(child, ("text/plain", b"hello"), change).await;
    }
    let seen = stage.verify().await;
    seen.passes();
    assert!(seen.notes().is_empty(), "{:?}", seen.notes());
}

#[tokio::test]
async fn a_descriptor_that_lies_about_its_type_hides_nothing() {
    for lie in ["application/x.thing", OCI_EMPTY, "application/vnd.cncf.notary.signature"] {
        let stage = Stage::bare(Setting::default()).await;
        for child in &stage.children {
            let bundle = stage.sign(&sbom(&[&child.digest])).await;
            let change = |manifest: &mut serde_json::Value| manifest["artifactType"] = json!(lie);
            stage.attach_shaped(child, (SIGSTORE_BUNDLE_V03, &bundle), change).await;
        }
        stage.verify_for(&[SBOM]).await.passes();
    }
}

#[tokio::test]
async fn an_annotation_that_lies_about_the_predicate_proves_nothing_and_hides_nothing() {
    let stage = Stage::bare(Setting::default()).await;
    for child in &stage.children {
        let bundle = stage.sign(&sbom(&[&child.digest])).await;
        stage.attach(&bundle, PROVENANCE, child).await;
    }
    stage.verify_for(&[SBOM]).await.passes();
    stage.verify_for(&[PROVENANCE]).await.fails_with(&["evidence-missing"]);
}

#[tokio::test]
async fn a_registry_without_the_api_keeps_evidence_under_the_fallback_tag() {
    let stage = Stage::bare(Setting { no_referrers: true, ..Setting::default() }).await;
    stage.attest().await;
    let hex = stage.index.digest.hex();
    assert!(stage.repository.tags().await.unwrap().contains(&format!("sha256-{hex}")));
    stage.verify().await.passes();
}

#[tokio::test]
async fn a_registry_that_got_the_api_lately_still_has_old_evidence_under_the_fallback_tag() {
    let stage = Stage::bare(Setting::default()).await;
    for child in &stage.children {
        let bundle = stage.sign(&sbom(&[&child.digest])).await;
        let evidence = loadline_evidence::Evidence {
            bundle: &bundle,
            predicate_type: SBOM,
            created: crate::stage::CREATED,
        };
        evidence.push_blobs(&stage.repository).await.unwrap();
        // The manifest of a client of old: without `subject`, so that only the tag leads to it.
        let mut manifest: serde_json::Value =
            serde_json::from_slice(&evidence.manifest(child).unwrap()).unwrap();
        manifest.as_object_mut().unwrap().remove("subject");
        let bytes = serde_json::to_vec(&manifest).unwrap();
        let media_type = loadline_core::media_type::OCI_MANIFEST;
        let descriptor = loadline_registry::Descriptor::of(media_type, &bytes);
        stage.repository.push_manifest(media_type, bytes).await.unwrap();
        let listed = loadline_registry::index::IndexBuilder::new().entry(descriptor).build().unwrap();
        let tag = format!("sha256-{}", child.digest.hex());
        stage.repository.tag(&tag, loadline_core::media_type::OCI_INDEX, listed.bytes).await.unwrap();
    }
    stage.verify_for(&[SBOM]).await.passes();
}

#[tokio::test]
async fn referrers_that_cannot_be_listed_leave_the_question_open() {
    // The first listing is the writer's, who learns that there is the API.
    let faults = &["GET referrers:503;after=1"];
    let stage = Stage::bare(Setting { faults, ..Setting::default() }).await;
    stage.attest().await;
    let seen = stage.verify().await;
    seen.is_unknown_for(&["evidence-source-failed"]);
    assert!(seen.errors().is_empty());
    assert!(seen.verification.outcome.failures[0].message.contains("503"));
}

#[tokio::test]
async fn a_source_that_fails_beside_evidence_that_suffices_changes_nothing() {
    // Three listings: index and both children. The last one fails twice, and what it would add is not needed.
    let stage = Stage::bare(Setting { faults: &["GET referrers:503;after=3"], ..Setting::default() }).await;
    let bundle = stage.sign(&stage.provenance(&stage.all())).await;
    for subject in stage.all() {
        stage.attach(&bundle, PROVENANCE, &subject).await;
    }
    stage.verify_for(&[PROVENANCE]).await.passes();
}

#[tokio::test]
async fn a_bundle_whose_bytes_were_changed_on_the_way() {
    let stage = Stage::bare(Setting { faults: &["GET blobs:wrong-digest"], ..Setting::default() }).await;
    stage.attest_sboms().await;
    let seen = stage.verify_for(&[SBOM]).await;
    seen.fails_with(&["bundle-malformed", "evidence-missing"]);
    let messages = seen.verification.outcome.findings.iter().map(|finding| &finding.message);
    assert!(messages.into_iter().any(|message| message.contains("the digest")));
}

#[tokio::test]
async fn a_bundle_that_cannot_be_fetched_leaves_the_question_open() {
    for fault in [&["GET blobs:503"], &["GET blobs:reset"], &["GET blobs:truncate"]] {
        let stage = Stage::bare(Setting { faults: fault, ..Setting::default() }).await;
        stage.attest_sboms().await;
        stage.verify_for(&[SBOM]).await.is_unknown_for(&["evidence-source-failed"]);
    }
}

#[tokio::test]
async fn an_image_that_cannot_be_read_is_unknown() {
    let stage = Stage::bare(Setting { faults: &["GET manifests:503"], ..Setting::default() }).await;
    stage.verify().await.is_unknown_for(&["image-unreadable"]);
}

#[tokio::test]
async fn an_index_that_was_changed_on_the_way_is_not_believed() {
    let stage = Stage::bare(Setting { faults: &["GET manifests:wrong-digest"], ..Setting::default() }).await;
    let seen = stage.verify().await;
    seen.is_unknown_for(&["image-unreadable"]);
    assert_ne!(seen.verdict(), Verdict::Pass);
}

#[tokio::test]
async fn the_requests_of_an_honest_verification() {
    let stage = Stage::good().await;
    let seen = stage.verify().await;
    seen.passes();
    // The index; the referrers of three digests; three provenance and two SBOM manifests; three bundles.
    assert_eq!(seen.requests, 1 + 3 + 5 + 3);
}
