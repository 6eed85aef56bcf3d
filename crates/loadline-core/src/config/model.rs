//! The configuration's shape. Spans are kept where a later rule may have to point at a value.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer};

use super::attest::Attest;
use super::build::{BuildProvenance, BuildSecret, ContextSource, Network};
use super::check::{Check, Contract, Pin};
use super::made::{Existing, LayoutTable, Runner};
use super::public::Public;
use super::third_party::ThirdParty;
use super::verify::Verify;
use crate::platform::Platform;
use crate::reference::RepositoryName;

/// The whole of `loadline.toml`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// What holds for the whole set.
    pub release: Release,
    /// Regions that must be byte-identical across files.
    #[serde(default, rename = "shared-region")]
    pub shared_regions: Vec<SharedRegion>,
    /// The images of the set, by name.
    #[serde(default, rename = "image")]
    pub images: IndexMap<String, Image>,
    /// What a consumer demands; a release applies the same before it promotes.
    #[serde(default)]
    pub verify: Verify,
    /// How evidence is made, and where it goes besides the registry.
    #[serde(default)]
    pub attest: Attest,
    /// How the rules over the repository are applied.
    #[serde(default)]
    pub check: Check,
    /// Values that must be equal in several files.
    #[serde(default, rename = "pin")]
    pub pins: Vec<Pin>,
    /// The machines that legs are built on, by platform: what `runs-on` of a workflow takes.
    #[schemars(with = "IndexMap<String, Runner>")]
    #[serde(default)]
    pub runners: IndexMap<Platform, Runner>,
    /// What is demanded of images of others, in the files that are verified.
    #[serde(default, rename = "third-party")]
    pub third_parties: Vec<ThirdParty>,
}

/// What holds for the whole set.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Release {
    /// The repository whose workflows sign, without a scheme: `github.com/owner/name`.
    pub source: String,
    /// Where images go; a list for several registries.
    #[schemars(with = "OneOrMany<String>")]
    pub repository: OneOrMany<RepositoryName>,
    /// What every image is built for, unless it says otherwise.
    pub platforms: Vec<Platform>,
    /// The time limit of each step: `45m`, `1h 30m`, `90s`.
    #[schemars(extend("default" = "45m"))]
    #[serde(default)]
    pub timeout: TimeLimit,
    /// Where the version comes from when the command line names none.
    #[schemars(extend("default" = "tag"))]
    #[serde(default)]
    pub version: VersionSource,
    /// What stands before the version in git tags.
    #[serde(default = "default_tag_prefix")]
    pub tag_prefix: String,
    /// Whether everyone may pull without credentials: true, or a list of registries. A release makes sure of it
    /// before anything is tagged.
    #[schemars(extend("default" = false))]
    #[serde(default)]
    pub public: Public,
}

pub(super) fn default_tag_prefix() -> String {
    "v".to_owned()
}

/// One value or a list of them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum OneOrMany<T> {
    /// One.
    One(T),
    /// Several.
    Many(Vec<T>),
}

impl<T> OneOrMany<T> {
    /// All of them.
    pub fn as_slice(&self) -> &[T] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

/// Where the version comes from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum VersionSource {
    /// The tag at HEAD that begins with the prefix.
    #[default]
    Tag,
    /// The commit itself; such sets have no moving tags.
    Commit,
}

/// A time limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimeLimit(pub Duration);

impl Default for TimeLimit {
    fn default() -> Self {
        Self(Duration::from_secs(45 * 60))
    }
}

impl FromStr for TimeLimit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let refuse = || format!("`{text}` is not a time limit: write it as `45m`, `90s` or `1h 30m`");
        let span: jiff::SignedDuration = text.parse().map_err(|_| refuse())?;
        match Duration::try_from(span) {
            Ok(duration) if !duration.is_zero() => Ok(Self(duration)),
            _ => Err(refuse()),
        }
    }
}

impl fmt::Display for TimeLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.0.as_secs();
        match (seconds / 60, seconds % 60) {
            (0, s) => write!(f, "{s}s"),
            (m, 0) => write!(f, "{m}m"),
            (m, s) => write!(f, "{m}m {s}s"),
        }
    }
}

