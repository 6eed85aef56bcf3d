//! `loadline region`: shared regions, shown and marked.

pub(crate) use loadline_check::cli::region::Args;

use crate::exit::Exit;
use crate::verbs::check::answer;
use crate::world::World;

pub(crate) fn run(args: &Args, world: &World) -> Exit {
    answer(world, |inputs| loadline_check::cli::region::run(args, inputs))
}
