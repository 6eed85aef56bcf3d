//! Typed views of instructions, as BuildKit's own have them. Nothing is expanded here.

mod flags;
mod healthcheck;
mod transfer;

pub use healthcheck::{Healthcheck, Probe};
pub use transfer::{Source, Transfer};

use self::flags::Flags;
use crate::error::{ParseError, Problem};
use crate::instruction::Instruction;
use crate::keyword::Keyword;

/// A command line: its own words, or a text for the shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommandLine {
    /// The JSON form.
    Exec(Vec<String>),
    /// The shell form; empty where nothing is written.
    Shell(String),
}

/// `FROM image AS name`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct From {
    /// An image reference, a stage's name, or `scratch`; variables not expanded.
    pub image: String,
    /// `--platform`, variables not expanded.
    pub platform: Option<String>,
    /// The stage's name, in lower case.
    pub name: Option<String>,
}

/// One ARG.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arg {
    /// The name.
    pub name: String,
    /// The default, quotes and variables as written.
    pub default: Option<String>,
}

/// One pair of ENV or LABEL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The name, as written.
    pub name: String,
    /// The value, quotes and variables as written.
    pub value: String,
    /// Whether it is written in the old way, without `=`.
    pub legacy: bool,
}

/// `RUN`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// What runs.
    pub line: CommandLine,
    /// The values of `--mount`, in order.
    pub mounts: Vec<String>,
    /// The values of `--device`, in order.
    pub devices: Vec<String>,
    /// `--network`.
    pub network: Option<String>,
    /// `--security`.
    pub security: Option<String>,
}

/// An instruction with its arguments sorted out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Command {
    Add(Transfer),
    Arg(Vec<Arg>),
    Cmd(CommandLine),
    Copy(Transfer),
    Entrypoint(CommandLine),
    Env(Vec<Pair>),
    /// Ports as written: `80`, `80/udp`, `8000-8010`, variables.
    Expose(Vec<String>),
    From(From),
    Healthcheck(Healthcheck),
    Label(Vec<Pair>),
    Maintainer(String),
    /// The inner instruction; ask it for its own command.
    Onbuild(Box<Instruction>),
    Run(Run),
    Shell(Vec<String>),
    Stopsignal(String),
    User(String),
    Volume(Vec<String>),
    Workdir(String),
}

impl Instruction {
    /// The typed view, or why BuildKit would refuse the instruction.
    pub fn command(&self) -> Result<Command, ParseError> {
        self.typed().map_err(|problem| self.error(problem))
    }

    pub(crate) fn unknown(&self) -> ParseError {
        self.error(self.unknown_problem())
    }

    fn unknown_problem(&self) -> Problem {
        let nearest = Keyword::nearest(&self.keyword_text);
        Problem::UnknownInstruction { keyword: self.keyword_text.clone(), nearest }
    }

    fn typed(&self) -> Result<Command, Problem> {
        Ok(match &self.keyword {
            Keyword::Other(_) => return Err(self.unknown_problem()),
            Keyword::From => Command::From(self.from()?),
            Keyword::Run => Command::Run(self.run()?),
            Keyword::Copy => Command::Copy(Transfer::copy(self)?),
            Keyword::Add => Command::Add(Transfer::add(self)?),
            Keyword::Healthcheck => Command::Healthcheck(Healthcheck::new(self)?),
            Keyword::Onbuild => Command::Onbuild(self.trigger()?),
            Keyword::Maintainer => Command::Maintainer(self.one("MAINTAINER")?),
            Keyword::Arg => Command::Arg(self.args()?),
            Keyword::Cmd => Command::Cmd(self.plain("CMD").map(|()| self.command_line())?),
            Keyword::Entrypoint => {
                Command::Entrypoint(self.plain("ENTRYPOINT").map(|()| self.command_line())?)
            }
            Keyword::Env => Command::Env(self.pairs("ENV")?),
            Keyword::Label => Command::Label(self.pairs("LABEL")?),
            Keyword::Expose => Command::Expose(self.some("EXPOSE")?),
            Keyword::Shell => Command::Shell(self.shell()?),
            Keyword::Stopsignal => Command::Stopsignal(self.value("STOPSIGNAL")?),
            Keyword::User => Command::User(self.one("USER")?),
            Keyword::Volume => Command::Volume(self.volumes()?),
            Keyword::Workdir => Command::Workdir(self.one("WORKDIR")?),
        })
    }

