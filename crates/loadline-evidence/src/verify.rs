//! Verifying an image as a consumer would: from the registry, every platform, every demanded predicate.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures_util::future::{join, join_all};
use jiff::Timestamp;
use loadline_core::proof::{Content, Proof};
use loadline_core::{Algorithm, Digest, Failure, Finding, Outcome, Platform, Verdict};
use loadline_policy::{
    Candidate, Demand, Gathered, JudgeContext, Judged, Policy, Target, Tree, add_up_all, demands, judge,
};
use loadline_registry::{Manifest, RegistryError, Repository};
use loadline_sigstore::{Expected, Verifier};
use semver::Version;

use crate::codes::{IMAGE_UNREADABLE, PLATFORM_MISSING, PLATFORMS_NOT_SEEN};
use crate::gather::{Found, Gatherer, Hanging, Limits};
use crate::online::{Asked, NotBorne};
use crate::sources::Sources;

/// What a consumer demands, and by what it is judged.
#[derive(Debug, Clone, Copy)]
pub struct Consumer<'a> {
    /// Who turns bundles into proofs.
    pub verifier: &'a Verifier,
    /// Who must have signed, and what else must hold.
    pub policy: &'a Policy,
    /// The predicate types that must be proven of every platform; none demands any good signature.
    pub predicate_types: &'a [String],
    /// The platforms that must be there; none demands those that are there.
    pub platforms: &'a [Platform],
    /// The version that the image claims to be, for identities that hold for a range of versions.
    pub version: Option<&'a Version>,
    /// The moment of judgement.
    pub now: Timestamp,
    /// How much evidence is looked at.
    pub limits: Limits,
}

/// What came of verifying one image.
#[derive(Debug, Clone)]
pub struct Verification {
    /// The digest that was verified: what to pull.
    pub digest: Digest,
    /// The images in it, where it is an index; itself otherwise.
    pub children: Vec<(Option<Platform>, Digest)>,
    /// What was proven, demand by demand.
    pub tree: Tree,
    /// All findings and failures.
    pub outcome: Outcome,
}

impl Verification {
    fn failed(digest: &Digest, failure: Failure) -> Self {
        Self {
            digest: digest.clone(),
            children: Vec::new(),
            tree: Tree::default(),
            outcome: Outcome::from(failure),
        }
    }
}

/// All that was read of an image and its evidence: what a verdict follows from, and nothing else.
#[derive(Debug, Clone)]
pub struct Collected {
    /// The image's digest.
    pub digest: Digest,
    /// Its manifest, as it came; none where it was not looked at.
    pub manifest: Option<Manifest>,
    /// The images in it, where it is an index; itself otherwise.
    pub children: Vec<(Option<Platform>, Digest)>,
    /// What hangs on the image and on those of its children that are demanded.
    pub hanging: BTreeMap<Digest, Hanging>,
    /// Why the image could not be read.
    pub unread: Option<Failure>,
}

impl Collected {
    fn is_index(&self) -> bool {
        self.manifest.as_ref().is_some_and(Manifest::is_index)
    }

    /// All digests that evidence was looked for.
    pub fn places(&self) -> Vec<Digest> {
        self.hanging.keys().cloned().collect()
    }
}

/// A bundle as it was verified, wherever it hangs.
type Checked = Result<Arc<Proof>, Box<Finding>>;

/// Verifies the image of this digest by what hangs on it at its registry. Never an error: what could not be
/// asked is in the outcome.
pub async fn verify_image(repository: &Repository, digest: &Digest, consumer: &Consumer<'_>) -> Verification {
    let sources = Sources { registry: Some(repository.clone()), ..Sources::default() };
    verify_from(&sources, Start::Digest(digest.clone()), consumer).await.0
}

/// Where a verification begins.
#[derive(Debug, Clone)]
pub enum Start {
    /// With a digest, whose manifest is to be read.
    Digest(Digest),
    /// With a manifest that a tag led to: the tag was read once, and is not read again.
    Manifest(Box<Manifest>),
}

