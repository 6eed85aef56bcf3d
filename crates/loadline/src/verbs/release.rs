//! `loadline release`: the whole set, from Dockerfiles to tags.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use camino::{Utf8Path, Utf8PathBuf};
use loadline_core::config::{Config, ReleaseVersion, VersionSource};
use loadline_core::document::{self, Document};
use loadline_core::{Failure, Outcome};
use loadline_evidence::provenance::Workflow;
use loadline_evidence::{Waiting, demanded};
use loadline_registry::{Client, Http, HttpOptions, Options};
use loadline_release::codes::LEDGER_UNUSABLE;
use loadline_release::git::Checkout;
use loadline_release::ledger::{Ledger, Tripwire};
use loadline_release::legs::LegSet;
use loadline_release::matrix;
use loadline_release::plan::{Plan, PlanInput};
use loadline_release::release::{Extent, Release, Report};
use loadline_release::store::Store;
use loadline_report::Format;
use loadline_sigstore::{Signer, TrustRoots, Verifier};

use crate::codes::{ARGUMENT_INVALID, POLICY_INVALID, VERSION_INVALID};
use crate::exit::Exit;
use crate::rehearsal::Rehearsal;
use crate::render::outcome::{fail, show};
use crate::render::progress::Progress;
use crate::render::release::human;
use crate::session::{self, Configured, configure, refuse, usage, wait};
use crate::setup::{self, SandboxSession};
use crate::signing::{self, GitHubArgs, PatienceArgs};
use crate::verbs::existing;
use crate::verbs::plan_format::PlanFormat;
use crate::world::World;

/// Build, prove, verify and gate the whole set, then give it its tags
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Args {
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<Utf8PathBuf>,
    /// Everything on this machine: an embedded registry and a private Sigstore stand in for the real ones.
    #[arg(long)]
    pub(super) sandbox: bool,
    /// A sandbox begun anew, the configured builders, and nobody's secrets: no identity, no registry's credentials,
    /// no build secret is read. For pull requests from forks.
    #[arg(long, conflicts_with = "sandbox")]
    pub(super) rehearse: bool,
    /// The version, such as 1.2.3. Without it: --tag, else the version tag at HEAD.
    #[arg(long, value_name = "V", conflicts_with = "tag")]
    pub(super) version: Option<String>,
    /// The git tag that names the version, such as v1.2.3.
    #[arg(long, value_name = "TAG")]
    pub(super) tag: Option<String>,
    /// Say what would be done, and do nothing.
    #[arg(long)]
    pub(super) plan: bool,
    /// Build nothing: join the legs that other machines built, whose records (`build --record`) are in this folder.
    #[arg(long, value_name = "DIR")]
    pub(super) legs: Option<PathBuf>,
    /// Take what is at a registry already, for images of the builder `existing`: IMAGE=REFERENCE@DIGEST, or
    /// IMAGE:PLATFORM=REFERENCE@DIGEST.
    #[arg(long, value_name = "IMAGE=REFERENCE")]
    pub(super) existing: Vec<String>,
    /// Do everything but the tags: `loadline promote` writes them.
    #[arg(long)]
    pub(super) hold: bool,
    /// Only the tags, of a set that was held.
    #[arg(skip)]
    pub(super) only_tags: bool,
    /// Release what is not committed too; its provenance says so. The sandbox always does.
    #[arg(long)]
    pub(super) allow_dirty: bool,
    /// The ledger of this release.
    #[arg(long, value_name = "FILE")]
    pub(super) ledger: Option<PathBuf>,
    /// Who is believed: a trusted root file of a private Sigstore.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["sandbox", "rehearse"])]
    pub(super) trusted_root: Option<PathBuf>,
    /// Where to sign: a signing config file of a private Sigstore.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["sandbox", "rehearse"], requires = "trusted_root")]
    pub(super) signing_config: Option<PathBuf>,
    #[command(flatten)]
    pub(super) patience: PatienceArgs,
    #[command(flatten)]
    pub(super) github: GitHubArgs,
    /// How to show what came of it; a plan also as `github-matrix`, for `strategy.matrix` of a workflow.
    #[arg(long, value_name = "FORMAT", default_value_t)]
    pub(super) format: PlanFormat,
    /// Write milestones as JSON Lines to a file, or `-` for standard error.
    #[arg(long, value_name = "FILE")]
    pub(super) events: Option<PathBuf>,
    /// Show nothing while it runs.
    #[arg(long, short)]
    pub(super) quiet: bool,
    /// Rehearse a crash: kill this process when the ledger holds so many records.
    #[arg(long, value_name = "N", hide = true, requires = "sandbox")]
    pub(super) kill_after_record: Option<u64>,
}

