//! Carrying out a stage's instructions: on the tree, on the configuration, on the variables. Nothing is
//! compressed here; each layer is a list of entries whose content is still where it was.

use std::collections::BTreeMap;
use std::sync::Arc;

use loadline_dockerfile::command::{Command, CommandLine, Healthcheck as Check, Pair, Source, Transfer};
use loadline_dockerfile::expand::{ExpandError, expand, expand_heredoc, expand_words};

use super::base::{BaseImage, Loaded};
use super::config::{self, Config, Empty, Healthcheck};
use super::context::Context;
use super::copy::{self, CopyError, Manner, Origin};
use super::draft::Draft;
use super::error::{AssembleError, Problem, Refusal};
use super::expose::{is_signal, ports};
use super::ignore::Patterns;
use super::layer::Entries;
use super::path;
use super::plan::{Given, Plan, Planned, Root, is_remote};
use super::spool::Spool;
use super::tree::{AboveRoot, Tree};
use super::users;

/// A layer of a stage.
#[derive(Debug, Clone)]
pub(crate) enum StageLayer {
    /// The base image's layer with this index.
    Base(Arc<BaseImage>, usize),
    New(Arc<Entries>),
}

/// What a stage has come to.
#[derive(Debug, Clone)]
pub(crate) struct State {
    pub(crate) draft: Draft,
    pub(crate) config: Config,
    pub(crate) layers: Vec<StageLayer>,
    /// ENV and ARG together, as instructions see them.
    variables: BTreeMap<String, String>,
    /// Whether CMD was set by this stage itself.
    cmd_set: bool,
}

/// What instructions work with.
pub(crate) struct Bench<'a> {
    pub(crate) given: &'a Given<'a>,
    pub(crate) plan: &'a Plan<'a>,
    pub(crate) escape: char,
    pub(crate) context: &'a Context,
    pub(crate) loaded: &'a BTreeMap<Root, Loaded>,
    pub(crate) spool: &'a Spool,
    pub(crate) source_date: i64,
}

/// What came out: the target's state, and the given arguments that were used.
pub(crate) struct Ran {
    pub(crate) state: State,
    pub(crate) used_args: Vec<String>,
}

/// Carries out all stages of the plan.
pub(crate) fn run(bench: &Bench<'_>) -> Result<Ran, AssembleError> {
    let mut states: BTreeMap<usize, State> = BTreeMap::new();
    let mut used_args = bench.plan.used_args.clone();
    for (index, planned) in &bench.plan.stages {
        let mut run = Run {
            bench,
            planned,
            states: &states,
            state: begin(bench, planned, &states)?,
            used_args: &mut used_args,
        };
        for (instruction, command) in &planned.commands {
            run.carry_out(command).map_err(|stopped| match stopped {
                Stopped::Problem(problem) => AssembleError::at(bench.given.place(instruction.line), problem),
                Stopped::Refused(what, help) => AssembleError::Refused {
                    refusals: vec![Refusal { at: bench.given.place(instruction.line), what, help }],
                },
            })?;
        }
        let state = run.state;
        states.insert(*index, state);
    }
    let stopped = || AssembleError::Stopped { reason: "the plan has no target stage".to_owned() };
    let state = states.remove(&bench.plan.target).ok_or_else(stopped)?;
    used_args.sort();
    used_args.dedup();
    Ok(Ran { state, used_args })
}

