//! Who signs, with which services, how patiently, and where evidence goes besides the registry.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use loadline_core::config::{Attest, GitHubAttestations};
use loadline_core::{Failure, Secret};
use loadline_evidence::provenance::{GitHubRun, Workflow};
use loadline_evidence::{GitHubDestination, Patience, Waiting};
use loadline_github::{GitHub, Options, PUBLIC, RepositorySlug};
use loadline_release::github::GitHubPlace;
use loadline_sigstore::{
    Claims, GitHubActions, Instance, Interactive, Signer, SigningKey, SigningServices, TokenSource, Way,
};

use crate::codes::{INPUT_UNREADABLE, SIGNER_UNKNOWN, TRUST_ROOT_UNREADABLE};
use crate::files;
use crate::login::Terminal;
use crate::world::World;

/// The largest key or token that is read.
const SECRET_LIMIT: u64 = 64 << 10;
/// How long the signing config is waited for.
const CONFIG_WAIT: Duration = Duration::from_secs(15);

/// How patiently services that are down are waited for.
#[derive(Debug, Default, Clone, clap::Args)]
pub(crate) struct PatienceArgs {
    /// How long an outage of Fulcio, Rekor, a timestamp authority, GitHub or the token issuer is ridden out, such as
    /// 90s, 15m or 0s. Without it: 0s in the sandbox, else `patience` under `[attest]`, else 15m in pipelines and 0s.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) patience: Option<Duration>,
}

fn duration(text: &str) -> Result<Duration, String> {
    let refuse = || format!("`{text}` is not a time: write it as 90s, 15m or 1h");
    let span: jiff::SignedDuration = text.parse().map_err(|_| refuse())?;
    Duration::try_from(span).map_err(|_| refuse())
}

impl PatienceArgs {
    /// As the command line says, else the configuration, else by where this runs.
    pub(crate) fn get(&self, world: &World, config: Option<&Attest>) -> Patience {
        let configured = config.and_then(|attest| attest.patience).map(|limit| limit.0);
        match self.patience.or(configured) {
            Some(total) => Patience::new(total),
            None if is_ci(world) => Patience::UNATTENDED,
            None => Patience::NONE,
        }
    }

    /// In the sandbox, whose services are this very process: what is down there comes up by no waiting. Only the
    /// command line counts.
    pub(crate) fn in_sandbox(&self) -> Patience {
        self.patience.map_or(Patience::NONE, Patience::new)
    }
}

/// Whether this runs in a pipeline.
fn is_ci(world: &World) -> bool {
    world.environment.get("CI").is_some_and(|value| !value.is_empty() && value != "false" && value != "0")
}

/// Where evidence goes besides the registry.
#[derive(Debug, Default, Clone, clap::Args)]
pub(crate) struct GitHubArgs {
    /// Whether bundles go to GitHub's attestations too, where `gh attestation verify` asks: auto, on or off. Without
    /// it: `github` under `[attest]`, else auto, which is on under GitHub Actions where the job may.
    #[arg(long, value_name = "WHEN")]
    pub(crate) github: Option<GitHubAttestations>,
}