impl Args {
    /// Whether a sandbox stands in for the world.
    fn stands_in(&self) -> bool {
        self.sandbox || self.rehearse
    }

    fn extent(&self) -> Extent {
        match (self.only_tags, self.hold) {
            (true, _) => Extent::Promotion,
            (false, true) => Extent::Held,
            (false, false) => Extent::Whole,
        }
    }
}

pub(crate) fn run(args: Args, world: &World) -> Exit {
    if args.format == PlanFormat::GitHubMatrix && !args.plan {
        let message = "only a plan is shown as `github-matrix`: add --plan";
        return usage(world, &ARGUMENT_INVALID, message, args.format.report());
    }
    let mut configured = match configure(world, args.config.as_deref(), args.format.report()) {
        Ok(configured) => configured,
        Err(exit) => return exit,
    };
    if let Err(message) = existing::take(&mut configured.loaded.config, &args.existing) {
        return usage(world, &ARGUMENT_INVALID, message, args.format.report());
    }
    let checkout = match session::checkout(world, &configured, "released", args.format.report()) {
        Ok(checkout) => checkout,
        Err(exit) => return exit,
    };
    let version = match version(&args, &configured, &checkout) {
        Ok(version) => version,
        Err(message) => return usage(world, &VERSION_INVALID, message, args.format.report()),
    };
    match wait(world, release(&args, world, &configured, &checkout, &version)) {
        Ok(Ok(exit)) | Ok(Err(exit)) => exit,
        Err(exit) => {
            if exit == Exit::Interrupted {
                world.tell(
                    "interrupted: run the same command again, and the release goes on from where it stood",
                );
            }
            exit
        }
    }
}

/// The version: given, or that of the tag given, or of the tag at HEAD; in the sandbox, of the commit.
pub(super) fn version(
    args: &Args,
    configured: &Configured,
    checkout: &Checkout,
) -> Result<ReleaseVersion, String> {
    let release = &configured.loaded.config.release;
    let text = |error: loadline_core::config::VersionError| error.to_string();
    if let Some(version) = &args.version {
        return ReleaseVersion::semantic(version).map_err(text);
    }
    if let Some(tag) = &args.tag {
        if !checkout.tags.contains(tag) {
            return Err(format!("the tag `{tag}` is not at HEAD: check it out first (`git checkout {tag}`)"));
        }
        return ReleaseVersion::from_tag(tag, &release.tag_prefix).map_err(text);
    }
    if release.version == VersionSource::Commit {
        return ReleaseVersion::commit(&checkout.commit).map_err(text);
    }
    if args.stands_in() {
        return ReleaseVersion::semantic(&development(checkout)).map_err(text);
    }
    match checkout.version_tag(&release.tag_prefix) {
        Some(tag) => ReleaseVersion::from_tag(tag, &release.tag_prefix).map_err(text),
        None => Err(format!(
            "no version: HEAD has no tag `{}1.2.3`; name it with --version or --tag",
            release.tag_prefix
        )),
    }
}

/// A version for each content: the commit, and the digest of what is not committed.
fn development(checkout: &Checkout) -> String {
    // Identifiers of digits alone must not begin with 0 (semver.org, item 9), and some commits do.
    let identifier = |hex: &str| {
        let digits = hex.bytes().all(|b| b.is_ascii_digit());
        if digits && hex.starts_with('0') { format!("g{hex}") } else { hex.to_owned() }
    };
    let commit = identifier(checkout.short());
    match &checkout.dirty {
        None => format!("0.0.0-dev.{commit}"),
        Some(dirty) => format!("0.0.0-dev.{commit}.{}", identifier(dirty.short())),
    }
}