impl Start {
    /// The image's digest.
    pub fn digest(&self) -> &Digest {
        match self {
            Self::Digest(digest) => digest,
            Self::Manifest(manifest) => manifest.digest(),
        }
    }
}

/// Verifies the image of this digest by what any of these sources has, and hands out what was read besides.
///
/// First everything is asked that costs no more than it must: the files at hand, the registry's list, and what
/// does not say that it is something else than what is demanded. Where a demand is still open, all that is left
/// is asked at once: the rest of the list, fallback tags, cosign's tags, GitHub.
pub async fn verify_from(
    sources: &Sources,
    start: Start,
    consumer: &Consumer<'_>,
) -> (Verification, Collected) {
    let gatherer = sources.registry.as_ref().map(|repository| {
        Gatherer::new(repository.clone(), consumer.limits)
            .preferring(consumer.predicate_types.to_vec())
            .everything(sources.everything)
    });
    let mut collected = collect(sources, gatherer.as_ref(), start, consumer).await;
    let first = conclude(&collected, consumer, &Asked::new());
    let open: BTreeSet<Digest> = first
        .tree
        .rows
        .iter()
        .filter(|row| row.verdict != Verdict::Pass)
        .flat_map(|row| [Some(row.demand.target.digest.clone()), row.demand.target.index.clone()])
        .flatten()
        .collect();
    if open.is_empty() || (gatherer.is_none() && sources.github.is_none()) {
        return (first, collected);
    }
    let further =
        collected.hanging.iter_mut().filter(|(place, _)| open.contains(*place)).map(|(place, hanging)| {
            let gatherer = gatherer.as_ref();
            async move {
                let github = async {
                    match &sources.github {
                        Some(github) => github.gather(place, &consumer.limits).await,
                        None => Hanging::default(),
                    }
                };
                let tags = async {
                    if let Some(gatherer) = gatherer {
                        gatherer.look_further(place, hanging).await;
                    }
                    hanging
                };
                let (github, hanging) = join(github, tags).await;
                hanging.merge(github);
            }
        });
    join_all(further).await;
    (conclude(&collected, consumer, &Asked::new()), collected)
}

/// Reads the image, and what is nearest of its evidence.
async fn collect(
    sources: &Sources,
    gatherer: Option<&Gatherer>,
    start: Start,
    consumer: &Consumer<'_>,
) -> Collected {
    let digest = &start.digest().clone();
    let mut collected = Collected {
        digest: digest.clone(),
        manifest: None,
        children: vec![(None, digest.clone())],
        hanging: BTreeMap::new(),
        unread: None,
    };
    let at_hand = || Hanging { found: sources.bundles.clone(), ..Hanging::default() };
    let (Some(repository), Some(gatherer)) = (&sources.registry, gatherer) else {
        collected.hanging.insert(digest.clone(), at_hand());
        return collected;
    };
    // What hangs on the digest is asked for at once with the manifest: it does not depend on it.
    let read = async {
        match start {
            Start::Manifest(manifest) => Ok(*manifest),
            Start::Digest(digest) => repository.manifest(&digest.to_string()).await,
        }
    };
    let whole = async {
        let manifest = read.await?;
        let mut children = collected.children.clone();
        if let Ok(index) = manifest.as_index() {
            children = index.images().map(|image| (image.platform(), image.digest.clone())).collect();
        }
        let seen = Collected { manifest: Some(manifest), children, ..collected.clone() };
        let others: BTreeSet<Digest> = choose(&seen, consumer, &mut Outcome::new())
            .into_iter()
            .map(|(_, child)| child)
            .filter(|child| child != digest)
            .collect();
        let hanging = join_all(others.iter().map(|place| gatherer.gather(place))).await;
        Ok::<_, RegistryError>(Collected { hanging: others.into_iter().zip(hanging).collect(), ..seen })
    };
    let (whole, mut own) = join(whole, gatherer.gather(digest)).await;
    collected = match whole {
        Ok(whole) => whole,
        Err(error) => {
            collected.unread = Some(Failure { code: &IMAGE_UNREADABLE, ..Failure::from(&error) });
            return collected;
        }
    };
    own.merge(at_hand());
    collected.hanging.insert(digest.clone(), own);
    collected
}

