//! What to run, and within which bounds.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use loadline_core::Secret;

use crate::environment::Environment;
use crate::error::ProcessError;
use crate::output::{Output, Stream};
use crate::run::{self, Interrupt};

/// Passed to every child: without them most programs find neither others nor their own files.
const ALWAYS_PASSED: &[&str] = &["PATH", "HOME"];
/// What a program may print on one stream unless an invocation says otherwise: 16 MiB.
const OUTPUT_LIMIT: usize = 16 << 20;
/// How long a program may run unless an invocation says otherwise: 10 minutes.
const TIME_LIMIT: Duration = Duration::from_secs(600);

/// What to run, where, with which environment and input, and within which bounds.
///
/// `Debug` and `Display` show no secret: arguments are masked, values of variables are left out.
#[derive(Clone)]
pub struct Invocation {
    /// A name to look for in PATH, or a path (a relative one counts from `directory`).
    pub program: String,
    /// The arguments.
    pub args: Vec<String>,
    /// The directory to run in.
    pub directory: PathBuf,
    /// How long it may run; then the whole process group is ended.
    pub time_limit: Duration,
    /// Names of the parent's variables to pass on, besides PATH and HOME.
    pub pass: Vec<String>,
    /// Variables to set.
    pub variables: BTreeMap<String, String>,
    /// What it reads on standard input; nothing is an empty input.
    pub stdin: Option<Vec<u8>>,
    /// What to mask in all it prints.
    pub secrets: Vec<Secret>,
    /// How many bytes it may print on standard output, and how many of standard error are kept.
    pub output_limit: usize,
    /// What to install when it is not found.
    pub hint: Option<String>,
}

impl Invocation {
    /// A program to run in a directory: no arguments yet, ten minutes, 16 MiB of output.
    pub fn new(program: impl Into<String>, directory: impl Into<PathBuf>) -> Self {
        Self {
            program: program.into(),
            args: Vec::new(),
            directory: directory.into(),
            time_limit: TIME_LIMIT,
            pass: Vec::new(),
            variables: BTreeMap::new(),
            stdin: None,
            secrets: Vec::new(),
            output_limit: OUTPUT_LIMIT,
            hint: None,
        }
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<String>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets how long it may run.
    #[must_use]
    pub fn time_limit(mut self, limit: Duration) -> Self {
        self.time_limit = limit;
        self
    }

    /// Passes these of the parent's variables on, where they are set.
    #[must_use]
    pub fn pass<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.pass.extend(names.into_iter().map(Into::into));
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.variables.insert(name.into(), value.into());
        self
    }

    /// Sets a variable to a secret, which is masked from then on.
    #[must_use]
    pub fn secret_variable(mut self, name: impl Into<String>, value: &Secret) -> Self {
        self.variables.insert(name.into(), value.expose().to_owned());
        self.secrets.push(value.clone());
        self
    }

    /// Gives it something to read on standard input.
    #[must_use]
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Some(bytes.into());
        self
    }

    /// Masks a secret in all it prints.
    #[must_use]
    pub fn secret(mut self, secret: &Secret) -> Self {
        self.secrets.push(secret.clone());
        self
    }

    /// Sets how many bytes it may print.
    #[must_use]
    pub fn output_limit(mut self, bytes: usize) -> Self {
        self.output_limit = bytes;
        self
    }

    /// Says what to install when it is not found.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The child's whole environment: what is passed on, then what is set.
    pub(crate) fn environment(&self, parent: &Environment) -> Environment {
        let passed = ALWAYS_PASSED.iter().copied().chain(self.pass.iter().map(String::as_str));
        let mut child = passed.fold(Environment::empty(), |child, name| match parent.get_os(name) {
            Some(value) => child.with(name, value),
            None => child,
        });
        for (name, value) in &self.variables {
            child = child.with(name, value);
        }
        child
    }

    /// Runs it to its end. A status other than 0 is no error here: see [`Output::checked`].
    ///
    /// # Errors
    /// The program is not found, runs out of time, prints too much, or the system refuses.
    pub fn run(&self, parent: &Environment) -> Result<Output, ProcessError> {
        run::run(self, parent, None, &mut |_, _| {})
    }

    /// Runs it to its end and hands each line over as it comes, masked and without its line end.
    /// An interrupt ends the whole process group.
    ///
    /// # Errors
    /// As [`Invocation::run`], and [`ProcessError::Interrupted`].
    pub fn run_with(
        &self,
        parent: &Environment,
        interrupt: Option<&Interrupt>,
        line: &mut dyn FnMut(Stream, &str),
    ) -> Result<Output, ProcessError> {
        run::run(self, parent, interrupt, line)
    }
}

impl fmt::Display for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mask = crate::Mask::new(&self.secrets);
        f.write_str(&mask.text(&self.program))?;
        for arg in &self.args {
            let arg = mask.text(arg);
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./=:,@+%*".contains(&b);
            if !arg.is_empty() && arg.bytes().all(plain) {
                write!(f, " {arg}")?;
            } else {
                write!(f, " '{}'", arg.replace('\'', r"'\''"))?;
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Invocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invocation")
            .field("command", &self.to_string())
            .field("directory", &self.directory)
            .field("time_limit", &self.time_limit)
            .field("pass", &self.pass)
            .field("variables", &self.variables.keys().collect::<Vec<_>>())
            .field("stdin", &self.stdin.as_ref().map(Vec::len))
            .finish_non_exhaustive()
    }
}
