//! The arguments of all verbs.

use clap::{Parser, Subcommand};

use crate::exit::Exit;
use crate::verbs;
use crate::world::World;

/// The load line of container releases: nothing gets a tag until the whole set is built, proven and gated.
#[derive(Debug, Parser)]
#[command(name = "loadline", version, max_term_width = 100, after_help = AFTER_HELP)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

const AFTER_HELP: &str = "Exit codes: 0 pass, 1 findings, 2 wrong usage or configuration, \
3 could not tell, 130 interrupted.";

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Release(verbs::release::Args),
    Build(verbs::build::Args),
    Merge(verbs::merge::Args),
    Promote(verbs::promote::Args),
    Status(verbs::status::Args),
    Check(verbs::check::Args),
    Region(verbs::region::Args),
    Attest(Box<verbs::attest::Args>),
    Verify(Box<verbs::verify::Args>),
    Inspect(verbs::inspect::Args),
    Copy(verbs::copy::Args),
    VerifyBundle(verbs::verify_bundle::Args),
    SignBundle(verbs::sign_bundle::Args),
    Trust(verbs::trust::Args),
    Sandbox(verbs::sandbox::Args),
    Schema(verbs::schema::Args),
    Completions(verbs::completions::Args),
}

impl Verb {
    pub(crate) fn run(self, world: &World) -> Exit {
        match self {
            Self::Release(args) => verbs::release::run(args, world),
            Self::Build(args) => verbs::build::run(args, world),
            Self::Merge(args) => verbs::merge::run(args, world),
            Self::Promote(args) => verbs::promote::run(args, world),
            Self::Status(args) => verbs::status::run(&args, world),
            Self::Check(args) => verbs::check::run(&args, world),
            Self::Region(args) => verbs::region::run(&args, world),
            Self::Attest(args) => verbs::attest::run(*args, world),
            Self::Verify(args) => verbs::verify::run(*args, world),
            Self::Inspect(args) => verbs::inspect::run(&args, world),
            Self::Copy(args) => verbs::copy::run(&args, world),
            Self::VerifyBundle(args) => verbs::verify_bundle::run(args, world),
            Self::SignBundle(args) => verbs::sign_bundle::run(args, world),
            Self::Trust(args) => verbs::trust::run(args, world),
            Self::Sandbox(args) => verbs::sandbox::run(args, world),
            Self::Schema(args) => verbs::schema::run(&args, world),
            Self::Completions(args) => verbs::completions::run(&args, world),
        }
    }
}
