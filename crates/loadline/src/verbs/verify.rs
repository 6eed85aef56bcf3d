//! `loadline verify`: images as a consumer gets them.

use camino::{Utf8Path, Utf8PathBuf};
use futures_util::stream::{self, StreamExt};
use loadline_core::document::{self, Document};
use loadline_core::{Failure, Outcome, Platform, Reference, Verdict};
use loadline_evidence::archive::{Archive, ArchivedImage};
use loadline_evidence::online::Asked;
use loadline_evidence::{
    Collected, Consumer, Found, GitHubSource, IMAGE_UNREADABLE, Limits, Sources, Start, Verification,
    ask_logs, conclude, verify_from,
};
use loadline_registry::{Client, Http, HttpOptions, Options, Repository};
use loadline_report::Format;
use loadline_sigstore::Verifier;
use semver::Version;

use crate::at_hand::SourceArgs;
use crate::demands::{DemandArgs, Demands};
use crate::exit::Exit;
use crate::kept::{KeptArgs, Verdicts, archived, digest_alone, with_tag_note};
use crate::manifests::{self, Manifest};
use crate::render::outcome::{fail, show};
use crate::render::verification::{VerificationDocument, markdown, tree};
use crate::session::wait;
use crate::setup::client;
use crate::third_parties::{Held, ThirdParties, only_pinned};
use crate::trust;
use crate::world::World;

/// How many images are verified at once.
const PARALLEL: usize = 8;

/// Verify images from the registry: every platform, every demanded predicate
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The images, by tag or digest.
    #[arg(required_unless_present_any = ["file", "from"], value_name = "REF")]
    references: Vec<Reference>,
    /// All images that a file names: compose, Kubernetes, kustomize, Helm values, workflow, Dockerfile, or any
    /// with marked lines; a folder of such; or `-`, what a program renders.
    #[arg(long, short, value_name = "FILE")]
    file: Vec<Utf8PathBuf>,
    /// Write the digests of what passes into the files, and change nothing else there; what came from standard
    /// input goes to standard output, if all of it passes.
    #[arg(long, requires = "file")]
    pin: bool,
    /// The configuration whose `[verify]` says what is demanded.
    #[arg(long, value_name = "FILE")]
    config: Option<Utf8PathBuf>,
    /// Only these platforms; all of the image's without it.
    #[arg(long, value_name = "OS/ARCH")]
    platform: Vec<Platform>,
    /// Who is believed, instead of the public-good instance and GitHub's: a trusted root file of a private
    /// Sigstore, or `public-good`, `github` or `staging`.
    #[arg(long, value_name = "ROOT")]
    trusted_root: Vec<String>,
    #[command(flatten)]
    demands: DemandArgs,
    #[command(flatten)]
    sources: SourceArgs,
    #[command(flatten)]
    kept: KeptArgs,
    /// Print nothing but the references to pull, pinned by digest.
    #[arg(long, short)]
    quiet: bool,
    /// How to show what was found.
    #[arg(long, value_name = "FORMAT", default_value_t)]
    format: Format,
}

