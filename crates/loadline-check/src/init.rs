//! Marks the longest run of lines that files have in common.
//!
//! A run is made of whole units: an instruction with its continuations and heredocs, a comment, a blank
//! line. So a marker never falls inside an instruction, and never among the directives at the top, which a
//! comment before them would switch off. Blank lines at the ends of a run are left outside.

use camino::{Utf8Path, Utf8PathBuf};
use loadline_core::config::SharedRegion;
use loadline_dockerfile::{Dockerfile, LineKind, ParseError, region};
use thiserror::Error;

use crate::fix::Edit;
use crate::tree::{ReadError, Tree, WorkTree};
use crate::{diff, write};

/// Why nothing was marked.
#[derive(Debug, Error)]
pub enum InitError {
    /// Nothing to compare.
    #[error("{count} file was named: a region is shared by two or more")]
    TooFew {
        /// How many were named.
        count: usize,
    },
    /// A name that cannot stand in a marker.
    #[error("`{name}` cannot name a region: use letters, digits, `-` and `_`")]
    Name {
        /// The name as given.
        name: String,
    },
    /// A file could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// A file is no Dockerfile.
    #[error("`{file}` cannot be marked: {source}")]
    Parse {
        /// The file.
        file: Utf8PathBuf,
        /// Why it cannot be parsed.
        source: ParseError,
    },
    /// The markers are there already.
    #[error("`{file}` has a line `{marker}` already: choose another name, or remove it")]
    Marked {
        /// The file.
        file: Utf8PathBuf,
        /// The marker's text.
        marker: String,
    },
    /// The files have no instruction in common.
    #[error("the files have no two lines with an instruction in common, one after the other")]
    Nothing,
    /// The system refuses.
    #[error("not all files could be marked: {0}")]
    Write(String),
}

/// What would be marked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InitPlan {
    /// The region, as it would stand in the configuration.
    pub region: SharedRegion,
    /// How many lines the files have in common there.
    pub lines: usize,
    /// The files with their markers.
    pub edits: Vec<Edit>,
}

impl InitPlan {
    /// The lines for `loadline.toml`.
    pub fn toml(&self) -> String {
        let quoted = |text: &str| format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""));
        let files: Vec<String> = self.region.files.iter().map(|file| quoted(file.as_str())).collect();
        format!(
            "[[shared-region]]\nname  = {}\nbegin = {}\nend   = {}\nfiles = [{}]\n",
            quoted(&self.region.name),
            quoted(&self.region.begin),
            quoted(&self.region.end),
            files.join(", ")
        )
    }
}

/// A stretch of lines that stays together.
struct Unit {
    span: std::ops::Range<usize>,
    lines: usize,
    instruction: bool,
    blank: bool,
}

struct Source {
    path: Utf8PathBuf,
    bytes: Vec<u8>,
    units: Vec<Unit>,
}

/// Finds the longest common run and where its markers would go; nothing is written.
///
/// # Errors
/// Fewer than two files, one that cannot be read or parsed, markers that are there already, or nothing in
/// common.
pub fn plan(tree: &dyn Tree, files: &[Utf8PathBuf], name: &str) -> Result<InitPlan, InitError> {
    if files.len() < 2 {
        return Err(InitError::TooFew { count: files.len() });
    }
    let fits = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if name.is_empty() || !name.bytes().all(fits) {
        return Err(InitError::Name { name: name.to_owned() });
    }
    let upper = name.to_ascii_uppercase();
    let begin = format!("# --- SHARED-{upper}-BEGIN ---");
    let end = format!("# --- SHARED-{upper}-END ---");
    let sources = files.iter().map(|file| source(tree, file)).collect::<Result<Vec<_>, _>>()?;
    for source in &sources {
        for line in loadline_dockerfile::lines(&source.bytes) {
            let text = &source.bytes[line.text];
            if let Some(marker) = [&begin, &end].into_iter().find(|marker| marker.as_bytes() == text) {
                return Err(InitError::Marked { file: source.path.clone(), marker: marker.clone() });
            }
        }
    }
    let (starts, length) = longest(&sources).ok_or(InitError::Nothing)?;
    let lines = sources[0].units[starts[0]..starts[0] + length].iter().map(|unit| unit.lines).sum();
    let edits = sources
        .iter()
        .zip(&starts)
        .map(|(source, start)| marked(source, &source.units[*start..start + length], &begin, &end))
        .collect();
    let region = SharedRegion { name: name.to_owned(), begin, end, files: files.to_vec() };
    Ok(InitPlan { region, lines, edits })
}

