//! Programs that outlive this one: a browser that shows a page.

use std::process::{Child, ExitStatus, Stdio};

use crate::environment::Environment;
use crate::error::ProcessError;
use crate::invocation::Invocation;
use crate::run;

/// A program that was started and is left to itself: nothing is read from it, nothing ends it.
#[derive(Debug)]
pub struct Detached {
    child: Child,
}

impl Detached {
    /// How it ended, if it has. What cannot be told counts as still running.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }
}

impl Invocation {
    /// Starts it and leaves it to itself, in a process group of its own, with no input and its output
    /// thrown away. Time and output limits and [`Invocation::stdin`] do not apply.
    ///
    /// # Errors
    /// The program is not found, or the system refuses.
    pub fn detach(&self, parent: &Environment) -> Result<Detached, ProcessError> {
        let mut command = run::command(self, parent)?;
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(Detached { child: run::start(command, &self.program)? })
    }
}
