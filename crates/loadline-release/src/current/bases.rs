//! The base images that a Dockerfile names, and what those names point at now.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use loadline_core::config::{ContextSource, Image, Template};
use loadline_core::{Digest, Platform, Reference};
use loadline_dockerfile::command::Command;
use loadline_dockerfile::expand::expand;
use loadline_dockerfile::{Dockerfile, Flag, Keyword, MAX_BYTES, Stage};
use loadline_registry::{Client, Repository};

use super::key::KeyError;
use crate::release::PARALLEL;

/// What each base image's name points at. Those of all stages count, also of stages that the target does not need:
/// a key that changes too often costs a build, one that changes too seldom ships an old base.
pub(super) async fn resolve(
    client: &Client,
    root: &Path,
    image: &Image,
    platforms: &[Platform],
) -> Result<BTreeMap<String, Digest>, KeyError> {
    let mut references = BTreeMap::new();
    if !image.dockerfile.as_str().is_empty() {
        for name in named(root, image, platforms)? {
            if let Some(reference) = reference(image, &name)? {
                references.insert(reference.to_string(), reference);
            }
        }
    }
    let asked = stream::iter(references).map(|(name, reference)| async move {
        if let Some(digest) = reference.digest {
            return Ok((name, digest));
        }
        let repository = Repository::at(client, reference.repository.clone());
        match repository.resolve(&reference.target()).await? {
            Some(found) => Ok((name, found.digest)),
            None => Err(KeyError::NoBase { name }),
        }
    });
    asked.buffered(PARALLEL).try_collect().await
}

/// The image that a name stands for; none for a context that is no image.
fn reference(image: &Image, name: &str) -> Result<Option<Reference>, KeyError> {
    match image.contexts.get(name) {
        Some(ContextSource::Image(reference)) => Ok(Some(reference.clone())),
        Some(_) => Ok(None),
        None => name.parse().map(Some).map_err(|error| wrong(image, format!("`{name}`: {error}"))),
    }
}

fn wrong(image: &Image, reason: impl std::fmt::Display) -> KeyError {
    KeyError::Dockerfile { file: image.dockerfile.clone(), reason: reason.to_string() }
}

/// The names behind FROM, `--from=` and `from=` of mounts that are no stages, for each of the platforms.
fn named(root: &Path, image: &Image, platforms: &[Platform]) -> Result<BTreeSet<String>, KeyError> {
    let path = root.join(&image.dockerfile);
    let io = |source| KeyError::Io { path: path.clone(), source };
    if path.metadata().map_err(io)?.len() > MAX_BYTES as u64 {
        return Err(wrong(image, "it is too large for a Dockerfile"));
    }
    let dockerfile =
        Dockerfile::parse(std::fs::read(&path).map_err(io)?).map_err(|error| wrong(image, error))?;
    let stages = dockerfile.stages().map_err(|error| wrong(image, error))?;
    let mut names = BTreeSet::new();
    for platform in platforms {
        let values = values(&dockerfile, image, platform)?;
        for (index, stage) in stages.iter().enumerate() {
            of_stage(stage, &stages[..index], &dockerfile, image, &values, &mut names)?;
        }
    }
    Ok(names)
}

