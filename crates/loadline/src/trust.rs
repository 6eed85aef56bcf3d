//! Who is believed.

use std::path::Path;

use loadline_core::Failure;
use loadline_sigstore::{Instance, TrustRoot, TrustRoots};

use crate::codes::TRUST_ROOT_UNREADABLE;
use crate::world::World;

/// The root in this file and no other; else the staging instance's; else those that are built in.
pub(crate) fn roots(world: &World, file: Option<&Path>, staging: bool) -> Result<TrustRoots, Failure> {
    let roots = match (file, staging) {
        (Some(file), _) => TrustRoot::read(&world.folder.join(file)).map(TrustRoots::only),
        (None, true) => TrustRoot::embedded(Instance::Staging).map(TrustRoots::only),
        (None, false) => TrustRoots::embedded(),
    };
    roots.map_err(|error| {
        Failure::new(&TRUST_ROOT_UNREADABLE, error.to_string())
            .help("name the trusted_root.json of the instance that signed")
    })
}
