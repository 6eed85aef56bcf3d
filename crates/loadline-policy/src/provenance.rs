//! What a provenance predicate states, in the words that certificates use, so that the two can be held
//! against each other. SLSA v1 (<https://slsa.dev/spec/v1.0/provenance>) of any build type, and v0.2
//! (<https://slsa.dev/spec/v0.2/provenance>).

use std::collections::BTreeMap;

use loadline_core::predicate::release_build::{BUILD_TYPE, GIT_COMMIT, GITHUB_BUILD_TYPE, SOURCE, WORKFLOW};
use loadline_core::predicate::slsa_provenance::{PREDICATE_TYPE, Provenance, ResourceDescriptor};
use serde_json::Value;
use thiserror::Error;

/// The predicate type of SLSA provenance 0.2.
pub(crate) const V02: &str = "https://slsa.dev/provenance/v0.2";

/// What npm writes for packages published by GitHub Actions; shaped as GitHub's own.
const NPM_BUILD_TYPE: &str = "https://slsa-framework.github.io/github-actions-buildtypes/workflow/v1";

/// Why a provenance cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the provenance is not of its type `{predicate_type}`: {reason}")]
pub struct ProvenanceError {
    /// The predicate's type.
    pub predicate_type: String,
    /// What does not fit.
    pub reason: String,
}

/// What a provenance states.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stated {
    /// The build type.
    pub build_type: String,
    /// The builder's id.
    pub builder: String,
    /// The workflow that was run.
    pub workflow: Option<StatedWorkflow>,
    /// The git repositories that went in, in the order written.
    pub git: Vec<GitDependency>,
    /// The run, as a URL.
    pub invocation: Option<String>,
    /// The numeric id of the repository.
    pub repository_id: Option<String>,
    /// The numeric id of its owner.
    pub owner_id: Option<String>,
    /// The event that started the run.
    pub event: Option<String>,
    /// `github-hosted` or `self-hosted`.
    pub runner: Option<String>,
    /// All that went in.
    pub dependencies: Vec<ResourceDescriptor>,
}

/// The workflow that was run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatedWorkflow {
    /// Its repository, a URL.
    pub repository: String,
    /// The ref it was taken from.
    pub reference: String,
    /// The file.
    pub path: String,
}

/// A git repository that went in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitDependency {
    /// What it is called.
    pub name: Option<String>,
    /// The repository, a URL.
    pub repository: String,
    /// The ref.
    pub reference: Option<String>,
    /// The commit.
    pub commit: Option<String>,
}

impl Stated {
    /// Reads a predicate; `None` when its type is no provenance.
    ///
    /// # Errors
    /// What says it is a provenance, and is not shaped like one.
    pub fn read(predicate_type: &str, predicate: &[u8]) -> Option<Result<Self, ProvenanceError>> {
        let refuse = |error: serde_json::Error| ProvenanceError {
            predicate_type: predicate_type.to_owned(),
            reason: error.to_string(),
        };
        match predicate_type {
            PREDICATE_TYPE => Some(serde_json::from_slice(predicate).map(Self::v1).map_err(refuse)),
            V02 => Some(serde_json::from_slice(predicate).map(|value| Self::v02(&value)).map_err(refuse)),
            _ => None,
        }
    }

    fn v1(provenance: Provenance) -> Self {
        let definition = provenance.build_definition;
        let workflow = definition.external_parameters.get("workflow").and_then(|workflow| {
            let member = |name: &str| workflow.get(name)?.as_str().map(str::to_owned);
            Some(StatedWorkflow {
                repository: member("repository")?,
                reference: member("ref")?,
                path: member("path")?,
            })
        });
        let github = definition.internal_parameters.get("github");
        let member = |name: &str| github.and_then(|github| text(github.get(name)?));
        Self {
            build_type: definition.build_type,
            builder: provenance.run_details.builder.id,
            workflow,
            git: definition.resolved_dependencies.iter().filter_map(git_dependency).collect(),
            invocation: provenance.run_details.metadata.invocation_id,
            repository_id: member("repository_id"),
            owner_id: member("repository_owner_id"),
            event: member("event_name"),
            runner: member("runner_environment"),
            dependencies: definition.resolved_dependencies,
        }
    }

    fn v02(value: &Value) -> Self {
        let at = |pointer: &str| value.pointer(pointer).and_then(text);
        let dependencies: Vec<ResourceDescriptor> = value
            .pointer("/materials")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .map(|material| ResourceDescriptor {
                uri: material.get("uri").and_then(text),
                digest: digests(material.get("digest")),
                ..ResourceDescriptor::default()
            })
            .collect();
        let configured = ResourceDescriptor {
            uri: at("/invocation/configSource/uri"),
            digest: digests(value.pointer("/invocation/configSource/digest")),
            ..ResourceDescriptor::default()
        };
        Self {
            build_type: at("/buildType").unwrap_or_default(),
            builder: at("/builder/id").unwrap_or_default(),
            git: std::iter::once(&configured).chain(&dependencies).filter_map(git_dependency).collect(),
            event: at("/invocation/environment/github_event_name"),
            repository_id: at("/invocation/environment/github_repository_id"),
            owner_id: at("/invocation/environment/github_repository_owner_id"),
            dependencies,
            ..Self::default()
        }
    }

