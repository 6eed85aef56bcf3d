//! The command line of loadline: arguments in, rendering out.
//!
//! Nothing is decided here: each verb reads its arguments, calls the rooms below, renders what they say
//! and turns the verdict into an exit code.

mod at_hand;
mod cli;
pub mod codes;
mod demands;
mod exit;
mod files;
mod kept;
mod login;
mod manifests;
mod place;
mod rehearsal;
mod render;
mod session;
mod setup;
mod signing;
mod third_parties;
mod trust;
mod verbs;
mod world;

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches};

pub use exit::Exit;
pub use verbs::schema::documents;
pub use world::World;

/// The whole command line, for the reference, the man page and completions.
pub fn command() -> clap::Command {
    cli::Cli::command()
}

/// Runs one command line, program name first.
pub fn run(arguments: impl IntoIterator<Item = OsString>, world: &World) -> Exit {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if verbs::image_verifier::is_called(&arguments) {
        return verbs::image_verifier::run(&arguments, world);
    }
    let matches = match command().try_get_matches_from(arguments) {
        Ok(matches) => matches,
        Err(error) => return refuse(&error, world),
    };
    match cli::Cli::from_arg_matches(&matches) {
        Ok(cli) => cli.verb.run(world),
        Err(error) => refuse(&error, world),
    }
}

/// Help and version go to standard output and are no error; everything else is.
fn refuse(error: &clap::Error, world: &World) -> Exit {
    if error.use_stderr() {
        let text = error.render();
        world.tell(&if world.colour_err() { text.ansi().to_string() } else { text.to_string() });
        Exit::Usage
    } else {
        let text = error.render();
        world.print(&if world.colour_out() { text.ansi().to_string() } else { text.to_string() });
        Exit::Pass
    }
}
