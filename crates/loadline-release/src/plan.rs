//! The plan: everything a release is going to do, settled before it does any of it.
//!
//! A plan is made from the configuration, the version and the checkout alone; it asks no registry.
//! Its digest is what tells "the same release again" from "the same version with other content".

use camino::Utf8PathBuf;
use indexmap::IndexMap;
use loadline_core::config::variables::{TemplateError, Variables, expand, expand_tag};
use loadline_core::config::version::ReleaseVersion;
use loadline_core::config::{
    BuildProvenance, BuildSecret, Builder, Config, ContextSource, Existing, Gate, Image, LayoutTable, Network,
};
use loadline_core::document::{self, Document};
use loadline_core::{Digest, Platform, RepositoryName};
use schemars::JsonSchema;
use serde::Serialize;
use thiserror::Error;

use crate::git::Checkout;

/// Why a plan cannot be made.
#[derive(Debug, Error)]
pub enum PlanError {
    /// A template of an image cannot be expanded for this release.
    #[error("image `{image}`: {source}")]
    Template {
        /// The image.
        image: String,
        /// What is wrong.
        source: TemplateError,
    },
    /// An image was asked for that the configuration does not have.
    #[error("the configuration has no image `{name}`; it has {}", known.join(", "))]
    NoSuchImage {
        /// The name as given.
        name: String,
        /// The names there are.
        known: Vec<String>,
    },
}

/// A whole release, before it begins.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct Plan {
    /// The version.
    pub version: String,
    /// The version with its order; serialised as `version`.
    #[serde(skip)]
    #[schemars(skip)]
    pub parsed_version: ReleaseVersion,
    /// The repository whose workflows sign, without a scheme.
    pub source: String,
    /// The commit that is built.
    pub commit: String,
    /// When it was committed, in seconds since 1970.
    pub committed_at: i64,
    /// The git ref that is built, where one is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub git_ref: Option<String>,
    /// The digest of what is not committed; none for a clean tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub dirty: Option<Digest>,
    /// The digest of the configuration file.
    #[schemars(with = "String")]
    pub configuration: Digest,
    /// The time given to every file in every layer, in seconds since 1970.
    pub source_date_epoch: i64,
    /// The images, in the configuration's order.
    pub images: Vec<PlannedImage>,
    /// Whether a registry stands in for those that are configured: one that builders may not reach.
    #[serde(skip)]
    #[schemars(skip)]
    pub stand_in: bool,
}

/// One image of the set.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct PlannedImage {
    /// Its name.
    pub name: String,
    /// What builds it.
    #[serde(serialize_with = "builder_name")]
    #[schemars(with = "String")]
    pub builder: Builder,
    /// The Dockerfile, relative to the configuration file.
    #[schemars(with = "String")]
    pub dockerfile: Utf8PathBuf,
    /// The build context, relative to the configuration file.
    #[schemars(with = "String")]
    pub context: Utf8PathBuf,
    /// The stage to build.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Where it goes.
    #[schemars(with = "Vec<String>")]
    pub repositories: Vec<RepositoryName>,
    /// What it is built for.
    pub platforms: Vec<Platform>,
    /// Tags that never move.
    pub tags: Vec<String>,
    /// Tags that move to this version, if it is the newest.
    pub moving_tags: Vec<String>,
    /// Build arguments.
    pub build_args: IndexMap<String, String>,
    /// Labels, the defaults among them.
    pub labels: IndexMap<String, String>,
    /// Annotations of manifests and index, beside those that are labels too.
    #[serde(skip_serializing_if = "IndexMap::is_empty")]
    pub annotations: IndexMap<String, String>,
    /// Named contexts, as the configuration spells them.
    #[serde(skip_serializing_if = "IndexMap::is_empty", serialize_with = "spelled")]
    #[schemars(with = "IndexMap<String, String>")]
    pub contexts: IndexMap<String, ContextSource>,
    /// What only buildx needs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub buildx: Option<PlannedBuildx>,
    /// How another tool leaves its layout.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layout: Option<LayoutTable>,
    /// What is at a registry already.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "existing")]
    #[schemars(with = "Option<IndexMap<String, String>>")]
    pub existing: Option<Existing>,
    /// The scan report of each platform, relative to the configuration file.
    pub reports: Vec<PlannedReport>,
    /// The time limit of each step, in seconds.
    pub time_limit_seconds: u64,
    /// What a scan may find.
    #[serde(skip)]
    #[schemars(skip)]
    pub gate: Gate,
}