/// The verdict that follows from what was read. It asks nobody: the same input gives the same verdict.
pub fn conclude(collected: &Collected, consumer: &Consumer<'_>, asked: &Asked) -> Verification {
    let digest = &collected.digest;
    if let Some(failure) = &collected.unread {
        return Verification::failed(digest, failure.clone());
    }
    let mut outcome = Outcome::new();
    let chosen = choose(collected, consumer, &mut outcome);
    let targets: Vec<Target> = chosen
        .iter()
        .map(|(platform, child)| Target {
            digest: child.clone(),
            platform: platform.clone(),
            index: collected.is_index().then(|| digest.clone()),
        })
        .collect();
    let checked = check_all(consumer.verifier, &collected.hanging, asked);
    let hanging = with_unknown(&collected.hanging, asked);
    let tree = judge_all(consumer, &demands(&targets, consumer.predicate_types), &hanging, &checked);
    outcome.merge(tree.outcome());
    if targets.is_empty() && outcome.findings.is_empty() {
        let message = format!("{digest} is an index without images: there is nothing to verify");
        outcome.findings.push(Finding::error(&PLATFORM_MISSING, message).about(digest));
    }
    Verification { digest: digest.clone(), children: collected.children.clone(), tree, outcome }
}

/// Logs that could not be asked are failures where their bundles hang.
fn with_unknown(hanging: &BTreeMap<Digest, Hanging>, asked: &Asked) -> BTreeMap<Digest, Hanging> {
    let mut hanging = hanging.clone();
    for hanging in hanging.values_mut() {
        let unknown = hanging.found.iter().filter_map(|found| match asked.get(&found.digest) {
            Some(Err(NotBorne::Unknown(failure))) => Some(failure.clone()),
            _ => None,
        });
        let unknown: Vec<Failure> = unknown.collect();
        hanging.failures.extend(unknown);
    }
    hanging
}

/// The children that are demanded; a finding for each platform that is not there.
fn choose(
    collected: &Collected,
    consumer: &Consumer<'_>,
    outcome: &mut Outcome,
) -> Vec<(Option<Platform>, Digest)> {
    let (digest, children) = (&collected.digest, &collected.children);
    if collected.manifest.is_none() {
        let message = format!("{digest} itself was not read: what platforms it has is not known");
        if consumer.platforms.is_empty() {
            outcome.findings.push(Finding::note(&PLATFORMS_NOT_SEEN, message).about(digest));
        } else {
            let failure = Failure::new(&PLATFORMS_NOT_SEEN, message);
            outcome
                .failures
                .push(failure.help("verify the platform's own digest, or let the registry be asked"));
        }
        return children.clone();
    }
    if consumer.platforms.is_empty() || !collected.is_index() {
        return children.clone();
    }
    for platform in consumer.platforms {
        if !children.iter().any(|(child, _)| child.as_ref() == Some(platform)) {
            let there: Vec<String> =
                children.iter().filter_map(|(child, _)| Some(child.as_ref()?.to_string())).collect();
            outcome.findings.push(
                Finding::error(
                    &PLATFORM_MISSING,
                    format!("the image has no manifest for {platform}; it has {}", there.join(", ")),
                )
                .about(digest)
                .help("build the missing leg and merge again"),
            );
        }
    }
    let wanted =
        |platform: &Option<Platform>| platform.as_ref().is_some_and(|p| consumer.platforms.contains(p));
    children.iter().filter(|(platform, _)| wanted(platform)).cloned().collect()
}

