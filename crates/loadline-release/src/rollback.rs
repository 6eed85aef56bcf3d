//! Rollback: the moving tags of the whole set go back to an older version, once its set is verified anew.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use loadline_core::config::{Config, Image, ReleaseVersion, Variables, expand_tag, repository_hash};
use loadline_core::finding::FindingDocument;
use loadline_core::verdict::FailureDocument;
use loadline_core::{Clock, Digest, Finding, Outcome, RepositoryName, Verdict};
use loadline_evidence::{Consumer, Limits, verify_image};
use loadline_policy::Policy;
use loadline_registry::{Client, Manifest, RegistryError, Repository};
use loadline_sigstore::Verifier;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::codes::{ROLLBACK_EMPTY, VERSION_DIFFERS, VERSION_INCOMPLETE};
use crate::error::{Ended, ReleaseError};
use crate::ledger::{Ledger, Record};
use crate::plan::stand_in;
use crate::promote::TagWrite;
use crate::tagged::version_of;

/// What a rollback is given.
pub struct Rollback<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The version that the moving tags go back to.
    pub version: &'a ReleaseVersion,
    /// The registries' client.
    pub client: Client,
    /// Who verifies.
    pub verifier: &'a Verifier,
    /// What a consumer demands.
    pub policy: &'a Policy,
    /// The predicate types that a consumer demands.
    pub predicate_types: &'a [String],
    /// The registry, HOST:PORT, that stands in for all others.
    pub stand_in: Option<&'a str>,
    /// The ledger of rollbacks to this version; without one nothing is written anywhere.
    pub ledger: Option<Ledger>,
    /// The clock.
    pub clock: Clock,
}

/// What a rollback came to, as scripts read it: the body of `loadline/rollback/v1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RollbackDocument {
    /// `pass` when every tag is there; for a plan, when every tag may go there.
    pub verdict: Verdict,
    /// The version that the tags go to.
    pub version: String,
    /// Whether nothing was to be written, because that was asked for.
    pub planned: bool,
    /// The set, as far as it is at the registries.
    pub images: Vec<RolledBackImage>,
    /// The moving tags of the whole set; none unless the set is whole and verified.
    pub tags: Vec<RolledBackTag>,
    /// What was found.
    pub findings: Vec<FindingDocument>,
    /// What could not be examined.
    pub failures: Vec<FailureDocument>,
}

/// One image of the version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RolledBackImage {
    /// Its name.
    pub name: String,
    /// What the version's tags point at.
    #[schemars(with = "String")]
    pub digest: Digest,
    /// Where it was verified, by digest: one reference for each repository.
    pub references: Vec<String>,
}

/// One moving tag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RolledBackTag {
    /// The image.
    pub image: String,
    /// The tag, with its repository.
    pub reference: String,
    /// What it goes to.
    #[schemars(with = "String")]
    pub digest: Digest,
    /// What it pointed at before this run; absent where there was no such tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub previous: Option<Digest>,
    /// Whether this run wrote it.
    pub moved: bool,
}

/// How a rollback ended.
#[derive(Debug)]
pub struct RollbackReport {
    /// What scripts read.
    pub document: RollbackDocument,
    /// The findings and failures with their places.
    pub outcome: Outcome,
    /// Whether the inputs were wrong, so that nothing was tried.
    pub usage: bool,
}

/// One image at one repository, found by its version tags.
struct Found<'a> {
    image: &'a str,
    name: RepositoryName,
    repository: Repository,
    manifest: Manifest,
    moving: Vec<String>,
}

/// A moving tag and what becomes of it.
struct Move<'a, 'f> {
    found: &'f Found<'a>,
    tag: String,
    write: TagWrite,
}

