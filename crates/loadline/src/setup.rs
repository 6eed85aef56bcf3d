//! Who signs, who verifies and where images go: in the sandbox, or in the world.

use std::path::{Path, PathBuf};

use loadline_core::Failure;
use loadline_core::config::Config;
use loadline_evidence::provenance::Workflow;
use loadline_registry::Http;
use loadline_release::plan::Plan;
use loadline_sandbox::{GitHubRun, Options, Ready, Sandbox, SandboxError};

use crate::codes::{HTTP_UNAVAILABLE, SANDBOX_FAILED, SIGNER_UNKNOWN, TRUST_ROOT_UNREADABLE};
use crate::session::top;
use crate::verbs::release::Parts;
use crate::world::World;

/// The sandbox of a checkout: its data, ledgers and port in `target/loadline-sandbox`.
pub(crate) struct SandboxSession {
    sandbox: Sandbox,
    folder: PathBuf,
}

impl SandboxSession {
    /// Starts the sandbox of the checkout that this folder is in, on the port it had before.
    pub(crate) async fn open(_world: &World, root: &Path) -> Result<Self, Failure> {
        let folder = top(root).join("target/loadline-sandbox");
        let failed = |message: String| {
            Failure::new(&SANDBOX_FAILED, message)
                .help(format!("end what is in the way, or remove {} to begin anew", folder.display()))
        };
        let io = |what: &str, error: std::io::Error| failed(format!("{what} {}: {error}", folder.display()));
        std::fs::create_dir_all(&folder).map_err(|error| io("cannot make", error))?;
        // Checkouts that do not ignore target/ must not be dirty for having been tried.
        std::fs::write(folder.join(".gitignore"), "*\n").map_err(|error| io("cannot write to", error))?;
        let port = folder.join("port");
        let mut options = Options::new(folder.join("data"));
        if let Some(known) = std::fs::read_to_string(&port).ok().and_then(|text| text.trim().parse().ok()) {
            options.listen.set_port(known);
        }
        let sandbox = Sandbox::start(options).await.map_err(|error: SandboxError| failed(error.to_string()))?;
        let line = format!("{}\n", sandbox.address().port());
        std::fs::write(&port, line).map_err(|error| io("cannot write to", error))?;
        Ok(Self { sandbox, folder })
    }

    pub(crate) fn ready(&self) -> &Ready {
        self.sandbox.ready()
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) async fn close(self) {
        self.sandbox.stop().await;
    }
}

/// The sandbox's own identity: the workflow that the configuration names, vouched for by the sandbox's issuer.
pub(crate) fn in_sandbox(
    sandbox: &SandboxSession,
    config: &Config,
    plan: &Plan,
    http: &Http,
) -> Result<Parts, Failure> {
    let _ = (sandbox, config, plan, http, GitHubRun::new("", "", "", ""));
    let _: Option<Workflow> = None;
    Err(Failure::new(&SIGNER_UNKNOWN, "not yet"))
}

/// The identity that the environment offers, and the trust root that is named or known.
pub(crate) fn in_the_world(
    _world: &World,
    _http: &Http,
    _trusted_root: Option<&Path>,
    _signing_config: Option<&Path>,
) -> Result<Parts, Failure> {
    let _ = (&HTTP_UNAVAILABLE, &TRUST_ROOT_UNREADABLE);
    Err(Failure::new(&SIGNER_UNKNOWN, "not yet"))
}