impl<'de> Deserialize<'de> for TimeLimit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for TimeLimit {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TimeLimit".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({"type": "string", "description": "a time limit such as `45m`, `90s` or `1h 30m`"})
    }
}

/// Lines between two markers that must be byte-identical across files.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SharedRegion {
    /// What it is called in messages.
    pub name: String,
    /// The whole line that begins it.
    pub begin: String,
    /// The whole line that ends it.
    pub end: String,
    /// The files, patterns (`docker/*/Dockerfile`) included; the first is the canonical one.
    #[schemars(with = "Vec<String>")]
    pub files: Vec<Utf8PathBuf>,
}

impl SharedRegion {
    /// Whether one of `files` is a pattern that stands for any number of files.
    pub fn is_pattern(file: &Utf8Path) -> bool {
        file.as_str().contains(['*', '?', '[', '{'])
    }
}

/// What builds an image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Builder {
    /// `docker buildx build`.
    #[default]
    Buildx,
    /// Built in, without a daemon, for Dockerfiles without RUN.
    Assemble,
    /// Another tool, which leaves an OCI layout.
    Layout,
    /// Nothing: the image is at a registry already, by digest.
    Existing,
}

impl Builder {
    /// Its name in the configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Buildx => "buildx",
            Self::Assemble => "assemble",
            Self::Layout => "layout",
            Self::Existing => "existing",
        }
    }
}

/// One image of the set.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Image {
    /// What builds it.
    #[schemars(extend("default" = "buildx"))]
    #[serde(default)]
    pub builder: Builder,
    /// The Dockerfile, relative to the configuration file. Empty where the builder reads none: `existing`, and
    /// `layout` without a preset that does.
    #[schemars(with = "String")]
    #[serde(default)]
    pub dockerfile: Utf8PathBuf,
    /// The build context, relative to the configuration file.
    #[serde(default = "default_context")]
    #[schemars(with = "String")]
    pub context: Utf8PathBuf,
    /// The stage to build; the last one if absent.
    pub target: Option<String>,
    /// Where this image goes, if not where the set goes.
    #[schemars(with = "Option<OneOrMany<String>>")]
    pub repository: Option<OneOrMany<RepositoryName>>,
    /// What this image is built for, if not what the set is built for.
    pub platforms: Option<Vec<Platform>>,
    /// The time limit of each of this image's steps.
    pub timeout: Option<TimeLimit>,
    /// Whether everyone may pull this image, if not what holds for the set.
    pub public: Option<Public>,
    /// What it is made from, patterns (`src/**`) included: while none of it changes, the image is current. Without
    /// it, every commit makes another image.
    #[schemars(with = "Vec<String>")]
    #[serde(default)]
    pub inputs: Vec<Utf8PathBuf>,
    /// Tags that never move, as templates; `{version}-{image}` if absent.
    #[serde(default = "default_tags")]
    pub tags: Vec<String>,
    /// Tags that follow the newest version.
    #[serde(default)]
    pub moving_tags: Vec<MovingTag>,
    /// Build arguments, their values templates.
    #[serde(default)]
    pub build_args: IndexMap<String, String>,
    /// Labels, their values templates.
    #[serde(default)]
    pub labels: IndexMap<String, String>,
    /// Annotations of manifests and index, their values templates. Labels that begin with
    /// `org.opencontainers.image.` are annotations too.
    #[serde(default)]
    pub annotations: IndexMap<String, String>,
    /// The builder instance that buildx builds with; the one that `docker buildx use` chose if absent.
    pub builder_instance: Option<String>,
    /// What instructions may read while they run, and that is never in the image.
    #[serde(default)]
    pub secrets: Vec<BuildSecret>,
    /// Caches that buildx reads, as it spells them; templates with `{image}` and `{platform}`.
    #[serde(default)]
    pub cache_from: Vec<String>,
    /// Caches that buildx writes.
    #[serde(default)]
    pub cache_to: Vec<String>,
    /// Named contexts: directories, `docker-image://REFERENCE` or `oci-layout://DIRECTORY`.
    #[schemars(with = "IndexMap<String, String>")]
    #[serde(default)]
    pub contexts: IndexMap<String, ContextSource>,
    /// How much BuildKit's own provenance says.
    #[schemars(extend("default" = "max"))]
    #[serde(default)]
    pub provenance: BuildProvenance,
    /// The network of RUN instructions: `default`, `none` or `host`.
    pub network: Option<Network>,
    /// Agents and keys that RUN instructions may use, as buildx spells them: `default`, `ID=SOCKET`.
    #[serde(default)]
    pub ssh: Vec<String>,
    /// BuildKit's own bill of materials: `on`, or the image of a generator.
    pub sbom: Option<String>,
    /// Whether buildx gives every file the image's time, so that the same content has the same digest.
    #[serde(default)]
    pub rewrite_timestamp: bool,
    /// How another tool is run, and where the layout is that it leaves.
    pub layout: Option<LayoutTable>,
    /// What is at a registry already: a reference with a digest, or one for each platform.
    pub existing: Option<Existing>,
    /// What a scan may find without stopping the release.
    #[serde(default)]
    pub gate: Gate,
    /// What operators rely on in it.
    #[serde(default)]
    pub contract: Contract,
}

