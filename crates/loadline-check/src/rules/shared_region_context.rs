//! Equal bytes mean equal layers: what is in effect around a shared region is the same in all its files.
//!
//! Looked at: the escape character, the `# syntax` directive, global ARGs that the region uses, the stages
//! outside it that it builds on or copies from (their own instructions and bases, not what those copy from),
//! and where a region begins inside a stage, that stage's base and the ENV, ARG, SHELL, WORKDIR and USER in
//! effect. Files that are no Dockerfiles have no context.

use std::collections::BTreeMap;

use loadline_core::{Code, Finding, Location, Outcome};
use loadline_dockerfile::command::Command;
use loadline_dockerfile::expand::Lexer;
use loadline_dockerfile::{Dockerfile, Instruction, Keyword, Stage};

use crate::check::{Group, SharedFile};
use crate::images::find;
use crate::parsed::Parsed;

/// The surroundings differ.
pub static CONTEXT: Code = Code::new(
    "shared-region-context",
    "equal bytes of a shared region mean different things in two files",
    "The region is byte-identical, but something outside it that it depends on is not: a global ARG that its \
     FROM uses, another `# syntax` or escape directive, a stage of the same name with another content, or the \
     base, ENV, WORKDIR, USER or SHELL in effect where it begins. The layers built from it differ. Make the \
     surroundings equal, or move what they define into the region.",
);

/// Something that is in effect, and the line that says so.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Fact {
    value: String,
    line: u32,
}

type Facts = BTreeMap<String, Fact>;

/// The names that a region uses, by the escape character: its bytes are equal wherever it is looked at.
#[derive(Default)]
struct Used(BTreeMap<char, Vec<String>>);

/// Compares what is in effect in every file with the canonical one; only where the bytes are equal.
pub(crate) fn check(group: &Group<'_>, parsed: &Parsed, outcome: &mut Outcome) {
    let Some((canonical, others)) = group.files.split_first() else { return };
    let mut used = Used::default();
    let Some(expected) = facts(canonical, parsed, &mut used) else { return };
    for other in others.iter().filter(|other| other.shared() == canonical.shared()) {
        let Some(found) = facts(other, parsed, &mut used) else { continue };
        let names = expected.keys().chain(found.keys().filter(|name| !expected.contains_key(*name)));
        for name in names {
            let (a, b) = (expected.get(name), found.get(name));
            if a.map(|f| &f.value) != b.map(|f| &f.value) {
                outcome.findings.push(finding(group, canonical, other, name, (a, b)));
            }
        }
    }
}

fn finding(
    group: &Group<'_>,
    canonical: &SharedFile,
    other: &SharedFile,
    name: &str,
    (expected, found): (Option<&Fact>, Option<&Fact>),
) -> Finding {
    let says = |fact: Option<&Fact>| match fact {
        Some(Fact { value, .. }) if value.contains('\n') => "another content".to_owned(),
        Some(Fact { value, .. }) => format!("`{value}`"),
        None => "none".to_owned(),
    };
    let message = format!(
        "the shared region `{}` is the same in `{}` and `{}`, but not {name}: {} there, {} here",
        group.spec.name,
        canonical.path,
        other.path,
        says(expected),
        says(found)
    );
    let line = found.map_or(other.region.first_line, |fact| fact.line);
    let help = "make it the same in both files, or move it into the region";
    Finding::error(&CONTEXT, message).at(Location::line(&other.path, line)).help(help)
}

fn facts(file: &SharedFile, parsed: &Parsed, used: &mut Used) -> Option<Facts> {
    let dockerfile = parsed.get(&file.path, &file.bytes).ok()?;
    let stages = dockerfile.stages().ok()?;
    let (first, last) = (file.region.first_line, file.region.last_line);
    let inside = |i: &&Instruction| first < i.line && i.line < last;
    let shared: Vec<&Instruction> = dockerfile.instructions.iter().filter(inside).collect();
    let mut facts = Facts::new();
    directives(&dockerfile, &mut facts);
    let escape = dockerfile.directives.escape;
    let used = used.0.entry(escape).or_insert_with(|| names(&shared, escape));
    globals(&dockerfile, &shared, used, (first, last), &mut facts);
    referenced(&stages, &shared, (first, last), &mut facts);
    let begins_stage = shared.first().is_none_or(|i| i.keyword == Keyword::From);
    let entered = stages.iter().rev().find(|stage| stage.from.line < first);
    if let (false, Some(stage)) = (begins_stage, entered) {
        in_effect(&stages, stage, first, used, &mut facts);
    }
    Some(facts)
}

fn directives(dockerfile: &Dockerfile, facts: &mut Facts) {
    let directives = &dockerfile.directives;
    let line = directives.escape_directive.as_ref().map_or(1, |d| d.line);
    facts.insert("the escape character".into(), Fact { value: directives.escape.to_string(), line });
    if let Some(syntax) = &directives.syntax {
        let fact = Fact { value: syntax.value.clone(), line: syntax.line };
        facts.insert("the `# syntax` directive".into(), fact);
    }
}

