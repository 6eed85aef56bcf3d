//! SLSA provenance for an image: what was built, out of what, and by whom.

use indexmap::IndexMap;
use loadline_core::predicate::release_build::{BUILD_TYPE, GIT_COMMIT, GITHUB_BUILD_TYPE, SOURCE, WORKFLOW};
use loadline_core::predicate::slsa_provenance::{
    BuildDefinition, BuildMetadata, Builder, PREDICATE_TYPE, Provenance, ResourceDescriptor, RunDetails,
};
use loadline_core::statement::{Statement, Subject};
use loadline_core::{Digest, Platform};
use serde_json::{Map, Value, json};

mod recorded;

pub use recorded::{Attested, attested};

/// What is known of one image's build.
#[derive(Debug, Clone)]
pub struct ImageBuild<'a> {
    /// The image's name in the release set.
    pub image: &'a str,
    /// The release's version.
    pub version: &'a str,
    /// The repository whose code was built, without a scheme.
    pub source: &'a str,
    /// The git ref that was built, where one is known.
    pub git_ref: Option<&'a str>,
    /// The commit that was built.
    pub commit: &'a str,
    /// The digest of what was not committed, for a build of a dirty tree.
    pub dirty: Option<&'a Digest>,
    /// The Dockerfile, relative to the repository.
    pub dockerfile: &'a str,
    /// The stage that was built.
    pub target: Option<&'a str>,
    /// The build arguments.
    pub build_args: &'a IndexMap<String, String>,
    /// What was built, leg by leg.
    pub legs: Vec<LegBuild<'a>>,
    /// The builder's name in the configuration.
    pub builder: &'a str,
    /// The time given to every file, in seconds since 1970.
    pub source_date_epoch: i64,
    /// The workflow that runs the release, if one does.
    pub workflow: Option<&'a Workflow>,
    /// The builder as a URI: the workflow's job where there is one.
    pub builder_id: &'a str,
    /// When the release began, RFC 3339.
    pub started_on: &'a str,
}

/// What is known of one leg's build.
#[derive(Debug, Clone)]
pub struct LegBuild<'a> {
    /// The platform.
    pub platform: &'a Platform,
    /// What went in besides the source, by name and digest: the Dockerfile, the context, base images.
    pub materials: Vec<(String, Option<String>, Digest)>,
}

/// The workflow that runs a release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workflow {
    /// The repository, as a URL.
    pub repository: String,
    /// The git ref the workflow ran from.
    pub git_ref: String,
    /// The workflow file's path.
    pub path: String,
    /// The commit the workflow ran from.
    pub commit: String,
    /// This run, as a URL.
    pub invocation: Option<String>,
    /// What GitHub Actions says of the run; none where it is no run of GitHub's.
    pub github: Option<GitHubRun>,
}

/// What GitHub Actions says of a run, as its build type wants it
/// (<https://actions.github.io/buildtypes/workflow/v1>).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GitHubRun {
    /// What started it.
    pub event_name: String,
    /// The repository's numeric id.
    pub repository_id: String,
    /// The owner's numeric id.
    pub repository_owner_id: String,
    /// `github-hosted` or `self-hosted`.
    pub runner_environment: String,
}

impl Workflow {
    /// The workflow as external parameter.
    fn parameter(&self) -> Value {
        json!({"ref": self.git_ref, "repository": self.repository, "path": self.path})
    }

    /// The commit that it ran from, as dependency.
    fn dependency(&self) -> ResourceDescriptor {
        git(WORKFLOW, &self.repository, Some(&self.git_ref), &self.commit)
    }
}

/// GitHub's build type under GitHub Actions, our own elsewhere.
fn build_type(workflow: Option<&Workflow>) -> String {
    let github = workflow.is_some_and(|workflow| workflow.github.is_some());
    if github { GITHUB_BUILD_TYPE } else { BUILD_TYPE }.to_owned()
}

/// What GitHub Actions says of the run, as internal parameter.
fn github_parameter(workflow: Option<&Workflow>, parameters: &mut Map<String, Value>) {
    if let Some(github) = workflow.and_then(|workflow| workflow.github.as_ref()) {
        parameters.insert(
            "github".to_owned(),
            json!({
                "event_name": github.event_name,
                "repository_id": github.repository_id,
                "repository_owner_id": github.repository_owner_id,
                "runner_environment": github.runner_environment,
            }),
        );
    }
}

/// A git repository as dependency.
fn git(name: &str, repository: &str, git_ref: Option<&str>, commit: &str) -> ResourceDescriptor {
    ResourceDescriptor {
        name: Some(name.to_owned()),
        uri: Some(match git_ref {
            Some(git_ref) => format!("git+{repository}@{git_ref}"),
            None => format!("git+{repository}"),
        }),
        digest: [(GIT_COMMIT.to_owned(), commit.to_owned())].into(),
        media_type: None,
    }
}

/// One statement about an image: its subjects are the index and the children.
pub fn statement(subjects: Vec<Subject>, build: &ImageBuild<'_>) -> Statement<Provenance> {
    Statement::new(subjects, PREDICATE_TYPE, provenance(build))
}

fn provenance(build: &ImageBuild<'_>) -> Provenance {
    Provenance {
        build_definition: BuildDefinition {
            build_type: build_type(build.workflow),
            external_parameters: external_parameters(build),
            internal_parameters: internal_parameters(build),
            resolved_dependencies: dependencies(build),
        },
        run_details: RunDetails {
            builder: Builder {
                id: build.builder_id.to_owned(),
                version: [("loadline".to_owned(), env!("CARGO_PKG_VERSION").to_owned())].into(),
            },
            metadata: BuildMetadata {
                invocation_id: build.workflow.and_then(|workflow| workflow.invocation.clone()),
                started_on: Some(build.started_on.to_owned()),
                finished_on: None,
            },
        },
    }
}

