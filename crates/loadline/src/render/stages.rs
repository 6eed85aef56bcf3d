//! Which stages are being built, as lines for a terminal: a pure function of the events.

use std::collections::BTreeSet;

use loadline_core::Platform;
use loadline_release::event::Event;

/// How many lines there are at most.
pub(crate) const LINES: usize = 8;

/// One line: a stage of a leg.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    /// The same for as long as the stage is shown.
    pub(crate) id: u64,
    /// The leg and the stage.
    pub(crate) label: String,
    /// How many of how many steps are done, where the builder numbers them.
    pub(crate) steps: Option<(u64, u64)>,
    /// The step that runs.
    pub(crate) doing: String,
}

/// What is being built at the moment.
#[derive(Debug, Default)]
pub(crate) struct Stages {
    next: u64,
    stages: Vec<Stage>,
}

#[derive(Debug)]
struct Stage {
    id: u64,
    image: String,
    platform: Platform,
    name: String,
    of: Option<u64>,
    done: BTreeSet<u64>,
    running: Vec<String>,
}

impl Stages {
    /// Takes an event in.
    pub(crate) fn hear(&mut self, event: &Event) {
        match event {
            Event::StageBegun { image, platform, stage } => {
                let vertex = Vertex::read(stage, platform);
                let stage = self.stage(image, platform, &vertex);
                stage.running.push(vertex.doing.to_owned());
            }
            Event::StageEnded { image, platform, stage, error, .. } => {
                let vertex = Vertex::read(stage, platform);
                let stage = self.stage(image, platform, &vertex);
                if let Some(at) = stage.running.iter().position(|doing| doing == vertex.doing) {
                    stage.running.remove(at);
                }
                stage.done.extend(vertex.step.map(|(step, _)| step));
                let left = match stage.of {
                    Some(of) => (stage.done.len() as u64) < of,
                    None => !stage.running.is_empty(),
                };
                let id = stage.id;
                if error.is_some() || !left {
                    self.stages.retain(|stage| stage.id != id);
                }
            }
            // What a builder began and never said to have ended is over with its leg, and with the step.
            Event::LegBuilt { image, platform, .. } => {
                self.stages.retain(|stage| stage.image != *image || stage.platform != *platform);
            }
            Event::StepBegun { .. } | Event::StepEnded { .. } | Event::ReleaseEnded { .. } => {
                self.stages.clear()
            }
            _ => {}
        }
    }

    /// The lines: stages in the order in which they began, the last line for those that have none.
    pub(crate) fn lines(&self) -> Vec<Line> {
        let shown = if self.stages.len() > LINES { LINES - 1 } else { self.stages.len() };
        let mut lines: Vec<Line> = self.stages[..shown].iter().map(Stage::line).collect();
        if self.stages.len() > shown {
            let label = format!("and {} more", self.stages.len() - shown);
            lines.push(Line { id: u64::MAX, label, steps: None, doing: String::new() });
        }
        lines
    }

    fn stage(&mut self, image: &str, platform: &Platform, vertex: &Vertex<'_>) -> &mut Stage {
        let same = |one: &Stage| one.image == image && one.platform == *platform && one.name == vertex.stage;
        let at = self.stages.iter().position(same).unwrap_or_else(|| {
            self.stages.push(Stage {
                id: self.next,
                image: image.to_owned(),
                platform: platform.clone(),
                name: vertex.stage.clone(),
                of: vertex.step.map(|(_, of)| of),
                done: BTreeSet::new(),
                running: Vec::new(),
            });
            self.next += 1;
            self.stages.len() - 1
        });
        &mut self.stages[at]
    }
}

impl Stage {
    fn line(&self) -> Line {
        Line {
            id: self.id,
            label: format!("{} {} {}", self.image, self.platform, self.name).trim_end().to_owned(),
            steps: self.of.map(|of| (self.done.len() as u64, of)),
            doing: self.running.last().cloned().unwrap_or_default(),
        }
    }
}

/// What BuildKit calls a piece of work: `[compile 2/3] RUN make`, `[linux/amd64 compile 2/3] RUN make`, `[2/3] RUN make`;
/// `[internal] load metadata` or `exporting to image` where it belongs to no stage.
struct Vertex<'a> {
    stage: String,
    step: Option<(u64, u64)>,
    doing: &'a str,
}

impl<'a> Vertex<'a> {
    fn read(name: &'a str, platform: &Platform) -> Self {
        let numbered = || {
            let (inside, doing) = name.strip_prefix('[')?.split_once(']')?;
            let (before, step) = inside.rsplit_once(' ').unwrap_or(("", inside));
            let (at, of) = step.split_once('/')?;
            let step: (u64, u64) = (at.parse().ok()?, of.parse().ok()?);
            let own = platform.to_string();
            let words: Vec<&str> = before.split_whitespace().filter(|word| *word != own).collect();
            Some(Self { stage: words.join(" "), step: Some(step), doing: doing.trim() })
        };
        numbered().unwrap_or_else(|| Self { stage: name.to_owned(), step: None, doing: "" })
    }
}

