//! What is at the registries of each image, and whether it is what would be built now.

use futures_util::future::join_all;
use loadline_core::config::{
    Image, ReleaseVersion, Template, Variable, Variables, VersionSource, expand_tag, repository_hash,
};
use loadline_core::finding::FindingDocument;
use loadline_core::verdict::FailureDocument;
use loadline_core::{Digest, Failure, Finding, Outcome, RepositoryName, Verdict};
use loadline_evidence::{Gatherer, Limits};
use loadline_registry::{Manifest, RegistryError, Repository};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::key::{ANNOTATION, Key, KeySource};
use crate::codes::{IMAGE_STALE, KEY_UNKNOWN};
use crate::plan::stand_in;
use crate::tagged::version_of;

/// What is asked.
#[derive(Debug, Clone)]
pub struct Inquiry<'a> {
    /// What keys are made from, and who asks.
    pub source: KeySource<'a>,
    /// The branch that is checked out, for tags that name it.
    pub branch: Option<&'a str>,
    /// The version whose tags are looked at; without one the newest there is.
    pub version: Option<&'a ReleaseVersion>,
    /// The registry, HOST:PORT, that stands in for all others.
    pub stand_in: Option<&'a str>,
}

/// Whether an image is what would be built now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is: building it would make the same again.
    Current,
    /// It is not; the reasons say why.
    Stale,
    /// There is none.
    Absent,
    /// It could not be told.
    Unknown,
}

/// Whether evidence hangs on an image. It is counted here, not verified: `loadline verify` does that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Evidence {
    /// Bundles hang on it.
    Present,
    /// None does.
    Missing,
    /// The registry could not say.
    Unknown,
}

/// One image at one repository.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ImageStatus {
    /// The image.
    pub name: String,
    /// The repository.
    pub repository: String,
    /// The tag that was looked at, where one could be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// What it points at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub digest: Option<Digest>,
    /// The version that the image says it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Whether it is what would be built now.
    pub state: State,
    /// Why it is not, in words.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<String>,
    /// Whether evidence hangs on it; absent where there is no image.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub evidence: Option<Evidence>,
}

/// The state of a set, as scripts read it: the body of `loadline/status/v1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StatusDocument {
    /// `pass` when every image is current, everywhere.
    pub verdict: Verdict,
    /// The images, each at each of its repositories.
    pub images: Vec<ImageStatus>,
    /// What was found.
    pub findings: Vec<FindingDocument>,
    /// What could not be examined.
    pub failures: Vec<FailureDocument>,
}

impl StatusDocument {
    /// The document of what was told.
    pub fn new(images: Vec<ImageStatus>, outcome: &Outcome) -> Self {
        Self {
            verdict: outcome.verdict(),
            images,
            findings: outcome.findings.iter().map(Into::into).collect(),
            failures: outcome.failures.iter().map(Into::into).collect(),
        }
    }
}

