//! Dockerfiles: FROM, what `--from` takes content out of, and what a RUN mounts.

use loadline_dockerfile::{Dockerfile, Flag, Instruction, Keyword};

use crate::error::ManifestError;
use crate::kind::Kind;
use crate::mention::{Collector, Edit, Mention, Named, read};

pub(crate) fn collect(collector: &mut Collector<'_>) -> Result<(), ManifestError> {
    let dockerfile = Dockerfile::parse(collector.text)?;
    let stages = dockerfile.stages()?;
    for (index, stage) in stages.iter().enumerate() {
        let earlier = |name: &str| {
            stages[..index].iter().any(|stage| stage.name.as_deref() == Some(&name.to_ascii_lowercase()))
        };
        if stage.base.image != "scratch" && !earlier(&stage.base.image) {
            take(collector, stage.from, &stage.base.image, "");
        }
        for instruction in stage.instructions {
            let instruction = instruction.onbuild.as_deref().unwrap_or(instruction);
            let is_stage = |from: &str| from.is_empty() || from.parse::<usize>().is_ok() || earlier(from);
            match instruction.keyword {
                Keyword::Copy | Keyword::Add => {
                    let from = instruction.flag("from").and_then(|flag| flag.value.clone());
                    if let Some(from) = from.filter(|from| !is_stage(from)) {
                        take(collector, instruction, &from, "--from=");
                    }
                }
                Keyword::Run => {
                    for from in
                        instruction.flags.iter().filter_map(Flag::mounted_from).filter(|from| !is_stage(from))
                    {
                        take(collector, instruction, from, "from=");
                    }
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn take(collector: &mut Collector<'_>, instruction: &Instruction, image: &str, behind: &str) {
    let whole = instruction.span.clone();
    let written = format!("{behind}{image}");
    // The text as written: where it is put together of several lines, it is in none of them.
    let found = collector.text.get(whole.clone()).and_then(|text| find_word(text, &written));
    let inner = found.map(|at| whole.start + at + behind.len()..whole.start + at + written.len());
    let named = match read(image) {
        // A name that is no reference may be a build context given by hand.
        Named::Invalid(reason) if !behind.is_empty() => Named::Unresolved(reason),
        named => named,
    };
    let span = inner.clone().unwrap_or(whole);
    let line = collector.line(span.start);
    let edit = inner.map(|inner| Edit::Append(inner.end));
    collector.add(Mention { kind: Kind::Dockerfile, text: image.to_owned(), named, span, line, edit });
}

/// Where a word stands, with blanks around it; in a mount's list, with commas.
fn find_word(text: &str, word: &str) -> Option<usize> {
    let is_mount = word.starts_with("from=");
    let ends = |c: Option<char>| c.is_none_or(|c| c.is_whitespace() || is_mount && matches!(c, ',' | '='));
    text.match_indices(word)
        .map(|(at, _)| at)
        .find(|at| ends(text[..*at].chars().next_back()) && ends(text[at + word.len()..].chars().next()))
}
