//! `loadline build`: legs by digest, each with a record for the machine that joins them; or an image to run here.

use std::path::{Path, PathBuf};

use camino::Utf8PathBuf;
use loadline_core::config::Builder;
use loadline_core::document::{self, Document};
use loadline_core::finding::FindingDocument;
use loadline_core::verdict::FailureDocument;
use loadline_core::{Digest, Failure, Finding, Outcome, Platform, Verdict};
use loadline_registry::{Client, Repository};
use loadline_release::current::ImageStatus;
use loadline_release::event::{Event, Listener};
use loadline_release::git::Checkout;
use loadline_release::legs::{BoundReport, Depth, LegRecord, examine};
use loadline_release::plan::{Plan, PlannedImage};
use loadline_release::workshop::Workshop;
use loadline_release::{Ended, ReleaseError};
use loadline_report::Format;
use schemars::JsonSchema;
use serde::Serialize;

use crate::codes::{ARGUMENT_INVALID, INPUT_UNREADABLE, VERSION_INVALID};
use crate::exit::Exit;
use crate::files;
use crate::place::client;
use crate::render::outcome::{fail, show};
use crate::render::progress::Progress;
use crate::session::{self, Configured, configure, usage, wait};
use crate::setup::SandboxSession;
use crate::verbs::existing;
use crate::verbs::release::{self, own_folder};
use crate::verbs::status;
use crate::world::World;

/// Build images by digest, without a tag; or one to run here
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The images; all of them where none is named.
    #[arg(value_name = "IMAGE", conflicts_with = "leg")]
    images: Vec<String>,
    /// One leg of one image.
    #[arg(long, value_name = "IMAGE:PLATFORM")]
    leg: Option<String>,
    /// Write the leg's record here. A record that is there, of this commit and configuration, and true, is kept, and
    /// nothing is built.
    #[arg(long, value_name = "FILE", requires = "leg", conflicts_with = "load")]
    record: Option<PathBuf>,
    /// Bind a scan report of the leg in its record, beside which it must lie.
    #[arg(long, value_name = "FILE", requires = "record")]
    report: Option<PathBuf>,
    /// Build into the engine's own store under this tag, to run it here. Nothing is pushed.
    #[arg(long, value_name = "TAG")]
    load: Option<String>,
    /// The platform to load; that of this machine where none is named.
    #[arg(long, value_name = "PLATFORM", requires = "load", conflicts_with = "leg")]
    platform: Option<Platform>,
    /// Leave out images that are current: what is at every one of their repositories was made from the same.
    #[arg(long, conflicts_with_all = ["leg", "load"])]
    if_stale: bool,
    /// Take what is at a registry already, for images of the builder `existing`.
    #[arg(long, value_name = "IMAGE=REFERENCE")]
    existing: Vec<String>,
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    config: Option<Utf8PathBuf>,
    /// Push to the embedded registry of `release --sandbox`.
    #[arg(long, conflicts_with = "load")]
    sandbox: bool,
    /// The version, such as 1.2.3. Without it: --tag, else the version tag at HEAD.
    #[arg(long, value_name = "V", conflicts_with = "tag")]
    version: Option<String>,
    /// The git tag that names the version, such as v1.2.3.
    #[arg(long, value_name = "TAG")]
    tag: Option<String>,
    /// How to show what came of it.
    #[arg(long, value_name = "FORMAT", default_value_t)]
    format: Format,
    /// Write milestones as JSON Lines to a file, or `-` for standard error.
    #[arg(long, value_name = "FILE")]
    events: Option<PathBuf>,
    /// Show nothing while it runs.
    #[arg(long, short)]
    quiet: bool,
}

/// The body of `loadline/build/v1`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct BuildDocument {
    /// What it came to.
    verdict: Verdict,
    /// The legs that are at the registry by digest.
    legs: Vec<BuiltLeg>,
    /// The images that were left out, because they are current.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    current: Vec<ImageStatus>,
    /// What was found.
    findings: Vec<FindingDocument>,
    /// What could not be done.
    failures: Vec<FailureDocument>,
}

/// One leg that is at the registry.
#[derive(Debug, Serialize, JsonSchema)]
struct BuiltLeg {
    /// The image.
    image: String,
    /// The platform.
    platform: Platform,
    /// The manifest's digest.
    #[schemars(with = "String")]
    digest: Digest,
    /// What to pull, or to scan: the repository and the digest.
    reference: String,
    /// Whether it was there already, by its record.
    unchanged: bool,
}

