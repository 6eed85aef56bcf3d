//! What most verbs begin with: the configuration, the checkout, and a runtime for what waits.

use std::path::{Path, PathBuf};

use camino::{Utf8Path, Utf8PathBuf};
use loadline_core::config::{self, Loaded};
use loadline_core::{Code, Failure, Finding, Outcome};
use loadline_release::git::Checkout;
use loadline_report::Format;

use crate::codes::CHECKOUT_UNKNOWN;
use crate::exit::Exit;
use crate::render::outcome::{fail, show};
use crate::world::World;

/// The configuration's name where none is given.
pub(crate) const CONFIG: &str = "loadline.toml";

/// A configuration and the folder that its paths count from.
pub(crate) struct Configured {
    pub(crate) loaded: Loaded,
    pub(crate) root: Utf8PathBuf,
}

/// Reads the configuration; what is wrong with it is shown and exits 2.
pub(crate) fn configure(world: &World, file: Option<&Utf8Path>, format: Format) -> Result<Configured, Exit> {
    let name = file.unwrap_or(Utf8Path::new(CONFIG));
    let path = match Utf8PathBuf::from_path_buf(world.folder.join(name)) {
        Ok(path) => path,
        Err(path) => {
            world.tell(&format!("error: the path {} is not UTF-8", path.display()));
            return Err(Exit::Usage);
        }
    };
    match config::load_file(&path) {
        Ok(loaded) => {
            let root = loaded.directory().to_owned();
            Ok(Configured { loaded, root })
        }
        Err(findings) => {
            refuse(world, shorten(findings, &path, name), format);
            Err(Exit::Usage)
        }
    }
}

/// What git says of the configuration's folder; what it cannot say is shown and exits 3. `doing` completes "git
/// cannot say what is …".
pub(crate) fn checkout(
    world: &World,
    configured: &Configured,
    doing: &str,
    format: Format,
) -> Result<Checkout, Exit> {
    Checkout::read(configured.root.as_std_path(), &world.environment).map_err(|error| {
        let failure = Failure::new(&CHECKOUT_UNKNOWN, format!("git cannot say what is {doing}: {error}"))
            .help("run inside a git checkout with at least one commit");
        fail(world, failure, format)
    })
}

/// Shows findings about the inputs.
pub(crate) fn refuse(world: &World, findings: Vec<Finding>, format: Format) {
    let folder = Utf8Path::from_path(&world.folder).unwrap_or(Utf8Path::new("."));
    show(world, &Outcome::from(findings), format, "loadline", folder);
}

/// Shows one finding about the inputs, in the format that was asked for.
pub(crate) fn usage(
    world: &World,
    code: &'static Code,
    message: impl std::fmt::Display,
    format: Format,
) -> Exit {
    refuse(world, vec![Finding::error(code, message.to_string())], format);
    Exit::Usage
}

/// Findings name the file as the user did, not by its whole path.
fn shorten(findings: Vec<Finding>, path: &Utf8Path, name: &Utf8Path) -> Vec<Finding> {
    findings
        .into_iter()
        .map(|mut finding| {
            if let Some(location) = finding.location.as_mut().filter(|location| location.file == path) {
                location.file = name.to_owned();
            }
            finding.message = finding.message.replace(path.as_str(), name.as_str());
            finding
        })
        .collect()
}

/// The folder at the top of the checkout that this folder is in; itself where there is none.
pub(crate) fn top(folder: &Path) -> PathBuf {
    folder.ancestors().find(|folder| folder.join(".git").exists()).unwrap_or(folder).to_owned()
}

/// Runs what waits for the network. Ctrl-C ends it: what was begun is in the ledger.
pub(crate) fn wait<T>(world: &World, future: impl Future<Output = T>) -> Result<T, Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            world.tell(&format!("error: no threads could be started: {error}"));
            return Err(Exit::Unknown);
        }
    };
    let result = runtime.block_on(async {
        tokio::select! {
            result = future => Ok(result),
            _ = tokio::signal::ctrl_c() => Err(Exit::Interrupted),
        }
    });
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    result
}