/// The variables that instructions name, with those that an ARG without a default asks for.
fn names(instructions: &[&Instruction], escape: char) -> Vec<String> {
    let lexer = Lexer { keep_unset: true, ignore_quotes: true, ..Lexer::new(escape) };
    let mut names = Vec::new();
    for instruction in instructions {
        let inner = instruction.onbuild.as_deref().unwrap_or(instruction);
        let flags = inner.flags.iter().filter_map(|flag| flag.value.as_deref());
        let heredocs = inner.heredocs.iter().filter(|h| h.expand).map(|h| h.content.as_str());
        for text in std::iter::once(inner.arguments.text.as_str()).chain(flags).chain(heredocs) {
            // One bad substitution hides no other name: what comes before it has been noted by then.
            if let Ok(expansion) = lexer.expand(text, &|_| None) {
                names.extend(expansion.names.into_iter().map(|(name, _)| name));
            }
        }
        if let Ok(Command::Arg(args)) = inner.command() {
            names.extend(args.into_iter().filter(|arg| arg.default.is_none()).map(|arg| arg.name));
        }
    }
    names.sort();
    names.dedup();
    names
}

/// Global ARGs outside the region that its FROM lines and its own ARGs can see.
fn globals(
    dockerfile: &Dockerfile,
    shared: &[&Instruction],
    used: &[String],
    (first, last): (u32, u32),
    facts: &mut Facts,
) {
    if !shared.iter().any(|i| matches!(i.keyword, Keyword::From | Keyword::Arg)) {
        return;
    }
    for instruction in dockerfile.global_args().iter().filter(|i| i.line < first || i.line > last) {
        let Ok(Command::Arg(args)) = instruction.command() else { continue };
        for arg in args.into_iter().filter(|arg| used.contains(&arg.name)) {
            let value = arg.default.map_or_else(|| arg.name.clone(), |value| format!("{}={value}", arg.name));
            let fact = Fact { value, line: instruction.line };
            facts.insert(format!("the global ARG `{}`", arg.name), fact);
        }
    }
}

/// Stages outside the region that it builds on or copies from.
fn referenced(stages: &[Stage<'_>], shared: &[&Instruction], region: (u32, u32), facts: &mut Facts) {
    for instruction in shared {
        let names: Vec<String> = match instruction.command() {
            Ok(Command::From(from)) => vec![from.image],
            Ok(Command::Copy(copy)) => copy.from.into_iter().collect(),
            Ok(Command::Run(run)) => run.mounts.iter().filter_map(|mount| mounted(mount)).collect(),
            _ => continue,
        };
        for name in names {
            let before = stages.partition_point(|stage| stage.from.line < instruction.line);
            let Some(stage) = find(&stages[..before], &name) else { continue };
            let outside = stage.from.line < region.0 || stage.from.line > region.1;
            let value = content(stages, stage, region);
            if outside || !value.is_empty() {
                facts.insert(format!("the stage `{name}`"), Fact { value, line: stage.from.line });
            }
        }
    }
}

fn mounted(mount: &str) -> Option<String> {
    mount.split(',').find_map(|part| part.strip_prefix("from=")).map(str::to_owned)
}

/// What a stage is made of outside the region, and what its base is made of, down to an image.
fn content(stages: &[Stage<'_>], stage: &Stage<'_>, (first, last): (u32, u32)) -> String {
    let mut lines = Vec::new();
    let mut current = Some(stage);
    while let Some(stage) = current {
        let outside = |i: &&Instruction| i.line < first || i.line > last;
        lines.extend(stage.instructions.iter().rev().filter(outside).map(text));
        if stage.from.line < first || stage.from.line > last {
            lines.push(text(stage.from));
        }
        current = find(&stages[..stage.index], &stage.base.image);
    }
    lines.reverse();
    lines.join("\n")
}

fn text(instruction: &Instruction) -> String {
    let mut out = instruction.keyword.name().to_owned();
    for flag in &instruction.flags {
        out.push_str(" --");
        out.push_str(&flag.name);
        if let Some(value) = &flag.value {
            out.push('=');
            out.push_str(value);
        }
    }
    out.push(' ');
    out.push_str(&instruction.arguments.text);
    for heredoc in &instruction.heredocs {
        out.push('\n');
        out.push_str(&heredoc.content);
    }
    out
}

/// What is in effect where a region begins in the middle of a stage.
fn in_effect(stages: &[Stage<'_>], stage: &Stage<'_>, first: u32, used: &[String], facts: &mut Facts) {
    let base = match find(&stages[..stage.index], &stage.base.image) {
        Some(base) => content(stages, base, (first, first)),
        None => text(stage.from),
    };
    facts.insert("the base it begins on".into(), Fact { value: base, line: stage.from.line });
    for instruction in stage.instructions.iter().filter(|i| i.line < first) {
        let mut fact = |name: String, value: String| {
            facts.insert(name, Fact { value, line: instruction.line });
        };
        match instruction.command() {
            Ok(Command::Env(pairs)) => {
                for pair in pairs.into_iter().filter(|pair| used.contains(&pair.name)) {
                    fact(format!("the value of `{}`", pair.name), pair.value);
                }
            }
            Ok(Command::Arg(args)) => {
                for arg in args.into_iter().filter(|arg| used.contains(&arg.name)) {
                    fact(format!("the value of `{}`", arg.name), arg.default.unwrap_or_default());
                }
            }
            Ok(Command::Workdir(path)) => fact("the WORKDIR".into(), path),
            Ok(Command::User(user)) => fact("the USER".into(), user),
            Ok(Command::Shell(words)) => fact("the SHELL".into(), words.join(" ")),
            _ => {}
        }
    }
}
