//! Verifying an image as a consumer would: from the registry, every platform, every demanded predicate.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures_util::future::join_all;
use jiff::Timestamp;
use loadline_core::proof::{Content, Proof};
use loadline_core::{Algorithm, Digest, Failure, Finding, Outcome, Platform};
use loadline_policy::{
    Candidate, Demand, Gathered, JudgeContext, Judged, Policy, Target, Tree, add_up_all, demands, judge,
};
use loadline_registry::{RegistryError, Repository};
use loadline_sigstore::{Expected, Verifier, VerifyError};
use semver::Version;

use crate::codes::{IMAGE_UNREADABLE, PLATFORM_MISSING};
use crate::gather::{Found, Gatherer, Hanging, Limits};

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
    fn failed(digest: &Digest, error: &RegistryError) -> Self {
        let cause = Failure::from(error);
        let failure = Failure { code: &IMAGE_UNREADABLE, ..cause };
        Self {
            digest: digest.clone(),
            children: Vec::new(),
            tree: Tree::default(),
            outcome: Outcome::from(failure),
        }
    }
}

/// A bundle as it was verified, wherever it hangs.
type Checked = Result<Arc<Proof>, Arc<VerifyError>>;

/// Verifies the image of this digest. Never an error: what could not be asked is in the outcome.
pub async fn verify_image(repository: &Repository, digest: &Digest, consumer: &Consumer<'_>) -> Verification {
    let manifest = match repository.manifest(&digest.to_string()).await {
        Ok(manifest) => manifest,
        Err(error) => return Verification::failed(digest, &error),
    };
    let children: Vec<(Option<Platform>, Digest)> = match manifest.as_index() {
        Ok(index) => index.images().map(|image| (image.platform(), image.digest.clone())).collect(),
        Err(_) => vec![(None, digest.clone())],
    };
    let mut outcome = Outcome::new();
    let chosen = choose(digest, manifest.is_index(), &children, consumer, &mut outcome);
    let targets: Vec<Target> = chosen
        .iter()
        .map(|(platform, child)| Target {
            digest: child.clone(),
            platform: platform.clone(),
            index: manifest.is_index().then(|| digest.clone()),
        })
        .collect();

    let mut places: Vec<Digest> = vec![digest.clone()];
    places.extend(chosen.iter().map(|(_, child)| child.clone()).filter(|child| child != digest));
    let gatherer =
        Gatherer::new(repository.clone(), consumer.limits).preferring(consumer.predicate_types.to_vec());
    let hanging = join_all(places.iter().map(|place| gatherer.gather(place))).await;
    let hanging: BTreeMap<Digest, Hanging> = places.iter().cloned().zip(hanging).collect();

    let checked = check_all(consumer.verifier, &hanging, &places);
    let tree = judge_all(consumer, &demands(&targets, consumer.predicate_types), &hanging, &checked);
    outcome.merge(tree.outcome());
    if targets.is_empty() && outcome.findings.is_empty() {
        let message = format!("{digest} is an index without images: there is nothing to verify");
        outcome.findings.push(Finding::error(&PLATFORM_MISSING, message).about(digest));
    }
    Verification { digest: digest.clone(), children, tree, outcome }
}

/// The children that are demanded; a finding for each platform that is not there.
fn choose(
    digest: &Digest,
    is_index: bool,
    children: &[(Option<Platform>, Digest)],
    consumer: &Consumer<'_>,
    outcome: &mut Outcome,
) -> Vec<(Option<Platform>, Digest)> {
    if consumer.platforms.is_empty() || !is_index {
        return children.to_vec();
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
    places: &[Digest],
) -> BTreeMap<Digest, Checked> {
    let mut checked = BTreeMap::new();
    for found in hanging.values().flat_map(|hanging| &hanging.found) {
        checked.entry(found.digest.clone()).or_insert_with(|| {
            verifier.verify(&found.bytes, Expected::OneOf(places)).map(Arc::new).map_err(Arc::new)
        });
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
            Err(error) => Judged::Bad(error.finding().about(digest)),
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
