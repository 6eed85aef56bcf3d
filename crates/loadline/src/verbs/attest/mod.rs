//! `loadline attest`: a statement about an image, signed and hung where consumers look.

mod attested;
mod document;
mod statement;
mod target;

use std::fmt::Write as _;
use std::path::PathBuf;

use camino::{Utf8Path, Utf8PathBuf};
use loadline_core::config::GitHubAttestations;
use loadline_core::document::Document;
use loadline_core::predicate::short_name;
use loadline_core::{Failure, Outcome, Platform, Reference, Verdict};
use loadline_evidence::Waiting;
use loadline_registry::{Client, Http, HttpOptions, Options};
use loadline_release::github::permission_missing;
use loadline_report::Format;
use loadline_sigstore::Verifier;

pub(crate) use document::{ATTESTATION, AttestationDocument};

use crate::codes::ARGUMENT_INVALID;
use crate::exit::Exit;
use crate::render::outcome::show;
use crate::session::{CONFIG, Configured, configure, usage, wait};
use crate::setup::client;
use crate::signing::{self, GitHubArgs, PatienceArgs, SignerArgs};
use crate::trust;
use crate::world::World;
use attested::Attester;
use document::Attestation;
use statement::{Source, kind};
use target::{Target, Which};

/// Sign a statement about images and hang it where consumers look
///
/// Without a predicate the statement is provenance: what the pipeline says of itself, and what BuildKit recorded.
/// Attesting the same again signs and pushes nothing.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The images, by tag or digest.
    #[arg(required = true, value_name = "REF")]
    references: Vec<Reference>,
    /// The predicate, a JSON file.
    #[arg(long, value_name = "FILE", requires = "kind")]
    predicate: Option<PathBuf>,
    /// The predicate's type: slsa-provenance, cyclonedx, spdx, vuln, openvex, vsa, or a URI.
    #[arg(long = "type", id = "kind", value_name = "TYPE", requires = "predicate", value_parser = kind)]
    kind: Option<String>,
    /// A whole in-toto statement, signed byte for byte; it hangs on what its subjects name.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["predicate", "platform", "index"])]
    statement: Option<PathBuf>,
    /// Only these platforms' manifests. Without it: the index and every platform.
    #[arg(long, value_name = "OS/ARCH")]
    platform: Vec<Platform>,
    /// Only the index itself.
    #[arg(long, conflicts_with = "platform")]
    index: bool,
    /// The index and every platform, which is the default.
    #[arg(long, conflicts_with_all = ["platform", "index"])]
    all: bool,
    /// Also write the bundle to a file.
    #[arg(long, value_name = "FILE")]
    bundle: Option<Utf8PathBuf>,
    /// Print the statement, and neither sign nor push anything.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    signer: SignerArgs,
    /// Who is believed: a trusted root file of a private Sigstore.
    #[arg(long, value_name = "FILE")]
    trusted_root: Option<PathBuf>,
    /// Where to sign: a signing config file of a private Sigstore.
    #[arg(long, value_name = "FILE", requires = "trusted_root")]
    signing_config: Option<PathBuf>,
    #[command(flatten)]
    github: GitHubArgs,
    #[command(flatten)]
    patience: PatienceArgs,
    /// The configuration whose `[attest]` counts. Without it: loadline.toml, where there is one.
    #[arg(long, value_name = "FILE")]
    config: Option<Utf8PathBuf>,
    /// Where statements and bundles are kept until all is done, so that a rerun goes on. Without it: `.loadline/attest`.
    #[arg(long, value_name = "DIR")]
    ledger: Option<PathBuf>,
    /// Print nothing on standard error while it runs.
    #[arg(long, short)]
    quiet: bool,
    /// How to show what came of it.
    #[arg(long, value_name = "FORMAT", default_value_t)]
    format: Format,
}

pub(crate) fn run(args: Args, world: &World) -> Exit {
    if args.bundle.is_some() && args.references.len() > 1 {
        let message = "--bundle names one file, and there would be a bundle for each image";
        return usage(world, &ARGUMENT_INVALID, message, args.format);
    }
    let there = world.folder.join(CONFIG).is_file();
    let configured = match &args.config {
        None if !there => None,
        named => match configure(world, named.as_deref(), args.format) {
            Ok(configured) => Some(configured),
            Err(exit) => return exit,
        },
    };
    let (outcome, attestations) = match wait(world, attest(&args, world, configured.as_ref())) {
        Ok(done) => done,
        Err(exit) => {
            if exit == Exit::Interrupted {
                world.tell("interrupted: run the same command again, and it goes on from where it stood");
            }
            return exit;
        }
    };
    if args.dry_run && outcome.verdict() == Verdict::Pass {
        return Exit::Pass;
    }
    finish(&args, world, &outcome, attestations)
}

fn finish(args: &Args, world: &World, outcome: &Outcome, attestations: Vec<Attestation>) -> Exit {
    match args.format {
        Format::Json => {
            let text = attestations_text(outcome, attestations);
            match text {
                Ok(text) => world.print(&text),
                Err(error) => world.tell(&format!("error: the document cannot be written: {error}")),
            }
        }
        Format::Human => {
            show(world, outcome, args.format, "attest", Utf8Path::new("."));
            for attestation in &attestations {
                world.print(&line(attestation));
            }
        }
        _ => show(world, outcome, args.format, "attest", Utf8Path::new(".")),
    }
    outcome.verdict().into()
}