impl Rollback<'_> {
    /// Runs it to its end, or plans it where there is no ledger. Never an error: what ends it early is in the
    /// report.
    pub async fn run(self) -> RollbackReport {
        let mut outcome = Outcome::new();
        let mut usage = false;
        let mut document = RollbackDocument {
            verdict: Verdict::Unknown,
            version: self.version.to_string(),
            planned: self.ledger.is_none(),
            images: Vec::new(),
            tags: Vec::new(),
            findings: Vec::new(),
            failures: Vec::new(),
        };
        if let Err(error) = self.steps(&mut document, &mut outcome, &mut usage).await {
            match Ended::from(error) {
                Ended::Usage(findings) => outcome.findings.extend(findings),
                Ended::Failed(failure) => outcome.failures.push(failure),
            }
        }
        document.verdict = outcome.verdict();
        document.findings = outcome.findings.iter().map(Into::into).collect();
        document.failures = outcome.failures.iter().map(Into::into).collect();
        RollbackReport { document, outcome, usage }
    }

    async fn steps(
        &self,
        document: &mut RollbackDocument,
        outcome: &mut Outcome,
        usage: &mut bool,
    ) -> Result<(), ReleaseError> {
        if !self.follows_anything() {
            let message = format!("no image has a moving tag that follows {}", self.version);
            let finding = Finding::error(&ROLLBACK_EMPTY, message);
            outcome.findings.push(finding.help("name a version of a channel that a moving tag follows"));
            *usage = true;
            return Ok(());
        }
        let found = self.find(outcome).await?;
        document.images = images(&found);
        if outcome.verdict() != Verdict::Pass {
            return Ok(());
        }
        outcome.merge(self.verify(&found).await);
        if outcome.verdict() != Verdict::Pass {
            return Ok(());
        }
        let moves = moves(&found).await?;
        document.tags = moves
            .iter()
            .map(|one| RolledBackTag {
                image: one.found.image.to_owned(),
                reference: one.write.reference.clone(),
                digest: one.write.digest.clone(),
                previous: one.write.previous.clone(),
                moved: false,
            })
            .collect();
        let Some(ledger) = &self.ledger else { return Ok(()) };
        if let Some(finding) = contradicts(ledger, &moves) {
            outcome.findings.push(finding);
            return Ok(());
        }
        self.write(ledger, &moves, &mut document.tags).await
    }

    fn follows_anything(&self) -> bool {
        self.config.images.values().any(|image| image.moving_tags.iter().any(|tag| tag.follows(self.version)))
    }

    fn variables(&self, image: &str) -> Variables {
        Variables {
            version: self.version.clone(),
            image: image.to_owned(),
            platform: None,
            commit: None,
            branch: None,
            repository_hash: repository_hash(&self.config.release.source),
        }
    }

    /// Every image at every repository by its version tags. Templates that name more than the version (a commit, a
    /// branch) cannot be told from the version alone and are passed over, unless there is no other.
    async fn find<'a>(&'a self, outcome: &mut Outcome) -> Result<Vec<Found<'a>>, RegistryError> {
        let mut all = Vec::new();
        for (name, image) in &self.config.images {
            let variables = self.variables(name);
            let tags: Vec<String> =
                image.tags.iter().filter_map(|tag| expand_tag(tag, &variables).ok()).collect();
            let moving: Vec<String> = image
                .moving_tags
                .iter()
                .filter(|tag| tag.follows(self.version))
                .filter_map(|tag| expand_tag(tag.template(), &variables).ok())
                .collect();
            if tags.is_empty() {
                let message = format!("none of the tags of `{name}` can be told from the version alone");
                outcome.findings.push(Finding::error(&VERSION_INCOMPLETE, message));
                continue;
            }
            let repositories = stand_in(self.repositories(image), self.stand_in);
            let looked = repositories.into_iter().map(|at| self.find_one(name, at, &tags, &moving));
            for found in join_all(looked).await {
                let (found, findings) = found?;
                outcome.findings.extend(findings);
                all.extend(found);
            }
        }
        outcome.findings.extend(disagreements(&all));
        Ok(all)
    }

    fn repositories<'c>(&'c self, image: &'c Image) -> &'c [RepositoryName] {
        image.repository.as_ref().unwrap_or(&self.config.release.repository).as_slice()
    }

    /// One image at one repository: all its version tags must be there and agree, and it must say its version.
    async fn find_one<'a>(
        &self,
        image: &'a str,
        name: RepositoryName,
        tags: &[String],
        moving: &[String],
    ) -> Result<(Option<Found<'a>>, Vec<Finding>), RegistryError> {
        let repository = Repository::at(&self.client, name.clone());
        let resolved = join_all(tags.iter().map(|tag| repository.resolve(tag))).await;
        let mut findings = Vec::new();
        let mut digest: Option<Digest> = None;
        for (tag, resolved) in tags.iter().zip(resolved) {
            match (resolved?, &digest) {
                (None, _) => findings.push(
                    Finding::error(&VERSION_INCOMPLETE, format!("there is no {name}:{tag}")).help(
                        "name a version that was released whole, or use that version's own configuration",
                    ),
                ),
                (Some(here), Some(first)) if here.digest != *first => findings.push(
                    Finding::error(
                        &VERSION_DIFFERS,
                        format!("{name}:{tag} points at {}, {name}:{} at {first}", here.digest, tags[0]),
                    )
                    .about(&here.digest),
                ),
                (Some(_), Some(_)) => {}
                (Some(here), None) => digest = Some(here.digest),
            }
        }
        let Some(digest) = digest else { return Ok((None, findings)) };
        let manifest = repository.manifest(&digest.to_string()).await?;
        match version_of(&repository, &manifest).await? {
            Some(version) if version == *self.version => {}
            other => {
                let says = other.map_or_else(|| "no version".to_owned(), |other| format!("version {other}"));
                let message = format!("{} says that it is {says}, not {}", name.at(&digest), self.version);
                findings.push(Finding::error(&VERSION_DIFFERS, message).about(&digest));
            }
        }
        Ok((Some(Found { image, name, repository, manifest, moving: moving.to_vec() }), findings))
    }

    /// Everything once more from the registry, as a consumer would: what was good then may not be good now.
    async fn verify(&self, found: &[Found<'_>]) -> Outcome {
        let version = match self.version {
            ReleaseVersion::Semantic(version) => Some(version),
            ReleaseVersion::Commit(_) => None,
        };
        let verified = found.iter().map(|found| async move {
            let image = self.config.images.get(found.image);
            let platforms = image.and_then(|image| image.platforms.as_ref());
            let consumer = Consumer {
                verifier: self.verifier,
                policy: self.policy,
                predicate_types: self.predicate_types,
                platforms: platforms.unwrap_or(&self.config.release.platforms),
                version,
                now: self.clock.now(),
                limits: Limits::default(),
            };
            verify_image(&found.repository, found.manifest.digest(), &consumer).await.outcome
        });
        let mut outcome = Outcome::new();
        for one in join_all(verified).await {
            outcome.merge(one);
        }
        outcome
    }

    async fn write(
        &self,
        ledger: &Ledger,
        moves: &[Move<'_, '_>],
        tags: &mut [RolledBackTag],
    ) -> Result<(), ReleaseError> {
        let open: Vec<_> = moves
            .iter()
            .enumerate()
            .filter(|(_, one)| one.write.previous.as_ref() != Some(&one.write.digest))
            .collect();
        if ledger.rolling_back().is_none() {
            if open.is_empty() {
                return Ok(());
            }
            let writes = open.iter().map(|(_, one)| one.write.clone()).collect();
            ledger.write(Record::RollingBack { version: self.version.to_string(), writes })?;
        }
        for (place, one) in open {
            let key = format!("tag {}", one.write.reference);
            ledger.intent(&key)?;
            let manifest = &one.found.manifest;
            one.found.repository.tag(&one.tag, manifest.media_type(), manifest.bytes.clone()).await?;
            if let Some(tag) = tags.get_mut(place) {
                tag.moved = true;
            }
            ledger.done(&key, &one.write)?;
        }
        ledger.write(Record::RolledBack { version: self.version.to_string() })?;
        Ok(())
    }
}