pub(crate) fn run(args: Args, world: &World) -> Exit {
    let mut configured = match configure(world, args.config.as_deref(), args.format) {
        Ok(configured) => configured,
        Err(exit) => return exit,
    };
    if let Err(message) = existing::take(&mut configured.loaded.config, &args.existing) {
        return usage(world, &ARGUMENT_INVALID, message, args.format);
    }
    let checkout = match session::checkout(world, &configured, "built", args.format) {
        Ok(checkout) => checkout,
        Err(exit) => return exit,
    };
    match wait(world, build(&args, world, &configured, &checkout)) {
        Ok(Ok(exit)) | Ok(Err(exit)) | Err(exit) => exit,
    }
}

async fn build(
    args: &Args,
    world: &World,
    configured: &Configured,
    checkout: &Checkout,
) -> Result<Exit, Exit> {
    let format = args.format;
    let root = configured.root.as_std_path();
    let sandbox = match args.sandbox {
        true => {
            Some(SandboxSession::open(world, root).await.map_err(|failure| fail(world, failure, format))?)
        }
        false => None,
    };
    let as_release = args.as_release();
    let version = release::version(&as_release, configured, checkout)
        .map_err(|message| usage(world, &VERSION_INVALID, message, format))?;
    let config = &configured.loaded.config;
    let plan = release::plan(&as_release, world, (configured, config), checkout, &version, sandbox.as_ref())?;
    let wanted = args.wanted(&plan).map_err(|message| usage(world, &ARGUMENT_INVALID, message, format))?;

    let client = client(world);
    let (wanted, current) = match args.if_stale {
        false => (wanted, Vec::new()),
        true => {
            let mut names: Vec<&str> = wanted.iter().map(|(image, _)| image.name.as_str()).collect();
            names.dedup();
            match status::current(world, configured, checkout, &client, sandbox.as_ref(), &names).await {
                Ok(current) => {
                    let is_stale = |name: &str| !current.iter().any(|status| status.name == name);
                    (wanted.into_iter().filter(|(image, _)| is_stale(&image.name)).collect(), current)
                }
                Err(failures) => {
                    let outcome = Outcome { findings: Vec::new(), failures };
                    show_outcome(world, args, configured, &outcome, (Vec::new(), Vec::new()));
                    return Ok(outcome.verdict().into());
                }
            }
        }
    };
    let progress = Progress::new(world, args.quiet, release::open_events(world, &as_release)?);
    let scratch = own_folder(configured, sandbox.as_ref()).join("builds");
    let job = Job { args, world, plan: &plan, client: &client, root, scratch: &scratch, listener: &progress };
    let mut outcome = Outcome::new();
    let mut legs = Vec::new();
    let mut is_usage = false;
    for (image, platform) in wanted {
        match job.leg(image, &platform).await {
            Ok((leg, notes)) => {
                legs.extend(leg);
                // What holds for all legs of an image is told once.
                let new = |note: &Finding| !outcome.findings.iter().any(|told| told.message == note.message);
                let notes: Vec<Finding> = notes.into_iter().filter(new).collect();
                outcome.findings.extend(notes);
            }
            Err(Stopped::Findings(findings)) => {
                outcome.findings.extend(findings);
                is_usage = true;
            }
            Err(Stopped::Failed(failure)) => outcome.failures.push(failure),
        }
        if outcome.verdict() != Verdict::Pass {
            break;
        }
    }
    progress.clear();
    if let Some(sandbox) = sandbox {
        sandbox.close().await;
    }
    show_outcome(world, args, configured, &outcome, (legs, current));
    Ok(if is_usage { Exit::Usage } else { outcome.verdict().into() })
}

impl Args {
    /// The arguments that a release has too.
    fn as_release(&self) -> release::Args {
        release::Args {
            config: self.config.clone(),
            sandbox: self.sandbox,
            version: self.version.clone(),
            tag: self.tag.clone(),
            format: self.format.into(),
            events: self.events.clone(),
            ..release::Args::default()
        }
    }

