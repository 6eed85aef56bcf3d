//! Why a program could not be run, or not to its end.

use std::io;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use thiserror::Error;

use crate::output::Stream;

/// Why a program could not be run, or not to its end.
#[derive(Debug, Error)]
pub enum ProcessError {
    /// PATH has no such program, or the file is not there or not executable.
    #[error("`{program}` was not found{}", hint.as_ref().map(|hint| format!(": {hint}")).unwrap_or_default())]
    NotFound {
        /// The program as asked for.
        program: String,
        /// What to install.
        hint: Option<String>,
    },
    /// The directory to run in is not there.
    #[error("`{program}` cannot run in {}: it is not a directory", directory.display())]
    Directory {
        /// The program as asked for.
        program: String,
        /// The directory.
        directory: PathBuf,
    },
    /// The time limit passed; the whole process group was ended.
    #[error("`{program}` did not end within {}: it and all that it started were ended{}", human(*limit), tail_of(stderr))]
    TimedOut {
        /// The program as asked for.
        program: String,
        /// The time limit.
        limit: Duration,
        /// The end of what it had printed on standard error, masked.
        stderr: String,
    },
    /// It was asked to stop; the whole process group was ended.
    #[error("`{program}` was interrupted")]
    Interrupted {
        /// The program as asked for.
        program: String,
    },
    /// It printed more than it may; the whole process group was ended.
    #[error("`{program}` printed more than {limit} bytes on {stream}")]
    OutputTooLarge {
        /// The program as asked for.
        program: String,
        /// Where it printed.
        stream: Stream,
        /// How many bytes it may print.
        limit: usize,
    },
    /// It ended with another status than 0.
    #[error("`{program}` ended with {status}{}", tail_of(stderr))]
    Failed {
        /// The program as asked for.
        program: String,
        /// How it ended.
        status: ExitStatus,
        /// The end of what it printed on standard error, masked.
        stderr: String,
    },
    /// The system refused.
    #[error("`{program}` could not be run: {source}")]
    Io {
        /// The program as asked for.
        program: String,
        /// What the system said.
        source: io::Error,
    },
}

fn tail_of(stderr: &str) -> String {
    if stderr.is_empty() { String::new() } else { format!("; it said: {stderr}") }
}

fn human(limit: Duration) -> String {
    let seconds = limit.as_secs();
    if limit.as_millis() < 1000 {
        format!("{} ms", limit.as_millis())
    } else if seconds >= 60 && seconds.is_multiple_of(60) {
        format!("{} min", seconds / 60)
    } else {
        format!("{seconds} s")
    }
}
