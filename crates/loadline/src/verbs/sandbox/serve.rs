//! `loadline sandbox serve`: the embedded registry and Sigstore, for any client.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use loadline_core::{Failure, Secret};
use loadline_report::Format;
use loadline_sandbox::registry::Faults;
use loadline_sandbox::{Options, RequestLog, Sandbox};
use tokio::signal::unix::{SignalKind, signal};

use crate::codes::SANDBOX_FAILED;
use crate::exit::Exit;
use crate::render::outcome::fail;
use crate::session::wait;
use crate::world::World;

/// Serve until SIGTERM or Ctrl-C; one JSON line says when and where it is ready
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where keys, logs and images are kept.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Where to listen; port 0 takes any that is free.
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Answer as registries do that have no referrers API.
    #[arg(long)]
    no_referrers: bool,
    /// Refuse whatever changes something at the registry.
    #[arg(long)]
    read_only: bool,
    /// Want this user and password at the registry.
    #[arg(long, value_name = "USER:PASSWORD")]
    auth: Option<String>,
    /// Let everyone pull all the same, as from public repositories.
    #[arg(long, requires = "auth")]
    anonymous_pull: bool,
    /// Make requests fail, for tests: `PUT manifests:503*2`.
    #[arg(long, value_name = "FAULT")]
    fault: Vec<String>,
    /// Decides those faults that strike at random.
    #[arg(long, value_name = "N", default_value_t = 1)]
    fault_seed: u64,
    /// Count requests, and give the counts at /metrics as OpenMetrics.
    #[arg(long)]
    open_metrics: bool,
    /// Show no line for each request.
    #[arg(long, short)]
    quiet: bool,
}

pub(super) fn run(args: Args, world: &World) -> Exit {
    let auth = match args.auth.as_deref().map(|auth| auth.split_once(':')) {
        None => None,
        Some(Some((user, password))) if !user.is_empty() => Some((user.to_owned(), Secret::new(password))),
        Some(_) => {
            world.tell("error: --auth takes USER:PASSWORD");
            return Exit::Usage;
        }
    };
    let faults = match Faults::parse(&args.fault, args.fault_seed) {
        Ok(faults) => faults,
        Err(error) => {
            world.tell(&format!("error: {error}"));
            return Exit::Usage;
        }
    };
    let mut options = Options::new(world.folder.join(&args.data));
    options.listen = args.listen;
    options.no_referrers = args.no_referrers;
    options.read_only = args.read_only;
    options.auth = auth;
    options.anonymous_pull = args.anonymous_pull;
    options.faults = faults;
    options.clock = world.clock;
    options.open_metrics = args.open_metrics;
    match wait(world, serve(options, &args, world)) {
        Ok(exit) => exit,
        // Ctrl-C is how a person ends it: nothing was interrupted.
        Err(Exit::Interrupted) => Exit::Pass,
        Err(exit) => exit,
    }
}

async fn serve(mut options: Options, args: &Args, world: &World) -> Exit {
    if !args.quiet {
        let lines = Arc::new(std::sync::Mutex::new(std::io::stderr()));
        options.log = Some(RequestLog::new(move |line| {
            use std::io::Write;
            let mut out = lines.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let _ = writeln!(out, "{line}");
        }));
    }
    if !args.listen.ip().is_loopback() {
        world.tell(&format!(
            "warning: {} can be reached from other machines, and its issuer gives any identity to anyone",
            args.listen
        ));
    }
    let failed = |message: String| fail(world, Failure::new(&SANDBOX_FAILED, message), Format::Human);
    let mut end = match signal(SignalKind::terminate()) {
        Ok(end) => end,
        Err(error) => return failed(format!("signals cannot be heard: {error}")),
    };
    let sandbox = match Sandbox::start(options).await {
        Ok(sandbox) => sandbox,
        Err(error) => return fail(world, Failure::from(&error), Format::Human),
    };
    for cut in sandbox.repaired() {
        world.tell(&format!(
            "note: {} had {} bytes of an unfinished record at {} ({}); they were cut off",
            cut.path.display(),
            cut.bytes,
            cut.offset,
            cut.reason
        ));
    }
    match serde_json::to_string(sandbox.ready()) {
        Ok(line) => world.print(&line),
        Err(error) => return failed(error.to_string()),
    }
    tokio::select! {
        _ = end.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
    sandbox.stop().await;
    Exit::Pass
}
