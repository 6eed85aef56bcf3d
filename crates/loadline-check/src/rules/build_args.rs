//! Build arguments are declared where they are given, and given or defaulted where they are declared.

use std::collections::BTreeMap;

use loadline_core::config::nearest;
use loadline_core::{Code, Finding, Location, Outcome};
use loadline_dockerfile::Stage;
use loadline_dockerfile::command::{Arg, Command};

use crate::images::Loaded;

/// Given, but declared nowhere.
pub static UNDECLARED: Code = Code::new(
    "build-arg-undeclared",
    "a build argument is given that the Dockerfile never declares",
    "The builder ignores it and says so in a warning that nobody reads, so the image is built with something \
     else than the configuration says. Mostly the name is misspelt, or the ARG went away with a stage. Declare \
     it with ARG in a stage that is built, or take it out of `build-args`.",
);

/// Declared without a default, and not given.
pub static NOT_GIVEN: Code = Code::new(
    "build-arg-not-given",
    "a build argument without a default is declared, but never given",
    "The ARG is empty in every build, which is seldom what its author meant. Give it in the image's \
     `build-args`, give it a default, or remove it.",
);

/// What BuildKit gives or takes by itself, declared or not.
const BUILT_IN: [&str; 22] = [
    "TARGETPLATFORM",
    "TARGETOS",
    "TARGETARCH",
    "TARGETVARIANT",
    "TARGETSTAGE",
    "BUILDPLATFORM",
    "BUILDOS",
    "BUILDARCH",
    "BUILDVARIANT",
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "FTP_PROXY",
    "ftp_proxy",
    "NO_PROXY",
    "no_proxy",
    "ALL_PROXY",
    "all_proxy",
    "SOURCE_DATE_EPOCH",
    "BUILDKIT_SYNTAX",
    "BUILDKIT_INLINE_CACHE",
];

fn is_built_in(name: &str) -> bool {
    BUILT_IN.contains(&name) || name.starts_with("BUILDKIT_")
}

/// Compares what is given with what the stages that are built declare.
pub(crate) fn check(image: &Loaded<'_>, stages: &[Stage<'_>], outcome: &mut Outcome) {
    let globals = args(image.dockerfile.global_args());
    let all = stages.to_vec();
    let built = image.built(&all);
    let mut declared: BTreeMap<String, (bool, u32)> = BTreeMap::new();
    for (arg, line) in built.iter().flat_map(|stage| args(stage.instructions)) {
        let inherits = globals.iter().any(|(global, _)| global.name == arg.name && global.default.is_some());
        let (has_default, _) = declared.entry(arg.name).or_insert((false, line));
        *has_default |= arg.default.is_some() || inherits;
    }
    for (global, line) in &globals {
        declared.entry(global.name.clone()).or_insert((global.default.is_some(), *line));
    }
    let given = &image.spec.build_args;
    for name in given.iter().filter(|name| !declared.contains_key(**name) && !is_built_in(name)) {
        let message = format!(
            "the image `{}` is given the build argument `{name}`, which `{}` never declares",
            image.spec.name, image.path
        );
        let help = match nearest(name, declared.keys().map(String::as_str)) {
            Some(near) => format!("is `{near}` meant?"),
            None => format!(
                "declare it with `ARG {name}` in a stage that is built, or take it out of `build-args`"
            ),
        };
        outcome
            .findings
            .push(Finding::warning(&UNDECLARED, message).at(Location::file(&image.path)).help(help));
    }
    for (name, (has_default, line)) in &declared {
        if !has_default && !given.contains(&name.as_str()) && !is_built_in(name) {
            let message = format!(
                "`{}` declares the build argument `{name}` without a default, and the image `{}` is not given it",
                image.path, image.spec.name
            );
            let help =
                format!("give it under `[image.{}.build-args]`, or give it a default", image.spec.name);
            let finding = Finding::warning(&NOT_GIVEN, message).at(Location::line(&image.path, *line));
            outcome.findings.push(finding.help(help));
        }
    }
}

fn args(instructions: &[loadline_dockerfile::Instruction]) -> Vec<(Arg, u32)> {
    let lines = instructions.iter().filter_map(|instruction| match instruction.command() {
        Ok(Command::Arg(args)) => Some((args, instruction.line)),
        _ => None,
    });
    lines.flat_map(|(args, line)| args.into_iter().map(move |arg| (arg, line))).collect()
}
