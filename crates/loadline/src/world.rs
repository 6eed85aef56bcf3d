//! What a run depends on, as inputs: the environment, the clock, the folder, where output goes.

use std::io::{IsTerminal, Read, Write};
use std::path::PathBuf;
use std::sync::Mutex;

use loadline_core::Clock;
use loadline_process::Environment;

/// Everything a verb takes from outside besides its arguments.
pub struct World {
    /// The environment's variables.
    pub environment: Environment,
    /// The clock.
    pub clock: Clock,
    /// The folder that relative paths count from.
    pub folder: PathBuf,
    /// Where files named `-` are read from.
    pub input: Mutex<Box<dyn Read + Send>>,
    /// Where documents go.
    pub out: Mutex<Box<dyn Write + Send>>,
    /// Where everything else goes.
    pub err: Mutex<Box<dyn Write + Send>>,
    /// Whether documents go to a terminal.
    pub out_is_terminal: bool,
    /// Whether everything else goes to a terminal.
    pub err_is_terminal: bool,
}

impl World {
    /// This process's own.
    pub fn of_this_process() -> Self {
        Self {
            environment: Environment::of_this_process(),
            clock: Clock::System,
            folder: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
            input: Mutex::new(Box::new(std::io::stdin())),
            out: Mutex::new(Box::new(std::io::stdout())),
            err: Mutex::new(Box::new(std::io::stderr())),
            out_is_terminal: std::io::stdout().is_terminal(),
            err_is_terminal: std::io::stderr().is_terminal(),
        }
    }

    /// What standard input holds, at most so many bytes.
    ///
    /// # Errors
    /// Where it cannot be read.
    pub fn read_input(&self, limit: u64) -> std::io::Result<Vec<u8>> {
        let mut input = self.input.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let mut bytes = Vec::new();
        (&mut **input).take(limit).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Writes a document. A reader that closed its end early (`| head`) is no error.
    pub fn print(&self, text: &str) {
        write(&self.out, text);
    }

    /// Writes what is not a document.
    pub fn tell(&self, text: &str) {
        write(&self.err, text);
    }

    /// Whether colour goes to standard output: a terminal, and neither NO_COLOR nor TERM=dumb.
    pub fn colour_out(&self) -> bool {
        self.out_is_terminal && self.colour_allowed()
    }

    /// Whether colour goes to standard error.
    pub fn colour_err(&self) -> bool {
        self.err_is_terminal && self.colour_allowed()
    }

    fn colour_allowed(&self) -> bool {
        self.environment.get("NO_COLOR").is_none() && self.environment.get("TERM") != Some("dumb")
    }
}

fn write(stream: &Mutex<Box<dyn Write + Send>>, text: &str) {
    let mut stream = stream.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let _ = stream
        .write_all(text.as_bytes())
        .and_then(|()| if text.ends_with('\n') { Ok(()) } else { stream.write_all(b"\n") });
    let _ = stream.flush();
}