async fn release(
    args: &Args,
    world: &World,
    configured: &Configured,
    checkout: &Checkout,
    version: &ReleaseVersion,
) -> Result<Exit, Exit> {
    let format = args.format.report();
    let refused_by = |failure: Failure| fail(world, failure, format);
    let root = configured.root.as_std_path();
    let sandbox = match (args.plan, args.sandbox, args.rehearse) {
        (false, true, _) => Some(SandboxSession::open(world, root).await.map_err(refused_by)?),
        (false, _, true) => Some(SandboxSession::begin_anew(world, root).await.map_err(refused_by)?),
        _ => None,
    };
    let rehearsal = match (&sandbox, args.rehearse) {
        (Some(sandbox), true) => Some(
            Rehearsal::prepare(&world.environment, &configured.loaded.config, sandbox.folder())
                .map_err(refused_by)?,
        ),
        _ => None,
    };
    let config = rehearsal.as_ref().map_or(&configured.loaded.config, |rehearsal| &rehearsal.config);
    let environment = rehearsal.as_ref().map_or(&world.environment, |rehearsal| &rehearsal.environment);
    let http = Http::new(HttpOptions { environment: environment.clone(), ..HttpOptions::default() });
    let plan = plan(args, world, (configured, config), checkout, version, sandbox.as_ref())?;
    if args.plan {
        return match args.format {
            PlanFormat::GitHubMatrix => show_matrix(world, config, &plan),
            PlanFormat::Report(format) => Ok(show_plan(world, &plan, format)),
        };
    }

    let issuer = sandbox.as_ref().map(|sandbox| sandbox.ready().issuer.clone());
    let refused = |error: demanded::DemandedError| usage(world, &POLICY_INVALID, error, format);
    let verify = setup::demanded_in(&config.verify, sandbox.as_ref());
    let policy = demanded::policy(&verify, &config.release.source, issuer.as_deref()).map_err(refused)?;
    let predicate_types = demanded::predicate_types(&verify).map_err(refused)?;

    let patience = match sandbox {
        Some(_) => args.patience.in_sandbox(),
        None => args.patience.get(world, Some(&config.attest)),
    };
    let parts = match &sandbox {
        Some(sandbox) => setup::in_sandbox(sandbox, config, &plan, &http),
        None => {
            let named = (args.trusted_root.as_deref(), args.signing_config.as_deref());
            let tell = |waiting: &Waiting| {
                world.tell(&format!("{}; trying again in {} s", waiting.reason, waiting.wait.as_secs() + 1));
            };
            setup::in_the_world(world, &http, named, &patience, tell).await
        }
    };
    let parts = parts.map_err(|failure| fail(world, failure, format))?;
    let github = match args.stands_in() {
        true => Ok(None),
        false => setup::client(&http).and_then(|client| {
            let mode = args.github.github.unwrap_or(config.attest.github);
            signing::github(world, &client, mode, Some(&config.release.source))
        }),
    };
    let github = github.map_err(|failure| fail(world, failure, format))?;

    let legs = match &args.legs {
        None => None,
        Some(folder) => Some(LegSet::read(&world.folder.join(folder)).map_err(|findings| {
            refuse(world, findings, format);
            Exit::Usage
        })?),
    };
    let path = ledger_path(args, world, configured, sandbox.as_ref(), &plan);
    let tripwire = args.kill_after_record.map_or(Tripwire::Off, Tripwire::AfterRecords);
    let ledger = Ledger::open(&path, world.clock, tripwire).map_err(|error| {
        let failure =
            Failure::new(&LEDGER_UNUSABLE, error.to_string()).help("mend or move the file, then run again");
        fail(world, failure, format)
    })?;
    let events = open_events(world, args)?;
    let beside = path.parent().unwrap_or(Path::new(".")).to_owned();
    let progress = Progress::new(world, args.quiet, events);
    let options = Options {
        environment: environment.clone(),
        clock: world.clock,
        anonymous: args.rehearse,
        ..Options::default()
    };
    let everyone = Client::new(http.clone(), Options { anonymous: true, ..options.clone() });
    let client = Client::new(http.clone(), options);
    let report = Release {
        config,
        root: configured.root.as_std_path(),
        plan: &plan,
        allow_dirty: args.stands_in() || args.allow_dirty,
        legs,
        notes: rehearsal.as_ref().map(|rehearsal| rehearsal.notes.clone()).unwrap_or_default(),
        ledger,
        store: Store::new(&beside),
        scratch: &beside.join("layout"),
        client,
        everyone,
        extent: args.extent(),
        signer: Arc::new(parts.signer),
        patience,
        github: github.as_ref(),
        verifier: Arc::new(parts.verifier),
        policy: &policy,
        predicate_types: &predicate_types,
        workflow: parts.workflow.as_ref(),
        builder_id: &parts.builder_id,
        environment,
        clock: world.clock,
        listener: &progress,
    }
    .run()
    .await;
    progress.clear();
    if let Some(sandbox) = sandbox {
        sandbox.close().await;
    }
    Ok(show_report(world, &report, format, &configured.root, &path))
}

pub(super) fn plan(
    args: &Args,
    world: &World,
    (configured, config): (&Configured, &Config),
    checkout: &Checkout,
    version: &ReleaseVersion,
    sandbox: Option<&SandboxSession>,
) -> Result<Plan, Exit> {
    let epoch = match world.environment.get("SOURCE_DATE_EPOCH").map(str::parse::<i64>) {
        None => 0,
        Some(Ok(epoch)) if epoch >= 0 => epoch,
        Some(_) => {
            let message = "SOURCE_DATE_EPOCH is not a number of seconds since 1970";
            return Err(usage(world, &ARGUMENT_INVALID, message, args.format.report()));
        }
    };
    let input = PlanInput {
        config,
        config_text: configured.loaded.text().as_bytes(),
        version,
        checkout,
        git_ref: git_ref(args, configured, checkout),
        source_date_epoch: epoch,
        stand_in: sandbox.map(|sandbox| sandbox.ready().registry.as_str()),
    };
    Plan::make(&input).map_err(|error| usage(world, &ARGUMENT_INVALID, error, args.format.report()))
}

