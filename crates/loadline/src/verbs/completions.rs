//! `loadline completions`: completion scripts for shells.

use clap_complete::Shell;

use crate::exit::Exit;
use crate::world::World;

/// Print a completion script for a shell
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shell.
    shell: Shell,
}

pub(crate) fn run(args: &Args, world: &World) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut crate::command(), "loadline", &mut script);
    world.print(&String::from_utf8_lossy(&script));
    Exit::Pass
}
