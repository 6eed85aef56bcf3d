//! `loadline` as containerd's image verifier: asked before an image is pulled, it answers by its exit code and
//! says why on standard output. What it cannot tell, it refuses: containerd knows only yes and no.

mod arguments;
pub(crate) mod configuration;

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use loadline_core::{Digest, Failure, Finding, Outcome, Platform, Reference, Severity, Verdict};
use loadline_evidence::{
    Consumer, Limits, Sources, Start, VerdictCache, VerdictKey, Verification, ask_logs, conclude, verify_from,
};
use loadline_registry::{Client, Http, HttpOptions, Options, Repository};
use semver::Version;

use self::configuration::{Demanded, Found, Judge};
use crate::at_hand::SourceArgs;
use crate::codes::{DEADLINE_PASSED, IMAGE_UNLISTED, IMAGE_VERIFIER_MISCALLED};
use crate::exit::Exit;
use crate::verbs::verify::version_of;
use crate::world::World;

pub(crate) use arguments::is_called;

/// containerd cuts what it is told; this much is shown in full.
const REASON: usize = 1500;
/// Below the 10 s that containerd gives.
const DEADLINE: Duration = Duration::from_secs(9);

/// An answer: the exit code, and the reason.
struct Answer {
    verdict: Verdict,
    reason: String,
}

pub(crate) fn run(arguments: &[OsString], world: &World) -> Exit {
    match answer(arguments, world) {
        Ok(answer) => {
            world.print(&plain(&answer.reason));
            answer.verdict.into()
        }
        Err(reason) => {
            world.print(&plain(&format!("refused, {}: {reason}", IMAGE_VERIFIER_MISCALLED.name)));
            Exit::Usage
        }
    }
}

fn answer(arguments: &[OsString], world: &World) -> Result<Answer, String> {
    let request = arguments::read(arguments)?;
    let payload = world
        .read_input(arguments::PAYLOAD_LIMIT)
        .map_err(|error| format!("standard input cannot be read: {error}"))?;
    arguments::agree(&request, &payload)?;
    let reference: Reference =
        request.name.parse().map_err(|error| format!("-name is no image reference: {error}"))?;
    if reference.digest.as_ref().is_some_and(|digest| *digest != request.digest) {
        return Err(format!("-name has another digest than {}", request.digest));
    }
    let program = arguments.first().map(Path::new).unwrap_or(Path::new("loadline"));
    let found = Found::read(world, program)?;
    let name = &reference.repository;
    let pinned = name.at(&request.digest);
    let (judge, platforms) = match found.demanded(name) {
        Demanded::Policy(path, platforms) => (Judge::read(world, &path)?, platforms),
        Demanded::Allowed(why) => {
            return Ok(Answer { verdict: Verdict::Pass, reason: format!("allowed unseen: {pinned}: {why}") });
        }
        Demanded::Refused => {
            let message = format!("{} has no table for {name}, and others are refused", found.path.display());
            return Ok(refusal(&pinned, &Outcome::from(vec![Finding::error(&IMAGE_UNLISTED, message)])));
        }
    };
    let now = world.clock.now();
    let cache = &found.document.cache;
    let max_age = SignedDuration::try_from(cache.max_age.0).unwrap_or(SignedDuration::ZERO);
    let cache = cache.enabled.then(|| VerdictCache::new(&cache.folder, max_age));
    let version = version_of(&reference);
    let key = key(&judge, &request.digest, platforms, version.as_ref());
    if let Some(cache) = &cache {
        match cache.passed(&key, now) {
            Ok(Some(at)) => {
                return Ok(Answer { verdict: Verdict::Pass, reason: format!("pass: {pinned}, as of {at}") });
            }
            Ok(None) => {}
            Err(error) => world.tell(&format!("warning: {error}")),
        }
    }
    let deadline = found.document.deadline.map_or(DEADLINE, |limit| limit.0);
    let verification = match in_time(
        deadline,
        look(world, &found, &judge, (&pinned, &request.digest), platforms, version, now),
    )? {
        Some(verification) => verification,
        None => {
            let message = format!("nothing is known after {deadline:?}: the registry or a log is slow");
            return Ok(refusal(&pinned, &Outcome::from(Failure::new(&DEADLINE_PASSED, message))));
        }
    };
    if verification.outcome.verdict() != Verdict::Pass {
        return Ok(refusal(&pinned, &verification.outcome));
    }
    if let Some(Err(error)) = cache.map(|cache| cache.keep(&key, now)) {
        world.tell(&format!("warning: {error}"));
    }
    Ok(Answer { verdict: Verdict::Pass, reason: approval(&pinned, &verification) })
}