/// Writes the markers.
///
/// # Errors
/// A file cannot be written; those before it are marked.
pub fn apply(tree: &WorkTree, plan: &InitPlan) -> Result<(), InitError> {
    for edit in &plan.edits {
        write::replace(tree, &edit.file, &edit.before, &edit.after)
            .map_err(|error| InitError::Write(error.to_string()))?;
    }
    Ok(())
}

fn source(tree: &dyn Tree, file: &Utf8Path) -> Result<Source, InitError> {
    let bytes = tree.read(file)?;
    let parsed = Dockerfile::parse(&bytes);
    let dockerfile = parsed.map_err(|source| InitError::Parse { file: file.to_owned(), source })?;
    let mut units: Vec<Unit> = Vec::new();
    let mut at = 0;
    while at < dockerfile.lines.len() {
        let kind = dockerfile.kinds[at];
        let first = &dockerfile.lines[at];
        let last = match kind {
            LineKind::Instruction(index) => dockerfile.instructions[index].end_line as usize - 1,
            _ => at,
        };
        if kind != LineKind::Directive {
            units.push(Unit {
                span: first.text.start..dockerfile.lines[last].span.end,
                lines: last - at + 1,
                instruction: matches!(kind, LineKind::Instruction(_)),
                blank: kind == LineKind::Blank,
            });
        }
        at = last + 1;
    }
    Ok(Source { path: file.to_owned(), bytes, units })
}

/// Where the longest run begins in every file, and how many units it has.
fn longest(sources: &[Source]) -> Option<(Vec<usize>, usize)> {
    let (first, others) = sources.split_first()?;
    let text = |source: &Source, at: usize| -> Option<Vec<u8>> {
        source.units.get(at).map(|unit| source.bytes[unit.span.clone()].to_vec())
    };
    // Units as numbers, so that comparing is cheap.
    let mut known: std::collections::HashMap<Vec<u8>, usize> = std::collections::HashMap::new();
    let mut numbered = Vec::with_capacity(sources.len());
    for source in sources {
        let ids: Vec<usize> = (0..source.units.len())
            .filter_map(|at| text(source, at))
            .map(|text| {
                let next = known.len();
                *known.entry(text).or_insert(next)
            })
            .collect();
        numbered.push(ids);
    }
    let (ids, other_ids) = numbered.split_first()?;
    let mut best: Option<(usize, Vec<usize>, usize)> = None;
    for start in 0..ids.len() {
        if first.units[start].blank {
            continue;
        }
        // Where the run of the length so far begins in each of the other files.
        let mut places: Vec<Vec<usize>> = other_ids.iter().map(|other| (0..other.len()).collect()).collect();
        let (mut lines, mut has_instruction) = (0, false);
        for (length, unit) in first.units[start..].iter().enumerate() {
            for (other, places) in other_ids.iter().zip(&mut places) {
                places.retain(|place| other.get(place + length) == Some(&ids[start + length]));
            }
            if places.iter().any(Vec::is_empty) {
                break;
            }
            lines += unit.lines;
            has_instruction |= unit.instruction;
            let better = best.as_ref().is_none_or(|(most, ..)| lines > *most);
            if has_instruction && !unit.blank && lines >= 2 && better {
                let starts = std::iter::once(start).chain(places.iter().map(|p| p[0])).collect();
                best = Some((lines, starts, length + 1));
            }
        }
    }
    debug_assert_eq!(others.len(), other_ids.len());
    best.map(|(_, starts, length)| (starts, length))
}

fn marked(source: &Source, run: &[Unit], begin: &str, end: &str) -> Edit {
    let start = run.first().map_or(0, |unit| unit.span.start);
    let stop = run.last().map_or(start, |unit| unit.span.end);
    let body = &source.bytes[start..stop];
    let crlf = body.split_inclusive(|b| *b == b'\n').next().is_some_and(|line| line.ends_with(b"\r\n"));
    let ending: &[u8] = if crlf { b"\r\n" } else { b"\n" };
    // Where the run ends its file without a newline, the end marker takes that place.
    let (between, last): (&[u8], &[u8]) = if body.ends_with(b"\n") { (b"", ending) } else { (ending, b"") };
    let after = [
        &source.bytes[..start],
        begin.as_bytes(),
        ending,
        body,
        between,
        end.as_bytes(),
        last,
        &source.bytes[stop..],
    ]
    .concat();
    let side = |bytes| diff::Side { file: source.path.as_str(), bytes, first_line: 1, to_end: true };
    let text = diff::diff(side(&source.bytes), side(&after)).map(|diff| diff.text).unwrap_or_default();
    debug_assert!(region::find(&after, begin, end).is_ok());
    Edit { file: source.path.clone(), before: source.bytes.clone(), after, diff: text }
}
