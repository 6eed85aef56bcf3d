//! `loadline-check`: the check alone, for hooks; `loadline check` does the same.

use std::process::ExitCode;

fn main() -> ExitCode {
    loadline_check::cli::main()
}
