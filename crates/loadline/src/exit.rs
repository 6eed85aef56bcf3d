//! Exit codes: the same for every verb, and part of what scripts rely on.

use std::process::ExitCode;

use loadline_core::Verdict;

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: the verdict is `pass`.
    Pass,
    /// 1: the verdict is `fail`.
    Findings,
    /// 2: the command line or the configuration is wrong.
    Usage,
    /// 3: the verdict is `unknown`: a tool, the network or a limit stood in the way.
    Unknown,
    /// 130: interrupted.
    Interrupted,
}

impl Exit {
    /// The number.
    pub const fn code(self) -> u8 {
        match self {
            Self::Pass => 0,
            Self::Findings => 1,
            Self::Usage => 2,
            Self::Unknown => 3,
            Self::Interrupted => 130,
        }
    }

    /// What the number means, for the reference and for `--help`.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Findings => "findings: the verdict is fail",
            Self::Usage => "wrong usage or configuration",
            Self::Unknown => "could not tell: a tool, the network or a time limit stood in the way",
            Self::Interrupted => "interrupted",
        }
    }

    /// All of them.
    pub const ALL: &[Self] = &[Self::Pass, Self::Findings, Self::Usage, Self::Unknown, Self::Interrupted];
}

impl From<Verdict> for Exit {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Pass => Self::Pass,
            Verdict::Fail => Self::Findings,
            Verdict::Unknown => Self::Unknown,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}
