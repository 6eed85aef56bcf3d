//! Why another tool's image could not be taken.

use std::io;
use std::path::PathBuf;

use loadline_core::{Code, Failure};
use loadline_process::ProcessError;
use loadline_registry::RegistryError;
use thiserror::Error;

use crate::assemble::ContextError;
use crate::codes;
use crate::written::WrittenError;

/// Why another tool's image could not be taken.
#[derive(Debug, Error)]
pub enum LayoutError {
    /// The tool is not there.
    #[error("there is no `{program}` in PATH")]
    NoTool {
        /// The program.
        program: String,
        /// How to get it.
        help: &'static str,
    },
    /// The tool failed.
    #[error("`{command}` ended with {status}{}", quoted(said))]
    Failed {
        /// The command.
        command: String,
        /// How it ended.
        status: String,
        /// The last lines that it printed.
        said: Vec<String>,
    },
    /// The tool could not be run to its end.
    #[error(transparent)]
    Process(ProcessError),
    /// Waiting for it stopped.
    #[error("waiting for `{program}` stopped: {reason}")]
    Stopped {
        /// The program.
        program: String,
        /// Why.
        reason: String,
    },
    /// The context cannot be copied.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// There is no layout.
    #[error("{} is no OCI layout: {source}", directory.display())]
    NoLayout {
        /// Where it was looked for.
        directory: PathBuf,
        /// What went wrong.
        source: RegistryError,
    },
    /// The tool did not say what it built.
    #[error("`{program}` ended well, but left no image id: {source}")]
    NoImage {
        /// The program.
        program: String,
        /// What went wrong.
        source: io::Error,
    },
    /// The layout does not hold the leg.
    #[error("the layout {} does not have the leg: {source}", directory.display())]
    Written {
        /// The layout.
        directory: PathBuf,
        /// What is wrong.
        source: WrittenError,
    },
    /// What was built cannot be copied to where it goes.
    #[error("what was built cannot be copied: {0}")]
    Copy(#[source] RegistryError),
    /// There is no place for temporary files.
    #[error("no temporary directory can be made: {0}")]
    Temporary(#[source] io::Error),
}

fn quoted(lines: &[String]) -> String {
    if lines.is_empty() {
        return String::new();
    }
    lines.iter().fold("; it printed:".to_owned(), |text, line| text + "\n    " + line)
}

impl LayoutError {
    /// The documented code.
    pub fn code(&self) -> &'static Code {
        match self {
            Self::NoTool { .. } => &codes::LAYOUT_NO_TOOL,
            Self::Failed { .. } => &codes::LAYOUT_FAILED,
            Self::Process(_) | Self::Stopped { .. } | Self::Temporary(_) | Self::Copy(_) => {
                &codes::LAYOUT_UNFINISHED
            }
            Self::Context(_) => &codes::LAYOUT_CONTEXT,
            Self::NoLayout { .. } | Self::NoImage { .. } | Self::Written { .. } => &codes::LAYOUT_RESULT,
        }
    }

    /// A failure to report.
    pub fn failure(&self) -> Failure {
        let failure = Failure::new(self.code(), self.to_string());
        match self {
            Self::NoTool { help, .. } => failure.help(*help),
            Self::NoLayout { .. } => {
                failure.help("let the command write to `{output}`, or say where under `path`")
            }
            Self::Failed { .. } => failure.help("mend what it printed, then run again"),
            _ => failure,
        }
    }
}
