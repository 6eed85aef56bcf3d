//! What `--progress rawjson` prints on standard error: JSON objects are progress (BuildKit's `SolveStatus`),
//! any other line is shown and never interpreted.

use std::collections::{HashMap, VecDeque};

use base64::Engine as _;
use loadline_process::Mask;
use serde::{Deserialize, Deserializer};

/// How many of the last lines of a stage, and of the lines that are no progress, are kept.
const LINES: usize = 20;
/// The longest line that is kept, in characters.
const WIDTH: usize = 2000;
/// The most stages that are told apart; further ones have no names.
const STAGES: usize = 10_000;
/// The most bytes of an unfinished line.
const UNFINISHED: usize = 64 << 10;

/// Something heard of a build. Texts are masked, and without control characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// A stage begins.
    Begun {
        /// What BuildKit calls it: `[compile 2/3] RUN make`.
        stage: String,
    },
    /// A stage ended.
    Ended {
        /// Its name.
        stage: String,
        /// Whether it was taken from a cache.
        cached: bool,
        /// Why it failed, if it did.
        error: Option<String>,
    },
    /// A stage printed a line.
    Log {
        /// Its name.
        stage: String,
        /// The line.
        line: String,
    },
    /// BuildKit warns of something in the Dockerfile.
    Warning {
        /// What it says.
        message: String,
    },
    /// A line that is no progress.
    Line {
        /// The line.
        line: String,
    },
}

/// The stage that made a build fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailedStage {
    /// Its name.
    pub stage: String,
    /// Why.
    pub error: String,
    /// The last lines that it printed.
    pub log: Vec<String>,
}

#[derive(Deserialize)]
struct SolveStatus {
    #[serde(default, deserialize_with = "null_is_none")]
    vertexes: Vec<Vertex>,
    #[serde(default, deserialize_with = "null_is_none")]
    logs: Vec<Log>,
    #[serde(default, deserialize_with = "null_is_none")]
    warnings: Vec<Warning>,
}

#[derive(Deserialize)]
struct Vertex {
    digest: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    started: Option<String>,
    #[serde(default)]
    completed: Option<String>,
    #[serde(default)]
    cached: bool,
    #[serde(default)]
    error: String,
}

#[derive(Deserialize)]
struct Log {
    vertex: String,
    #[serde(default)]
    data: String,
}

#[derive(Deserialize)]
struct Warning {
    #[serde(default)]
    short: String,
}

fn null_is_none<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

#[derive(Default)]
struct Stage {
    name: String,
    begun: bool,
    ended: bool,
    unfinished: Vec<u8>,
    last: Tail,
}

/// The last lines of something.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Tail(VecDeque<String>);

impl Tail {
    fn push(&mut self, line: String) {
        if self.0.len() == LINES {
            self.0.pop_front();
        }
        self.0.push_back(line);
    }
}

/// Reads progress line by line and remembers what an error must say.
pub struct Reader {
    mask: Mask,
    stages: HashMap<String, Stage>,
    lines: Tail,
    failed: Option<(String, String)>,
}

impl Reader {
    /// A reader that masks what it hands on. The runner of programs masks lines as they are printed, but what
    /// stages print is base64 there, in pieces, and texts are escaped.
    pub fn new(mask: Mask) -> Self {
        Self { mask, stages: HashMap::new(), lines: Tail::default(), failed: None }
    }

    /// Takes a line in and says what it tells.
    pub fn line(&mut self, line: &str, hear: &mut dyn FnMut(Progress)) {
        if line.starts_with('{') {
            if let Ok(status) = serde_json::from_str::<SolveStatus>(line) {
                self.status(status, hear);
                return;
            }
            if line.starts_with("{\"vertexes\"")
                || line.starts_with("{\"statuses\"")
                || line.starts_with("{\"logs\"")
            {
                // It was too long to be handed over whole.
                return;
            }
        }
        let line = self.shown(line);
        if !line.is_empty() {
            self.lines.push(line.clone());
            hear(Progress::Line { line });
        }
    }

    fn status(&mut self, status: SolveStatus, hear: &mut dyn FnMut(Progress)) {
        for vertex in status.vertexes {
            self.vertex(vertex, hear);
        }
        for log in status.logs {
            let Ok(bytes) = base64::engine::general_purpose::STANDARD.decode(&log.data) else { continue };
            self.log(&log.vertex, &bytes, hear);
        }
        for warning in status.warnings {
            let Ok(bytes) = base64::engine::general_purpose::STANDARD.decode(&warning.short) else {
                continue;
            };
            hear(Progress::Warning { message: self.shown(&String::from_utf8_lossy(&bytes)) });
        }
    }