fn key(judge: &Judge, digest: &Digest, platforms: &[Platform], version: Option<&Version>) -> VerdictKey {
    let mut more = Vec::new();
    let version = version.map(|version| format!("version {version}"));
    more.extend(version.as_deref());
    if judge.key_alone {
        more.push("key-alone");
    }
    if judge.log_online {
        more.push("log-online");
    }
    VerdictKey::new(digest, &judge.policy, &judge.predicate_types, platforms, judge.verifier.roots(), &more)
}

/// Runs what waits for the network, and leaves it behind when its time is up.
fn in_time<T>(deadline: Duration, work: impl Future<Output = T>) -> Result<Option<T>, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("no runtime could be made: {error}"))?;
    let result = runtime.block_on(async { tokio::time::timeout(deadline, work).await.ok() });
    // A name that is still being looked up must not hold back the answer.
    runtime.shutdown_background();
    Ok(result)
}

async fn look(
    world: &World,
    found: &Found,
    judge: &Judge,
    (pinned, digest): (&Reference, &Digest),
    platforms: &[Platform],
    version: Option<Version>,
    now: Timestamp,
) -> Verification {
    let mut environment = world.environment.clone();
    if let Some(folder) =
        found.document.docker_config.as_ref().filter(|_| environment.get("DOCKER_CONFIG").is_none())
    {
        environment = environment.with("DOCKER_CONFIG", folder);
    }
    let http = Http::new(HttpOptions { environment: environment.clone(), ..HttpOptions::default() });
    let options = Options { environment, clock: world.clock, ..Options::default() };
    let client = Client::new(http.clone(), options);
    let github = judge.github.as_deref().filter(|_| found.document.github);
    let sources = Sources {
        registry: Some(Repository::at(&client, pinned.repository.clone())),
        bundles: Vec::new(),
        github: github.and_then(|source| SourceArgs::default().github(world, &http, Some(source))),
        everything: false,
    };
    let consumer = Consumer {
        verifier: &judge.verifier,
        policy: &judge.policy,
        predicate_types: &judge.predicate_types,
        platforms,
        version: version.as_ref(),
        now,
        limits: Limits::default(),
    };
    let (verification, collected) = verify_from(&sources, Start::Digest(digest.clone()), &consumer).await;
    if !judge.log_online || verification.outcome.verdict() != Verdict::Pass {
        return verification;
    }
    match http.client() {
        Ok(client) => {
            let asked = ask_logs(&collected, &judge.verifier, client).await;
            conclude(&collected, &consumer, &asked)
        }
        Err(error) => Verification {
            outcome: Failure::new(&crate::codes::HTTP_UNAVAILABLE, error.to_string()).into(),
            ..verification
        },
    }
}

fn approval(pinned: &Reference, verification: &Verification) -> String {
    let mut signers: Vec<String> = verification
        .tree
        .rows
        .iter()
        .flat_map(|row| row.proven.iter().map(|proven| proven.signer()))
        .collect();
    signers.sort();
    signers.dedup();
    let demands = verification.tree.rows.len();
    format!("pass: {pinned}: {demands} demands proven, signed by {}", signers.join(", "))
}

/// Why not: errors or failures, each code once.
fn refusal(pinned: &Reference, outcome: &Outcome) -> Answer {
    let verdict = outcome.verdict();
    let mut said: Vec<(&str, &str)> = Vec::new();
    let errors = outcome.findings.iter().filter(|finding| finding.severity == Severity::Error);
    let all = errors.map(|finding| (finding.code.name, finding.message.as_str()));
    for (code, message) in all.chain(outcome.failures.iter().map(|f| (f.code.name, f.message.as_str()))) {
        if !said.iter().any(|(known, _)| *known == code) {
            said.push((code, message));
        }
    }
    let why: Vec<String> = said.iter().map(|(code, message)| format!("{code}: {message}")).collect();
    let word = if verdict == Verdict::Fail { "refused" } else { "refused, for nobody could tell" };
    Answer { verdict, reason: format!("{word}: {pinned}: {}", why.join("; ")) }
}

/// One line of what may be shown in a log.
fn plain(text: &str) -> String {
    let mut line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(REASON).collect();
    if text.chars().count() > REASON {
        line.push('…');
    }
    line
}
