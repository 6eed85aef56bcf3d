//! Progress: bars on a terminal, one for the step and one a stage, lines elsewhere, and `--events` as JSON Lines.

use std::io::Write;
use std::sync::Mutex;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use loadline_core::document::Document;
use loadline_core::{Clock, Verdict};
use loadline_release::event::{Event, Listener};
use serde::Serialize;

use crate::render::stages::{Line, Stages};
use crate::world::World;

/// How often a spinner moves.
const TICK: Duration = Duration::from_millis(120);

/// The schema of one line of `--events`.
pub(crate) const EVENT: &str = "loadline/event/v1";

/// Shows a release as it runs.
pub(crate) struct Progress<'a> {
    world: &'a World,
    bars: Option<Bars>,
    quiet: bool,
    events: Option<Mutex<Box<dyn Write + Send>>>,
}

/// What stands on a terminal: the step's bar, and below it one a stage.
struct Bars {
    all: MultiProgress,
    step: ProgressBar,
    colour: bool,
    stages: Mutex<Shown>,
}

#[derive(Default)]
struct Shown {
    model: Stages,
    bars: Vec<(u64, ProgressBar)>,
}

impl Bars {
    fn new(colour: bool) -> Self {
        let all = MultiProgress::with_draw_target(ProgressDrawTarget::stderr());
        let step = styled(colour, None, "{spinner:.cyan} {prefix:9} {bar:24.cyan} {pos}/{len} {wide_msg}");
        let step = all.add(step);
        Self { all, step, colour, stages: Mutex::default() }
    }

    fn clear(&self) {
        self.step.finish_and_clear();
        let mut shown = self.stages.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // A bar that still ticks would draw itself again.
        for (_, bar) in shown.bars.drain(..) {
            bar.finish_and_clear();
            self.all.remove(&bar);
        }
        // What does not fit on the terminal any more is no reason to end a release.
        let _ = self.all.clear();
    }

    /// Brings the stages' bars up to what the model says now.
    fn hear(&self, event: &Event) {
        let mut shown = self.stages.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let Shown { model, bars } = &mut *shown;
        model.hear(event);
        let lines = model.lines();
        bars.retain(|(id, bar)| {
            let stays = lines.iter().any(|line| line.id == *id);
            if !stays {
                bar.finish_and_clear();
                self.all.remove(bar);
            }
            stays
        });
        // Lines keep their order, so whatever has no bar yet belongs where the lines before it end.
        for (at, line) in lines.iter().enumerate() {
            if bars.get(at).is_none_or(|(id, _)| *id != line.id) {
                bars.insert(at, (line.id, self.bar(at + 1, line)));
            }
            let (_, bar) = &bars[at];
            bar.set_prefix(line.label.clone());
            bar.set_position(line.steps.map_or(0, |(done, _)| done));
            bar.set_message(line.doing.clone());
        }
    }

    fn bar(&self, at: usize, line: &Line) -> ProgressBar {
        let of = line.steps.map(|(_, of)| of);
        let template = match of {
            Some(_) => "  {spinner:.cyan} {prefix} {bar:12.cyan} {pos}/{len} {elapsed} {wide_msg}",
            None => "  {spinner:.cyan} {prefix} {wide_msg}",
        };
        let bar = styled(self.colour, of, template).with_prefix(line.label.clone());
        let bar = self.all.insert(at, bar);
        bar.enable_steady_tick(TICK);
        bar
    }
}

/// A bar that is drawn nowhere yet: what is drawn first must have its style already.
fn styled(colour: bool, of: Option<u64>, template: &str) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(of, ProgressDrawTarget::hidden());
    let plain = template.replace(":.cyan", "").replace(".cyan", "");
    match ProgressStyle::with_template(if colour { template } else { &plain }) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
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
        let bars = (world.err_is_terminal && !quiet).then(|| Bars::new(world.colour_err()));
        Self { world, bars, quiet, events: events.map(Mutex::new) }
    }

    /// Takes the bars off the terminal.
    pub(crate) fn clear(&self) {
        if let Some(bars) = &self.bars {
            bars.clear();
        }
    }

    fn line(&self, text: &str) {
        match &self.bars {
            _ if self.quiet => {}
            Some(bars) => {
                let _ = bars.all.println(text);
            }
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
        if let Some(bars) = &self.bars {
            bars.hear(event);
        }
        match event {
            Event::ReleaseBegun { version, images, resumed, .. } => {
                let again = if *resumed { " (taken up again)" } else { "" };
                self.line(&format!("release {version}: {}{again}", images.join(", ")));
            }
            Event::StepBegun { step, parts } => {
                if let Some(Bars { step: bar, .. }) = &self.bars {
                    bar.reset();
                    bar.set_length(*parts as u64);
                    bar.set_prefix(step.name());
                    bar.set_message("");
                    bar.enable_steady_tick(TICK);
                }
            }
            Event::PartDone { part, .. } => {
                if let Some(Bars { step: bar, .. }) = &self.bars {
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
            Event::StageEnded { image, platform, stage, cached, error } => {
                let how = match (error, cached) {
                    (Some(error), _) => format!(": {error}"),
                    (None, true) => " (cached)".to_owned(),
                    (None, false) => String::new(),
                };
                // A terminal has the bars; a log is read afterwards, and wants to know what took how long.
                if self.bars.is_none() || error.is_some() {
                    self.line(&format!("     {image} {platform} {stage}{how}"));
                }
            }
            Event::BuildOutput { image, platform, line, stage } => {
                if self.bars.is_none() || stage.is_none() {
                    self.line(&format!("     {image} {platform} | {line}"));
                }
            }
            Event::Waiting { part, reason, wait_ms, left_ms } => {
                let (wait, left) = (wait_ms.div_ceil(1000), left_ms / 1000);
                self.line(&format!("     {part}: {reason}; trying again in {wait} s, for {left} s more"));
            }
            Event::StageBegun { .. }
            | Event::LegBuilt { .. }
            | Event::IndexMerged { .. }
            | Event::TagWritten { .. } => {}
            Event::ReleaseEnded { .. } => self.clear(),
        }
    }
}