pub(crate) fn run(args: Args, world: &World) -> Exit {
    let demands = match args.demands.resolve(world, args.config.as_deref(), args.format) {
        Ok(demands) => demands,
        Err(exit) => return exit,
    };
    let roots = if args.trusted_root.is_empty() { &demands.roots } else { &args.trusted_root };
    let believed = match trust::chosen(world, roots) {
        Ok(believed) => believed,
        Err(failure) => return fail(world, failure, args.format),
    };
    let archive = match args.kept.archive(world) {
        Ok(archive) => archive,
        Err(outcome) => {
            show(world, &outcome, args.format, "verify", Utf8Path::new("."));
            return outcome.verdict().into();
        }
    };
    let (archive, believed) = match archive {
        None => (None, believed),
        Some((archive, roots)) => (Some(archive), roots.unwrap_or(believed)),
    };
    let verifier = Verifier::new(believed).with_keys(demands.keys.clone(), demands.key_trust);
    let bundles = match args.sources.bundles(world) {
        Ok(bundles) => bundles,
        Err(failure) => return fail(world, failure, args.format),
    };
    let http = Http::new(HttpOptions { environment: world.environment.clone(), ..HttpOptions::default() });
    let github = demands.source.as_deref().filter(|_| trust::believes_github(roots));
    let evidence = Evidence {
        bundles,
        github: args.sources.github(world, &http, github),
        offline: args.sources.offline,
        log_online: args.sources.log_online || demands.log_online,
    };
    let is_stream = args.pin && args.file.iter().any(|path| path == manifests::STREAM);
    if is_stream && args.format != Format::Human {
        world.tell(
            "error: `-f - --pin` writes what it pinned to standard output: no other format can go there",
        );
        return Exit::Usage;
    }
    let third_parties = match demands.config.as_ref().map(ThirdParties::of).transpose() {
        Ok(third_parties) => third_parties,
        Err(error) => {
            world.tell(&format!("error: {error}"));
            return Exit::Usage;
        }
    };
    let mut outcome = Outcome::new();
    let mut manifests = manifests::read(world, &args.file, &mut outcome);
    let mut references: Vec<&Reference> = Vec::new();
    for reference in args.references.iter().chain(manifests.iter().flat_map(Manifest::references)) {
        if !references.contains(&reference) {
            references.push(reference);
        }
    }
    let is_all = references.is_empty() && args.file.is_empty();
    references.extend(
        archive.iter().filter(|_| is_all).flat_map(|archive| archive.images.iter().map(|i| &i.reference)),
    );
    let cache = args.kept.cache(world);
    let mut more = vec![format!("{:?}", demands.key_trust)];
    more.extend(evidence.log_online.then(|| "log-online".to_owned()));
    let verdicts = cache.as_ref().map(|cache| Verdicts { cache, more });
    let asking = Asking {
        args: &args,
        demands: &demands,
        verifier: &verifier,
        evidence: &evidence,
        archive: archive.as_ref(),
        verdicts: verdicts.as_ref(),
        world,
    };
    let work = asking.verify(world, &http, &references, third_parties.as_ref());
    let verified = match wait(world, work) {
        Ok(verified) => verified,
        Err(exit) => return exit,
    };
    for one in &verified {
        outcome.merge(one.outcome());
    }
    let images = verified.iter().filter_map(Verified::archived).filter(|_| args.kept.is_saved()).collect();
    if let Err(failure) =
        args.kept.save(world, images, (&demands.policy, &demands.predicate_types), &verifier)
    {
        outcome.failures.push(failure);
    }
    let pinned = manifests::judge(world, &mut manifests, &verified, args.pin, &mut outcome);
    for (path, count) in pinned {
        world.tell(&format!("pinned {count} in {path}"));
    }
    if is_stream {
        let streams = manifests.iter().filter(|_| outcome.verdict() == Verdict::Pass);
        streams.filter(|manifest| manifest.is_stream()).for_each(|manifest| world.print(manifest.text()));
    }
    finish(&args, world, &outcome, &verified, is_stream)
}

/// One reference and what came of it.
pub(crate) struct Verified {
    pub(crate) reference: Reference,
    pub(crate) verification: Result<Verification, Failure>,
    /// What the verdict follows from, where that was read.
    collected: Option<Collected>,
}

impl Verified {
    fn archived(&self) -> Option<ArchivedImage> {
        let collected = self.collected.clone()?;
        Some(ArchivedImage { reference: self.reference.clone(), collected })
    }

    fn outcome(&self) -> Outcome {
        match &self.verification {
            Ok(verification) => verification.outcome.clone(),
            Err(failure) => Outcome::from(failure.clone()),
        }
    }
}

/// Where evidence is looked for besides each image's own registry.
struct Evidence {
    bundles: Vec<Found>,
    github: Option<GitHubSource>,
    offline: bool,
    log_online: bool,
}

/// What is asked of every image.
struct Asking<'a> {
    args: &'a Args,
    demands: &'a Demands,
    verifier: &'a Verifier,
    evidence: &'a Evidence,
    archive: Option<&'a Archive>,
    verdicts: Option<&'a Verdicts<'a>>,
    world: &'a World,
}