fn begin(
    bench: &Bench<'_>,
    planned: &Planned<'_>,
    states: &BTreeMap<usize, State>,
) -> Result<State, AssembleError> {
    let line = planned.stage.from.line;
    let problem = |problem| AssembleError::at(bench.given.place(line), problem);
    let mut state = match &planned.base {
        Root::Stage(earlier) => {
            let mut state = states.get(earlier).cloned().ok_or_else(|| AssembleError::Stopped {
                reason: format!("stage {earlier} was not built before it was needed"),
            })?;
            state.cmd_set = false;
            state
        }
        Root::Scratch => State::new(Draft::default(), Config::scratch(&planned.platform), Vec::new()),
        root @ Root::Outside { name, .. } => match bench.loaded.get(root) {
            Some(Loaded::Image(image)) => {
                if let Some(first) = image.config.config.on_build.first() {
                    return Err(problem(Problem::Triggers { name: name.clone(), first: first.clone() }));
                }
                let layers =
                    (0..image.layers.len()).map(|at| StageLayer::Base(Arc::clone(image), at)).collect();
                State::new(Draft::new(image.tree.clone()), image.config.clone(), layers)
            }
            _ => return Err(problem(Problem::DirectoryAsBase { name: name.clone() })),
        },
    };
    state.config.ensure_path();
    for entry in &state.config.config.env {
        let (name, value) = entry.split_once('=').unwrap_or((entry, ""));
        state.variables.insert(name.to_owned(), value.to_owned());
    }
    Ok(state)
}

impl State {
    fn new(draft: Draft, config: Config, layers: Vec<StageLayer>) -> Self {
        Self { draft, config, layers, variables: BTreeMap::new(), cmd_set: false }
    }
}

enum Stopped {
    Problem(Problem),
    Refused(String, &'static str),
}

impl<P: Into<Problem>> From<P> for Stopped {
    fn from(problem: P) -> Self {
        Self::Problem(problem.into())
    }
}

struct Run<'a, 'b> {
    bench: &'a Bench<'b>,
    planned: &'a Planned<'b>,
    states: &'a BTreeMap<usize, State>,
    state: State,
    used_args: &'a mut Vec<String>,
}

impl Run<'_, '_> {
    fn expand(&self, text: &str) -> Result<String, ExpandError> {
        expand(text, &|name| self.state.variables.get(name).cloned(), self.bench.escape)
    }

    fn expand_all(&self, texts: &[String]) -> Result<Vec<String>, ExpandError> {
        texts.iter().map(|text| self.expand(text)).collect()
    }

    fn pairs(&self, pairs: &[Pair]) -> Result<Vec<(String, String)>, ExpandError> {
        pairs.iter().map(|pair| Ok((self.expand(&pair.name)?, self.expand(&pair.value)?))).collect()
    }

    fn record(&mut self, created_by: String) {
        self.state.config.record(created_by, false, self.bench.source_date);
    }

    fn record_layer(&mut self, created_by: String, entries: Entries) {
        self.state.layers.push(StageLayer::New(Arc::new(entries)));
        self.state.config.record(created_by, true, self.bench.source_date);
    }

