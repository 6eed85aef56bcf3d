//! Base images are pinned: FROM, `COPY --from` and `RUN --mount=from=` alike.

use std::collections::HashMap;

pub use loadline_core::config::PinBases as Pin;
use loadline_core::{Code, Finding, Location, Outcome, Reference};
use loadline_dockerfile::command::Command;
use loadline_dockerfile::expand::Lexer;
use loadline_dockerfile::{Dockerfile, Instruction, Stage};

use crate::images::{Loaded, find, references};

/// A base that moves.
pub static UNPINNED: Code = Code::new(
    "base-unpinned",
    "a base image is not pinned as the configuration demands",
    "A base without a tag, or with `latest`, is another image tomorrow; one with a tag is another image when \
     its publisher pushes again. A digest never moves: `image:tag@sha256:…` keeps the tag for people and \
     update bots. `COPY --from=IMAGE` and `RUN --mount=from=IMAGE` take content from an image just as FROM does.",
);

/// Looks at the bases of the stages that are built.
pub(crate) fn check(image: &Loaded<'_>, stages: &[Stage<'_>], pin: Pin, outcome: &mut Outcome) {
    if pin == Pin::Nothing {
        return;
    }
    let globals = defaults(&image.dockerfile);
    let all = stages.to_vec();
    for stage in image.built(&all) {
        for (name, instruction) in references(stage) {
            if find(&stages[..stage.index], &name).is_some() {
                continue;
            }
            let is_from = std::ptr::eq(instruction, stage.from);
            // Only FROM expands variables here; a value that the build is given is not known yet.
            let name = match resolve(&name, &globals, image, is_from) {
                Some(name) if name != "scratch" && !name.is_empty() => name,
                _ => continue,
            };
            if let Some(what) = unpinned(&name, pin) {
                let message = format!("`{}` takes `{name}`, which {what}", image.path);
                let help = match pin {
                    Pin::Digest => "write `image:tag@sha256:…`",
                    _ => "name a version: `image:1.2`, or `image:1.2@sha256:…`",
                };
                let location = place(image, instruction);
                outcome.findings.push(Finding::error(&UNPINNED, message).at(location).help(help));
            }
        }
    }
}

fn place(image: &Loaded<'_>, instruction: &Instruction) -> Location {
    let mut location = Location::line(&image.path, instruction.line);
    location.span = Some(instruction.span.clone());
    location
}

fn defaults(dockerfile: &Dockerfile) -> HashMap<String, String> {
    let mut known: HashMap<String, String> = HashMap::new();
    let lexer = Lexer::new(dockerfile.directives.escape);
    for instruction in dockerfile.global_args() {
        let Ok(Command::Arg(args)) = instruction.command() else { continue };
        for arg in args {
            let value = arg.default.and_then(|d| lexer.expand(&d, &|name| known.get(name).cloned()).ok());
            if let Some(value) = value {
                known.insert(arg.name, value.text);
            }
        }
    }
    known
}

fn resolve(
    text: &str,
    globals: &HashMap<String, String>,
    image: &Loaded<'_>,
    is_from: bool,
) -> Option<String> {
    if !is_from {
        return (!text.contains('$')).then(|| text.to_owned());
    }
    let expansion = Lexer::new(image.dockerfile.directives.escape)
        .expand(text, &|name| globals.get(name).cloned())
        .ok()?;
    let given = |name: &String| image.spec.build_args.contains(&name.as_str());
    // What is given, or set by nothing here, decides the image at build time.
    expansion.names.iter().all(|(name, set)| *set && !given(name)).then_some(expansion.text)
}

fn unpinned(name: &str, pin: Pin) -> Option<&'static str> {
    let Ok(reference) = name.parse::<Reference>() else { return Some("is no image reference") };
    if reference.digest.is_some() {
        return None;
    }
    match (pin, reference.tag.as_deref()) {
        (Pin::Nothing, _) => None,
        (_, None) => Some("has neither tag nor digest, so it is whatever `latest` is"),
        (_, Some("latest")) => Some("moves with every push of `latest`"),
        (Pin::Tag, Some(_)) => None,
        (Pin::Digest, Some(_)) => Some("has no digest"),
    }
}
