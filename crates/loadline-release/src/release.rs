//! A release: what it is given, and its steps in their order.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use loadline_core::config::{Config, TimeLimit};
use loadline_core::{Clock, Digest, Failure, Finding, Outcome, Platform, Verdict};
use loadline_evidence::Patience;
use loadline_evidence::provenance::Workflow;
use loadline_policy::Policy;
use loadline_process::Environment;
use loadline_registry::{Client, Counters, Descriptor, Repository};
use loadline_sigstore::{Signer, Verifier};

use crate::codes::{LEDGER_TORN, VERSION_CONTENT_DIFFERS, VERSION_NOT_READY};
use crate::document::{Effects, ReleaseDocument, ReleasedImage, ReleasedPlatform, StepDocument};
use crate::error::{Ended, ReleaseError};
use crate::event::{Event, Listener, Step};
use crate::github::GitHubPlace;
use crate::ledger::{Ledger, Record};
use crate::leg::Leg;
use crate::legs::LegSet;
use crate::plan::{Plan, PlannedImage};
use crate::statement::Settled;
use crate::steps;
use crate::store::Store;

/// How much is asked of registries at once.
pub(crate) const PARALLEL: usize = 8;

/// How far a release goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Extent {
    /// From the beginning to the tags.
    #[default]
    Whole,
    /// Everything but the tags.
    Held,
    /// Only the tags, of a set that an earlier run held: what it did is looked at again, and nothing is built.
    Promotion,
}

/// What a release is given.
pub struct Release<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The folder that the configuration's paths count from.
    pub root: &'a Path,
    /// The plan.
    pub plan: &'a Plan,
    /// Whether what is not committed may be released.
    pub allow_dirty: bool,
    /// The legs that other machines built, instead of building any here.
    pub legs: Option<LegSet>,
    /// What was found before it began.
    pub notes: Vec<Finding>,
    /// The ledger, open.
    pub ledger: Ledger,
    /// The files beside it.
    pub store: Store,
    /// A folder for what only this machine needs: layouts of what was built.
    pub scratch: &'a Path,
    /// The registries' client.
    pub client: Client,
    /// A client without credentials: it sees what everyone sees.
    pub everyone: Client,
    /// How far it goes.
    pub extent: Extent,
    /// Who signs.
    pub signer: Arc<Signer>,
    /// How long services that are down are waited for.
    pub patience: Patience,
    /// GitHub's attestations, where evidence may go there too.
    pub github: Option<&'a GitHubPlace>,
    /// Who verifies.
    pub verifier: Arc<Verifier>,
    /// What a consumer demands.
    pub policy: &'a Policy,
    /// The predicate types that a consumer demands.
    pub predicate_types: &'a [String],
    /// The workflow that runs this, if one does.
    pub workflow: Option<&'a Workflow>,
    /// The builder as a URI.
    pub builder_id: &'a str,
    /// The environment of child processes.
    pub environment: &'a Environment,
    /// The clock.
    pub clock: Clock,
    /// Who listens.
    pub listener: &'a dyn Listener,
}

/// What a release has come to so far.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    pub(crate) legs: Vec<Leg>,
    pub(crate) indexes: Vec<Index>,
    /// Bills of materials, each with its image's name.
    pub(crate) sboms: Vec<(String, Settled)>,
    /// The digests of the statements that were attached, each with its image's name.
    pub(crate) statements: Vec<(String, Digest)>,
    pub(crate) tags: Vec<WrittenTag>,
    /// How many tags this run wrote.
    pub(crate) moved: u64,
}

/// One image's index, by digest.
#[derive(Debug, Clone)]
pub(crate) struct Index {
    pub(crate) image: String,
    pub(crate) descriptor: Descriptor,
    pub(crate) bytes: Vec<u8>,
    pub(crate) children: Vec<(Platform, Descriptor)>,
}

impl Index {
    /// The index and its children: all that evidence hangs on.
    pub(crate) fn subjects(&self) -> impl Iterator<Item = &Descriptor> {
        std::iter::once(&self.descriptor).chain(self.children.iter().map(|(_, child)| child))
    }
}

#[derive(Debug)]
pub(crate) struct WrittenTag {
    pub(crate) image: String,
    pub(crate) repository: usize,
    pub(crate) tag: String,
}

