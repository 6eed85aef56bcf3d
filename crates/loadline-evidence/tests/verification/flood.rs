//! More evidence than anybody asked for.

use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt};
use loadline_core::media_type::SIGSTORE_BUNDLE_V03;
use loadline_evidence::Limits;
use serde_json::json;

use crate::stage::{PROVENANCE, SBOM, Setting, Stage, sbom};

const COUNT: usize = 1_000;

/// Hangs a thousand things of this type on a platform.
async fn flood(stage: &Stage, artifact_type: &str, predicate: Option<&str>) {
    let child = &stage.children[0];
    stream::iter(0..COUNT)
        .for_each_concurrent(16, |number| async move {
            let change = |manifest: &mut serde_json::Value| {
                manifest["artifactType"] = json!(artifact_type);
                manifest["annotations"] = json!({"number": number.to_string()});
                if let Some(predicate) = predicate {
                    manifest["annotations"]["dev.sigstore.bundle.predicateType"] = json!(predicate);
                }
            };
            stage.attach_shaped(child, (SIGSTORE_BUNDLE_V03, b"bogus"), change).await;
        })
        .await;
}

#[tokio::test]
async fn a_thousand_other_things_hide_no_evidence_and_cost_little() {
    let stage = Stage::good().await;
    flood(&stage, "application/x.bogus", None).await;
    let began = Instant::now();
    let seen = stage.verify().await;
    seen.passes();
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    let limit = u64::try_from(Limits::default().referrers).unwrap();
    assert!(seen.requests <= 12 + 2 * limit, "{}", seen.requests);
}

#[tokio::test]
async fn a_thousand_bogus_bundles_of_another_predicate_hide_no_evidence() {
    let stage = Stage::good().await;
    flood(&stage, SIGSTORE_BUNDLE_V03, Some("https://example.com/bogus")).await;
    let seen = stage.verify().await;
    seen.passes();
    assert_eq!(seen.notes(), [""; 0], "nobody asked for what they say they are");
    assert!(seen.requests <= 24, "the index, referrers by page, manifests, bundles: {}", seen.requests);
}

#[tokio::test]
async fn what_says_that_it_is_something_else_is_looked_at_where_a_demand_stays_open() {
    let stage = Stage::bare(Setting::default()).await;
    let bundle = stage.sign(&sbom(&[&stage.children[0].digest, &stage.children[1].digest])).await;
    for child in &stage.children {
        stage.attach(&bundle, "https://example.com/other", child).await;
    }
    stage.verify_for(&[SBOM]).await.passes();
    flood(&stage, SIGSTORE_BUNDLE_V03, Some("https://example.com/bogus")).await;
    let seen = stage.verify_for(&[PROVENANCE]).await;
    assert!(seen.verification.outcome.findings.len() < 10, "told once, not a hundred times");
    assert!(seen.notes().contains(&"bundle-malformed"), "{:?}", seen.notes());
}

#[tokio::test]
async fn a_thousand_that_look_like_what_was_asked_for_leave_the_question_open() {
    let stage = Stage::bare(Setting::default()).await;
    stage.attest_provenance().await;
    flood(&stage, SIGSTORE_BUNDLE_V03, Some(SBOM)).await;
    let seen = stage.verify().await;
    // The other platform has no SBOM for certain, so that the whole fails; the flooded one is open.
    let rows = &seen.verification.tree.rows;
    let of = |platform: &str, predicate: &str| {
        let row = rows.iter().find(|row| {
            row.demand.predicate_type.as_deref() == Some(predicate)
                && row.demand.target.platform.as_ref().is_some_and(|p| p.to_string() == platform)
        });
        row.unwrap().verdict
    };
    assert_eq!(of("linux/amd64", SBOM), loadline_core::Verdict::Unknown);
    assert_eq!(of("linux/arm64", SBOM), loadline_core::Verdict::Fail);
    assert_eq!(of("linux/amd64", PROVENANCE), loadline_core::Verdict::Pass);
    assert!(seen.failures().contains(&"evidence-limit"));
}

#[tokio::test]
async fn large_bundles_are_fetched_up_to_a_sum() {
    let stage = Stage::bare(Setting::default()).await;
    for child in &stage.children {
        for number in 0..6_u8 {
            stage.attach(&vec![number; 300_000], SBOM, child).await;
        }
    }
    let limits = Limits { all_bytes: 1_000_000, ..Limits::default() };
    let seen = stage.verify_within(&stage.policy(|_| {}), &[SBOM], &[], limits).await;
    seen.is_unknown_for(&["evidence-limit"]);
    // One that is too large in itself is told and not fetched.
    let limits = Limits { bundle_bytes: 1_000, ..Limits::default() };
    let seen = stage.verify_within(&stage.policy(|_| {}), &[SBOM], &[], limits).await;
    seen.fails_with(&["bundle-malformed", "evidence-missing"]);
    let bundle = stage.sign(&sbom(&[&stage.children[0].digest, &stage.children[1].digest])).await;
    stage.attach(&bundle, SBOM, &stage.children[0]).await;
    stage.verify_for(&[SBOM]).await.passes();
}

#[tokio::test]
async fn what_can_be_asked_at_once_is_asked_at_once() {
    // Twelve requests, four of them behind one another: the index, referrers, manifests, bundles.
    let faults = &["GET /v2/acme:delay=300ms;after=1"];
    let stage = Stage::bare(Setting { faults, ..Setting::default() }).await;
    stage.attest().await;
    let began = Instant::now();
    let seen = stage.verify().await;
    let took = began.elapsed();
    seen.passes();
    assert_eq!(seen.requests, 12);
    assert!(took > Duration::from_millis(4 * 300), "{took:?}");
    assert!(took < Duration::from_millis(8 * 300), "{took:?}");
    println!("four round trips of 300 ms in {took:?}");
}