/// What only buildx needs to know of an image.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct PlannedBuildx {
    /// The builder instance.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instance: Option<String>,
    /// Where secrets are, by name; never their values.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "secret_names")]
    #[schemars(with = "Vec<String>")]
    pub secrets: Vec<BuildSecret>,
    /// How much BuildKit's own provenance says: `max`, `min` or `off`.
    #[serde(serialize_with = "provenance_name")]
    #[schemars(with = "String")]
    pub provenance: BuildProvenance,
    /// The network of RUN instructions.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "network_name")]
    #[schemars(with = "Option<String>")]
    pub network: Option<Network>,
    /// Agents and keys for RUN instructions, as buildx spells them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ssh: Vec<String>,
    /// BuildKit's own bill of materials: `on`, or a generator's image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sbom: Option<String>,
    /// Whether files get the image's time too.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub rewrite_timestamp: bool,
    /// The caches of each platform.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub caches: Vec<PlannedCaches>,
}

/// The caches of one leg.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct PlannedCaches {
    /// The platform.
    pub platform: Platform,
    /// What is read.
    pub from: Vec<String>,
    /// What is written.
    pub to: Vec<String>,
}

/// Where the scan report of one leg is expected.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct PlannedReport {
    /// The platform.
    pub platform: Platform,
    /// The file.
    #[schemars(with = "String")]
    pub file: Utf8PathBuf,
}

fn spelled<S: serde::Serializer>(
    contexts: &IndexMap<String, ContextSource>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(contexts.iter().map(|(name, context)| (name, context.to_string())))
}

fn secret_names<S: serde::Serializer>(secrets: &[BuildSecret], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(secrets.iter().map(|secret| &secret.id))
}

fn provenance_name<S: serde::Serializer>(of: &BuildProvenance, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(of.name())
}

fn network_name<S: serde::Serializer>(of: &Option<Network>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(of.map_or("", Network::name))
}

fn existing<S: serde::Serializer>(of: &Option<Existing>, serializer: S) -> Result<S::Ok, S::Error> {
    match of {
        None => serializer.serialize_none(),
        Some(Existing::Whole(reference)) => serializer.collect_map([("*", reference.to_string())]),
        Some(Existing::Platforms(platforms)) => serializer
            .collect_map(platforms.iter().map(|(of, reference)| (of.to_string(), reference.to_string()))),
    }
}

fn builder_name<S: serde::Serializer>(builder: &Builder, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(builder.name())
}

/// What a plan is made from.
#[derive(Debug)]
pub struct PlanInput<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The bytes it was read from.
    pub config_text: &'a [u8],
    /// The version.
    pub version: &'a ReleaseVersion,
    /// The checkout.
    pub checkout: &'a Checkout,
    /// The git ref that is built, where one is known.
    pub git_ref: Option<String>,
    /// The time given to every file in every layer.
    pub source_date_epoch: i64,
    /// The registry, HOST:PORT, that stands in for all others: the sandbox's.
    pub stand_in: Option<&'a str>,
}

impl Plan {
    /// Makes the plan.
    pub fn make(input: &PlanInput<'_>) -> Result<Self, PlanError> {
        let images = input
            .config
            .images
            .iter()
            .map(|(name, image)| planned(input, name, image))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            version: input.version.to_string(),
            parsed_version: input.version.clone(),
            source: input.config.release.source.clone(),
            commit: input.checkout.commit.clone(),
            committed_at: input.checkout.committed_at,
            git_ref: input.git_ref.clone(),
            dirty: input.checkout.dirty.clone(),
            configuration: Digest::of(input.config_text),
            source_date_epoch: input.source_date_epoch,
            images,
            stand_in: input.stand_in.is_some(),
        })
    }

    /// The digest of all it says: another plan is another release.
    pub fn digest(&self) -> Digest {
        // Serialising maps with text keys into memory has no way to fail.
        Digest::of(serde_json::to_vec(&Document::new(document::PLAN, self)).unwrap_or_default())
    }

    /// The digest of all it says of one image, and of when it is of: what another machine must have built it by.
    pub fn digest_of(&self, image: &PlannedImage) -> Digest {
        let all = (image, &self.commit, self.committed_at, self.source_date_epoch);
        Digest::of(serde_json::to_vec(&all).unwrap_or_default())
    }

    /// The image of this name.
    pub fn image(&self, name: &str) -> Result<&PlannedImage, PlanError> {
        self.images.iter().find(|image| image.name == name).ok_or_else(|| PlanError::NoSuchImage {
            name: name.to_owned(),
            known: self.images.iter().map(|image| image.name.clone()).collect(),
        })
    }

    /// How many legs there are to build.
    pub fn legs(&self) -> usize {
        self.images.iter().map(|image| image.platforms.len()).sum()
    }
}

