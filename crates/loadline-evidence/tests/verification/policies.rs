//! Genuine evidence that is not the evidence that was demanded.

use loadline_core::Verdict;

use crate::stage::{COMMIT, PROVENANCE, SBOM, Setting, Stage, WORKFLOW, sbom};

#[tokio::test]
async fn what_a_release_leaves_passes() {
    let stage = Stage::good().await;
    let seen = stage.verify().await;
    seen.passes();
    assert!(seen.errors().is_empty() && seen.notes().is_empty());
    assert_eq!(seen.verification.digest, stage.index.digest);
    assert_eq!(seen.verification.tree.rows.len(), 4, "two platforms, two predicates");
    for row in &seen.verification.tree.rows {
        let proven = &row.proven[0];
        assert_eq!(proven.signer(), Stage::run().identity());
        assert_eq!(proven.commit().as_deref(), Some(COMMIT));
        assert!(proven.log_index().is_some() && !proven.set_only());
    }
}

#[tokio::test]
async fn somebody_else_signed() {
    let stage = Stage::bare(Setting::default()).await;
    let mut run = Stage::run();
    run.repository = "mallory/widget".into();
    run.job_workflow_ref = format!("mallory/widget/{WORKFLOW}@refs/heads/main");
    for child in &stage.children {
        let bundle = stage.sign_as(&run, &sbom(&[&child.digest])).await;
        stage.attach(&bundle, SBOM, child).await;
    }
    let seen = stage.verify_for(&[SBOM]).await;
    seen.fails_with(&["evidence-missing", "signer-workflow-mismatch", "source-repository-mismatch"]);
}

#[tokio::test]
async fn a_workflow_of_the_right_repository_that_may_not_sign() {
    let stage = Stage::good().await;
    let policy = stage.policy(|verify| verify.signer_workflow = Some(".github/workflows/other.yml".into()));
    let seen = stage.verify_by(&policy, &[SBOM], &[]).await;
    seen.fails_with(&["evidence-missing", "signer-workflow-mismatch"]);
    // The file's name must be right to the last letter: nothing is a pattern by accident.
    for workflow in [".github/workflows/release.y", "github/workflows/release.yml", ".github/workflows/.*"] {
        let policy = stage.policy(|verify| verify.signer_workflow = Some(workflow.to_owned()));
        assert_eq!(stage.verify_by(&policy, &[SBOM], &[]).await.verdict(), Verdict::Fail, "{workflow}");
    }
}

#[tokio::test]
async fn another_issuer() {
    let stage = Stage::good().await;
    for issuer in ["https://token.actions.githubusercontent.com", "https://issuer.example.com"] {
        let policy = stage.policy(|verify| verify.issuer = Some(issuer.to_owned()));
        let seen = stage.verify_by(&policy, &[SBOM], &[]).await;
        seen.fails_with(&["evidence-missing", "issuer-mismatch"]);
    }
}

#[tokio::test]
async fn another_top_workflow() {
    let stage = Stage::good().await;
    let policy = stage.policy(|verify| verify.workflow = Some(".github/workflows/top.yml".into()));
    stage.verify_by(&policy, &[SBOM], &[]).await.fails_with(&["evidence-missing", "workflow-mismatch"]);
}

#[tokio::test]
async fn a_platform_that_is_not_there() {
    let stage = Stage::good().await;
    let policy = stage.policy(|_| {});
    let seen = stage.verify_by(&policy, &[PROVENANCE, SBOM], &["linux/amd64", "linux/s390x"]).await;
    seen.fails_with(&["platform-missing"]);
    let message = &seen.verification.outcome.findings[0].message;
    assert!(message.contains("linux/s390x") && message.contains("linux/arm64"), "{message}");
    stage.verify_by(&policy, &[PROVENANCE, SBOM], &["linux/arm64"]).await.passes();
}

#[tokio::test]
async fn a_platform_without_evidence_is_not_covered_by_its_neighbours() {
    let stage = Stage::bare(Setting::default()).await;
    let bundle = stage.sign(&sbom(&[&stage.children[0].digest])).await;
    stage.attach(&bundle, SBOM, &stage.children[0]).await;
    let seen = stage.verify_for(&[SBOM]).await;
    seen.fails_with(&["evidence-missing"]);
    let finding = &seen.verification.outcome.findings[0];
    assert_eq!(finding.digest.as_ref(), Some(&stage.children[1].digest));
    assert!(finding.message.contains("linux/arm64"), "{}", finding.message);
}

