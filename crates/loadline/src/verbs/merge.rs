//! `loadline merge`: joins the legs that other machines built into one index an image, by digest.

use std::path::PathBuf;

use camino::Utf8PathBuf;
use loadline_core::document::{self, Document};
use loadline_core::finding::FindingDocument;
use loadline_core::verdict::FailureDocument;
use loadline_core::{Digest, Failure, Finding, Outcome, Platform, Verdict};
use loadline_registry::{Client, RegistryError, Repository};
use loadline_release::current::KeySource;
use loadline_release::git::Checkout;
use loadline_release::join::{Joined, join};
use loadline_release::leg::Leg;
use loadline_release::legs::{Depth, LegRecord, LegSet, examine};
use loadline_release::plan::PlannedImage;
use loadline_report::Format;
use schemars::JsonSchema;
use serde::Serialize;

use crate::codes::{ARGUMENT_INVALID, VERSION_INVALID};
use crate::exit::Exit;
use crate::place::client;
use crate::render::outcome::{fail, show};
use crate::session::{self, Configured, configure, refuse, usage, wait};
use crate::setup::SandboxSession;
use crate::verbs::{existing, release};
use crate::world::World;

/// Join the legs that other machines built into indexes, by digest
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder with the legs' records (`build --record`).
    #[arg(long, value_name = "DIR")]
    legs: PathBuf,
    /// Only this image; all of them where none is named.
    #[arg(long, value_name = "IMAGE")]
    image: Vec<String>,
    /// Take what is at a registry already, as the legs' `build` was told.
    #[arg(long, value_name = "IMAGE=REFERENCE")]
    existing: Vec<String>,
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    config: Option<Utf8PathBuf>,
    /// Join in the embedded registry of `release --sandbox`.
    #[arg(long)]
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
}

/// The body of `loadline/merge/v1`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct MergeDocument {
    /// What it came to.
    verdict: Verdict,
    /// The indexes that are at the registry by digest.
    images: Vec<MergedImage>,
    /// How many requests were made to registries.
    requests: u64,
    /// What was found.
    findings: Vec<FindingDocument>,
    /// What could not be done.
    failures: Vec<FailureDocument>,
}

/// One index.
#[derive(Debug, Serialize, JsonSchema)]
struct MergedImage {
    /// The image.
    name: String,
    /// The index's digest.
    #[schemars(with = "String")]
    digest: Digest,
    /// What to pull: the repository and the digest, for each of its repositories.
    references: Vec<String>,
    /// The index's media type.
    media_type: String,
    /// The children.
    platforms: Vec<MergedPlatform>,
}

/// One child.
#[derive(Debug, Serialize, JsonSchema)]
struct MergedPlatform {
    /// The platform.
    platform: Platform,
    /// The manifest's digest.
    #[schemars(with = "String")]
    digest: Digest,
}

pub(crate) fn run(args: Args, world: &World) -> Exit {
    let mut configured = match configure(world, args.config.as_deref(), args.format) {
        Ok(configured) => configured,
        Err(exit) => return exit,
    };
    if let Err(message) = existing::take(&mut configured.loaded.config, &args.existing) {
        return usage(world, &ARGUMENT_INVALID, message, args.format);
    }
    let checkout = match session::checkout(world, &configured, "joined", args.format) {
        Ok(checkout) => checkout,
        Err(exit) => return exit,
    };
    match wait(world, merge(&args, world, &configured, &checkout)) {
        Ok(Ok(exit)) | Ok(Err(exit)) | Err(exit) => exit,
    }
}

async fn merge(
    args: &Args,
    world: &World,
    configured: &Configured,
    checkout: &Checkout,
) -> Result<Exit, Exit> {
    let format = args.format;
    let root = configured.root.as_std_path();
    let config = &configured.loaded.config;
    let sandbox = match args.sandbox {
        true => {
            Some(SandboxSession::open(world, root).await.map_err(|failure| fail(world, failure, format))?)
        }
        false => None,
    };
    let as_release = release::Args {
        config: args.config.clone(),
        sandbox: args.sandbox,
        version: args.version.clone(),
        tag: args.tag.clone(),
        format: format.into(),
        ..release::Args::default()
    };
    let version = release::version(&as_release, configured, checkout)
        .map_err(|message| usage(world, &VERSION_INVALID, message, format))?;
    let plan = release::plan(&as_release, world, (configured, config), checkout, &version, sandbox.as_ref())?;
    let images: Vec<&PlannedImage> = match args.image.as_slice() {
        [] => plan.images.iter().collect(),
        named => named
            .iter()
            .map(|name| plan.image(name))
            .collect::<Result<_, _>>()
            .map_err(|error| usage(world, &ARGUMENT_INVALID, error, format))?,
    };
    let set = LegSet::read(&world.folder.join(&args.legs)).map_err(|findings| {
        refuse(world, findings, format);
        Exit::Usage
    })?;
    let client = client(world);
    let keys = KeySource {
        config,
        configuration: &plan.configuration,
        root,
        commit: &plan.commit,
        dirty: plan.dirty.as_ref(),
        environment: &world.environment,
        client: &client,
    };
    let job = Job { set: &set, client: &client, keys, config };
    let mut outcome = Outcome::from(set.check(&plan, &images));
    let mut merged = Vec::new();
    if outcome.verdict() == Verdict::Pass {
        match job.all(&images).await {
            Ok(Ok(done)) => merged = done,
            Ok(Err(findings)) => outcome.findings.extend(findings),
            Err(error) => outcome.failures.push(Failure::from(&error)),
        }
    }
    if let Some(sandbox) = sandbox {
        sandbox.close().await;
    }
    show_outcome(world, args, configured, &outcome, merged, client.counters().requests);
    Ok(outcome.verdict().into())
}

