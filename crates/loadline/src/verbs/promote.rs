//! `loadline promote`: the tags of a set that was held, or the moving tags back to an older version.

use std::path::{Path, PathBuf};

use camino::Utf8PathBuf;
use loadline_core::config::ReleaseVersion;
use loadline_core::document::{self, Document};
use loadline_core::{Failure, Verdict};
use loadline_evidence::demanded;
use loadline_registry::{Client, Http, HttpOptions, Options};
use loadline_release::codes::LEDGER_UNUSABLE;
use loadline_release::ledger::{Ledger, Tripwire};
use loadline_release::rollback::{Rollback, RollbackDocument, RollbackReport};
use loadline_report::Format;
use loadline_sigstore::Verifier;

use crate::codes::{POLICY_INVALID, VERSION_INVALID};
use crate::exit::Exit;
use crate::render::outcome::{fail, show};
use crate::session::{Configured, configure, usage, wait};
use crate::setup::{self, SandboxSession};
use crate::trust;
use crate::verbs::release;
use crate::world::World;

/// Write the tags of a set that `release --hold` left, or move the moving tags back to an older version
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Move the moving tags of the whole set to this version, once its set is verified anew.
    #[arg(long, value_name = "VERSION", conflicts_with_all = ["version", "tag", "allow_dirty", "signing_config"])]
    rollback: Option<String>,
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    config: Option<Utf8PathBuf>,
    /// At the sandbox of this checkout.
    #[arg(long)]
    sandbox: bool,
    /// The version, such as 1.2.3. Without it: --tag, else the version tag at HEAD.
    #[arg(long, value_name = "V", conflicts_with = "tag")]
    version: Option<String>,
    /// The git tag that names the version, such as v1.2.3.
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// Say what would be done, and write nothing.
    #[arg(long)]
    plan: bool,
    /// As `release` was told.
    #[arg(long)]
    allow_dirty: bool,
    /// The ledger of this release, or of rollbacks to this version.
    #[arg(long, value_name = "FILE")]
    ledger: Option<PathBuf>,
    /// Who is believed: a trusted root file of a private Sigstore.
    #[arg(long, value_name = "FILE", conflicts_with = "sandbox")]
    trusted_root: Option<PathBuf>,
    /// Where to sign: a signing config file of a private Sigstore.
    #[arg(long, value_name = "FILE", conflicts_with = "sandbox", requires = "trusted_root")]
    signing_config: Option<PathBuf>,
    /// How to show what came of it.
    #[arg(long, value_name = "FORMAT", default_value_t)]
    format: Format,
    /// Show nothing while it runs.
    #[arg(long, short)]
    quiet: bool,
    /// Rehearse a crash: kill this process when the ledger holds so many records.
    #[arg(long, value_name = "N", hide = true, requires = "sandbox")]
    kill_after_record: Option<u64>,
}

pub(crate) fn run(args: Args, world: &World) -> Exit {
    let Some(version) = args.rollback.clone() else { return release::run(forward(args), world) };
    let configured = match configure(world, args.config.as_deref(), args.format) {
        Ok(configured) => configured,
        Err(exit) => return exit,
    };
    let version = match ReleaseVersion::semantic(&version) {
        Ok(version) => version,
        Err(error) => return usage(world, &VERSION_INVALID, error, args.format),
    };
    match wait(world, rollback(&args, world, &configured, &version)) {
        Ok(Ok(exit)) | Ok(Err(exit)) => exit,
        Err(exit) => {
            if exit == Exit::Interrupted {
                world.tell(
                    "interrupted: run the same command again, and the rollback goes on from where it stood",
                );
            }
            exit
        }
    }
}

/// The same pipeline, from the ledger on.
fn forward(args: Args) -> release::Args {
    release::Args {
        config: args.config,
        sandbox: args.sandbox,
        version: args.version,
        tag: args.tag,
        plan: args.plan,
        only_tags: true,
        allow_dirty: args.allow_dirty,
        ledger: args.ledger,
        trusted_root: args.trusted_root,
        signing_config: args.signing_config,
        format: args.format.into(),
        quiet: args.quiet,
        kill_after_record: args.kill_after_record,
        ..release::Args::default()
    }
}

