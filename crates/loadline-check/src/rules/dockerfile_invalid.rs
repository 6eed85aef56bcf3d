//! The Dockerfile of every image is one that BuildKit takes.

use std::rc::Rc;

use camino::Utf8Path;
use loadline_core::{Code, Finding, Location, Outcome};
use loadline_dockerfile::{Dockerfile, Keyword, ParseError};

use crate::images::{ImageSpec, find};
use crate::parsed::Parsed;

/// BuildKit would refuse it.
pub static INVALID: Code = Code::new(
    "dockerfile-invalid",
    "a Dockerfile is one that BuildKit refuses",
    "The file is read as BuildKit's own parser reads it: an unknown instruction, a flag that the instruction \
     does not have, a heredoc without its end or a FROM with two arguments would stop the build after minutes \
     of other work. The message says what to change on the line.",
);

/// No such stage.
pub static TARGET: Code = Code::new(
    "dockerfile-target-unknown",
    "the stage that an image is built from is not in its Dockerfile",
    "`target` names a stage by the word behind `AS` (upper and lower case alike) or by its number. Without \
     that stage the build fails at its start. Mend the name, here or there.",
);

/// It could not be read.
pub static UNREADABLE: Code = Code::new(
    "dockerfile-unreadable",
    "a Dockerfile could not be read",
    "The configuration names it, but it is not there, lies outside the repository, is larger than 8 MiB, or \
     the system refuses to read it. Nothing can be said about it, so the verdict is unknown.",
);

/// The Dockerfile, where every instruction of it is one that BuildKit takes.
pub(crate) fn parse(
    spec: &ImageSpec<'_>,
    path: &Utf8Path,
    bytes: &[u8],
    parsed: &Parsed,
    outcome: &mut Outcome,
) -> Option<Rc<Dockerfile>> {
    let finding = |error: &ParseError| {
        let message =
            format!("BuildKit refuses `{path}`, the Dockerfile of `{}`: {}", spec.name, error.problem);
        Finding::error(&INVALID, message).at(Location::line(path, error.line))
    };
    let dockerfile = match parsed.get(path, bytes) {
        Ok(dockerfile) => dockerfile,
        Err(error) => {
            outcome.findings.push(finding(&error));
            return None;
        }
    };
    let stages = dockerfile.stages();
    let mut errors: Vec<ParseError> = stages.as_ref().err().cloned().into_iter().collect();
    let others = dockerfile.instructions.iter().filter(|i| i.keyword != Keyword::From);
    errors.extend(others.filter_map(|i| i.command().err()));
    errors.sort_by_key(|error| error.line);
    errors.dedup();
    outcome.findings.extend(errors.iter().map(finding));
    if !errors.is_empty() {
        return None;
    }
    if let (Some(target), Ok(stages)) = (spec.target, stages)
        && find(&stages, target).is_none()
    {
        let names: Vec<_> =
            stages.iter().filter_map(|s| s.name.as_deref()).map(|n| format!("`{n}`")).collect();
        let message =
            format!("`{path}` has no stage `{target}`, from which the image `{}` is built", spec.name);
        let help = match names.as_slice() {
            [] => "it has no named stage: add `AS` to the FROM that is meant".to_owned(),
            names => format!("its stages are {}", names.join(", ")),
        };
        outcome.findings.push(Finding::error(&TARGET, message).at(Location::file(path)).help(help));
    }
    Some(dockerfile)
}