struct Job<'a> {
    set: &'a LegSet,
    client: &'a Client,
    keys: KeySource<'a>,
    config: &'a loadline_core::config::Config,
}

type Merged = Result<Vec<MergedImage>, Vec<Finding>>;

impl Job<'_> {
    /// Looks at every leg of every image first, and writes only when all are there.
    async fn all(&self, images: &[&PlannedImage]) -> Result<Merged, RegistryError> {
        let mut findings = Vec::new();
        for image in images {
            for (place, repository) in self.repositories(image).iter().enumerate() {
                let mut records: Vec<LegRecord> = self.records(image).cloned().collect();
                if place > 0 {
                    // The leg's own index was pushed to the first repository alone.
                    records.iter_mut().for_each(|record| record.index = None);
                }
                let records: Vec<&LegRecord> = records.iter().collect();
                findings.extend(examine(repository, &records, Depth::Join).await?);
            }
        }
        if !findings.is_empty() {
            return Ok(Err(findings));
        }
        let mut merged = Vec::new();
        for image in images {
            match self.one(image).await? {
                Ok(image) => merged.push(image),
                Err(finding) => return Ok(Err(vec![finding])),
            }
        }
        Ok(Ok(merged))
    }

    fn repositories(&self, image: &PlannedImage) -> Vec<Repository> {
        image.repositories.iter().map(|name| Repository::at(self.client, name.clone())).collect()
    }

    fn records<'s>(&'s self, image: &'s PlannedImage) -> impl Iterator<Item = &'s LegRecord> {
        image
            .platforms
            .iter()
            .filter_map(|platform| self.set.of_leg(&image.name, platform))
            .map(|r| &r.record)
    }

    async fn one(&self, image: &PlannedImage) -> Result<Result<MergedImage, Finding>, RegistryError> {
        let legs: Vec<Leg> = self.records(image).map(LegRecord::leg).collect();
        // As a release has it, whose index is to be this very one.
        let key = match self.config.images.get(&image.name) {
            Some(configured) => self.keys.key(&image.name, configured).await.ok().map(|key| key.text()),
            None => None,
        };
        let Joined { descriptor, bytes, children } = match join(image, &legs, key.as_deref()) {
            Ok(joined) => joined,
            Err(error) => return Ok(Err(Finding::error(&ARGUMENT_INVALID, error.to_string()))),
        };
        for repository in self.repositories(image) {
            repository.put_manifest(&descriptor.media_type, bytes.clone()).await?;
        }
        let references = image.repositories.iter().map(|name| name.at(&descriptor.digest).to_string());
        Ok(Ok(MergedImage {
            name: image.name.clone(),
            references: references.collect(),
            digest: descriptor.digest,
            media_type: descriptor.media_type,
            platforms: children
                .into_iter()
                .map(|(platform, child)| MergedPlatform { platform, digest: child.digest })
                .collect(),
        }))
    }
}

fn show_outcome(
    world: &World,
    args: &Args,
    configured: &Configured,
    outcome: &Outcome,
    images: Vec<MergedImage>,
    requests: u64,
) {
    match args.format {
        Format::Json => {
            let document = MergeDocument {
                verdict: outcome.verdict(),
                images,
                requests,
                findings: outcome.findings.iter().map(Into::into).collect(),
                failures: outcome.failures.iter().map(Into::into).collect(),
            };
            match serde_json::to_string_pretty(&Document::new(document::MERGE, document)) {
                Ok(text) => world.print(&text),
                Err(error) => world.tell(&format!("error: the document cannot be written: {error}")),
            }
        }
        Format::Human => {
            show(world, outcome, args.format, "merge", &configured.root);
            for image in &images {
                world.print(&format!("{}  {}", image.name, image.references.join(", ")));
                for platform in &image.platforms {
                    world.print(&format!("  {:14} {}", platform.platform.to_string(), platform.digest));
                }
            }
        }
        format => show(world, outcome, format, "merge", &configured.root),
    }
}