async fn rollback(
    args: &Args,
    world: &World,
    configured: &Configured,
    version: &ReleaseVersion,
) -> Result<Exit, Exit> {
    let format = args.format;
    let config = &configured.loaded.config;
    let sandbox = match args.sandbox {
        true => Some(
            SandboxSession::open(world, configured.root.as_std_path())
                .await
                .map_err(|failure| fail(world, failure, format))?,
        ),
        false => None,
    };
    let ready = sandbox.as_ref().map(SandboxSession::ready);
    let refused = |error: demanded::DemandedError| usage(world, &POLICY_INVALID, error, format);
    let verify = setup::demanded_in(&config.verify, sandbox.as_ref());
    let policy = demanded::policy(&verify, &config.release.source, ready.map(|ready| ready.issuer.as_str()))
        .map_err(refused)?;
    let predicate_types = demanded::predicate_types(&verify).map_err(refused)?;
    let root = ready.map(|ready| ready.trusted_root.as_path()).or(args.trusted_root.as_deref());
    let roots = trust::roots(world, root, false).map_err(|failure| fail(world, failure, format))?;
    let ledger = match args.plan {
        true => None,
        false => Some(open_ledger(args, world, configured, sandbox.as_ref(), version)?),
    };
    let place = ledger.as_ref().map(|ledger| ledger.path().to_owned());
    let http = Http::new(HttpOptions { environment: world.environment.clone(), ..HttpOptions::default() });
    let options =
        Options { environment: world.environment.clone(), clock: world.clock, ..Options::default() };
    let report = Rollback {
        config,
        version,
        client: Client::new(http, options),
        verifier: &Verifier::new(roots),
        policy: &policy,
        predicate_types: &predicate_types,
        stand_in: ready.map(|ready| ready.registry.as_str()),
        ledger,
        clock: world.clock,
    }
    .run()
    .await;
    if let Some(sandbox) = sandbox {
        sandbox.close().await;
    }
    Ok(show_report(world, &report, args, configured, place.as_deref()))
}

/// All rollbacks to a version have one ledger: in the sandbox's folder, else in `.loadline` beside the
/// configuration, unless it is named.
fn open_ledger(
    args: &Args,
    world: &World,
    configured: &Configured,
    sandbox: Option<&SandboxSession>,
    version: &ReleaseVersion,
) -> Result<Ledger, Exit> {
    let path = match &args.ledger {
        Some(file) => world.folder.join(file),
        None => release::own_folder(configured, sandbox)
            .join("rollbacks")
            .join(version.to_string())
            .join("ledger.jsonl"),
    };
    let tripwire = args.kill_after_record.map_or(Tripwire::Off, Tripwire::AfterRecords);
    Ledger::open(&path, world.clock, tripwire).map_err(|error| {
        let failure =
            Failure::new(&LEDGER_UNUSABLE, error.to_string()).help("mend or move the file, then run again");
        fail(world, failure, args.format)
    })
}

fn show_report(
    world: &World,
    report: &RollbackReport,
    args: &Args,
    configured: &Configured,
    ledger: Option<&Path>,
) -> Exit {
    match args.format {
        Format::Json => {
            match serde_json::to_string_pretty(&Document::new(document::ROLLBACK, &report.document)) {
                Ok(text) => world.print(&text),
                Err(error) => world.tell(&format!("error: the document cannot be written: {error}")),
            }
        }
        Format::Human => {
            show(world, &report.outcome, args.format, "promote", &configured.root);
            world.print(&human(&report.document, ledger));
        }
        _ => show(world, &report.outcome, args.format, "promote", &configured.root),
    }
    if report.usage { Exit::Usage } else { report.document.verdict.into() }
}

/// A rollback for people: one line per tag, what it came to.
fn human(document: &RollbackDocument, ledger: Option<&Path>) -> String {
    let mut lines: Vec<String> = document
        .images
        .iter()
        .map(|image| format!("{}  {}", image.name, image.references.join(", ")))
        .collect();
    for tag in &document.tags {
        let what = match (&tag.previous, tag.moved, document.planned) {
            (Some(previous), _, _) if *previous == tag.digest => "is there".to_owned(),
            (previous, moved, planned) => {
                let from = previous.as_ref().map(|digest| format!(" from {digest}")).unwrap_or_default();
                match (moved, planned) {
                    (true, _) => format!("moved{from}"),
                    (false, true) => format!("would be moved{from}"),
                    (false, false) => format!("not moved{from}"),
                }
            }
        };
        lines.push(format!("  {} {what}", tag.reference));
    }
    let version = &document.version;
    let kept = ledger.map(|ledger| format!("; the ledger is {}", ledger.display())).unwrap_or_default();
    lines.push(match (document.verdict, document.planned) {
        (Verdict::Pass, true) => format!("pass: the moving tags may go to {version}; nothing was written"),
        (Verdict::Pass, false) => format!("pass: the moving tags are at {version}{kept}"),
        (Verdict::Fail, _) => format!("fail: the moving tags do not go to {version}"),
        (Verdict::Unknown, _) => format!("unknown: the moving tags may not all be at {version}{kept}"),
    });
    lines.join("\n") + "\n"
}
