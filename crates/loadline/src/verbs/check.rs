//! `loadline check`: the rules over the repository.

use camino::{Utf8Path, Utf8PathBuf};
use loadline_check::{CheckRequest, WorkTree, check};
use loadline_core::Verdict;
use loadline_report::Format;

use crate::exit::Exit;
use crate::render::outcome::show;
use crate::session::configure;
use crate::world::World;

/// Check that shared regions are byte-identical, and that they build the same
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The configuration.
    #[arg(long, value_name = "FILE")]
    config: Option<Utf8PathBuf>,
    /// How to show what was found.
    #[arg(long, value_name = "FORMAT", default_value_t)]
    format: Format,
}

pub(crate) fn run(args: Args, world: &World) -> Exit {
    let configured = match configure(world, args.config.as_deref(), args.format) {
        Ok(configured) => configured,
        Err(exit) => return exit,
    };
    let regions = &configured.loaded.config.shared_regions;
    let outcome = check(&CheckRequest { tree: &WorkTree::new(configured.root.clone()), regions });
    show(world, &outcome, args.format, "check", Utf8Path::new(&configured.root));
    let verdict = outcome.verdict();
    if args.format == Format::Human && verdict == Verdict::Pass {
        world.print(&format!("pass: {} shared regions are the same everywhere", regions.len()));
    }
    verdict.into()
}