/// Verifies every bundle once, however many digests it hangs on.
fn check_all(
    verifier: &Verifier,
    hanging: &BTreeMap<Digest, Hanging>,
    asked: &Asked,
) -> BTreeMap<Digest, Checked> {
    let places: Vec<Digest> = hanging.keys().cloned().collect();
    let mut checked = BTreeMap::new();
    for found in hanging.values().flat_map(|hanging| &hanging.found) {
        match asked.get(&found.digest) {
            Some(Err(NotBorne::Wrong(finding))) => {
                checked.insert(found.digest.clone(), Err(Box::new(finding.clone())));
            }
            // Neither good nor bad: the failure beside it says why.
            Some(Err(NotBorne::Unknown(_))) => {}
            Some(Ok(())) | None => {
                checked.entry(found.digest.clone()).or_insert_with(|| {
                    verifier
                        .verify_any(&found.bytes, Expected::OneOf(&places))
                        .map(Arc::new)
                        .map_err(|error| Box::new(error.finding()))
                });
            }
        }
    }
    checked
}

/// Holds every proof against the policy, and adds up. Provenance goes first: it says which commit was
/// built, which other statements do not.
fn judge_all(
    consumer: &Consumer<'_>,
    demands: &[Demand],
    hanging: &BTreeMap<Digest, Hanging>,
    checked: &BTreeMap<Digest, Checked>,
) -> Tree {
    let mut contexts: BTreeMap<Digest, JudgeContext> = BTreeMap::new();
    for digest in hanging.keys() {
        let mut context = JudgeContext::new(digest.clone(), consumer.now);
        context.version = consumer.version.cloned();
        context.platform = demands
            .iter()
            .find(|demand| demand.target.digest == *digest)
            .and_then(|demand| demand.target.platform.clone());
        contexts.insert(digest.clone(), context);
    }
    let index_evidence = consumer.policy.index_evidence();
    let first = add_up_all(demands, index_evidence, &gathered(consumer, hanging, checked, &contexts));
    let mut learned = false;
    for row in &first.rows {
        let Some(commit) = row.built_commit() else { continue };
        for digest in
            [Some(&row.demand.target.digest), row.demand.target.index.as_ref()].into_iter().flatten()
        {
            if let Some(context) = contexts.get_mut(digest).filter(|context| context.built_commit.is_none()) {
                context.built_commit = Some(commit.clone());
                learned = true;
            }
        }
    }
    if !learned {
        return first;
    }
    add_up_all(demands, index_evidence, &gathered(consumer, hanging, checked, &contexts))
}

fn gathered(
    consumer: &Consumer<'_>,
    hanging: &BTreeMap<Digest, Hanging>,
    checked: &BTreeMap<Digest, Checked>,
    contexts: &BTreeMap<Digest, JudgeContext>,
) -> BTreeMap<Digest, Gathered> {
    let judged = |digest: &Digest, found: &Found| {
        let result = match checked.get(&found.digest)? {
            Ok(proof) => {
                let context = contexts.get(spoken_of(proof, digest, contexts.keys()))?;
                Judged::Proven { proof: Arc::clone(proof), findings: judge(consumer.policy, proof, context) }
            }
            Err(finding) => Judged::Bad(Finding::clone(finding).about(digest)),
        };
        Some(Candidate { source: found.source.clone(), result })
    };
    hanging
        .iter()
        .map(|(digest, hanging)| {
            let good = hanging.found.iter().filter_map(|found| judged(digest, found));
            let malformed = hanging.malformed.iter().map(|(source, finding)| Candidate {
                source: source.clone(),
                result: Judged::Bad(finding.clone()),
            });
            let candidates = good.chain(malformed).collect();
            (digest.clone(), Gathered { candidates, failures: hanging.failures.clone() })
        })
        .collect()
}

/// What a proof is judged about: the digest that it hangs on if it names that, else another one of the image
/// that it names. Evidence about a platform may hang on the index, and the other way round.
fn spoken_of<'a>(proof: &Proof, place: &'a Digest, mut all: impl Iterator<Item = &'a Digest>) -> &'a Digest {
    let names = |digest: &Digest| match &proof.content {
        Content::Statement { subjects, .. } => subjects.iter().any(|subject| subject.is(digest)),
        Content::Message { sha256 } => digest.algorithm() == Algorithm::Sha256 && digest.hex() == sha256,
    };
    if names(place) { place } else { all.find(|digest| names(digest)).unwrap_or(place) }
}
