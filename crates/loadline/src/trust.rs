//! Who is believed.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use loadline_core::Failure;
use loadline_sigstore::trust::{Cache, Mirror};
use loadline_sigstore::{Instance, TrustError, TrustRoot, TrustRoots};

use crate::codes::TRUST_ROOT_UNREADABLE;
use crate::world::World;

/// The instances whose roots are known without being named.
pub(crate) const KNOWN: [Instance; 2] = [Instance::PublicGood, Instance::GitHub];

/// When a cache was filled: what is in it is verified as of then.
const STAMP: &str = "fetched";

/// A root that is known without being named, and where it is from.
pub(crate) struct Known {
    pub(crate) root: TrustRoot,
    /// When it was fetched; `None` where it is built in.
    pub(crate) fetched: Option<Timestamp>,
    /// Why what was fetched cannot be used.
    pub(crate) unusable: Option<String>,
}

/// The root in this file and no other; else the staging instance's; else those that are known.
pub(crate) fn roots(world: &World, file: Option<&Path>, staging: bool) -> Result<TrustRoots, Failure> {
    match (file, staging) {
        (Some(file), _) => {
            TrustRoot::read(&world.folder.join(file)).map(TrustRoots::only).map_err(|error| unusable(&error))
        }
        (None, true) => {
            TrustRoot::embedded(Instance::Staging).map(TrustRoots::only).map_err(|error| unusable(&error))
        }
        (None, false) => chosen(world, &[]),
    }
}

/// The roots of these names: `public-good`, `github`, `staging`, or files; those that are known where there is
/// no name.
pub(crate) fn chosen(world: &World, names: &[String]) -> Result<TrustRoots, Failure> {
    if names.is_empty() {
        let [public_good, github] = KNOWN.map(|instance| known(world, instance));
        return Ok(TrustRoots::by_issuer(public_good?.root, github?.root));
    }
    let mut roots = Vec::new();
    for name in names {
        roots.push(match name.as_str() {
            "public-good" => known(world, Instance::PublicGood)?.root,
            "github" => known(world, Instance::GitHub)?.root,
            "staging" => TrustRoot::embedded(Instance::Staging).map_err(|error| unusable(&error))?,
            file => TrustRoot::read(&world.folder.join(file)).map_err(|error| unusable(&error))?,
        });
    }
    Ok(TrustRoots::given(roots))
}

/// Whether these names believe an instance that GitHub's own attestations are of.
pub(crate) fn believes_github(names: &[String]) -> bool {
    names.is_empty() || names.iter().any(|name| name == "public-good" || name == "github")
}

/// An instance's root: what `trust update` fetched, verified anew through TUF; else the one that is built in.
pub(crate) fn known(world: &World, instance: Instance) -> Result<Known, Failure> {
    let mut reason = None;
    if let Some(folder) = cache(world, instance).filter(|folder| folder.join(STAMP).exists()) {
        match cached(&folder, instance) {
            Ok((root, fetched)) => return Ok(Known { root, fetched: Some(fetched), unusable: None }),
            Err(error) => reason = Some(error),
        }
    }
    let root = TrustRoot::embedded(instance).map_err(|error| unusable(&error))?;
    Ok(Known { root, fetched: None, unusable: reason })
}

/// The signatures in the cache are verified anew each time; its dates as of when it was fetched, since metadata
/// that is fresh for days only would leave machines without a network with something older still.
fn cached(folder: &Path, instance: Instance) -> Result<(TrustRoot, Timestamp), String> {
    let stamp = std::fs::read_to_string(folder.join(STAMP)).map_err(|error| error.to_string())?;
    let fetched: Timestamp = stamp.trim().parse().map_err(|error: jiff::Error| error.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(|error| error.to_string())?;
    let cache = Cache::Offline(folder.to_owned());
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).build();
    let client = client.map_err(|error| error.to_string())?;
    let root = runtime.block_on(Mirror::of(instance).fetch(client, &cache, fetched));
    Ok((root.map_err(|error| error.to_string())?, fetched))
}

/// Notes when a cache was filled.
pub(crate) fn stamp(folder: &Path, now: Timestamp) -> std::io::Result<()> {
    std::fs::write(folder.join(STAMP), format!("{now}\n"))
}

/// Where an instance's TUF metadata is kept.
pub(crate) fn cache(world: &World, instance: Instance) -> Option<PathBuf> {
    let set =
        |name: &str| world.environment.get_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")))?;
    Some(base.join("loadline/trust").join(word(instance)))
}

/// What an instance is called on the command line and in policies.
pub(crate) const fn word(instance: Instance) -> &'static str {
    match instance {
        Instance::PublicGood => "public-good",
        Instance::GitHub => "github",
        Instance::Staging => "staging",
    }
}

pub(crate) fn unusable(error: &TrustError) -> Failure {
    Failure::new(&TRUST_ROOT_UNREADABLE, error.to_string())
        .help("name the trusted_root.json of the instance that signed")
}