/// The ref that is built: the tag that names the version, else the branch.
fn git_ref(args: &Args, configured: &Configured, checkout: &Checkout) -> Option<String> {
    let prefix = &configured.loaded.config.release.tag_prefix;
    let tag = args.tag.as_deref().or_else(|| checkout.version_tag(prefix));
    tag.map(|tag| format!("refs/tags/{tag}"))
        .or_else(|| checkout.branch.as_ref().map(|branch| format!("refs/heads/{branch}")))
}

/// This version's ledger: in the sandbox's folder, else in `.loadline` beside the configuration, unless it
/// is named.
fn ledger_path(
    args: &Args,
    world: &World,
    configured: &Configured,
    sandbox: Option<&SandboxSession>,
    plan: &Plan,
) -> PathBuf {
    if let Some(file) = &args.ledger {
        return world.folder.join(file);
    }
    own_folder(configured, sandbox).join("releases").join(&plan.version).join("ledger.jsonl")
}

/// Where ledgers are kept: in the sandbox's folder, else in `.loadline` beside the configuration.
pub(super) fn own_folder(configured: &Configured, sandbox: Option<&SandboxSession>) -> PathBuf {
    if let Some(sandbox) = sandbox {
        return sandbox.folder().to_owned();
    }
    let folder = configured.root.as_std_path().join(".loadline");
    // The ledger must not make the checkout dirty. A folder that cannot be written is the ledger's to
    // complain of.
    let _ = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(folder.join(".gitignore"), "*\n"));
    folder
}

pub(super) fn open_events(world: &World, args: &Args) -> Result<Option<Box<dyn Write + Send>>, Exit> {
    let Some(path) = args.events.as_deref() else { return Ok(None) };
    if path == Path::new("-") {
        return Ok(Some(Box::new(std::io::stderr())));
    }
    let path = world.folder.join(path);
    match OpenOptions::new().create(true).append(true).open(&path) {
        Ok(file) => Ok(Some(Box::new(file))),
        Err(error) => {
            let message = format!("events cannot be written to {}: {error}", path.display());
            Err(usage(world, &ARGUMENT_INVALID, message, args.format.report()))
        }
    }
}

/// The matrix, on one line: a step's output is one.
fn show_matrix(world: &World, config: &Config, plan: &Plan) -> Result<Exit, Exit> {
    let matrix = matrix::github(plan, &config.runners)
        .map_err(|error| usage(world, &ARGUMENT_INVALID, error, Format::Human))?;
    match serde_json::to_string(&matrix) {
        Ok(line) => world.print(&line),
        Err(error) => world.tell(&format!("error: the matrix cannot be written: {error}")),
    }
    Ok(Exit::Pass)
}

fn show_plan(world: &World, plan: &Plan, format: Format) -> Exit {
    match format {
        Format::Json => match serde_json::to_string_pretty(&Document::new(document::PLAN, plan)) {
            Ok(text) => world.print(&text),
            Err(error) => world.tell(&format!("error: the plan cannot be written: {error}")),
        },
        _ => world.print(&crate::render::release::plan(plan)),
    }
    Exit::Pass
}

fn show_report(world: &World, report: &Report, format: Format, root: &Utf8Path, ledger: &Path) -> Exit {
    let outcome = Outcome { findings: report.findings.clone(), failures: report.failures.clone() };
    match format {
        Format::Json => {
            match serde_json::to_string_pretty(&Document::new(document::RELEASE, &report.document)) {
                Ok(text) => world.print(&text),
                Err(error) => world.tell(&format!("error: the document cannot be written: {error}")),
            }
        }
        Format::Human => {
            show(world, &outcome, format, "release", root);
            world.print(&human(&report.document, ledger));
        }
        _ => show(world, &outcome, format, "release", root),
    }
    if report.usage { Exit::Usage } else { report.document.verdict.into() }
}

/// Who signs, who verifies, and which workflow this is.
pub(crate) struct Parts {
    pub(crate) signer: Signer,
    pub(crate) verifier: Verifier,
    pub(crate) workflow: Option<Workflow>,
    pub(crate) builder_id: String,
}

impl Parts {
    /// A verifier that believes these roots.
    pub(crate) fn new(
        signer: Signer,
        roots: TrustRoots,
        workflow: Option<Workflow>,
        builder_id: String,
    ) -> Self {
        Self { signer, verifier: Verifier::new(roots), workflow, builder_id }
    }
}
