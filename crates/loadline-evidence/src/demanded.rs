//! What a configuration demands of evidence, as a policy.

use loadline_core::config::Verify;
use loadline_core::predicate;
use loadline_policy::rules::commit::SameCommit;
use loadline_policy::rules::identity::{GITHUB_ISSUER, IdentityRule, SubjectRule};
use loadline_policy::rules::source_repository::SourceRepository;
use loadline_policy::rules::workflow::Workflow;
use loadline_policy::{Policy, TextRule};
use thiserror::Error;

/// Why a configuration demands nothing that can be verified.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DemandedError {
    /// Nobody is named who may sign.
    #[error("the configuration does not say who signs: set `signer-workflow` under `[verify]`")]
    NoSigner,
    /// A predicate is neither a short name nor a type.
    #[error("`{name}` is no predicate: use one of {}, or a predicate type", known())]
    Predicate {
        /// The name as given.
        name: String,
    },
}

fn known() -> String {
    predicate::NAMES.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ")
}

/// The policy of a `[verify]` table. `source` is the release's source repository; `issuer` is whose tokens
/// count where the configuration does not say, GitHub Actions' if it is `None`.
pub fn policy(verify: &Verify, source: &str, issuer: Option<&str>) -> Result<Policy, DemandedError> {
    let workflow = verify.signer_workflow.as_deref().ok_or(DemandedError::NoSigner)?;
    let signer = verify.signer_repository.as_deref().unwrap_or(source);
    let issuer = issuer.or(verify.issuer.as_deref()).unwrap_or(GITHUB_ISSUER);
    let identity =
        IdentityRule::certificate(SubjectRule::workflow(signer, workflow), TextRule::exact(issuer));
    let mut policy = Policy::builder().identity(identity).rule(SourceRepository(source.to_owned()));
    if let Some(top) = &verify.workflow {
        policy = policy.rule(Workflow(top.clone()));
    }
    if !verify.allow_other_commit {
        policy = policy.rule(SameCommit);
    }
    Ok(policy.build())
}

/// The predicate types of a `[verify]` table.
pub fn predicate_types(verify: &Verify) -> Result<Vec<String>, DemandedError> {
    verify
        .predicates
        .iter()
        .map(|name| {
            predicate::predicate_type(name)
                .map(str::to_owned)
                .ok_or_else(|| DemandedError::Predicate { name: name.clone() })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_without_a_signer_demands_nothing_verifiable() {
        let mut verify = Verify::default();
        assert_eq!(policy(&verify, "github.com/a/b", None).unwrap_err(), DemandedError::NoSigner);
        verify.signer_workflow = Some(".github/workflows/release.yml".into());
        verify.workflow = Some(".github/workflows/top.yml".into());
        let lines = policy(&verify, "github.com/a/b", None).unwrap().lines().join("\n");
        assert!(lines.contains("github.com/a/b") && lines.contains("release.yml"), "{lines}");
        assert!(lines.contains(GITHUB_ISSUER) && lines.contains("top.yml"), "{lines}");
        let lines = policy(&verify, "github.com/a/b", Some("http://127.0.0.1:1")).unwrap().lines().join("\n");
        assert!(lines.contains("http://127.0.0.1:1") && !lines.contains(GITHUB_ISSUER), "{lines}");
    }

    #[test]
    fn predicates_have_short_names() {
        let mut verify = Verify::default();
        assert_eq!(
            predicate_types(&verify).unwrap(),
            ["https://slsa.dev/provenance/v1", "https://cyclonedx.org/bom"]
        );
        verify.predicates = vec!["sbom".into()];
        assert!(predicate_types(&verify).unwrap_err().to_string().contains("cyclonedx"));
    }
}
