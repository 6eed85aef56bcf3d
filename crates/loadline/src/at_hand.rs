//! Where evidence is looked for besides the registry: bundles at hand, GitHub, the log itself.

use camino::{Utf8Path, Utf8PathBuf};
use loadline_core::{Failure, Secret};
use loadline_evidence::{Found, GitHubSource};
use loadline_registry::Http;
use loadline_sigstore::BUNDLE_LIMIT;

use crate::codes::INPUT_UNREADABLE;
use crate::files;
use crate::world::World;

/// The largest file of bundles, one a line, that is read.
const FILE_LIMIT: u64 = 256 << 20;
/// The most bundles that are read from files.
const COUNT_LIMIT: usize = 4096;

/// Where evidence is looked for.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Evidence")]
pub(crate) struct SourceArgs {
    /// A bundle at hand: a file with one bundle or one a line, or a folder of such.
    #[arg(long = "bundle", value_name = "FILE")]
    bundles: Vec<Utf8PathBuf>,
    /// Make no connection at all: digests alone are judged, by the bundles at hand.
    #[arg(long)]
    pub(crate) offline: bool,
    /// Ask the log itself whether it still includes the entry, and whether its tree goes on from the bundle's.
    #[arg(long, conflicts_with = "offline")]
    pub(crate) log_online: bool,
    /// Do not ask GitHub's attestations API. It is asked where nothing else suffices, the source is GitHub's,
    /// and the public-good instance or GitHub's is believed.
    #[arg(long)]
    no_github: bool,
}

impl SourceArgs {
    /// The bundles at hand.
    pub(crate) fn bundles(&self, world: &World) -> Result<Vec<Found>, Failure> {
        let mut found = Vec::new();
        for path in &self.bundles {
            if world.folder.join(path).is_dir() {
                for file in folder(world, path)? {
                    read(world, &file, &mut found)?;
                }
            } else {
                read(world, path, &mut found)?;
            }
        }
        Ok(found)
    }

    /// GitHub's attestations of the source, where they may be asked for. Without a token strangers' limits
    /// hold, and private repositories are not shown.
    pub(crate) fn github(&self, world: &World, http: &Http, source: Option<&str>) -> Option<GitHubSource> {
        if self.no_github || self.offline {
            return None;
        }
        let get = |name: &str| world.environment.get(name).filter(|value| !value.is_empty());
        let bare = source?;
        let bare = bare.split_once("://").map_or(bare, |(_, bare)| bare);
        let (host, path) = bare.split_once('/')?;
        let server = get("GITHUB_SERVER_URL").and_then(|url| url.split_once("://")).map(|(_, host)| host);
        let is_server = server.is_some_and(|server| server.trim_end_matches('/').eq_ignore_ascii_case(host));
        if !host.eq_ignore_ascii_case("github.com") && !is_server {
            return None;
        }
        let mut options =
            loadline_github::Options { clock: world.clock, ..loadline_github::Options::default() };
        if let Some(address) = get("GITHUB_API_URL") {
            address.clone_into(&mut options.address);
        }
        options.token = get("GITHUB_TOKEN").or_else(|| get("GH_TOKEN")).map(Secret::new);
        let repository = path.trim_end_matches('/').trim_end_matches(".git").parse().ok()?;
        Some(GitHubSource { http: http.clone(), options, repository })
    }
}

/// The files of a folder that may be bundles, in order.
fn folder(world: &World, path: &Utf8Path) -> Result<Vec<Utf8PathBuf>, Failure> {
    let unreadable = |error: std::io::Error| {
        Failure::new(&INPUT_UNREADABLE, format!("cannot read {path}: {error}")).help("check its permissions")
    };
    let mut names = Vec::new();
    for entry in std::fs::read_dir(world.folder.join(path)).map_err(unreadable)? {
        let name = entry.map_err(unreadable)?.file_name();
        if let Some(name) = name.to_str().filter(|name| name.ends_with(".json") || name.ends_with(".jsonl")) {
            names.push(path.join(name));
        }
    }
    names.sort();
    Ok(names)
}

/// One bundle, or one a line. What is no bundle is told when it is verified.
fn read(world: &World, path: &Utf8Path, found: &mut Vec<Found>) -> Result<(), Failure> {
    let bytes = files::read(world, path.as_std_path(), FILE_LIMIT)?;
    let is_json = |text: &[u8]| serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok();
    let lines: Vec<&[u8]> =
        bytes.split(|byte| *byte == b'\n').filter(|line| !line.trim_ascii().is_empty()).collect();
    // A bundle may be written over many lines; then no line is a document of its own.
    if lines.len() > 1 && (path.extension() == Some("jsonl") || lines.iter().all(|line| is_json(line))) {
        let named = |number: usize| format!("{path}, line {number}");
        found.extend(lines.iter().zip(1..).map(|(line, number)| Found::new(named(number), line.to_vec())));
    } else {
        // One byte more than is allowed is enough for being told that it is too large.
        let end = bytes.len().min(BUNDLE_LIMIT + 1);
        found.push(Found::new(path.as_str(), bytes[..end].to_vec()));
    }
    if found.len() > COUNT_LIMIT {
        let message = format!("{path}: more than {COUNT_LIMIT} bundles are at hand");
        return Err(Failure::new(&INPUT_UNREADABLE, message).help("name those that are about the images"));
    }
    Ok(())
}
