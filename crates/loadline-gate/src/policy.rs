//! What an image's gate demands.

use loadline_core::config::{self, Gate, GateMode, ThresholdSeverity};

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

impl From<ThresholdSeverity> for Severity {
    fn from(severity: ThresholdSeverity) -> Self {
        match severity {
            ThresholdSeverity::Low => Self::Low,
            ThresholdSeverity::Medium => Self::Medium,
            ThresholdSeverity::High => Self::High,
            ThresholdSeverity::Critical => Self::Critical,
        }
    }
}

impl From<&Gate> for GatePolicy {
    /// What an image's `gate` table says.
    fn from(gate: &Gate) -> Self {
        let mode = match gate.mode {
            GateMode::Block => Mode::Block,
            GateMode::Regression => Mode::Regression,
        };
        let unknown = match gate.unknown_severity {
            config::UnknownSeverity::Warn => UnknownSeverity::Warn,
            config::UnknownSeverity::Block => UnknownSeverity::Block,
        };
        Self {
            fail_on: gate.fail_on.into(),
            only_fixed: gate.only_fixed,
            mode,
            unknown,
            require_statement: gate.require_statement,
            require_expiry: gate.require_expiry,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_maps_onto_it() {
        let gate = Gate {
            mode: GateMode::Regression,
            fail_on: ThresholdSeverity::Critical,
            only_fixed: true,
            unknown_severity: config::UnknownSeverity::Block,
            require_expiry: true,
            ..Gate::default()
        };
        let policy = GatePolicy::from(&gate);
        assert_eq!(
            (policy.unknown, policy.require_statement, policy.require_expiry),
            (UnknownSeverity::Block, false, true)
        );
        assert_eq!(
            (policy.fail_on, policy.only_fixed, policy.mode),
            (Severity::Critical, true, Mode::Regression)
        );
        assert_eq!(GatePolicy::from(&Gate::default()), GatePolicy::default());
    }
}
