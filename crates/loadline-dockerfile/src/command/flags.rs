//! Flags of an instruction, taken one by one; what is left over is unknown.

use crate::error::Problem;
use crate::flag::Flag;
use crate::instruction::Instruction;

pub(super) struct Flags<'a> {
    keyword: &'static str,
    left: Vec<&'a Flag>,
}

impl<'a> Flags<'a> {
    pub(super) fn new(instruction: &'a Instruction, keyword: &'static str) -> Self {
        Self { keyword, left: instruction.flags.iter().collect() }
    }

    /// Every value of a flag that may be repeated.
    pub(super) fn list(&mut self, name: &str) -> Result<Vec<String>, Problem> {
        let values = self.take(name);
        values.into_iter().map(|flag| needed(flag).map(str::to_owned)).collect()
    }

    /// The value of a flag that may be given once.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, Problem> {
        self.once(name)?.map(|flag| needed(flag).map(str::to_owned)).transpose()
    }

    /// A switch: there, or with `true` or `false`; `None` where it is not given.
    pub(super) fn switch(&mut self, name: &str) -> Result<Option<bool>, Problem> {
        let Some(flag) = self.once(name)? else { return Ok(None) };
        match flag.value.as_deref().map(str::to_lowercase).as_deref() {
            None | Some("true" | "") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(Problem::FlagValue { flag: name.to_owned(), expected: "`true` or `false`" }),
        }
    }

    /// Refuses what was not asked for.
    pub(super) fn done(self) -> Result<(), Problem> {
        match self.left.first() {
            Some(flag) => Err(Problem::UnknownFlag { keyword: self.keyword, flag: flag.name.clone() }),
            None => Ok(()),
        }
    }

    fn once(&mut self, name: &str) -> Result<Option<&'a Flag>, Problem> {
        match self.take(name).as_slice() {
            [] => Ok(None),
            [flag] => Ok(Some(flag)),
            _ => Err(Problem::RepeatedFlag { flag: name.to_owned() }),
        }
    }

    fn take(&mut self, name: &str) -> Vec<&'a Flag> {
        let (taken, left) = self.left.iter().partition(|flag| flag.name == name);
        self.left = left;
        taken
    }
}

fn needed(flag: &Flag) -> Result<&str, Problem> {
    flag.value.as_deref().ok_or_else(|| Problem::FlagValue { flag: flag.name.clone(), expected: "a value" })
}