    fn from(&self) -> Result<From, Problem> {
        let mut flags = Flags::new(self, "FROM");
        let platform = flags.text("platform")?;
        flags.done()?;
        let name = match self.arguments.values.as_slice() {
            [_] => None,
            [_, word, name] if word.eq_ignore_ascii_case("as") => Some(stage_name(name)?),
            _ => {
                let expected = "one argument or three: `FROM image` or `FROM image AS name`";
                return Err(Problem::ArgumentCount { keyword: "FROM", expected });
            }
        };
        let image = self.arguments.values.first().cloned().unwrap_or_default();
        Ok(From { image, platform, name })
    }

    fn run(&self) -> Result<Run, Problem> {
        let mut flags = Flags::new(self, "RUN");
        let mounts = flags.list("mount")?;
        let devices = flags.list("device")?;
        let network = flags.text("network")?;
        let security = flags.text("security")?;
        flags.done()?;
        Ok(Run { line: self.command_line(), mounts, devices, network, security })
    }

    fn trigger(&self) -> Result<Box<Self>, Problem> {
        self.plain("ONBUILD")?;
        let Some(inner) = &self.onbuild else {
            return Err(Problem::ArgumentCount { keyword: "ONBUILD", expected: "an instruction" });
        };
        match &inner.keyword {
            Keyword::From | Keyword::Maintainer => {
                Err(Problem::OnbuildTrigger { keyword: inner.keyword.name().to_owned() })
            }
            _ => Ok(inner.clone()),
        }
    }

    fn args(&self) -> Result<Vec<Arg>, Problem> {
        // BuildKit looks at no flags of ARG and STOPSIGNAL: it drops them.
        self.values("ARG")?
            .into_iter()
            .map(|word| match word.split_once('=') {
                Some(("", _)) => Err(Problem::BlankName { keyword: "ARG" }),
                Some((name, value)) => Ok(Arg { name: name.to_owned(), default: Some(value.to_owned()) }),
                None => Ok(Arg { name: word, default: None }),
            })
            .collect()
    }

    fn pairs(&self, keyword: &'static str) -> Result<Vec<Pair>, Problem> {
        let values = self.some(keyword)?;
        let pairs = values.chunks_exact(3).map(|chunk| match chunk {
            [name, ..] if name.is_empty() => Err(Problem::BlankName { keyword }),
            [name, value, sign] => {
                Ok(Pair { name: name.clone(), value: value.clone(), legacy: sign.is_empty() })
            }
            _ => Err(Problem::BlankName { keyword }),
        });
        pairs.collect()
    }

    fn volumes(&self) -> Result<Vec<String>, Problem> {
        let paths = self.some("VOLUME")?.into_iter().map(|path| path.trim().to_owned());
        paths.map(|path| if path.is_empty() { Err(Problem::BlankVolume) } else { Ok(path) }).collect()
    }

    fn shell(&self) -> Result<Vec<String>, Problem> {
        let values = self.some("SHELL")?;
        if self.arguments.json { Ok(values) } else { Err(Problem::ShellNotJson) }
    }

    fn command_line(&self) -> CommandLine {
        command_line(&self.arguments.values, self.arguments.json)
    }

    /// All the values, of which there must be one; no flags.
    fn some(&self, keyword: &'static str) -> Result<Vec<String>, Problem> {
        self.plain(keyword)?;
        self.values(keyword)
    }

    fn values(&self, keyword: &'static str) -> Result<Vec<String>, Problem> {
        if self.arguments.values.is_empty() {
            return Err(Problem::ArgumentCount { keyword, expected: "at least one argument" });
        }
        Ok(self.arguments.values.clone())
    }

    /// The one value; no flags.
    fn one(&self, keyword: &'static str) -> Result<String, Problem> {
        self.plain(keyword)?;
        self.value(keyword)
    }

    fn value(&self, keyword: &'static str) -> Result<String, Problem> {
        match self.arguments.values.as_slice() {
            [value] => Ok(value.clone()),
            _ => Err(Problem::ArgumentCount { keyword, expected: "exactly one argument" }),
        }
    }

    /// Refuses any flag.
    fn plain(&self, keyword: &'static str) -> Result<(), Problem> {
        Flags::new(self, keyword).done()
    }
}

fn command_line(values: &[String], json: bool) -> CommandLine {
    if json { CommandLine::Exec(values.to_vec()) } else { CommandLine::Shell(values.join(" ")) }
}

/// A stage's name in lower case: a letter, then letters, digits, `-`, `_` and `.`.
fn stage_name(name: &str) -> Result<String, Problem> {
    let lower = name.to_lowercase();
    let begins = lower.starts_with(|c: char| c.is_ascii_lowercase());
    let goes_on = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    if begins && lower.chars().all(goes_on) {
        Ok(lower)
    } else {
        Err(Problem::StageName { name: name.to_owned() })
    }
}