fn planned(input: &PlanInput<'_>, name: &str, image: &Image) -> Result<PlannedImage, PlanError> {
    let release = &input.config.release;
    let variables = Variables {
        version: input.version.clone(),
        image: name.to_owned(),
        platform: None,
        commit: Some(input.checkout.commit.clone()),
        branch: input.checkout.branch.clone(),
        repository_hash: loadline_core::config::variables::repository_hash(&release.source),
    };
    let wrong = |source| PlanError::Template { image: name.to_owned(), source };
    let platforms = image.platforms.as_ref().unwrap_or(&release.platforms).clone();
    let reports = platforms
        .iter()
        .map(|platform| {
            let here = Variables { platform: Some(platform.clone()), ..variables.clone() };
            let file = expand(&image.gate.report, &here).map_err(wrong)?;
            Ok(PlannedReport { platform: platform.clone(), file: file.into() })
        })
        .collect::<Result<_, _>>()?;
    let expand_each = |list: &[String], platform: &Platform| -> Result<Vec<String>, PlanError> {
        let here = Variables { platform: Some(platform.clone()), ..variables.clone() };
        list.iter().map(|text| expand(text, &here).map_err(wrong)).collect()
    };
    let caches = match image.cache_from.is_empty() && image.cache_to.is_empty() {
        true => Vec::new(),
        false => platforms
            .iter()
            .map(|platform| {
                let from = expand_each(&image.cache_from, platform)?;
                let to = expand_each(&image.cache_to, platform)?;
                Ok(PlannedCaches { platform: platform.clone(), from, to })
            })
            .collect::<Result<_, _>>()?,
    };
    let buildx = (image.builder == Builder::Buildx).then(|| PlannedBuildx {
        instance: image.builder_instance.clone(),
        secrets: image.secrets.clone(),
        provenance: image.provenance,
        network: image.network,
        ssh: image.ssh.clone(),
        sbom: image.sbom.clone(),
        rewrite_timestamp: image.rewrite_timestamp,
        caches,
    });
    let moving = image.moving_tags.iter().filter(|tag| tag.follows(input.version));
    let expand_all = |map: &IndexMap<String, String>| -> Result<IndexMap<String, String>, PlanError> {
        map.iter().map(|(key, value)| Ok((key.clone(), expand(value, &variables).map_err(wrong)?))).collect()
    };
    let mut labels = default_labels(input);
    labels.extend(expand_all(&image.labels)?);
    let repositories = image.repository.as_ref().unwrap_or(&release.repository).as_slice();
    Ok(PlannedImage {
        name: name.to_owned(),
        builder: image.builder,
        dockerfile: image.dockerfile.clone(),
        context: image.context.clone(),
        target: image.target.clone(),
        repositories: stand_in(repositories, input.stand_in),
        platforms,
        tags: image
            .tags
            .iter()
            .map(|tag| expand_tag(tag, &variables).map_err(wrong))
            .collect::<Result<_, _>>()?,
        moving_tags: moving
            .map(|tag| expand_tag(tag.template(), &variables).map_err(wrong))
            .collect::<Result<_, _>>()?,
        build_args: expand_all(&image.build_args)?,
        labels,
        annotations: expand_all(&image.annotations)?,
        contexts: image.contexts.clone(),
        buildx,
        layout: image.layout.clone(),
        existing: image.existing.clone(),
        reports,
        time_limit_seconds: image.timeout.unwrap_or(release.timeout).0.as_secs(),
        gate: image.gate.clone(),
    })
}

/// The labels that registries and scanners read (OCI image specification, annotations.md).
fn default_labels(input: &PlanInput<'_>) -> IndexMap<String, String> {
    let source = &input.config.release.source;
    let source = if source.contains("://") { source.clone() } else { format!("https://{source}") };
    let created = jiff::Timestamp::from_second(input.checkout.committed_at).unwrap_or_default();
    [
        ("source", source),
        ("revision", input.checkout.commit.clone()),
        ("version", input.version.to_string()),
        ("created", created.to_string()),
    ]
    .into_iter()
    .map(|(key, value)| (format!("org.opencontainers.image.{key}"), value))
    .collect()
}

