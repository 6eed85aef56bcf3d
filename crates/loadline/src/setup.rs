//! Who signs, who verifies and where images go: in the sandbox, or in the world.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};

use loadline_core::Failure;
use loadline_core::config::{Config, ReleaseVersion, Verify, VerifyIdentity};
use loadline_evidence::provenance::{GitHubRun as RunOfGitHub, Workflow};
use loadline_evidence::{Patience, Waiting};
use loadline_registry::Http;
use loadline_release::plan::Plan;
use loadline_sandbox::{GitHubRun, Options, Ready, RequestLog, Sandbox, SandboxError};
use loadline_sigstore::{Signer, SigningServices, TokenSource, TrustRoot, TrustRoots};
use url::Url;

use crate::codes::{HTTP_UNAVAILABLE, SANDBOX_FAILED};
use crate::session::top;
use crate::signing;
use crate::trust;
use crate::verbs::release::Parts;
use crate::world::World;

/// The sandbox of a checkout: its data, ledgers and port in `target/loadline-sandbox`.
pub(crate) struct SandboxSession {
    sandbox: Sandbox,
    folder: PathBuf,
}

impl SandboxSession {
    /// Starts the sandbox of the checkout that this folder is in, on the port it had before.
    pub(crate) async fn open(world: &World, root: &Path) -> Result<Self, Failure> {
        Self::open_in(world, top(root).join("target/loadline-sandbox")).await
    }

