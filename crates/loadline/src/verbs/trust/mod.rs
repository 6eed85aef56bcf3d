//! `loadline trust`: who is believed, and how fresh that is.

pub(crate) mod show;
mod update;

use crate::exit::Exit;
use crate::world::World;

/// Show whose certificates, logs and timestamps are believed, and fetch them anew
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: TrustVerb,
}

#[derive(Debug, clap::Subcommand)]
enum TrustVerb {
    Show(show::Args),
    Update(update::Args),
}

pub(crate) fn run(args: Args, world: &World) -> Exit {
    match args.verb {
        TrustVerb::Show(args) => show::run(&args, world),
        TrustVerb::Update(args) => update::run(&args, world),
    }
}