    fn vertex(&mut self, vertex: Vertex, hear: &mut dyn FnMut(Progress)) {
        let name = self.shown(&vertex.name);
        if !self.stages.contains_key(&vertex.digest) && self.stages.len() >= STAGES {
            return;
        }
        let stage = self.stages.entry(vertex.digest.clone()).or_default();
        if !name.is_empty() {
            stage.name = name;
        }
        let name = stage.name.clone();
        if vertex.started.is_some() && !stage.begun {
            stage.begun = true;
            hear(Progress::Begun { stage: name.clone() });
        }
        let failed = !vertex.error.is_empty();
        if (vertex.completed.is_some() && !stage.ended) || failed {
            stage.ended = true;
            self.finish(&vertex.digest, hear);
            let error = failed.then(|| self.shown(&vertex.error));
            // What was cancelled because another stage failed is not what made it fail.
            if let Some(error) = &error
                && self.failed.is_none()
                && !error.contains("context canceled")
            {
                self.failed = Some((vertex.digest, error.clone()));
            }
            hear(Progress::Ended { stage: name, cached: vertex.cached, error });
        }
    }

    fn log(&mut self, vertex: &str, bytes: &[u8], hear: &mut dyn FnMut(Progress)) {
        let Some(stage) = self.stages.get_mut(vertex) else { return };
        let mut pending = std::mem::take(&mut stage.unfinished);
        pending.extend_from_slice(bytes);
        let name = stage.name.clone();
        // Only whole lines are handed on: a piece could end in the middle of a secret.
        let whole = match pending.iter().rposition(|byte| *byte == b'\n') {
            Some(at) => at + 1,
            None if pending.len() > UNFINISHED => pending.len(),
            None => 0,
        };
        let rest = pending.split_off(whole);
        for line in pending.split(|byte| *byte == b'\n') {
            self.logged(vertex, &name, line, hear);
        }
        if let Some(stage) = self.stages.get_mut(vertex) {
            stage.unfinished = rest;
        }
    }

    fn logged(&mut self, vertex: &str, name: &str, line: &[u8], hear: &mut dyn FnMut(Progress)) {
        let line = self.shown(&String::from_utf8_lossy(line));
        if line.is_empty() {
            return;
        }
        if let Some(stage) = self.stages.get_mut(vertex) {
            stage.last.push(line.clone());
        }
        hear(Progress::Log { stage: name.to_owned(), line });
    }

    /// Hands over the line that a stage left without its end.
    fn finish(&mut self, vertex: &str, hear: &mut dyn FnMut(Progress)) {
        let Some(stage) = self.stages.get_mut(vertex) else { return };
        let (rest, name) = (std::mem::take(&mut stage.unfinished), stage.name.clone());
        self.logged(vertex, &name, &rest, hear);
    }

    /// A text for people: secrets masked, what a bar painted over left out, no control characters.
    fn shown(&self, text: &str) -> String {
        let masked = self.mask.text(text);
        let line = masked.trim_end();
        let line = line.rsplit('\r').next().unwrap_or(line);
        line.chars().map(|c| if c.is_control() && c != '\t' { ' ' } else { c }).take(WIDTH).collect()
    }

    /// The stage that made the build fail, if one did.
    pub fn failed(&self) -> Option<FailedStage> {
        let (vertex, error) = self.failed.as_ref()?;
        let stage = self.stages.get(vertex)?;
        Some(FailedStage {
            stage: stage.name.clone(),
            error: error.clone(),
            log: stage.last.0.iter().cloned().collect(),
        })
    }