fn attestations_text(outcome: &Outcome, attestations: Vec<Attestation>) -> serde_json::Result<String> {
    let body = AttestationDocument { outcome: outcome.into(), attestations };
    serde_json::to_string_pretty(&Document::new(ATTESTATION, body))
}

fn line(done: &Attestation) -> String {
    let mut line = format!("{} {}", done.image, short_name(&done.predicate_type));
    if let Some(bundle) = done.bundle {
        let _ = write!(line, ": {bundle}");
    }
    let _ = write!(line, ", hung on {}", done.attached);
    if done.unchanged > 0 {
        let _ = write!(line, ", on {} already", done.unchanged);
    }
    match done.added_to_github {
        Some(true) => line.push_str(", added to GitHub's attestations"),
        Some(false) => line.push_str(", in GitHub's attestations already"),
        None => {}
    }
    line
}

/// Everything, image after image; what was done is told even where something ended it early.
async fn attest(args: &Args, world: &World, configured: Option<&Configured>) -> (Outcome, Vec<Attestation>) {
    let mut outcome = Outcome::new();
    let mut done = Vec::new();
    if let Err(failure) = try_attest(args, world, configured, &mut outcome, &mut done).await {
        outcome.failures.push(failure);
    }
    (outcome, done)
}

async fn try_attest(
    args: &Args,
    world: &World,
    configured: Option<&Configured>,
    outcome: &mut Outcome,
    done: &mut Vec<Attestation>,
) -> Result<(), Failure> {
    let config = configured.map(|configured| &configured.loaded.config);
    let predicate = args.predicate.as_deref().zip(args.kind.as_deref());
    let source = Source::read(world, args.statement.as_deref(), predicate)?;
    let verifier = Verifier::new(trust::roots(world, args.trusted_root.as_deref(), false)?);
    let patience = args.patience.get(world, config.map(|config| &config.attest));
    let tell = |waiting: &Waiting| {
        if !args.quiet {
            let (wait, left) = (waiting.wait.as_millis().div_ceil(1000), waiting.left.as_secs());
            world.tell(&format!("{}; trying again in {wait} s, for {left} s more", waiting.reason));
        }
    };
    let http = Http::new(HttpOptions { environment: world.environment.clone(), ..HttpOptions::default() });
    let options =
        Options { environment: world.environment.clone(), clock: world.clock, ..Options::default() };
    let registries = Client::new(http.clone(), options);
    let http = client(&http)?;
    // What is only looked at needs no identity, unless the identity is what is looked at.
    let needs_signer = !args.dry_run || matches!(source, Source::Provenance);
    let signer = match needs_signer {
        true => {
            let services = signing::services(world, &http, args.signing_config.as_deref()).await?;
            Some(args.signer.signer(world, services, http.clone())?)
        }
        false => None,
    };
    let pipeline = match (&source, &signer) {
        (Source::Provenance, Some(signer)) => signing::pipeline(world, signer, &patience, tell).await?,
        _ => None,
    };
    let mode = args.github.github.or(config.map(|config| config.attest.github)).unwrap_or_default();
    let place = match args.dry_run {
        true => None,
        false => {
            let source = config.map(|config| config.release.source.as_str());
            signing::github(world, &http, mode, source)?
        }
    };
    let place = match &place {
        Some(place) => match place.is_open(&patience, tell).await.map_err(|error| error.failure())? {
            Ok(()) => Some(place),
            Err(error) => {
                debug_assert_ne!(mode, GitHubAttestations::On);
                outcome.findings.push(permission_missing(error));
                None
            }
        },
        None => None,
    };
    let which = match (args.index, args.platform.is_empty()) {
        (true, _) => Which::Index,
        (false, true) => Which::All,
        (false, false) => Which::Platforms(args.platform.clone()),
    };
    for reference in &args.references {
        let mut target = Target::find(&registries, reference, &which).await.map_err(|error| match error {
            target::TargetError::Registry(error) => Failure::from(&error),
            other => Failure::new(&ARGUMENT_INVALID, other.to_string()),
        })?;
        let made = source.about(&mut target, pipeline.as_ref()).await?;
        let attester = Attester {
            world,
            signer: signer.as_ref(),
            verifier: &verifier,
            patience: &patience,
            place,
            folder: args.ledger.as_deref().map(|folder| world.folder.join(folder)).unwrap_or_else(|| {
                let root = configured.map_or(world.folder.as_path(), |one| one.root.as_std_path());
                root.join(".loadline/attest")
            }),
            own_folder: args.ledger.is_none(),
        };
        let too_large = attester.too_large(&target, &made);
        if !too_large.is_empty() {
            outcome.findings.extend(too_large);
            continue;
        }
        if args.dry_run {
            world.print(&String::from_utf8_lossy(&made.bytes));
            continue;
        }
        let (attestation, bundle, notes) = attester.attest(&target, &made, tell).await?;
        outcome.findings.extend(notes);
        done.push(attestation);
        if let Some(path) = &args.bundle {
            crate::files::write(world, path.as_std_path(), &bundle)?;
        }
    }
    Ok(())
}
