//! What a program left behind.

use std::fmt;
use std::process::ExitStatus;

use crate::error::ProcessError;

/// One of a program's two output streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Stdout => "standard output",
            Self::Stderr => "standard error",
        })
    }
}

/// What a program that ran to its end left behind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// The program as asked for.
    pub program: String,
    /// How it ended.
    pub status: ExitStatus,
    /// All it printed on standard output, secrets masked.
    pub stdout: Vec<u8>,
    /// The end of what it printed on standard error, secrets masked, at most the output limit.
    pub stderr: Vec<u8>,
}

impl Output {
    /// Whether it ended with status 0.
    pub fn success(&self) -> bool {
        self.status.success()
    }

    /// Itself where it ended with status 0, else an error with the last lines of standard error.
    pub fn checked(self) -> Result<Self, ProcessError> {
        if self.success() {
            return Ok(self);
        }
        let stderr = tail(&self.stderr);
        Err(ProcessError::Failed { program: self.program, status: self.status, stderr })
    }

    /// Standard output as text, bytes that are no UTF-8 replaced.
    pub fn stdout_text(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// Standard error as text, bytes that are no UTF-8 replaced.
    pub fn stderr_text(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }
}

/// The last lines, for an error message.
pub(crate) fn tail(stderr: &[u8]) -> String {
    const LINES: usize = 20;
    const BYTES: usize = 4096;
    let from = stderr.len().saturating_sub(BYTES);
    let text = String::from_utf8_lossy(&stderr[from..]);
    let lines: Vec<&str> = text.trim_end().lines().collect();
    lines[lines.len().saturating_sub(LINES)..].join("\n").trim().to_owned()
}
