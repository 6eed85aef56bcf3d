//! The command line of the check, shared by `loadline check` and by `loadline-check`, the small program that
//! hooks build: arguments and the world as inputs, texts and how it ended as output.

mod fix;
mod program;
pub mod region;
mod rules;
mod show;
mod subject;

use camino::{Utf8Path, Utf8PathBuf};
use loadline_core::config::Workflows;
use loadline_core::{Outcome, Verdict};
use loadline_process::Environment;
use loadline_report::Format;

pub use self::fix::FixDocument;
pub use self::program::main;
pub use self::region::Regions;
pub use self::rules::Rules;
use self::show::Show;
use self::subject::Subject;
use crate::repository::{Repository, examine};

/// Check that shared regions are byte-identical and build the same, and hold Dockerfiles and workflows
/// against the rules of a release
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The configuration; `loadline.toml` here or above if absent. Where there is none, Dockerfiles that
    /// carry `# SHARED-NAME-BEGIN` and `-END` markers are looked for.
    #[arg(long, value_name = "FILE")]
    config: Option<Utf8PathBuf>,
    /// Copy the canonical region over those that differ.
    #[arg(long)]
    fix: bool,
    /// Show what `--fix` would change, and change nothing; exits 1 where there is something to mend.
    #[arg(long, requires = "fix")]
    dry_run: bool,
    /// The file whose region is right, where it is not the canonical one.
    #[arg(long, value_name = "FILE", requires = "fix")]
    from: Option<Utf8PathBuf>,
    /// Look at what would be committed (git's index), not at the work tree.
    #[arg(long, conflicts_with = "fix")]
    staged: bool,
    /// Look at all workflows, not only at those that release.
    #[arg(long)]
    all_workflows: bool,
    /// List all rules.
    #[arg(long, conflicts_with_all = ["fix", "staged", "explain"])]
    list: bool,
    /// Say what a rule is about, and the way out.
    #[arg(long, value_name = "RULE", conflicts_with_all = ["fix", "staged"])]
    explain: Option<String>,
    /// How to show what was found: human, json, sarif, github or markdown.
    #[arg(long, value_name = "FORMAT", default_value_t)]
    format: Format,
}

/// What a run takes from outside besides its arguments.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// The environment's variables.
    pub environment: &'a Environment,
    /// The folder that relative paths count from; absolute.
    pub folder: &'a Utf8Path,
    /// Whether what is told to people may be coloured.
    pub colour: bool,
}

/// What came of a run: nothing has been printed yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// For standard output.
    pub out: String,
    /// For standard error.
    pub err: String,
    /// How it ended.
    pub end: End,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Something was examined.
    Verdict(Verdict),
    /// The command line or the configuration is wrong.
    Usage,
}

impl End {
    /// The exit code, the same for every verb: 0 pass, 1 findings, 2 usage, 3 could not tell.
    pub const fn code(self) -> u8 {
        match self {
            Self::Verdict(Verdict::Pass) => 0,
            Self::Verdict(Verdict::Fail) => 1,
            Self::Usage => 2,
            Self::Verdict(Verdict::Unknown) => 3,
        }
    }
}

impl Answer {
    pub(crate) fn usage(message: &str) -> Self {
        Self { out: String::new(), err: format!("error: {message}\n"), end: End::Usage }
    }
}

/// Runs the check.
pub fn run(args: &Args, inputs: &Inputs<'_>) -> Answer {
    if args.list {
        return rules::list(args.format);
    }
    if let Some(rule) = &args.explain {
        return rules::explain(rule, args.format);
    }
    let opened = Subject::open(args.config.as_deref(), args.staged, inputs, args.format);
    let subject = match opened {
        Ok(subject) => subject,
        Err(answer) => return answer,
    };
    let show = Show::new(&subject, inputs, args.format);
    if args.fix {
        return fix::run(args, inputs, &subject, &show);
    }
    let outcome = outcome(args, &subject);
    let end = End::Verdict(outcome.verdict());
    if args.format == Format::Human && outcome == Outcome::new() {
        return Answer { out: format!("pass: {}\n", subject.summary()), err: String::new(), end };
    }
    show.outcome(outcome, end)
}

/// All that is found in a subject.
fn outcome(args: &Args, subject: &Subject) -> Outcome {
    let mut outcome = subject.found.clone();
    outcome.merge(examine(&Repository {
        tree: subject.tree(),
        config: subject.config(),
        regions: subject.regions(),
        workflows: args.all_workflows.then_some(Workflows::All),
    }));
    outcome
}