    fn carry_out(&mut self, command: &Command) -> Result<(), Stopped> {
        match command {
            Command::Arg(args) => {
                let mut said = Vec::new();
                for arg in args {
                    let value = match (self.bench.given.argument(&arg.name), &arg.default) {
                        (Some(value), _) => {
                            self.used_args.push(arg.name.clone());
                            Some(value.to_owned())
                        }
                        (None, Some(default)) => Some(self.expand(default)?),
                        (None, None) => self.bench.plan.globals.get(&arg.name).cloned(),
                    };
                    said.push(
                        value
                            .as_ref()
                            .map_or_else(|| arg.name.clone(), |value| format!("{}={value}", arg.name)),
                    );
                    if let Some(value) = value {
                        self.state.variables.insert(arg.name.clone(), value);
                    }
                }
                self.record(format!("ARG {}", said.join(" ")));
            }
            Command::Env(pairs) => {
                let pairs = self.pairs(pairs)?;
                for (name, value) in &pairs {
                    self.state.config.set_env(name, value);
                    self.state.variables.insert(name.clone(), value.clone());
                }
                self.record(said("ENV", &pairs));
            }
            Command::Label(pairs) => {
                let pairs = self.pairs(pairs)?;
                self.state.config.config.labels.extend(pairs.iter().cloned());
                self.record(said("LABEL", &pairs));
            }
            Command::Copy(transfer) => self.transfer(transfer, false)?,
            Command::Add(transfer) => self.transfer(transfer, true)?,
            Command::Workdir(written) => self.workdir(written)?,
            Command::Cmd(line) => {
                let words = self.words(line);
                self.record(format!(
                    "CMD {}",
                    config::go_list(words.iter().map(|word| config::go_quoted(word)))
                ));
                self.state.config.config.cmd = words;
                // As docker writes it, for images whose CMD is a shell's.
                self.state.config.config.args_escaped = true;
                self.state.cmd_set = true;
            }
            Command::Entrypoint(line) => {
                let words = self.words(line);
                self.record(format!(
                    "ENTRYPOINT {}",
                    config::go_list(words.iter().map(|word| config::go_quoted(word)))
                ));
                self.state.config.config.entrypoint = words;
                // The base image's CMD was arguments for another program.
                if !self.state.cmd_set {
                    self.state.config.config.cmd = Vec::new();
                }
            }
            Command::Expose(words) => {
                let mut all = Vec::new();
                for written in words {
                    let lookup = |name: &str| self.state.variables.get(name).cloned();
                    for port in expand_words(written, &lookup, self.bench.escape)? {
                        all.extend(ports(&port).ok_or(Problem::Port { port })?);
                    }
                }
                self.record(format!("EXPOSE {}", config::go_list(&all)));
                self.state.config.config.exposed_ports.extend(all.into_iter().map(|port| (port, Empty {})));
            }
            Command::Healthcheck(check) => {
                let check = healthcheck(check);
                self.record(format!(
                    "HEALTHCHECK {{Test:{} Interval:{} Timeout:{} StartPeriod:{} StartInterval:{} Retries:{}}}",
                    config::go_list(&check.test),
                    config::go_duration(check.interval),
                    config::go_duration(check.timeout),
                    config::go_duration(check.start_period),
                    config::go_duration(check.start_interval),
                    check.retries
                ));
                self.state.config.config.healthcheck = Some(check);
            }
            Command::Maintainer(name) => {
                self.state.config.author = Some(name.clone());
                self.record(format!("MAINTAINER {name}"));
            }
            Command::Shell(words) => {
                self.state.config.config.shell.clone_from(words);
                self.record(format!("SHELL {}", config::go_list(words)));
            }
            Command::Stopsignal(written) => {
                let signal = self.expand(written)?;
                if !is_signal(&signal) {
                    return Err(Problem::Signal { signal }.into());
                }
                self.record(format!("STOPSIGNAL {signal}"));
                self.state.config.config.stop_signal = signal;
            }
            Command::User(written) => {
                let user = self.expand(written)?;
                if user.is_empty() {
                    return Err(Problem::Blank { what: "USER" }.into());
                }
                self.record(format!("USER {user}"));
                self.state.config.config.user = user;
            }
            Command::Volume(written) => {
                let volumes = self.expand_all(written)?;
                if volumes.iter().any(String::is_empty) {
                    return Err(Problem::Blank { what: "VOLUME" }.into());
                }
                self.record(format!("VOLUME {}", config::go_list(&volumes)));
                self.state.config.config.volumes.extend(volumes.into_iter().map(|volume| (volume, Empty {})));
            }
            Command::From(_) | Command::Run(_) | Command::Onbuild(_) => {
                return Err(Stopped::Refused(
                    "this instruction".to_owned(),
                    "build with `builder = \"buildx\"`",
                ));
            }
        }
        Ok(())
    }

    /// A command line as the configuration has it.
    fn words(&self, line: &CommandLine) -> Vec<String> {
        match line {
            CommandLine::Exec(words) => words.clone(),
            CommandLine::Shell(text) => {
                let shell = &self.state.config.config.shell;
                let mut words = if shell.is_empty() {
                    vec!["/bin/sh".to_owned(), "-c".to_owned()]
                } else {
                    shell.clone()
                };
                words.push(text.clone());
                words
            }
        }
    }

