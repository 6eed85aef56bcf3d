//! Provenance for an image that is there already: what the pipeline says of itself, and what BuildKit recorded.

use std::collections::BTreeMap;

use loadline_core::Platform;
use loadline_core::predicate::release_build::SOURCE;
use loadline_core::predicate::slsa_provenance::{
    BuildDefinition, BuildMetadata, Builder, PREDICATE_TYPE, Provenance, ResourceDescriptor, RunDetails,
};
use loadline_core::statement::{Statement, Subject};
use serde_json::{Map, Value};

use super::{Workflow, build_type, git, github_parameter};
use crate::buildkit::Recorded;

/// What is known of an image that something else built.
#[derive(Debug, Clone)]
pub struct Attested<'a> {
    /// The workflow that attests.
    pub workflow: &'a Workflow,
    /// The builder as a URI: the workflow's job.
    pub builder_id: &'a str,
    /// What BuildKit recorded, by platform; empty where it recorded nothing.
    pub recorded: &'a [(Option<Platform>, Recorded)],
}

/// One statement about an image: what BuildKit knew of it, signed now. It holds no time: attesting the same
/// again in the same run says the same, to the byte.
pub fn attested(subjects: Vec<Subject>, attested: &Attested<'_>) -> Statement<Provenance> {
    let mut internal = Map::new();
    github_parameter(Some(attested.workflow), &mut internal);
    let provenance = Provenance {
        build_definition: BuildDefinition {
            build_type: build_type(Some(attested.workflow)),
            external_parameters: external_parameters(attested),
            internal_parameters: internal,
            resolved_dependencies: dependencies(attested),
        },
        run_details: RunDetails {
            builder: Builder {
                id: attested.builder_id.to_owned(),
                version: [("loadline".to_owned(), env!("CARGO_PKG_VERSION").to_owned())].into(),
            },
            metadata: BuildMetadata {
                invocation_id: attested.workflow.invocation.clone(),
                started_on: None,
                finished_on: None,
            },
        },
    };
    Statement::new(subjects, PREDICATE_TYPE, provenance)
}

/// What all legs have in common once; where they differ, each platform's own.
fn external_parameters(attested: &Attested<'_>) -> Map<String, Value> {
    let mut parameters = Map::new();
    parameters.insert("workflow".to_owned(), attested.workflow.parameter());
    let legs = attested.recorded;
    let platforms: Vec<Value> =
        legs.iter().filter_map(|(platform, _)| Some(platform.as_ref()?.to_string().into())).collect();
    if !platforms.is_empty() {
        parameters.insert("platforms".to_owned(), platforms.into());
    }
    let mut say = |name: &str, of: &dyn Fn(&Recorded) -> Option<Value>| {
        let values: Vec<Option<Value>> = legs.iter().map(|(_, leg)| of(leg)).collect();
        let Some(first) = values.first() else { return };
        if values.iter().all(|value| value == first) {
            if let Some(value) = first {
                parameters.insert(name.to_owned(), value.clone());
            }
            return;
        }
        let each: Map<String, Value> = legs
            .iter()
            .zip(values)
            .filter_map(|((platform, _), value)| Some((platform.as_ref()?.to_string(), value?)))
            .collect();
        parameters.insert(format!("{name}ByPlatform"), each.into());
    };
    say("dockerfile", &|leg| leg.dockerfile.clone().map(Value::from));
    say("target", &|leg| leg.target.clone().map(Value::from));
    say("buildArgs", &|leg| {
        let arguments: BTreeMap<_, _> = leg.build_args.iter().collect();
        (!arguments.is_empty()).then(|| {
            let members =
                arguments.into_iter().map(|(name, value)| (name.clone(), Value::from(value.clone())));
            Value::Object(members.collect())
        })
    });
    parameters
}