/// GitHub's attestations, where bundles may go there. `source` is the repository whose workflows sign.
pub(crate) fn github(
    world: &World,
    client: &reqwest::Client,
    mode: GitHubAttestations,
    source: Option<&str>,
) -> Result<Option<GitHubPlace>, Failure> {
    let get = |name: &str| world.environment.get(name).filter(|value| !value.is_empty());
    let token = get("GH_TOKEN").or_else(|| get("GITHUB_TOKEN"));
    let repository = get("GITHUB_REPOSITORY").or(source);
    let here = get("GITHUB_ACTIONS") == Some("true");
    let unknown = |message: &str, help: &str| Err(Failure::new(&SIGNER_UNKNOWN, message).help(help));
    match mode {
        GitHubAttestations::Off => return Ok(None),
        GitHubAttestations::Auto if !here || token.is_none() => return Ok(None),
        GitHubAttestations::On if token.is_none() => {
            return unknown(
                "evidence is to go to GitHub's attestations, and there is no token",
                "set GITHUB_TOKEN: under GitHub Actions `env: { GITHUB_TOKEN: ${{ github.token }} }`",
            );
        }
        GitHubAttestations::Auto | GitHubAttestations::On => {}
    }
    let slug = repository.and_then(|text| text.parse::<RepositorySlug>().ok());
    let Some(repository) = slug else {
        return match mode {
            GitHubAttestations::On => unknown(
                "evidence is to go to GitHub's attestations, and no repository at GitHub is named",
                "set `source` under `[release]`, or GITHUB_REPOSITORY",
            ),
            _ => Ok(None),
        };
    };
    let options = Options {
        address: get("GITHUB_API_URL").unwrap_or(PUBLIC).to_owned(),
        token: token.map(Secret::new),
        clock: world.clock,
        ..Options::default()
    };
    let client = GitHub::new(client.clone(), options).map_err(|error| error.failure())?;
    Ok(Some(GitHubPlace::new(GitHubDestination { client, repository }, mode)))
}

/// The services of a signing config; else those that the public instance names today, else those that are built in.
pub(crate) async fn services(
    world: &World,
    client: &reqwest::Client,
    file: Option<&Path>,
) -> Result<SigningServices, Failure> {
    let unreadable = |error: loadline_sigstore::SignError| {
        Failure::new(&TRUST_ROOT_UNREADABLE, error.to_string()).help("mend the file that the message names")
    };
    if let Some(file) = file {
        return SigningServices::read(&world.folder.join(file), None).map_err(unreadable);
    }
    let fetch = SigningServices::fetch(Instance::PublicGood, client.clone(), world.clock.now());
    match tokio::time::timeout(CONFIG_WAIT, fetch).await {
        Ok(Ok(services)) => return Ok(services),
        Ok(Err(error)) => world.tell(&format!("note: the signing config that is built in is used: {error}")),
        Err(_) => world.tell("note: the signing config that is built in is used: TUF did not answer in time"),
    }
    SigningServices::embedded(Instance::PublicGood).map_err(unreadable)
}

/// How a person logs in.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum LoginWay {
    Auto,
    Browser,
    Code,
}

/// Who signs, by the command line.
#[derive(Debug, Default, Clone, clap::Args)]
pub(crate) struct SignerArgs {
    /// The identity token: a file that holds it, or env:NAME. Without it: GitHub Actions' own, or SIGSTORE_ID_TOKEN.
    #[arg(long, value_name = "FILE|env:NAME", conflicts_with_all = ["key", "interactive"])]
    identity_token: Option<String>,
    /// Log in. `--interactive=browser` opens the issuer's page and takes its answer on 127.0.0.1; `--interactive=code`
    /// shows its address and asks for the code that stands there afterwards; `--interactive` takes a browser where one
    /// can be started (BROWSER, DISPLAY or WAYLAND_DISPLAY is set, or macOS) and the code elsewhere.
    #[arg(
        long,
        value_name = "WAY",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "auto",
        conflicts_with = "key"
    )]
    interactive: Option<LoginWay>,
    /// How long a browser's answer is waited for, such as 90s. Without it: 5m.
    #[arg(long, value_name = "TIME", value_parser = duration, requires = "interactive")]
    login_limit: Option<Duration>,
    /// Sign with a long-lived key, ECDSA P-256: PKCS#8 in PEM, or cosign's encrypted form with COSIGN_PASSWORD; a
    /// file, or env:NAME.
    #[arg(long, value_name = "FILE|env:NAME")]
    key: Option<String>,
}