fn external_parameters(build: &ImageBuild<'_>) -> Map<String, Value> {
    let mut parameters = Map::new();
    if let Some(workflow) = build.workflow {
        parameters.insert("workflow".to_owned(), workflow.parameter());
    }
    parameters.insert("image".to_owned(), build.image.into());
    parameters.insert("version".to_owned(), build.version.into());
    parameters.insert("dockerfile".to_owned(), build.dockerfile.into());
    if let Some(target) = build.target {
        parameters.insert("target".to_owned(), target.into());
    }
    parameters.insert(
        "platforms".to_owned(),
        build.legs.iter().map(|leg| Value::from(leg.platform.to_string())).collect(),
    );
    let arguments: Map<String, Value> =
        build.build_args.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    parameters.insert("buildArgs".to_owned(), arguments.into());
    parameters
}

fn internal_parameters(build: &ImageBuild<'_>) -> Map<String, Value> {
    let mut parameters = Map::new();
    github_parameter(build.workflow, &mut parameters);
    parameters.insert("builder".to_owned(), build.builder.into());
    parameters.insert("sourceDateEpoch".to_owned(), build.source_date_epoch.into());
    if let Some(dirty) = build.dirty {
        parameters.insert("uncommittedChanges".to_owned(), json!({dirty.algorithm().name(): dirty.hex()}));
    }
    parameters
}

fn dependencies(build: &ImageBuild<'_>) -> Vec<ResourceDescriptor> {
    let source = if build.source.contains("://") {
        build.source.to_owned()
    } else {
        format!("https://{}", build.source)
    };
    let mut all = vec![git(SOURCE, &source, build.git_ref, build.commit)];
    if let Some(workflow) = build.workflow {
        all.push(workflow.dependency());
    }
    for (name, uri, digest) in build.legs.iter().flat_map(|leg| &leg.materials) {
        let material = ResourceDescriptor {
            name: Some(name.clone()),
            uri: uri.clone(),
            digest: [(digest.algorithm().name().to_owned(), digest.hex().to_owned())].into(),
            media_type: None,
        };
        // Legs share most of what goes in: each is named once.
        if !all.contains(&material) {
            all.push(material);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_commit_and_the_workflows_are_named_apart() {
        let platform: Platform = "linux/amd64".parse().unwrap();
        let arguments = IndexMap::from([("A".to_owned(), "1".to_owned())]);
        let workflow = Workflow {
            repository: "https://github.com/acme/ci".into(),
            git_ref: "refs/heads/main".into(),
            path: ".github/workflows/release.yml".into(),
            commit: "b".repeat(40),
            invocation: Some("https://github.com/acme/ci/actions/runs/1/attempts/1".into()),
            github: None,
        };
        let base = Digest::of("base");
        let leg = || LegBuild {
            platform: &platform,
            materials: vec![("base".into(), Some("docker.io/library/debian:13".into()), base.clone())],
        };
        let commit = "a".repeat(40);
        let build = ImageBuild {
            image: "daemon",
            version: "1.2.3",
            source: "github.com/acme/widget",
            git_ref: Some("refs/tags/v1.2.3"),
            commit: &commit,
            dirty: None,
            dockerfile: "Dockerfile.daemon",
            target: Some("production"),
            build_args: &arguments,
            legs: vec![leg(), leg()],
            builder: "assemble",
            source_date_epoch: 0,
            workflow: Some(&workflow),
            builder_id: "https://github.com/acme/ci/.github/workflows/release.yml@refs/heads/main",
            started_on: "2026-01-01T00:00:00Z",
        };
        let subject = Subject::new("docker.io/acme/widget", &Digest::of("index"));
        let text = serde_json::to_value(statement(vec![subject], &build)).unwrap();
        let dependencies = text["predicate"]["buildDefinition"]["resolvedDependencies"].as_array().unwrap();
        assert_eq!(dependencies.len(), 3, "shared materials are named once");
        assert_eq!(dependencies[0]["name"], "source");
        assert_eq!(dependencies[0]["uri"], "git+https://github.com/acme/widget@refs/tags/v1.2.3");
        assert_eq!(dependencies[0]["digest"]["gitCommit"], commit.as_str());
        assert_eq!(dependencies[1]["name"], "workflow");
        assert_eq!(dependencies[1]["digest"]["gitCommit"], workflow.commit.as_str());
        assert_eq!(text["predicateType"], "https://slsa.dev/provenance/v1");
        assert_eq!(
            text["predicate"]["buildDefinition"]["externalParameters"]["workflow"]["path"],
            ".github/workflows/release.yml"
        );
        assert_eq!(text["predicate"]["runDetails"]["metadata"]["startedOn"], "2026-01-01T00:00:00Z");
        assert_eq!(text["predicate"]["buildDefinition"]["buildType"], BUILD_TYPE);

        let github = GitHubRun {
            event_name: "push".into(),
            repository_id: "1".into(),
            repository_owner_id: "2".into(),
            runner_environment: "github-hosted".into(),
        };
        let workflow = Workflow { github: Some(github), ..workflow.clone() };
        let build = ImageBuild { workflow: Some(&workflow), ..build };
        let text = serde_json::to_value(statement(Vec::new(), &build)).unwrap();
        let definition = &text["predicate"]["buildDefinition"];
        assert_eq!(definition["buildType"], GITHUB_BUILD_TYPE);
        assert_eq!(
            definition["internalParameters"]["github"],
            json!({"event_name": "push", "repository_id": "1", "repository_owner_id": "2", "runner_environment": "github-hosted"})
        );
    }
}