impl Asking<'_> {
    async fn verify(
        &self,
        world: &World,
        http: &Http,
        references: &[&Reference],
        third_parties: Option<&ThirdParties>,
    ) -> Vec<Verified> {
        let options =
            Options { environment: world.environment.clone(), clock: world.clock, ..Options::default() };
        let client = Client::new(http.clone(), options);
        let consumer = Consumer {
            verifier: self.verifier,
            policy: &self.demands.policy,
            predicate_types: &self.demands.predicate_types,
            platforms: &self.args.platform,
            version: None,
            now: world.clock.now(),
            limits: Limits::default(),
        };
        let all = references.iter().map(|&reference| {
            let (client, consumer) = (&client, &consumer);
            async move {
                let repository = Repository::at(client, reference.repository.clone());
                // What somebody names by hand is asked about with the whole policy.
                let held = (!self.args.references.contains(reference))
                    .then(|| third_parties?.held(&reference.repository))
                    .flatten();
                let version = self.demands.version.clone().or_else(|| version_of(reference));
                let consumer = Consumer { version: version.as_ref(), ..*consumer };
                let start = self.start(&repository, reference).await;
                let result = match (start, held) {
                    (Err(failure), _) => Err(failure),
                    (Ok(start), None) => self.one(http, reference, repository, start, &consumer).await,
                    (Ok(start), Some(Held::Policy(policy, predicate_types))) => {
                        let consumer = Consumer { policy, predicate_types, ..consumer };
                        self.one(http, reference, repository, start, &consumer).await
                    }
                    (Ok(start), Some(Held::OnlyPinned(reason))) => {
                        let digest = start.digest().clone();
                        let collected = digest_alone(&digest);
                        Ok((only_pinned(&reference.repository, digest, reason), Some(collected)))
                    }
                };
                let (verification, collected) = match result {
                    Ok((verification, collected)) => (Ok(verification), collected),
                    Err(failure) => (Err(failure), None),
                };
                Verified { reference: reference.clone(), verification, collected }
            }
        });
        stream::iter(all).buffered(PARALLEL).collect().await
    }

    async fn one(
        &self,
        http: &Http,
        reference: &Reference,
        repository: Repository,
        start: Start,
        consumer: &Consumer<'_>,
    ) -> Result<(Verification, Option<Collected>), Failure> {
        if let Some(archive) = self.archive {
            let verification = conclude(archived(archive, reference)?, consumer, &Asked::new());
            return Ok((with_tag_note(verification, reference), None));
        }
        let earlier = |verdicts: &Verdicts<'_>| verdicts.earlier(self.world, start.digest(), consumer);
        if let Some(earlier) = self.verdicts.and_then(earlier) {
            return Ok((earlier, None));
        }
        let sources = Sources {
            registry: (!self.evidence.offline).then_some(repository),
            bundles: self.evidence.bundles.clone(),
            github: self.evidence.github.clone(),
            everything: self.args.kept.is_saved(),
        };
        let (verification, collected) = verify_from(&sources, start, consumer).await;
        // What does not pass without the log does not pass with it.
        let verification = if self.evidence.log_online && verification.outcome.verdict() == Verdict::Pass {
            let asked = ask_logs(&collected, self.verifier, &client(http)?).await;
            conclude(&collected, consumer, &asked)
        } else {
            verification
        };
        if let Some(verdicts) = self.verdicts {
            verdicts.keep(self.world, &verification, consumer);
        }
        Ok((verification, Some(collected)))
    }

    /// What a reference leads to; a tag is read once, and never again.
    async fn start(&self, repository: &Repository, reference: &Reference) -> Result<Start, Failure> {
        if let Some(digest) = &reference.digest {
            return Ok(Start::Digest(digest.clone()));
        }
        if let Some(archive) = self.archive {
            return archived(archive, reference).map(|collected| Start::Digest(collected.digest.clone()));
        }
        if self.evidence.offline {
            let message = format!("{reference} is a tag, and tags are read from the registry");
            return Err(
                Failure::new(&IMAGE_UNREADABLE, message).help("name the digest, or leave --offline away")
            );
        }
        match repository.find_manifest(&reference.target()).await {
            Ok(Some(manifest)) => Ok(Start::Manifest(Box::new(manifest))),
            Ok(None) => Err(Failure::new(&IMAGE_UNREADABLE, format!("there is no {reference}"))
                .help("check the name and the tag")),
            Err(error) => Err(Failure::from(&error)),
        }
    }
}

/// The version that a tag names, `v1.2.3` or `1.2.3`.
pub(crate) fn version_of(reference: &Reference) -> Option<Version> {
    let tag = reference.tag.as_deref()?;
    Version::parse(tag.strip_prefix('v').unwrap_or(tag)).ok()
}

fn finish(args: &Args, world: &World, outcome: &Outcome, verified: &[Verified], is_stream: bool) -> Exit {
    let folder = Utf8Path::from_path(&world.folder).unwrap_or(Utf8Path::new("."));
    let verdict = outcome.verdict();
    match args.format {
        Format::Json => {
            let body = VerificationDocument::new(outcome, verified);
            match serde_json::to_string_pretty(&Document::new(document::VERIFICATION, body)) {
                Ok(text) => world.print(&text),
                Err(error) => world.tell(&format!("error: the document cannot be written: {error}")),
            }
        }
        Format::Human => {
            show(world, outcome, args.format, "verify", folder);
            for one in verified {
                let Ok(verification) = &one.verification else { continue };
                if !args.quiet {
                    world.tell(&tree(one, verification));
                }
                if !is_stream && verification.outcome.verdict() == Verdict::Pass {
                    world.print(&one.reference.repository.at(&verification.digest).to_string());
                }
            }
        }
        Format::Markdown => {
            world.print(&markdown(verified));
            show(world, outcome, args.format, "verify", folder);
        }
        _ => show(world, outcome, args.format, "verify", folder),
    }
    verdict.into()
}