impl SignerArgs {
    /// The signer.
    pub(crate) fn signer(
        &self,
        world: &World,
        services: SigningServices,
        client: reqwest::Client,
    ) -> Result<Signer, Failure> {
        let signer = match &self.key {
            Some(named) => Signer::with_key(services, key(world, named)?, client),
            None => {
                let token = self.token(world, &services)?;
                Signer::keyless(services, token, client)
            }
        };
        Ok(signer.map_err(|error| error.failure())?.with_clock(world.clock))
    }

    fn token(&self, world: &World, services: &SigningServices) -> Result<TokenSource, Failure> {
        if let Some(way) = self.interactive {
            let Some(issuer) = services.issuer() else {
                return Err(Failure::new(&SIGNER_UNKNOWN, "the signing config names no issuer to log in at"));
            };
            let terminal = Terminal { environment: world.environment.clone(), folder: world.folder.clone() };
            let login = Interactive::new(issuer, Arc::new(terminal));
            let login = match way {
                LoginWay::Auto => login,
                LoginWay::Browser => login.only(Way::Browser),
                LoginWay::Code => login.only(Way::Code),
            };
            return Ok(TokenSource::Interactive(match self.login_limit {
                Some(limit) => login.within(limit),
                None => login,
            }));
        }
        match self.identity_token.as_deref() {
            None => ambient(world),
            Some(named) => match named.strip_prefix("env:") {
                Some(variable) => Ok(TokenSource::Given(variable_of(world, variable)?)),
                None => Ok(TokenSource::File(world.folder.join(named))),
            },
        }
    }
}

fn variable_of(world: &World, name: &str) -> Result<Secret, Failure> {
    world.environment.get(name).filter(|value| !value.is_empty()).map(Secret::new).ok_or_else(|| {
        Failure::new(&INPUT_UNREADABLE, format!("the variable {name} is not set"))
            .help("set it, or name a file")
    })
}

fn key(world: &World, named: &str) -> Result<SigningKey, Failure> {
    let pem = match named.strip_prefix("env:") {
        Some(variable) => variable_of(world, variable)?,
        None => {
            let bytes = files::read(world, Path::new(named), SECRET_LIMIT)?;
            Secret::new(String::from_utf8_lossy(&bytes))
        }
    };
    let read = if SigningKey::is_encrypted(&pem) {
        let password = Secret::new(world.environment.get("COSIGN_PASSWORD").unwrap_or_default());
        SigningKey::from_encrypted_pem(&pem, &password)
    } else {
        SigningKey::from_pem(pem)
    };
    read.map_err(|error| error.failure())
}

/// The identity that a pipeline offers.
pub(crate) fn ambient(world: &World) -> Result<TokenSource, Failure> {
    let get = |name: &str| world.environment.get(name).filter(|value| !value.is_empty());
    if let Some(token) = get("SIGSTORE_ID_TOKEN") {
        return Ok(TokenSource::Given(Secret::new(token)));
    }
    match (get("ACTIONS_ID_TOKEN_REQUEST_URL"), get("ACTIONS_ID_TOKEN_REQUEST_TOKEN")) {
        (Some(url), Some(token)) => Ok(TokenSource::GitHubActions(GitHubActions {
            request_url: url.to_owned(),
            request_token: Secret::new(token),
        })),
        _ => Err(Failure::new(&SIGNER_UNKNOWN, "there is no identity token to sign with").help(
            "under GitHub Actions give the job `id-token: write`; under GitLab `id_tokens: { SIGSTORE_ID_TOKEN: { aud: \
             sigstore } }`; elsewhere set SIGSTORE_ID_TOKEN; to try a release without one, use --sandbox",
        )),
    }
}

/// The pipeline that this runs in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pipeline {
    pub(crate) workflow: Workflow,
    pub(crate) builder_id: String,
}

