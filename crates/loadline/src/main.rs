//! The `loadline` program: everything is in the library.

use std::process::ExitCode;

use loadline::World;

fn main() -> ExitCode {
    loadline::run(std::env::args_os(), &World::of_this_process()).into()
}