    fn workdir(&mut self, written: &str) -> Result<(), Stopped> {
        let written = self.expand(written)?;
        if written.is_empty() {
            return Err(Problem::Blank { what: "WORKDIR" }.into());
        }
        let directory = absolute(&self.state.config.config.working_dir, &written);
        let directory = path::clean(&directory);
        self.state.config.config.working_dir.clone_from(&directory);
        let created_by = format!("WORKDIR {directory}");
        if directory == "/" {
            self.record(created_by);
            return Ok(());
        }
        let user = &self.state.config.config.user;
        let owner = if user.is_empty() { (0, 0) } else { users::resolve(user, &self.state.draft.tree)? };
        let at =
            self.state.draft.resolve(&directory).map_err(|_| CopyError::Loop { path: directory.clone() })?;
        self.state.draft.make_directories(&at, owner).map_err(|way| CopyError::InTheWay {
            path: way.path,
            what: way.what,
            wanted: "a directory",
        })?;
        let entries = self.state.draft.take_layer();
        self.record_layer(created_by, entries);
        Ok(())
    }

    fn transfer(&mut self, transfer: &Transfer, add: bool) -> Result<(), Stopped> {
        let chown = transfer
            .chown
            .as_deref()
            .map(|text| self.expand(text))
            .transpose()?
            .filter(|text| !text.is_empty());
        let chmod = transfer
            .chmod
            .as_deref()
            .map(|text| self.expand(text))
            .transpose()?
            .filter(|text| !text.is_empty());
        let manner = Manner {
            owner: chown.as_deref().map(|text| users::resolve(text, &self.state.draft.tree)).transpose()?,
            mode: chmod.as_deref().map(octal).transpose()?,
            exclude: Patterns::new(self.expand_all(&transfer.exclude)?)?,
            parents: transfer.parents,
            unpack: add && transfer.unpack != Some(false),
        };
        let written = self.expand(&transfer.destination)?;
        let destination = absolute(&self.state.config.config.working_dir, &written);
        let mut created_by = if add { "ADD".to_owned() } else { "COPY".to_owned() };
        if transfer.parents {
            created_by.push_str(" --parents");
        }
        for (flag, value) in [("chown", &chown), ("chmod", &chmod)] {
            if let Some(value) = value {
                created_by.push_str(&format!(" --{flag}={value}"));
            }
        }
        if transfer.sources.len() > 1 && !destination.ends_with('/') && !destination.ends_with("/.") {
            return Err(
                CopyError::NeedsDirectory { count: transfer.sources.len(), destination: written }.into()
            );
        }

        // A link sees nothing of what is beneath it, so that its layer is the same on any base.
        let mut fresh = transfer.link.then(Draft::default);
        let nothing = Tree::default();
        let name;
        let origin = match transfer.from.as_ref().map(|from| self.planned.from.get(from)) {
            None => Origin {
                tree: &self.bench.context.tree,
                name: "the build context",
                above: AboveRoot::Refused,
                excluded: &self.bench.context.excluded,
                spool: self.bench.spool,
            },
            Some(root) => {
                let from = transfer.from.as_deref().unwrap_or_default();
                let (tree, above, excluded, words) = match root {
                    Some(Root::Stage(index)) => {
                        let tree = self.states.get(index).map_or(&nothing, |state| &state.draft.tree);
                        (tree, AboveRoot::Stays, &[][..], format!("stage `{from}`"))
                    }
                    Some(root @ Root::Outside { .. }) => match self.bench.loaded.get(root) {
                        Some(Loaded::Image(image)) => {
                            (&image.tree, AboveRoot::Stays, &[][..], format!("the image `{from}`"))
                        }
                        Some(Loaded::Directory(context)) => (
                            &context.tree,
                            AboveRoot::Refused,
                            &context.excluded[..],
                            format!("the named context `{from}`"),
                        ),
                        None => (&nothing, AboveRoot::Stays, &[][..], format!("`{from}`")),
                    },
                    Some(Root::Scratch) | None => (&nothing, AboveRoot::Stays, &[][..], format!("`{from}`")),
                };
                name = words;
                Origin { tree, name: &name, above, excluded, spool: self.bench.spool }
            }
        };
        let mut sources = Vec::new();
        for source in &transfer.sources {
            match source {
                Source::Path(path) => {
                    let path = self.expand(path)?;
                    if is_remote(&path) {
                        let what = if add { "ADD of a URL or git repository" } else { "COPY of a URL" };
                        let help =
                            "download it before the build and COPY it, or build with `builder = \"buildx\"`";
                        return Err(Stopped::Refused(what.to_owned(), help));
                    }
                    created_by.push_str(&format!(" {path}"));
                    sources.push((path, None));
                }
                Source::Heredoc { name, content, expand } => {
                    let lookup = |name: &str| self.state.variables.get(name).cloned();
                    let text = if *expand { expand_heredoc(content, &lookup)? } else { content.clone() };
                    sources.push((name.clone(), Some(text)));
                }
            }
        }
        let draft = fresh.as_mut().unwrap_or(&mut self.state.draft);
        // Paths first, then what stands in the Dockerfile itself, as BuildKit orders them.
        for (path, _) in sources.iter().filter(|(_, text)| text.is_none()) {
            copy::copy(draft, origin, path, &destination, &manner)?;
        }
        for (name, text) in &sources {
            if let Some(text) = text {
                created_by.push_str(&format!(" <<{name}"));
                copy::place_text(draft, (name, text), &destination, &manner, self.bench.spool)?;
            }
        }
        let entries = draft.take_layer();
        if transfer.link {
            self.state.draft.lay_over(&entries);
        }
        created_by.push_str(&format!(" {written} # buildkit"));
        self.record_layer(created_by, entries);
        Ok(())
    }
}

/// `ENV a=b c=d`, as BuildKit records it.
fn said(keyword: &str, pairs: &[(String, String)]) -> String {
    pairs.iter().fold(keyword.to_owned(), |said, (name, value)| format!("{said} {name}={value}"))
}

/// `--chmod`.
fn octal(text: &str) -> Result<u32, Problem> {
    u32::from_str_radix(text, 8)
        .ok()
        .filter(|mode| *mode <= 0o7777 && text.bytes().all(|byte| byte.is_ascii_digit()))
        .ok_or_else(|| Problem::Mode { mode: text.to_owned() })
}

/// A path from the root; a `/` or `/.` at its end stays, and `.` ends in one.
fn absolute(working_directory: &str, written: &str) -> String {
    if written.starts_with('/') {
        return written.to_owned();
    }
    let written = if written.is_empty() || written == "." { "./" } else { written };
    let mut joined = path::clean(&format!("/{working_directory}/{written}"));
    if written.ends_with('/') && !joined.ends_with('/') {
        joined.push('/');
    } else if written.ends_with("/.") {
        joined.push_str(if joined == "/" { "." } else { "/." });
    }
    joined
}

fn healthcheck(check: &Check) -> Healthcheck {
    let Check::Cmd(probe) = check else {
        return Healthcheck { test: vec!["NONE".to_owned()], ..Healthcheck::default() };
    };
    let test = match &probe.line {
        CommandLine::Exec(words) => std::iter::once("CMD".to_owned()).chain(words.iter().cloned()).collect(),
        CommandLine::Shell(text) => vec!["CMD-SHELL".to_owned(), text.clone()],
    };
    let nanos = |duration: std::time::Duration| i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX);
    Healthcheck {
        test,
        interval: nanos(probe.interval),
        timeout: nanos(probe.timeout),
        start_period: nanos(probe.start_period),
        start_interval: nanos(probe.start_interval),
        retries: i64::from(probe.retries),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn destinations_are_absolute_and_keep_their_end() {
        for (directory, written, expected) in [
            ("/app", "x", "/app/x"),
            ("/app", ".", "/app/"),
            ("/app", "", "/app/"),
            ("/app", "./", "/app/"),
            ("/app", "x/", "/app/x/"),
            ("/app", "..", "/"),
            ("/app", "x/.", "/app/x/."),
            ("", "x", "/x"),
            ("/", "./", "/"),
            ("/app", "/y/", "/y/"),
        ] {
            assert_eq!(absolute(directory, written), expected, "{directory} {written}");
        }
    }

    #[test]
    fn modes() {
        assert_eq!(octal("0755").unwrap(), 0o755);
        assert_eq!(octal("4755").unwrap(), 0o4755);
        for bad in ["u+x", "8", "10000", "+7", "-1"] {
            assert!(octal(bad).is_err(), "{bad}");
        }
    }
}
