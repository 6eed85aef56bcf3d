//! `loadline trust update`: fresh roots through TUF.

use camino::Utf8PathBuf;
use loadline_core::{Failure, Outcome};
use loadline_registry::{Http, HttpOptions};
use loadline_report::Format;
use loadline_sigstore::trust::{Cache, Mirror};

use crate::codes::TRUST_ROOT_STALE;
use crate::exit::Exit;
use crate::files;
use crate::render::outcome::{fail, show};
use crate::session::wait;
use crate::setup::client;
use crate::trust::{self, KNOWN};
use crate::world::World;

/// A TUF root has some kilobytes.
const TUF_ROOT_LIMIT: u64 = 1 << 20;

/// Fetch the trust roots anew through TUF, and keep them for the next verification
///
/// Those of the public-good instance and of GitHub's, into the user's cache folder. Where one cannot be fetched,
/// what is there stays, and it is said which one that is.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Another TUF repository, whose `trusted_root.json` is written to --out.
    #[arg(long, value_name = "URL", requires_all = ["root", "out"])]
    mirror: Option<String>,
    /// The TUF root metadata to begin with there.
    #[arg(long, value_name = "FILE", requires = "mirror")]
    root: Option<Utf8PathBuf>,
    /// Where to write the root that was fetched, for --trusted-root.
    #[arg(long, value_name = "FILE", requires = "mirror")]
    out: Option<Utf8PathBuf>,
    /// How to show what failed.
    #[arg(long, value_name = "FORMAT", default_value_t)]
    format: Format,
}

pub(crate) fn run(args: &Args, world: &World) -> Exit {
    let http = Http::new(HttpOptions { environment: world.environment.clone(), ..HttpOptions::default() });
    let client = match client(&http) {
        Ok(client) => client,
        Err(failure) => return fail(world, failure, args.format),
    };
    let outcome = match (&args.mirror, &args.root, &args.out) {
        (Some(address), Some(root), Some(out)) => {
            let work = mirror(world, client, address, root, out);
            match wait(world, work) {
                Ok(Ok(())) => Outcome::new(),
                Ok(Err(failure)) => Outcome::from(failure),
                Err(exit) => return exit,
            }
        }
        _ => match wait(world, instances(world, client)) {
            Ok(outcome) => outcome,
            Err(exit) => return exit,
        },
    };
    if args.format != Format::Human || !outcome.failures.is_empty() {
        show(world, &outcome, args.format, "trust", camino::Utf8Path::new("."));
    }
    outcome.verdict().into()
}

async fn mirror(
    world: &World,
    client: reqwest::Client,
    address: &str,
    root: &Utf8PathBuf,
    out: &Utf8PathBuf,
) -> Result<(), Failure> {
    let mirror = Mirror {
        name: address.to_owned(),
        address: address.to_owned(),
        root: files::read(world, root.as_std_path(), TUF_ROOT_LIMIT)?,
    };
    let fetched = mirror.fetch(client, &Cache::None, world.clock.now()).await.map_err(|error| {
        Failure::new(&TRUST_ROOT_STALE, error.to_string())
            .help("check the address and the TUF root, and run again")
    })?;
    files::write(world, out.as_std_path(), fetched.json())?;
    world.tell(&format!("wrote {out}, {}", fetched.digest()));
    Ok(())
}

async fn instances(world: &World, client: reqwest::Client) -> Outcome {
    let mut outcome = Outcome::new();
    for instance in KNOWN {
        let name = trust::word(instance);
        match one(world, client.clone(), instance).await {
            Ok(digest) => world.tell(&format!("{name}: fetched, {digest}")),
            Err(reason) => {
                outcome.failures.push(
                    Failure::new(&TRUST_ROOT_STALE, format!("{name}: {reason}"))
                        .help("`loadline trust show` says which root is used instead, and how old it is"),
                );
            }
        }
    }
    outcome
}

async fn one(
    world: &World,
    client: reqwest::Client,
    instance: loadline_sigstore::Instance,
) -> Result<loadline_core::Digest, String> {
    let folder = trust::cache(world, instance)
        .ok_or_else(|| "there is no cache folder: set HOME or XDG_CACHE_HOME".to_owned())?;
    let io = |error: std::io::Error| format!("cannot write to {}: {error}", folder.display());
    std::fs::create_dir_all(&folder).map_err(io)?;
    let now = world.clock.now();
    let cache = Cache::Directory(folder.clone());
    let root = Mirror::of(instance).fetch(client, &cache, now).await.map_err(|error| error.to_string())?;
    trust::stamp(&folder, now).map_err(io)?;
    Ok(root.digest())
}
