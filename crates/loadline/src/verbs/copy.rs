//! `loadline copy`: an image and all that belongs to it, from place to place.

use std::time::Duration;

use camino::Utf8Path;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use loadline_core::document::Document;
use loadline_core::{Failure, Platform};
use loadline_registry::Client;
use loadline_registry::copy::{Copied, CopyRequest, TagEnd, TagRule, copy};
use loadline_report::Format;

use crate::codes::ARGUMENT_INVALID;
use crate::exit::Exit;
use crate::place::{Place, client};
use crate::render::copy::{COPY, CopyDocument, summary};
use crate::render::inspect::bytes;
use crate::render::outcome::{fail, show};
use crate::session::{usage, wait};
use crate::world::World;

/// Copy an image with all its evidence, and check that all of it arrived
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The image, by tag or digest; or a layout on disk, `oci:DIR[:TAG]`.
    #[arg(value_name = "SRC")]
    from: Place,
    /// Where it goes: a repository or a layout, with a tag or without. Without one the source's tag is taken; an
    /// image that was named by digest gets none.
    #[arg(value_name = "DST")]
    to: Place,
    /// Only this platform's image, by itself, with its own evidence; it gets a tag only where DST names one.
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<Platform>,
    /// Move the tag where it leads to another image. A version's tag (1.2.3, 1.2.3-server) never moves.
    #[arg(long)]
    move_tag: bool,
    /// Show nothing while it runs.
    #[arg(long, short)]
    quiet: bool,
    /// How to show what came of it.
    #[arg(long, value_name = "FORMAT", default_value_t)]
    format: Format,
}

pub(crate) fn run(args: &Args, world: &World) -> Exit {
    if args.to.has_digest() {
        let message = "DST is named by a digest, and gets that of SRC: give it a tag, or none";
        return usage(world, &ARGUMENT_INVALID, message, args.format);
    }
    let client = client(world);
    let copied = match wait(world, work(args, world, &client)) {
        Ok(Ok(copied)) => copied,
        Ok(Err(failure)) => return fail(world, failure, args.format),
        Err(exit) => return exit,
    };
    let outcome = copied.outcome();
    let folder = Utf8Path::from_path(&world.folder).unwrap_or(Utf8Path::new("."));
    match args.format {
        Format::Json => {
            let body = CopyDocument::new(&args.from, &args.to, &copied, client.counters().requests);
            match serde_json::to_string_pretty(&Document::new(COPY, body)) {
                Ok(text) => world.print(&text),
                Err(error) => world.tell(&format!("error: the document cannot be written: {error}")),
            }
        }
        Format::Human => {
            if !outcome.findings.is_empty() || !outcome.failures.is_empty() {
                show(world, &outcome, args.format, "copy", folder);
            }
            if !matches!(copied.tag, Some(TagEnd::Refused { .. })) {
                world.tell(&summary(&copied));
            }
            if outcome.verdict() == loadline_core::Verdict::Pass {
                world.print(&args.to.pinned(&copied.digest));
            }
        }
        _ => show(world, &outcome, args.format, "copy", folder),
    }
    outcome.verdict().into()
}

async fn work(args: &Args, world: &World, client: &Client) -> Result<Copied, Failure> {
    let source = args.from.target(&world.folder).map_err(Failure::from)?;
    let (from, to) = (args.from.repository(client, &world.folder), args.to.repository(client, &world.folder));
    // An index's tag on one platform's image would be a lie that was not asked for.
    let inherited = (args.platform.is_none() && !source.contains(':')).then_some(source.as_str());
    let request = CopyRequest {
        from: &from,
        source: &source,
        platform: args.platform.as_ref(),
        to: &to,
        tag: args.to.tag().or(inherited),
        rule: if args.move_tag { TagRule::Move } else { TagRule::Keep },
    };
    let copying = copy(request);
    tokio::pin!(copying);
    let bar = bar(world, args.quiet);
    let result = loop {
        tokio::select! {
            result = &mut copying => break result,
            () = tokio::time::sleep(Duration::from_millis(200)) => {
                if let Some(bar) = &bar {
                    let counters = client.counters();
                    bar.set_message(format!(
                        "{} sent, {} requests", bytes(counters.bytes_sent.max(counters.bytes_received)), counters.requests
                    ));
                    bar.tick();
                }
            }
        }
    };
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    result.map_err(Failure::from)
}

fn bar(world: &World, quiet: bool) -> Option<ProgressBar> {
    (world.err_is_terminal && !quiet).then(|| {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{spinner} copy {wide_msg}") {
            bar.set_style(style);
        }
        bar
    })
}