fn dependencies(attested: &Attested<'_>) -> Vec<ResourceDescriptor> {
    let mut all = Vec::new();
    let mut add = |dependency: ResourceDescriptor| {
        // Legs share most of what goes in: each is named once.
        if !all.contains(&dependency) {
            all.push(dependency);
        }
    };
    for (_, leg) in attested.recorded {
        if let (Some(source), Some(commit)) = (&leg.source, &leg.commit) {
            add(git(SOURCE, source, None, commit));
        }
    }
    add(attested.workflow.dependency());
    for (_, leg) in attested.recorded {
        if let Some(digest) = &leg.dockerfile_digest {
            add(ResourceDescriptor {
                name: Some("dockerfile".to_owned()),
                digest: [(digest.algorithm().name().to_owned(), digest.hex().to_owned())].into(),
                ..ResourceDescriptor::default()
            });
        }
        for material in &leg.materials {
            let image = material.uri.as_deref().is_some_and(|uri| uri.starts_with("pkg:docker/"));
            let name = material.name.clone().or_else(|| image.then(|| "base".to_owned()));
            // A git dependency that BuildKit fetched is not the workflow's: it must not be taken for it.
            let name = name.or_else(|| Some("material".to_owned()));
            add(ResourceDescriptor { name, ..material.clone() });
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use loadline_core::Digest;
    use loadline_core::predicate::release_build::GITHUB_BUILD_TYPE;

    use super::*;
    use crate::provenance::GitHubRun;

    #[test]
    fn the_signed_statement_holds_what_the_unsigned_one_knew() {
        let workflow = Workflow {
            repository: "https://github.com/acme/widget".into(),
            git_ref: "refs/heads/main".into(),
            path: ".github/workflows/release.yml".into(),
            commit: "b".repeat(40),
            invocation: Some("https://github.com/acme/widget/actions/runs/1/attempts/1".into()),
            github: Some(GitHubRun {
                event_name: "workflow_dispatch".into(),
                repository_id: "1".into(),
                repository_owner_id: "2".into(),
                runner_environment: "self-hosted".into(),
            }),
        };
        let leg = |arch: &str| {
            let base = ResourceDescriptor {
                uri: Some(format!("pkg:docker/debian@13?platform=linux%2F{arch}")),
                digest: [("sha256".to_owned(), Digest::of(arch).hex().to_owned())].into(),
                ..ResourceDescriptor::default()
            };
            let recorded = Recorded {
                dockerfile: Some("Dockerfile.daemon".into()),
                dockerfile_digest: Some(Digest::of("FROM debian:13")),
                build_args: [("ARCH".to_owned(), arch.to_owned())].into(),
                source: Some("https://github.com/acme/widget".into()),
                commit: Some("a".repeat(40)),
                materials: vec![base],
                ..Recorded::default()
            };
            (Some(format!("linux/{arch}").parse().unwrap()), recorded)
        };
        let recorded = [leg("amd64"), leg("arm64")];
        let subject = Subject::new("docker.io/acme/widget", &Digest::of("index"));
        let builder_id = "https://github.com/acme/ci/.github/workflows/build.yml@refs/heads/main";
        let make = || {
            let attested_by = Attested { workflow: &workflow, builder_id, recorded: &recorded };
            serde_json::to_value(attested(vec![subject.clone()], &attested_by)).unwrap()
        };
        let value = make();
        assert_eq!(value, make());
        let definition = &value["predicate"]["buildDefinition"];
        assert_eq!(definition["buildType"], GITHUB_BUILD_TYPE);
        assert_eq!(definition["externalParameters"]["dockerfile"], "Dockerfile.daemon");
        assert_eq!(definition["externalParameters"]["buildArgsByPlatform"]["linux/arm64"]["ARCH"], "arm64");
        assert_eq!(definition["internalParameters"]["github"]["runner_environment"], "self-hosted");
        let dependencies = definition["resolvedDependencies"].as_array().unwrap();
        let names: Vec<_> = dependencies.iter().map(|d| d["name"].as_str().unwrap()).collect();
        assert_eq!(names, ["source", "workflow", "dockerfile", "base", "base"]);
        assert_eq!(dependencies[0]["digest"]["gitCommit"], "a".repeat(40));
        assert_eq!(dependencies[1]["digest"]["gitCommit"], "b".repeat(40));
        assert_eq!(value["predicate"]["runDetails"]["builder"]["id"], builder_id);
    }
}