/// The pipeline that the environment describes; the job's own workflow, as the identity token names it.
pub(crate) async fn pipeline(
    world: &World,
    signer: &Signer,
    patience: &Patience,
    tell: impl FnMut(&Waiting),
) -> Result<Option<Pipeline>, Failure> {
    let described = describes_github(world) || describes_gitlab(world);
    if !described {
        return Ok(None);
    }
    let claims = patience.wait_out(|| signer.claims(), tell).await.map_err(|error| error.failure())?;
    let claims = claims.unwrap_or_default();
    Ok(github_actions(world, &claims).or_else(|| gitlab(world, &claims)))
}

fn describes_github(world: &World) -> bool {
    world.environment.get("GITHUB_WORKFLOW_REF").is_some()
}

fn describes_gitlab(world: &World) -> bool {
    world.environment.get("GITLAB_CI").is_some()
}

/// GitHub Actions' variables (docs.github.com, "Default environment variables"). Which workflow holds the job is
/// known to the token alone: GITHUB_WORKFLOW_REF names the one at the top, which may have called another.
fn github_actions(world: &World, claims: &Claims) -> Option<Pipeline> {
    let get = |name: &str| world.environment.get(name).map(str::to_owned);
    let either = |claim: &str, name: &str| claims.get(claim).map(str::to_owned).or_else(|| get(name));
    let (server, repository) = (get("GITHUB_SERVER_URL")?, get("GITHUB_REPOSITORY")?);
    // OWNER/NAME/.github/workflows/x.yml@refs/heads/main
    let workflow_ref = get("GITHUB_WORKFLOW_REF")?;
    let (path, git_ref) = workflow_ref.split_once('@')?;
    let path = path.strip_prefix(&repository)?.trim_start_matches('/').to_owned();
    let (run, attempt) = (get("GITHUB_RUN_ID")?, get("GITHUB_RUN_ATTEMPT")?);
    let github = GitHubRun {
        event_name: either("event_name", "GITHUB_EVENT_NAME").unwrap_or_default(),
        repository_id: either("repository_id", "GITHUB_REPOSITORY_ID").unwrap_or_default(),
        repository_owner_id: either("repository_owner_id", "GITHUB_REPOSITORY_OWNER_ID").unwrap_or_default(),
        runner_environment: either("runner_environment", "RUNNER_ENVIRONMENT").unwrap_or_default(),
    };
    let job = claims.get("job_workflow_ref").unwrap_or(&workflow_ref);
    Some(Pipeline {
        builder_id: format!("{server}/{job}"),
        workflow: Workflow {
            repository: format!("{server}/{repository}"),
            git_ref: git_ref.to_owned(),
            path,
            commit: either("workflow_sha", "GITHUB_WORKFLOW_SHA").or_else(|| get("GITHUB_SHA"))?,
            invocation: Some(format!("{server}/{repository}/actions/runs/{run}/attempts/{attempt}")),
            github: Some(github),
        },
    })
}