#[cfg(test)]
mod tests {
    use loadline_core::Digest;
    use loadline_release::event::Step;

    use super::*;

    fn arm() -> Platform {
        "linux/arm64".parse().unwrap()
    }

    fn begun(image: &str, stage: &str) -> Event {
        Event::StageBegun { image: image.into(), platform: arm(), stage: stage.into() }
    }

    fn ended(image: &str, stage: &str, error: Option<&str>) -> Event {
        let error = error.map(str::to_owned);
        Event::StageEnded { image: image.into(), platform: arm(), stage: stage.into(), cached: false, error }
    }

    /// The lines after these events, as a person reads them.
    fn after(events: &[Event]) -> Vec<String> {
        let mut stages = Stages::default();
        events.iter().for_each(|event| stages.hear(event));
        let text = |line: Line| {
            let steps = line.steps.map(|(done, of)| format!(" {done}/{of}")).unwrap_or_default();
            format!("{}{steps} {}", line.label, line.doing).trim_end().to_owned()
        };
        stages.lines().into_iter().map(text).collect()
    }

    #[test]
    fn each_running_stage_of_each_leg_has_its_line() {
        let mut events = vec![
            begun("web", "[internal] load build definition"),
            begun("web", "[compile 1/3] FROM rust"),
            begun("db", "[linux/arm64 compile 1/2] FROM alpine"),
            begun("db", "[1/2] FROM alpine"),
        ];
        assert_eq!(
            after(&events),
            [
                "web linux/arm64 [internal] load build definition",
                "web linux/arm64 compile 0/3 FROM rust",
                "db linux/arm64 compile 0/2 FROM alpine",
                "db linux/arm64 0/2 FROM alpine",
            ]
        );
        // Between two steps the stage keeps its line; what is done vanishes.
        events.push(ended("web", "[internal] load build definition", None));
        events.push(ended("web", "[compile 1/3] FROM rust", None));
        events.push(ended("db", "[1/2] FROM alpine", None));
        events.push(begun("db", "[2/2] RUN true"));
        events.push(ended("db", "[2/2] RUN true", None));
        assert_eq!(after(&events), ["web linux/arm64 compile 1/3", "db linux/arm64 compile 0/2 FROM alpine"]);
        events.push(begun("web", "[compile 2/3] RUN make"));
        events.push(begun("web", "[compile 3/3] COPY a b"));
        assert_eq!(after(&events)[0], "web linux/arm64 compile 1/3 COPY a b");
        events.push(ended("web", "[compile 3/3] COPY a b", None));
        assert_eq!(after(&events)[0], "web linux/arm64 compile 2/3 RUN make");
        events.push(ended("web", "[compile 2/3] RUN make", Some("exit code: 2")));
        assert_eq!(after(&events), ["db linux/arm64 compile 0/2 FROM alpine"]);
    }

    #[test]
    fn nothing_outlives_its_leg_or_its_step() {
        let mut events =
            vec![begun("web", "[a 1/9] FROM x"), begun("db", "[a 1/9] FROM x"), begun("db", "exporting")];
        events.push(Event::LegBuilt { image: "db".into(), platform: arm(), digest: Digest::of("x") });
        assert_eq!(after(&events), ["web linux/arm64 a 0/9 FROM x"]);
        events.push(Event::StepBegun { step: Step::Merge, parts: 1 });
        assert!(after(&events).is_empty());
    }

    #[test]
    fn a_cached_step_that_never_began_counts() {
        let cached = [ended("web", "[a 1/2] FROM x", None)];
        assert_eq!(after(&cached), ["web linux/arm64 a 1/2"]);
        assert!(after(&[ended("web", "exporting", None)]).is_empty());
    }

    #[test]
    fn there_are_never_more_lines_than_fit_and_lines_keep_their_ids() {
        let mut stages = Stages::default();
        (0..LINES).for_each(|n| stages.hear(&begun("web", &format!("work {n}"))));
        let eight = stages.lines();
        assert_eq!((eight.len(), eight[7].label.as_str()), (8, "web linux/arm64 work 7"));
        stages.hear(&begun("web", "work 8"));
        let nine = stages.lines();
        assert_eq!((nine.len(), nine[7].label.as_str()), (8, "and 2 more"));
        assert_eq!(nine[..7], eight[..7]);
        stages.hear(&ended("web", "work 0", None));
        assert_eq!(stages.lines()[..7], eight[1..]);
    }
}