pub(super) fn default_context() -> Utf8PathBuf {
    Utf8PathBuf::from(".")
}

pub(super) fn default_tags() -> Vec<String> {
    vec!["{version}-{image}".to_owned()]
}

/// A tag that follows the newest version of its channel or series.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum MovingTag {
    /// For stable versions only.
    Stable(String),
    /// For one channel.
    Channel(ChannelTag),
}

/// A moving tag for the versions of one channel: the pre-release's first identifier.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ChannelTag {
    /// The tag, a template.
    pub tag: String,
    /// The channel: `beta` for 1.2.3-beta.4.
    pub channel: String,
}

impl MovingTag {
    /// The tag's template.
    pub fn template(&self) -> &str {
        match self {
            Self::Stable(tag) => tag,
            Self::Channel(channel) => &channel.tag,
        }
    }
}

/// What a scan may find without stopping the release.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Gate {
    /// Whether everything over the line blocks, or only what the previous release did not have.
    #[schemars(extend("default" = "block"))]
    pub mode: GateMode,
    /// The lowest severity that blocks.
    #[schemars(extend("default" = "high"))]
    pub fail_on: ThresholdSeverity,
    /// Whether only vulnerabilities with a fixed version block.
    pub only_fixed: bool,
    /// Where the scan reports are: a template with `{image}` and `{platform}`.
    pub report: String,
    /// The file of ignores, if there is one: `.trivyignore.yaml` or `.trivyignore`.
    #[schemars(with = "Option<String>")]
    pub ignore_file: Option<Utf8PathBuf>,
    /// What becomes of a vulnerability that the scanner could not rate.
    #[schemars(extend("default" = "warn"))]
    pub unknown_severity: UnknownSeverity,
    /// Whether an ignore must say why; one that does not is an error and covers nothing.
    pub require_statement: bool,
    /// Whether an ignore must say when it ends; one that does not is an error and covers nothing.
    pub require_expiry: bool,
}

impl Default for Gate {
    fn default() -> Self {
        Self {
            mode: GateMode::Block,
            fail_on: ThresholdSeverity::High,
            only_fixed: false,
            report: "reports/{image}-{platform}.json".to_owned(),
            ignore_file: None,
            unknown_severity: UnknownSeverity::Warn,
            require_statement: false,
            require_expiry: false,
        }
    }
}

/// What becomes of a vulnerability that the scanner could not rate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum UnknownSeverity {
    /// It is reported as a warning.
    #[default]
    Warn,
    /// It blocks, as if it were over the line.
    Block,
}

/// What blocks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum GateMode {
    /// Everything over the line.
    #[default]
    Block,
    /// What is over the line and was not in the previous release.
    Regression,
}

/// A severity as scanners grade vulnerabilities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum ThresholdSeverity {
    Low,
    Medium,
    High,
    Critical,
}
