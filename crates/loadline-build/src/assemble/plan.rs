//! Which stages a target needs, in what order, and what `assemble` would have to refuse in them: all of it
//! known before any work is done.

use std::collections::BTreeMap;

use loadline_core::Platform;
use loadline_dockerfile::command::{Command, Source, Transfer};
use loadline_dockerfile::expand::{ExpandError, expand};
use loadline_dockerfile::{Dockerfile, Instruction, Stage};

use super::error::{AssembleError, Place, Problem, Refusal};

const USE_BUILDX: &str = "build with `builder = \"buildx\"`";

/// What a stage begins with, or a `--from` names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Root {
    Scratch,
    /// An earlier stage, by its index.
    Stage(usize),
    /// An image by reference or `oci-layout://`, or a named context; and the platform it is wanted for.
    Outside {
        name: String,
        platform: Platform,
    },
}

/// A stage that the target needs.
#[derive(Debug)]
pub(crate) struct Planned<'a> {
    pub(crate) stage: Stage<'a>,
    pub(crate) base: Root,
    pub(crate) platform: Platform,
    /// What each `--from` in it names, by the text as written.
    pub(crate) from: BTreeMap<String, Root>,
    pub(crate) commands: Vec<(&'a Instruction, Command)>,
}

/// What there is to do.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    /// The stages needed, by index.
    pub(crate) stages: BTreeMap<usize, Planned<'a>>,
    pub(crate) target: usize,
    /// The arguments that are visible in FROM lines.
    pub(crate) globals: BTreeMap<String, String>,
    /// The given arguments that a global ARG declares.
    pub(crate) used_args: Vec<String>,
}

/// What the plan depends on beside the Dockerfile.
pub(crate) struct Given<'a> {
    /// What messages call the Dockerfile.
    pub(crate) file: &'a str,
    pub(crate) target: Option<&'a str>,
    pub(crate) platform: &'a Platform,
    pub(crate) build_platform: &'a Platform,
    pub(crate) build_args: &'a [(String, String)],
    /// The names of the named contexts; they go before images, and before stages they replace.
    pub(crate) contexts: &'a [&'a str],
}

impl Given<'_> {
    pub(crate) fn place(&self, line: u32) -> Place {
        Place { file: self.file.to_owned(), line }
    }

    fn at(&self, line: u32, problem: impl Into<Problem>) -> AssembleError {
        AssembleError::at(self.place(line), problem)
    }

    pub(crate) fn argument(&self, name: &str) -> Option<&str> {
        self.build_args.iter().rev().find(|(given, _)| given == name).map(|(_, value)| value.as_str())
    }

    fn has_context(&self, name: &str) -> bool {
        self.contexts.contains(&name)
    }
}

/// Makes the plan.
pub(crate) fn plan<'a>(dockerfile: &'a Dockerfile, given: &Given<'_>) -> Result<Plan<'a>, AssembleError> {
    let broken = |source| AssembleError::Dockerfile { file: given.file.to_owned(), source };
    let escape = dockerfile.directives.escape;
    let stages = dockerfile.stages().map_err(broken)?;
    let target = match given.target.filter(|target| !target.is_empty()) {
        None => stages.len() - 1,
        Some(name) => find_stage(&stages, name).ok_or_else(|| AssembleError::Target {
            file: given.file.to_owned(),
            target: name.to_owned(),
            stages: stages.iter().filter_map(|stage| stage.name.clone()).collect(),
        })?,
    };
    let mut used_args = Vec::new();
    let target_name =
        given.target.map(str::to_owned).or_else(|| stages[target].name.clone()).unwrap_or_default();
    let globals = globals(dockerfile, given, &target_name, &mut used_args)?;

    let mut planned: BTreeMap<usize, Planned<'a>> = BTreeMap::new();
    let mut refusals = Vec::new();
    if let Some(syntax) = &dockerfile.directives.syntax
        && !is_dockerfile_frontend(&syntax.value)
    {
        refusals.push(Refusal {
            at: given.place(syntax.line),
            what: format!("the frontend `{}`", syntax.value),
            help: USE_BUILDX,
        });
    }
    let mut pending = vec![target];
    while let Some(index) = pending.pop() {
        if planned.contains_key(&index) {
            continue;
        }
        let stage = stages[index].clone();
        let (base, platform) = base_of(&stage, &stages, &globals, escape, given)?;
        if let Root::Stage(earlier) = base {
            pending.push(earlier);
        }
        if platform.os == "windows" {
            let at = given.place(stage.from.line);
            refusals.push(Refusal { at, what: format!("a stage for {platform}"), help: USE_BUILDX });
        }
        let mut commands = Vec::new();
        let mut from = BTreeMap::new();
        // Where a named context stands in for the stage, its instructions do not count.
        let replaced = stage.name.as_deref().is_some_and(|own| given.has_context(own));
        for instruction in stage.instructions.iter().filter(|_| !replaced) {
            let command = instruction.command().map_err(broken)?;
            refuse(&command, given.place(instruction.line), &mut refusals);
            if let Command::Copy(Transfer { from: Some(written), .. }) = &command {
                let root = source_of(written, index, &stages, given, instruction.line)?;
                if let Root::Stage(earlier) = root {
                    pending.push(earlier);
                }
                from.insert(written.clone(), root);
            }
            commands.push((instruction, command));
        }
        planned.insert(index, Planned { stage, base, platform, from, commands });
    }
    if !refusals.is_empty() {
        refusals.sort_by_key(|refusal| refusal.at.line);
        return Err(AssembleError::Refused { refusals });
    }
    // A stage on another stage runs on its platform.
    let order: Vec<usize> = planned.keys().copied().collect();
    for index in order {
        if let Some(Planned { base: Root::Stage(earlier), .. }) = planned.get(&index)
            && let Some(platform) = planned.get(earlier).map(|stage| stage.platform.clone())
            && let Some(stage) = planned.get_mut(&index)
        {
            stage.platform = platform;
        }
    }
    Ok(Plan { stages: planned, target, globals, used_args })
}