/// The same repositories at the registry that stands in: the path stays, and where several registries
/// hold the same path, the registry's name goes before it.
pub(crate) fn stand_in(repositories: &[RepositoryName], registry: Option<&str>) -> Vec<RepositoryName> {
    let Some(registry) = registry else { return repositories.to_vec() };
    repositories
        .iter()
        .map(|name| {
            let shared = repositories.iter().filter(|other| other.path() == name.path()).count() > 1;
            let path = if shared {
                let host = name.registry().to_ascii_lowercase().replace([':', '[', ']'], "-");
                format!("{}/{}", host.trim_matches('-'), name.path())
            } else {
                name.path().to_owned()
            };
            RepositoryName::new(registry, &path).unwrap_or_else(|_| name.clone())
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#"
[release]
source = "github.com/acme/widget"
repository = ["docker.io/acme/widget", "ghcr.io/acme/widget", "ghcr.io/acme/other"]
platforms = ["linux/amd64", "linux/arm64"]
[image.a]
dockerfile = "Dockerfile.a"
tags = ["{version}-a", "{version}"]
moving-tags = ["latest", { tag = "beta", channel = "beta" }]
[image.a.build-args]
GIT_HASH = "{commit.short}"
[image.a.labels]
"org.opencontainers.image.version" = "mine"
[image.b]
dockerfile = "Dockerfile.b"
platforms = ["linux/arm/v7"]
timeout = "90s"
"#;

    fn plan(version: &str, registry: Option<&str>) -> Plan {
        let config: Config = toml::from_str(CONFIG).unwrap();
        let checkout = Checkout {
            commit: "0123456789abcdef0123456789abcdef01234567".into(),
            committed_at: 1_700_000_000,
            branch: Some("main".into()),
            tags: vec![],
            dirty: None,
        };
        Plan::make(&PlanInput {
            config: &config,
            config_text: CONFIG.as_bytes(),
            version: &ReleaseVersion::semantic(version).unwrap(),
            checkout: &checkout,
            git_ref: None,
            source_date_epoch: 0,
            stand_in: registry,
        })
        .unwrap()
    }

    #[test]
    fn templates_become_values() {
        let plan = plan("1.2.3", None);
        let a = plan.image("a").unwrap();
        assert_eq!(a.tags, ["1.2.3-a", "1.2.3"]);
        assert_eq!(a.moving_tags, ["latest"]);
        assert_eq!(a.build_args["GIT_HASH"], "0123456");
        assert_eq!(a.labels["org.opencontainers.image.source"], "https://github.com/acme/widget");
        assert_eq!(a.labels["org.opencontainers.image.version"], "mine");
        assert_eq!(a.labels["org.opencontainers.image.created"], "2023-11-14T22:13:20Z");
        let b = plan.image("b").unwrap();
        assert_eq!(b.tags, ["1.2.3-b"]);
        assert_eq!(b.reports[0].file, "reports/b-linux-arm-v7.json");
        assert_eq!((b.time_limit_seconds, a.time_limit_seconds), (90, 2700));
        assert_eq!(plan.legs(), 3);
        assert!(plan.image("c").unwrap_err().to_string().contains("it has a, b"));
    }

    #[test]
    fn moving_tags_follow_their_channel() {
        assert_eq!(plan("1.2.3-beta.1", None).images[0].moving_tags, ["beta"]);
        assert!(plan("1.2.3-rc.1", None).images[0].moving_tags.is_empty());
    }

    #[test]
    fn another_content_is_another_plan() {
        let one = plan("1.2.3", None);
        assert_eq!(one.digest(), plan("1.2.3", None).digest());
        assert_ne!(one.digest(), plan("1.2.4", None).digest());
        let mut other = plan("1.2.3", None);
        other.dirty = Some(Digest::of("x"));
        assert_ne!(one.digest(), other.digest());
    }

    #[test]
    fn one_registry_stands_in_for_several() {
        let names: Vec<String> = plan("1.0.0", Some("127.0.0.1:5000")).images[0]
            .repositories
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            names,
            [
                "127.0.0.1:5000/docker.io/acme/widget",
                "127.0.0.1:5000/ghcr.io/acme/widget",
                "127.0.0.1:5000/acme/other"
            ]
        );
    }
}
