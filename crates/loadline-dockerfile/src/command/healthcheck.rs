//! HEALTHCHECK.

use std::time::Duration;

use super::flags::Flags;
use super::{CommandLine, command_line};
use crate::duration;
use crate::error::Problem;
use crate::instruction::Instruction;

/// `HEALTHCHECK`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Healthcheck {
    /// `HEALTHCHECK NONE`.
    None,
    /// `HEALTHCHECK CMD …`.
    Cmd(Probe),
}

/// A health check that runs something. Durations of zero mean the default, as in the image's configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// What runs.
    pub line: CommandLine,
    /// `--interval`.
    pub interval: Duration,
    /// `--timeout`.
    pub timeout: Duration,
    /// `--start-period`.
    pub start_period: Duration,
    /// `--start-interval`.
    pub start_interval: Duration,
    /// `--retries`; zero means the default.
    pub retries: u32,
}

/// The shortest duration that docker takes, zero aside.
const MINIMUM: Duration = Duration::from_millis(1);

impl Healthcheck {
    pub(super) fn new(instruction: &Instruction) -> Result<Self, Problem> {
        let Some((word, command)) = instruction.arguments.values.split_first() else {
            return Err(Problem::ArgumentCount { keyword: "HEALTHCHECK", expected: "at least one argument" });
        };
        match word.to_ascii_uppercase().as_str() {
            "NONE" if command.is_empty() => Ok(Self::None),
            "NONE" => Err(Problem::ArgumentCount { keyword: "HEALTHCHECK NONE", expected: "no arguments" }),
            "CMD" => {
                let mut flags = Flags::new(instruction, "HEALTHCHECK");
                let probe = Probe {
                    line: command_line(command, instruction.arguments.json),
                    interval: time(&mut flags, "interval")?,
                    timeout: time(&mut flags, "timeout")?,
                    start_period: time(&mut flags, "start-period")?,
                    start_interval: time(&mut flags, "start-interval")?,
                    retries: retries(&mut flags)?,
                };
                flags.done()?;
                if command.is_empty() {
                    return Err(Problem::ArgumentCount { keyword: "HEALTHCHECK CMD", expected: "a command" });
                }
                Ok(Self::Cmd(probe))
            }
            _ => Err(Problem::HealthcheckType { word: word.clone() }),
        }
    }
}

fn time(flags: &mut Flags<'_>, name: &str) -> Result<Duration, Problem> {
    let Some(text) = flags.text(name)?.filter(|text| !text.is_empty()) else { return Ok(Duration::ZERO) };
    match duration::parse(&text) {
        Some(value) if value.is_zero() || value >= MINIMUM => Ok(value),
        _ => {
            let expected = "a duration of at least 1ms, such as `30s`";
            Err(Problem::FlagValue { flag: name.to_owned(), expected })
        }
    }
}

fn retries(flags: &mut Flags<'_>) -> Result<u32, Problem> {
    let Some(text) = flags.text("retries")?.filter(|text| !text.is_empty()) else { return Ok(0) };
    match text.parse::<i32>().ok().and_then(|n| u32::try_from(n).ok()) {
        Some(retries) => Ok(retries),
        None => Err(Problem::FlagValue { flag: "retries".into(), expected: "a number of at least 0" }),
    }
}