/// The arguments that are visible in FROM lines.
fn globals(
    dockerfile: &Dockerfile,
    given: &Given<'_>,
    target_name: &str,
    used: &mut Vec<String>,
) -> Result<BTreeMap<String, String>, AssembleError> {
    let broken = |source| AssembleError::Dockerfile { file: given.file.to_owned(), source };
    let escape = dockerfile.directives.escape;
    let mut globals = platform_args(given, target_name);
    for instruction in dockerfile.global_args() {
        let Command::Arg(args) = instruction.command().map_err(broken)? else { continue };
        for arg in args {
            let value = match (given.argument(&arg.name), &arg.default) {
                (Some(value), _) => {
                    used.push(arg.name.clone());
                    Some(value.to_owned())
                }
                (None, Some(text)) => Some(
                    expand_with(&globals, text, escape).map_err(|error| given.at(instruction.line, error))?,
                ),
                (None, None) => None,
            };
            if let Some(value) = value {
                globals.insert(arg.name, value);
            }
        }
    }
    Ok(globals)
}

/// What the target is built on in the end, whatever its instructions do.
pub(crate) fn root_of(dockerfile: &Dockerfile, given: &Given<'_>) -> Result<Root, AssembleError> {
    let broken = |source| AssembleError::Dockerfile { file: given.file.to_owned(), source };
    let stages = dockerfile.stages().map_err(broken)?;
    let named = given.target.filter(|target| !target.is_empty());
    let target = named.and_then(|name| find_stage(&stages, name)).unwrap_or(stages.len() - 1);
    let target_name = named.map(str::to_owned).or_else(|| stages[target].name.clone()).unwrap_or_default();
    let globals = globals(dockerfile, given, &target_name, &mut Vec::new())?;
    let mut at = target;
    loop {
        // A stage is built on an earlier one or on something outside, so that this ends.
        match base_of(&stages[at], &stages, &globals, dockerfile.directives.escape, given)?.0 {
            Root::Stage(earlier) if earlier < at => at = earlier,
            root => return Ok(root),
        }
    }
}

