//! `release`: `loadline release` in process, on this repository's own configuration.

use std::ffi::OsString;
use std::process::ExitCode;

use camino::Utf8Path;
use loadline::World;

/// The release set of this repository.
const CONFIG: &str = "fixtures/two-images/loadline.toml";

/// Runs `loadline release` with these arguments. The configuration is ours unless they name another;
/// paths count from where the command was started.
pub(crate) fn run(root: &Utf8Path, arguments: Vec<OsString>) -> ExitCode {
    let mut line: Vec<OsString> = vec!["loadline".into(), "release".into()];
    let named = arguments.iter().any(|argument| {
        argument.to_str().is_some_and(|text| text == "--config" || text.starts_with("--config="))
    });
    if !named {
        line.extend(["--config".into(), root.join(CONFIG).into_std_path_buf().into_os_string()]);
    }
    line.extend(arguments);
    loadline::run(line, &World::of_this_process()).into()
}