    /// The legs that are asked for.
    fn wanted<'p>(&self, plan: &'p Plan) -> Result<Vec<(&'p PlannedImage, Platform)>, String> {
        if let Some(leg) = &self.leg {
            let (name, platform) = leg
                .split_once(':')
                .ok_or_else(|| format!("`--leg {leg}` is not written as IMAGE:PLATFORM"))?;
            let image = plan.image(name).map_err(|error| error.to_string())?;
            let platform: Platform = platform.parse().map_err(|error| format!("`--leg {leg}`: {error}"))?;
            if !image.platforms.contains(&platform) {
                let known: Vec<String> = image.platforms.iter().map(ToString::to_string).collect();
                return Err(format!("`{name}` is not built for {platform}, only for {}", known.join(", ")));
            }
            return Ok(vec![(image, platform)]);
        }
        let images: Vec<&PlannedImage> = match self.images.as_slice() {
            [] => plan.images.iter().collect(),
            named => {
                let found = named.iter().map(|name| plan.image(name).map_err(|error| error.to_string()));
                found.collect::<Result<_, _>>()?
            }
        };
        if self.load.is_none() {
            let legs = images
                .iter()
                .flat_map(|image| image.platforms.iter().map(|platform| (*image, platform.clone())));
            return Ok(legs.collect());
        }
        let [image] = images[..] else {
            return Err("`--load` gives one image its tag: name the image".to_owned());
        };
        let platform = self.platform.clone().unwrap_or_else(this_machine);
        match image.platforms.contains(&platform) {
            true => Ok(vec![(image, platform)]),
            false => Err(format!("`{}` is not built for {platform}: name another --platform", image.name)),
        }
    }
}

/// What this machine runs without emulation.
fn this_machine() -> Platform {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    Platform::new("linux", architecture, None)
}

enum Stopped {
    Findings(Vec<Finding>),
    Failed(Failure),
}

impl From<ReleaseError> for Stopped {
    fn from(error: ReleaseError) -> Self {
        match Ended::from(error) {
            Ended::Usage(findings) => Self::Findings(findings),
            Ended::Failed(mut failure) => {
                failure.help = failure.help.filter(|help| !help.contains("the release goes on"));
                Self::Failed(failure)
            }
        }
    }
}

struct Job<'a> {
    args: &'a Args,
    world: &'a World,
    plan: &'a Plan,
    client: &'a Client,
    root: &'a Path,
    scratch: &'a Path,
    listener: &'a dyn Listener,
}

