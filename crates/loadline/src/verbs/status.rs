//! `loadline status`: what is at the registries, and whether it is what would be built now.

use camino::Utf8PathBuf;
use loadline_core::Failure;
use loadline_core::config::{Config, ReleaseVersion};
use loadline_core::document::{self, Document};
use loadline_registry::Client;
use loadline_release::current::{Evidence, ImageStatus, Inquiry, KeySource, State, StatusDocument};
use loadline_release::git::Checkout;
use loadline_report::Format;

use crate::codes::{ARGUMENT_INVALID, VERSION_INVALID};
use crate::exit::Exit;
use crate::place::client;
use crate::render::outcome::{fail, show};
use crate::session::{self, Configured, configure, usage, wait};
use crate::setup::SandboxSession;
use crate::world::World;

/// Tell of each image what is at the registries, and whether it is what would be built now
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only these images.
    #[arg(value_name = "IMAGE")]
    images: Vec<String>,
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    config: Option<Utf8PathBuf>,
    /// At the sandbox of this checkout.
    #[arg(long)]
    sandbox: bool,
    /// The version whose tags are looked at; without it the moving tags, else the newest version's.
    #[arg(long, value_name = "V")]
    version: Option<String>,
    /// How to show it.
    #[arg(long, value_name = "FORMAT", default_value_t)]
    format: Format,
}

pub(crate) fn run(args: &Args, world: &World) -> Exit {
    let configured = match configure(world, args.config.as_deref(), args.format) {
        Ok(configured) => configured,
        Err(exit) => return exit,
    };
    let known = &configured.loaded.config.images;
    if let Some(unknown) = args.images.iter().find(|name| !known.contains_key(*name)) {
        let names: Vec<_> = known.keys().map(String::as_str).collect();
        let message = format!("there is no image `{unknown}`; there are {}", names.join(", "));
        return usage(world, &ARGUMENT_INVALID, message, args.format);
    }
    let version = match args.version.as_deref().map(ReleaseVersion::semantic).transpose() {
        Ok(version) => version,
        Err(error) => return usage(world, &VERSION_INVALID, error, args.format),
    };
    let checkout = match session::checkout(world, &configured, "checked out", args.format) {
        Ok(checkout) => checkout,
        Err(exit) => return exit,
    };
    match wait(world, status(args, world, &configured, &checkout, version.as_ref())) {
        Ok(exit) | Err(exit) => exit,
    }
}

async fn status(
    args: &Args,
    world: &World,
    configured: &Configured,
    checkout: &Checkout,
    version: Option<&ReleaseVersion>,
) -> Exit {
    let sandbox = match args.sandbox {
        true => match SandboxSession::open(world, configured.root.as_std_path()).await {
            Ok(sandbox) => Some(sandbox),
            Err(failure) => return fail(world, failure, args.format),
        },
        false => None,
    };
    let client = client(world);
    let mut loaded = configured.loaded.config.clone();
    if !args.images.is_empty() {
        loaded.images.retain(|name, _| args.images.contains(name));
    }
    let stand_in = sandbox.as_ref().map(|sandbox| sandbox.ready().registry.as_str());
    let mut inquiry = inquiry(world, configured, &loaded, checkout, &client, stand_in);
    inquiry.version = version;
    let (images, outcome) = inquiry.all().await;
    if let Some(sandbox) = sandbox {
        sandbox.close().await;
    }
    let document = StatusDocument::new(images, &outcome);
    match args.format {
        Format::Json => match serde_json::to_string_pretty(&Document::new(document::STATUS, &document)) {
            Ok(text) => world.print(&text),
            Err(error) => world.tell(&format!("error: the document cannot be written: {error}")),
        },
        Format::Human => {
            // What is stale is told line by line below; only what could not be asked is left to tell.
            let unasked = loadline_core::Outcome { findings: Vec::new(), failures: outcome.failures };
            if !unasked.failures.is_empty() {
                show(world, &unasked, args.format, "status", &configured.root);
            }
            world.print(&human(&document.images));
        }
        _ => show(world, &outcome, args.format, "status", &configured.root),
    }
    document.verdict.into()
}

fn inquiry<'a>(
    world: &'a World,
    configured: &'a Configured,
    config: &'a Config,
    checkout: &'a Checkout,
    client: &'a Client,
    stand_in: Option<&'a str>,
) -> Inquiry<'a> {
    Inquiry {
        source: KeySource {
            config,
            configuration: &configured.loaded.digest,
            root: configured.root.as_std_path(),
            commit: &checkout.commit,
            dirty: checkout.dirty.as_ref(),
            environment: &world.environment,
            client,
        },
        branch: checkout.branch.as_deref(),
        version: None,
        stand_in,
    }
}

/// Those of these images that need not be built, with where they are.
///
/// # Errors
/// What could not be told of any of them: unknown is not current.
pub(super) async fn current(
    world: &World,
    configured: &Configured,
    checkout: &Checkout,
    client: &Client,
    sandbox: Option<&SandboxSession>,
    names: &[&str],
) -> Result<Vec<ImageStatus>, Vec<Failure>> {
    let config = &configured.loaded.config;
    let stand_in = sandbox.map(|sandbox| sandbox.ready().registry.as_str());
    let inquiry = inquiry(world, configured, config, checkout, client, stand_in);
    let mut current = Vec::new();
    let mut failures = Vec::new();
    for name in names {
        let Some(image) = config.images.get(*name) else { continue };
        let (statuses, outcome) = inquiry.image(name, image).await;
        failures.extend(outcome.failures);
        if statuses.iter().all(|status| status.state == State::Current) {
            current.extend(statuses);
        }
    }
    if failures.is_empty() { Ok(current) } else { Err(failures) }
}

/// The status for people: one line an image and repository, the reasons below it.
fn human(images: &[ImageStatus]) -> String {
    let mut out = String::new();
    for image in images {
        let state = match image.state {
            State::Current => "current",
            State::Stale => "stale  ",
            State::Absent => "absent ",
            State::Unknown => "unknown",
        };
        let tag = image.tag.as_ref().map(|tag| format!(":{tag}")).unwrap_or_default();
        let digest = image.digest.as_ref().map(|digest| format!("  {digest}")).unwrap_or_default();
        let version =
            image.version.as_ref().map(|version| format!("  version {version}")).unwrap_or_default();
        let evidence = match image.evidence {
            Some(Evidence::Present) => "  with evidence",
            Some(Evidence::Missing) => "  without evidence",
            Some(Evidence::Unknown) => "  evidence unknown",
            None => "",
        };
        out.push_str(&format!(
            "{state}  {}  {}{tag}{digest}{version}{evidence}\n",
            image.name, image.repository
        ));
        for reason in &image.reasons {
            out.push_str(&format!("         {reason}\n"));
        }
    }
    out
}