    /// Starts a sandbox that knows nothing of any earlier one: a rehearsal tells of the whole way.
    pub(crate) async fn begin_anew(world: &World, root: &Path) -> Result<Self, Failure> {
        let folder = top(root).join("target/loadline-rehearsal");
        match std::fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                let message = format!("cannot remove {}: {error}", folder.display());
                Err(Failure::new(&SANDBOX_FAILED, message)
                    .help("remove it, or end the rehearsal that uses it"))
            }
            _ => Self::open_in(world, folder).await,
        }
    }

    async fn open_in(world: &World, folder: PathBuf) -> Result<Self, Failure> {
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
        options.clock = world.clock;
        options.log = Some(request_log(&folder).map_err(|error| io("cannot write to", error))?);
        let sandbox = Sandbox::start(options).await.map_err(|error: SandboxError| {
            Failure::from(&error)
                .help(format!("end what is in the way, or remove {} to begin anew", folder.display()))
        })?;
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

/// One line a request, in a file beside the data: what the sandbox was asked.
fn request_log(folder: &Path) -> std::io::Result<RequestLog> {
    let file = OpenOptions::new().create(true).append(true).open(folder.join("requests.log"))?;
    Ok(RequestLog::new(move |line| {
        // One write a line: lines of concurrent requests do not mix.
        let _ = (&file).write_all(format!("{line}\n").as_bytes());
    }))
}

/// The sandbox's own identity: the workflow that the configuration names, run by the commit that is
/// released, vouched for by the sandbox's issuer.
pub(crate) fn in_sandbox(
    sandbox: &SandboxSession,
    config: &Config,
    plan: &Plan,
    http: &Http,
) -> Result<Parts, Failure> {
    let ready = sandbox.ready();
    let verify = &config.verify;
    let repository = owner_and_name(&config.release.source);
    let identity = signs_in_sandbox(verify, &plan.parsed_version);
    let signer = identity.signer_workflow.as_deref().unwrap_or(ANY_WORKFLOW);
    let git_ref = plan.git_ref.clone().unwrap_or_else(|| "refs/heads/main".to_owned());
    let top = verify.workflow.as_deref().unwrap_or(signer);
    let mut run = GitHubRun::new(repository, &git_ref, &plan.commit, top);
    run.job_workflow_ref = job_workflow(identity.signer_repository.as_deref(), repository, signer, &git_ref);
    if let Some(id) = verify.repository_id {
        run.repository_id = id.to_string();
    }
    let workflow = Workflow {
        repository: format!("https://github.com/{repository}"),
        git_ref,
        path: top.to_owned(),
        commit: plan.commit.clone(),
        invocation: Some(format!(
            "https://github.com/{repository}/actions/runs/{}/attempts/{}",
            run.run_id, run.run_attempt
        )),
        github: Some(RunOfGitHub {
            event_name: run.event_name.clone(),
            repository_id: run.repository_id.clone(),
            repository_owner_id: run.repository_owner_id.clone(),
            runner_environment: run.runner_environment.clone(),
        }),
    };
    let failed = |message: String| Failure::new(&SANDBOX_FAILED, message);
    let mut address = Url::parse(&ready.token_url).map_err(|error| failed(error.to_string()))?;
    let request = run.token_request();
    {
        let mut query = address.query_pairs_mut();
        query.append_pair("sub", &request.subject).append_pair("aud", &request.audience);
        for (name, value) in &request.claims {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            query.append_pair(&format!("claim.{name}"), &value);
        }
    }
    let services =
        SigningServices::read(&ready.signing_config, None).map_err(|error| failed(error.to_string()))?;
    let signer = Signer::keyless(services, TokenSource::Address(address), client(http)?)
        .map_err(|error| failed(error.to_string()))?;
    let root = TrustRoot::read(&ready.trusted_root).map_err(|error| failed(error.to_string()))?;
    Ok(Parts::new(signer, TrustRoots::only(root), Some(workflow), run.identity()))
}

/// The workflow that signs in the sandbox where the configuration names a repository alone.
const ANY_WORKFLOW: &str = ".github/workflows/release.yml";

/// Whom the sandbox signs as: the first of those who may sign this version that names a workflow, else the
/// first that names a repository.
fn signs_in_sandbox(verify: &Verify, version: &ReleaseVersion) -> VerifyIdentity {
    let version = match version {
        ReleaseVersion::Semantic(version) => Some(version),
        ReleaseVersion::Commit(_) => None,
    };
    let identities = verify.identities();
    let mut may = identities.iter().filter(|one| one.may_sign(version));
    let first = may.clone().find(|one| one.signer_workflow.is_some());
    first.or_else(|| may.find(|one| one.signer_repository.is_some())).cloned().unwrap_or_default()
}

/// What is demanded where a sandbox stands in for the world: its own timestamp authority for those that are
/// named. Its issuer stands in for the others too; all else is demanded as it is written.
pub(crate) fn demanded_in(verify: &Verify, sandbox: Option<&SandboxSession>) -> Verify {
    let mut verify = verify.clone();
    if sandbox.is_some() {
        verify.timestamp_authorities.clear();
    }
    verify
}

/// `OWNER/NAME` of `github.com/OWNER/NAME`.
fn owner_and_name(source: &str) -> &str {
    let bare = source.split_once("://").map_or(source, |(_, bare)| bare);
    bare.split_once('/').map_or(bare, |(_, path)| path).trim_end_matches('/')
}

/// The signer's workflow as GitHub's `job_workflow_ref` names it; it may live in another repository, and
/// may name that repository itself.
fn job_workflow(signer_repository: Option<&str>, repository: &str, workflow: &str, git_ref: &str) -> String {
    let whole = match workflow.split('/').next() {
        Some(host) if host.contains('.') && !host.starts_with('.') => owner_and_name(workflow).to_owned(),
        _ => format!("{}/{workflow}", signer_repository.map_or(repository, owner_and_name)),
    };
    if whole.contains('@') { whole } else { format!("{whole}@{git_ref}") }
}

pub(crate) fn client(http: &Http) -> Result<reqwest::Client, Failure> {
    match http.client() {
        Ok(client) => Ok(client.clone()),
        Err(error) => Err(Failure::new(&HTTP_UNAVAILABLE, error.to_string())
            .help("mend the proxy variables or the file of certificate authorities")),
    }
}

/// The identity that the environment offers, and the trust root that is named or known.
pub(crate) async fn in_the_world(
    world: &World,
    http: &Http,
    (trusted_root, signing_config): (Option<&Path>, Option<&Path>),
    patience: &Patience,
    tell: impl FnMut(&Waiting),
) -> Result<Parts, Failure> {
    let roots = trust::roots(world, trusted_root, false)?;
    let client = client(http)?;
    let services = signing::services(world, &client, signing_config).await?;
    let token = signing::ambient(world)?;
    let signer =
        Signer::keyless(services, token, client).map_err(|error| error.failure())?.with_clock(world.clock);
    let (workflow, builder_id) = match signing::pipeline(world, &signer, patience, tell).await? {
        Some(pipeline) => (Some(pipeline.workflow), pipeline.builder_id),
        None => (None, "https://loadline.dev/builders/unattended".to_owned()),
    };
    Ok(Parts::new(signer, roots, workflow, builder_id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signer_may_live_elsewhere() {
        let of = |signer: Option<&str>, workflow: &str| {
            job_workflow(signer, "acme/widget", workflow, "refs/tags/v1")
        };
        assert_eq!(of(None, ".github/workflows/r.yml"), "acme/widget/.github/workflows/r.yml@refs/tags/v1");
        assert_eq!(
            of(Some("github.com/acme/ci"), ".github/workflows/r.yml"),
            "acme/ci/.github/workflows/r.yml@refs/tags/v1"
        );
        assert_eq!(
            of(None, "github.com/acme/ci/.github/workflows/r.yml@refs/heads/main"),
            "acme/ci/.github/workflows/r.yml@refs/heads/main"
        );
        assert_eq!(owner_and_name("https://github.com/acme/widget/"), "acme/widget");
    }
}