/// GitLab's variables (docs.gitlab.com, "Predefined CI/CD variables reference").
fn gitlab(world: &World, claims: &Claims) -> Option<Pipeline> {
    let get = |name: &str| world.environment.get(name).map(str::to_owned);
    let project = get("CI_PROJECT_URL")?;
    let path = get("CI_CONFIG_PATH").unwrap_or_else(|| ".gitlab-ci.yml".to_owned());
    let git_ref = match (get("CI_COMMIT_TAG"), get("CI_COMMIT_BRANCH").or_else(|| get("CI_COMMIT_REF_NAME")))
    {
        (Some(tag), _) => format!("refs/tags/{tag}"),
        (None, branch) => format!("refs/heads/{}", branch?),
    };
    let builder_id = match claims.get("ci_config_ref_uri") {
        Some(uri) => format!("https://{uri}"),
        None => format!("{project}//{path}@{git_ref}"),
    };
    Some(Pipeline {
        builder_id,
        workflow: Workflow {
            commit: claims.get("ci_config_sha").map(str::to_owned).or_else(|| get("CI_COMMIT_SHA"))?,
            repository: project,
            git_ref,
            path,
            invocation: get("CI_JOB_URL"),
            github: None,
        },
    })
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::Mutex;

    use loadline_core::Clock;
    use loadline_process::Environment;

    use super::*;

    fn world(variables: &[(&str, &str)]) -> World {
        let environment =
            variables.iter().fold(Environment::empty(), |all, (name, value)| all.with(name, value));
        World {
            environment,
            clock: Clock::System,
            folder: ".".into(),
            input: Mutex::new(Box::new(io::empty())),
            out: Mutex::new(Box::new(io::sink())),
            err: Mutex::new(Box::new(io::sink())),
            out_is_terminal: false,
            err_is_terminal: false,
        }
    }

    #[test]
    fn pipelines_are_patient_and_people_are_not() {
        let none = PatienceArgs::default();
        assert_eq!(none.get(&world(&[]), None), Patience::NONE);
        assert_eq!(none.get(&world(&[("CI", "false")]), None), Patience::NONE);
        assert_eq!(none.get(&world(&[("CI", "true")]), None), Patience::UNATTENDED);
        let given = PatienceArgs { patience: Some(duration("90s").unwrap()) };
        assert_eq!(given.get(&world(&[("CI", "true")]), None).total(), Duration::from_secs(90));
        assert_eq!(given.in_sandbox().total(), Duration::from_secs(90));
        assert_eq!(none.in_sandbox(), Patience::NONE);
        let config = Attest { patience: Some("2m".parse().unwrap()), ..Attest::default() };
        assert_eq!(none.get(&world(&[("CI", "true")]), Some(&config)).total(), Duration::from_secs(120));
        assert_eq!(duration("0s"), Ok(Duration::ZERO));
        assert!(duration("-5s").is_err() && duration("soon").is_err());
    }

    #[test]
    fn gitlab_describes_its_pipeline() {
        let world = world(&[
            ("GITLAB_CI", "true"),
            ("CI_PROJECT_URL", "https://gitlab.com/acme/widget"),
            ("CI_COMMIT_BRANCH", "main"),
            ("CI_COMMIT_SHA", "0123456789abcdef0123456789abcdef01234567"),
            ("CI_JOB_URL", "https://gitlab.com/acme/widget/-/jobs/1"),
        ]);
        let pipeline = gitlab(&world, &Claims::default()).unwrap();
        assert_eq!(pipeline.builder_id, "https://gitlab.com/acme/widget//.gitlab-ci.yml@refs/heads/main");
        assert_eq!(pipeline.workflow.git_ref, "refs/heads/main");
        assert_eq!(pipeline.workflow.github, None);
        assert_eq!(github_actions(&world, &Claims::default()), None);
    }

    #[test]
    fn without_the_token_the_top_workflow_is_all_that_is_known_of_the_job() {
        let world = world(&[
            ("GITHUB_SERVER_URL", "https://github.com"),
            ("GITHUB_REPOSITORY", "acme/widget"),
            ("GITHUB_WORKFLOW_REF", "acme/widget/.github/workflows/r.yml@refs/heads/main"),
            ("GITHUB_RUN_ID", "7"),
            ("GITHUB_RUN_ATTEMPT", "2"),
            ("GITHUB_SHA", "0123456789abcdef0123456789abcdef01234567"),
            ("GITHUB_EVENT_NAME", "push"),
        ]);
        let pipeline = github_actions(&world, &Claims::default()).unwrap();
        assert_eq!(
            pipeline.builder_id,
            "https://github.com/acme/widget/.github/workflows/r.yml@refs/heads/main"
        );
        assert_eq!(pipeline.workflow.path, ".github/workflows/r.yml");
        assert_eq!(
            pipeline.workflow.invocation.as_deref(),
            Some("https://github.com/acme/widget/actions/runs/7/attempts/2")
        );
        assert_eq!(pipeline.workflow.github.unwrap().event_name, "push");
    }
}
