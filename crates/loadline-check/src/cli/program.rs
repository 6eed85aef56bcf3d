//! The small program: this process as its world.

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use camino::Utf8PathBuf;
use clap::Parser;
use loadline_process::Environment;

use super::{Answer, Args, End, Inputs, run};

#[derive(Debug, Parser)]
#[command(name = "loadline-check", version, max_term_width = 100, after_help = AFTER_HELP)]
struct Program {
    #[command(flatten)]
    args: Args,
}

const AFTER_HELP: &str = "Exit codes: 0 pass, 1 findings, 2 wrong usage or configuration, 3 could not tell.";

/// Runs this process's arguments, and says what came of it.
pub fn main() -> ExitCode {
    let answer = answer(std::env::args_os(), std::env::current_dir());
    // A reader that closed its end early is no error.
    let _ = std::io::stdout().write_all(answer.out.as_bytes());
    let _ = std::io::stderr().write_all(answer.err.as_bytes());
    ExitCode::from(answer.end.code())
}

fn answer(arguments: impl Iterator<Item = OsString>, folder: std::io::Result<PathBuf>) -> Answer {
    let program = match Program::try_parse_from(arguments) {
        Ok(program) => program,
        Err(error) if error.use_stderr() => {
            return Answer { out: String::new(), err: error.render().to_string(), end: End::Usage };
        }
        Err(error) => {
            let out = error.render().to_string();
            return Answer { out, err: String::new(), end: End::Verdict(loadline_core::Verdict::Pass) };
        }
    };
    let folder = match folder.map(Utf8PathBuf::from_path_buf) {
        Ok(Ok(folder)) => folder,
        Ok(Err(path)) => return Answer::usage(&format!("the path {} is not UTF-8", path.display())),
        Err(error) => return Answer::usage(&format!("the current directory cannot be read: {error}")),
    };
    let environment = Environment::of_this_process();
    let plain = environment.get("NO_COLOR").is_some() || environment.get("TERM") == Some("dumb");
    let colour = std::io::stderr().is_terminal() && !plain;
    run(&program.args, &Inputs { environment: &environment, folder: &folder, colour })
}
