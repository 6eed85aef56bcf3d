//! `loadline check`: the rules over the repository, as the room of the check has them.

use camino::Utf8Path;
pub(crate) use loadline_check::cli::Args;
use loadline_check::cli::{Answer, End, Inputs};

use crate::exit::Exit;
use crate::world::World;

pub(crate) fn run(args: &Args, world: &World) -> Exit {
    answer(world, |inputs| loadline_check::cli::run(args, inputs))
}

/// Runs a verb of that room in this world, and shows what came of it.
pub(crate) fn answer(world: &World, verb: impl FnOnce(&Inputs<'_>) -> Answer) -> Exit {
    let Some(folder) = Utf8Path::from_path(&world.folder) else {
        world.tell(&format!("error: the path {} is not UTF-8", world.folder.display()));
        return Exit::Usage;
    };
    let answer = verb(&Inputs { environment: &world.environment, folder, colour: world.colour_err() });
    if !answer.out.is_empty() {
        world.print(&answer.out);
    }
    if !answer.err.is_empty() {
        world.tell(&answer.err);
    }
    match answer.end {
        End::Verdict(verdict) => verdict.into(),
        End::Usage => Exit::Usage,
    }
}
