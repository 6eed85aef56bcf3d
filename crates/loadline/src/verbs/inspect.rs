//! `loadline inspect`: an image and all that hangs on it, as it lies there.

use loadline_core::document::Document;
use loadline_core::{Failure, Platform};
use loadline_evidence::inspect::{Inspection, Look, inspect};
use loadline_registry::Client;
use loadline_report::Format;

use crate::exit::Exit;
use crate::place::{Place, client};
use crate::render::inspect::{INSPECT, InspectDocument, tree};
use crate::render::outcome::{fail, show};
use crate::session::wait;
use crate::world::World;

/// Show an image's tree: platforms, sizes, what BuildKit and bundles say. Nothing is verified
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The image, by tag or digest; or a layout on disk, `oci:DIR[:TAG]`.
    #[arg(value_name = "REF")]
    place: Place,
    /// Only these platforms; all of the image's without it.
    #[arg(long, value_name = "OS/ARCH")]
    platform: Vec<Platform>,
    /// How many tags to look up for those that lead here too: registries cannot be asked. 0 looks up none.
    #[arg(long, value_name = "N", default_value_t = 24)]
    tags: usize,
    /// How to show it.
    #[arg(long, value_name = "FORMAT", default_value_t)]
    format: Format,
}

pub(crate) fn run(args: &Args, world: &World) -> Exit {
    let client = client(world);
    let inspection = match wait(world, look(args, world, &client)) {
        Ok(Ok(inspection)) => inspection,
        Ok(Err(failure)) => return fail(world, failure, args.format),
        Err(exit) => return exit,
    };
    let verdict = inspection.outcome.verdict();
    let folder = camino::Utf8Path::from_path(&world.folder).unwrap_or(camino::Utf8Path::new("."));
    match args.format {
        Format::Human => {
            world.print(&tree(&args.place, &inspection));
            if !inspection.outcome.findings.is_empty() || !inspection.outcome.failures.is_empty() {
                show(world, &inspection.outcome, args.format, "inspect", folder);
            }
        }
        Format::Json => {
            let body = InspectDocument::new(&args.place, &inspection, client.counters().requests);
            match serde_json::to_string_pretty(&Document::new(INSPECT, body)) {
                Ok(text) => world.print(&text),
                Err(error) => world.tell(&format!("error: the document cannot be written: {error}")),
            }
        }
        _ => show(world, &inspection.outcome, args.format, "inspect", folder),
    }
    verdict.into()
}

async fn look(args: &Args, world: &World, client: &Client) -> Result<Inspection, Failure> {
    let repository = args.place.repository(client, &world.folder);
    let target = args.place.target(&world.folder).map_err(Failure::from)?;
    let image = repository.manifest(&target).await.map_err(Failure::from)?;
    let tag = (!target.contains(':')).then_some(target.as_str());
    let look = Look { platforms: &args.platform, tags: args.tags };
    inspect(&repository, image, tag, look).await.map_err(Failure::from)
}