impl Inquiry<'_> {
    /// The status of all images of the configuration.
    pub async fn all(&self) -> (Vec<ImageStatus>, Outcome) {
        let each = self.source.config.images.iter().map(|(name, image)| self.image(name, image));
        let mut images = Vec::new();
        let mut outcome = Outcome::new();
        for (statuses, found) in join_all(each).await {
            images.extend(statuses);
            outcome.merge(found);
        }
        (images, outcome)
    }

    /// The status of one image, at each of its repositories. An image that is [`State::Current`] at all of them
    /// need not be built again.
    pub async fn image(&self, name: &str, image: &Image) -> (Vec<ImageStatus>, Outcome) {
        let mut outcome = Outcome::new();
        let key = match self.source.key(name, image).await {
            Ok(key) => Some(key),
            Err(error) => {
                outcome.failures.push(Failure::from(&error));
                None
            }
        };
        let configured = image.repository.as_ref().unwrap_or(&self.source.config.release.repository);
        let repositories = stand_in(configured.as_slice(), self.stand_in);
        let asked = repositories.into_iter().map(|at| self.one(name, image, at, key.as_ref()));
        let mut statuses = Vec::new();
        for (status, found) in join_all(asked).await {
            statuses.push(status);
            outcome.merge(found);
        }
        (statuses, outcome)
    }

    async fn one(
        &self,
        name: &str,
        image: &Image,
        at: RepositoryName,
        key: Option<&Key>,
    ) -> (ImageStatus, Outcome) {
        let mut status = ImageStatus {
            name: name.to_owned(),
            repository: at.to_string(),
            tag: None,
            digest: None,
            version: None,
            state: State::Unknown,
            reasons: Vec::new(),
            evidence: None,
        };
        let mut outcome = Outcome::new();
        let repository = Repository::at(self.source.client, at);
        if let Err(error) = self.look(name, image, &repository, key, &mut status, &mut outcome).await {
            status.state = State::Unknown;
            outcome.failures.push(Failure::from(&error));
        }
        if matches!(status.state, State::Stale | State::Absent) {
            let place = match &status.tag {
                Some(tag) => format!("{}:{tag}", status.repository),
                None => status.repository.clone(),
            };
            let message = format!("`{name}` at {place} is not current: {}", status.reasons.join("; "));
            let finding = Finding::error(&IMAGE_STALE, message).help("build and release it");
            outcome.findings.push(match &status.digest {
                Some(digest) => finding.about(digest),
                None => finding,
            });
        }
        (status, outcome)
    }

    async fn look(
        &self,
        name: &str,
        image: &Image,
        repository: &Repository,
        key: Option<&Key>,
        status: &mut ImageStatus,
        outcome: &mut Outcome,
    ) -> Result<(), RegistryError> {
        status.tag = match self.tag(name, image, repository).await? {
            Wanted::Tag(tag) => Some(tag),
            Wanted::None => None,
            Wanted::Untold => {
                let message = format!("no tag of `{name}` can be told without a version");
                outcome.failures.push(Failure::new(&KEY_UNKNOWN, message).help("name it with --version"));
                return Ok(());
            }
        };
        let resolved = match &status.tag {
            Some(tag) => repository.resolve(tag).await?,
            None => None,
        };
        let Some(resolved) = resolved else {
            status.state = State::Absent;
            status.reasons.push("there is no image of it".to_owned());
            return Ok(());
        };
        let manifest = repository.manifest(&resolved.digest.to_string()).await?;
        status.digest = Some(resolved.digest.clone());
        status.version = version_of(repository, &manifest).await?.map(|version| version.to_string());
        let hanging = Gatherer::new(repository.clone(), Limits::default()).gather(&resolved.digest).await;
        status.evidence = Some(match (hanging.found.is_empty(), hanging.failures.is_empty()) {
            (false, _) => Evidence::Present,
            (true, true) => Evidence::Missing,
            (true, false) => Evidence::Unknown,
        });
        outcome.failures.extend(hanging.failures);
        let Some(key) = key else { return Ok(()) };
        status.reasons = match carried(&manifest) {
            Some(carried) => key.changes_since(&carried),
            None => vec!["it does not say what it was made from".to_owned()],
        };
        // A tree with changes is like no other: what was built of it cannot be told from what is there now.
        status.state = if status.reasons.is_empty() { State::Current } else { State::Stale };
        Ok(())
    }

    /// The tag that says what is there now: the version's where one is named, else a moving one, else the newest
    /// version's.
    async fn tag(&self, name: &str, image: &Image, repository: &Repository) -> Result<Wanted, RegistryError> {
        let commit = ReleaseVersion::commit(self.source.commit).ok();
        let by_commit = self.source.config.release.version == VersionSource::Commit;
        if let Some(version) = self.version.or(commit.as_ref().filter(|_| by_commit)) {
            let variables = self.variables(name, version.clone());
            let tag = image.tags.iter().find_map(|tag| expand_tag(tag, &variables).ok());
            return Ok(tag.map_or(Wanted::Untold, Wanted::Tag));
        }
        let Ok(unused) = ReleaseVersion::semantic(PLACE) else { return Ok(Wanted::Untold) };
        let variables = self.variables(name, unused);
        let of_version =
            [Variable::Version, Variable::Major, Variable::Minor, Variable::Patch, Variable::Channel];
        let templates =
            image.moving_tags.iter().map(|tag| tag.template()).chain(image.tags.iter().map(String::as_str));
        for template in templates {
            let Ok(parsed) = Template::parse(template) else { continue };
            if !parsed.names(&of_version)
                && let Ok(tag) = parsed.expand_tag(&variables)
            {
                return Ok(Wanted::Tag(tag));
            }
        }
        // The version's place in the tag, so that versions can be read out of the registry's own list.
        let around = image.tags.iter().find_map(|template| {
            let tag = expand_tag(template, &variables).ok()?;
            let (before, after) = tag.split_once(PLACE)?;
            (!after.contains(PLACE)).then(|| (before.to_owned(), after.to_owned()))
        });
        let Some((before, after)) = around else { return Ok(Wanted::Untold) };
        let tags = match repository.tags().await {
            Ok(tags) => tags,
            Err(error) if error.is_not_found() => return Ok(Wanted::None),
            Err(error) => return Err(error),
        };
        let newest = tags
            .iter()
            .filter_map(|tag| {
                let text = tag.strip_prefix(before.as_str())?.strip_suffix(after.as_str())?;
                match ReleaseVersion::semantic(text) {
                    Ok(ReleaseVersion::Semantic(version)) if version.pre.is_empty() => Some((version, tag)),
                    _ => None,
                }
            })
            .max();
        Ok(newest.map_or(Wanted::None, |(_, tag)| Wanted::Tag(tag.clone())))
    }

    fn variables(&self, image: &str, version: ReleaseVersion) -> Variables {
        Variables {
            version,
            image: image.to_owned(),
            platform: None,
            commit: Some(self.source.commit.to_owned()),
            branch: self.branch.map(str::to_owned),
            repository_hash: repository_hash(&self.source.config.release.source),
        }
    }
}

/// A version that no release has, to find its place in a tag.
const PLACE: &str = "918273645.0.0-place.918273645";

/// Which tag is looked at.
enum Wanted {
    Tag(String),
    /// There is no version at all yet.
    None,
    /// It takes a version to tell.
    Untold,
}

/// The key that an image carries.
fn carried(manifest: &Manifest) -> Option<Key> {
    let text = match manifest.is_index() {
        true => manifest.as_index().ok()?.annotations.get(ANNOTATION).cloned(),
        false => manifest.as_image().ok()?.annotations.get(ANNOTATION).cloned(),
    };
    Key::parse(&text?)
}