    /// The last lines that were no progress.
    pub fn last_lines(&self) -> Vec<String> {
        self.lines.0.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;
    use loadline_core::Secret;
    use proptest::prelude::*;

    use super::*;

    fn heard(reader: &mut Reader, lines: &[String]) -> Vec<Progress> {
        let mut all = Vec::new();
        for line in lines {
            reader.line(line, &mut |progress| all.push(progress));
        }
        all
    }

    fn reader() -> Reader {
        Reader::new(Mask::new(&[Secret::new("hunter2")]))
    }

    fn vertex(digest: &str, more: &str) -> String {
        format!(r#"{{"vertexes":[{{"digest":"{digest}","name":"[2/2] RUN {digest}"{more}}}]}}"#)
    }

    fn log(digest: &str, data: &[u8]) -> String {
        let data = STANDARD.encode(data);
        format!(r#"{{"logs":[{{"vertex":"{digest}","stream":2,"data":"{data}","timestamp":"x"}}]}}"#)
    }

    const DONE: &str = r#","started":"x","completed":"y""#;

    #[test]
    fn a_stage_begins_prints_and_fails() {
        let mut reader = reader();
        let lines = [
            vertex("a", ""),
            vertex("a", r#","started":"x""#),
            r#"{"statuses":[{"id":"transferring","vertex":"a","current":1}]}"#.to_owned(),
            log("a", b"one\ntw"),
            log("a", b"o\r\nthree"),
            vertex("b", r#","started":"x","completed":"y","error":"Canceled: context canceled""#),
            vertex("a", r#","started":"x","completed":"y","error":"exit code: 7""#),
            "ERROR: failed to solve".to_owned(),
        ];
        let heard = heard(&mut reader, &lines);
        let stage = || "[2/2] RUN a".to_owned();
        let said = |line: &str| Progress::Log { stage: stage(), line: line.into() };
        assert_eq!(heard[0], Progress::Begun { stage: stage() });
        assert_eq!(heard[1..3], [said("one"), said("two")]);
        assert_eq!(heard[5], said("three"));
        let error = Some("exit code: 7".to_owned());
        assert_eq!(heard[6], Progress::Ended { stage: stage(), cached: false, error });
        assert_eq!(heard[7], Progress::Line { line: "ERROR: failed to solve".into() });
        let failed = reader.failed().unwrap();
        assert_eq!((failed.stage.as_str(), failed.error.as_str()), ("[2/2] RUN a", "exit code: 7"));
        assert_eq!(failed.log, ["one", "two", "three"]);
        assert_eq!(reader.last_lines(), ["ERROR: failed to solve"]);
    }

    #[test]
    fn a_secret_in_two_pieces_is_masked() {
        let mut reader = reader();
        let lines = [
            vertex("a", r#","started":"x""#),
            log("a", b"token hun"),
            log("a", b"ter2\n"),
            vertex("a", DONE),
        ];
        let heard = heard(&mut reader, &lines);
        assert!(
            heard.iter().any(|p| matches!(p, Progress::Log { line, .. } if line == "token ***")),
            "{heard:?}"
        );
        assert!(!format!("{heard:?}").contains("hunter2"));
    }

    #[test]
    fn other_lines_are_shown_and_not_interpreted() {
        let mut reader = reader();
        let lines = ["{not json", "WARNING: \u{1b}[31mhunter2", "", "10%\r20%"].map(str::to_owned);
        let heard = heard(&mut reader, &lines);
        let line = |line: &str| Progress::Line { line: line.into() };
        assert_eq!(heard, [line("{not json"), line("WARNING:  [31m***"), line("20%")]);
        assert_eq!(reader.failed(), None);
    }

    #[test]
    fn warnings_and_nulls_are_read() {
        let mut reader = reader();
        let short = STANDARD.encode("MaintainerDeprecated (line 6)");
        let lines = [
            format!(r#"{{"warnings":[{{"vertex":"a","level":1,"short":"{short}","detail":["x"]}}]}}"#),
            r#"{"vertexes":null,"logs":null}"#.to_owned(),
        ];
        let heard = heard(&mut reader, &lines);
        assert_eq!(heard, [Progress::Warning { message: "MaintainerDeprecated (line 6)".into() }]);
    }

    #[test]
    fn only_the_last_lines_are_kept() {
        let mut reader = reader();
        let mut lines = vec![vertex("a", r#","started":"x""#)];
        lines.extend((0..100).map(|n| log("a", format!("line {n}\n").as_bytes())));
        lines.push(vertex("a", r#","completed":"y","error":"no""#));
        heard(&mut reader, &lines);
        let log = reader.failed().unwrap().log;
        assert_eq!((log.len(), log[0].as_str(), log[19].as_str()), (20, "line 80", "line 99"));
    }

    proptest! {
        #[test]
        fn no_input_upsets_it(lines in proptest::collection::vec("[{}\"a-z:,\\[\\]0-9\\\\]{0,80}|.{0,40}", 0..20)) {
            let mut reader = reader();
            heard(&mut reader, &lines);
        }

        #[test]
        fn however_a_log_is_cut_its_lines_are_the_same(cuts in proptest::collection::vec(1usize..9, 0..30)) {
            let text = b"first line\nhunter2 is the secret\n\nlast";
            let mut lines = vec![vertex("a", r#","started":"x""#)];
            let mut rest = &text[..];
            for cut in cuts {
                let (piece, after) = rest.split_at(cut.min(rest.len()));
                lines.push(log("a", piece));
                rest = after;
            }
            lines.push(log("a", rest));
            lines.push(vertex("a", DONE));
            let mut reader = reader();
            let said: Vec<String> = heard(&mut reader, &lines).into_iter().filter_map(|progress| match progress {
                Progress::Log { line, .. } => Some(line),
                _ => None,
            }).collect();
            prop_assert_eq!(said, ["first line", "*** is the secret", "last"]);
        }
    }
}
