//! Findings and failures in the format that was asked for.

use camino::Utf8Path;
use loadline_core::{Failure, Outcome};
use loadline_report::{Format, Options, render};

use crate::exit::Exit;
use crate::world::World;

/// Shows an outcome: documents on standard output; for people, findings on standard error.
pub(crate) fn show(world: &World, outcome: &Outcome, format: Format, title: &str, root: &Utf8Path) {
    let sources = |file: &Utf8Path| read_source(&root.join(file));
    let options = Options { colour: colour(world, format), title, sources: &sources, ..Options::default() };
    match render(outcome, format, &options) {
        Ok(text) if format == Format::Human => world.tell(&text),
        Ok(text) => world.print(&text),
        Err(error) => world.tell(&format!("error: {error}")),
    }
}

/// Shows what stood in the way before anything could be examined.
pub(crate) fn fail(world: &World, failure: Failure, format: Format) -> Exit {
    let outcome = Outcome::from(failure);
    show(world, &outcome, format, "loadline", Utf8Path::new("."));
    Exit::Unknown
}

fn colour(world: &World, format: Format) -> bool {
    format == Format::Human && world.colour_err()
}

/// A file's text, for showing the line that a finding points at; not for large files.
fn read_source(path: &Utf8Path) -> Option<String> {
    const LIMIT: u64 = 8 << 20;
    let size = path.metadata().ok()?.len();
    (size <= LIMIT)
        .then(|| std::fs::read(path).ok())
        .flatten()
        .map(|b| String::from_utf8_lossy(&b).into_owned())
}
