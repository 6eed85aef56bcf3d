//! What an image's gate demands.

use crate::severity::Severity;

/// Whether all counts, or only what is new.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// Everything over the line blocks.
    #[default]
    Block,
    /// Only what the previous release did not have blocks. Without an earlier report this is `Block`,
    /// and the outcome says so.
    Regression,
}

/// What becomes of a vulnerability that the scanner could not rate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum UnknownSeverity {
    /// It is reported as a warning.
    #[default]
    Warn,
    /// It blocks, as if it were over the line.
    Block,
}

/// What an image's gate demands; the configuration's `gate` table maps onto it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatePolicy {
    /// The least severity that blocks.
    pub fail_on: Severity,
    /// Whether only vulnerabilities with a fixed version block.
    pub only_fixed: bool,
    /// Whether all counts, or only what is new.
    pub mode: Mode,
    /// What becomes of vulnerabilities without a known severity.
    pub unknown: UnknownSeverity,
    /// Whether an ignore without a reason is an error rather than a warning; it then covers nothing.
    pub require_statement: bool,
    /// Whether an ignore without an expiry is an error rather than a warning; it then covers nothing.
    pub require_expiry: bool,
}

impl Default for GatePolicy {
    /// Blocks on `high`, fixed or not; unknown severities and unexplained ignores are warnings.
    fn default() -> Self {
        Self {
            fail_on: Severity::High,
            only_fixed: false,
            mode: Mode::Block,
            unknown: UnknownSeverity::Warn,
            require_statement: false,
            require_expiry: false,
        }
    }
}
