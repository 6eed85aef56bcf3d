//! What a configuration demands of evidence, as a policy.

use loadline_core::config::{IndexEvidence, Text, Verify};
use loadline_policy::document::{IdentityDocument, IndexEvidenceDocument, SCHEMA, TextDocument};
use loadline_policy::{Policy, PolicyDocument, PolicyError};
use thiserror::Error;

/// Why a configuration demands nothing that can be verified.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum DemandedError {
    /// Nobody is named who may sign.
    #[error(
        "the configuration does not say who signs: set `signer-workflow` under `[verify]`, or add a `[[verify.identity]]`"
    )]
    NoSigner,
    /// What it names is not what it should be.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

/// A `[verify]` table as the document that a policy file would be. `source` is the release's source
/// repository; `issuer` is whose tokens count instead of those that the configuration names, if it is there.
pub fn document(verify: &Verify, source: &str, issuer: Option<&str>) -> PolicyDocument {
    let mut document = PolicyDocument { schema: SCHEMA.to_owned(), ..PolicyDocument::default() };
    for identity in verify.identities() {
        document.identity.push(IdentityDocument {
            subject: identity.subject.as_ref().map(text),
            signer_workflow: identity.signer_workflow,
            signer_repository: identity.signer_repository,
            key: None,
            issuer: match issuer {
                Some(issuer) => Some(TextDocument::Exact(issuer.to_owned())),
                None => identity.issuer.as_ref().map(text),
            },
            versions: identity.versions,
        });
    }
    document.source.repository = (!source.is_empty()).then(|| source.to_owned());
    document.source.repository_id = verify.repository_id;
    document.source.workflow.clone_from(&verify.workflow);
    document.source.git_ref = verify.git_ref.as_ref().map(text);
    document.source.allow_other_commit = verify.allow_other_commit;
    document.build.types = texts(&verify.build.types);
    document.build.builders = texts(&verify.build.builders);
    document.build.base_images = verify.build.base_images.as_deref().map(texts);
    document.build.self_hosted = verify.build.self_hosted;
    document.evidence.predicates.clone_from(&verify.predicates);
    document.evidence.of_index = match verify.of_index {
        IndexEvidence::Nothing => IndexEvidenceDocument::Nothing,
        IndexEvidence::Provenance => IndexEvidenceDocument::Provenance,
        IndexEvidence::Everything => IndexEvidenceDocument::Everything,
    };
    document.evidence.max_age.clone_from(&verify.max_age);
    document.evidence.timestamp_authorities = texts(&verify.timestamp_authorities);
    document
}

fn text(text: &Text) -> TextDocument {
    match text {
        Text::Exact(text) => TextDocument::Exact(text.clone()),
        Text::Pattern { pattern } => TextDocument::Pattern { pattern: pattern.clone() },
    }
}

fn texts(all: &[Text]) -> Vec<TextDocument> {
    all.iter().map(text).collect()
}

/// The policy of a `[verify]` table, as [`document`] has it.
///
/// # Errors
/// Nobody is named who may sign, or a value is not what it should be.
pub fn policy(verify: &Verify, source: &str, issuer: Option<&str>) -> Result<Policy, DemandedError> {
    let document = document(verify, source, issuer);
    if document.identity.is_empty() {
        return Err(DemandedError::NoSigner);
    }
    let mut no_keys = |file: &str| Err(format!("{file}: a configuration names no keys"));
    Ok(document.policy(&mut no_keys)?)
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
    use loadline_core::config::{self, PathKind};
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
    fn a_configuration_says_what_a_policy_file_says() {
        let said = r#"
ref = { pattern = "refs/tags/v.*" }
repository-id = 4711
workflow = ".github/workflows/top.yml"
allow-other-commit = true
"#;
        let evidence = r#"
predicates = ["cyclonedx"]
of-index = "everything"
max-age = "30d"
timestamp-authorities = ["https://tsa.example"]
"#;
        let identities = r#"
[[identity]]
signer-workflow = ".github/workflows/release.yml"
versions = ">=2"
[[identity]]
subject = { pattern = "https://github\\.com/acme/.*" }
issuer = "https://issuer.example"
versions = "<2"
[[identity]]
signer-repository = "github.com/acme/ci"
issuer = { pattern = "https://[a-z.]+" }
"#;
        let build = r#"
[build]
types = ["https://example.com/type"]
builders = [{ pattern = "https://github.com/acme/.*" }]
base-images = ["pkg:docker/debian@12"]
self-hosted = false
"#;
        let file = PolicyDocument::from_toml(&format!(
            "schema = \"{SCHEMA}\"\n{identities}[source]\nrepository = \"github.com/acme/widget\"\n{said}[evidence]{evidence}{build}"
        ))
        .unwrap();
        let table = |text: &str| text.replace("[[", "[[verify.").replace("\n[build", "\n[verify.build");
        let head = "[release]\nsource = \"github.com/acme/widget\"\nrepository = \"ghcr.io/a/b\"\nplatforms = [\"linux/amd64\"]\n[image.x]\nbuilder = \"assemble\"\ndockerfile = \"D\"\n";
        let config = format!("{head}[verify]\n{said}{evidence}{}{}", table(identities), table(build));
        let loaded = config::load("loadline.toml".into(), &config, &|path| {
            Some(if path == "." { PathKind::Directory } else { PathKind::File })
        });
        let loaded = loaded.unwrap().config;
        let ours = document(&loaded.verify, &loaded.release.source, None);
        assert_eq!(ours, file);
        assert_eq!(
            policy(&loaded.verify, &loaded.release.source, None).unwrap().lines(),
            file.policy(&mut |_| Err(String::new())).unwrap().lines()
        );
        let sandbox = document(&loaded.verify, "", Some("http://127.0.0.1:1"));
        let issuer = Some(TextDocument::Exact("http://127.0.0.1:1".into()));
        assert!(sandbox.identity.iter().all(|one| one.issuer == issuer), "no other issuer stays believed");

        let mut wrong = loaded.verify;
        wrong.git_ref = Some(Text::Pattern { pattern: "(".into() });
        assert!(
            policy(&wrong, "github.com/a/b", None).unwrap_err().to_string().contains("regular expression")
        );
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