    /// Whether this build type's parameters are known, so that they can be held against a certificate.
    pub fn is_known_build_type(&self) -> bool {
        [GITHUB_BUILD_TYPE, BUILD_TYPE, NPM_BUILD_TYPE].contains(&self.build_type.as_str())
    }

    /// The dependency the workflow ran from: the one that is named so; else, unless another name is on
    /// it, the first git repository.
    pub fn workflow_source(&self) -> Option<&GitDependency> {
        let named = |name: &str| self.git.iter().find(|git| git.name.as_deref() == Some(name));
        named(WORKFLOW).or_else(|| self.git.iter().find(|git| git.name.is_none())).or_else(|| named(SOURCE))
    }

    /// The dependency that was built: the one named so, else the one the workflow ran from.
    pub fn built_source(&self) -> Option<&GitDependency> {
        self.git.iter().find(|git| git.name.as_deref() == Some(SOURCE)).or_else(|| self.workflow_source())
    }

    /// The commit that was built.
    pub fn built_commit(&self) -> Option<&str> {
        self.built_source()?.commit.as_deref()
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn digests(value: Option<&Value>) -> BTreeMap<String, String> {
    value
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(algorithm, value)| Some((algorithm.clone(), text(value)?)))
        .collect()
}

/// `git+https://HOST/OWNER/REPO[.git]@REF`, with `gitCommit` or `sha1` for its digest.
fn git_dependency(descriptor: &ResourceDescriptor) -> Option<GitDependency> {
    let uri = descriptor.uri.as_deref()?.strip_prefix("git+")?;
    let uri = uri.split('#').next()?;
    let path = uri.find("://").map_or(0, |at| at + 3);
    let path = path + uri[path..].find('/')?;
    let (repository, reference) = match uri[path..].find('@') {
        Some(at) => (&uri[..path + at], Some(uri[path + at + 1..].to_owned())),
        None => (uri, None),
    };
    let commit = [GIT_COMMIT, "sha1"].iter().find_map(|name| descriptor.digest.get(*name)).cloned();
    Some(GitDependency {
        name: descriptor.name.clone(),
        repository: repository.to_owned(),
        reference,
        commit,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(predicate_type: &str, value: &Value) -> Stated {
        Stated::read(predicate_type, value.to_string().as_bytes()).unwrap().unwrap()
    }

    #[test]
    fn the_commit_that_was_built_and_the_one_the_workflow_ran_from() {
        let dependency = |name: Option<&str>, reference: &str, commit: &str| {
            let mut value = json!({"uri": format!("git+https://github.com/acme/widget@{reference}"),
                                   "digest": {"gitCommit": commit}});
            if let Some(name) = name {
                value["name"] = json!(name);
            }
            value
        };
        let with = |dependencies: Value| {
            read(
                PREDICATE_TYPE,
                &json!({
                "buildDefinition": {"buildType": GITHUB_BUILD_TYPE, "externalParameters": {},
                                    "resolvedDependencies": dependencies},
                "runDetails": {"builder": {"id": "b"}}}),
            )
        };
        let one = with(json!([dependency(None, "refs/heads/main", "aa")]));
        assert_eq!(
            (one.built_commit(), one.workflow_source().unwrap().commit.as_deref()),
            (Some("aa"), Some("aa"))
        );
        let two = with(json!([
            dependency(Some(SOURCE), "refs/tags/v1", "bb"),
            dependency(None, "refs/heads/main", "aa")
        ]));
        assert_eq!(
            (two.built_commit(), two.workflow_source().unwrap().commit.as_deref()),
            (Some("bb"), Some("aa"))
        );
        let only = with(json!([dependency(Some(SOURCE), "refs/tags/v1", "bb")]));
        assert_eq!(only.workflow_source().unwrap().commit.as_deref(), Some("bb"));
    }

    #[test]
    fn git_uris() {
        let parse = |uri: &str| {
            git_dependency(&ResourceDescriptor { uri: Some(uri.to_owned()), ..ResourceDescriptor::default() })
        };
        let git = parse("git+ssh://git@github.com/acme/widget@refs/heads/main").unwrap();
        assert_eq!(git.repository, "ssh://git@github.com/acme/widget");
        assert_eq!(git.reference.as_deref(), Some("refs/heads/main"));
        assert_eq!(parse("git+https://github.com/acme/widget").unwrap().reference, None);
        assert_eq!(parse("pkg:docker/alpine@3"), None);
        assert_eq!(parse("git+https://github.com"), None);
    }

    #[test]
    fn version_02_is_read_too() {
        let stated = read(
            V02,
            &json!({"builder": {"id": "b"}, "buildType": "t",
            "invocation": {"configSource": {"uri": "git+https://github.com/acme/widget@refs/heads/main",
                                            "digest": {"sha1": "aa"}}}}),
        );
        assert_eq!(stated.built_commit(), Some("aa"));
        assert!(Stated::read(PREDICATE_TYPE, b"{}").unwrap().is_err());
        assert!(Stated::read("https://cyclonedx.org/bom", b"{}").is_none());
    }
}
