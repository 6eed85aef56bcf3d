//! `loadline sandbox gc`: removes from the sandbox's registry what no repository needs.

use std::path::PathBuf;
use std::time::Duration;

use loadline_core::document::Document;
use loadline_core::{Failure, Outcome};
use loadline_report::Format;
use loadline_sandbox::codes::SANDBOX_CONTENT_DAMAGED;
use loadline_sandbox::registry::Collected;
use schemars::JsonSchema;
use serde::Serialize;

use crate::exit::Exit;
use crate::render::outcome::{fail, show};
use crate::world::World;

/// The document's name.
pub(crate) const SANDBOX_GC: &str = "loadline/sandbox-gc/v1";

/// Remove what no repository needs: blobs without a manifest, content without a repository, abandoned uploads
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The data folder. No sandbox may be using it.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// Say what would be removed, and remove nothing.
    #[arg(long)]
    dry_run: bool,
    /// Keep what was touched in so many seconds before now: a push may be under way.
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    older_than: u64,
    /// How to show what was removed.
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: GcFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum GcFormat {
    Human,
    Json,
}

/// The body of `loadline/sandbox-gc/v1`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct GcDocument {
    /// Whether nothing was removed, because that was asked for.
    dry_run: bool,
    /// Blobs taken out of a repository because none of its manifests speaks of them.
    unlinked: Vec<OfRepository>,
    /// Digests of content removed from the disk because no repository has it.
    content: Vec<String>,
    /// Bytes of that content.
    bytes: u64,
    /// How many uploads were given up that nobody went on with.
    uploads: usize,
    /// Manifests that cannot be read; nothing of their repositories was removed.
    unreadable: Vec<OfRepository>,
}

/// A digest in a repository.
#[derive(Debug, Serialize, JsonSchema)]
struct OfRepository {
    /// The repository.
    repository: String,
    /// The digest.
    digest: String,
}

impl GcDocument {
    fn new(collected: &Collected, dry_run: bool) -> Self {
        let pairs = |list: &[(String, loadline_core::Digest)]| {
            let pair = |(repository, digest): &(String, loadline_core::Digest)| OfRepository {
                repository: repository.clone(),
                digest: digest.to_string(),
            };
            list.iter().map(pair).collect()
        };
        Self {
            dry_run,
            unlinked: pairs(&collected.unlinked),
            content: collected.content.iter().map(ToString::to_string).collect(),
            bytes: collected.bytes,
            uploads: collected.uploads.len(),
            unreadable: pairs(&collected.unreadable),
        }
    }

    fn lines(&self) -> String {
        let mut lines: Vec<_> =
            self.unlinked.iter().map(|one| format!("{} {}", one.repository, one.digest)).collect();
        lines.extend(self.content.iter().cloned());
        lines.push(format!(
            "{}: {} blobs of repositories, {} contents of {} bytes, {} uploads",
            if self.dry_run { "would be removed" } else { "removed" },
            self.unlinked.len(),
            self.content.len(),
            self.bytes,
            self.uploads
        ));
        lines.join("\n")
    }
}

pub(crate) fn run(args: Args, world: &World) -> Exit {
    let folder = world.folder.join(&args.data);
    let format = if args.format == GcFormat::Json { Format::Json } else { Format::Human };
    let age = Duration::from_secs(args.older_than);
    let collected = match loadline_sandbox::collect(&folder, world.clock, age, args.dry_run) {
        Ok(collected) => collected,
        Err(error) => return fail(world, Failure::from(&error), format),
    };
    let document = GcDocument::new(&collected, args.dry_run);
    match args.format {
        GcFormat::Human => world.print(&document.lines()),
        GcFormat::Json => match serde_json::to_string_pretty(&Document::new(SANDBOX_GC, &document)) {
            Ok(text) => world.print(&text),
            Err(error) => {
                world.tell(&format!("error: {error}"));
                return Exit::Unknown;
            }
        },
    }
    if document.unreadable.is_empty() {
        return Exit::Pass;
    }
    // What is damaged goes to standard error: the document is out already.
    for one in &document.unreadable {
        let message = format!(
            "the manifest {} of {} is not what was pushed: nothing of that repository was removed",
            one.digest, one.repository
        );
        let failure = Failure::new(&SANDBOX_CONTENT_DAMAGED, message).help("push it again to mend it");
        show(world, &Outcome::from(failure), Format::Human, "loadline", camino::Utf8Path::new("."));
    }
    Exit::Unknown
}
