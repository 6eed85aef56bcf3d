//! `loadline sandbox`: the embedded registry and Sigstore, for any client.

pub(crate) mod gc;
mod serve;

use crate::exit::Exit;
use crate::world::World;

/// Run the embedded registry and private Sigstore for other programs
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    verb: SandboxVerb,
}

#[derive(Debug, clap::Subcommand)]
enum SandboxVerb {
    Serve(serve::Args),
    Gc(gc::Args),
}

pub(crate) fn run(args: Args, world: &World) -> Exit {
    match args.verb {
        SandboxVerb::Serve(args) => serve::run(args, world),
        SandboxVerb::Gc(args) => gc::run(args, world),
    }
}