#[tokio::test]
async fn a_predicate_that_is_missing() {
    let stage = Stage::bare(Setting::default()).await;
    stage.attest_sboms().await;
    let seen = stage.verify().await;
    seen.fails_with(&["evidence-missing"]);
    assert!(seen.verification.outcome.findings[0].message.contains("slsa-provenance"));
}

#[tokio::test]
async fn nothing_at_all() {
    let stage = Stage::bare(Setting::default()).await;
    stage.verify().await.fails_with(&["evidence-missing"]);
    stage.verify_for(&[]).await.fails_with(&["evidence-missing"]);
}

#[tokio::test]
async fn evidence_about_another_digest() {
    let stage = Stage::bare(Setting::default()).await;
    let other = loadline_core::Digest::of("another image");
    for child in &stage.children {
        let bundle = stage.sign(&sbom(&[&other])).await;
        stage.attach(&bundle, SBOM, child).await;
    }
    stage.verify_for(&[SBOM]).await.fails_with(&["evidence-missing", "subject-mismatch"]);
}

#[tokio::test]
async fn one_platforms_evidence_hung_on_another_speaks_for_the_first_alone() {
    let stage = Stage::bare(Setting::default()).await;
    let bundle = stage.sign(&sbom(&[&stage.children[0].digest])).await;
    stage.attach(&bundle, SBOM, &stage.children[1]).await;
    let seen = stage.verify_for(&[SBOM]).await;
    seen.fails_with(&["evidence-missing"]);
    assert_eq!(seen.verification.outcome.findings[0].digest.as_ref(), Some(&stage.children[1].digest));
}

#[tokio::test]
async fn evidence_about_the_platforms_that_hangs_on_the_index_counts() {
    let stage = Stage::bare(Setting::default()).await;
    for child in &stage.children {
        let bundle = stage.sign(&sbom(&[&child.digest])).await;
        stage.attach(&bundle, SBOM, &stage.index).await;
    }
    let bundle = stage.sign(&stage.provenance(&stage.children)).await;
    stage.attach(&bundle, PROVENANCE, &stage.index).await;
    stage.verify().await.passes();
}

#[tokio::test]
async fn provenance_of_the_index_counts_for_its_platforms_and_an_sbom_does_not() {
    let stage = Stage::bare(Setting::default()).await;
    let bundle = stage.sign(&stage.provenance(std::slice::from_ref(&stage.index))).await;
    stage.attach(&bundle, PROVENANCE, &stage.index).await;
    let bundle = stage.sign(&sbom(&[&stage.index.digest])).await;
    stage.attach(&bundle, SBOM, &stage.index).await;
    stage.verify_for(&[PROVENANCE]).await.passes();
    stage.verify_for(&[SBOM]).await.fails_with(&["evidence-on-index-only"]);
}

#[tokio::test]
async fn provenance_that_contradicts_its_certificate() {
    let stage = Stage::bare(Setting::default()).await;
    let mut lie = Stage::run();
    lie.sha = "f".repeat(40);
    let statement = stage.provenance_of(&stage.all(), &lie, &lie.sha);
    let bundle = stage.sign(&statement).await;
    stage.attach(&bundle, PROVENANCE, &stage.index).await;
    let seen = stage.verify_for(&[PROVENANCE]).await;
    assert_eq!(seen.verdict(), Verdict::Fail);
    assert!(seen.errors().contains(&"provenance-contradicts-certificate"), "{:?}", seen.errors());
}

#[tokio::test]
async fn an_old_tag_built_by_a_workflow_of_today_must_be_allowed() {
    let stage = Stage::bare(Setting::default()).await;
    let statement = stage.provenance_of(&stage.all(), &Stage::run(), &"a".repeat(40));
    let bundle = stage.sign(&statement).await;
    stage.attach(&bundle, PROVENANCE, &stage.index).await;
    stage.verify_for(&[PROVENANCE]).await.fails_with(&["built-commit-differs", "evidence-missing"]);
    let policy = stage.policy(|verify| verify.allow_other_commit = true);
    stage.verify_by(&policy, &[PROVENANCE], &[]).await.passes();
}
