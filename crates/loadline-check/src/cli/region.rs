//! `loadline region`: what shared regions there are, and how to mark one.

use camino::Utf8PathBuf;
use loadline_core::Verdict;
use loadline_core::document::REGIONS;
use loadline_core::verdict::OutcomeDocument;
use loadline_report::Format;
use schemars::JsonSchema;
use serde::Serialize;

use super::show::{Show, document, normal, relative};
use super::subject::Subject;
use super::{Answer, End, Inputs};
use crate::init;
use crate::list::{self, Row};
use crate::tree::WorkTree;

/// Show shared regions, or mark what files have in common
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    List(List),
    Init(Init),
}

/// Show every region in every file: where it is, how large, and its digest
#[derive(Debug, clap::Args)]
struct List {
    /// The configuration; without one, Dockerfiles that carry markers are looked for.
    #[arg(long, value_name = "FILE")]
    config: Option<Utf8PathBuf>,
    /// Look at what would be committed (git's index), not at the work tree.
    #[arg(long)]
    staged: bool,
    /// How to show it: human or json.
    #[arg(long, value_name = "FORMAT", default_value_t)]
    format: Format,
}

/// Mark the longest run of lines that files have in common; prints what belongs into `loadline.toml`
#[derive(Debug, clap::Args)]
struct Init {
    /// The files, the canonical one first.
    #[arg(required = true, num_args = 2.., value_name = "FILE")]
    files: Vec<Utf8PathBuf>,
    /// What the region is called.
    #[arg(long, default_value = "base")]
    name: String,
    /// Show the markers, and write nothing.
    #[arg(long)]
    dry_run: bool,
}

/// Regions, as a document.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Regions {
    #[serde(flatten)]
    outcome: OutcomeDocument,
    /// Every region in every file where it is.
    regions: Vec<RegionDocument>,
}

/// A region in one file.
#[derive(Debug, Serialize, JsonSchema)]
struct RegionDocument {
    /// The region's name.
    region: String,
    /// The file.
    #[schemars(with = "String")]
    file: Utf8PathBuf,
    /// Whether the others follow this file.
    canonical: bool,
    /// The begin marker's line, counted from 1.
    first_line: u32,
    /// The end marker's line.
    last_line: u32,
    /// The lines between the markers.
    lines: u32,
    /// The bytes that are compared, marker lines included.
    bytes: usize,
    /// Their digest.
    digest: String,
}

/// Runs the verb.
pub fn run(args: &Args, inputs: &Inputs<'_>) -> Answer {
    match &args.verb {
        Verb::List(args) => list(args, inputs),
        Verb::Init(args) => mark(args, inputs),
    }
}

fn list(args: &List, inputs: &Inputs<'_>) -> Answer {
    let subject = match Subject::open(args.config.as_deref(), args.staged, inputs, args.format) {
        Ok(subject) => subject,
        Err(answer) => return answer,
    };
    let show = Show::new(&subject, inputs, args.format);
    let (rows, mut outcome) = list::list(subject.tree(), subject.regions());
    outcome.merge(subject.found.clone());
    let end = End::Verdict(outcome.verdict());
    if args.format == Format::Json {
        let row = |row: Row| RegionDocument {
            region: row.region,
            file: show.path(&row.file),
            canonical: row.canonical && subject.config().is_some(),
            first_line: row.first_line,
            last_line: row.last_line,
            lines: row.lines,
            bytes: row.bytes,
            digest: row.digest.to_string(),
        };
        let regions = rows.into_iter().map(row).collect();
        return document(
            REGIONS,
            Regions { outcome: OutcomeDocument::from(&show.reroot(outcome)), regions },
            end,
        );
    }
    let mut out = String::new();
    let cells: Vec<[String; 6]> = rows
        .iter()
        .map(|row| {
            let digest = row.digest.to_string();
            [
                row.region.clone(),
                format!("{}:{}", show.path(&row.file), row.first_line),
                format!("{} lines", row.lines),
                format!("{} bytes", row.bytes),
                // Enough to tell regions apart by eye; the document has it whole.
                digest.chars().take(19).collect(),
                if row.canonical && subject.config().is_some() {
                    "canonical".to_owned()
                } else {
                    String::new()
                },
            ]
        })
        .collect();
    let width = |at: usize| cells.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..6).map(width).collect();
    for row in &cells {
        let line: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        out.push_str(line.join("  ").trim_end());
        out.push('\n');
    }
    let err =
        if outcome == loadline_core::Outcome::new() { String::new() } else { show.outcome(outcome, end).err };
    Answer { out, err, end }
}

fn mark(args: &Init, inputs: &Inputs<'_>) -> Answer {
    let tree = WorkTree::new(inputs.folder);
    let folder = normal(inputs.folder);
    let files: Vec<Utf8PathBuf> =
        args.files.iter().map(|file| relative(&folder, &normal(&folder.join(file)))).collect();
    let plan = match init::plan(&tree, &files, &args.name) {
        Ok(plan) => plan,
        Err(error) => return Answer::usage(&error.to_string()),
    };
    let mut err = String::new();
    if args.dry_run {
        for edit in &plan.edits {
            err.push_str(&format!("would mark {}\n{}", edit.file, edit.diff));
        }
    } else if let Err(error) = init::apply(&tree, &plan) {
        let err = format!("error: {error}\n");
        return Answer { out: String::new(), err, end: End::Verdict(Verdict::Unknown) };
    } else {
        for edit in &plan.edits {
            err.push_str(&format!("marked {} lines in {}\n", plan.lines, edit.file));
        }
    }
    Answer { out: plan.toml(), err, end: End::Verdict(Verdict::Pass) }
}
