//! `loadline verify`: images as a consumer gets them.

use std::path::PathBuf;

use camino::{Utf8Path, Utf8PathBuf};
use futures_util::stream::{self, StreamExt};
use loadline_core::document::{self, Document};
use loadline_core::{Failure, Outcome, Platform, Reference, Verdict};
use loadline_evidence::{Consumer, IMAGE_UNREADABLE, Limits, Verification, demanded, verify_image};
use loadline_policy::Policy;
use loadline_registry::{Client, Http, HttpOptions, Options, Repository};
use loadline_report::Format;
use loadline_sigstore::Verifier;

use crate::exit::Exit;
use crate::manifests::{self, Manifest};
use crate::render::outcome::{fail, show};
use crate::render::verification::{VerificationDocument, tree};
use crate::session::{configure, wait};
use crate::third_parties::{Held, ThirdParties, only_pinned};
use crate::trust;
use crate::world::World;

/// How many images are verified at once.
const PARALLEL: usize = 8;

/// Verify images from the registry: every platform, every demanded predicate
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The images, by tag or digest.
    #[arg(required_unless_present = "file", value_name = "REF")]
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
    /// Who is believed: a trusted root file of a private Sigstore.
    #[arg(long, value_name = "FILE")]
    trusted_root: Option<PathBuf>,
    /// The OIDC issuer of the signer, where it is not the configuration's.
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// Print nothing but the references to pull, pinned by digest.
    #[arg(long, short)]
    quiet: bool,
    /// How to show what was found.
    #[arg(long, value_name = "FORMAT", default_value_t)]
    format: Format,
}

pub(crate) fn run(args: Args, world: &World) -> Exit {
    let configured = match configure(world, args.config.as_deref(), args.format) {
        Ok(configured) => configured,
        Err(exit) => return exit,
    };
    let config = &configured.loaded.config;
    let usage = |error: demanded::DemandedError| {
        world.tell(&format!("error: {error}"));
        Exit::Usage
    };
    let policy = match demanded::policy(&config.verify, &config.release.source, args.issuer.as_deref()) {
        Ok(policy) => policy,
        Err(error) => return usage(error),
    };
    let predicate_types = match demanded::predicate_types(&config.verify) {
        Ok(types) => types,
        Err(error) => return usage(error),
    };
    let roots = match trust::roots(world, args.trusted_root.as_deref(), false) {
        Ok(roots) => roots,
        Err(failure) => return fail(world, failure, args.format),
    };
    let verifier = Verifier::new(roots);
    let is_stream = args.pin && args.file.iter().any(|path| path == manifests::STREAM);
    if is_stream && args.format != Format::Human {
        world.tell("error: `-f - --pin` writes what it pinned to standard output: no other format can go there");
        return Exit::Usage;
    }
    let third_parties = match ThirdParties::of(config) {
        Ok(third_parties) => third_parties,
        Err(error) => return usage(error),
    };
    let mut outcome = Outcome::new();
    let mut manifests = manifests::read(world, &args.file, &mut outcome);
    let mut references: Vec<&Reference> = Vec::new();
    for reference in args.references.iter().chain(manifests.iter().flat_map(Manifest::references)) {
        if !references.contains(&reference) {
            references.push(reference);
        }
    }
    let work = verify(&args, world, &references, &policy, &predicate_types, &verifier, &third_parties);
    let verified = match wait(world, work) {
        Ok(verified) => verified,
        Err(exit) => return exit,
    };
    for one in &verified {
        outcome.merge(one.outcome());
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
}

impl Verified {
    fn outcome(&self) -> Outcome {
        match &self.verification {
            Ok(verification) => verification.outcome.clone(),
            Err(failure) => Outcome::from(failure.clone()),
        }
    }
}

async fn verify(
    args: &Args,
    world: &World,
    references: &[&Reference],
    policy: &Policy,
    predicate_types: &[String],
    verifier: &Verifier,
    third_parties: &ThirdParties,
) -> Vec<Verified> {
    let http = Http::new(HttpOptions { environment: world.environment.clone(), ..HttpOptions::default() });
    let options =
        Options { environment: world.environment.clone(), clock: world.clock, ..Options::default() };
    let client = Client::new(http, options);
    let consumer = Consumer {
        verifier,
        policy,
        predicate_types,
        platforms: &args.platform,
        version: None,
        now: world.clock.now(),
        limits: Limits::default(),
    };
    let all = references.iter().map(|&reference| {
        let (client, consumer) = (&client, &consumer);
        async move {
            let repository = Repository::at(client, reference.repository.clone());
            // What somebody names by hand is asked about with the whole policy.
            let held = (!args.references.contains(reference))
                .then(|| third_parties.held(&reference.repository))
                .flatten();
            let verification = match (pin(&repository, reference).await, held) {
                (Err(failure), _) => Err(failure),
                (Ok(digest), None) => Ok(verify_image(&repository, &digest, consumer).await),
                (Ok(digest), Some(Held::Policy(policy, predicate_types))) => {
                    let consumer = Consumer { policy, predicate_types, ..*consumer };
                    Ok(verify_image(&repository, &digest, &consumer).await)
                }
                (Ok(digest), Some(Held::OnlyPinned(reason))) => {
                    Ok(only_pinned(&reference.repository, digest, reason))
                }
            };
            Verified { reference: reference.clone(), verification }
        }
    });
    stream::iter(all).buffered(PARALLEL).collect().await
}

/// The digest that a reference names; a tag is read once, and never again.
async fn pin(repository: &Repository, reference: &Reference) -> Result<loadline_core::Digest, Failure> {
    if let Some(digest) = &reference.digest {
        return Ok(digest.clone());
    }
    match repository.resolve(&reference.target()).await {
        Ok(Some(descriptor)) => Ok(descriptor.digest),
        Ok(None) => Err(Failure::new(&IMAGE_UNREADABLE, format!("there is no {reference}"))
            .help("check the name and the tag")),
        Err(error) => Err(Failure::from(&error)),
    }
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
        _ => show(world, outcome, args.format, "verify", folder),
    }
    verdict.into()
}