fn find_stage(stages: &[Stage<'_>], name: &str) -> Option<usize> {
    let lower = name.to_lowercase();
    // Of two with one name the later one counts.
    stages
        .iter()
        .rposition(|stage| stage.name.as_deref() == Some(&lower))
        .or_else(|| name.parse::<usize>().ok().filter(|index| *index < stages.len()))
}

/// The platform arguments that are there without being declared (Dockerfile reference, "Automatic
/// platform ARGs in the global scope").
fn platform_args(given: &Given<'_>, target: &str) -> BTreeMap<String, String> {
    let mut args = BTreeMap::new();
    for (prefix, platform) in [("BUILD", given.build_platform), ("TARGET", given.platform)] {
        for (name, value) in [
            ("PLATFORM", platform.to_string()),
            ("OS", platform.os.clone()),
            ("OSVERSION", String::new()),
            ("ARCH", platform.architecture.clone()),
            ("VARIANT", platform.variant.clone().unwrap_or_default()),
        ] {
            args.insert(format!("{prefix}{name}"), value);
        }
    }
    args.insert(
        "TARGETSTAGE".to_owned(),
        if target.is_empty() { "default".to_owned() } else { target.to_owned() },
    );
    for (name, value) in &mut args {
        if let Some(replaced) = given.argument(name) {
            replaced.clone_into(value);
        }
    }
    args
}

fn expand_with(
    variables: &BTreeMap<String, String>,
    text: &str,
    escape: char,
) -> Result<String, ExpandError> {
    expand(text, &|name| variables.get(name).cloned(), escape)
}

fn base_of(
    stage: &Stage<'_>,
    stages: &[Stage<'_>],
    globals: &BTreeMap<String, String>,
    escape: char,
    given: &Given<'_>,
) -> Result<(Root, Platform), AssembleError> {
    let line = stage.from.line;
    let name = expand_with(globals, &stage.base.image, escape).map_err(|error| given.at(line, error))?;
    if name.is_empty() {
        return Err(given.at(line, Problem::BlankBase { written: stage.base.image.clone() }));
    }
    let platform = match &stage.base.platform {
        None => given.platform.clone(),
        Some(written) => {
            let text = expand_with(globals, written, escape).map_err(|error| given.at(line, error))?;
            text.parse().map_err(|_| given.at(line, Problem::Platform { written: text.clone() }))?
        }
    };
    // A named context with the stage's own name stands in for the whole stage.
    if let Some(own) = stage.name.as_deref().filter(|own| given.has_context(own)) {
        return Ok((Root::Outside { name: own.to_owned(), platform: platform.clone() }, platform));
    }
    if let Some(earlier) =
        stages[..stage.index].iter().rposition(|earlier| earlier.name.as_deref() == Some(&name))
    {
        return Ok((Root::Stage(earlier), platform));
    }
    if name == "scratch" {
        return Ok((Root::Scratch, given.platform.clone()));
    }
    Ok((Root::Outside { name, platform: platform.clone() }, platform))
}

fn source_of(
    written: &str,
    index: usize,
    stages: &[Stage<'_>],
    given: &Given<'_>,
    line: u32,
) -> Result<Root, AssembleError> {
    let later = || given.at(line, Problem::LaterStage { from: written.to_owned() });
    if written.contains('$') {
        return Err(AssembleError::Refused {
            refusals: vec![Refusal {
                at: given.place(line),
                what: format!("a variable in --from={written}"),
                help: "name a stage for it: `FROM ${IMAGE} AS name` with the ARG before the first FROM, then `--from=name`",
            }],
        });
    }
    if let Ok(number) = written.parse::<usize>() {
        return if number < index { Ok(Root::Stage(number)) } else { Err(later()) };
    }
    let lower = written.to_lowercase();
    if let Some(earlier) = stages[..index].iter().rposition(|stage| stage.name.as_deref() == Some(&lower)) {
        return Ok(Root::Stage(earlier));
    }
    if !given.has_context(written) && stages.iter().any(|stage| stage.name.as_deref() == Some(&lower)) {
        return Err(later());
    }
    if written == "scratch" {
        return Ok(Root::Scratch);
    }
    Ok(Root::Outside { name: written.to_owned(), platform: given.platform.clone() })
}

fn refuse(command: &Command, at: Place, refusals: &mut Vec<Refusal>) {
    let mut refuse =
        |what: &str, help| refusals.push(Refusal { at: at.clone(), what: what.to_owned(), help });
    match command {
        Command::Run(_) => refuse("RUN", USE_BUILDX),
        Command::Onbuild(_) => {
            refuse("ONBUILD", "write the instruction into the Dockerfiles that build on this image")
        }
        Command::Add(add) if is_fetched(add) => refuse(
            "ADD of a URL or git repository",
            "download it before the build and COPY it, or build with `builder = \"buildx\"`",
        ),
        _ => {}
    }
}

fn is_fetched(add: &Transfer) -> bool {
    add.sources.iter().any(|source| matches!(source, Source::Path(path) if is_remote(path)))
        || add.checksum.is_some()
        || add.keep_git_dir
}

/// Whether BuildKit's ADD would fetch this source over the network.
pub(crate) fn is_remote(source: &str) -> bool {
    ["http://", "https://", "git://", "ssh://", "git@"].iter().any(|prefix| source.starts_with(prefix))
}

/// Whether a `# syntax=` names docker's own frontend, whose language this is.
fn is_dockerfile_frontend(value: &str) -> bool {
    let image = value.split_whitespace().next().unwrap_or_default();
    let name = image.split(['@', ':']).next().unwrap_or_default();
    matches!(name.trim_start_matches("docker.io/"), "docker/dockerfile" | "docker/dockerfile-upstream")
}

/// Whether an argument's name is one of the proxies', which are there without being declared and never
/// show in the image (Dockerfile reference, "Predefined ARGs").
pub(crate) fn is_proxy(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    matches!(lower.as_str(), "http_proxy" | "https_proxy" | "ftp_proxy" | "no_proxy" | "all_proxy")
}
