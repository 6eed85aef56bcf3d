//! Progress: bars on a terminal, one line a finished step elsewhere, and `--events` as JSON Lines.

use std::io::Write;
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use loadline_core::document::Document;
use loadline_core::{Clock, Verdict};
use loadline_release::event::{Event, Listener};
use serde::Serialize;

use crate::world::World;

/// The schema of one line of `--events`.
pub(crate) const EVENT: &str = "loadline/event/v1";

/// Shows a release as it runs.
pub(crate) struct Progress<'a> {
    world: &'a World,
    bar: Option<ProgressBar>,
    quiet: bool,
    events: Option<Mutex<Box<dyn Write + Send>>>,
}

#[derive(Serialize)]
struct Stamped<'a> {
    at: String,
    #[serde(flatten)]
    event: &'a Event,
}

impl<'a> Progress<'a> {
    /// A bar where standard error is a terminal, lines elsewhere.
    pub(crate) fn new(world: &'a World, quiet: bool, events: Option<Box<dyn Write + Send>>) -> Self {
        let bar = (world.err_is_terminal && !quiet).then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let template = if world.colour_err() {
                "{spinner:.cyan} {prefix:9} {bar:24.cyan} {pos}/{len} {wide_msg}"
            } else {
                "{spinner} {prefix:9} {bar:24} {pos}/{len} {wide_msg}"
            };
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar
        });
        Self { world, bar, quiet, events: events.map(Mutex::new) }
    }

    /// Takes the bar off the terminal.
    pub(crate) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn line(&self, text: &str) {
        match &self.bar {
            _ if self.quiet => {}
            Some(bar) => bar.println(text),
            None => self.world.tell(text),
        }
    }
}

/// The moment and the event as one line of JSON.
fn json_line(clock: Clock, event: &Event) -> Option<String> {
    let stamped = Stamped { at: clock.now().to_string(), event };
    serde_json::to_string(&Document::new(EVENT, stamped)).ok()
}

impl Listener for Progress<'_> {
    fn hear(&self, event: &Event) {
        if let Some(events) = &self.events
            && let Some(line) = json_line(self.world.clock, event)
        {
            let mut events = events.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            let _ = writeln!(events, "{line}").and_then(|()| events.flush());
        }
        match event {
            Event::ReleaseBegun { version, images, resumed, .. } => {
                let again = if *resumed { " (taken up again)" } else { "" };
                self.line(&format!("release {version}: {}{again}", images.join(", ")));
            }
            Event::StepBegun { step, parts } => {
                if let Some(bar) = &self.bar {
                    bar.reset();
                    bar.set_length(*parts as u64);
                    bar.set_prefix(step.name());
                    bar.set_message("");
                    bar.enable_steady_tick(Duration::from_millis(120));
                }
            }
            Event::PartDone { part, .. } => {
                if let Some(bar) = &self.bar {
                    bar.inc(1);
                    bar.set_message(part.clone());
                }
            }
            Event::StepEnded { step, verdict, ms, requests } => {
                let mark = match verdict {
                    Verdict::Pass => "ok",
                    Verdict::Fail => "FAIL",
                    Verdict::Unknown => "????",
                };
                let requests = match requests {
                    0 => String::new(),
                    1 => "  1 request".to_owned(),
                    n => format!("  {n} requests"),
                };
                self.line(&format!("{mark:4} {:9} {ms:>6} ms{requests}", step.name()));
            }
            Event::StageBegun { image, platform, stage } => {
                if let Some(bar) = &self.bar {
                    bar.set_message(format!("{image} {platform} {stage}"));
                }
            }
            Event::StageEnded { image, platform, stage, cached, error } => {
                let how = match (error, cached) {
                    (Some(error), _) => format!(": {error}"),
                    (None, true) => " (cached)".to_owned(),
                    (None, false) => String::new(),
                };
                // A terminal has the bar; a log is read afterwards, and wants to know what took how long.
                if self.bar.is_none() || error.is_some() {
                    self.line(&format!("     {image} {platform} {stage}{how}"));
                }
            }
            Event::BuildOutput { image, platform, line, stage } => {
                if self.bar.is_none() || stage.is_none() {
                    self.line(&format!("     {image} {platform} | {line}"));
                }
            }
            Event::Waiting { part, reason, wait_ms, left_ms } => {
                let (wait, left) = (wait_ms.div_ceil(1000), left_ms / 1000);
                self.line(&format!("     {part}: {reason}; trying again in {wait} s, for {left} s more"));
            }
            Event::LegBuilt { .. } | Event::IndexMerged { .. } | Event::TagWritten { .. } => {}
            Event::ReleaseEnded { .. } => self.clear(),
        }
    }
}
