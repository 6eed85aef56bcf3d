//! Build stages.

use crate::command::{Command, From};
use crate::error::{ParseError, Problem};
use crate::instruction::Instruction;
use crate::keyword::Keyword;
use crate::parse::Dockerfile;

/// A build stage: a FROM and what follows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stage<'a> {
    /// Counted from 0.
    pub index: usize,
    /// The name behind `AS`, in lower case.
    pub name: Option<String>,
    /// What it is built on, variables not expanded.
    pub base: From,
    /// The FROM itself.
    pub from: &'a Instruction,
    /// The instructions behind it.
    pub instructions: &'a [Instruction],
}

impl Dockerfile {
    /// The ARG instructions before the first FROM, whose values are visible in FROM lines and, declared
    /// again, in stages.
    pub fn global_args(&self) -> &[Instruction] {
        &self.instructions[..self.first_from()]
    }

    fn first_from(&self) -> usize {
        let from = self.instructions.iter().position(|i| i.keyword == Keyword::From);
        from.unwrap_or(self.instructions.len())
    }

    /// The stages, in order. Refuses a file without FROM, anything but ARG before the first one, and a
    /// FROM that BuildKit would refuse.
    pub fn stages(&self) -> Result<Vec<Stage<'_>>, ParseError> {
        for instruction in self.global_args() {
            match &instruction.keyword {
                Keyword::Arg => {}
                Keyword::Other(_) => return Err(instruction.unknown()),
                other => {
                    return Err(instruction.error(Problem::BeforeFrom { keyword: other.name().to_owned() }));
                }
            }
        }
        let mut rest = &self.instructions[self.first_from()..];
        let mut stages = Vec::new();
        while let [from, tail @ ..] = rest {
            let Command::From(base) = from.command()? else { break };
            let end = tail.iter().position(|i| i.keyword == Keyword::From).unwrap_or(tail.len());
            let (instructions, next) = tail.split_at(end);
            let index = stages.len();
            stages.push(Stage { index, name: base.name.clone(), base, from, instructions });
            rest = next;
        }
        if stages.is_empty() {
            let line = self.instructions.last().map_or(1, |i| i.line);
            return Err(ParseError::new(line, Problem::NoStages));
        }
        Ok(stages)
    }
}