fn images(found: &[Found<'_>]) -> Vec<RolledBackImage> {
    let mut images: Vec<RolledBackImage> = Vec::new();
    for one in found {
        let digest = one.manifest.digest();
        let reference = one.name.at(digest).to_string();
        match images.iter_mut().find(|image| image.name == one.image && image.digest == *digest) {
            Some(image) => image.references.push(reference),
            None => images.push(RolledBackImage {
                name: one.image.to_owned(),
                digest: digest.clone(),
                references: vec![reference],
            }),
        }
    }
    images
}

/// An image has one digest in all its repositories.
fn disagreements(found: &[Found<'_>]) -> Vec<Finding> {
    let mut first: BTreeMap<&str, &Found<'_>> = BTreeMap::new();
    let mut findings = Vec::new();
    for one in found {
        let known = first.entry(one.image).or_insert(one);
        let (here, there) = (one.manifest.digest(), known.manifest.digest());
        if here != there {
            let message = format!("`{}` is {here} at {}, and {there} at {}", one.image, one.name, known.name);
            findings.push(Finding::error(&VERSION_DIFFERS, message).about(here));
        }
    }
    findings
}

/// What each moving tag points at, and is to point at. One tag of an image may be configured for several channels.
async fn moves<'a, 'f>(found: &'f [Found<'a>]) -> Result<Vec<Move<'a, 'f>>, RegistryError> {
    let mut moves: Vec<Move<'a, 'f>> = Vec::new();
    for one in found {
        for tag in &one.moving {
            let reference = format!("{}:{tag}", one.name);
            if moves.iter().any(|other| other.write.reference == reference) {
                continue;
            }
            let previous = one.repository.resolve(tag).await?.map(|descriptor| descriptor.digest);
            let digest = one.manifest.digest().clone();
            let write = TagWrite { reference, digest, previous };
            moves.push(Move { found: one, tag: tag.clone(), write });
        }
    }
    Ok(moves)
}

/// Whether a rollback that was begun went elsewhere: version tags never move, so then one did.
fn contradicts(ledger: &Ledger, moves: &[Move<'_, '_>]) -> Option<Finding> {
    let begun = ledger.rolling_back()?;
    let other = moves.iter().find_map(|one| {
        let then = begun.iter().find(|then| then.reference == one.write.reference)?;
        (then.digest != one.write.digest).then_some((one, then))
    });
    other.map(|(now, then)| {
        let message = format!(
            "a rollback of {} to {} was begun ({} says so), and the version's tag points at {} now",
            then.reference,
            then.digest,
            ledger.path().display(),
            now.write.digest
        );
        Finding::error(&VERSION_DIFFERS, message).about(&now.write.digest)
    })
}
