//! What a configuration demands of evidence, as a policy.

use loadline_core::config::Verify;
use loadline_policy::document::{IdentityDocument, SCHEMA, TextDocument};
use loadline_policy::{Policy, PolicyDocument, PolicyError};
use thiserror::Error;

/// Why a configuration demands nothing that can be verified.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DemandedError {
    /// Nobody is named who may sign.
    #[error("the configuration does not say who signs: set `signer-workflow` under `[verify]`")]
    NoSigner,
    /// What it names is not what it should be.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

/// A `[verify]` table as the document that a policy file would be. `source` is the release's source
/// repository; `issuer` is whose tokens count where the configuration does not say, GitHub Actions' if it is
/// `None`.
pub fn document(verify: &Verify, source: &str, issuer: Option<&str>) -> PolicyDocument {
    let exact = |text: &str| TextDocument::Exact(text.to_owned());
    let mut document = PolicyDocument { schema: SCHEMA.to_owned(), ..PolicyDocument::default() };
    if let Some(workflow) = &verify.signer_workflow {
        document.identity.push(IdentityDocument {
            signer_workflow: Some(workflow.clone()),
            signer_repository: verify.signer_repository.clone(),
            issuer: issuer.or(verify.issuer.as_deref()).map(exact),
            ..IdentityDocument::default()
        });
    }
    document.source.repository = (!source.is_empty()).then(|| source.to_owned());
    document.source.workflow.clone_from(&verify.workflow);
    document.source.allow_other_commit = verify.allow_other_commit;
    document.evidence.predicates.clone_from(&verify.predicates);
    document
}

/// The policy of a `[verify]` table, as [`document`] has it.
///
/// # Errors
/// Nobody is named who may sign, or a value is not what it should be.
pub fn policy(verify: &Verify, source: &str, issuer: Option<&str>) -> Result<Policy, DemandedError> {
    if verify.signer_workflow.is_none() {
        return Err(DemandedError::NoSigner);
    }
    let mut no_keys = |file: &str| Err(format!("{file}: a configuration names no keys"));
    Ok(document(verify, source, issuer).policy(&mut no_keys)?)
}

/// The predicate types of a `[verify]` table.
///
/// # Errors
/// A name that is neither a short name nor a type.
pub fn predicate_types(verify: &Verify) -> Result<Vec<String>, DemandedError> {
    Ok(document(verify, "", None).predicate_types()?)
}

#[cfg(test)]
mod tests {
    use loadline_policy::rules::identity::GITHUB_ISSUER;

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