fn of_stage(
    stage: &Stage<'_>,
    earlier: &[Stage<'_>],
    dockerfile: &Dockerfile,
    image: &Image,
    values: &BTreeMap<String, Option<String>>,
    names: &mut BTreeSet<String>,
) -> Result<(), KeyError> {
    let is_stage = |name: &str| {
        name.is_empty()
            || name.parse::<usize>().is_ok()
            || earlier.iter().any(|stage| stage.name.as_deref() == Some(&name.to_ascii_lowercase()))
    };
    let mut unknown = None;
    let base = {
        let lookup = |name: &str| values.get(name).and_then(Clone::clone);
        for (name, value) in values {
            let written = [format!("${name}"), format!("${{{name}")];
            if value.is_none() && written.iter().any(|written| stage.base.image.contains(written)) {
                unknown = Some(name.clone());
            }
        }
        expand(&stage.base.image, &lookup, dockerfile.directives.escape)
            .map_err(|error| wrong(image, error))?
    };
    if let Some(name) = unknown {
        return Err(wrong(
            image,
            format!(
                "line {}: the base's name depends on `{name}`, which each release sets anew",
                stage.from.line
            ),
        ));
    }
    if base != "scratch" && !is_stage(&base) {
        names.insert(base);
    }
    for instruction in stage.instructions {
        let instruction = instruction.onbuild.as_deref().unwrap_or(instruction);
        let from: Vec<String> = match instruction.keyword {
            Keyword::Copy | Keyword::Add => {
                instruction.flag("from").and_then(|flag| flag.value.clone()).into_iter().collect()
            }
            Keyword::Run => {
                instruction.flags.iter().filter_map(Flag::mounted_from).map(str::to_owned).collect()
            }
            _ => Vec::new(),
        };
        names.extend(from.into_iter().filter(|name| !is_stage(name)));
    }
    Ok(())
}

/// What FROM lines see: the platform's arguments and those before the first FROM; none as the value of what each
/// release sets anew.
fn values(
    dockerfile: &Dockerfile,
    image: &Image,
    platform: &Platform,
) -> Result<BTreeMap<String, Option<String>>, KeyError> {
    let mut values: BTreeMap<String, Option<String>> = [
        ("TARGETPLATFORM", platform.to_string()),
        ("TARGETOS", platform.os.clone()),
        ("TARGETARCH", platform.architecture.clone()),
        ("TARGETVARIANT", platform.variant.clone().unwrap_or_default()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), Some(value)))
    .collect();
    for instruction in dockerfile.global_args() {
        let Command::Arg(args) = instruction.command().map_err(|error| wrong(image, error))? else {
            continue;
        };
        for arg in args {
            let value = match (image.build_args.get(&arg.name), &arg.default) {
                (Some(given), _) => Some(literal(given)),
                (None, Some(default)) => {
                    let lookup = |name: &str| values.get(name).and_then(Clone::clone);
                    let text = expand(default, &lookup, dockerfile.directives.escape);
                    Some(Some(text.map_err(|error| wrong(image, error))?))
                }
                (None, None) => None,
            };
            if let Some(value) = value {
                values.insert(arg.name, value);
            }
        }
    }
    Ok(values)
}

/// A build argument's value, where it is the same for every release.
fn literal(template: &str) -> Option<String> {
    let parsed = Template::parse(template).ok()?;
    let fixed = parsed.variables().next().is_none();
    fixed.then(|| template.replace("{{", "{").replace("}}", "}"))
}

#[cfg(test)]
mod tests {
    use loadline_core::config::Config;

    use super::*;

    fn names(dockerfile: &str, more: &str) -> Result<Vec<String>, String> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("Dockerfile"), dockerfile).unwrap();
        let text = format!(
            "[release]\nsource = \"github.com/a/b\"\nrepository = \"ghcr.io/a/b\"\nplatforms = [\"linux/amd64\"]\n\
             [image.a]\ndockerfile = \"Dockerfile\"\n{more}"
        );
        let config: Config = toml::from_str(&text).unwrap();
        let platforms = ["linux/amd64", "linux/arm64"].map(|platform| platform.parse().unwrap());
        let names = named(folder.path(), &config.images["a"], &platforms);
        names.map(|names| names.into_iter().collect()).map_err(|error| error.to_string())
    }

    #[test]
    fn all_that_is_built_on_is_named() {
        let text = "ARG TAG=13\nFROM debian:${TAG} AS build\nRUN --mount=type=bind,from=golang:1.25,target=/go true\n\
                    FROM base-$TARGETARCH\nCOPY --from=build /a /a\nCOPY --from=busybox /b /b\nCOPY --from=0 /c /c\nFROM scratch";
        assert_eq!(
            names(text, "").unwrap(),
            ["base-amd64", "base-arm64", "busybox", "debian:13", "golang:1.25"]
        );
        assert_eq!(
            names("ARG TAG=13\nFROM debian:$TAG", "build-args = { TAG = \"12\" }").unwrap(),
            ["debian:12"]
        );
    }

    #[test]
    fn a_base_that_each_release_names_anew_cannot_be_told() {
        let error =
            names("ARG TAG=13\nFROM debian:$TAG", "build-args = { TAG = \"{version}\" }").unwrap_err();
        assert!(error.contains("line 2") && error.contains("`TAG`"), "{error}");
    }

    #[test]
    fn a_named_context_stands_for_its_image() {
        let text = "[release]\nsource = \"github.com/a/b\"\nrepository = \"ghcr.io/a/b\"\nplatforms = [\"linux/amd64\"]\n\
             [image.a]\ndockerfile = \"Dockerfile\"\n[image.a.contexts]\nbase = \"docker-image://debian:13\"\nfiles = \"files\"\n";
        let config: Config = toml::from_str(text).unwrap();
        let image = &config.images["a"];
        assert_eq!(reference(image, "base").unwrap().unwrap().to_string(), "docker.io/library/debian:13");
        assert_eq!(reference(image, "files").unwrap(), None);
        assert!(reference(image, "NOT A NAME").is_err());
    }
}