/// How a release ended.
#[derive(Debug)]
pub struct Report {
    /// What scripts read.
    pub document: ReleaseDocument,
    /// The findings with their places.
    pub findings: Vec<Finding>,
    /// The failures.
    pub failures: Vec<Failure>,
    /// Whether the inputs were wrong, so that nothing was tried.
    pub usage: bool,
}

impl Release<'_> {
    /// Runs the release to its end, taking up what an earlier run left. Never an error: what ends it early
    /// is in the report.
    pub async fn run(self) -> Report {
        let mut outcome = Outcome::from(self.notes.clone());
        let mut documents = Vec::new();
        let mut progress = Progress::default();
        let mut usage = false;
        let before = self.client.counters();
        let requests = || self.client.counters().requests + self.everyone.counters().requests;
        match self.begin() {
            Ok(findings) => outcome.findings.extend(findings),
            Err(error) => end(&mut outcome, &mut usage, error),
        }
        self.listener.hear(&Event::ReleaseBegun {
            version: self.plan.version.clone(),
            commit: self.plan.commit.clone(),
            images: self.plan.images.iter().map(|image| image.name.clone()).collect(),
            resumed: self.ledger.begun().is_some() && self.ledger.resumed(),
        });
        for step in Step::ALL {
            if outcome.verdict() != Verdict::Pass || (self.extent == Extent::Held && *step == Step::Promote) {
                break;
            }
            let (began, at) = (Instant::now(), requests());
            let limit = self.time_limit();
            let result = match tokio::time::timeout(limit, self.step(*step, &mut progress)).await {
                Ok(result) => result,
                Err(_) => Err(ReleaseError::TimedOut {
                    step: format!("the step `{}`", step.name()),
                    limit: TimeLimit(limit).to_string(),
                }),
            };
            let ms = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            let requests = requests() - at;
            match result {
                Ok(found) => outcome.merge(found),
                Err(error) => end(&mut outcome, &mut usage, error),
            }
            documents.push(StepDocument { name: step.name().to_owned(), ms, requests });
            self.listener.hear(&Event::StepEnded { step: *step, verdict: outcome.verdict(), ms, requests });
        }
        self.listener.hear(&Event::ReleaseEnded { verdict: outcome.verdict() });
        let effects = effects(self.client.counters() - before, progress.moved);
        let document = ReleaseDocument {
            verdict: outcome.verdict(),
            version: self.plan.version.clone(),
            held: self.extent == Extent::Held,
            images: self.released(&progress),
            steps: documents,
            effects,
            findings: outcome.findings.iter().map(Into::into).collect(),
            failures: outcome.failures.iter().map(Into::into).collect(),
        };
        Report { document, findings: outcome.findings, failures: outcome.failures, usage }
    }

    async fn step(&self, step: Step, progress: &mut Progress) -> Result<Outcome, ReleaseError> {
        match step {
            Step::Preflight => steps::preflight::run(self).await,
            Step::Check => Ok(steps::check::run(self)),
            Step::Build => steps::build::run(self, progress).await,
            Step::Merge => steps::merge::run(self, progress).await,
            Step::Sbom => steps::sbom::run(self, progress).await,
            Step::Attest => steps::attest::run(self, progress).await,
            Step::Verify => steps::verify::run(self, progress).await,
            Step::Gate => Ok(steps::gate::run(self, progress)),
            Step::Summary => steps::summary::run(self, progress).await,
            Step::Pull => {
                let outcome = steps::pull::run(self, progress).await?;
                if outcome.verdict() == Verdict::Pass && !self.ledger.is_ready(&self.plan.digest()) {
                    self.ledger.write(Record::Ready { plan: self.plan.digest() })?;
                }
                Ok(outcome)
            }
            Step::Promote => steps::promote::run(self, progress).await,
        }
    }

    /// How long a step may take that does all images one after the other.
    fn time_limit(&self) -> Duration {
        Duration::from_secs(self.plan.images.iter().map(|image| image.time_limit_seconds).sum())
    }

    /// Writes the ledger's first record, or makes sure that it is this release's.
    fn begin(&self) -> Result<Vec<Finding>, ReleaseError> {
        let mut findings = Vec::new();
        if let Some(torn) = self.ledger.torn() {
            findings.push(Finding::note(
                &LEDGER_TORN,
                format!("the ledger's last line was half written; it is in {} now", torn.display()),
            ));
        }
        let plan = self.plan.digest();
        if self.extent == Extent::Promotion && !self.ledger.is_ready(&plan) {
            findings.push(not_ready(self));
            return Ok(findings);
        }
        match self.ledger.begun() {
            None => self.ledger.write(Record::Begun {
                version: self.plan.version.clone(),
                plan,
                commit: self.plan.commit.clone(),
            })?,
            Some(begun) if begun.plan == plan => {}
            Some(begun) => findings.push(
                Finding::error(
                    &VERSION_CONTENT_DIFFERS,
                    format!(
                        "version {} was begun {} from commit {} with other content ({} says so); this is commit {}",
                        begun.version,
                        begun.at,
                        begun.commit,
                        self.ledger.path().display(),
                        self.plan.commit
                    ),
                )
                .help("release the next version, or check out what the ledger names"),
            ),
        }
        Ok(findings)
    }

    /// The moment the release began, RFC 3339: every time in its statements.
    pub(crate) fn began_at(&self) -> String {
        self.ledger.begun().map_or_else(|| self.clock.now().to_string(), |begun| begun.at)
    }

    /// An image's repositories, ready to be called.
    pub(crate) fn repositories(&self, image: &PlannedImage) -> Vec<Repository> {
        image.repositories.iter().map(|name| Repository::at(&self.client, name.clone())).collect()
    }

    /// Tells that a part of a step is done.
    pub(crate) fn part(&self, step: Step, part: impl Into<String>, unchanged: bool) {
        self.listener.hear(&Event::PartDone { step, part: part.into(), unchanged });
    }

    /// Tells that a step of so many parts begins.
    pub(crate) fn parts(&self, step: Step, parts: usize) {
        self.listener.hear(&Event::StepBegun { step, parts });
    }

    /// The planned image of this name.
    pub(crate) fn planned(&self, name: &str) -> Option<&PlannedImage> {
        self.plan.images.iter().find(|image| image.name == name)
    }

    /// Whether everyone may pull an image from the repository at this place of its list. The configuration's own
    /// list counts, also where another registry stands in.
    pub(crate) fn is_public(&self, image: &PlannedImage, place: usize) -> bool {
        let Some(configured) = self.config.images.get(&image.name) else { return false };
        let repositories = configured.repository.as_ref().unwrap_or(&self.config.release.repository);
        let name = repositories.as_slice().get(place);
        name.is_some_and(|name| self.config.is_public(configured, name.registry()))
    }

    fn released(&self, progress: &Progress) -> Vec<ReleasedImage> {
        let image = |index: &Index| {
            let planned = self.planned(&index.image)?;
            let repository = planned.repositories.first()?;
            let digest = index.descriptor.digest.clone();
            Some(ReleasedImage {
                name: index.image.clone(),
                reference: repository.at(&digest).to_string(),
                digest,
                tags: progress
                    .tags
                    .iter()
                    .filter(|tag| tag.image == index.image && tag.repository == 0)
                    .map(|tag| tag.tag.clone())
                    .collect(),
                platforms: index
                    .children
                    .iter()
                    .map(|(platform, child)| ReleasedPlatform {
                        platform: platform.clone(),
                        digest: child.digest.clone(),
                    })
                    .collect(),
            })
        };
        progress.indexes.iter().filter_map(image).collect()
    }

    /// The digest of the text that the policy was made from.
    pub(crate) fn policy_digest(&self) -> Digest {
        Digest::of(self.policy.lines().join("\n"))
    }
}

fn not_ready(release: &Release<'_>) -> Finding {
    let (version, ledger) = (&release.plan.version, release.ledger.path().display());
    let message = match release.ledger.begun() {
        None => format!("version {version} was never begun: there is nothing in {ledger}"),
        Some(begun) if begun.plan != release.plan.digest() => format!(
            "version {version} was begun from commit {} with other content ({ledger} says so)",
            begun.commit
        ),
        Some(_) => format!("version {version} did not get as far as its tags ({ledger} says so)"),
    };
    Finding::error(&VERSION_NOT_READY, message)
        .help("run `loadline release --hold` in this checkout with this ledger first")
}

fn end(outcome: &mut Outcome, usage: &mut bool, error: ReleaseError) {
    match Ended::from(error) {
        Ended::Usage(findings) => {
            outcome.findings.extend(findings);
            *usage = true;
        }
        Ended::Failed(failure) => outcome.failures.push(failure),
    }
}

fn effects(done: Counters, tags_moved: u64) -> Effects {
    Effects { blobs_pushed: done.blobs_pushed, manifests_pushed: done.manifests_pushed, tags_moved }
}