impl Job<'_> {
    async fn leg(
        &self,
        image: &PlannedImage,
        platform: &Platform,
    ) -> Result<(Option<BuiltLeg>, Vec<Finding>), Stopped> {
        if let Some(tag) = &self.args.load {
            return Ok((None, self.load(image, platform, tag).await?));
        }
        let repositories: Vec<Repository> =
            image.repositories.iter().map(|name| Repository::at(self.client, name.clone())).collect();
        let Some(first) = repositories.first() else { return Ok((None, Vec::new())) };
        let kept = self.kept(image, platform, first).await?;
        let unchanged = kept.is_some();
        let (mut record, notes) = match kept {
            Some(record) => (record, Vec::new()),
            None => self.build(image, platform, &repositories).await?,
        };
        if let Some(report) = &self.args.report {
            record.report = Some(self.bind(report, &record)?);
        }
        if let Some(file) = &self.args.record {
            self.write(file, &record)?;
        }
        let digest = record.manifest.digest.clone();
        self.listener.hear(&Event::LegBuilt {
            image: image.name.clone(),
            platform: platform.clone(),
            digest: digest.clone(),
        });
        let reference =
            image.repositories.first().map(|name| name.at(&digest).to_string()).unwrap_or_default();
        let leg =
            BuiltLeg { image: image.name.clone(), platform: platform.clone(), digest, reference, unchanged };
        Ok((Some(leg), notes))
    }

    fn workshop(&self) -> Result<Workshop<'_>, Stopped> {
        let environment = &self.world.environment;
        let work = self.scratch.join("work");
        Ok(Workshop::open(self.plan, self.root, self.client, environment, &work, self.listener)?)
    }

    async fn build(
        &self,
        image: &PlannedImage,
        platform: &Platform,
        repositories: &[Repository],
    ) -> Result<(LegRecord, Vec<Finding>), Stopped> {
        let workshop = self.workshop()?;
        let layout = Repository::layout(self.scratch.join("layout"));
        // A registry that stands in may be out of a builder's reach: what is built comes by way of a layout.
        let direct = image.builder != Builder::Buildx || !self.plan.stand_in;
        let destination = repositories.first().filter(|_| direct).unwrap_or(&layout);
        let (leg, notes) = workshop.build(image, platform, destination).await?;
        for repository in repositories.iter().filter(|repository| repository.name() != destination.name()) {
            let copied = loadline_build::copy_leg(destination, repository, leg.manifests()).await;
            copied.map_err(|error| Stopped::Failed(Failure::from(&error)))?;
        }
        Ok((LegRecord::new(self.plan, image, &leg), notes))
    }

    async fn load(
        &self,
        image: &PlannedImage,
        platform: &Platform,
        tag: &str,
    ) -> Result<Vec<Finding>, Stopped> {
        if image.builder != Builder::Buildx {
            let builder = image.builder.name();
            let message = format!(
                "`--load` is for images that buildx builds; `{}` is built by `{builder}`",
                image.name
            );
            return Err(Stopped::Findings(vec![Finding::error(&ARGUMENT_INVALID, message)]));
        }
        Ok(self.workshop()?.load(image, platform, tag).await?)
    }

    /// The record that is there already, if it is of this plan, and the registry says the same.
    async fn kept(
        &self,
        image: &PlannedImage,
        platform: &Platform,
        repository: &Repository,
    ) -> Result<Option<LegRecord>, Stopped> {
        let Some(file) = &self.args.record else { return Ok(None) };
        // What cannot be read as a record is written anew.
        let Some(record) = std::fs::read(self.world.folder.join(file))
            .ok()
            .filter(|bytes| bytes.len() < 8 << 20)
            .and_then(|bytes| serde_json::from_slice::<LegRecord>(&bytes).ok())
        else {
            return Ok(None);
        };
        let same = record.image == image.name
            && record.platform == *platform
            && record.differences(self.plan, image).is_empty();
        if !same {
            return Ok(None);
        }
        let examined = examine(repository, &[&record], Depth::Vouch).await;
        let findings = examined.map_err(|error| Stopped::Failed(Failure::from(&error)))?;
        Ok(findings.is_empty().then_some(record))
    }

    fn bind(&self, report: &Path, record: &LegRecord) -> Result<BoundReport, Stopped> {
        let file = self.world.folder.join(report);
        let beside = self.args.record.as_ref().map(|record| self.world.folder.join(record));
        let refuse = |message: String| Stopped::Findings(vec![Finding::error(&ARGUMENT_INVALID, message)]);
        if beside.as_deref().and_then(Path::parent) != file.parent() {
            return Err(refuse(format!("the report {} does not lie beside the record", report.display())));
        }
        BoundReport::bind(&file, &record.manifest.digest).map_err(|error| {
            let message = format!("the report {} cannot be read: {error}", report.display());
            Stopped::Failed(
                Failure::new(&INPUT_UNREADABLE, message).help("scan the leg, then bind its report"),
            )
        })
    }

    fn write(&self, file: &Path, record: &LegRecord) -> Result<(), Stopped> {
        let text = serde_json::to_string_pretty(&Document::new(document::LEG, record)).unwrap_or_default();
        files::write(self.world, file, (text + "\n").as_bytes()).map_err(Stopped::Failed)
    }
}

fn show_outcome(
    world: &World,
    args: &Args,
    configured: &Configured,
    outcome: &Outcome,
    (legs, current): (Vec<BuiltLeg>, Vec<ImageStatus>),
) {
    match args.format {
        Format::Json => {
            let document = BuildDocument {
                verdict: outcome.verdict(),
                legs,
                current,
                findings: outcome.findings.iter().map(Into::into).collect(),
                failures: outcome.failures.iter().map(Into::into).collect(),
            };
            match serde_json::to_string_pretty(&Document::new(document::BUILD, document)) {
                Ok(text) => world.print(&text),
                Err(error) => world.tell(&format!("error: the document cannot be written: {error}")),
            }
        }
        Format::Human => {
            show(world, outcome, args.format, "build", &configured.root);
            for status in &current {
                let digest = status.digest.as_ref().map(|digest| format!("@{digest}")).unwrap_or_default();
                world.print(&format!("{}  {}{digest} (current)", status.name, status.repository));
            }
            for leg in &legs {
                let there = if leg.unchanged { " (there already)" } else { "" };
                world.print(&format!("{} {}  {}{there}", leg.image, leg.platform, leg.reference));
            }
            if let (Some(tag), Verdict::Pass) = (&args.load, outcome.verdict()) {
                world.print(&format!("loaded as {tag}"));
            }
        }
        format => show(world, outcome, format, "build", &configured.root),
    }
}
